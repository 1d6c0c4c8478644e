//! Instructions whose accesses keep failing in translated code: demand-zero pages, devices in memory, pages that are remapped
//! each time.
//!
//! A host trap costs as much as some callouts. So an instruction that trapped often is set aside: the blocks with it are made
//! anew, and its access goes by the inline TLB or, where it cannot, is left to the interpreter. Either is seen here only when
//! the interpreter runs it. When it goes on without faulting, or hardly ever comes to the interpreter, it gets its own host code
//! back, and next time it takes more traps to lose it.

use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Traps after which an instruction is set aside, the first time.
const TRAPS: u16 = 6;
/// By how much that grows each time it went on without faulting.
const GROWTH: u16 = 8;
/// By how much when it was hardly seen, and to what at most.
const SELDOM_GROWTH: u16 = 2;
const SELDOM_MOST: u16 = 96;
/// How often those that are set aside are reviewed, in nanoseconds of the guest's time.
const REVIEW: u64 = 1_000_000_000;
/// Runs in the interpreter between two reviews that pay for the question before all others.
const SEEN: u16 = 8;
/// Runs without a fault that a fault pays for, and how many may be saved up.
const CREDIT: u16 = 5;
const MOST_CREDIT: u16 = 40;
/// Instructions that are counted at once.
const COUNTED: usize = 4096;
/// Instructions that are set aside at once.
const MOST: usize = 1024;

/// What is known of an instruction that trapped.
#[derive(Clone, Copy, Debug)]
struct Trapped {
    traps: u16,
    needed: u16,
}

/// An instruction that is set aside.
#[derive(Clone, Copy, Debug)]
struct Left {
    pa: u64,
    eip: u32,
    credit: u16,
    /// Runs in the interpreter since the last review.
    seen: u16,
}

/// The instructions that trapped, by the physical address of their first byte.
#[derive(Debug, Default)]
pub(crate) struct Retranslation {
    sites: HashMap<u64, Trapped>,
    left: BTreeMap<u64, u32>,
    /// Those of `left` by EIP, one each.
    by_eip: HashMap<u32, Left>,
    /// When the next review is.
    review: u64,
}

impl Retranslation {
    /// EIPs of instructions in `from..to` (physical) that are set aside.
    pub fn left_between(&self, from: u64, to: u64) -> impl Iterator<Item = u32> {
        self.left.range(from..to).map(|(_, eip)| *eip)
    }

    /// Whether the instruction at `eip` is set aside.
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
        self.by_eip.insert(eip, Left { pa, eip, credit: MOST_CREDIT, seen: 0 });
        true
    }

    /// The interpreter ran the instruction at `eip` from a callout, and it `faulted` or not. The
    /// address of an instruction that gets its host code back.
    pub fn ran(&mut self, eip: u32, faulted: bool) -> Option<u64> {
        let left = self.by_eip.get_mut(&eip)?;
        left.seen = left.seen.saturating_add(1);
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

    /// At time `now`: the addresses of instructions that get their host code back because the interpreter hardly saw them.
    pub fn review(&mut self, now: u64) -> Vec<u64> {
        if self.by_eip.is_empty() || now < self.review {
            return Vec::new();
        }
        self.review = now.saturating_add(REVIEW);
        let seldom: Vec<Left> =
            self.by_eip.values().filter(|left| left.seen < SEEN).copied().collect();
        for left in &seldom {
            self.by_eip.remove(&left.eip);
            self.left.remove(&left.pa);
            if let Some(site) = self.sites.get_mut(&left.pa) {
                // It had grown when it was set aside.
                let before = site.needed / GROWTH;
                site.needed = before.saturating_mul(SELDOM_GROWTH).clamp(TRAPS, SELDOM_MOST);
            }
        }
        self.by_eip.values_mut().for_each(|left| left.seen = 0);
        seldom.iter().map(|left| left.pa).collect()
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

    /// How many are set aside.
    pub fn len(&self) -> usize {
        self.by_eip.len()
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

    #[test]
    fn what_is_hardly_seen_comes_back() {
        let mut t = Retranslation::default();
        let set_aside = |t: &mut Retranslation, at: u32| {
            (1..).find(|_| t.trapped(u64::from(at) + 0x1000, at)).unwrap_or(0)
        };
        for at in [0x10, 0x20] {
            assert_eq!(set_aside(&mut t, at), TRAPS);
        }
        let mut now = 5;
        assert_eq!(t.review(now).len(), 2, "the first one");
        for at in [0x10, 0x20] {
            assert_eq!(set_aside(&mut t, at), TRAPS * SELDOM_GROWTH);
        }
        assert!((0..SEEN).all(|_| t.ran(0x10, true).is_none()));
        assert!(t.review(now + REVIEW - 1).is_empty(), "too early");
        now += REVIEW;
        assert_eq!(t.review(now), [0x1020]);
        assert!(t.leaves(0x10) && !t.leaves(0x20));
        for _ in 0..9 {
            now += REVIEW;
            t.review(now);
            assert!(set_aside(&mut t, 0x20) <= SELDOM_MOST);
        }
    }
}
