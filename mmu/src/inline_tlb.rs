//! The second way to memory: a small TLB in front of each window, which translated code looks in by itself.
//!
//! A window maps what is steady. A page that the guest takes away again and again costs the host a call, a signal and a fault of
//! its own each time, and an instruction that keeps meeting such pages would be the interpreter's. Instead its block asks here
//! first: by the number of the page, for the tag of a read or of a write, and for what is to be added to the linear address so that
//! it leads to the page: nothing, where the window maps it, or as much as leads to it in the one mapping of all guest memory. What
//! is not here is a callout, after which it is.
//!
//! The entries lie at fixed distances before the window's base, so that whatever changes the window changes them along. They
//! hold what the window could hold, and go when that would: [`InlineTlb::forget`] is called for whatever is dropped there.
//!
//! Invariant: an entry lies at the place of its page, so that a tag which matches is that of the distance beside it.

/// Entries; a page's place is the low byte of its number.
pub const ENTRIES: usize = 256;
/// From the window's base to the tags of reads: 4 bytes each, the complement of a page's number, or 0.
pub const READ_TAGS: i32 = -(1 << 20);
/// To the tags of writes.
pub const WRITE_TAGS: i32 = READ_TAGS + 4 * ENTRIES as i32;
/// To the distances: 8 bytes each, to be added to a linear address behind the window's base.
pub const DISTANCES: i32 = WRITE_TAGS + 4 * ENTRIES as i32;
/// Bytes of it all: a page of the host's.
pub(crate) const BYTES: usize = 16 * ENTRIES;

/// What is known of the entry at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The page, or none.
    pub page: u32,
    /// Whether it may be written.
    pub writable: bool,
    /// To be added to its linear addresses, modulo 2^64.
    pub distance: u64,
}

const NONE: Entry = Entry { page: u32::MAX, writable: false, distance: 0 };

impl Entry {
    /// The tags for reads and writes.
    pub fn tags(&self) -> (u32, u32) {
        match self.page {
            u32::MAX => (0, 0),
            page => (!page, if self.writable { !page } else { 0 }),
        }
    }
}

/// Who writes the entries where the host's processor finds them.
pub(crate) trait Store {
    /// Entry `place` (below [`ENTRIES`]) becomes `entry`.
    fn store(&mut self, place: usize, entry: &Entry);
}

/// What is known of a window's entries.
#[derive(Debug, Default)]
pub(crate) struct InlineTlb {
    /// None yet, or [`ENTRIES`].
    entries: Vec<Entry>,
    /// How many of them are pages, and how many of those the window does not map.
    live: usize,
    aside: usize,
}

impl InlineTlb {
    /// Bytes of host memory.
    pub fn held(&self) -> usize {
        if self.entries.is_empty() {
            0
        } else {
            BYTES + self.entries.capacity() * size_of::<Entry>()
        }
    }

    /// Enters a page.
    pub fn enter(&mut self, to: &mut impl Store, entry: Entry) {
        if self.entries.is_empty() {
            self.entries = vec![NONE; ENTRIES];
        }
        self.put(to, entry.page as usize % ENTRIES, entry);
    }

    fn put(&mut self, to: &mut impl Store, place: usize, entry: Entry) {
        let before = std::mem::replace(&mut self.entries[place], entry);
        self.live += usize::from(entry != NONE);
        self.live -= usize::from(before != NONE);
        self.aside += usize::from(entry.distance != 0);
        self.aside -= usize::from(before.distance != 0);
        to.store(place, &entry);
    }

    /// Forgets what is known of `pages` pages from `first` on.
    pub fn forget(&mut self, to: &mut impl Store, first: u32, pages: u32) {
        if self.live == 0 {
            return;
        }
        for k in 0..pages.min(ENTRIES as u32) {
            let place = first.wrapping_add(k) as usize % ENTRIES;
            if self.entries[place].page.wrapping_sub(first) < pages {
                self.put(to, place, NONE);
            }
        }
    }

    /// Forgets that any of `pages` pages from `first` on may be written.
    pub fn forget_writes(&mut self, to: &mut impl Store, first: u32, pages: u32) {
        if self.live == 0 {
            return;
        }
        for k in 0..pages.min(ENTRIES as u32) {
            let place = first.wrapping_add(k) as usize % ENTRIES;
            let entry = self.entries[place];
            if entry.writable && entry.page.wrapping_sub(first) < pages {
                self.put(to, place, Entry { writable: false, ..entry });
            }
        }
    }

    /// Forgets pages that the window does not map.
    pub fn forget_aside(&mut self, to: &mut impl Store) {
        if self.aside == 0 {
            return;
        }
        for place in 0..ENTRIES {
            if self.entries[place].distance != 0 {
                self.put(to, place, NONE);
            }
        }
    }

    /// Forgets all, and holds nothing.
    pub fn clear(&mut self, to: &mut impl Store) {
        self.forget(to, 0, u32::MAX);
        self.entries = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the host's processor would find.
    struct Shown(Vec<(u32, u32, u64)>);

    impl Store for Shown {
        fn store(&mut self, place: usize, entry: &Entry) {
            let (read, write) = entry.tags();
            self.0[place] = (read, write, entry.distance);
        }
    }

    impl Shown {
        /// What an access to `page` finds.
        fn hits(&self, page: u32, write: bool) -> Option<u64> {
            let (r, w, distance) = self.0[page as usize % ENTRIES];
            (page.wrapping_add(if write { w } else { r }).wrapping_add(1) == 0).then_some(distance)
        }
    }

    fn entry(page: u32, writable: bool) -> Entry {
        Entry { page, writable, distance: u64::from(page) << 16 | 7 }
    }

    #[test]
    fn pages_are_found_until_they_are_forgotten() {
        let (mut tlb, mut shown) = (InlineTlb::default(), Shown(vec![(0, 0, 0); ENTRIES]));
        for page in [0, 5, 0xf_ffff] {
            assert_eq!(shown.hits(page, false), None);
            tlb.enter(&mut shown, entry(page, page != 5));
            assert_eq!(shown.hits(page, false), Some(u64::from(page) << 16 | 7));
            assert_eq!(shown.hits(page, true).is_some(), page != 5);
        }
        assert_eq!(shown.hits(0x105, false), None, "another page of that place");
        tlb.enter(&mut shown, entry(0x105, true));
        assert_eq!(shown.hits(5, false), None, "which takes it");
        tlb.forget(&mut shown, 6, 0xff);
        assert!(shown.hits(0x105, true).is_some());
        tlb.forget(&mut shown, 6, 0x100);
        assert_eq!((shown.hits(0x105, false), tlb.live), (None, 2));
        tlb.forget_writes(&mut shown, 0xf_fff0, 0x10);
        let last = 0xf_ffff;
        assert_eq!((shown.hits(last, true), shown.hits(last, false).is_some()), (None, true));
        assert!(shown.hits(0, true).is_some());
        tlb.enter(&mut shown, Entry { distance: 0, ..entry(9, true) });
        tlb.forget_aside(&mut shown);
        assert_eq!((tlb.live, tlb.aside, shown.hits(9, true)), (1, 0, Some(0)));
        tlb.enter(&mut shown, entry(0, true));
        tlb.clear(&mut shown);
        assert_eq!((tlb.live, shown.hits(0, false), shown.hits(last, false)), (0, None, None));
        assert_eq!(tlb.held(), 0, "who gives windows up waits for that");
        tlb.forget_aside(&mut shown);
        tlb.enter(&mut shown, entry(1, true));
        assert!(shown.hits(1, true).is_some());
    }

    /// The number of no page is what an empty tag stands for.
    #[test]
    fn an_empty_place_is_hit_by_no_page() {
        let shown = Shown(vec![(0, 0, 0); ENTRIES]);
        assert!((0..1 << 20).all(|page| shown.hits(page, false).is_none()));
    }
}
