//! Target tables: for one (window, mode), or for a supervisor's mode in all windows that agree on its code, the host code
//! of each guest EIP that an indirect branch may reach. Translated code looks here without touching a flag:
//! `mov r9d,[r13+r8*4]; lea r9,[r9+r14]; jmp r9`.
//!
//! An entry is the offset of a block in the translation cache; 0 is the miss stub, which is also
//! what an untouched page reads as. A table is 16 GiB of *address space* and costs memory only for
//! the pages that hold entries: a host page of 4 KiB for each KiB of guest code with a branch target.
//! [`Targets::trim`] keeps the sum of that within bounds, and that of the page tables that the host needs for it: a guest
//! that looks in vain everywhere has the host make those for whole tables.
//!
//! An EIP means something only together with CS's base, so a table belongs to one base, too.
//!
//! Invariant: an entry that is not zero is the offset of a valid block whose guest bytes are mapped
//! at CS's base plus its EIP in that window. Whoever drops a mapping, a block or the cache clears
//! entries first (invariant 4).

use super::sink::BlockSink;
use super::target_table::TargetTable;
use crate::mode::Mode;
use hashbrown::HashMap;
use ringer_cpu::{Lin, Page, Pc};
use ringer_mmu::WindowId;

/// Tables kept at once, unless said otherwise.
const MAX_TABLES: usize = 128;

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Where its blocks are mapped: a window, or what several have in common ([`ringer_mmu::Active::code`]).
    pub space: WindowId,
    /// Their mode.
    pub mode: Mode,
    /// The base of CS: linear address of EIP 0.
    pub cs_base: Lin,
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
    /// Bytes that the tables take, at most: counted anew when that matters.
    charged: usize,
}

impl Targets {
    /// At most `max_tables` tables are kept; the least recently selected one goes first.
    #[must_use]
    pub fn new(max_tables: usize) -> Self {
        let max_tables = max_tables.max(2);
        let (slots, ids) = (Vec::new(), HashMap::new());
        Self { slots, ids, clock: 0, max_tables, given_up: 0, charged: 0 }
    }

    /// The table of `who`, made when there is none.
    ///
    /// # Errors
    /// When the host has no address space left even after the other tables were given back.
    pub fn select(&mut self, who: Selection) -> rustix::io::Result<TableId> {
        let at = match self.ids.get(&who) {
            Some(at) => *at,
            None => self.create(who)?,
        };
        self.reselect(TableId(at));
        Ok(TableId(at))
    }

    /// The table is in use again: it goes later than others.
    #[inline]
    pub fn reselect(&mut self, id: TableId) {
        self.clock += 1;
        if let Some(Some(table)) = self.slots.get_mut(id.0) {
            table.used = self.clock;
        }
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
        self.table(id).map_or(0, TargetTable::address)
    }

    fn table(&self, id: TableId) -> Option<&TargetTable> {
        self.slots.get(id.0)?.as_ref()
    }

    /// The cache offset at `eip`, or 0. A table covers EIPs of 32 bits; of a wider one the low half counts.
    #[must_use]
    pub fn get(&self, id: TableId, eip: Pc) -> u32 {
        self.table(id).map_or(0, |t| t.get(eip.low()))
    }

    /// The same, without making the host touch a part of the table that nobody used yet.
    #[must_use]
    pub fn known(&self, id: TableId, eip: Pc) -> u32 {
        self.table(id).map_or(0, |t| t.known(eip.low()))
    }

    /// Whether no entry was made in the page of `eip` since it was dropped.
    #[must_use]
    pub fn is_fresh(&self, id: TableId, eip: Pc) -> bool {
        self.table(id).is_some_and(|t| t.is_fresh(eip.low()))
    }

    /// Enters `offset` for `eip`.
    pub fn set(&mut self, id: TableId, eip: Pc, offset: u32) {
        if let Some(table) = self.slots.get_mut(id.0).and_then(Option::as_mut) {
            self.charged += table.set(eip.low(), offset);
        }
    }

    /// Somebody looked at `eip` in vain: the host may have made a page table for that.
    pub fn missed(&mut self, id: TableId, eip: Pc) {
        if let Some(table) = self.slots.get_mut(id.0).and_then(Option::as_mut) {
            self.charged += table.reach(eip.low());
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
        self.each(|who| who.space == window, |table| table.clear_range(first, pages));
    }

    /// The window is gone.
    pub fn drop_window(&mut self, window: WindowId) {
        self.give_up(|who| who.space == window);
    }

    /// Bytes of host memory that the tables hold, page tables of the host among them.
    #[must_use]
    pub fn held(&self) -> usize {
        self.slots.iter().flatten().map(TargetTable::held).sum()
    }

    /// Bytes of the host's page tables for them, at most.
    #[must_use]
    pub fn page_tables(&self) -> usize {
        self.slots.iter().flatten().map(TargetTable::page_tables).sum()
    }

    /// Whether they may hold more than `limit` bytes, so that [`Targets::trim`] is to be called.
    #[inline]
    #[must_use]
    pub fn is_over(&self, limit: usize) -> bool {
        self.charged > limit
    }

    /// Brings what the tables hold under `limit` bytes, when it is over: empty leaves go first, then
    /// the tables that were selected longest ago, but never the last one. True when tables went.
    pub fn trim(&mut self, limit: usize) -> bool {
        self.charged = self.held();
        if self.charged <= limit {
            return false;
        }
        self.each(|_| true, TargetTable::release_stale);
        self.charged = self.held();
        let given_up = self.given_up;
        while self.charged > limit && self.ids.len() > 1 {
            let Some(oldest) = self.oldest() else { break };
            self.charged -= self.table(TableId(oldest.1)).map_or(0, TargetTable::held);
            self.give_up(|who| *who == oldest.0);
        }
        self.given_up != given_up
    }

    /// Empties the tables that are left when [`Targets::trim`] was not enough for `limit`; they stay where they are.
    pub fn empty_over(&mut self, limit: usize) {
        if self.is_over(limit) {
            self.each(|_| true, TargetTable::clear_all);
            self.charged = self.held();
        }
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
        self.each(|who| who.mode == mode, |table| table.clear(eip));
    }

    fn all_gone(&mut self) {
        self.each(|_| true, TargetTable::clear_all);
    }
}

#[cfg(test)]
mod tests {
    use super::super::target_table::{LEAF_BYTES, LEAF_SLOTS};
    use super::*;

    #[test]
    fn what_the_tables_hold_is_bounded_and_the_running_one_stays() {
        let who = |n| Selection { space: WindowId(n), mode: Mode::default(), cs_base: Lin(0) };
        let mut targets = Targets::new(8);
        let ids: Vec<TableId> = (0..4).map(|n| targets.select(who(n)).unwrap()).collect();
        for id in &ids {
            (0..16).for_each(|leaf| targets.set(*id, Pc::from(leaf * LEAF_SLOTS), 7));
        }
        // Four page tables of the host for each, and what says which leaves there are.
        let rest = targets.held() - 64 * LEAF_BYTES;
        assert!((16 * 4096..24 * 4096).contains(&rest), "{rest}");
        assert!(!targets.trim(64 * LEAF_BYTES + rest));
        // Emptied leaves go first, and nothing else if that is enough.
        targets.drop_pages(WindowId(0), Page(1), 3);
        assert!(targets.held() >= 64 * LEAF_BYTES + rest, "zeros cost memory, too");
        assert!(!targets.trim(60 * LEAF_BYTES + rest));
        assert!(targets.held() <= 60 * LEAF_BYTES + rest);
        assert_eq!(
            (targets.get(ids[0], Pc::from(0)), targets.get(ids[0], Pc::from(4 * LEAF_SLOTS))),
            (7, 0)
        );
        targets.set(ids[0], Pc::from(4 * LEAF_SLOTS), 8);
        assert_eq!(targets.get(ids[0], Pc::from(4 * LEAF_SLOTS)), 8);
        // Then whole tables, the last selected one last.
        targets.select(who(1)).unwrap();
        assert!(targets.trim(32 * LEAF_BYTES));
        assert_eq!([0, 1, 2, 3].map(|k| targets.get(ids[k], Pc::from(0))), [0, 7, 0, 0]);
        assert!(!targets.trim(0), "one always stays");
        assert_eq!(targets.get(ids[1], Pc::from(0)), 7);
        let there = targets.address(ids[1]);
        targets.empty_over(8 * LEAF_BYTES);
        assert_eq!((targets.get(ids[1], Pc::from(0)), targets.address(ids[1])), (0, there));
        assert!(targets.held() < LEAF_BYTES, "{}", targets.held());
    }

    #[test]
    fn a_page_is_fresh_until_something_is_entered_and_again_when_it_was_dropped() {
        let who = Selection { space: WindowId(0), mode: Mode::USER, cs_base: Lin(0) };
        let mut targets = Targets::default();
        let id = targets.select(who).unwrap();
        let fresh =
            |targets: &Targets| [0x1000, 0x2000, 0x3000].map(|e| targets.is_fresh(id, Pc(e)));
        targets.set(id, Pc(0x2c00), 7);
        assert_eq!(fresh(&targets), [true, false, true]);
        targets.drop_pages(WindowId(0), Page(2), 1);
        assert_eq!(fresh(&targets), [true; 3]);
    }

    #[test]
    fn looking_in_vain_is_charged() {
        let who = Selection { space: WindowId(0), mode: Mode::USER, cs_base: Lin(0) };
        let mut targets = Targets::default();
        let id = targets.select(who).unwrap();
        for eip in (0..=u32::MAX).step_by(512 << 10) {
            assert_eq!(targets.known(id, Pc::from(eip)), 0);
        }
        assert_eq!(targets.held(), 0, "that one asks nothing of the host");
        for eip in (0..=u32::MAX).step_by(512 << 10) {
            assert_eq!(targets.get(id, Pc::from(eip)), 0);
            targets.missed(id, Pc::from(eip));
        }
        assert!(targets.held() >= 8192 * 4096 && targets.is_over(8192 * 4096));
        targets.trim(1 << 20);
        targets.empty_over(1 << 20);
        assert_eq!(targets.held(), 0);
    }

    #[test]
    fn each_processor_is_told_that_a_block_is_gone() {
        let who = Selection { space: WindowId(0), mode: Mode::USER, cs_base: Lin(0) };
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
