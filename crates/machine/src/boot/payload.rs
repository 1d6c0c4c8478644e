//! A file that goes into guest memory as it is, at every boot.
//!
//! A guest may reset, so the bytes are wanted again; but an initrd of a hundred megabytes held in our own memory would
//! cost as much as the guest's copy. So a regular file stays open and is read again, and what can be read only once (a
//! pipe) is kept.

use super::error::LoadError;
use ringer_cpu::addr::Pa;
use ringer_input::{Input, InputError, Limit};
use ringer_mmu::GuestMemory;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes read at a time.
const CHUNK: u64 = 1 << 20;

/// Bytes to load.
#[derive(Debug)]
pub enum Payload {
    /// In our memory.
    Bytes(Vec<u8>),
    /// In a file, from its start.
    File {
        /// The open file.
        file: File,
        /// Its name, for messages.
        path: PathBuf,
        /// How many bytes.
        len: u64,
    },
}

impl Payload {
    /// Opens the file at `path`, which must keep within `room`. Nothing is read of a regular file.
    ///
    /// # Errors
    /// When it cannot be opened (or, if it is no regular file, read), is empty or too large.
    pub(super) fn open(path: &Path, room: Limit) -> Result<Self, LoadError> {
        let mut input = Input::open(path)?;
        match input.length() {
            Some(len) if len > room.bytes => {
                Err(InputError::TooLarge { path: path.to_owned(), limit: room }.into())
            }
            Some(len) if len > 0 => {
                Ok(Self::File { file: input.into_file(), path: path.to_owned(), len })
            }
            _ => match input.read(room)? {
                bytes if bytes.is_empty() => Err(LoadError::Empty(path.to_owned())),
                bytes => Ok(Self::Bytes(bytes)),
            },
        }
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes to physical address `pa`.
    ///
    /// # Errors
    /// When they do not lie in memory, or the file cannot be read any more or is shorter than it was.
    pub(super) fn install(&self, memory: &mut GuestMemory, pa: u64) -> Result<(), LoadError> {
        match self {
            Self::Bytes(bytes) => memory.load(Pa(pa), bytes)?,
            Self::File { file, path, len } => {
                let mut chunk = vec![0; CHUNK.min(*len) as usize];
                for at in (0..*len).step_by(CHUNK as usize) {
                    let part = &mut chunk[..CHUNK.min(len - at) as usize];
                    file.read_exact_at(part, at).map_err(|e| changed(path, e))?;
                    memory.load(Pa(pa + at), part)?;
                }
            }
        }
        Ok(())
    }
}

/// Why a file that was there cannot be read any more.
fn changed(path: &Path, error: io::Error) -> LoadError {
    let source = match error.kind() {
        ErrorKind::UnexpectedEof => {
            io::Error::new(ErrorKind::UnexpectedEof, "it is shorter than when it was opened")
        }
        _ => error,
    };
    InputError::Read { path: path.to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_at_every_boot_and_must_not_have_shrunk() {
        let path = std::env::temp_dir().join(format!("ringer-payload-{}", std::process::id()));
        let bytes: Vec<u8> = (0..CHUNK + 5000).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let small = Payload::open(&path, Limit::new(5000, "little"));
        assert!(matches!(small, Err(LoadError::Input(InputError::TooLarge { .. }))));
        let payload = Payload::open(&path, Limit::new(4 << 20, "much")).unwrap();
        assert_eq!(payload.len(), bytes.len() as u64);
        for _ in 0..2 {
            let mut memory = GuestMemory::new(4 << 20).unwrap();
            payload.install(&mut memory, 0x10_0000).unwrap();
            let mut back = vec![0; bytes.len()];
            assert!(memory.read(Pa(0x10_0000), &mut back));
            assert!(back == bytes);
        }
        std::fs::write(&path, &bytes[..100]).unwrap();
        let mut memory = GuestMemory::new(4 << 20).unwrap();
        let shrunk = payload.install(&mut memory, 0x10_0000);
        assert!(shrunk.unwrap_err().to_string().ends_with("it is shorter than when it was opened"));
        std::fs::remove_file(&path).unwrap();
    }
}
