//! What each device has towards its host: the command block, INTRQ, and the block of data that is being moved.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bits of the status register.
pub(super) const BSY: u8 = 0x80;
/// Ready for commands.
pub(super) const DRDY: u8 = 0x40;
/// The device failed at what it was asked to do.
pub(super) const DF: u8 = 0x20;
/// The seek is complete (ATA-3), or service (ATAPI).
pub(super) const DSC: u8 = 0x10;
/// Data is wanted or there to be read.
pub(super) const DRQ: u8 = 0x08;
/// The command ended with an error; CHK of an ATAPI device.
pub(super) const ERR: u8 = 0x01;

/// Bits of the error register: data that cannot be read.
pub(super) const UNC: u8 = 0x40;
/// Write-protected (the same bit, of a write).
pub(super) const WP: u8 = 0x40;
/// No such sector.
pub(super) const IDNF: u8 = 0x10;
/// The command was aborted.
pub(super) const ABRT: u8 = 0x04;

/// Bits of the device register: addresses are sector numbers.
pub(super) const LBA: u8 = 0x40;
/// Device 1.
pub(super) const DEV: u8 = 0x10;

/// Bytes of a sector of a disk.
pub(super) const SECTOR: usize = 512;
/// Sectors that a disk moves at a time, at most: the largest block of READ MULTIPLE.
pub(super) const MAX_MULTIPLE: u8 = 16;
/// Bytes of a block, at most.
pub(super) const MAX_BLOCK: usize = SECTOR * MAX_MULTIPLE as usize;

/// A register that 48-bit commands write twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pair {
    /// What was written last.
    pub(super) now: u8,
    /// What was written before that.
    pub(super) before: u8,
}

impl Pair {
    /// Writes it.
    pub(super) fn push(&mut self, value: u8) {
        *self = Pair { now: value, before: self.now };
    }

    fn get(self, before: bool) -> u8 {
        if before { self.before } else { self.now }
    }
}

/// The command block (ATA-6, 7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registers {
    pub(super) status: u8,
    pub(super) error: u8,
    pub(super) features: Pair,
    pub(super) count: Pair,
    pub(super) low: Pair,
    pub(super) mid: Pair,
    pub(super) high: Pair,
    pub(super) device: u8,
}

impl Registers {
    /// Reads register `offset` (1..=6); `before` for the previous contents of those that have them.
    pub(super) fn read(&self, offset: u8, before: bool) -> u8 {
        match offset {
            1 => self.error,
            2 => self.count.get(before),
            3 => self.low.get(before),
            4 => self.mid.get(before),
            5 => self.high.get(before),
            _ => self.device | 0xa0,
        }
    }

    /// Writes register `offset` (1..=6).
    pub(super) fn write(&mut self, offset: u8, value: u8) {
        match offset {
            1 => self.features.push(value),
            2 => self.count.push(value),
            3 => self.low.push(value),
            4 => self.mid.push(value),
            5 => self.high.push(value),
            _ => self.device = value,
        }
    }

    /// The number in the low, mid and high registers and their previous contents.
    pub(super) fn lba48(&self) -> u64 {
        let bytes = [
            self.low.now,
            self.mid.now,
            self.high.now,
            self.low.before,
            self.mid.before,
            self.high.before,
            0,
            0,
        ];
        u64::from_le_bytes(bytes)
    }

    /// The same of 28 bits.
    pub(super) fn lba28(&self) -> u64 {
        let bytes = [self.low.now, self.mid.now, self.high.now, self.device & 0x0f];
        u64::from(u32::from_le_bytes(bytes))
    }

    /// Says `lba` there.
    pub(super) fn set_lba48(&mut self, lba: u64) {
        let [low, mid, high, low2, mid2, high2, ..] = lba.to_le_bytes();
        self.low = Pair { now: low, before: low2 };
        self.mid = Pair { now: mid, before: mid2 };
        self.high = Pair { now: high, before: high2 };
    }

    /// The same in 28 bits.
    pub(super) fn set_lba28(&mut self, lba: u64) {
        let [low, mid, high, top, ..] = lba.to_le_bytes();
        (self.low.now, self.mid.now, self.high.now) = (low, mid, high);
        self.device = self.device & 0xf0 | top & 0x0f;
    }
}

/// What data is moved, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// None.
    #[default]
    Idle,
    /// The host reads the block.
    In,
    /// The host writes the block.
    Out,
    /// The host writes a command packet.
    Packet,
    /// The bus master takes bytes.
    DmaIn,
    /// The bus master gives bytes.
    DmaOut,
}

/// The side of a device that its host sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Front {
    pub(super) regs: Registers,
    /// The device asks for an interrupt.
    pub(super) intrq: bool,
    pub(super) phase: Phase,
    /// Bytes on their way to or from the host.
    pub(super) block: Vec<u8>,
    /// How many of them have been moved.
    pub(super) at: usize,
}

impl Front {
    /// Refuses what a front could not be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(super) fn check(&self) -> Result<(), StateError> {
        check(self.block.len() <= MAX_BLOCK && self.at <= self.block.len(), "data of a drive")
    }

    /// The registers as after a reset, with a signature in them (ATA-6, 9.12).
    pub(super) fn sign(&mut self, status: u8, mid: u8, high: u8) {
        self.regs = Registers { status, error: 1, ..Registers::default() };
        self.regs.count.now = 1;
        self.regs.low.now = 1;
        (self.regs.mid.now, self.regs.high.now) = (mid, high);
        self.intrq = false;
        self.idle();
    }

    /// No data is moved any more.
    pub(super) fn idle(&mut self) {
        self.phase = Phase::Idle;
        self.block = Vec::new();
        self.at = 0;
        self.regs.status &= !DRQ;
    }

    /// The host may move `block` now, by `phase`.
    pub(super) fn offer(&mut self, phase: Phase, block: Vec<u8>) {
        self.phase = phase;
        self.block = block;
        self.at = 0;
        self.regs.status = self.regs.status & !(BSY | ERR | DF) | DRDY | DRQ;
    }

    /// The command is over: `status` beside DRDY, and an interrupt.
    pub(super) fn end(&mut self, status: u8, error: u8) {
        self.idle();
        self.regs.status = DRDY | status;
        self.regs.error = error;
        self.intrq = true;
    }

    /// Bytes of the block that have not been moved.
    pub(super) fn left(&self) -> usize {
        self.block.len().saturating_sub(self.at)
    }

    /// Reads `size` bytes of the data register. True: the block has been read whole.
    pub(super) fn take(&mut self, size: u8) -> (u64, bool) {
        if self.phase != Phase::In {
            // Nobody drives the bus.
            return (u64::MAX, false);
        }
        let mut value = 0;
        for n in 0..u32::from(size.min(8)) {
            let byte = self.block.get(self.at).copied().unwrap_or_default();
            value |= u64::from(byte) << (8 * n);
            self.at = self.block.len().min(self.at + 1);
        }
        (value, self.left() == 0)
    }

    /// Writes `size` bytes of the data register. True: the block has been written whole.
    pub(super) fn put(&mut self, size: u8, value: u64) -> bool {
        if !matches!(self.phase, Phase::Out | Phase::Packet) {
            return false;
        }
        for &byte in value.to_le_bytes().iter().take(usize::from(size)) {
            if let Some(place) = self.block.get_mut(self.at) {
                *place = byte;
                self.at += 1;
            }
        }
        self.left() == 0
    }

    /// The bytes of the block that items of `size` bytes can move, `most` at most, and the last item is not among: when the
    /// block is through, more happens than that data moves.
    fn burst(&mut self, size: u8, most: usize) -> &mut [u8] {
        let size = usize::from(size.clamp(1, 8));
        let len = self.left().saturating_sub(1).min(most);
        let from = self.at;
        self.at += len - len % size;
        self.block.get_mut(from..self.at).unwrap_or_default()
    }

    /// Fills `buf` from the block as [`Front::take`] would, short of its last item: how many bytes.
    pub(super) fn burst_in(&mut self, size: u8, buf: &mut [u8]) -> usize {
        if self.phase != Phase::In {
            return 0;
        }
        let block = self.burst(size, buf.len());
        buf[..block.len()].copy_from_slice(block);
        block.len()
    }

    /// Fills the block from `data` as [`Front::put`] would, short of its last item: how many bytes.
    pub(super) fn burst_out(&mut self, size: u8, data: &[u8]) -> usize {
        if !matches!(self.phase, Phase::Out | Phase::Packet) {
            return 0;
        }
        let block = self.burst(size, data.len());
        block.copy_from_slice(&data[..block.len()]);
        block.len()
    }
}
