//! What can go wrong with a machine, besides what a guest does in it.

use ringer_devices::AttachError;
use ringer_gdb::GdbError;
use ringer_machine::{LoadError, MachineError, StateError, status};
use thiserror::Error;

/// Why a machine could not be built or go on. What a guest does is never an error, but a
/// [`crate::Stop`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// gdb.
    #[error(transparent)]
    Gdb(#[from] GdbError),
    /// A device of one's own.
    #[error(transparent)]
    Device(#[from] AttachError),
    /// Registers that no guest could have.
    #[error("{register} cannot be {value:#x}: no guest can bring that about")]
    Register {
        /// Which register.
        register: &'static str,
        /// What was to be put into it.
        value: u64,
    },
    /// A physical address without memory, or, for a write, without RAM.
    #[error("{len} bytes at physical address {address:#x} do not lie in the guest's {what}")]
    Memory {
        /// The first address.
        address: u64,
        /// How many bytes.
        len: usize,
        /// What was looked for there.
        what: &'static str,
    },
}

impl From<LoadError> for Error {
    fn from(e: LoadError) -> Self {
        Self::Machine(e.into())
    }
}

impl From<StateError> for Error {
    fn from(e: StateError) -> Self {
        Self::Machine(e.into())
    }
}

impl Error {
    /// The exit status that the command `ringer` has for this error (see [`crate::status`]).
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Machine(e) => e.status(),
            Self::Gdb(e) => e.status(),
            Self::Device(_) | Self::Register { .. } | Self::Memory { .. } => status::USAGE,
        }
    }
}
