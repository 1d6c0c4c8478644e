//! The attribute controller: from a pixel's value to a colour's number, and a few facts of the picture.

use serde::{Deserialize, Serialize};

const REGISTERS: usize = 0x15;
/// Bits of each register that exist.
const EXISTS: [u8; REGISTERS] = [
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
    0xef, 0xff, 0x3f, 0x0f, 0x0f,
];
/// The index' bit that lets the screen, not the processor, at the palette.
const SHOWS: u8 = 0x20;

/// The registers at 3C0h and 3C1h.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attribute {
    index: u8,
    /// The next write goes to the register, not the index.
    data_next: bool,
    #[serde(with = "crate::state::bytes")]
    regs: [u8; REGISTERS],
}

impl Attribute {
    pub(super) fn new(regs: [u8; REGISTERS]) -> Self {
        Attribute { index: SHOWS, data_next: false, regs }
    }

    pub(super) fn index(&self) -> u8 {
        self.index
    }

    /// The selected register; one that does not exist reads 0.
    pub(super) fn read(&self) -> u8 {
        self.regs.get(usize::from(self.index & 0x1f)).copied().unwrap_or(0)
    }

    /// A write to 3C0h: the index and the register in turn.
    pub(super) fn write(&mut self, value: u8) {
        self.data_next = !self.data_next;
        if self.data_next {
            self.index = value & 0x3f;
            return;
        }
        let index = usize::from(self.index & 0x1f);
        if let (Some(reg), Some(bits)) = (self.regs.get_mut(index), EXISTS.get(index)) {
            *reg = value & bits;
        }
    }

    /// Reading the input status makes the next write one of the index.
    pub(super) fn rewind(&mut self) {
        self.data_next = false;
    }

    /// Whether the next write goes to the register.
    pub(super) fn data_next(&self) -> bool {
        self.data_next
    }

    pub(super) fn shows(&self) -> bool {
        self.index & SHOWS != 0
    }

    fn mode(&self, bit: u8) -> bool {
        self.regs[0x10] >> bit & 1 != 0
    }

    /// Pixels, not characters.
    pub(super) fn graphics(&self) -> bool {
        self.mode(0)
    }

    /// The ninth dot of the characters C0h to DFh is as the eighth.
    pub(super) fn line_graphics(&self) -> bool {
        self.mode(2)
    }

    /// Bit 7 of a character's attribute makes it blink.
    pub(super) fn blinks(&self) -> bool {
        self.mode(3)
    }

    /// Pixel panning ends at the line compare.
    pub(super) fn panning_ends(&self) -> bool {
        self.mode(5)
    }

    /// Two dots make a pixel of eight bits.
    pub(super) fn eight_bits(&self) -> bool {
        self.mode(6)
    }

    /// Planes that are shown, a bit each.
    pub(super) fn planes(&self) -> u8 {
        self.regs[0x12] & 0x0f
    }

    /// Dots that the picture is moved to the left, in characters of `dots` dots.
    pub(super) fn panning(&self, dots: u32) -> u32 {
        match (u32::from(self.regs[0x13]), dots) {
            (8.., 9) => 0,
            (n, 9) => n + 1,
            (n, _) => n & 7,
        }
    }

    /// The number of the colour for a pixel of four bits.
    pub(super) fn colour(&self, pixel: u8) -> u8 {
        let select = self.regs[0x14];
        let colour = self.regs[usize::from(pixel & 0x0f)];
        let colour = if self.mode(7) { colour & 0x0f | select << 4 & 0x30 } else { colour };
        colour | select << 4 & 0xc0
    }

    /// Whether a chip could hold these values.
    pub(super) fn is_possible(&self) -> bool {
        self.regs.iter().zip(EXISTS).all(|(reg, bits)| reg & !bits == 0) && self.index < 0x40
    }
}
