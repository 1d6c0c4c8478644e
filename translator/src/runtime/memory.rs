//! The memory of the translation cache: one memfd mapped twice, so that no address is ever both
//! writable and executable (invariant 13).
//!
//! Invariants: both views map the same memfd, which nobody else has; every write goes through
//! [`CacheMemory::write`], whose range is checked; nothing hands out a reference into either view.

use memmap2::{Mmap, MmapMut, MmapOptions, UncheckedAdvice};
use ringer_cpu::refusal::{Refusal, refused};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::ops::Range;
use thiserror::Error;

const PAGE: usize = 4096;

/// The host refused memory for the translation cache.
#[derive(Debug, Error)]
#[error("cannot reserve {len} bytes for the translation cache: {source}; try a smaller --tc-size")]
pub struct CacheMemoryError {
    len: usize,
    source: Refusal,
}

/// Has the C library give the host what was freed: it keeps that for what may come, and what comes may be of other sizes.
pub(super) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it has no preconditions, and changes nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
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

    fn map(len: usize) -> Result<Self, Refusal> {
        let fd = memfd_create("ringer-tc", MemfdFlags::CLOEXEC).map_err(refused("memfd_create"))?;
        ftruncate(&fd, len as u64).map_err(refused("ftruncate"))?;
        // SAFETY: the file is anonymous and ours alone: nobody can change or truncate it behind the
        // maps' backs, and the two views are never looked at through references at the same time.
        let writable = unsafe { MmapOptions::new().len(len).map_mut(&fd) };
        let writable = writable.map_err(refused("mmap"))?;
        // SAFETY: as above.
        let executable = unsafe { MmapOptions::new().len(len).map_exec(&fd) };
        let executable = executable.map_err(refused("mmap"))?;
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

    /// Takes the writable view out of the process's resident set; its contents stay, and the next write finds them again.
    pub fn release(&mut self) {
        // SAFETY: the view is a shared one of a file: the advice takes nothing from it but entries of the host's page
        // tables, and its bytes are in the file as before.
        let _ = unsafe { self.writable.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    /// Gives the host memory of `range`'s whole pages back; they are zeros then, if the host can do that.
    pub fn discard(&mut self, range: Range<usize>) {
        let (from, to) =
            (range.start.next_multiple_of(PAGE), range.end.min(self.len()) / PAGE * PAGE);
        if from < to {
            // SAFETY: the range lies in the view, of which nobody holds a reference; what is lost are bytes of the cache,
            // which whoever calls this has no use for.
            let _ = unsafe {
                self.writable.unchecked_advise_range(UncheckedAdvice::Remove, from, to - from)
            };
        }
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
    fn what_is_released_stays_and_what_is_discarded_goes() {
        let mut memory = CacheMemory::new(1 << 16).unwrap();
        for at in [100, 0x1100, 0x2100, 0x3100] {
            memory.write(at, b"ringer");
        }
        memory.release();
        memory.discard(0x800..0x3800);
        let mut left = [100, 0x1100, 0x2100, 0x3100].map(|at| {
            let mut back = [0; 6];
            memory.read(at, &mut back);
            back
        });
        assert_eq!(left, [*b"ringer", [0; 6], [0; 6], *b"ringer"]);
        memory.write(0x1100, b"again!");
        memory.read(0x1100, &mut left[0]);
        assert_eq!(&left[0], b"again!");
    }

    #[test]
    #[should_panic(expected = "outside the translation cache")]
    fn a_write_cannot_leave_the_cache() {
        CacheMemory::new(4096).unwrap().write(4090, &[0; 16]);
    }
}
