//! Files about a run: how it ended, what it cost.

use crate::error::CliError;
use ringer::{Machine, Stop};
use ringer_testkit::RunReport;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file for JSON, made before the run so that a wrong name is told at once.
#[derive(Debug)]
pub struct JsonFile {
    path: PathBuf,
    file: File,
}

impl JsonFile {
    /// Makes the file.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let file = File::create(path)
            .map_err(|source| CliError::Create { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes `value`.
    pub fn write(mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from);
        let written = text.and_then(|text| writeln!(self.file, "{text}"));
        written.map_err(|source| CliError::Output { what: self.path.display().to_string(), source })
    }
}

/// How a run ended, for the user of the command: with the option that is to blame.
pub fn in_words(stop: &Stop) -> String {
    match stop {
        Stop::Reset => format!("{stop} (--no-reboot)"),
        Stop::InstructionLimit => "stopped at the limit of --max-instructions".to_owned(),
        Stop::Timeout => "stopped by --timeout".to_owned(),
        other => other.to_string(),
    }
}

/// What `--report` tells of a run.
pub fn run_report(exit: &Stop, machine: &mut Machine) -> Result<RunReport, CliError> {
    let digest = machine.digest()?;
    let hex = |(id, crc): &(String, u32)| (id.clone(), format!("{crc:08x}"));
    Ok(RunReport {
        end: exit.name().to_owned(),
        status: exit.status(),
        value: match exit {
            Stop::DebugExit(value) => Some(*value),
            _ => None,
        },
        detail: in_words(exit),
        post: machine.post_codes().to_vec(),
        instructions: machine.instructions(),
        digest: digest.to_string(),
        sections: digest.sections.iter().map(hex).collect(),
    })
}
