//! Why a suite could not be run. A failing test is not among these.

use ringer_machine::status;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// An error of the test kit.
#[derive(Debug, Error)]
pub enum TestkitError {
    /// A path cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is no test.
    #[error("{}: neither a .s source, an image with a .toml next to it, nor a Multiboot image", .0.display())]
    NotATest(PathBuf),
    /// A description is wrong.
    #[error("{}: {message}", path.display())]
    Spec {
        /// The file with the description.
        path: PathBuf,
        /// What is wrong with it, in one line.
        message: String,
    },
    /// Nothing to run.
    #[error("no tests found")]
    NoTests,
    /// No folder for the suite's files.
    #[error("cannot make a temporary directory: {0}")]
    WorkDir(io::Error),
    /// A report cannot be written.
    #[error("cannot write {what}: {source}")]
    Write {
        /// Which report.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl TestkitError {
    /// The process exit status for this error.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Read { .. } | Self::NotATest(_) | Self::Spec { .. } | Self::NoTests => {
                status::USAGE
            }
            Self::WorkDir(_) => status::INTERNAL,
            Self::Write { .. } => status::OUTPUT,
        }
    }
}
