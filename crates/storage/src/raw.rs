//! A raw image: the file's bytes are the medium's.
//!
//! A file of no whole sectors is a medium of whole ones: the rest of the last reads as zeros, and comes to be in the file when
//! it is written.

use crate::SECTOR;
use crate::format::QCOW2_MAGIC;
use crate::host_file::HostFile;
use crate::layers::{Failure, Layer};
use ringer_devices::MediumError;

/// A raw image.
#[derive(Debug)]
pub(crate) struct Raw {
    file: HostFile,
    /// Bytes of the file when it was opened.
    contents: u64,
    /// Nobody said that it is raw: it must not come to look like anything else.
    guessed: bool,
}

impl Raw {
    /// The image in `file`; `guessed` if nobody said that it is raw.
    pub(crate) fn new(file: HostFile, guessed: bool) -> Self {
        Self { contents: file.length(), file, guessed }
    }

    /// Whether the image would begin as a qcow2 image does if `data` were at `offset`.
    fn would_be_another(&self, offset: u64, data: &[u8]) -> Result<bool, Failure> {
        let Some(at) = usize::try_from(offset).ok().filter(|&at| at < QCOW2_MAGIC.len()) else {
            return Ok(false);
        };
        let mut start = [0; QCOW2_MAGIC.len()];
        self.file.read_at(0, &mut start)?;
        start[at..].iter_mut().zip(data).for_each(|(old, new)| *old = *new);
        Ok(start == QCOW2_MAGIC)
    }
}

impl Layer for Raw {
    fn length(&self) -> u64 {
        self.contents.next_multiple_of(SECTOR)
    }

    fn is_writable(&self) -> bool {
        self.file.is_writable()
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), Failure> {
        let read = self.file.read_at(offset, buf)?;
        let end = offset.saturating_add(read as u64);
        let rest = buf.get_mut(read..).unwrap_or_default();
        if !rest.is_empty() && end < self.contents {
            return Err(Failure::new(MediumError::Io, "it is shorter than it was"));
        }
        rest.fill(0);
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Failure> {
        if self.guessed && self.would_be_another(offset, data)? {
            let why = "the guest would make a qcow2 image of a raw one; allow it with format=raw";
            return Err(Failure::new(MediumError::ReadOnly, why));
        }
        Ok(self.file.write_at(offset, data)?)
    }

    fn punch(&mut self, offset: u64, len: u64) -> Result<bool, Failure> {
        Ok(self.file.punch(offset, len)?)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.file.sync()?)
    }
}
