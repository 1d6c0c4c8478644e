//! What is wrong with a command line, in one line.

use super::qemu;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use std::error::Error as _;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

/// `error` of the command `sub`, to which the words `behind` its name were given.
pub fn line(error: &Error, sub: &Command, behind: &[OsString]) -> String {
    let arg = bare(&one(error, ContextKind::InvalidArg).unwrap_or_default());
    let name = arg.split_whitespace().next().unwrap_or_default();
    let value = one(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(error, &arg, sub, behind),
        ErrorKind::InvalidSubcommand => {
            let word = one(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let hint = did_you_mean(&many(error, ContextKind::SuggestedSubcommand));
            format!("{word}: neither a command nor a file{hint}")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{arg}: the value is missing"),
        ErrorKind::InvalidValue => {
            let hint = did_you_mean(&many(error, ContextKind::SuggestedValue));
            let valid = listed(&many(error, ContextKind::ValidValue), "and");
            format!("{name} {value}: unknown; there are {valid}{hint}")
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(reason).unwrap_or_default();
            format!("{name} {}: {reason}", if value.is_empty() { "''" } else { &value })
        }
        ErrorKind::ArgumentConflict => conflict(error, name),
        ErrorKind::MissingRequiredArgument => {
            let wanted = many(error, ContextKind::InvalidArg);
            let wanted: Vec<String> = wanted.iter().map(|arg| bare(arg)).collect();
            let are = if wanted.len() == 1 { "is" } else { "are" };
            format!("{} {are} required and not given", listed(&wanted, "and"))
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            let expected = [ContextKind::ExpectedNumValues, ContextKind::MinValues];
            let expected = expected.into_iter().find_map(|kind| number(error, kind));
            let given = number(error, ContextKind::ActualNumValues).unwrap_or_default();
            format!("{arg}: {} values are wanted, not {given}", expected.unwrap_or_default())
        }
        ErrorKind::TooManyValues => format!("{name} {value}: one value too many"),
        ErrorKind::NoEquals => format!("{arg}: a value is given by {name}=VALUE"),
        ErrorKind::InvalidUtf8 => {
            let odd = behind.iter().find(|word| word.to_str().is_none());
            let odd = odd.map(|word| word.to_string_lossy()).unwrap_or_default();
            format!("'{odd}': an option's text must be UTF-8; only files may have other names")
        }
        _ => plain(error),
    }
}

/// An argument as it is written: an option with its value's name, or what stands without an option.
fn bare(arg: &str) -> String {
    let marks = |c: char| "<>[].".contains(c);
    if arg.starts_with('-') { arg.to_owned() } else { arg.trim_matches(marks).to_owned() }
}

/// An argument that the command does not have.
fn unknown(error: &Error, arg: &str, sub: &Command, behind: &[OsString]) -> String {
    // clap takes -kernel for -k and more; the user's word is what to talk about.
    let words = behind.iter().filter_map(|word| word.to_str());
    let word = words.into_iter().find(|word| word.starts_with(arg)).unwrap_or(arg);
    let word = word.split('=').next().unwrap_or(word);
    if !word.starts_with('-') {
        return format!("{word}: not expected here");
    }
    let name = word.trim_start_matches('-');
    if let Some(advice) = qemu::advice(name) {
        return format!("{word}: {advice}");
    }
    // One dash before a long name that is right otherwise.
    if sub.get_arguments().any(|a| a.get_long() == Some(name)) {
        return format!("{word}: write --{name}");
    }
    let mut hints = many(error, ContextKind::SuggestedArg);
    if hints.is_empty() {
        hints = closest(name, sub).into_iter().collect();
    }
    format!("{word}: no such option{}", did_you_mean(&hints))
}

/// The option of `sub` whose name shares the longest beginning with `name`: words cut short and single
/// dashes are no misspelling to clap.
fn closest(name: &str, sub: &Command) -> Option<String> {
    let name = name.split('=').next().unwrap_or(name);
    let begins = |long: &&str| name.len() > 2 && long.starts_with(name);
    let mut longs = sub.get_arguments().filter_map(clap::Arg::get_long).filter(begins);
    let first = longs.next()?;
    longs.next().is_none().then(|| format!("--{first}"))
}

fn conflict(error: &Error, name: &str) -> String {
    let first = |text: &String| text.split_whitespace().next().unwrap_or_default().to_owned();
    let others: Vec<String> = many(error, ContextKind::PriorArg).iter().map(first).collect();
    if name.is_empty() {
        return plain(error);
    }
    if others.iter().all(|other| other == name) {
        return format!("{name} is given twice");
    }
    format!("{name} does not go with {}", listed(&others, "or"))
}

/// Why a value was refused. Our own parsers say it in our words; those of Rust are put into them.
fn reason(source: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = source.downcast_ref::<ParseIntError>() {
        return match error.kind() {
            IntErrorKind::PosOverflow => "the number is too large",
            IntErrorKind::NegOverflow => "the number is too small",
            IntErrorKind::Zero => "must be 1 or more",
            _ => "not a whole number",
        }
        .to_owned();
    }
    if source.is::<ParseFloatError>() {
        return "not a number".to_owned();
    }
    source.to_string()
}

/// clap's own words, for what has none here: its first paragraph.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn did_you_mean(candidates: &[String]) -> String {
    let quoted: Vec<String> = candidates.iter().map(|word| format!("'{word}'")).collect();
    if quoted.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", listed(&quoted, "or"))
    }
}

/// `a, b and c`.
fn listed(words: &[String], before_last: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} {before_last} {last}", rest.join(", ")),
    }
}

fn one(error: &Error, kind: ContextKind) -> Option<String> {
    many(error, kind).into_iter().next()
}

fn many(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

fn number(error: &Error, kind: ContextKind) -> Option<isize> {
    match error.get(kind) {
        Some(ContextValue::Number(number)) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;

    /// Values that hardly any option takes.
    const BAD: [&str; 9] =
        ["", "x!", "-1", "0", "1e99", "nan", "99999999999999999999999", "1/0", "\u{fffd}\n"];
    /// Words of Rust's parsers, of its types, and of clap.
    const FOREIGN: [&str; 18] = [
        "invalid digit",
        "invalid float",
        "cannot parse",
        "empty string",
        "too large to fit",
        "out of range integral",
        "would be zero",
        "is not in ",
        "..",
        "Error",
        "Utf8",
        "invalid value",
        "unexpected argument",
        "expected one of",
        "invalid character",
        "invalid type",
        "TOML",
        "at line",
    ];

    /// What is said of these words.
    fn said(words: &[&str]) -> Option<String> {
        let mut command = Cli::command();
        command.build();
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let error = command.clone().try_get_matches_from(&words).err()?;
        let (sub, behind) = super::super::named(&words, &command);
        Some(line(&error, sub, behind))
    }

    #[test]
    fn no_value_of_any_option_brings_out_words_of_rust() {
        let mut command = Cli::command();
        command.build();
        let mut refused = 0;
        for sub in command.get_subcommands() {
            for arg in sub.get_arguments().filter(|arg| arg.get_action().takes_values()) {
                for bad in BAD {
                    let words = match arg.get_long() {
                        Some(long) => vec![format!("--{long}={bad}")],
                        None => vec!["--".to_owned(), bad.to_owned()],
                    };
                    let mut all = vec!["ringer", sub.get_name()];
                    all.extend(words.iter().map(String::as_str));
                    let Some(line) = said(&all) else { continue };
                    refused += 1;
                    let shown = line.replace(bad, "");
                    for foreign in FOREIGN.iter().filter(|foreign| !bad.contains(**foreign)) {
                        assert!(!shown.contains(foreign), "{all:?}: {line}");
                    }
                }
            }
        }
        assert!(refused > 50, "{refused} values were refused");
    }

    #[test]
    fn misspelt_words_are_mended() {
        for (words, wanted) in [
            (
                &["ringer", "run", "--kernal", "x"][..],
                "--kernal: no such option; did you mean '--kernel'?",
            ),
            (&["ringer", "run", "--kern", "x"], "did you mean '--kernel'?"),
            (
                &["ringer", "run", "--engine", "lockstp"],
                "lockstp: unknown; there are bt, interp and lockstep",
            ),
            (&["ringer", "run", "--engine", "lockstp"], "did you mean 'lockstep'?"),
            (
                &["ringer", "profil"],
                "profil: neither a command nor a file; did you mean 'profile'?",
            ),
            (&["ringer", "run", "--rom"], "--rom <FILE>: the value is missing"),
            (&["ringer", "run", "--rom", "a", "--rom", "b"], "--rom is given twice"),
            (&["ringer", "run", "--save-at", "5"], "2 values are wanted, not 1"),
            (&["ringer", "run", "a", "b"], "b: not expected here"),
            (&["ringer", "run", "-d", "int"], "-d: "),
            (&["ringer", "nano", "--time", "x"], "--time x: not a whole number"),
            (&["ringer", "nano", "--time", "1001"], "--time 1001: must be 1 to 1000"),
        ] {
            let line = said(words).unwrap_or_default();
            assert!(line.contains(wanted), "{words:?}: {line}");
        }
    }
}
