//! Why a suite could not be run. A failing test is not among these.

use ringer_input::{InputError, shown};
use ringer_machine::status;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// An error of the test kit.
#[derive(Debug, Error)]
pub enum TestkitError {
    /// A file cannot be read, or is more than can be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A path cannot be read.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is no test.
    #[error(
        "{}: neither a source with a head, an image with a .toml next to it, nor a Multiboot image",
        shown(.0)
    )]
    NotATest(PathBuf),
    /// The suite's configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// Nothing to run.
    #[error("no tests found in {0}")]
    NoTests(String),
    /// Nothing to run of what there is.
    #[error("none of the {found} tests is one that was asked for ({asked})")]
    NoneSelected {
        /// How many there are.
        found: usize,
        /// The options that choose.
        asked: String,
    },
    /// No folder for the suite's files.
    #[error("cannot make a temporary directory: {0}")]
    WorkDir(io::Error),
    /// A starter suite cannot be written.
    #[error("--init: {0}")]
    Init(String),
    /// The formats of reports contradict each other.
    #[error("--format: {0}")]
    Format(String),
    /// A report's file cannot be made.
    #[error("cannot write {}: {source}", shown(path))]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
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
            Self::Read { .. }
            | Self::Input(_)
            | Self::NotATest(_)
            | Self::Config(_)
            | Self::NoTests(_)
            | Self::NoneSelected { .. }
            | Self::Init(_)
            | Self::Format(_)
            | Self::Create { .. } => status::USAGE,
            Self::WorkDir(_) => status::INTERNAL,
            Self::Write { .. } => status::OUTPUT,
        }
    }
}
