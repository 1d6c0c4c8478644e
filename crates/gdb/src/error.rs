//! Why gdb cannot be served.

use crate::address::Address;
use ringer_machine::{MachineError, StateError, status};
use std::io;
use thiserror::Error;

/// Why gdb cannot be served; never because of what gdb or the guest does.
#[derive(Debug, Error)]
pub enum GdbError {
    /// The address cannot be listened at.
    #[error(
        "--gdb {address}: cannot listen there: {source}; is another debugger's machine running?"
    )]
    Listen {
        /// The address.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread for gdb: {0}")]
    Thread(#[source] io::Error),
    /// The machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A state of the machine could not be kept or taken up again.
    #[error(transparent)]
    State(#[from] StateError),
}

impl GdbError {
    /// The process exit status for this error.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Listen { .. } => status::USAGE,
            Self::Thread(_) => status::INTERNAL,
            Self::Machine(e) => e.status(),
            Self::State(e) => e.status(),
        }
    }
}
