//! The CRT controller: how many lines and characters there are, and which addresses they come from.

use serde::{Deserialize, Serialize};

const REGISTERS: usize = 0x19;
/// Bits of each register that exist.
const EXISTS: [u8; REGISTERS] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0x3f, 0x7f, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xef, 0xff,
];
/// Register 11h's bit that protects registers 0 to 7.
const PROTECT: u8 = 0x80;
/// Register 7's bit that it does not protect: bit 8 of the line compare.
const UNPROTECTED: u8 = 0x10;

/// The registers at 3D4h and 3D5h, or 3B4h and 3B5h.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Crtc {
    index: u8,
    #[serde(with = "crate::state::bytes")]
    regs: [u8; REGISTERS],
}

/// Where a line's characters, or bytes, come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The address of the first, counted in characters.
    pub(super) start: u32,
    /// Which line of its characters it is.
    pub(super) scan: u8,
    /// Behind the line compare.
    pub(super) split: bool,
}

impl Crtc {
    pub(super) fn new(regs: [u8; REGISTERS]) -> Self {
        Crtc { index: 0, regs }
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
        let protected = index < 8 && self.regs[0x11] & PROTECT != 0;
        let (Some(reg), Some(bits)) = (self.regs.get_mut(index), EXISTS.get(index)) else { return };
        if !protected {
            *reg = value & bits;
        } else if index == 7 {
            *reg = *reg & !UNPROTECTED | value & UNPROTECTED;
        }
    }

    /// Bits 8 and 9 of a vertical value, from these bits of register 7.
    fn overflow(&self, low: u8, eight: u8, nine: u8) -> u32 {
        let bit = |n: u8| u32::from(self.regs[7] >> n & 1);
        u32::from(low) | bit(eight) << 8 | bit(nine) << 9
    }

    /// Characters in a line, 1 to 256.
    pub(super) fn columns(&self) -> u32 {
        u32::from(self.regs[1]) + 1
    }

    /// Lines, 1 to 1024.
    pub(super) fn lines(&self) -> u32 {
        self.overflow(self.regs[0x12], 1, 6) + 1
    }

    /// Characters in a line with the retrace.
    pub(super) fn total_columns(&self) -> u32 {
        u32::from(self.regs[0]) + 5
    }

    /// Lines with the retrace.
    pub(super) fn total_lines(&self) -> u32 {
        self.overflow(self.regs[6], 0, 5) + 2
    }

    /// The first line of the vertical retrace, and how many lines it takes, 1 to 16.
    pub(super) fn retrace(&self) -> (u32, u32) {
        let start = self.overflow(self.regs[0x10], 2, 7);
        let len = u32::from(self.regs[0x11].wrapping_sub(self.regs[0x10]) & 0x0f);
        (start, if len == 0 { 16 } else { len })
    }

    /// Lines of a character, 1 to 32.
    pub(super) fn char_lines(&self) -> u8 {
        (self.regs[9] & 0x1f) + 1
    }

    /// The line of the underline.
    pub(super) fn underline(&self) -> u8 {
        self.regs[0x14] & 0x1f
    }

    /// The address of the cursor, and its first and last line; none when it is switched off.
    pub(super) fn cursor(&self) -> Option<(u32, u8, u8)> {
        let (first, last) = (self.regs[0x0a] & 0x1f, self.regs[0x0b] & 0x1f);
        let shown = self.regs[0x0a] & 0x20 == 0 && first <= last && first < self.char_lines();
        shown.then(|| (u32::from(self.word(0x0e)), first, last))
    }

    /// A value of 16 bits, its high byte in register `at`.
    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.regs[at], self.regs[at + 1]])
    }

    /// Address bits 13 and 14 come from the line of the character, as on a CGA and a Hercules card.
    fn substitutes(&self) -> [bool; 2] {
        [self.regs[0x17] & 1 == 0, self.regs[0x17] & 2 == 0]
    }

    /// How far the counter is shifted to become an address: bytes, words or doublewords.
    fn shift(&self) -> u32 {
        match (self.regs[0x14] & 0x40 != 0, self.regs[0x17] & 0x40 != 0) {
            (true, _) => 2,
            (false, false) => 1,
            (false, true) => 0,
        }
    }

    /// The address, in steps of the counter, of character `column` of `line`.
    pub(super) fn address(&self, line: Line, column: u32) -> u32 {
        let shift = self.shift();
        let mut address = line.start.wrapping_add(column) << shift;
        for (bit, substituted) in (13..).zip(self.substitutes()) {
            if substituted {
                let scan = u32::from(line.scan) >> (bit - 13) & 1;
                address = address & !(1 << bit) | scan << bit;
            }
        }
        (address >> shift) & 0xffff
    }

    /// Characters that the first one is further on.
    pub(super) fn byte_panning(&self) -> u32 {
        u32::from(self.regs[8] >> 5 & 3)
    }

    /// Characters from a row to the next.
    pub(super) fn pitch(&self) -> u32 {
        u32::from(self.regs[0x13]) * 2
    }

    /// The lines of the screen, from the top.
    pub(super) fn scan(&self) -> impl Iterator<Item = Line> + use<> {
        let compare = u32::from(self.regs[0x18])
            | u32::from(self.regs[7] >> 4 & 1) << 8
            | u32::from(self.regs[9] >> 6 & 1) << 9;
        let (pitch, last) = (self.pitch(), self.regs[9] & 0x1f);
        let repeats: u32 = if self.regs[9] & 0x80 != 0 { 2 } else { 1 };
        let start = u32::from(self.word(0x0c));
        let mut line = Line { start, scan: self.regs[8] & 0x1f, split: false };
        let mut shown = 0;
        (0..self.lines()).map(move |number| {
            let this = line;
            shown += 1;
            if number == compare {
                (line, shown) = (Line { start: 0, scan: 0, split: true }, 0);
            } else if shown == repeats {
                shown = 0;
                line.scan = (line.scan + 1) & 0x1f;
                if this.scan == last {
                    (line.scan, line.start) = (0, line.start.wrapping_add(pitch));
                }
            }
            this
        })
    }

    /// No synchronization is sent.
    pub(super) fn held(&self) -> bool {
        self.regs[0x17] & 0x80 == 0
    }

    /// Whether a chip could hold these values.
    pub(super) fn is_possible(&self) -> bool {
        self.regs.iter().zip(EXISTS).all(|(reg, bits)| reg & !bits == 0)
    }
}
