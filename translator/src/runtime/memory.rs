//! The memory of the translation cache: one memfd mapped twice, so that no address is ever both
//! writable and executable (invariant 13).
//!
//! Invariants: both views map the same memfd, which nobody else has; every write goes through
//! [`CacheMemory::write`], whose range is checked; nothing hands out a reference into either view.

use memmap2::{Mmap, MmapMut, MmapOptions};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use thiserror::Error;

/// The host refused memory for the translation cache.
#[derive(Debug, Error)]
#[error("cannot reserve {len} bytes for the translation cache: {source}; try a smaller --tc-size")]
pub struct CacheMemoryError {
    len: usize,
    source: std::io::Error,
}

/// A dual-mapped code buffer.
#[derive(Debug)]
pub struct CacheMemory {
    writable: MmapMut,
    executable: Mmap,
}

impl CacheMemory {
    /// Reserves `len` bytes (rounded up to pages by the kernel; memory is used as it is written).
    ///
    /// # Errors
    /// When the host has no memory file or address space to give.
    pub fn new(len: usize) -> Result<Self, CacheMemoryError> {
        Self::map(len).map_err(|source| CacheMemoryError { len, source })
    }

    fn map(len: usize) -> std::io::Result<Self> {
        let fd = memfd_create("ringer-tc", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, len as u64)?;
        // SAFETY: the file is anonymous and ours alone: nobody can change or truncate it behind the
        // maps' backs, and the two views are never looked at through references at the same time.
        let writable = unsafe { MmapOptions::new().len(len).map_mut(&fd)? };
        // SAFETY: as above.
        let executable = unsafe { MmapOptions::new().len(len).map_exec(&fd)? };
        Ok(Self { writable, executable })
    }

    /// Host address at which offset 0 executes.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.executable.as_ptr() as u64
    }

    /// Size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writable.len()
    }

    /// True for a cache of no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes `bytes` at `offset`.
    ///
    /// # Panics
    /// When the range is not inside the cache: a bug of ours, never a guest's doing.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len()).expect("cache offset overflows");
        assert!(end <= self.len(), "write of {offset:#x}..{end:#x} outside the translation cache");
        self.writable[offset..end].copy_from_slice(bytes);
    }

    /// Reads up to `out.len()` bytes at `offset`; returns how many there were.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> usize {
        let n = out.len().min(self.len().saturating_sub(offset));
        out[..n].copy_from_slice(&self.writable[self.len().min(offset)..][..n]);
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_views_show_the_same_bytes_and_neither_is_writable_and_executable() {
        let mut memory = CacheMemory::new(1 << 16).unwrap();
        memory.write(100, b"ringer");
        let mut back = [0; 6];
        assert_eq!(memory.read(100, &mut back), 6);
        assert_eq!(&back, b"ringer");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let ours: Vec<_> = maps.lines().filter(|l| l.contains("ringer-tc")).collect();
        assert!(ours.len() >= 2);
        assert!(ours.iter().all(|l| !l.contains("rwx")));
    }

    #[test]
    #[should_panic(expected = "outside the translation cache")]
    fn a_write_cannot_leave_the_cache() {
        CacheMemory::new(4096).unwrap().write(4090, &[0; 16]);
    }
}
