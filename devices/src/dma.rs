//! The registers of the PC's two 8237A DMA controllers and their page registers, without transfers.
//!
//! No device of this machine asks for DMA, but software initialises the controllers and expects what it
//! wrote to read back through the byte flip-flop. Terminal counts never happen.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// One 8237A: four channels of address and count, and the flip-flop that picks their halves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dma {
    /// Address of channel 0, its count, address of channel 1, ...
    registers: [[u8; 2]; 8],
    high_half: bool,
    mask: u8,
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
        check(self.mask & 0xf0 == 0, "DMA mask")
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
                self.registers[usize::from(register)][half]
            }
            0x0f => 0xf0 | self.mask,
            // Status (no request, no terminal count) and the temporary register.
            _ => 0,
        }
    }

    /// Writes register `offset` (0..=15).
    pub(crate) fn write(&mut self, offset: u8, value: u8) {
        match offset & 0x0f {
            register @ 0..=7 => {
                let half = self.half();
                self.registers[usize::from(register)][half] = value;
            }
            0x0a if value & 4 != 0 => self.mask |= 1 << (value & 3),
            0x0a => self.mask &= !(1 << (value & 3)),
            0x0c => self.high_half = false,
            0x0d => {
                self.high_half = false;
                self.mask = 0x0f;
            }
            0x0e => self.mask = 0,
            0x0f => self.mask = value & 0x0f,
            // Command, request and mode: nothing here would transfer.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
