//! How `ringer test` reports, and how long it may take.

use clap::Args;
use ringer_testkit::{Form, Format};
use std::path::PathBuf;
use std::time::Duration;

/// Reports and time.
#[derive(Debug, Args)]
pub struct SuiteReportArgs {
    /// Report in this form, to FILE or to standard output: human, tap, junit, json, github (may be
    /// repeated)
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<Format>,
    /// Write JUnit XML to this file: --format junit=FILE
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print the Test Anything Protocol: --format tap
    #[arg(long)]
    pub tap: bool,
    /// End the suite after so many seconds, whatever is left
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub budget: Option<Duration>,
    /// Name tests that take longer than so many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub slow: Option<Duration>,
}

impl SuiteReportArgs {
    /// Whether this form was asked for.
    pub fn asks_for(&self, form: Form) -> bool {
        self.formats().iter().any(|format| format.form == form)
    }

    /// All formats that were asked for.
    pub fn formats(&self) -> Vec<Format> {
        let junit = self.junit.iter();
        let junit = junit.map(|file| Format { form: Form::Junit, file: Some(file.clone()) });
        let tap = self.tap.then_some(Format { form: Form::Tap, file: None });
        self.format.iter().cloned().chain(junit).chain(tap).collect()
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let positive = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    positive.ok_or_else(|| "must be more than 0 seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_positive_and_may_be_fractions() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["0", "-1", "x", "inf", "nan", "1e30"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
