//! Why a machine's state cannot be saved or loaded.

use crate::boot::LoadError;
use crate::stop::status;
use ringer_cpu::ChoiceError;
use ringer_devices::BoardLoadError;
use ringer_devices::state::StateError as SectionError;
use ringer_input::{InputError, shown};
use ringer_mmu::LoadError as ContentsError;
use ringer_monitor::MonitorError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a state cannot be saved or loaded. Where a file is to blame, [`StateError::In`] names it.
#[derive(Debug, Error)]
pub enum StateError {
    /// A file is to blame.
    #[error("state file {}: {source}", shown(path))]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<StateError>,
    },
    /// The file could not be opened, or is none.
    #[error(transparent)]
    Open(#[from] InputError),
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// The file could not be written; what was there before is there still.
    #[error("cannot be written: {0}")]
    Write(#[source] io::Error),
    /// Something else than a state.
    #[error("not a saved machine (no RINGERST at its start)")]
    NotAState,
    /// Written by another version of Ringer.
    #[error("its format has version {found}; this Ringer reads version {known}")]
    Format {
        /// The file's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It ends early.
    #[error("truncated: {0} ends early")]
    Truncated(&'static str),
    /// It is not what was written.
    #[error("damaged: its checksum is {found:08x}, its contents have {computed:08x}")]
    Checksum {
        /// In the file.
        found: u32,
        /// What it should be.
        computed: u32,
    },
    /// More than any machine's state has.
    #[error("{what} has {found} bytes, more than the {most} that it can have")]
    TooMuch {
        /// What has them.
        what: &'static str,
        /// How many.
        found: u64,
        /// The bound.
        most: u64,
    },
    /// Bytes behind the end of the contents.
    #[error("{0} bytes too long")]
    TooLong(u64),
    /// The manifest is none.
    #[error("its manifest cannot be read: {0}")]
    Manifest(String),
    /// A section is missing, or is there twice.
    #[error("it has {found} sections {id:?}, expected 1")]
    Sections {
        /// The section.
        id: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A section's version is unknown.
    #[error("section {id:?} has version {found}; this Ringer reads version {known}")]
    Version {
        /// The section.
        id: &'static str,
        /// The state's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A section's contents.
    #[error("section {id:?}: {source}")]
    Section {
        /// The section.
        id: &'static str,
        /// What is wrong with it.
        source: SectionError,
    },
    /// A device.
    #[error(transparent)]
    Board(#[from] BoardLoadError),
    /// Guest memory.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// Processor and clock.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The machine is another one.
    #[error("it is of a machine with {what} {saved}, not {here}")]
    Other {
        /// What is different.
        what: &'static str,
        /// The state's.
        saved: String,
        /// This machine's.
        here: String,
    },
    /// The manifest names a processor or a clock that does not exist.
    #[error("it is of a machine with an unknown {what}: {text:?}")]
    Unknown {
        /// What.
        what: &'static str,
        /// Its name.
        text: String,
    },
    /// The processor cannot be had on this host.
    #[error("it is of a machine with another processor: {0}")]
    Processor(#[source] ChoiceError),
    /// The image that the machine boots is not a regular file, so it could not be found again.
    #[error(
        "cannot save: {} is no regular file, so that a load could not boot it again",
        shown(.0)
    )]
    NotAFile(PathBuf),
    /// An image of the machine cannot be read.
    #[error(transparent)]
    Image(#[from] LoadError),
    /// The image that the machine boots is another one now.
    #[error("the machine boots {what}, which is not what it was when the state was saved")]
    ImageChanged {
        /// Which.
        what: String,
    },
    /// A load failed in the middle.
    #[error("the machine has taken a state over in part, and cannot run")]
    Mixed,
    /// Saving at an instruction needs them counted.
    #[error(
        "only a machine with the virtual clock counts its instructions and can be saved at one"
    )]
    NotCounted,
}

impl StateError {
    /// The same, said of the file at `path`.
    #[must_use]
    pub fn of(self, path: &std::path::Path) -> Self {
        Self::In { path: path.to_owned(), source: Box::new(self) }
    }

    /// The process exit status for this error.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::In { source, .. } => source.status(),
            Self::Write(_) => status::OUTPUT,
            Self::Monitor(
                MonitorError::StateVersion { .. }
                | MonitorError::StateClock
                | MonitorError::StateTime(_)
                | MonitorError::StateCpu(_),
            ) => status::USAGE,
            Self::Monitor(_) | Self::Mixed => status::INTERNAL,
            _ => status::USAGE,
        }
    }
}
