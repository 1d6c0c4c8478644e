//! The graphics controller: what the processor reads and writes of four planes of memory at once.
//!
//! The planes are bytes 0 to 3 of a doubleword, here as in memory, so that all four are computed together.

use serde::{Deserialize, Serialize};

/// Bits of each register that exist.
const EXISTS: [u8; 9] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];

/// The registers at 3CEh and 3CFh, and the latches.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Graphics {
    index: u8,
    regs: [u8; 9],
    latch: u32,
}

/// How pixels lie in the planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shift {
    /// A bit of a pixel in each plane.
    Planar,
    /// Two bits of a pixel in a plane, as on a CGA.
    Interleaved,
    /// A pixel in a plane.
    Bytes,
}

/// `byte` in each plane.
fn all(byte: u8) -> u32 {
    u32::from(byte) * 0x0101_0101
}

/// All ones in the planes of `mask`.
pub(super) fn planes(mask: u8) -> u32 {
    (0..4).filter(|plane| mask >> plane & 1 != 0).map(|plane| 0xff << (8 * plane)).sum()
}

impl Graphics {
    pub(super) fn new(regs: [u8; 9]) -> Self {
        Graphics { index: 0, regs, latch: 0 }
    }

    pub(super) fn index(&self) -> u8 {
        self.index
    }

    pub(super) fn set_index(&mut self, index: u8) {
        self.index = index;
    }

    /// The selected register; one that does not exist reads 0.
    pub(super) fn read(&self) -> u8 {
        self.regs.get(usize::from(self.index)).copied().unwrap_or(0)
    }

    pub(super) fn write(&mut self, value: u8) {
        let index = usize::from(self.index);
        if let (Some(reg), Some(bits)) = (self.regs.get_mut(index), EXISTS.get(index)) {
            *reg = value & bits;
        }
    }

    /// The latch of the plane that is read.
    pub(super) fn latch(&self) -> u8 {
        self.latch.to_le_bytes()[usize::from(self.read_plane())]
    }

    /// The plane that is read, 0 to 3.
    pub(super) fn read_plane(&self) -> u8 {
        self.regs[4]
    }

    /// Reads alternate between the planes of even and odd addresses.
    pub(super) fn reads_odd_even(&self) -> bool {
        self.regs[5] & 0x10 != 0
    }

    /// Which addresses the memory is at: offset from A0000h, and length.
    pub(super) fn place(&self) -> (u32, u32) {
        match self.regs[6] >> 2 & 3 {
            0 => (0, 0x2_0000),
            1 => (0, 0x1_0000),
            2 => (0x1_0000, 0x8000),
            _ => (0x1_8000, 0x8000),
        }
    }

    pub(super) fn shift(&self) -> Shift {
        match self.regs[5] >> 5 & 3 {
            0 => Shift::Planar,
            1 => Shift::Interleaved,
            _ => Shift::Bytes,
        }
    }

    /// Whether a byte that is written is what is stored, and one that is read what is there: write mode 0 and read mode 0,
    /// and nothing between.
    pub(super) fn is_plain(&self) -> bool {
        let [_, enable_set, _, function, _, mode, _, _, mask] = self.regs;
        enable_set == 0 && function == 0 && mode & 0x0b == 0 && mask == 0xff
    }

    /// A read of plane `plane` where `planes` is stored; the latches take that.
    pub(super) fn read_memory(&mut self, stored: u32, plane: u8) -> u8 {
        self.latch = stored;
        if self.regs[5] & 0x08 == 0 {
            return stored.to_le_bytes()[usize::from(plane & 3)];
        }
        // Read mode 1: the pixels whose colour is the one to compare with, in the planes that matter.
        let differs = (stored ^ planes(self.regs[2])) & planes(self.regs[7]);
        differs.to_le_bytes().into_iter().fold(0xff, |equal, plane| equal & !plane)
    }

    /// What is stored where `stored` was when `value` is written, in the planes of `mask`.
    pub(super) fn write_memory(&self, stored: u32, value: u8, mask: u8) -> u32 {
        let [set, enable_set, _, function, _, mode, _, _, bits] = self.regs;
        let rotated = value.rotate_right(u32::from(function & 7));
        let (data, bits) = match mode & 3 {
            0 => {
                let fixed = planes(enable_set);
                (all(rotated) & !fixed | planes(set) & fixed, bits)
            }
            1 => (self.latch, 0),
            2 => (planes(value & 0x0f), bits),
            _ => (planes(set), bits & rotated),
        };
        let result = match function >> 3 & 3 {
            0 => data,
            1 => data & self.latch,
            2 => data | self.latch,
            _ => data ^ self.latch,
        };
        let bits = all(bits);
        let result = result & bits | self.latch & !bits;
        let mask = planes(mask);
        stored & !mask | result & mask
    }

    /// Whether a chip could hold these values.
    pub(super) fn is_possible(&self) -> bool {
        self.regs.iter().zip(EXISTS).all(|(reg, bits)| reg & !bits == 0)
    }
}
