//! Parsers of options' values, with messages in the words of the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command, Error};
use ringer::CpuModel;
use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Engines by name.
pub const ENGINES: [&str; 3] = ["bt", "interp", "lockstep"];
/// Processor models by name.
pub const MODELS: [&str; 9] = [
    "486",
    "pentium",
    "pentium3",
    "pentium4",
    "max",
    "host",
    "x86-64-v1",
    "x86-64-v2",
    "x86-64-v3",
];
/// Clocks by name.
pub const CLOCKS: [&str; 2] = ["real", "virtual"];

/// A parser of one of `names`, which the shell can complete.
pub fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// A parser of processors: one of [`MODELS`], which the shell can complete, and features behind it.
#[derive(Clone, Copy, Debug)]
pub struct Processor;

impl TypedValueParser for Processor {
    type Value = CpuModel;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<CpuModel, Error> {
        let model = value.to_str().and_then(|text| text.split(',').next());
        if !model.is_some_and(|model| MODELS.contains(&model)) {
            // The message that lists the models.
            PossibleValuesParser::new(MODELS).parse_ref(command, arg, value)?;
        }
        let whole = |text: &str| text.parse::<CpuModel>();
        whole.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(MODELS.into_iter().map(PossibleValue::new)))
    }
}

/// A parser of whole numbers in `range`.
pub fn whole<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + Copy + PartialOrd + std::fmt::Display + Send + Sync + 'static,
{
    move |text| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err("not a whole number".to_owned());
        }
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("must be {} to {}", range.start(), range.end())),
        }
    }
}

/// A parser of whole numbers from 1 on.
pub fn positive(text: &str) -> Result<u64, String> {
    match whole(0..=u64::MAX)(text) {
        Ok(0) => Err("must be 1 or more".to_owned()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer::Engine;

    #[test]
    fn names_are_those_that_are_known() {
        assert!(ENGINES.iter().all(|name| name.parse::<Engine>().is_ok()));
        assert!(MODELS.iter().all(|name| name.parse::<CpuModel>().is_ok()));
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(whole(1..=1000u32)("20"), Ok(20));
        for bad in ["", "-1", "+1", "1001", "0", "x", "99999999999999999999"] {
            assert!(whole(1..=1000u32)(bad).is_err(), "{bad}");
        }
        assert_eq!(positive("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(positive("0").unwrap_err(), "must be 1 or more");
    }
}
