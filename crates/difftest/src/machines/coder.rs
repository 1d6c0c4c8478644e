//! Code in the making: bytes are put one behind the other, and places chosen that are worth reaching.

use super::places::{DATA, DATA_LEN};
use ringer_casegen::rng::Rng;
use ringer_casegen::values;

/// Page tables that the code can reach.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// Linear address of the table's first entry.
    pub at: u32,
    /// Bytes of an entry.
    pub entry: u32,
    /// Linear address of the page of the first entry that may be changed, and how many there are.
    pub pages: (u32, u32),
}

/// What the code runs in.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// 16 or 32.
    pub bits: u32,
    /// Offset of the first byte in CS.
    pub eip: u32,
    /// Its linear address.
    pub linear: u32,
    /// Privilege level.
    pub cpl: u8,
    /// Real or virtual-8086 mode: selectors are bases.
    pub real: bool,
    /// Page tables that may be changed.
    pub tables: Option<Tables>,
    /// CR4.SMAP is set.
    pub smap: bool,
}

/// Code in the making.
#[derive(Debug)]
pub struct Coder<'a> {
    pub rng: &'a mut Rng,
    pub s: Setting,
    /// Offsets in CS of the routines.
    pub entries: Vec<u32>,
    /// The routine at hand, as far as it is.
    pub out: Vec<u8>,
}

impl<'a> Coder<'a> {
    /// Nothing yet.
    pub fn new(rng: &'a mut Rng, s: Setting) -> Self {
        Self { rng, s, entries: Vec::new(), out: Vec::new() }
    }

    /// The offset in CS of what comes next.
    pub fn here(&self, entry: u32) -> u32 {
        entry + self.out.len() as u32
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A branch of opcode `op` with a distance of the operand's size.
    pub fn branch(&mut self, op: &[u8], entry: u32, to: u32) {
        self.put(op);
        let size = if self.s.bits == 32 { 4 } else { 2 };
        let next = self.here(entry) + size;
        let distance = to.wrapping_sub(next).to_le_bytes();
        self.put(&distance[..size as usize]);
    }

    /// MOV of `value` to general register `r`; in 16-bit code of its low half, as often as not.
    pub fn load(&mut self, r: u8, value: u32) {
        let bytes = value.to_le_bytes();
        if self.s.bits == 32 {
            self.put(&[0xb8 | r]);
            self.put(&bytes);
        } else if value > 0xffff && self.rng.one_in(2) {
            self.put(&[0x66, 0xb8 | r]);
            self.put(&bytes);
        } else {
            self.put(&[0xb8 | r, bytes[0], bytes[1]]);
        }
    }

    /// An offset in a data segment that is worth reaching: data, the ends of its pages, code, anything.
    pub fn target(&mut self) -> u32 {
        let within = match self.rng.below(8) {
            0 | 1 => (self.rng.below(4) * 0x1000).wrapping_add(self.rng.below(24)).wrapping_sub(12),
            _ => self.rng.below(DATA_LEN),
        };
        if self.s.bits == 16 {
            return match self.rng.below(16) {
                0 => self.rng.pick(&[0xfffe, 0xffff, 0xfff0, 0xfffc]),
                _ => within & 0xffff,
            };
        }
        match self.rng.below(16) {
            0 => self.s.linear.wrapping_add(self.rng.below(0x3000)),
            1 => 0xffff_c000u32.wrapping_add(within),
            2 => 0xffff_fff0u32.wrapping_add(self.rng.below(32)),
            3 | 4 => (0x4000_0000 + DATA).wrapping_add(within),
            5 => values::integer(self.rng),
            _ => DATA.wrapping_add(within),
        }
    }
}
