//! Why captured tests cannot be run.

use super::moo::MooError;
use ringer_cpu::Refusal;
use ringer_input::{InputError, shown};
use ringer_mmu::MemoryError;
use ringer_monitor::MonitorError;
use std::path::PathBuf;
use thiserror::Error;

/// Why captured tests could not be run. A failing test is not among these.
#[derive(Debug, Error)]
pub enum HwError {
    /// A file cannot be read, or is more than can be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A folder cannot be read.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not as it should be.
    #[error("{}: {source}", shown(path))]
    File {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        source: MooError,
    },
    /// The captures' description is not JSON.
    #[error("{}: no JSON: {source}", shown(path))]
    Metadata {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Nothing to run.
    #[error("{}: no *.MOO or *.MOO.gz file of the wanted opcodes", shown(.0))]
    Nothing(PathBuf),
    /// No memory for a machine.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// No memory for a machine's code.
    #[error("cannot set up the interpreter: {0}")]
    Interp(#[from] Refusal),
    /// No machine.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
}
