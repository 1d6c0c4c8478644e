//! One target table: 16 GiB of address space, of which the leaves with entries cost memory, and the page tables that the
//! host needs to find these.
//!
//! Invariant: `live` and `stale` name every leaf that is not the host's page of zeros, and `host_tables` every part that
//! was looked at.

use hashbrown::HashSet;
use ringer_mmu::host_tables::HostTables;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ffi::c_void;

const TABLE_BYTES: usize = 4 << 32;
/// Entries in a host page, a leaf of a table.
pub(super) const LEAF_SLOTS: u32 = 1024;
/// Bytes of a leaf.
pub(super) const LEAF_BYTES: usize = 4 * LEAF_SLOTS as usize;
/// What a leaf takes in the lists, about.
const LISTED: usize = 12;
/// Entries of a guest page.
const PAGE_SLOTS: u32 = 4096;
/// The longest instruction but for one byte: how far before a page a block may start that reaches
/// into it.
const REACH: u32 = 15;

/// Maps a table of zeros, at `at` with [`MapFlags::FIXED`].
///
/// # Safety
/// With that flag, `at` is the beginning of a table's own mapping.
unsafe fn map_zeros(at: *mut c_void, fixed: MapFlags) -> rustix::io::Result<*mut c_void> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | fixed;
    // SAFETY: a fresh mapping, or one in the place of a table's, as the caller promises.
    let base =
        unsafe { mmap_anonymous(at, TABLE_BYTES, ProtFlags::READ | ProtFlags::WRITE, flags) }?;
    // SAFETY: the range was just mapped. Huge pages would make a single entry cost 2 MiB.
    let _ = unsafe { madvise(base, TABLE_BYTES, Advice::LinuxNoHugepage) };
    // SAFETY: as above. A core dump has no use for it.
    let _ = unsafe { madvise(base, TABLE_BYTES, Advice::LinuxDontDump) };
    Ok(base)
}

/// One table.
#[derive(Debug)]
pub(super) struct TargetTable {
    base: *mut u32,
    /// Linear address of slot 0.
    cs_base: u32,
    /// Leaves that may hold entries.
    live: HashSet<u32>,
    /// Leaves that cost memory still, but hold none any more.
    stale: HashSet<u32>,
    host_tables: HostTables,
    /// When it was selected last.
    pub used: u64,
}

impl TargetTable {
    /// An empty one for code segments at `cs_base`.
    ///
    /// # Errors
    /// When the host has no address space for it.
    pub fn new(cs_base: u32) -> rustix::io::Result<Self> {
        // SAFETY: a mapping at an address of the kernel's choice harms nobody.
        let base = unsafe { map_zeros(std::ptr::null_mut(), MapFlags::empty()) }?;
        Ok(Self {
            base: base.cast(),
            cs_base,
            live: HashSet::new(),
            stale: HashSet::new(),
            host_tables: HostTables::new(TABLE_BYTES >> 30),
            used: 0,
        })
    }

    /// For r13.
    pub fn address(&self) -> u64 {
        self.base as u64
    }

    /// The entry of `eip`.
    pub fn get(&self, eip: u32) -> u32 {
        // SAFETY: the mapping has a slot for each of the 2^32 values of `eip`.
        unsafe { self.base.add(eip as usize).read() }
    }

    /// The same, which touches nothing that has no entry.
    pub fn known(&self, eip: u32) -> u32 {
        if self.live.contains(&(eip / LEAF_SLOTS)) { self.get(eip) } else { 0 }
    }

    /// Whether no entry was made near `eip`, in the page that it is in, since that page was dropped.
    pub fn is_fresh(&self, eip: u32) -> bool {
        let first = eip / PAGE_SLOTS * (PAGE_SLOTS / LEAF_SLOTS);
        (first..first + PAGE_SLOTS / LEAF_SLOTS).all(|leaf| !self.live.contains(&leaf))
    }

    /// Enters `offset` for `eip`. Bytes that this may have taken.
    pub fn set(&mut self, eip: u32, offset: u32) -> usize {
        let leaf = eip / LEAF_SLOTS;
        let mut taken = self.reach(eip);
        if self.live.insert(leaf) && !self.stale.remove(&leaf) {
            taken += LEAF_BYTES + LISTED;
        }
        // SAFETY: the mapping has a slot for each of the 2^32 values of `eip`.
        unsafe { self.base.add(eip as usize).write(offset) }
        taken
    }

    /// The host was made to look at the entry of `eip`. Bytes that this may have taken.
    pub fn reach(&mut self, eip: u32) -> usize {
        self.host_tables.note(eip / LEAF_SLOTS, 1)
    }

    /// Forgets the entry of `eip`.
    pub fn clear(&mut self, eip: u32) {
        if self.live.contains(&(eip / LEAF_SLOTS)) {
            // SAFETY: the mapping has a slot for each of the 2^32 values of `eip`.
            unsafe { self.base.add(eip as usize).write(0) }
        }
    }

    /// Forgets `len` entries (at most a few pages of them) from `first` on; EIPs wrap.
    fn clear_slots(&mut self, first: u32, len: u32) {
        let (mut at, mut left) = (first, len);
        while left > 0 {
            let here = (LEAF_SLOTS - at % LEAF_SLOTS).min(left);
            let leaf = at / LEAF_SLOTS;
            if self.live.contains(&leaf) {
                // SAFETY: `at` is a slot and `here` slots are left of its leaf.
                unsafe { self.base.add(at as usize).write_bytes(0, here as usize) };
                if here == LEAF_SLOTS {
                    self.live.remove(&leaf);
                    self.stale.insert(leaf);
                }
            }
            at = at.wrapping_add(here);
            left -= here;
        }
    }

    /// Forgets every entry of linear page `page`, and those of blocks that start in the last bytes
    /// of the page before and may reach into it.
    fn clear_page(&mut self, page: u32) {
        let first = (page << 12).wrapping_sub(self.cs_base).wrapping_sub(REACH);
        self.clear_slots(first, PAGE_SLOTS + REACH);
    }

    /// The same for `pages` linear pages from `first` on.
    pub fn clear_range(&mut self, first: u32, pages: u32) {
        if (pages as usize) < self.live.len().max(8) {
            for k in 0..pages {
                self.clear_page(first.wrapping_add(k) & 0xf_ffff);
            }
            return;
        }
        // A leaf lies in one linear page, or in two where CS's base is not aligned.
        let inside = |linear: u32| (linear >> 12).wrapping_sub(first) & 0xf_ffff < pages;
        let base = self.cs_base;
        let within = |leaf: u32| {
            let start = base.wrapping_add(leaf * LEAF_SLOTS);
            inside(start) || inside(start.wrapping_add(LEAF_SLOTS - 1))
        };
        let hit: Vec<u32> = self.live.iter().copied().filter(|leaf| within(*leaf)).collect();
        for leaf in hit {
            self.clear_slots(leaf * LEAF_SLOTS, LEAF_SLOTS);
        }
        self.clear_page(first);
    }

    /// Forgets all entries.
    pub fn clear_all(&mut self) {
        if self.held() == 0 {
            return;
        }
        let at = self.base.cast::<c_void>();
        // SAFETY: the range is this table's own mapping, and a new one in its place reads as zeros. DONTNEED alone would
        // leave the host's page tables there.
        if unsafe { map_zeros(at, MapFlags::FIXED) }.is_ok() {
            self.host_tables.clear();
        } else {
            // SAFETY: the range is this table's own mapping; DONTNEED makes it read as zeros again.
            let taken = unsafe { madvise(at, TABLE_BYTES, Advice::LinuxDontNeed) };
            if taken.is_err_and(|error| error != Errno::NOMEM) {
                // A host that keeps the memory keeps the entries, which name blocks that are no more. (NOMEM is what it says
                // where there is no memory.)
                for leaf in &self.live {
                    let first = (leaf * LEAF_SLOTS) as usize;
                    // SAFETY: the range is a leaf of this table's own mapping.
                    unsafe { self.base.add(first).write_bytes(0, LEAF_SLOTS as usize) };
                }
            }
        }
        self.live = HashSet::new();
        self.stale = HashSet::new();
    }

    /// Bytes of host memory that it takes, at most.
    pub fn held(&self) -> usize {
        let leaves = self.live.len() + self.stale.len();
        let lists = self.live.allocation_size() + self.stale.allocation_size();
        leaves * LEAF_BYTES + self.host_tables.bytes() + lists
    }

    /// Bytes of the host's page tables for it, at most.
    pub fn page_tables(&self) -> usize {
        self.host_tables.bytes()
    }

    /// Gives the memory of empty leaves back.
    pub fn release_stale(&mut self) {
        for leaf in std::mem::take(&mut self.stale) {
            // SAFETY: the range is a leaf of this table's own mapping, and all zeros already.
            let _ = unsafe {
                let at = self.base.add((leaf * LEAF_SLOTS) as usize);
                madvise(at.cast::<c_void>(), LEAF_BYTES, Advice::LinuxDontNeed)
            };
        }
    }
}

impl Drop for TargetTable {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, unmapped once.
        let _ = unsafe { munmap(self.base.cast::<c_void>(), TABLE_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_vanish_with_their_page_and_with_a_block_that_reaches_into_it() {
        let mut table = TargetTable::new(0).unwrap();
        table.set(0x1ff8, 7);
        table.set(0x1f00, 8);
        table.set(0x2004, 9);
        table.set(0xffff_fffe, 10);
        table.clear_page(2);
        assert_eq!((table.get(0x1ff8), table.get(0x1f00), table.get(0x2004)), (0, 8, 0));
        table.clear_page(0);
        assert_eq!(table.get(0xffff_fffe), 0, "the last page reaches into page 0");
    }

    /// From now on this thread gets an error for a system call.
    fn refuse(call: i64) {
        use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
        let error = SeccompAction::Errno(libc::ENOSYS as u32);
        let rules = [(call, vec![])].into();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, error, TargetArch::x86_64);
        apply_filter(&BpfProgram::try_from(filter.unwrap()).unwrap()).unwrap();
    }

    /// An entry that stayed would lead into a block that is no more.
    #[test]
    fn a_host_that_keeps_the_memory_keeps_no_entry() {
        let left = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let mut table = TargetTable::new(0).unwrap();
                for eip in [0, 0x1234, 0xffff_ffff] {
                    table.set(eip, 7);
                }
                refuse(libc::SYS_madvise);
                refuse(libc::SYS_mmap);
                table.clear_all();
                [0, 0x1234, 0xffff_ffff].map(|eip| table.get(eip))
            });
            thread.join().unwrap()
        });
        assert_eq!(left, [0; 3]);
    }

    #[test]
    fn a_wide_range_clears_only_what_it_covers() {
        let mut table = TargetTable::new(0).unwrap();
        for page in 0..64 {
            table.set(page << 12, page + 1);
        }
        table.clear_range(16, 1 << 18);
        assert_eq!(table.get(15 << 12), 16);
        assert_eq!(table.get(16 << 12), 0);
        assert_eq!(table.get(63 << 12), 0);
    }

    #[test]
    fn a_linear_page_is_found_behind_an_unaligned_base() {
        let mut table = TargetTable::new(0xffff_f7f0).unwrap();
        // Linear page 0 begins at IP 810h, page 1 at 1810h.
        for ip in [0x800, 0x80f, 0x810, 0x1800, 0x180f, 0x1810, 0xffff] {
            table.set(ip, 7);
        }
        table.clear_page(0);
        let left = [0x800, 0x80f, 0x810, 0x1800, 0x180f, 0x1810, 0xffff].map(|ip| table.get(ip));
        assert_eq!(left, [7, 0, 0, 0, 0, 7, 7]);
        table.clear_range(0, 1 << 19);
        assert_eq!([0x1810, 0xffff].map(|ip| table.get(ip)), [0, 0]);
    }
}
