//! Instructions whose accesses keep failing in translated code: demand-zero pages, devices in memory, pages that are remapped
//! each time.
//!
//! A host trap costs as much as thirty callouts. So an instruction that trapped often is left to the
//! interpreter: the blocks with it are made anew and end before it. When it goes on without faulting,
//! it gets its host code back, and next time it takes more traps to lose it.

use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Traps after which an instruction is left to the interpreter, the first time.
const TRAPS: u16 = 6;
/// By how much that grows each time.
const GROWTH: u16 = 8;
/// Runs without a fault that a fault pays for, and how many may be saved up.
const CREDIT: u16 = 5;
const MOST_CREDIT: u16 = 40;
/// Instructions that are counted at once.
const COUNTED: usize = 4096;
/// Instructions that are left to the interpreter at once.
const MOST: usize = 1024;

/// What is known of an instruction that trapped.
#[derive(Clone, Copy, Debug)]
struct Trapped {
    traps: u16,
    needed: u16,
}

/// An instruction that the interpreter runs.
#[derive(Clone, Copy, Debug)]
struct Left {
    pa: u64,
    eip: u32,
    credit: u16,
}

/// The instructions that trapped, by the physical address of their first byte.
#[derive(Debug, Default)]
pub(crate) struct Retranslation {
    sites: HashMap<u64, Trapped>,
    left: BTreeMap<u64, u32>,
    /// Those of `left` by EIP, one each.
    by_eip: HashMap<u32, Left>,
}

impl Retranslation {
    /// EIPs of instructions in `from..to` (physical) that the interpreter runs.
    pub fn left_between(&self, from: u64, to: u64) -> impl Iterator<Item = u32> {
        self.left.range(from..to).map(|(_, eip)| *eip)
    }

    /// Whether the interpreter runs the instruction at `eip`.
    pub fn leaves(&self, eip: u32) -> bool {
        self.by_eip.contains_key(&eip)
    }

    /// Counts a trap; true when it was one too many.
    pub fn trapped(&mut self, pa: u64, eip: u32) -> bool {
        if self.sites.len() >= COUNTED {
            self.sites.clear();
        }
        let site = self.sites.entry(pa).or_insert(Trapped { traps: 0, needed: TRAPS });
        site.traps = site.traps.saturating_add(1);
        let room = self.by_eip.len() < MOST && !self.by_eip.contains_key(&eip);
        if site.traps < site.needed || !room {
            return false;
        }
        site.traps = 0;
        site.needed = site.needed.saturating_mul(GROWTH);
        self.left.insert(pa, eip);
        self.by_eip.insert(eip, Left { pa, eip, credit: MOST_CREDIT });
        true
    }

    /// The interpreter ran the instruction at `eip` from a callout, and it `faulted` or not. The
    /// address of an instruction that gets its host code back.
    pub fn ran(&mut self, eip: u32, faulted: bool) -> Option<u64> {
        let left = self.by_eip.get_mut(&eip)?;
        if faulted {
            left.credit = (left.credit + CREDIT).min(MOST_CREDIT);
            return None;
        }
        left.credit -= 1;
        if left.credit > 0 {
            return None;
        }
        let (pa, eip) = (left.pa, left.eip);
        self.by_eip.remove(&eip);
        self.left.remove(&pa);
        Some(pa)
    }

    /// Page frame `frame` holds no code any more.
    pub fn forget(&mut self, frame: u64) {
        if self.by_eip.is_empty() {
            return;
        }
        let page = frame << 12..(frame + 1) << 12;
        let gone: Vec<(u64, u32)> = self.left.range(page).map(|(pa, eip)| (*pa, *eip)).collect();
        for (pa, eip) in gone {
            self.left.remove(&pa);
            self.by_eip.remove(&eip);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.by_eip.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_left_and_comes_back() {
        let mut t = Retranslation::default();
        let traps = |t: &mut Retranslation| (1..).find(|_| t.trapped(0x1234, 0x8234)).unwrap_or(0);
        assert_eq!(traps(&mut t), TRAPS);
        assert_eq!(t.left_between(0x1000, 0x2000).collect::<Vec<_>>(), [0x8234]);
        assert_eq!(t.ran(0x9999, false), None, "another instruction");
        for _ in 0..10 * MOST_CREDIT {
            assert_eq!(t.ran(0x8234, true), None);
            assert_eq!(t.ran(0x8234, false), None);
        }
        let runs = (1..).find(|_| t.ran(0x8234, false).is_some()).unwrap_or(0);
        assert!(runs <= MOST_CREDIT);
        assert_eq!(t.left_between(0, u64::MAX).count(), 0);
        assert_eq!(traps(&mut t), TRAPS * GROWTH, "next time it takes more");
    }
}
