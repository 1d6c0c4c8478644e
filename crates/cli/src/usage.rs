//! From the words of the command line to what they ask for, or to one line that says what is wrong
//! with them and how to mend it.
//!
//! clap parses; what it says about errors is said anew here, because it takes several lines, and because
//! a value's error would be in the words of Rust's own parsers.

mod qemu;
mod wording;

use crate::args::Cli;
use crate::say::say;
use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};
use ringer::status;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Words that stand alone, without a command.
const ALONE: [&str; 4] = ["-h", "--help", "-V", "--version"];

/// What the words ask for; else the exit status, when everything is said.
pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Cli, u8> {
    let mut command = Cli::command();
    command.build();
    let words = with_command(words.collect(), &command);
    let (sub, behind) = named(&words, &command);
    if let Some(line) = qemu::refusal(behind, sub, &command) {
        say(line);
        return Err(status::USAGE);
    }
    Cli::try_parse_from(&words).map_err(|error| tell(&error, &words, &command))
}

/// The words with `run` put in where no command stands: `ringer FILE` and `ringer -m 64M FILE` run it.
fn with_command(mut words: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let Some(first) = words.get(1) else { return words };
    let known = first.to_str().is_some_and(|word| {
        ALONE.contains(&word) || word == "help" || command.find_subcommand(word).is_some()
    });
    if !known && (is_option(first) || is_path(first)) {
        words.insert(1, "run".into());
    }
    words
}

fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

/// Whether a word can be meant as a file: it is there, or looks like one.
fn is_path(word: &OsStr) -> bool {
    let telling = |byte: &u8| matches!(byte, b'/' | b'.');
    Path::new(word).exists() || word.as_encoded_bytes().iter().any(telling)
}

/// The command that the words name, and the words behind it.
fn named<'a>(words: &'a [OsString], command: &'a Command) -> (&'a Command, &'a [OsString]) {
    let name = words.get(1).and_then(|word| word.to_str());
    match name.and_then(|name| command.find_subcommand(name)) {
        Some(sub) => (sub, &words[2..]),
        None => (command, words.get(1..).unwrap_or_default()),
    }
}

/// Help goes out as clap wrote it; an error becomes one line. Returns the exit status.
fn tell(error: &clap::Error, words: &[OsString], command: &Command) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away does not want the rest.
            let _ = error.print();
            return 0;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say("no command and no guest given (try 'ringer --help')");
        }
        _ => {
            let (sub, behind) = named(words, command);
            let help = match sub.get_bin_name() {
                Some(name) => format!("{name} --help"),
                None => "ringer --help".to_owned(),
            };
            let what = wording::line(error, sub, behind);
            say(format_args!("{} (try '{help}')", what.trim()));
        }
    }
    status::USAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> Vec<String> {
        let words = std::iter::once("ringer").chain(line.split_whitespace()).map(OsString::from);
        let words = with_command(words.collect(), &Cli::command());
        words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_or_an_option_alone_is_run() {
        assert_eq!(completed("/some/kernel.elf -m 64M")[0], "run");
        assert_eq!(completed("kernel.elf"), ["run", "kernel.elf"]);
        assert_eq!(completed("-m 64M x")[..2], ["run", "-m"]);
        for as_it_is in ["run x.elf", "test roms", "--help", "-V", "help run", "frobnicate"] {
            assert_eq!(completed(as_it_is).join(" "), as_it_is);
        }
        assert!(completed("").is_empty());
    }
}
