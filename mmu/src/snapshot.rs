//! Copies of the guest's page tables, kept so that a flush can tell what the guest changed.
//!
//! Page tables are not write-traced. The SDM lets a processor use a stale translation until the
//! guest flushes it; so a window may keep what it maps until then, provided that it notices at the
//! flush which entries changed since it used them. It compares its copies with memory.
//!
//! Invariant: for every page that a window maps, or that translated code was entered for, the copy
//! holds the entries (directory and table) that the mapping was made from, up to flags that do not
//! matter. Filling a page therefore brings the copied entries up to date first, and drops what
//! depended on their old values (invariant 6).

use crate::format::bit;
use crate::ram::GuestMemory;

/// A copy of one page table or page directory.
#[derive(Debug)]
pub(crate) struct Table {
    /// Where the table lies in the memfd.
    pub offset: u64,
    copy: Box<[u8; 4096]>,
}

/// What a change of an entry means for the pages that it maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that was mapped is wrong now.
    None,
    /// The right to write is gone.
    ReadOnly,
    /// The pages are not what they were.
    Drop,
}

/// Flags of an entry that decide nothing here: PWT, PCD, G and the three available bits. (PAT is
/// left to count as part of the address.)
const IGNORED: u64 = 0b1111 << 8 | 0b11 << 3;

impl Table {
    /// Host memory that one takes, with what the allocator adds.
    pub const BYTES: usize = 4096 + 16;

    /// Copies the table at memfd offset `offset`.
    pub fn copy(memory: &GuestMemory, offset: u64) -> Self {
        let mut copy = Box::new([0; 4096]);
        memory.read_offset(offset, &mut copy[..]);
        Self { offset, copy }
    }

    /// Whether memory still holds exactly the copy.
    pub fn is_current(&self, memory: &GuestMemory) -> bool {
        memory.file.page_is(self.offset, &self.copy)
    }

    fn entry(&self, at: u64, wide: bool) -> u64 {
        let at = at as usize & 0xff8 | if wide { 0 } else { at as usize & 4 };
        let mut b = [0; 8];
        let n = if wide { 8 } else { 4 };
        b[..n].copy_from_slice(&self.copy[at..at + n]);
        u64::from_le_bytes(b)
    }

    /// Brings the copied entry at byte `at` up to date and says what its change means.
    pub fn sync(&mut self, memory: &GuestMemory, at: u64, wide: bool) -> Change {
        let old = self.entry(at, wide);
        let new = read(memory, self.offset + at, wide);
        if old == new {
            return Change::None;
        }
        let at = at as usize;
        let n = if wide { 8 } else { 4 };
        self.copy[at..at + n].copy_from_slice(&new.to_le_bytes()[..n]);
        classify(old, new)
    }

    /// Brings the whole copy up to date; calls `changed` with the index of each entry that changed
    /// in a way that matters.
    pub fn sync_all(
        &mut self,
        memory: &GuestMemory,
        wide: bool,
        mut changed: impl FnMut(u32, Change),
    ) {
        let mut now = [0; 4096];
        memory.read_offset(self.offset, &mut now);
        for k in 0..512usize {
            let at = k * 8;
            if self.copy[at..at + 8] == now[at..at + 8] {
                continue;
            }
            let (step, n) = if wide { (8, 1) } else { (4, 2) };
            for half in 0..n {
                let at = (at + half * step) as u64;
                let index = (k * n + half) as u32;
                let change = self.sync(memory, at, wide);
                if change != Change::None {
                    changed(index, change);
                }
            }
        }
    }
}

fn read(memory: &GuestMemory, offset: u64, wide: bool) -> u64 {
    if wide { memory.file.entry64(offset) } else { u64::from(memory.file.entry32(offset)) }
}

/// What it means for pages mapped through `old` that the entry is `new` now. (US gives user code a right and may take one of
/// supervisor code's, CR4.SMAP.)
pub(crate) fn classify(old: u64, new: u64) -> Change {
    if old & bit::P == 0 {
        return Change::None;
    }
    let gone = old & !new;
    let came = new & !old;
    let grants = bit::RW | bit::A | bit::D;
    if (gone | came) & !(grants | IGNORED) != 0 || gone & bit::A != 0 {
        Change::Drop
    } else if gone & (bit::RW | bit::D) != 0 {
        Change::ReadOnly
    } else {
        Change::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_may_come_and_nothing_happens() {
        let old = 0x1000 | bit::P;
        for more in [bit::RW, bit::A, bit::D, bit::G, 0x200] {
            assert_eq!(classify(old, old | more), Change::None);
        }
        assert_eq!(classify(0, 0x5067), Change::None, "what was absent mapped nothing");
    }

    #[test]
    fn what_is_taken_away_is_noticed() {
        let old = 0x1000 | bit::P | bit::RW | bit::US | bit::A | bit::D;
        assert_eq!(classify(old, old & !bit::RW), Change::ReadOnly);
        assert_eq!(classify(old, old & !bit::D), Change::ReadOnly);
        for less in [bit::P, bit::US, bit::A, 0x1000] {
            assert_eq!(classify(old, old & !less), Change::Drop);
        }
        assert_eq!(classify(old & !bit::US, old), Change::Drop, "SMAP keeps the supervisor off");
        assert_eq!(classify(old, old | bit::NX), Change::Drop);
        assert_eq!(classify(old, old | 0x2000), Change::Drop);
        assert_eq!(classify(old, old | bit::PS), Change::Drop);
    }
}
