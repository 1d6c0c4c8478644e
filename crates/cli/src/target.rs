//! Files that the command writes; `-` is standard output everywhere.

use crate::error::CliError;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An output that was opened before the run, so that a wrong name is told at once.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    /// `None`: standard output.
    file: Option<File>,
}

impl Target {
    /// Opens it; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let path = path.to_owned();
        if path.as_os_str() == "-" {
            return Ok(Self { path: "standard output".into(), file: None });
        }
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file: Some(file) }),
            Err(source) => Err(CliError::Create { path, source }),
        }
    }

    /// It is standard output.
    pub fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Writes what there is to write.
    pub fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let written = match self.file {
            Some(file) => {
                let mut out = BufWriter::new(file);
                write(&mut out).and_then(|()| out.flush())
            }
            None => {
                let mut out = BufWriter::new(io::stdout().lock());
                write(&mut out).and_then(|()| out.flush())
            }
        };
        let what = self.path.display().to_string();
        written.map_err(|source| CliError::Output { what, source })
    }
}
