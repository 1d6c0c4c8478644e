//! A raw ROM: mapped to end at 4 GiB, its last 128 KiB also at 1 MiB, entered at the reset vector.

use super::LoadError;
use ringer_mmu::GuestMemory;
use thiserror::Error;

/// The largest ROM: 16 MiB under 4 GiB are left free of everything else.
pub const MAX_SIZE: u64 = 16 << 20;
/// ROMs are made of whole pages.
const UNIT: usize = 4096;

/// A file that is no ROM.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum RomError {
    /// Not whole pages.
    #[error("a ROM must be a multiple of 4 KiB; this is {size} bytes ({} too many)", size % UNIT)]
    OddSize {
        /// The file's size.
        size: usize,
    },
}

/// A ROM that was read.
#[derive(Debug)]
pub struct Rom(Vec<u8>);

impl Rom {
    /// A ROM with these contents.
    ///
    /// # Errors
    /// When the size is not whole pages.
    pub fn new(bytes: Vec<u8>) -> Result<Self, RomError> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(UNIT) {
            return Err(RomError::OddSize { size: bytes.len() });
        }
        Ok(Self(bytes))
    }

    pub(super) fn install(&self, memory: &mut GuestMemory) -> Result<(), LoadError> {
        Ok(memory.install_rom(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_pages_are_a_rom() {
        assert!(Rom::new(vec![0; 4096]).is_ok());
        assert_eq!(Rom::new(vec![0; 4097]).unwrap_err(), RomError::OddSize { size: 4097 });
        assert_eq!(Rom::new(Vec::new()).unwrap_err(), RomError::OddSize { size: 0 });
    }
}
