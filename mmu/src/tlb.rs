//! The software TLB of the interpreter and the soft paths.
//!
//! Direct-mapped, one half a privilege. An entry names a memfd page and has one tag for each kind of
//! access that needs no further thought: reading, writing (the page is RAM, dirty, writable, and no
//! code page), fetching. A tag is the page number and the flush generation, so that a flush is one
//! addition. Whatever does not hit is walked again: the TLB never raises a fault by itself, hence a
//! right that the guest grants is seen at once, one that it takes away after the flush.

use ringer_cpu::Privilege;

/// Entries a privilege; a power of two.
const SIZE: usize = 4096;
/// Generations before the table must be cleared.
const GENERATIONS: u32 = 1 << 12;
/// No generation and page have this tag: generation 4095 is never used.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    read: u32,
    write: u32,
    fetch: u32,
    frame: u32,
}

const EMPTY: Entry = Entry { read: NONE, write: NONE, fetch: NONE, frame: 0 };

/// What a translation permits without another walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub write: bool,
    pub fetch: bool,
    pub large: bool,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Tlb {
    entries: Box<[Entry]>,
    /// Generation, shifted to its place above the page number.
    generation: u32,
    /// One bit for each 4 MiB of linear space that has fragments of large pages here.
    large: [u64; 16],
}

impl Tlb {
    pub fn new() -> Self {
        Self { entries: vec![EMPTY; 2 * SIZE].into(), generation: 0, large: [0; 16] }
    }

    #[inline]
    fn slot(page: u32, who: Privilege) -> usize {
        page as usize % SIZE + if who == Privilege::User { SIZE } else { 0 }
    }

    /// The memfd offset of `len` bytes at `lin`, when `tag` picks a tag that matches.
    #[inline]
    fn hit(&self, lin: u32, len: usize, who: Privilege, tag: fn(&Entry) -> u32) -> Option<u64> {
        let page = lin >> 12;
        let within = (lin & 0xfff) as usize;
        let entry = self.entries.get(Self::slot(page, who))?;
        if tag(entry) == self.generation | page && within + len <= 4096 {
            Some((u64::from(entry.frame) << 12) + within as u64)
        } else {
            None
        }
    }

    #[inline]
    pub fn read(&self, lin: u32, len: usize, who: Privilege) -> Option<u64> {
        self.hit(lin, len, who, |e| e.read)
    }

    #[inline]
    pub fn write(&self, lin: u32, len: usize, who: Privilege) -> Option<u64> {
        self.hit(lin, len, who, |e| e.write)
    }

    #[inline]
    pub fn fetch(&self, lin: u32, len: usize, who: Privilege) -> Option<u64> {
        self.hit(lin, len, who, |e| e.fetch)
    }

    /// Remembers that the page of `lin` is memfd page `frame`.
    pub fn insert(&mut self, lin: u32, who: Privilege, frame: u32, rights: Rights) {
        let page = lin >> 12;
        let tag = self.generation | page;
        if rights.large {
            self.large[(page >> 16) as usize] |= 1 << (page >> 10 & 63);
        }
        self.entries[Self::slot(page, who)] = Entry {
            read: tag,
            write: if rights.write { tag } else { NONE },
            fetch: if rights.fetch { tag } else { NONE },
            frame,
        };
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.large = [0; 16];
        let next = (self.generation >> 20) + 1;
        if next >= GENERATIONS - 1 {
            self.entries.fill(EMPTY);
            self.generation = 0;
        } else {
            self.generation = next << 20;
        }
    }

    /// Forgets the page of `lin`, of whatever size.
    pub fn invalidate(&mut self, lin: u32) {
        let page = lin >> 12;
        if self.large[(page >> 16) as usize] >> (page >> 10 & 63) & 1 != 0 {
            self.flush();
            return;
        }
        for who in [Privilege::Supervisor, Privilege::User] {
            let slot = Self::slot(page, who);
            self.entries[slot] = EMPTY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Rights = Rights { write: true, fetch: true, large: false };

    #[test]
    fn generations_wrap_without_reviving_entries() {
        let mut tlb = Tlb::new();
        tlb.insert(0x5000, Privilege::User, 9, ALL);
        for _ in 0..3 * GENERATIONS {
            tlb.flush();
            assert_eq!(tlb.read(0x5000, 4, Privilege::User), None);
        }
        tlb.insert(0x5000, Privilege::User, 9, ALL);
        assert_eq!(tlb.read(0x5004, 4, Privilege::User), Some(0x9004));
    }

    #[test]
    fn an_access_that_leaves_the_page_misses() {
        let mut tlb = Tlb::new();
        tlb.insert(0x5000, Privilege::Supervisor, 9, ALL);
        assert_eq!(tlb.write(0x5ffc, 4, Privilege::Supervisor), Some(0x9ffc));
        assert_eq!(tlb.write(0x5ffd, 4, Privilege::Supervisor), None);
        assert_eq!(tlb.write(0x5ffc, 4, Privilege::User), None);
    }

    #[test]
    fn the_last_page_of_the_address_space_is_no_empty_tag() {
        let tlb = Tlb::new();
        assert_eq!(tlb.fetch(0xffff_f000, 1, Privilege::Supervisor), None);
    }

    #[test]
    fn invalidating_a_fragment_takes_its_large_page_along() {
        let mut tlb = Tlb::new();
        tlb.insert(0x40_0000, Privilege::User, 1, Rights { large: true, ..ALL });
        tlb.insert(0x41_0000, Privilege::User, 2, Rights { large: true, ..ALL });
        tlb.invalidate(0x41_0fff);
        assert_eq!(tlb.read(0x40_0000, 1, Privilege::User), None);
    }
}
