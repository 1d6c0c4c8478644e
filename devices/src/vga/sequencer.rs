//! The sequencer: clocks, which planes are written, which fonts are shown, how memory is addressed.

use serde::{Deserialize, Serialize};

/// Bits of each register that exist.
const EXISTS: [u8; 5] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];

/// The registers at 3C4h and 3C5h.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sequencer {
    index: u8,
    regs: [u8; 5],
}

impl Sequencer {
    /// With `regs` in its registers.
    pub(super) fn new(regs: [u8; 5]) -> Self {
        Sequencer { index: 0, regs }
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

    /// Dots of a character: 8 or 9.
    pub(super) fn dots(&self) -> u32 {
        if self.regs[1] & 0x01 != 0 { 8 } else { 9 }
    }

    /// Each dot takes two dot clocks.
    pub(super) fn half_clock(&self) -> bool {
        self.regs[1] & 0x08 != 0
    }

    /// The screen is switched off.
    pub(super) fn screen_off(&self) -> bool {
        self.regs[1] & 0x20 != 0
    }

    /// Planes that are written, a bit each.
    pub(super) fn map_mask(&self) -> u8 {
        self.regs[2]
    }

    /// Offsets in plane 2 of the fonts for characters whose attribute has bit 3 clear, and set.
    pub(super) fn fonts(&self) -> [u16; 2] {
        let select = self.regs[3];
        let offset = |low: u8, high: u8| u16::from(low & 3) << 14 | u16::from(high & 1) << 13;
        [offset(select, select >> 4), offset(select >> 2, select >> 5)]
    }

    /// Addresses take the planes in turn, by their low two bits.
    pub(super) fn chain4(&self) -> bool {
        self.regs[4] & 0x08 != 0
    }

    /// Even addresses are in planes 0 and 2, odd ones in planes 1 and 3.
    pub(super) fn odd_even(&self) -> bool {
        self.regs[4] & 0x04 == 0
    }

    /// Whether a chip could hold these values.
    pub(super) fn is_possible(&self) -> bool {
        self.regs.iter().zip(EXISTS).all(|(reg, bits)| reg & !bits == 0)
    }
}
