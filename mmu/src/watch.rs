//! Watched bytes: whoever watches the machine wants to know of each access to them.
//!
//! A page with watched bytes is kept out of the windows and out of the software TLB, as far as its accesses
//! must be seen; pages on which only writes are watched stay readable there. So an access to another page
//! costs nothing, and one to these pages comes to the soft path, which compares addresses.

use ringer_cpu::addr::{Lin, PAGE_SHIFT};

/// Which accesses are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchKind {
    /// Writes.
    Write,
    /// Reads.
    Read,
    /// Both.
    Access,
}

/// Bytes that are watched, at linear addresses of whatever address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watchpoint {
    /// The first.
    pub at: Lin,
    /// How many.
    pub len: u32,
    /// Which accesses.
    pub kind: WatchKind,
}

impl Watchpoint {
    /// Whether an access to `len` bytes at `lin` is one of those. (Addresses wrap at 4 GiB.)
    fn is_hit(&self, lin: Lin, len: usize, write: bool) -> bool {
        let wanted = match self.kind {
            WatchKind::Write => write,
            WatchKind::Read => !write,
            WatchKind::Access => true,
        };
        let ahead = self.at.low().wrapping_sub(lin.low());
        let behind = lin.low().wrapping_sub(self.at.low());
        wanted && ((ahead as usize) < len || behind < self.len)
    }
}

/// An access to watched bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchHit {
    /// Which of the watchpoints.
    pub watchpoint: Watchpoint,
    /// Where the access began.
    pub at: Lin,
    /// Its bytes.
    pub len: u32,
    /// It was a write.
    pub write: bool,
}

/// What may be done to a page unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// Anything.
    All,
    /// Reading.
    Reads,
    /// Nothing.
    Nothing,
}

/// All watched bytes of one processor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    places: Vec<Watchpoint>,
    /// The pages they lie in, in order, and whether reads are watched there.
    pages: Vec<(u32, bool)>,
}

impl Watched {
    /// From now on these are.
    pub fn set(&mut self, places: &[Watchpoint]) {
        self.places = places.to_vec();
        self.pages.clear();
        for place in places {
            let reads = place.kind != WatchKind::Write;
            let first = place.at.low() >> PAGE_SHIFT;
            let last = place.at.low().wrapping_add(place.len.max(1) - 1) >> PAGE_SHIFT;
            let count = last.wrapping_sub(first) & 0xf_ffff;
            let page = |n: u32| first.wrapping_add(n) & 0xf_ffff;
            self.pages.extend((0..=count).map(|n| (page(n), reads)));
        }
        self.pages.sort_unstable_by_key(|(page, reads)| (*page, !reads));
        self.pages.dedup_by_key(|(page, _)| *page);
    }

    /// The watchpoints.
    pub fn places(&self) -> &[Watchpoint] {
        &self.places
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What may be done to the linear page of number `page` unseen.
    #[inline]
    pub fn unseen(&self, page: u32) -> Unseen {
        if self.pages.is_empty() {
            return Unseen::All;
        }
        match self.pages.binary_search_by_key(&page, |(page, _)| *page) {
            Err(_) => Unseen::All,
            Ok(n) if self.pages[n].1 => Unseen::Nothing,
            Ok(_) => Unseen::Reads,
        }
    }

    /// Whether a page from `first` on, of `pages`, is watched.
    pub fn any(&self, first: u32, pages: u32) -> bool {
        let from = self.pages.partition_point(|(page, _)| *page < first);
        self.pages.get(from).is_some_and(|(page, _)| page - first < pages)
    }

    /// The first watchpoint that an access to `len` bytes at `lin` hits.
    pub fn hit(&self, lin: Lin, len: usize, write: bool) -> Option<WatchHit> {
        let found = self.places.iter().find(|place| place.is_hit(lin, len, write));
        let hit =
            |place: &Watchpoint| WatchHit { watchpoint: *place, at: lin, len: len as u32, write };
        found.map(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(places: &[(u32, u32, WatchKind)]) -> Watched {
        let place = |(at, len, kind): &(u32, u32, WatchKind)| Watchpoint {
            at: Lin::from(*at),
            len: *len,
            kind: *kind,
        };
        let mut watched = Watched::default();
        watched.set(&places.iter().map(place).collect::<Vec<_>>());
        watched
    }

    #[test]
    fn an_access_is_a_hit_when_it_shares_a_byte() {
        let watched = watched(&[(0x1ffe, 4, WatchKind::Write)]);
        let hit = |at: u32, len, write| watched.hit(Lin::from(at), len, write).is_some();
        assert!(hit(0x1ffe, 1, true) && hit(0x2001, 1, true) && hit(0x1ff0, 15, true));
        assert!(!hit(0x1ffd, 1, true) && !hit(0x2002, 8, true) && !hit(0x1ff0, 14, true));
        assert!(!hit(0x1ffe, 4, false));
    }

    #[test]
    fn the_end_of_the_address_space_goes_on_at_its_start() {
        let watched = watched(&[(0xffff_fffe, 4, WatchKind::Access)]);
        assert!(watched.hit(Lin(0), 1, false).is_some());
        assert!(watched.hit(Lin(2), 1, false).is_none());
        assert!(watched.hit(Lin(0xffff_fff0), 16, true).is_some());
        assert_eq!(
            (watched.unseen(0xf_ffff), watched.unseen(0)),
            (Unseen::Nothing, Unseen::Nothing)
        );
        assert_eq!(watched.unseen(1), Unseen::All);
    }

    #[test]
    fn a_page_with_watched_reads_is_hidden_whatever_else_is_watched_there() {
        use WatchKind::{Read, Write};
        for places in
            [[(0x5000, 1, Write), (0x5800, 1, Read)], [(0x5800, 1, Read), (0x5000, 1, Write)]]
        {
            assert_eq!(watched(&places).unseen(5), Unseen::Nothing);
        }
        let writes = watched(&[(0x5000, 0x1001, Write)]);
        assert_eq!((writes.unseen(5), writes.unseen(6)), (Unseen::Reads, Unseen::Reads));
        assert!(writes.any(0, 6) && writes.any(6, 1) && !writes.any(7, 100) && !writes.any(0, 5));
    }
}
