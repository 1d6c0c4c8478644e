//! What can be in a drive: bytes that stay.
//!
//! A device gets its medium from the machine, which alone knows of files and formats.

use std::fmt;
use thiserror::Error;

/// Why a transfer to or from a medium did not take place, as far as a drive can tell its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MediumError {
    /// The range leaves the medium.
    #[error("beyond the end of the medium")]
    OutOfRange,
    /// It is write-protected.
    #[error("the medium is write-protected")]
    ReadOnly,
    /// There is no room left on what holds it.
    #[error("no room left for the medium's contents")]
    Full,
    /// It cannot be read or written there.
    #[error("input or output error")]
    Io,
}

/// A medium: so many bytes, numbered from 0.
///
/// Contract: calls end in bounded time as far as the host's files do, and never panic. What a call fails at it has
/// told the user already; to the device it is one of a few kinds.
pub trait Medium: Send + fmt::Debug {
    /// Bytes.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is write-protected.
    fn is_read_only(&self) -> bool;

    /// Fills `buf` with what is at `offset`.
    ///
    /// # Errors
    /// [`MediumError`]; `buf` is undefined then.
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), MediumError>;

    /// Writes `data` at `offset`. It may be lost with the process or the host until [`Medium::flush`].
    ///
    /// # Errors
    /// [`MediumError`]; some of it may have been written then.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), MediumError>;

    /// Makes `len` bytes at `offset` zeros and gives the room that they took back to the host. False: this medium cannot, and
    /// nothing has changed.
    ///
    /// # Errors
    /// [`MediumError`], as [`Medium::write`].
    fn punch(&mut self, _offset: u64, _len: u64) -> Result<bool, MediumError> {
        Ok(false)
    }

    /// What has been written stays from now on, whatever happens to the host.
    ///
    /// # Errors
    /// [`MediumError`]; nobody knows then what stays.
    fn flush(&mut self) -> Result<(), MediumError>;
}

impl Medium for Vec<u8> {
    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        let start = usize::try_from(offset).map_err(|_| MediumError::OutOfRange)?;
        let from = start.checked_add(buf.len()).and_then(|end| self.get(start..end));
        buf.copy_from_slice(from.ok_or(MediumError::OutOfRange)?);
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), MediumError> {
        let start = usize::try_from(offset).map_err(|_| MediumError::OutOfRange)?;
        let to = start.checked_add(data.len()).and_then(|end| self.get_mut(start..end));
        to.ok_or(MediumError::OutOfRange)?.copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_memory_are_a_medium_and_end_where_they_end() {
        let mut medium: Box<dyn Medium> = Box::new(vec![0u8; 8]);
        medium.write(4, &[1, 2, 3, 4]).unwrap();
        let mut back = [0; 3];
        medium.read(3, &mut back).unwrap();
        assert_eq!((back, medium.len()), ([0, 1, 2], 8));
        assert_eq!(medium.read(6, &mut back), Err(MediumError::OutOfRange));
        assert_eq!(medium.write(u64::MAX, &[1]), Err(MediumError::OutOfRange));
    }
}
