//! Target tables: for one (window, mode), the host code of each guest EIP that an indirect branch
//! may reach. Translated code looks here without touching a flag:
//! `mov r9d,[r13+r8*4]; lea r9,[r9+r14]; jmp r9`.
//!
//! An entry is the offset of a block in the translation cache; 0 is the miss stub, which is also
//! what an untouched page reads as. A table is 16 GiB of *address space* and costs memory only for
//! the pages that hold entries: a host page of 4 KiB for each KiB of guest code with a branch target.
//! [`Targets::trim`] keeps the sum of that within bounds.
//!
//! An EIP means something only together with CS's base, so a table belongs to one base, too.
//!
//! Invariant: an entry that is not zero is the offset of a valid block whose guest bytes are mapped
//! at CS's base plus its EIP in that window. Whoever drops a mapping, a block or the cache clears
//! entries first (invariant 4).

use hashbrown::{HashMap, HashSet};
use ringer_mmu::WindowId;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ffi::c_void;

use super::sink::BlockSink;
use crate::mode::Mode;
use ringer_cpu::{Lin, Page, Pc};

/// Tables kept at once, unless said otherwise.
const MAX_TABLES: usize = 128;
const TABLE_BYTES: usize = 4 << 32;
/// Entries in a host page, a leaf of a table.
const LEAF_SLOTS: u32 = 1024;
const LEAF_BYTES: usize = 4 * LEAF_SLOTS as usize;
/// Entries of a guest page.
const PAGE_SLOTS: u32 = 4096;
/// The longest instruction but for one byte: how far before a page a block may start that reaches
/// into it.
const REACH: u32 = 15;

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The window that its blocks are mapped in.
    pub window: WindowId,
    /// Their mode.
    pub mode: Mode,
    /// The base of CS: linear address of EIP 0.
    pub cs_base: Lin,
}

/// One table.
#[derive(Debug)]
struct TargetTable {
    base: *mut u32,
    /// Linear address of slot 0.
    cs_base: u32,
    /// Leaves that may hold entries.
    live: HashSet<u32>,
    /// Leaves that cost memory still, but hold none any more.
    stale: HashSet<u32>,
    used: u64,
}

impl TargetTable {
    fn new(cs_base: u32) -> rustix::io::Result<Self> {
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
        Ok(Self {
            base: base.cast(),
            cs_base,
            live: HashSet::new(),
            stale: HashSet::new(),
            used: 0,
        })
    }

    fn get(&self, eip: u32) -> u32 {
        // SAFETY: the mapping has a slot for each of the 2^32 values of `eip`.
        unsafe { self.base.add(eip as usize).read() }
    }

    fn set(&mut self, eip: u32, offset: u32) {
        let leaf = eip / LEAF_SLOTS;
        if self.live.insert(leaf) {
            self.stale.remove(&leaf);
        }
        // SAFETY: the mapping has a slot for each of the 2^32 values of `eip`.
        unsafe { self.base.add(eip as usize).write(offset) }
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

    fn clear_range(&mut self, first: u32, pages: u32) {
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

    fn clear_all(&mut self) {
        if self.leaves() == 0 {
            return;
        }
        // SAFETY: the range is this table's own mapping; DONTNEED makes it read as zeros again.
        let _ = unsafe { madvise(self.base.cast::<c_void>(), TABLE_BYTES, Advice::LinuxDontNeed) };
        self.live.clear();
        self.stale.clear();
    }

    /// Leaves that cost memory.
    fn leaves(&self) -> usize {
        self.live.len() + self.stale.len()
    }

    /// Gives the memory of empty leaves back.
    fn release_stale(&mut self) {
        for leaf in self.stale.drain() {
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

/// Names a table until it is given up (see [`Targets::given_up`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId(usize);

/// All target tables of a processor.
#[derive(Debug)]
pub struct Targets {
    slots: Vec<Option<TargetTable>>,
    ids: HashMap<Selection, usize>,
    clock: u64,
    max_tables: usize,
    given_up: u64,
}

impl Targets {
    /// At most `max_tables` tables are kept; the least recently selected one goes first.
    #[must_use]
    pub fn new(max_tables: usize) -> Self {
        let max_tables = max_tables.max(2);
        Self { slots: Vec::new(), ids: HashMap::new(), clock: 0, max_tables, given_up: 0 }
    }

    /// The table of `who`, made when there is none.
    ///
    /// # Errors
    /// When the host has no address space left even after the other tables were given back.
    pub fn select(&mut self, who: Selection) -> rustix::io::Result<TableId> {
        self.clock += 1;
        let at = match self.ids.get(&who) {
            Some(at) => *at,
            None => self.create(who)?,
        };
        if let Some(table) = &mut self.slots[at] {
            table.used = self.clock;
        }
        Ok(TableId(at))
    }

    fn create(&mut self, who: Selection) -> rustix::io::Result<usize> {
        if self.ids.len() >= self.max_tables
            && let Some((oldest, _)) = self.oldest()
        {
            self.give_up(|who| *who == oldest);
        }
        let table = match TargetTable::new(who.cs_base.low()) {
            Ok(table) => table,
            Err(_) => {
                self.give_up(|_| true);
                TargetTable::new(who.cs_base.low())?
            }
        };
        let free = self.slots.iter().position(Option::is_none);
        let at = free.unwrap_or(self.slots.len());
        if free.is_some() {
            self.slots[at] = Some(table);
        } else {
            self.slots.push(Some(table));
        }
        self.ids.insert(who, at);
        Ok(at)
    }

    /// The table that was selected longest ago.
    fn oldest(&self) -> Option<(Selection, usize)> {
        let used = |at: usize| self.slots[at].as_ref().map_or(0, |table| table.used);
        self.ids.iter().map(|(who, at)| (*who, *at)).min_by_key(|(_, at)| used(*at))
    }

    fn give_up(&mut self, doomed: impl Fn(&Selection) -> bool) {
        let slots = &mut self.slots;
        let given_up = &mut self.given_up;
        self.ids.retain(|who, at| {
            let keep = !doomed(who);
            if !keep {
                slots[*at] = None;
                *given_up += 1;
            }
            keep
        });
    }

    /// How many tables were given up so far. When it grows, every [`TableId`] may be another table's.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The address for r13 of a table.
    #[must_use]
    pub fn address(&self, id: TableId) -> u64 {
        self.table(id).map_or(0, |table| table.base as u64)
    }

    fn table(&self, id: TableId) -> Option<&TargetTable> {
        self.slots.get(id.0)?.as_ref()
    }

    /// The cache offset at `eip`, or 0. A table covers EIPs of 32 bits; of a wider one the low half counts.
    #[must_use]
    pub fn get(&self, id: TableId, eip: Pc) -> u32 {
        self.table(id).map_or(0, |t| t.get(eip.low()))
    }

    /// Enters `offset` for `eip`.
    pub fn set(&mut self, id: TableId, eip: Pc, offset: u32) {
        if let Some(table) = self.slots.get_mut(id.0).and_then(Option::as_mut) {
            table.set(eip.low(), offset);
        }
    }

    /// Does `work` with each table that `wanted` picks.
    fn each(
        &mut self,
        wanted: impl Fn(&Selection) -> bool,
        mut work: impl FnMut(&mut TargetTable),
    ) {
        for (_, at) in self.ids.iter().filter(|(who, _)| wanted(who)) {
            if let Some(table) = &mut self.slots[*at] {
                work(table);
            }
        }
    }

    /// The window no longer maps `pages` pages from linear page `first` on as it did.
    pub fn drop_pages(&mut self, window: WindowId, first: Page, pages: u32) {
        let first = first.low();
        self.each(|who| who.window == window, |table| table.clear_range(first, pages));
    }

    /// The window is gone.
    pub fn drop_window(&mut self, window: WindowId) {
        self.give_up(|who| who.window == window);
    }

    /// Bytes of host memory that the tables hold.
    #[must_use]
    pub fn held(&self) -> usize {
        self.slots.iter().flatten().map(|t| t.leaves() * LEAF_BYTES).sum()
    }

    /// Brings what the tables hold under `limit` bytes, when it is over: empty leaves go first, then
    /// the tables that were selected longest ago, but never the last one. True when tables went.
    pub fn trim(&mut self, limit: usize) -> bool {
        if self.held() <= limit {
            return false;
        }
        self.each(|_| true, TargetTable::release_stale);
        let mut left = self.held();
        let given_up = self.given_up;
        while left > limit && self.ids.len() > 1 {
            let Some(oldest) = self.oldest() else { break };
            left -= self.table(TableId(oldest.1)).map_or(0, |t| t.leaves() * LEAF_BYTES);
            self.give_up(|who| *who == oldest.0);
        }
        self.given_up != given_up
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self::new(MAX_TABLES)
    }
}

impl BlockSink for Targets {
    fn block_gone(&mut self, mode: Mode, eip: Pc) {
        let eip = eip.low();
        self.each(
            |who| who.mode == mode,
            |table| {
                if table.live.contains(&(eip / LEAF_SLOTS)) {
                    table.set(eip, 0);
                }
            },
        );
    }

    fn all_gone(&mut self) {
        self.each(|_| true, TargetTable::clear_all);
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

    #[test]
    fn what_the_tables_hold_is_bounded_and_the_running_one_stays() {
        let who = |n| Selection { window: WindowId(n), mode: Mode::default(), cs_base: Lin(0) };
        let mut targets = Targets::new(8);
        let ids: Vec<TableId> = (0..4).map(|n| targets.select(who(n)).unwrap()).collect();
        for id in &ids {
            (0..16).for_each(|leaf| targets.set(*id, Pc::from(leaf * LEAF_SLOTS), 7));
        }
        assert_eq!(targets.held(), 64 * LEAF_BYTES);
        assert!(!targets.trim(64 * LEAF_BYTES));
        // Emptied leaves go first, and nothing else if that is enough.
        targets.drop_pages(WindowId(0), Page(1), 3);
        assert_eq!(targets.held(), 64 * LEAF_BYTES, "zeros cost memory, too");
        assert!(!targets.trim(60 * LEAF_BYTES));
        assert!(targets.held() <= 60 * LEAF_BYTES);
        assert_eq!(
            (targets.get(ids[0], Pc::from(0)), targets.get(ids[0], Pc::from(4 * LEAF_SLOTS))),
            (7, 0)
        );
        targets.set(ids[0], Pc::from(4 * LEAF_SLOTS), 8);
        assert_eq!(targets.get(ids[0], Pc::from(4 * LEAF_SLOTS)), 8);
        // Then whole tables, the last selected one last.
        targets.select(who(1)).unwrap();
        assert!(targets.trim(20 * LEAF_BYTES));
        assert_eq!([0, 1, 2, 3].map(|k| targets.get(ids[k], Pc::from(0))), [0, 7, 0, 0]);
        assert!(!targets.trim(0), "one always stays");
        assert_eq!(targets.get(ids[1], Pc::from(0)), 7);
    }

    #[test]
    fn each_processor_is_told_that_a_block_is_gone() {
        let who = Selection { window: WindowId(0), mode: Mode::USER, cs_base: Lin(0) };
        let mut processors = [Targets::default(), Targets::default()];
        let ids = [0, 1].map(|k: usize| processors[k].select(who).unwrap());
        let entries = |all: &[Targets; 2], eip| [0, 1].map(|k: usize| all[k].get(ids[k], Pc(eip)));
        for (targets, id) in processors.iter_mut().zip(ids) {
            targets.set(id, Pc::from(0x1000), 64);
            targets.set(id, Pc::from(0x2000), 128);
        }
        processors.block_gone(Mode::empty(), Pc(0x1000));
        assert_eq!(entries(&processors, 0x1000), [64; 2], "a block of another mode");
        processors.block_gone(Mode::USER, Pc(0x1000));
        assert_eq!(
            (entries(&processors, 0x1000), entries(&processors, 0x2000)),
            ([0; 2], [128; 2])
        );
        processors.all_gone();
        assert_eq!(entries(&processors, 0x2000), [0; 2]);
    }
}
