//! The file that a qcow2 image is in, as imago sees it.
//!
//! Invariant: a read that begins past the end of the file is an error, and not zeros, whatever tables point there: a
//! truncated image does not look like an empty one. (Its last cluster may be short: nobody has written the rest yet.)
//!
//! imago's trait has unsafe methods, which ask of the caller that buffers are aligned as the storage wants it. This one wants
//! nothing, so each is as safe as any other function, and there is no unsafe block here.

use crate::host_file::HostFile;
use imago::Storage;
use imago::io_buffers::{IoVector, IoVectorMut};
use imago::storage::drivers::CommonStorageHelper;
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Zeros are written so many at a time.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A file with clusters in it.
#[derive(Debug)]
pub(crate) struct Container {
    file: RwLock<HostFile>,
    cluster: u64,
    helper: CommonStorageHelper,
}

impl Container {
    /// The image in `file`, whose clusters have `cluster` bytes.
    pub(crate) fn new(file: HostFile, cluster: u64) -> Self {
        Self { file: RwLock::new(file), cluster, helper: CommonStorageHelper::default() }
    }

    fn shared(&self) -> RwLockReadGuard<'_, HostFile> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, HostFile> {
        self.file.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn zero(&self, mut offset: u64, mut left: u64) -> io::Result<()> {
        let mut file = self.alone();
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            let piece = ZEROS.get(..now).unwrap_or_default();
            file.write_at(offset, piece)?;
            offset = behind(offset, piece.len())?;
            left -= piece.len() as u64;
        }
        Ok(())
    }
}

impl Display for Container {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shared().path().display())
    }
}

/// The offset behind `bytes` at `offset`.
fn behind(offset: u64, bytes: usize) -> io::Result<u64> {
    offset.checked_add(bytes as u64).ok_or_else(|| ErrorKind::InvalidInput.into())
}

impl Storage for Container {
    fn size(&self) -> io::Result<u64> {
        Ok(self.shared().length())
    }

    unsafe fn pure_readv(&self, bufv: IoVectorMut<'_>, mut offset: u64) -> io::Result<()> {
        let file = self.shared();
        let end = file.length().checked_next_multiple_of(self.cluster).unwrap_or(u64::MAX);
        for mut piece in bufv.into_inner() {
            let next = behind(offset, piece.len())?;
            if next > end {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the image is cut off"));
            }
            let read = file.read_at(offset, &mut piece)?;
            piece.get_mut(read..).unwrap_or_default().fill(0);
            offset = next;
        }
        Ok(())
    }

    unsafe fn pure_writev(&self, bufv: IoVector<'_>, mut offset: u64) -> io::Result<()> {
        let mut file = self.alone();
        for piece in bufv.into_inner() {
            file.write_at(offset, &piece)?;
            offset = behind(offset, piece.len())?;
        }
        Ok(())
    }

    unsafe fn pure_write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.zero(offset, length)
    }

    unsafe fn pure_write_allocated_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.zero(offset, length)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.alone().sync()
    }

    unsafe fn invalidate_cache(&self) -> io::Result<()> {
        Ok(())
    }

    fn get_storage_helper(&self) -> &CommonStorageHelper {
        &self.helper
    }
}
