//! The 8237A DMA controller as a pure register machine: four channels, each of which runs through addresses and
//! counts down to its terminal count.
//!
//! The chip knows no memory: [`Dma::stretch`] says which addresses the next units of a transfer have, in pieces that do
//! not wrap, and who asks moves the bytes.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

const COMMAND_MEMORY_TO_MEMORY: u8 = 0x01;
const COMMAND_HOLD: u8 = 0x02;
const COMMAND_DISABLE: u8 = 0x04;

const MODE_DOWN: u8 = 0x20;
const MODE_AUTO: u8 = 0x10;

/// When the controller has the bus for a channel: mode register, bits 7 and 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As long as the device asks.
    Demand,
    /// For one unit each time that it asks.
    Single,
    /// To the terminal count, once it has asked.
    Block,
    /// The device is another controller, and addresses memory itself.
    Cascade,
}

/// Which way a unit goes: mode register, bits 3 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Neither: addresses and count go on alone.
    Verify,
    /// From the device to memory.
    Write,
    /// From memory to the device.
    Read,
}

/// Units that follow one another without a wrap of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Address of the first.
    pub(crate) address: u16,
    /// How many, 1..=65536.
    pub(crate) units: u32,
    /// Addresses fall.
    pub(crate) down: bool,
    /// The channel only verifies: nothing is moved.
    pub(crate) verify: bool,
    /// The last of them is the channel's last.
    pub(crate) terminal: bool,
}

/// A channel's registers.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Channel {
    base_address: u16,
    base_count: u16,
    address: u16,
    count: u16,
    mode: u8,
}

impl Channel {
    fn direction(self) -> Option<Direction> {
        match self.mode >> 2 & 3 {
            0 => Some(Direction::Verify),
            1 => Some(Direction::Write),
            2 => Some(Direction::Read),
            _ => None,
        }
    }

    fn pace(self) -> Pace {
        match self.mode >> 6 {
            0 => Pace::Demand,
            1 => Pace::Single,
            2 => Pace::Block,
            _ => Pace::Cascade,
        }
    }
}

/// One 8237A.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dma {
    channels: [Channel; 4],
    high_half: bool,
    mask: u8,
    /// Requests by software, a bit for each channel.
    requests: u8,
    /// Channels that came to their terminal count since the status was last read.
    terminal: u8,
    command: u8,
    temporary: u8,
}

fn with_half(word: u16, half: usize, value: u8) -> u16 {
    let mut bytes = word.to_le_bytes();
    bytes[half & 1] = value;
    u16::from_le_bytes(bytes)
}

impl Dma {
    /// After a master clear: everything masked.
    pub(crate) fn new() -> Self {
        Dma { mask: 0x0f, ..Dma::default() }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check((self.mask | self.requests | self.terminal) & 0xf0 == 0, "bits of DMA channels")
    }

    fn half(&mut self) -> usize {
        self.high_half = !self.high_half;
        usize::from(!self.high_half)
    }

    /// Reads register `offset` (0..=15).
    pub(crate) fn read(&mut self, offset: u8) -> u8 {
        match offset & 0x0f {
            register @ 0..=7 => {
                let half = self.half();
                let channel = &self.channels[usize::from(register >> 1)];
                let word = if register & 1 == 0 { channel.address } else { channel.count };
                word.to_le_bytes()[half]
            }
            // Reading the status takes the terminal counts away.
            8 => self.requests << 4 | std::mem::take(&mut self.terminal),
            0x0d => self.temporary,
            0x0f => 0xf0 | self.mask,
            _ => 0,
        }
    }

    /// Writes register `offset` (0..=15).
    pub(crate) fn write(&mut self, offset: u8, value: u8) {
        let bit = 1 << (value & 3);
        match offset & 0x0f {
            register @ 0..=7 => self.write_channel(register, value),
            8 => self.command = value,
            9 if value & 4 != 0 => self.requests |= bit,
            9 => self.requests &= !bit,
            0x0a if value & 4 != 0 => self.mask |= bit,
            0x0a => self.mask &= !bit,
            0x0b => self.channels[usize::from(value & 3)].mode = value,
            0x0c => self.high_half = false,
            // Modes, addresses and counts stay.
            0x0d => *self = Dma { channels: self.channels, ..Dma::new() },
            0x0e => self.mask = 0,
            _ => self.mask = value & 0x0f,
        }
    }

    fn write_channel(&mut self, register: u8, value: u8) {
        let half = self.half();
        let channel = &mut self.channels[usize::from(register >> 1)];
        if register & 1 == 0 {
            channel.base_address = with_half(channel.base_address, half, value);
            channel.address = channel.base_address;
        } else {
            channel.base_count = with_half(channel.base_count, half, value);
            channel.count = channel.base_count;
        }
    }

    /// Whether channel `channel` serves a device's request of this direction: it is not masked, the controller not
    /// disabled, and the mode fits.
    fn serves(&self, channel: usize, direction: Direction) -> bool {
        let mode = self.channels[channel & 3];
        let fits = mode.direction().is_some_and(|own| own == direction || own == Direction::Verify);
        self.is_open(channel) && mode.pace() != Pace::Cascade && fits
    }

    fn is_open(&self, channel: usize) -> bool {
        self.command & COMMAND_DISABLE == 0 && self.mask & 1 << (channel & 3) == 0
    }

    /// Whether what hangs on channel `channel` masters the bus through it.
    pub(crate) fn cascades(&self, channel: usize) -> bool {
        self.is_open(channel) && self.channels[channel & 3].pace() == Pace::Cascade
    }

    /// The next of at most `wanted` units that a device on channel `channel` moves in that direction: they count as
    /// moved. `None`: the channel does not serve it.
    pub(crate) fn stretch(
        &mut self,
        channel: usize,
        direction: Direction,
        wanted: u32,
    ) -> Option<Stretch> {
        (wanted != 0 && self.serves(channel, direction)).then(|| self.pass(channel, wanted, false))
    }

    /// Passes over at most `wanted` units of channel `channel`, at one address with `hold`.
    fn pass(&mut self, channel: usize, wanted: u32, hold: bool) -> Stretch {
        let at = &mut self.channels[channel & 3];
        let (address, down) = (at.address, at.mode & MODE_DOWN != 0);
        let verify = at.direction() == Some(Direction::Verify);
        let to_wrap = 1 + u32::from(if down { address } else { !address });
        let left = 1 + u32::from(at.count);
        let units = wanted.min(to_wrap).min(left).max(1);
        // 65536 units are as good as none to 16 bits.
        let [low, high, ..] = units.to_le_bytes();
        let step = u16::from_le_bytes([low, high]);
        at.count = at.count.wrapping_sub(step);
        if !hold {
            at.address = if down { address.wrapping_sub(step) } else { address.wrapping_add(step) };
        }
        let terminal = units == left;
        if terminal {
            self.end(channel);
        }
        Stretch { address, units, down, verify, terminal }
    }

    fn end(&mut self, channel: usize) {
        let bit = 1 << (channel & 3);
        self.terminal |= bit;
        self.requests &= !bit;
        let at = &mut self.channels[channel & 3];
        if at.mode & MODE_AUTO != 0 {
            at.address = at.base_address;
            at.count = at.base_count;
        } else {
            self.mask |= bit;
        }
    }

    /// The channel that runs by itself next, since software asked for it, and which way: only in block mode does one.
    /// No mask holds it back.
    pub(crate) fn requested(&self) -> Option<(usize, Direction)> {
        let asked = |&channel: &usize| {
            self.requests & 1 << channel != 0 && self.channels[channel].pace() == Pace::Block
        };
        let enabled = self.command & COMMAND_DISABLE == 0;
        let channel = (0..4).find(asked).filter(|_| enabled)?;
        self.channels[channel].direction().map(|direction| (channel, direction))
    }

    /// Passes over units of a channel that [`Dma::requested`] named.
    pub(crate) fn run(&mut self, channel: usize) -> Stretch {
        self.pass(channel, 1 << 16, false)
    }

    /// Whether software has asked for a transfer from channel 0's memory to channel 1's.
    pub(crate) fn copies(&self) -> bool {
        let enabled = self.command & (COMMAND_MEMORY_TO_MEMORY | COMMAND_DISABLE);
        enabled == COMMAND_MEMORY_TO_MEMORY && self.requests & 1 != 0
    }

    /// The next byte of such a transfer: the address that it comes from.
    pub(crate) fn copy_from(&mut self) -> u16 {
        let hold = self.command & COMMAND_HOLD != 0;
        self.pass(0, 1, hold).address
    }

    /// The address that the byte goes to. With channel 1's terminal count the transfer ends.
    pub(crate) fn copy_to(&mut self, byte: u8) -> u16 {
        self.temporary = byte;
        let to = self.pass(1, 1, false);
        // Channel 0 may come to its own count earlier, which stops nothing.
        self.requests = if to.terminal { self.requests & !1 } else { self.requests | 1 };
        to.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chip whose channel 2 is open in `mode` with this address and count register.
    fn ready(mode: u8, address: u16, count: u16) -> Dma {
        let mut dma = Dma::new();
        dma.write(0x0b, mode | 2);
        for (register, word) in [(4, address), (5, count)] {
            word.to_le_bytes().iter().for_each(|&byte| dma.write(register, byte));
        }
        dma.write(0x0a, 2);
        dma
    }

    fn word(dma: &mut Dma, register: u8) -> u16 {
        u16::from_le_bytes([dma.read(register), dma.read(register)])
    }

    #[test]
    fn flip_flop_picks_low_then_high() {
        let mut dma = Dma::new();
        dma.write(0x0c, 0);
        dma.write(2, 0x34);
        dma.write(2, 0x12);
        dma.write(3, 0x56);
        dma.write(0x0c, 0);
        assert_eq!([dma.read(2), dma.read(2)], [0x34, 0x12]);
        assert_eq!(dma.read(3), 0x56);
    }

    #[test]
    fn masks_follow_all_four_ways_to_set_them() {
        let mut dma = Dma::new();
        assert_eq!(dma.read(15), 0xff);
        dma.write(0x0a, 2);
        assert_eq!(dma.read(15), 0xfb);
        dma.write(0x0e, 0);
        dma.write(0x0a, 5);
        assert_eq!(dma.read(15), 0xf2);
        dma.write(0x0f, 0x0c);
        assert_eq!(dma.read(15), 0xfc);
        dma.write(0x0d, 0);
        assert_eq!(dma.read(15), 0xff);
    }

    #[test]
    fn the_count_register_is_one_less_than_the_units_and_ends_in_ffff() {
        let mut dma = ready(0x44, 0x1000, 511);
        let first = dma.stretch(2, Direction::Write, 500).unwrap();
        assert_eq!((first.address, first.units, first.terminal), (0x1000, 500, false));
        let last = dma.stretch(2, Direction::Write, 500).unwrap();
        assert_eq!((last.address, last.units, last.terminal), (0x11f4, 12, true));
        assert_eq!((word(&mut dma, 4), word(&mut dma, 5)), (0x1200, 0xffff));
        assert_eq!(dma.stretch(2, Direction::Write, 1), None, "it has masked itself");
        assert_eq!([dma.read(8), dma.read(8)], [4, 0], "reading the status clears it");
    }

    #[test]
    fn addresses_wrap_within_64_kib_both_ways() {
        let mut dma = ready(0x48, 0xfffe, 4);
        let up = dma.stretch(2, Direction::Read, 5).unwrap();
        assert_eq!((up.address, up.units, up.down), (0xfffe, 2, false));
        assert_eq!(dma.stretch(2, Direction::Read, 3).unwrap().address, 0);
        let mut dma = ready(0x68, 1, 4);
        let down = dma.stretch(2, Direction::Read, 5).unwrap();
        assert_eq!((down.address, down.units, down.down), (1, 2, true));
        assert_eq!(dma.stretch(2, Direction::Read, 3).unwrap().address, 0xffff);
    }

    #[test]
    fn a_whole_64_kib_are_one_stretch() {
        let mut dma = ready(0x44, 0, 0xffff);
        let all = dma.stretch(2, Direction::Write, 1 << 20).unwrap();
        assert_eq!((all.units, all.terminal), (1 << 16, true));
        assert_eq!((word(&mut dma, 4), word(&mut dma, 5)), (0, 0xffff));
    }

    #[test]
    fn auto_initialisation_begins_anew_and_masks_nothing() {
        let mut dma = ready(0x54, 0x2000, 3);
        for _ in 0..3 {
            let piece = dma.stretch(2, Direction::Write, 9).unwrap();
            assert_eq!((piece.address, piece.units, piece.terminal), (0x2000, 4, true));
        }
    }

    #[test]
    fn what_the_mode_mask_or_command_forbid_does_not_move() {
        assert!(ready(0x40, 0, 9).stretch(2, Direction::Write, 1).unwrap().verify);
        assert_eq!(ready(0x48, 0, 9).stretch(2, Direction::Write, 1), None, "the other way");
        assert_eq!(ready(0x4c, 0, 9).stretch(2, Direction::Write, 1), None, "an illegal mode");
        let mut dma = ready(0xc0, 0, 9);
        assert_eq!(dma.stretch(2, Direction::Write, 1), None);
        assert!(dma.cascades(2) && !dma.cascades(1));
        let mut dma = ready(0x44, 0, 9);
        dma.write(8, COMMAND_DISABLE);
        assert_eq!(dma.stretch(2, Direction::Write, 1), None);
    }
}
