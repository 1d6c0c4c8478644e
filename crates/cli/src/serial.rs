//! Where a serial line leads, as the user says it: stdio, a file, nothing, a pseudo-terminal.

use crate::error::CliError;
use crate::output::{Finished, Nowhere, Output};
use crate::pty::Pty;
use crate::say::say;
use crate::target::Stream;
use crate::terminal::{self, WholeLines};
use ringer::{Handle, SerialSink};
use ringer_cpu::refusal::refused;
use ringer_input::shown;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use thiserror::Error;

/// A serial line's other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialSpec {
    /// The terminal, or whatever standard input and output are.
    Stdio,
    /// A file for output; no input.
    File(PathBuf),
    /// Nothing.
    Null,
    /// A new pseudo-terminal.
    Pty,
}

/// A text that names no end of a serial line.
#[derive(Debug, Error)]
#[error("use stdio, file:F, null or pty")]
pub struct UnknownSerial;

impl FromStr for SerialSpec {
    type Err = UnknownSerial;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "stdio" => Ok(Self::Stdio),
            "null" | "none" => Ok(Self::Null),
            "pty" => Ok(Self::Pty),
            _ => match text.strip_prefix("file:") {
                Some(path) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
                _ => Err(UnknownSerial),
            },
        }
    }
}

/// An open end.
#[derive(Debug, Default)]
pub struct Line {
    name: String,
    output: Option<Output>,
    pty: Option<Pty>,
    /// The file, until the run begins.
    new: Mutex<Option<Stream>>,
}

impl Line {
    /// Opens the end that `spec` names.
    pub fn open(spec: &SerialSpec) -> Result<Self, CliError> {
        let host = |source| CliError::Host { what: "serial output", source };
        let (mut pty, mut new) = (None, None);
        let (name, output) = match spec {
            SerialSpec::Null => return Ok(Self::default()),
            SerialSpec::Stdio => {
                let stdout = io::stdout().as_fd().try_clone_to_owned();
                let stdout = stdout.map_err(refused("fcntl")).map_err(host)?;
                let stdout = File::from(stdout);
                let output = if terminal::is_raw_console() {
                    Output::new(WholeLines::new(stdout))
                } else {
                    Output::new(stdout)
                };
                ("standard output".to_owned(), output)
            }
            SerialSpec::File(path) => {
                let stream = Stream::open(path)?;
                let file = stream.file().map_err(refused("fcntl")).map_err(host)?;
                new = Some(stream);
                (shown(path).to_string(), Output::new(file))
            }
            SerialSpec::Pty => {
                let failed = |source| CliError::Host { what: "a pseudo-terminal", source };
                let open = Pty::open().map_err(failed)?;
                let writer = open.writer().map_err(failed)?;
                let name = open.name().to_owned();
                say(format_args!("the serial port is {name}"));
                pty = Some(open);
                (name, Output::new(writer))
            }
        };
        Ok(Self { name, output: Some(output.map_err(host)?), pty, new: Mutex::new(new) })
    }

    /// The run begins.
    pub fn begin(&self) -> Result<(), CliError> {
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begun = new.map_or(Ok(()), Stream::begin);
        begun.map_err(|source| CliError::Output { what: self.name.clone(), source })
    }

    /// A sink for the machine.
    pub fn sink(&self) -> Box<dyn SerialSink> {
        match &self.output {
            Some(output) => Box::new(output.clone()),
            None => Box::new(Nowhere),
        }
    }

    /// The pseudo-terminal, if this is one.
    pub fn pty(&self) -> Option<&Pty> {
        self.pty.as_ref()
    }

    /// The machine whose line this is, and when its run is to be over.
    pub fn belongs_to(&self, machine: Handle, until: Option<Instant>) {
        if let Some(output) = &self.output {
            output.belongs_to(machine, until);
        }
    }

    /// Where it leads, in words.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until everything is written, `until` at the latest. How many bytes no reader took.
    pub fn finish(&self, until: Option<Instant>) -> Result<u64, CliError> {
        let Some(output) = &self.output else { return Ok(0) };
        let Finished { error, lost } = output.finish(until);
        let what = || self.name.clone();
        error.map_or(Ok(lost), |source| Err(CliError::Output { what: what(), source }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_named_as_in_the_help() {
        assert_eq!("stdio".parse::<SerialSpec>().unwrap(), SerialSpec::Stdio);
        assert_eq!("null".parse::<SerialSpec>().unwrap(), SerialSpec::Null);
        assert_eq!("pty".parse::<SerialSpec>().unwrap(), SerialSpec::Pty);
        let file = SerialSpec::File(PathBuf::from("a:b"));
        assert_eq!("file:a:b".parse::<SerialSpec>().unwrap(), file);
        for bad in ["", "file:", "tcp:1", "STDIO"] {
            assert!(bad.parse::<SerialSpec>().is_err(), "{bad}");
        }
    }
}
