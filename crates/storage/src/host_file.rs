//! A file of the host's: opened, locked, read and written whole or not at all.

use crate::error::StorageError;
use ringer_devices::MediumError;
use rustix::fs::{FallocateFlags, FlockOperation, OFlags, fallocate, flock};
use rustix::io::Errno;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An image's file, locked, and as long as it was when it was opened, or longer.
#[derive(Debug)]
pub(crate) struct HostFile {
    file: File,
    path: PathBuf,
    length: u64,
    writable: bool,
    /// A flush has failed: the host may have dropped what it should have written.
    lost: bool,
}

fn refused(path: &Path, kind: FileType) -> Result<(), StorageError> {
    let refuse = |kind| Err(StorageError::NoImage { path: path.to_owned(), kind });
    match kind {
        kind if kind.is_dir() => refuse("directory"),
        kind if kind.is_char_device() => refuse("character device"),
        kind if kind.is_fifo() => refuse("pipe"),
        kind if kind.is_socket() => refuse("socket"),
        _ => Ok(()),
    }
}

impl HostFile {
    /// Opens the regular file or block device at `path`, for writing if `writable`, and locks it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(crate) fn open(path: &Path, writable: bool) -> Result<Self, StorageError> {
        let error = |source| StorageError::Open { path: path.to_owned(), source };
        // To open a device may do something already.
        refused(path, fs::metadata(path).map_err(error)?.file_type())?;
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let mut options = OpenOptions::new();
        options.read(true).write(writable).custom_flags(flags.cast_signed());
        let mut file = match options.open(path) {
            Ok(file) => file,
            Err(e) if writable && is_denied(&e) && File::open(path).is_ok() => {
                return Err(StorageError::NotWritable(path.to_owned()));
            }
            Err(source) => return Err(error(source)),
        };
        refused(path, file.metadata().map_err(error)?.file_type())?;
        lock(&file, path, writable)?;
        // Of a block device metadata says nothing.
        let length = file.seek(SeekFrom::End(0)).map_err(error)?;
        if length == 0 {
            return Err(StorageError::Empty(path.to_owned()));
        }
        Ok(Self { file, path: path.to_owned(), length, writable, lost: false })
    }

    /// A file of nobody else's, for `length` bytes that come to be as they are written.
    pub(crate) fn scratch(path: &Path) -> Result<Self, StorageError> {
        let error = |source| StorageError::Temporary { path: path.to_owned(), source };
        let file = tempfile::tempfile().map_err(error)?;
        Ok(Self { file, path: path.to_owned(), length: 0, writable: true, lost: false })
    }

    /// Its name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes, as far as this process knows.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether it was opened for writing.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Fills `buf` from `offset` on, and says how much of it: less only where the file ends.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while !buf.is_empty() {
            match self.file.read_at(buf, offset) {
                Ok(0) => break,
                Ok(n) => {
                    read += n;
                    offset = offset.saturating_add(n as u64);
                    buf = buf.get_mut(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(read)
    }

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// What the system says; some of it may have been written then.
    pub(crate) fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)?;
        self.length = self.length.max(offset.saturating_add(data.len() as u64));
        Ok(())
    }

    /// Makes a hole of `len` bytes at `offset`, which reads as zeros. False where the host's file system has none.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn punch(&self, offset: u64, len: u64) -> io::Result<bool> {
        if len == 0 {
            return Ok(true);
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.file, hole, offset, len) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Has the disk hold what was written (`fdatasync`).
    ///
    /// # Errors
    /// What the system says, and once it has failed for ever: the kernel tells of a lost page one time.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.lost {
            return Err(io::Error::other("an earlier flush failed"));
        }
        let synced = self.file.sync_data();
        self.lost = synced.is_err();
        synced
    }
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// Locks `file` for as long as it is open: alone if it will be written, else with other readers.
fn lock(file: &File, path: &Path, writable: bool) -> Result<(), StorageError> {
    let (operation, holder) = match writable {
        true => (FlockOperation::NonBlockingLockExclusive, "another machine reads or writes it"),
        false => (FlockOperation::NonBlockingLockShared, "another machine writes it"),
    };
    match flock(file, operation) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(StorageError::InUse { path: path.to_owned(), holder }),
        // A file system that has no locks has no second machine that would heed one.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(e) => Err(StorageError::Lock { path: path.to_owned(), source: e.into() }),
    }
}

/// What a drive can say of an error of the host's.
pub(crate) fn kind(error: &io::Error) -> MediumError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            MediumError::Full
        }
        ErrorKind::ReadOnlyFilesystem => MediumError::ReadOnly,
        _ => MediumError::Io,
    }
}
