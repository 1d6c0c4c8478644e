//! `--escape KEY`: the key of a console that announces a command, instead of going to the guest.

use rustix::termios::isatty;
use std::fmt;
use std::io;
use std::str::FromStr;
use thiserror::Error;

/// The key where standard input is a terminal.
const CTRL_A: u8 = 0x01;

/// A key with Ctrl, as a terminal sends it: 01h to 1Fh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscapeKey(u8);

impl EscapeKey {
    /// The byte that a terminal sends.
    pub fn byte(self) -> u8 {
        self.0
    }

    fn letter(self) -> char {
        char::from(self.0 | 0x40)
    }
}

impl fmt::Display for EscapeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ctrl-{}", self.letter())
    }
}

/// What the option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// This key, whatever standard input is.
    Key(EscapeKey),
    /// Everything goes to the guest.
    None,
}

/// A text that names no key.
#[derive(Debug, Error)]
#[error("use a letter or one of [ \\ ] ^ _ with Ctrl, as ctrl-a or ^], or none")]
pub struct UnknownKey;

impl FromStr for Escape {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        if lower == "none" {
            return Ok(Self::None);
        }
        let key = lower.strip_prefix("ctrl-").or_else(|| lower.strip_prefix("c-"));
        let key = key.or_else(|| lower.strip_prefix('^')).ok_or(UnknownKey)?;
        match key.to_ascii_uppercase().as_bytes() {
            [byte @ b'A'..=b'_'] => Ok(Self::Key(EscapeKey(byte & 0x1f))),
            _ => Err(UnknownKey),
        }
    }
}

/// The key of a stdio console: what the option says, or else Ctrl-A on a terminal. A pipe or a file is data, all of it.
pub fn of_console(option: Option<Escape>) -> Option<EscapeKey> {
    match option {
        Some(Escape::Key(key)) => Some(key),
        Some(Escape::None) => None,
        None => isatty(io::stdin()).then_some(EscapeKey(CTRL_A)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_people_do() {
        let byte = |text: &str| match text.parse() {
            Ok(Escape::Key(key)) => Some(key.byte()),
            _ => None,
        };
        for (text, key) in [("ctrl-a", 1), ("Ctrl-A", 1), ("^]", 0x1d), ("c-z", 26), ("^_", 31)] {
            assert_eq!(byte(text), Some(key), "{text}");
        }
        assert_eq!("none".parse::<Escape>().unwrap(), Escape::None);
        for bad in ["", "a", "ctrl-", "ctrl-aa", "^@", "^", "ctrl-1", "ctrl-\u{e9}"] {
            assert!(bad.parse::<Escape>().is_err(), "{bad}");
        }
        assert_eq!(EscapeKey(0x1d).to_string(), "Ctrl-]");
    }
}
