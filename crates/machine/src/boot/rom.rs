//! A raw ROM: mapped to end at 4 GiB, its last 128 KiB also at 1 MiB, entered at the reset vector.

use super::error::{LoadError, ROM_UNIT, RomError};
use super::file::read_file;
use ringer_input::Limit;
use ringer_mmu::GuestMemory;
use std::path::Path;

/// The largest ROM: 16 MiB under 4 GiB are left free of everything else.
pub const MAX_SIZE: u64 = 16 << 20;

/// A ROM that was read.
#[derive(Debug)]
pub struct Rom(Vec<u8>);

impl Rom {
    /// A ROM with these contents.
    ///
    /// # Errors
    /// When the size is not whole pages.
    pub fn new(bytes: Vec<u8>) -> Result<Self, RomError> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(ROM_UNIT) {
            return Err(RomError::OddSize { size: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The ROM in the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is too large or no ROM.
    pub(super) fn read(path: &Path) -> Result<Self, LoadError> {
        let bytes = read_file(path, Limit::new(MAX_SIZE, "the largest ROM"))?;
        Self::new(bytes).map_err(|source| LoadError::Rom { path: path.to_owned(), source })
    }

    pub(super) fn install(&self, memory: &mut GuestMemory) -> Result<(), LoadError> {
        memory.install_rom(&self.0)?;
        memory.hide_shadow();
        Ok(())
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
