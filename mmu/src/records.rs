//! What one window maps: a sparse map from linear page to memfd page and rights, and its reverse.
//!
//! The forward map is the truth. The reverse (memfd page to linear pages) exists for writable pages
//! only, since it serves write protection, and may name pages that are mapped no more: every answer
//! is checked against the forward map. Pages mapped in bulk (large pages, no paging) are found by
//! the frame of the first page of their 2 MiB, all others by a hash map.

use crate::hostmap::{Run, WINDOW_PAGES};
use hashbrown::HashMap;
use std::ops::Range;

/// Pages in a leaf of the forward map: 2 MiB of linear space.
pub(crate) const LEAF: u32 = 512;
const LEAVES: usize = (WINDOW_PAGES / LEAF) as usize;
/// What a leaf takes, with what the allocator adds.
const LEAF_BYTES: usize = size_of::<[Rec; LEAF as usize]>() + 16;
const NO_SPAN: u32 = u32::MAX;
/// Second and further linear pages of a frame are kept in a list, pruned at this length.
const ALIASES: usize = 1024;

/// One linear page: memfd page and flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rec(u32);

impl Rec {
    const FRAME: u32 = (1 << 20) - 1;
    const NOTED: u32 = 1 << 29;
    const WRITABLE: u32 = 1 << 30;
    const MAPPED: u32 = 1 << 31;

    pub fn frame(self) -> u32 {
        self.0 & Self::FRAME
    }

    pub fn mapped(self) -> bool {
        self.0 & Self::MAPPED != 0
    }

    pub fn writable(self) -> bool {
        self.0 & Self::WRITABLE != 0
    }

    pub fn noted(self) -> bool {
        self.0 & Self::NOTED != 0
    }

    /// Mapped already, to this frame and with at least this right to write.
    pub fn serves(self, frame: u32, writable: bool) -> bool {
        self.mapped() && self.frame() == frame && (self.writable() || !writable)
    }
}

/// What a range of pages held when it was taken out.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// First and last page that was mapped.
    pub mapped: Option<(u32, u32)>,
    /// Runs of pages that translated code was entered for: first page, count.
    pub noted: Vec<(u32, u32)>,
    /// Pages that were mapped.
    pub count: u32,
}

/// The map of one window.
#[derive(Debug)]
pub(crate) struct Records {
    leaves: Vec<Option<Box<[Rec; LEAF as usize]>>>,
    /// Frame of the first page of each leaf that was mapped in bulk.
    spans: Vec<u32>,
    by_frame: HashMap<u32, u32>,
    aliases: Vec<(u32, u32)>,
    alias_limit: usize,
    /// Leaves that there are.
    kept: usize,
    /// Pages that are mapped.
    mapped: u32,
}

impl Records {
    pub fn new() -> Self {
        Self {
            leaves: (0..LEAVES).map(|_| None).collect(),
            spans: vec![NO_SPAN; LEAVES],
            by_frame: HashMap::new(),
            aliases: Vec::new(),
            alias_limit: ALIASES,
            kept: 0,
            mapped: 0,
        }
    }

    /// Bytes that the map takes, beside what each has.
    pub fn held(&self) -> usize {
        let aliases = self.aliases.capacity() * size_of::<(u32, u32)>();
        self.kept * LEAF_BYTES + self.by_frame.allocation_size() + aliases
    }

    /// How many pages are mapped.
    pub fn mapped(&self) -> u32 {
        self.mapped
    }

    pub fn get(&self, page: u32) -> Rec {
        match self.leaves.get((page / LEAF) as usize) {
            Some(Some(leaf)) => leaf[(page % LEAF) as usize],
            _ => Rec(0),
        }
    }

    fn leaf(&mut self, page: u32) -> &mut [Rec; LEAF as usize] {
        let leaf = &mut self.leaves[(page / LEAF) as usize % LEAVES];
        self.kept += usize::from(leaf.is_none());
        leaf.get_or_insert_with(|| Box::new([Rec(0); LEAF as usize]))
    }

    /// Records that translated code was entered for `page`.
    pub fn note(&mut self, page: u32) {
        let rec = &mut self.leaf(page)[(page % LEAF) as usize];
        rec.0 |= Rec::NOTED;
    }

    /// Records a mapped run. `span`: its frames are the leaf's first frame plus the page's place in
    /// the leaf, as [`Records::in_step`] says.
    pub fn set(&mut self, run: &Run, span: bool) {
        let flags = Rec::MAPPED | if run.writable { Rec::WRITABLE } else { 0 };
        let mut done = 0;
        while done < run.pages {
            let page = run.page + done;
            let at = (page % LEAF) as usize;
            let n = (LEAF - page % LEAF).min(run.pages - done);
            let leaf = self.leaf(page);
            let mut new = 0;
            for (rec, frame) in leaf[at..at + n as usize].iter_mut().zip(run.frame + done..) {
                new += u32::from(!rec.mapped());
                *rec = Rec(rec.0 & Rec::NOTED | flags | frame & Rec::FRAME);
            }
            self.mapped += new;
            done += n;
        }
        if run.writable && !span {
            for k in 0..run.pages {
                self.index(run.frame + k, run.page + k);
            }
        }
    }

    /// Says that the leaves of `pages` pages from `first` on are about to be mapped in bulk, by these runs: page k of a leaf
    /// is k pages behind the leaf's first page in the memory file, for the runs that are in step with the leaf's first.
    pub fn set_spans(&mut self, first: u32, pages: u32, runs: &[Run]) {
        for leaf in (first..first + pages).step_by(LEAF as usize) {
            let run = runs.iter().find(|run| run.page + run.pages > leaf);
            if let Some(run) = run.filter(|run| run.page < leaf + LEAF) {
                self.spans[(leaf / LEAF) as usize % LEAVES] =
                    run.frame.wrapping_add(leaf.wrapping_sub(run.page));
            }
        }
    }

    /// Whether all leaves of a run are mapped in bulk and it is in step with them.
    pub fn in_step(&self, run: &Run) -> bool {
        (run.page / LEAF..=(run.page + run.pages - 1) / LEAF).all(|leaf| {
            let base = self.spans[leaf as usize % LEAVES];
            let want = run.frame.wrapping_add((leaf * LEAF).wrapping_sub(run.page));
            base != NO_SPAN && base == want
        })
    }

    /// Whether the leaf of `page` is mapped in bulk.
    pub fn in_span(&self, page: u32) -> bool {
        self.spans[(page / LEAF) as usize % LEAVES] != NO_SPAN
    }

    /// Whether any page of the leaf of `page` is mapped.
    pub fn leaf_mapped(&self, page: u32) -> bool {
        let leaf = &self.leaves[(page / LEAF) as usize % LEAVES];
        leaf.as_ref().is_some_and(|leaf| leaf.iter().any(|rec| rec.mapped()))
    }

    /// Whether any page from `first` to before `end` is mapped.
    pub fn any_mapped(&self, first: u32, end: u32) -> bool {
        let mut page = first;
        while page < end {
            let next = (page / LEAF + 1) * LEAF;
            if let Some(leaf) = &self.leaves[(page / LEAF) as usize] {
                let to = end.min(next) - page / LEAF * LEAF;
                let mut recs = leaf[(page % LEAF) as usize..to as usize].iter();
                if recs.any(|rec| rec.mapped()) {
                    return true;
                }
            }
            page = next;
        }
        false
    }

    /// Whether any page in the range may be written.
    pub fn any_writable(&self, first: u32, pages: u32) -> bool {
        (first..first + pages).any(|p| self.get(p).writable())
    }

    fn index(&mut self, frame: u32, page: u32) {
        let before = self.by_frame.insert(frame, page);
        let Some(other) = before.filter(|p| *p != page && self.get(*p).serves(frame, true)) else {
            return;
        };
        self.aliases.push((frame, other));
        if self.aliases.len() > self.alias_limit {
            let mut aliases = std::mem::take(&mut self.aliases);
            aliases.sort_unstable();
            aliases.dedup();
            aliases.retain(|(frame, page)| self.get(*page).serves(*frame, true));
            self.aliases = aliases;
            self.alias_limit = ALIASES + 2 * self.aliases.len();
        }
    }

    /// The linear pages through which memfd page `frame` can be written.
    pub fn writers(&self, frame: u32) -> Vec<u32> {
        let mut pages: Vec<u32> = self.by_frame.get(&frame).copied().into_iter().collect();
        pages.extend(self.aliases.iter().filter(|(f, _)| *f == frame).map(|(_, p)| *p));
        for (k, base) in (0u32..).zip(&self.spans) {
            let within = frame.wrapping_sub(*base);
            if within < LEAF && *base != NO_SPAN {
                pages.push(k * LEAF + within);
            }
        }
        pages.retain(|p| self.get(*p).serves(frame, true));
        pages
    }

    /// The runs of linear pages that show one of these pages of the memory file, all of them or those that can be written.
    pub fn showing(&self, frames: &Range<u32>, writable: bool) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for (first, leaf) in (0u32..).step_by(LEAF as usize).zip(&self.leaves) {
            for (page, rec) in (first..).zip(leaf.iter().flat_map(|leaf| leaf.iter())) {
                let shows = rec.mapped() && frames.contains(&rec.frame());
                if shows && (rec.writable() || !writable) {
                    extend(&mut runs, page);
                }
            }
        }
        runs
    }

    /// Takes the right to write from the pages in the range; returns the runs of pages that had it.
    pub fn take_writable(&mut self, first: u32, pages: u32) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        self.visit(first, pages, |page, rec| {
            if rec.writable() {
                rec.0 &= !Rec::WRITABLE;
                extend(&mut runs, page);
            }
        });
        runs
    }

    /// Forgets a range of pages and says what was there.
    pub fn take(&mut self, first: u32, pages: u32) -> Taken {
        let mut taken = Taken::default();
        self.visit(first, pages, |page, rec| {
            if rec.mapped() {
                taken.mapped = Some((taken.mapped.map_or(page, |(lo, _)| lo), page));
                taken.count += 1;
            }
            if rec.noted() {
                extend(&mut taken.noted, page);
            }
            *rec = Rec(0);
        });
        self.mapped -= taken.count;
        let whole = first.div_ceil(LEAF)..(first + pages) / LEAF;
        for k in whole {
            self.kept -= usize::from(self.leaves[k as usize].take().is_some());
            self.spans[k as usize] = NO_SPAN;
        }
        taken
    }

    /// Calls `f` for each page in the range whose leaf exists.
    fn visit(&mut self, first: u32, pages: u32, mut f: impl FnMut(u32, &mut Rec)) {
        let end = (first + pages).min(WINDOW_PAGES);
        let mut page = first;
        while page < end {
            let next = (page / LEAF + 1) * LEAF;
            if let Some(leaf) = &mut self.leaves[(page / LEAF) as usize] {
                let from = (page % LEAF) as usize;
                for (rec, at) in leaf[from..].iter_mut().zip(page..end.min(next)) {
                    f(at, rec);
                }
            }
            page = next;
        }
    }

    /// How many host mappings the window has, counted: one a run and one a gap.
    pub fn count_mappings(&mut self) -> usize {
        let mut count = 1;
        let mut last: Option<(u32, Rec)> = None;
        self.visit(0, WINDOW_PAGES, |page, rec| {
            if !rec.mapped() {
                return;
            }
            let merges = last.is_some_and(|(p, r)| {
                p + 1 == page && r.frame() + 1 == rec.frame() && r.writable() == rec.writable()
            });
            if !merges {
                count += 2;
            }
            last = Some((page, *rec));
        });
        count
    }

    /// Forgets what is mapped, but not for which pages code was entered.
    pub fn unmap_all(&mut self) {
        for leaf in &mut self.leaves {
            if let Some(recs) = leaf {
                recs.iter_mut().for_each(|rec| rec.0 &= Rec::NOTED);
                if recs.iter().all(|rec| rec.0 == 0) {
                    *leaf = None;
                    self.kept -= 1;
                }
            }
        }
        self.forget_frames();
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.leaves.fill_with(|| None);
        self.kept = 0;
        self.forget_frames();
    }

    fn forget_frames(&mut self) {
        self.spans.fill(NO_SPAN);
        // Their memory, too: what is cleared keeps it.
        self.by_frame = HashMap::new();
        self.aliases = Vec::new();
        self.alias_limit = ALIASES;
        self.mapped = 0;
    }
}

/// Adds `page` to a list of runs in ascending order.
fn extend(runs: &mut Vec<(u32, u32)>, page: u32) {
    match runs.last_mut() {
        Some((first, count)) if *first + *count == page => *count += 1,
        _ => runs.push((page, 1)),
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
