//! The memory file: one memfd that holds all guest memory, mapped once in the host.
//!
//! Invariants:
//! - No reference into guest memory ever leaves this file: bytes are copied in and out, so that
//!   guest code running through a window cannot break Rust's aliasing rules.
//! - Every access by offset is checked against the mapping's length; nothing that a guest computes
//!   reaches other host memory through here.

use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};
use ringer_cpu::addr::PAGE_SIZE;
use ringer_cpu::refusal::{Refusal, refused};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SeekFrom, fallocate, fstat, ftruncate, memfd_create, seek,
};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// A memfd and its mapping.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    file: File,
    map: MmapRaw,
}

impl MemoryFile {
    /// A file of `len` zero bytes. Host memory is taken page by page, on first use.
    pub fn new(len: u64) -> Result<Self, Refusal> {
        let fd = memfd_create("guest-ram", MemfdFlags::CLOEXEC).map_err(refused("memfd_create"))?;
        ftruncate(&fd, len).map_err(refused("ftruncate"))?;
        let file = File::from(fd);
        let map = MmapOptions::new().len(len as usize).no_reserve_swap().map_raw(&file);
        let map = map.map_err(refused("mmap"))?;
        // Where that is refused, the process's filter of core dumps keeps guest memory out of them.
        let _ = map.advise(Advice::DontDump);
        Ok(Self { file, map })
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// The memfd, for mapping pieces of it elsewhere.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Bytes that the guest, a device or a loader has touched.
    #[must_use]
    pub fn touched(&self) -> u64 {
        fstat(&self.file).map_or(0, |data| data.st_blocks.max(0) as u64 * 512)
    }

    /// Takes the pages out of the process's resident set as far as this mapping keeps them there; their contents stay,
    /// and the next access finds them again.
    pub fn release(&self) {
        // SAFETY: the mapping is a shared one of a file: the advice takes nothing from it but entries of the host's page
        // tables, and its bytes are in the file as before.
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    /// The first offset from `from` on that may hold other bytes than zeros; none up to the end.
    pub fn next_data(&self, from: u64) -> Option<u64> {
        let at = match seek(&self.file, SeekFrom::Data(from)) {
            Ok(at) => at,
            Err(Errno::NXIO) => return None,
            // A host that does not say may have some everywhere.
            Err(_) => from,
        };
        Some(at).filter(|at| *at < self.len())
    }

    /// Makes `len` bytes at `offset` zero and gives their host memory back, if the host takes it.
    pub fn punch(&mut self, offset: u64, len: u64) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if fallocate(&self.file, flags, offset, len).is_err()
            && self.in_bounds(offset, len as usize)
        {
            // SAFETY: as in `write_offset`.
            unsafe { self.map.as_mut_ptr().add(offset as usize).write_bytes(0, len as usize) };
        }
    }

    /// The host address of the page at `offset` in this mapping, which is there as long as `self`, for translated code that
    /// accesses bytes of this page only. `None` beyond the end.
    #[must_use]
    pub fn host_page(&self, offset: u64) -> Option<u64> {
        let offset = offset & !(PAGE_SIZE - 1);
        let whole = self.in_bounds(offset, PAGE_SIZE as usize);
        whole.then(|| self.map.as_ptr() as u64 + offset)
    }

    fn in_bounds(&self, offset: u64, len: usize) -> bool {
        let total = self.map.len() as u64;
        offset <= total && len as u64 <= total - offset
    }

    /// Copies bytes at a memfd offset out; `buf` is left as it is when they are not all there.
    #[inline]
    pub fn read_offset(&self, offset: u64, buf: &mut [u8]) {
        if self.in_bounds(offset, buf.len()) {
            // SAFETY: the source lies in the mapping (checked above), which lives as long as
            // `self`; `buf` is a Rust slice and cannot overlap memory of which no reference exists.
            unsafe {
                let from = self.map.as_ptr().add(offset as usize);
                std::ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), buf.len());
            }
        }
    }

    /// Copies bytes to a memfd offset; nothing happens when there is no room for all of them.
    #[inline]
    pub fn write_offset(&mut self, offset: u64, data: &[u8]) {
        if self.in_bounds(offset, data.len()) {
            // SAFETY: as in `read_offset`, with the roles exchanged.
            unsafe {
                let to = self.map.as_mut_ptr().add(offset as usize);
                std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len());
            }
        }
    }

    /// Reads a page-table entry of 4 bytes.
    #[inline]
    pub fn entry32(&self, offset: u64) -> u32 {
        let mut b = [0; 4];
        self.read_offset(offset, &mut b);
        u32::from_le_bytes(b)
    }

    /// Reads a page-table entry of 8 bytes.
    #[inline]
    pub fn entry64(&self, offset: u64) -> u64 {
        let mut b = [0; 8];
        self.read_offset(offset, &mut b);
        u64::from_le_bytes(b)
    }

    /// Sets bits in the dword at `offset`, atomically as the SDM asks of accessed and dirty flags
    /// (volume 3A, 8.1.2.1). `offset` is a multiple of 4.
    pub fn set_bits(&mut self, offset: u64, bits: u32) {
        if self.in_bounds(offset, 4) && offset.is_multiple_of(4) {
            // SAFETY: four bytes in the mapping (checked), aligned because the mapping is aligned
            // by pages; all accesses to it go through raw pointers.
            let word = unsafe {
                let at = self.map.as_mut_ptr().add(offset as usize);
                AtomicU32::from_ptr(at.cast())
            };
            word.fetch_or(bits, Ordering::Relaxed);
        }
    }

    /// Whether the page at `offset` holds exactly `copy`.
    #[must_use]
    pub fn page_is(&self, offset: u64, copy: &[u8; PAGE_SIZE as usize]) -> bool {
        if !self.in_bounds(offset, copy.len()) {
            return false;
        }
        // SAFETY: both are 4096 readable bytes; the first is checked above.
        unsafe {
            let at = self.map.as_ptr().add(offset as usize);
            libc::memcmp(at.cast(), copy.as_ptr().cast(), copy.len()) == 0
        }
    }
}
