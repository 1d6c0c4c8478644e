//! The memory of the translation cache: one memfd mapped twice, so that no address is ever both
//! writable and executable.
//!
//! Invariants: `rw` and `rx` are mappings of the same `len` bytes and live as long as the value;
//! every write goes through [`CacheMemory::write`], which checks its range; nothing hands out a
//! reference into either mapping.

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use thiserror::Error;

/// The host refused memory for the translation cache.
#[derive(Debug, Error)]
#[error("cannot reserve {len} bytes for the translation cache: {source}; try a smaller --tc-size")]
pub struct CacheMemoryError {
    len: usize,
    source: rustix::io::Errno,
}

/// A dual-mapped code buffer.
#[derive(Debug)]
pub struct CacheMemory {
    rw: *mut u8,
    rx: *mut u8,
    len: usize,
}

impl CacheMemory {
    /// Reserves `len` bytes (rounded up to pages by the kernel; memory is used as it is written).
    ///
    /// # Errors
    /// When the host has no memory file or address space to give.
    pub fn new(len: usize) -> Result<Self, CacheMemoryError> {
        let fail = |source| CacheMemoryError { len, source };
        let fd = memfd_create("ringer-tc", MemfdFlags::CLOEXEC).map_err(fail)?;
        ftruncate(&fd, len as u64).map_err(fail)?;
        let map = |prot| {
            // SAFETY: a fresh shared mapping at an address of the kernel's choice touches nothing
            // that exists.
            unsafe { mmap(std::ptr::null_mut(), len, prot, MapFlags::SHARED, &fd, 0) }
        };
        let rw = map(ProtFlags::READ | ProtFlags::WRITE).map_err(fail)?;
        let rx = map(ProtFlags::READ | ProtFlags::EXEC).map_err(fail)?;
        Ok(Self { rw: rw.cast(), rx: rx.cast(), len })
    }

    /// Host address at which offset 0 executes.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.rx as u64
    }

    /// Size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True for a cache of no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes `bytes` at `offset`.
    ///
    /// # Panics
    /// When the range is not inside the cache: a bug of ours, never a guest's doing.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len()).expect("cache offset overflows");
        assert!(end <= self.len, "write of {offset:#x}..{end:#x} outside the translation cache");
        // SAFETY: the range was checked; `rw` is a live mapping of `len` bytes; `bytes` cannot
        // overlap it because no reference into the mapping exists.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.rw.add(offset), bytes.len()) }
    }

    /// Reads up to `out.len()` bytes at `offset`; returns how many there were.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> usize {
        let n = out.len().min(self.len.saturating_sub(offset));
        // SAFETY: `offset + n <= len`, and `rx` is a live readable mapping of `len` bytes.
        unsafe { std::ptr::copy_nonoverlapping(self.rx.add(offset), out.as_mut_ptr(), n) }
        n
    }
}

impl Drop for CacheMemory {
    fn drop(&mut self) {
        for view in [self.rw, self.rx] {
            // SAFETY: each view was mapped with `len` in `new` and is unmapped once, here.
            let _ = unsafe { munmap(view.cast::<c_void>(), self.len) };
        }
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
