//! A machine that runs the runner, whatever it is made of.
//!
//! Invariant: all that passes between host and guest is bytes in guest memory and the words of the
//! mailbox; so what holds of one machine's results holds of another's.

use crate::layout::{MAIL, mail};
use crate::tables;
use thiserror::Error;

/// What is said of a machine that is given up, in a loop perhaps.
pub const TOO_LONG: &str = "it does not get on";

/// How a machine's work on a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All cases ran.
    Done,
    /// The machine stopped, or does not get on, in the case at hand.
    Died(String),
}

/// A machine that could not be started or reached.
#[derive(Debug, Error)]
pub enum PeerError {
    /// The peer's program is not there.
    #[error(
        "`qemu-system-i386` is not installed (Debian: apt-get install qemu-system-x86); \
         --no-peer compares Ringer's engines alone"
    )]
    NotInstalled,
    /// The peer ended before it ran a case.
    #[error("qemu-system-i386 does not reach the runner: {0}")]
    Start(String),
    /// The host refused something.
    #[error("cannot {what}: {source}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// What the host said.
        source: std::io::Error,
    },
    /// Ringer could not be built.
    #[error(transparent)]
    Ringer(#[from] ringer_machine::MachineError),
}

/// A machine with the runner in it.
pub trait Peer {
    /// The name that reports use.
    fn name(&self) -> &'static str;
    /// Writes guest memory; between batches only.
    fn write(&mut self, pa: u32, bytes: &[u8]) -> Result<(), PeerError>;
    /// Reads guest memory.
    fn read(&mut self, pa: u32, bytes: &mut [u8]) -> Result<(), PeerError>;
    /// Starts over with fresh memory.
    fn restart(&mut self) -> Result<(), PeerError>;
    /// Waits until the batch that the mailbox names is done.
    fn wait(&mut self, batch: u32) -> Result<Stop, PeerError>;
    /// Guest instructions that ran as host code, and that were interpreted, if the machine knows.
    fn instructions(&self) -> Option<(u64, u64)> {
        None
    }
}

/// Puts the tables into memory and lets the runner go on to its mailbox.
pub fn install(peer: &mut dyn Peer) -> Result<(), PeerError> {
    for (pa, bytes) in tables::initial() {
        peer.write(pa, &bytes)?;
    }
    set(peer, mail::READY, 1)
}

/// Sets a word of the mailbox.
pub fn set(peer: &mut dyn Peer, word: u32, value: u32) -> Result<(), PeerError> {
    peer.write(MAIL + word, &value.to_le_bytes())
}

/// Reads a word of the mailbox.
pub fn get(peer: &mut dyn Peer, word: u32) -> Result<u32, PeerError> {
    let mut bytes = [0; 4];
    peer.read(MAIL + word, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}
