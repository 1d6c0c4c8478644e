//! What an image is made of: layers of bytes, each of which says in full why something failed.

use crate::host_file;
use ringer_devices::MediumError;
use std::fmt;
use std::io;

/// A transfer that did not take place.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the drive tells.
    pub(crate) kind: MediumError,
    /// What the user is told: the rest of a sentence.
    pub(crate) why: String,
}

impl Failure {
    /// One of `kind`, because of `why`.
    pub(crate) fn new(kind: MediumError, why: impl Into<String>) -> Self {
        Self { kind, why: why.into() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { kind: host_file::kind(&error), why: error.to_string() }
    }
}

/// Numbered bytes that can be read and perhaps written. Ranges lie within `length`: whoever calls sees to it.
pub(crate) trait Layer: Send + fmt::Debug {
    /// Bytes.
    fn length(&self) -> u64;

    /// Whether writes are of any use.
    fn is_writable(&self) -> bool;

    /// Fills `buf` from `offset` on.
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), Failure>;

    /// Writes `data` at `offset`.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Failure>;

    /// Makes a range zeros and gives its room back to the host; false where that cannot be, and then nothing has changed.
    fn punch(&mut self, _offset: u64, _len: u64) -> Result<bool, Failure> {
        Ok(false)
    }

    /// What was written is on the disk.
    fn flush(&mut self) -> Result<(), Failure>;
}
