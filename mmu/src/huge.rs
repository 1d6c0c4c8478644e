//! Huge host pages for guest RAM.
//!
//! Every supervisor window maps all of the kernel's RAM, and reaches a page of it for the first time through a fault of the
//! host's kernel: one for each 4 KiB and each process. Where the host backs RAM by a page of 2 MiB there is one fault for
//! all of that, and one entry of the host's TLB. Shared memory gets such pages only on demand, by MADV_COLLAPSE (Linux
//! 6.1 and newer), which copies what is there; so the pieces that are in use for good are gathered, one after the other.
//!
//! The guest cannot notice, and its memory file grows by no more than [`HOLES`] pages for each piece.

use crate::hostmap::Gatherer;
use crate::ram::GuestMemory;
use ringer_cpu::addr::PAGE_SIZE;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Bytes of a huge page of the host.
const PIECE: u64 = 2 << 20;
/// Pages of a piece that may never have been touched.
const HOLES: u64 = 64;
/// Refusals in a row after which the host is not asked any more.
const REFUSALS: u32 = 16;

/// What came of a look at guest RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The host was asked for a piece, and may have refused this once.
    Asked,
    /// There is nothing to gather now.
    Nothing,
    /// There never will be.
    Ended,
}

/// Gathers guest RAM into huge host pages. It may run beside whatever uses the memory.
#[derive(Debug)]
pub struct HugePages {
    memory: OwnedFd,
    gatherer: Gatherer,
    /// Pieces that were gathered.
    done: Vec<bool>,
    /// The piece to look at next.
    next: usize,
    refusals: u32,
}

impl HugePages {
    /// Gathers nothing yet.
    ///
    /// # Errors
    /// What the host says when it has no descriptor or no address space left.
    pub fn new(memory: &GuestMemory) -> std::io::Result<Self> {
        Ok(Self {
            memory: memory.fd().try_clone_to_owned()?,
            gatherer: Gatherer::reserve(PIECE as usize)?,
            done: vec![false; (memory.ram_size() / PIECE) as usize],
            next: 0,
            refusals: 0,
        })
    }

    /// Gathers the next piece of RAM that is in use: some 5 ms, most of them waiting for the host's kernel.
    pub fn advance(&mut self) -> Progress {
        for _ in 0..self.done.len() {
            let piece = self.next;
            self.next = (piece + 1) % self.done.len();
            let offset = piece as u64 * PIECE;
            if !self.done[piece] && in_use(self.memory.as_fd(), offset) {
                let asked = self.gatherer.gather(self.memory.as_fd(), offset);
                return self.note(piece, asked);
            }
        }
        Progress::Nothing
    }

    fn note(&mut self, piece: usize, asked: Result<(), Errno>) -> Progress {
        self.refusals = if asked.is_ok() { 0 } else { self.refusals + 1 };
        self.done[piece] |= asked.is_ok();
        // EINVAL: an older kernel, or one that was told to make none.
        let ended = asked == Err(Errno::INVAL) || self.refusals == REFUSALS;
        if ended { Progress::Ended } else { Progress::Asked }
    }
}

/// Whether the 2 MiB from offset `start` of the memory file on have been touched, but for a few pages.
fn in_use(memory: BorrowedFd<'_>, start: u64) -> bool {
    let end = start + PIECE;
    let (mut at, mut holes) = (start, 0);
    while at < end {
        // No data up to the end of the file is an error, too.
        let data = seek(memory, SeekFrom::Data(at)).unwrap_or(end).min(end);
        holes += (data - at) / PAGE_SIZE;
        if holes > HOLES {
            return false;
        }
        at = seek(memory, SeekFrom::Hole(data)).unwrap_or(end).clamp(data + 1, end + 1);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_cpu::addr::Frame;
    use std::ops::Range;

    /// The first 8 bytes of every page in `pages` name the page.
    fn touch(memory: &mut GuestMemory, pages: Range<u64>) {
        for page in pages {
            assert!(memory.dma_write(Frame(page).start(), &(page ^ 0x5a5a_0000).to_le_bytes()));
        }
    }

    fn named(memory: &GuestMemory, page: u64) -> bool {
        let mut bytes = [0; 8];
        memory.read(Frame(page).start(), &mut bytes) && bytes == (page ^ 0x5a5a_0000).to_le_bytes()
    }

    #[test]
    fn pieces_in_use_are_gathered_and_keep_their_contents() {
        let mut memory = GuestMemory::new(16 << 20).unwrap();
        // Piece 2 whole, piece 3 but for 64 pages, piece 4 but for 65.
        touch(&mut memory, 1024..1536);
        touch(&mut memory, 1600..2048);
        touch(&mut memory, 2048 + 65..2560);
        let touched = memory.touched();
        let mut huge = HugePages::new(&memory).unwrap();
        while huge.advance() == Progress::Asked {}
        // A host may refuse any of them, but is never asked for what has more holes.
        let gathered: Vec<usize> = (0..8).filter(|piece| huge.done[*piece]).collect();
        assert!(gathered.iter().all(|piece| [2, 3].contains(piece)), "{gathered:?}");
        let holes = if huge.done[3] { HOLES * PAGE_SIZE } else { 0 };
        assert_eq!(memory.touched() - touched, holes);
        let mut used = (1024..1536).chain(1600..2048).chain(2048 + 65..2560);
        assert!(used.all(|page| named(&memory, page)));
        let mut rest = [1; 4096];
        assert!(memory.read(Frame(1536).start(), &mut rest) && rest.iter().all(|byte| *byte == 0));
        touch(&mut memory, 1536..1600);
        assert!((1536..1600).all(|page| named(&memory, page)), "it can be written");
    }

    #[test]
    fn memory_that_changes_meanwhile_is_as_it_was_left() {
        let mut memory = GuestMemory::new(32 << 20).unwrap();
        touch(&mut memory, 512..8192);
        let mut huge = HugePages::new(&memory).unwrap();
        let gathering = std::thread::spawn(move || while huge.advance() == Progress::Asked {});
        let mut rounds = 0_u64;
        while rounds < 3 || !gathering.is_finished() {
            rounds += 1;
            for page in 512..8192 {
                assert!(
                    memory.dma_write(Frame(page).start().plus(8), &(page * rounds).to_le_bytes())
                );
            }
        }
        gathering.join().unwrap();
        for page in 512..8192 {
            let mut bytes = [0; 8];
            assert!(named(&memory, page) && memory.read(Frame(page).start().plus(8), &mut bytes));
            assert_eq!(u64::from_le_bytes(bytes), page * rounds);
        }
    }

    #[test]
    fn a_host_that_refuses_is_not_asked_for_ever() {
        let memory = GuestMemory::new(2 << 20).unwrap();
        let mut huge = HugePages::new(&memory).unwrap();
        for _ in 1..REFUSALS {
            assert_eq!(huge.note(0, Err(Errno::NOMEM)), Progress::Asked);
        }
        assert_eq!(huge.note(0, Err(Errno::NOMEM)), Progress::Ended);
        assert_eq!(huge.note(0, Ok(())), Progress::Asked);
        assert_eq!(huge.note(0, Err(Errno::INVAL)), Progress::Ended);
    }

    #[test]
    fn little_memory_has_no_piece() {
        let memory = GuestMemory::new(1 << 20).unwrap();
        assert_eq!(HugePages::new(&memory).unwrap().advance(), Progress::Nothing);
    }
}
