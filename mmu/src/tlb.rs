//! The software TLB of the interpreter and the soft paths.
//!
//! Direct-mapped, one third a privilege. An entry names a memfd page and says which accesses to it need
//! further thought: reading (what was only fetched may be no data of the supervisor's), writing (unless the page is RAM, dirty,
//! writable, and no code page) and fetching.
//! Its tag is the page number and the flush generation, so that a flush is one addition. Whatever does not hit is walked again: the TLB never raises a fault by itself, hence a
//! right that the guest grants is seen at once, one that it takes away after the flush.

use ringer_cpu::Privilege;
use ringer_cpu::addr::{Lin, PAGE_SHIFT, PAGE_SIZE, Page};

/// Entries a privilege; a power of two.
const SIZE: usize = 4096;
/// Generations before the table must be cleared.
const GENERATIONS: u64 = 1 << 12;
/// Where a tag has its generation, above a page number of 52 bits.
const GENERATION: u32 = 52;
/// No generation and page have this tag: generation 4095 is never used.
const NONE: u64 = u64::MAX;

/// What an entry does not permit.
mod lacks {
    pub const WRITE: u32 = 1;
    pub const FETCH: u32 = 2;
    pub const READ: u32 = 4;
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u64,
    frame: u32,
    /// Of [`lacks`].
    lacks: u32,
}

const EMPTY: Entry = Entry { tag: NONE, frame: 0, lacks: 0 };

/// What a translation permits without another walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one a fact of the translation
pub(crate) struct Rights {
    pub read: bool,
    pub write: bool,
    pub fetch: bool,
    pub large: bool,
    /// A page of 1 GiB.
    pub giant: bool,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Tlb {
    entries: Box<[Entry]>,
    /// Generation, shifted to its place above the page number.
    generation: u64,
    /// One bit for each 4 MiB of linear space that has fragments of large pages here, modulo 4 GiB.
    large: [u64; 16],
}

impl Tlb {
    pub fn new() -> Self {
        Self { entries: vec![EMPTY; 3 * SIZE].into(), generation: 0, large: [0; 16] }
    }

    #[inline]
    fn slot(page: Page, who: Privilege) -> usize {
        page.get() as usize % SIZE + who as usize * SIZE
    }

    /// The memfd offset of `len` bytes at `lin`, when an entry permits all of `need`.
    #[inline]
    fn hit(&self, lin: Lin, len: usize, who: Privilege, need: u32) -> Option<u64> {
        let page = lin.page();
        let within = lin.in_page();
        let entry = self.entries.get(Self::slot(page, who))?;
        // One comparison for the page, the generation and the right.
        let differs = entry.tag ^ (self.generation | page.get());
        if differs | u64::from(entry.lacks & need) == 0 && within + len as u64 <= PAGE_SIZE {
            Some((u64::from(entry.frame) << PAGE_SHIFT) + within)
        } else {
            None
        }
    }

    #[inline]
    pub fn read(&self, lin: Lin, len: usize, who: Privilege) -> Option<u64> {
        self.hit(lin, len, who, lacks::READ)
    }

    #[inline]
    pub fn write(&self, lin: Lin, len: usize, who: Privilege) -> Option<u64> {
        self.hit(lin, len, who, lacks::WRITE)
    }

    #[inline]
    pub fn fetch(&self, lin: Lin, len: usize, who: Privilege) -> Option<u64> {
        self.hit(lin, len, who, lacks::FETCH)
    }

    /// Remembers that the page of `lin` is memfd page `frame`.
    pub fn insert(&mut self, lin: Lin, who: Privilege, frame: u32, rights: Rights) {
        let page = lin.page();
        if rights.giant {
            // Whatever is invalidated may be of it.
            self.large = [u64::MAX; 16];
        } else if rights.large {
            let (word, bit) = Self::large_bit(page);
            self.large[word] |= bit;
        }
        let read = if rights.read { 0 } else { lacks::READ };
        let write = if rights.write { 0 } else { lacks::WRITE };
        let fetch = if rights.fetch { 0 } else { lacks::FETCH };
        self.entries[Self::slot(page, who)] =
            Entry { tag: self.generation | page.get(), frame, lacks: read | write | fetch };
    }

    fn large_bit(page: Page) -> (usize, u64) {
        let chunk = page.get() >> 10;
        ((chunk >> 6 & 15) as usize, 1 << (chunk & 63))
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.large = [0; 16];
        let next = (self.generation >> GENERATION) + 1;
        if next >= GENERATIONS - 1 {
            self.entries.fill(EMPTY);
            self.generation = 0;
        } else {
            self.generation = next << GENERATION;
        }
    }

    /// Forgets the page of `lin`, of whatever size.
    pub fn invalidate(&mut self, lin: Lin) {
        let page = lin.page();
        let (word, bit) = Self::large_bit(page);
        if self.large[word] & bit != 0 {
            self.flush();
            return;
        }
        for who in Privilege::ALL {
            let slot = Self::slot(page, who);
            self.entries[slot] = EMPTY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Rights = Rights { read: true, write: true, fetch: true, large: false, giant: false };

    #[test]
    fn generations_wrap_without_reviving_entries() {
        let mut tlb = Tlb::new();
        tlb.insert(Lin(0x5000), Privilege::User, 9, ALL);
        for _ in 0..3 * GENERATIONS {
            tlb.flush();
            assert_eq!(tlb.read(Lin(0x5000), 4, Privilege::User), None);
        }
        tlb.insert(Lin(0x5000), Privilege::User, 9, ALL);
        assert_eq!(tlb.read(Lin(0x5004), 4, Privilege::User), Some(0x9004));
    }

    #[test]
    fn an_access_that_leaves_the_page_misses() {
        let mut tlb = Tlb::new();
        tlb.insert(Lin(0x5000), Privilege::Supervisor, 9, ALL);
        assert_eq!(tlb.write(Lin(0x5ffc), 4, Privilege::Supervisor), Some(0x9ffc));
        assert_eq!(tlb.write(Lin(0x5ffd), 4, Privilege::Supervisor), None);
        assert_eq!(tlb.write(Lin(0x5ffc), 4, Privilege::User), None);
    }

    #[test]
    fn the_last_page_of_the_address_space_is_no_empty_tag() {
        let tlb = Tlb::new();
        assert_eq!(tlb.fetch(Lin(0xffff_f000), 1, Privilege::Supervisor), None);
    }

    #[test]
    fn invalidating_a_fragment_takes_its_large_page_along() {
        let mut tlb = Tlb::new();
        tlb.insert(Lin(0x40_0000), Privilege::User, 1, Rights { large: true, ..ALL });
        tlb.insert(Lin(0x41_0000), Privilege::User, 2, Rights { large: true, ..ALL });
        tlb.invalidate(Lin(0x41_0fff));
        assert_eq!(tlb.read(Lin(0x40_0000), 1, Privilege::User), None);
        tlb.insert(
            Lin(0x4000_0000),
            Privilege::User,
            1,
            Rights { large: true, giant: true, ..ALL },
        );
        tlb.invalidate(Lin(0x7fff_f000));
        assert_eq!(tlb.read(Lin(0x4000_0000), 1, Privilege::User), None);
    }
}
