//! Target tables: for one (window, mode), the host code of each guest EIP that an indirect branch
//! may reach. Translated code looks here without touching a flag:
//! `mov r9d,[r13+r8*4]; lea r9,[r9+r14]; jmp r9`.
//!
//! An entry is the offset of a block in the translation cache; 0 is the miss stub, which is also
//! what an untouched page reads as. A table is 16 GiB of *address space* and costs memory only for
//! the pages that hold entries: 16 KiB for each guest code page that is a branch target.
//!
//! Invariant: an entry that is not zero is the offset of a valid block whose guest bytes are mapped
//! at its EIP in that window. Whoever drops a mapping, a block or the cache clears entries first.

use hashbrown::{HashMap, HashSet};
use ringer_mmu::WindowId;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ffi::c_void;

use crate::Mode;

const TABLE_BYTES: usize = 4 << 32;
const PAGE_SLOTS: usize = 4096;

/// One table.
#[derive(Debug)]
struct Table {
    base: *mut u32,
    /// Guest pages that may hold entries.
    touched: HashSet<u32>,
    used: u64,
}

impl Table {
    fn new() -> rustix::io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                TABLE_BYTES,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }?;
        // SAFETY: the range was just mapped. Huge pages would make a single entry cost 2 MiB.
        let _ = unsafe { madvise(base, TABLE_BYTES, Advice::LinuxNoHugepage) };
        // SAFETY: as above. A core dump has no use for it.
        let _ = unsafe { madvise(base, TABLE_BYTES, Advice::LinuxDontDump) };
        Ok(Self { base: base.cast(), touched: HashSet::new(), used: 0 })
    }

    fn get(&self, eip: u32) -> u32 {
        // SAFETY: the mapping has a slot for each of the 2^32 values of `eip`.
        unsafe { self.base.add(eip as usize).read() }
    }

    fn set(&mut self, eip: u32, offset: u32) {
        self.touched.insert(eip >> 12);
        // SAFETY: the mapping has a slot for each of the 2^32 values of `eip`.
        unsafe { self.base.add(eip as usize).write(offset) }
    }

    /// Forgets every entry of guest page `page`, and those of blocks that start in the last bytes
    /// of the page before and may reach into it.
    fn clear_page(&mut self, page: u32) {
        if self.touched.remove(&page) {
            let slot = (page as usize) * PAGE_SLOTS;
            // SAFETY: `slot + PAGE_SLOTS <= 2^32`.
            unsafe { self.base.add(slot).write_bytes(0, PAGE_SLOTS) };
        }
        let before = page.wrapping_sub(1) & 0xf_ffff;
        if self.touched.contains(&before) {
            let slot = (before as usize) * PAGE_SLOTS + PAGE_SLOTS - 15;
            // SAFETY: as above; the last 15 slots of a page.
            unsafe { self.base.add(slot).write_bytes(0, 15) };
        }
    }

    fn clear_range(&mut self, first: u32, pages: u32) {
        if (pages as usize) < self.touched.len().max(8) {
            for k in 0..pages {
                self.clear_page(first.wrapping_add(k) & 0xf_ffff);
            }
            return;
        }
        let hit: Vec<u32> =
            self.touched.iter().copied().filter(|p| p.wrapping_sub(first) < pages).collect();
        for page in hit {
            self.clear_page(page);
        }
        self.clear_page(first);
    }

    fn clear_all(&mut self) {
        // SAFETY: the range is this table's own mapping; DONTNEED makes it read as zeros again.
        let _ = unsafe { madvise(self.base.cast::<c_void>(), TABLE_BYTES, Advice::LinuxDontNeed) };
        self.touched.clear();
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, unmapped once.
        let _ = unsafe { munmap(self.base.cast::<c_void>(), TABLE_BYTES) };
    }
}

/// All target tables, keyed by window and mode.
#[derive(Debug)]
pub struct Targets {
    tables: HashMap<(WindowId, Mode), Table>,
    clock: u64,
    max_tables: usize,
}

impl Targets {
    /// At most `max_tables` tables are kept; the least recently selected one goes first.
    #[must_use]
    pub fn new(max_tables: usize) -> Self {
        Self { tables: HashMap::new(), clock: 0, max_tables: max_tables.max(2) }
    }

    /// The address for r13 of the table of (`window`, `mode`), made when there is none.
    ///
    /// # Errors
    /// When the host has no address space left even after the other tables were given back.
    pub fn select(&mut self, window: WindowId, mode: Mode) -> rustix::io::Result<u64> {
        self.clock += 1;
        if !self.tables.contains_key(&(window, mode)) {
            if self.tables.len() >= self.max_tables {
                self.evict_oldest();
            }
            let table = match Table::new() {
                Ok(table) => table,
                Err(_) => {
                    self.tables.clear();
                    Table::new()?
                }
            };
            self.tables.insert((window, mode), table);
        }
        let table = self.tables.get_mut(&(window, mode)).expect("inserted above");
        table.used = self.clock;
        Ok(table.base as u64)
    }

    fn evict_oldest(&mut self) {
        if let Some(key) = self.tables.iter().min_by_key(|(_, t)| t.used).map(|(k, _)| *k) {
            self.tables.remove(&key);
        }
    }

    /// The cache offset at `eip`, or 0.
    #[must_use]
    pub fn get(&self, window: WindowId, mode: Mode, eip: u32) -> u32 {
        self.tables.get(&(window, mode)).map_or(0, |t| t.get(eip))
    }

    /// Enters `offset` for `eip`.
    pub fn set(&mut self, window: WindowId, mode: Mode, eip: u32, offset: u32) {
        if let Some(table) = self.tables.get_mut(&(window, mode)) {
            table.set(eip, offset);
        }
    }

    /// Removes a block's entry from every table of `mode`.
    pub fn forget(&mut self, mode: Mode, eip: u32) {
        for ((_, m), table) in &mut self.tables {
            if *m == mode && table.touched.contains(&(eip >> 12)) {
                table.set(eip, 0);
            }
        }
    }

    /// The window no longer maps `pages` pages from linear page `first` on as it did.
    pub fn drop_pages(&mut self, window: WindowId, first: u32, pages: u32) {
        for ((w, _), table) in &mut self.tables {
            if *w == window {
                table.clear_range(first, pages);
            }
        }
    }

    /// The window is gone.
    pub fn drop_window(&mut self, window: WindowId) {
        self.tables.retain(|(w, _), _| *w != window);
    }

    /// The cache was flushed: no offset means anything any more.
    pub fn clear(&mut self) {
        for table in self.tables.values_mut() {
            table.clear_all();
        }
    }

    /// Guest pages with entries, over all tables: each costs 16 KiB of host memory.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.tables.values().map(|t| t.touched.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_vanish_with_their_page_and_with_a_block_that_reaches_into_it() {
        let mut table = Table::new().unwrap();
        table.set(0x1ff8, 7);
        table.set(0x1f00, 8);
        table.set(0x2004, 9);
        table.set(0xffff_fffe, 10);
        table.clear_page(2);
        assert_eq!((table.get(0x1ff8), table.get(0x1f00), table.get(0x2004)), (0, 8, 0));
        table.clear_page(0);
        assert_eq!(table.get(0xffff_fffe), 0, "the last page reaches into page 0");
    }

    #[test]
    fn a_wide_range_clears_only_what_it_covers() {
        let mut table = Table::new().unwrap();
        for page in 0..64 {
            table.set(page << 12, page + 1);
        }
        table.clear_range(16, 1 << 18);
        assert_eq!(table.get(15 << 12), 16);
        assert_eq!(table.get(16 << 12), 0);
        assert_eq!(table.get(63 << 12), 0);
    }
}
