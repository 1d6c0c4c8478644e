//! The PC's DMA on the ISA bus: two 8237As, the second of which is the first one's way to the bus, and the page
//! registers that hold the upper address bits.
//!
//! Channels 0 to 3 move bytes within 64 KiB, channels 5 to 7 words within 128 KiB. What is addressed but no memory reads
//! as all ones and takes nothing, as on an open bus.

use crate::dma::{Direction, Dma, Stretch};
use crate::memory;
use crate::state::StateError;
use serde::{Deserialize, Serialize};

/// The page registers start at port 81h; register 0 is port 80h, which is not theirs.
pub(crate) const PAGES: usize = 15;
/// For each channel, which of them is its own. Channel 4 has none: its register serves refresh.
const PAGE_OF: [usize; 8] = [6, 2, 0, 1, 14, 10, 8, 9];
/// The channel of the second controller that the first hangs on.
const CASCADE: usize = 0;

/// What became of a device's transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsaTransfer {
    /// Bytes that went over the bus.
    pub moved: usize,
    /// The channel came to its terminal count with the last of them.
    pub terminal: bool,
}

/// Both controllers and the pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IsaDma {
    /// Channels 0 to 3, and 4 to 7.
    pub(crate) chips: [Dma; 2],
    pub(crate) pages: [u8; PAGES],
}

impl IsaDma {
    /// As firmware leaves them: all masked but channel 4, which cascades.
    pub(crate) fn new() -> Self {
        let mut second = Dma::new();
        second.write(0x0b, 0xc0);
        second.write(0x0a, 0x00);
        IsaDma { chips: [Dma::new(), second], pages: [0; PAGES] }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        self.chips.iter().try_for_each(Dma::check)
    }

    /// A device on channel `channel` (0..=7) gives `data` to memory.
    pub(crate) fn write(
        &mut self,
        channel: u8,
        data: &[u8],
        memory: &mut dyn memory::Dma,
    ) -> IsaTransfer {
        self.transfer(channel, Direction::Write, data.len(), |place, at, len| {
            place.write(&data[at..at + len], memory);
        })
    }

    /// A device on channel `channel` (0..=7) takes `buf` from memory. Bytes that do not move stay.
    pub(crate) fn read(
        &mut self,
        channel: u8,
        buf: &mut [u8],
        memory: &mut dyn memory::Dma,
    ) -> IsaTransfer {
        self.transfer(channel, Direction::Read, buf.len(), |place, at, len| {
            place.read(&mut buf[at..at + len], memory);
        })
    }

    fn transfer(
        &mut self,
        channel: u8,
        direction: Direction,
        len: usize,
        mut moves: impl FnMut(Place, usize, usize),
    ) -> IsaTransfer {
        let (chip, number) = (usize::from(channel >> 2 & 1), usize::from(channel & 3));
        let mut done = IsaTransfer::default();
        if chip == 0 && !self.chips[1].cascades(CASCADE) {
            return done;
        }
        while !done.terminal {
            let wanted = u32::try_from((len - done.moved) >> chip).unwrap_or(u32::MAX);
            let Some(stretch) = self.chips[chip].stretch(number, direction, wanted) else { break };
            let place = self.place(chip, number, stretch);
            let bytes = place.len();
            if !stretch.verify {
                moves(place, done.moved, bytes);
            }
            done = IsaTransfer { moved: done.moved + bytes, terminal: stretch.terminal };
        }
        done
    }

    fn place(&self, chip: usize, number: usize, stretch: Stretch) -> Place {
        let page = u64::from(self.pages[PAGE_OF[chip << 2 | number]]);
        let page = if chip == 0 { page } else { page & !1 };
        let first = match stretch.down {
            true => u64::from(stretch.address) + 1 - u64::from(stretch.units),
            false => u64::from(stretch.address),
        };
        let (pa, unit) = (page << 16 | first << chip, 1 << chip);
        let units = usize::try_from(stretch.units).unwrap_or(0);
        Place { pa, unit, units, down: stretch.down }
    }

    /// Does what software asked for by controller `chip`'s request register. No device answers: what it would give
    /// is an open bus.
    pub(crate) fn serve(&mut self, chip: usize, memory: &mut dyn memory::Dma) {
        while chip == 0 && self.chips[0].copies() {
            let [from, to] = [0, 1].map(|channel| u64::from(self.pages[PAGE_OF[channel]]) << 16);
            let mut byte = [0xff];
            let from = Place::byte(from | u64::from(self.chips[0].copy_from()));
            from.read(&mut byte, memory);
            let to = Place::byte(to | u64::from(self.chips[0].copy_to(byte[0])));
            to.write(&byte, memory);
        }
        while let Some((number, direction)) = self.chips[chip & 1].requested() {
            let stretch = self.chips[chip & 1].run(number);
            let place = self.place(chip & 1, number, stretch);
            if direction == Direction::Write {
                place.write(&vec![0xff; place.len()], memory);
            }
        }
    }
}

/// A piece of memory that a stretch goes over.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Lowest address.
    pa: u64,
    /// Bytes in a unit, 1 or 2.
    unit: usize,
    units: usize,
    down: bool,
}

impl Place {
    fn byte(pa: u64) -> Place {
        Place { pa, unit: 1, units: 1, down: false }
    }

    fn len(self) -> usize {
        self.units * self.unit
    }

    /// Turns the order of units around where addresses fall.
    fn order(self, bytes: &mut [u8]) {
        if self.down {
            bytes.reverse();
            bytes.chunks_exact_mut(self.unit).for_each(<[u8]>::reverse);
        }
    }

    fn write(self, data: &[u8], memory: &mut dyn memory::Dma) {
        let mut data = data.to_vec();
        self.order(&mut data);
        if memory.dma_write(self.pa, &data).is_err() {
            for (pa, byte) in (self.pa..).zip(data) {
                // Lost where there is no memory.
                let _ = memory.dma_write(pa, &[byte]);
            }
        }
    }

    fn read(self, buf: &mut [u8], memory: &mut dyn memory::Dma) {
        if memory.dma_read(self.pa, buf).is_err() {
            for (pa, byte) in (self.pa..).zip(buf.iter_mut()) {
                let mut one = [0xff];
                *byte = if memory.dma_read(pa, &mut one).is_ok() { one[0] } else { 0xff };
            }
        }
        self.order(buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(channel: u8, mode: u8, page: u8, address: u16, count: u16) -> IsaDma {
        let mut dma = IsaDma::new();
        let (chip, number) = (usize::from(channel >> 2), channel & 3);
        let at = &mut dma.chips[chip];
        at.write(0x0b, mode | number);
        for (register, word) in [(2 * number, address), (2 * number + 1, count)] {
            word.to_le_bytes().iter().for_each(|&byte| at.write(register, byte));
        }
        at.write(0x0a, number);
        dma.pages[PAGE_OF[usize::from(channel)]] = page;
        dma
    }

    #[test]
    fn bytes_go_to_the_page_and_wrap_in_it() {
        let mut memory = vec![0; 1 << 20];
        let mut dma = ready(2, 0x44, 3, 0xfffe, 3);
        let done = dma.write(2, &[1, 2, 3, 4, 5], &mut memory);
        assert_eq!(done, IsaTransfer { moved: 4, terminal: true });
        assert_eq!(
            (&memory[0x3_fffe..0x4_0000], &memory[0x3_0000..0x3_0002]),
            (&[1, 2][..], &[3, 4][..])
        );
        assert_eq!(memory[0x4_0000], 0, "not into the next page");
        let mut dma = ready(1, 0x48, 3, 0xffff, 1);
        let mut buf = [0; 4];
        assert_eq!(dma.read(1, &mut buf, &mut memory).moved, 2);
        assert_eq!(buf, [2, 3, 0, 0]);
    }

    #[test]
    fn words_have_addresses_of_words_and_no_lowest_page_bit() {
        let mut memory = vec![0; 1 << 20];
        let mut dma = ready(6, 0x44, 5, 0x8001, 1);
        assert_eq!(
            dma.write(6, &[1, 2, 3, 4, 5], &mut memory),
            IsaTransfer { moved: 4, terminal: true }
        );
        assert_eq!(memory[0x5_0002..0x5_0007], [1, 2, 3, 4, 0]);
        let mut dma = ready(6, 0x64, 4, 0x0001, 1);
        dma.write(6, &[1, 2, 3, 4], &mut memory);
        assert_eq!(memory[0x4_0000..0x4_0004], [3, 4, 1, 2], "downwards, by words");
    }

    #[test]
    fn the_first_controller_needs_the_cascade() {
        let mut memory = vec![0; 1 << 20];
        let mut dma = ready(2, 0x44, 0, 0, 9);
        dma.chips[1].write(0x0a, 4);
        assert_eq!(dma.write(2, &[1], &mut memory), IsaTransfer::default());
        dma.chips[1].write(0x0a, 0);
        assert_eq!(dma.write(2, &[1], &mut memory).moved, 1);
    }

    #[test]
    fn no_memory_reads_all_ones_and_takes_nothing() {
        let mut memory = vec![7; 0x1_0002];
        let mut dma = ready(2, 0x48, 1, 0, 3);
        let mut buf = [0; 4];
        assert_eq!(dma.read(2, &mut buf, &mut memory).moved, 4);
        assert_eq!(buf, [7, 7, 0xff, 0xff]);
        let mut dma = ready(2, 0x44, 1, 0, 3);
        assert_eq!(dma.write(2, &[1, 2, 3, 4], &mut memory).moved, 4);
        assert_eq!(memory[0x1_0000..], [1, 2]);
    }

    #[test]
    fn software_copies_from_channel_0_to_channel_1() {
        let mut memory: Vec<u8> = (0..=255).collect();
        let mut dma = ready(0, 0x88, 0, 0x10, 3);
        [0x80, 0].iter().for_each(|&byte| dma.chips[0].write(2, byte));
        [3, 0].iter().for_each(|&byte| dma.chips[0].write(3, byte));
        dma.chips[0].write(0x0b, 0x85);
        dma.chips[0].write(8, 1);
        dma.chips[0].write(9, 4);
        dma.serve(0, &mut memory);
        assert_eq!(memory[0x80..0x85], [0x10, 0x11, 0x12, 0x13, 0x84]);
        assert_eq!(dma.chips[0].read(0x0d), 0x13, "the temporary register");
        assert_eq!(dma.chips[0].read(8), 0x03, "no request is left");
    }

    #[test]
    fn a_request_by_software_runs_to_the_terminal_count() {
        let mut memory = vec![0; 64];
        let mut dma = ready(3, 0x84, 0, 0x10, 3);
        dma.chips[0].write(9, 7);
        dma.serve(0, &mut memory);
        assert_eq!(memory[0x10..0x15], [0xff, 0xff, 0xff, 0xff, 0]);
        assert_eq!(dma.chips[0].read(8), 0x08);
    }
}
