//! Host address ranges for shadow windows: the only file that maps guest RAM a second time.
//!
//! A [`HostWindow`] owns 4 GiB of host address space, aligned by 4 GiB, with a guard on both sides
//! that is never mapped, but for the window's inline TLB at the far end of the first. Its methods take *page numbers below 2^20* and check them, so that no
//! caller, whatever a guest made it compute, maps or unmaps anything outside the window.
//!
//! Invariant: a page that the caller asked to be cleared or write-protected is so when the call
//! returns `Ok`; when it returns an error the caller must [`HostWindow::reset`], which cannot fail
//! to take all rights away.

use crate::inline_tlb::{BYTES, DISTANCES, ENTRIES, Entry, READ_TAGS, Store, WRITE_TAGS};
use ringer_cpu::addr::{Lin, Page};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};
use std::ffi::c_void;

/// Pages in a window: that a window covers 4 GiB of linear space is a fact of this scheme, in which a linear address is
/// added to the window's base. A page of a window is its number in there, 32 bits wide.
pub(crate) const WINDOW_PAGES: u32 = 1 << 20;
const WINDOW_BYTES: usize = 1 << 32;
/// Never mapped, before and behind a window: a wide operand at FFFFFFFFh ends here, and so does a string instruction that goes
/// down from 0, long before it comes to the inline TLB.
const GUARD: usize = 1 << 20;
const _: () = assert!(READ_TAGS == -(GUARD as i32) && BYTES == PAGE);
const PAGE: usize = 4096;
/// `<linux/mman.h>`: the kernel's number, whatever the C library; the crate libc has it for glibc alone.
const MADV_COLLAPSE: libc::c_int = 25;

/// The window page of a linear address.
pub(crate) fn window_page(lin: Lin) -> u32 {
    lin.page().get() as u32 % WINDOW_PAGES
}

/// The linear address at which a window page begins.
pub(crate) fn start_of(page: u32) -> Lin {
    Page(u64::from(page)).start()
}

/// 4 GiB of reserved host address space.
#[derive(Debug)]
pub(crate) struct HostWindow {
    base: usize,
}

impl HostWindow {
    /// Reserves address space; nothing in it can be accessed.
    pub fn reserve() -> Result<Self, Errno> {
        let total = 2 * WINDOW_BYTES + 2 * GUARD;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh mapping at an address of the kernel's choice harms nobody.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), total, ProtFlags::empty(), flags)? };
        let start = start as usize;
        let base = (start + GUARD).next_multiple_of(WINDOW_BYTES);
        let (first, last) = (base - GUARD, base + WINDOW_BYTES + GUARD);
        let window = Self { base };
        // SAFETY: the page is the first of the guard, of the mapping just made.
        let tlb = unsafe {
            let rights = ProtFlags::READ | ProtFlags::WRITE;
            mmap_anonymous(first as *mut c_void, BYTES, rights, flags | MapFlags::FIXED)
        };
        // What the host does not take back stays reserved, and is in nobody's way.
        // SAFETY: both ranges belong to the mapping just made and are used by nobody.
        unsafe {
            if first > start {
                let _ = munmap(start as *mut c_void, first - start);
            }
            if start + total > last {
                let _ = munmap(last as *mut c_void, start + total - last);
            }
        }
        tlb.map(|_| window)
    }

    /// Where the field of entry `place` that is `len` bytes long is, at `from` before the base; `None` beyond the TLB.
    fn field(&self, from: i32, place: usize, len: usize) -> Option<*mut c_void> {
        let at = self.base.checked_add_signed(from as isize)?.checked_add(place * len)?;
        (place < ENTRIES).then_some(at as *mut c_void)
    }

    /// Host address of the window's byte 0.
    pub fn base(&self) -> u64 {
        self.base as u64
    }

    /// The host address and byte length of a run of pages.
    fn range(&self, page: u32, pages: u32) -> Result<(*mut c_void, usize), Errno> {
        match page.checked_add(pages) {
            Some(end) if end <= WINDOW_PAGES && pages > 0 => {
                let at = self.base + page as usize * PAGE;
                Ok((at as *mut c_void, pages as usize * PAGE))
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// Maps `pages` pages of the memfd from its page `frame` on at window page `page`.
    pub fn map(&mut self, fd: BorrowedFd<'_>, run: &Run, populate: bool) -> Result<(), Errno> {
        let (at, len) = self.range(run.page, run.pages)?;
        let mut prot = ProtFlags::READ;
        if run.writable {
            prot |= ProtFlags::WRITE;
        }
        let mut flags = MapFlags::SHARED | MapFlags::FIXED;
        if populate {
            flags |= MapFlags::POPULATE;
        }
        // SAFETY: the range lies in this window (checked by `range`), to which no Rust reference
        // exists; what was mapped there is replaced on purpose.
        unsafe { mmap(at, len, prot, flags, fd, u64::from(run.frame) * PAGE as u64) }.map(drop)
    }

    /// Takes all rights to a run of pages away.
    pub fn clear(&mut self, page: u32, pages: u32) -> Result<(), Errno> {
        let (at, len) = self.range(page, pages)?;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: as in `map`.
        unsafe { mmap_anonymous(at, len, ProtFlags::empty(), flags) }.map(drop)
    }

    /// Takes the right to write away from a run of *mapped* pages.
    pub fn write_protect(&mut self, page: u32, pages: u32) -> Result<(), Errno> {
        let (at, len) = self.range(page, pages)?;
        // SAFETY: the range lies in this window; taking rights away breaks no reference.
        unsafe { mprotect(at, len, MprotectFlags::READ) }
    }

    /// Takes the window's pages out of the process's resident set. Its mappings stay, and the host finds the pages again
    /// at the next access, which takes no signal.
    pub fn release(&self) {
        // SAFETY: the range is this window, in which there is nothing but shared mappings of a file and reserved space:
        // the advice takes entries of the host's page tables, and no contents.
        let _ = unsafe { madvise(self.base as *mut c_void, WINDOW_BYTES, Advice::LinuxDontNeed) };
    }

    /// Takes all rights to the whole window away.
    ///
    /// At the host's limit of mappings even replacing them by one fails. Then the old mappings stay,
    /// without rights: changing whole mappings splits none, so that this does not need room.
    pub fn reset(&mut self) {
        if self.clear(0, WINDOW_PAGES).is_ok() {
            return;
        }
        // SAFETY: the range is this window.
        let taken =
            unsafe { mprotect(self.base as *mut c_void, WINDOW_BYTES, MprotectFlags::empty()) };
        assert!(taken.is_ok(), "the host does not let go of guest memory: {taken:?}");
    }
}

impl Store for HostWindow {
    fn store(&mut self, place: usize, entry: &Entry) {
        let (read, write) = entry.tags();
        let fields = (
            self.field(READ_TAGS, place, 4),
            self.field(WRITE_TAGS, place, 4),
            self.field(DISTANCES, place, 8),
        );
        let (Some(reads), Some(writes), Some(distance)) = fields else { return };
        // SAFETY: the three lie in the page of the TLB, which `reserve` mapped to be written, aligned for what they are; nobody
        // has a reference there, and translated code, which reads them, does not run meanwhile.
        unsafe {
            reads.cast::<u32>().write_volatile(read);
            writes.cast::<u32>().write_volatile(write);
            distance.cast::<u64>().write_volatile(entry.distance);
        }
    }
}

impl Drop for HostWindow {
    fn drop(&mut self) {
        // SAFETY: reserved by `reserve` with these bounds, unmapped once; no reference into it.
        let _ = unsafe { munmap((self.base - GUARD) as *mut c_void, WINDOW_BYTES + 2 * GUARD) };
    }
}

/// Room for a huge page of guest RAM, in which the host's kernel is asked to make it one.
#[derive(Debug)]
pub(crate) struct Gatherer {
    start: usize,
    /// Bytes of the page.
    len: usize,
}

impl Gatherer {
    /// Reserves address space for a page of `len` bytes.
    pub fn reserve(len: usize) -> Result<Self, Errno> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let nowhere = std::ptr::null_mut();
        // SAFETY: a fresh mapping at an address of the kernel's choice harms nobody.
        let start = unsafe { mmap_anonymous(nowhere, 2 * len, ProtFlags::empty(), flags)? };
        Ok(Self { start: start as usize, len })
    }

    /// Gathers the bytes of the memfd from `offset` on in one page; its contents stay.
    pub fn gather(&mut self, fd: BorrowedFd<'_>, offset: u64) -> Result<(), Errno> {
        let at = self.start.next_multiple_of(self.len) as *mut c_void;
        let shared = MapFlags::SHARED | MapFlags::FIXED;
        let nothing = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: the range lies in this reservation, to which no reference exists. The advice moves the file's bytes to
        // another host page and changes none of them; whoever maps them finds them there.
        unsafe {
            mmap(at, self.len, ProtFlags::READ | ProtFlags::WRITE, shared, fd, offset)?;
            let asked = libc::madvise(at, self.len, MADV_COLLAPSE);
            let error = std::io::Error::last_os_error();
            mmap_anonymous(at, self.len, ProtFlags::empty(), nothing)?;
            if asked == 0 {
                Ok(())
            } else {
                Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
            }
        }
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        // SAFETY: reserved by `reserve` with this length, unmapped once; no reference into it.
        let _ = unsafe { munmap(self.start as *mut c_void, 2 * self.len) };
    }
}

/// Pages that one call maps: consecutive in the window and in the memfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// First window page.
    pub page: u32,
    /// How many.
    pub pages: u32,
    /// First memfd page.
    pub frame: u32,
    /// With the right to write.
    pub writable: bool,
}

impl Run {
    /// Appends one page to a list of runs.
    pub fn push(runs: &mut Vec<Run>, next: Run) {
        if let Some(last) = runs.last_mut() {
            let adjacent =
                last.page + last.pages == next.page && last.frame + last.pages == next.frame;
            if adjacent && last.writable == next.writable {
                last.pages += next.pages;
                return;
            }
        }
        runs.push(next);
    }
}

#[cfg(test)]
#[path = "hostmap_tests.rs"]
mod tests;
