//! The FXSAVE image's fields, and the x87 environment in its four memory formats.
//! SDM volume 1, 8.1.10 (figures 8-9 to 8-12) and volume 2, FXSAVE.
//!
//! The instruction and data pointers in the image are the interpreter's own: the guest's CS:EIP and
//! operand addresses, never the host's.

use crate::state::{CpuState, FpuImage};
use std::ops::Range;

/// Control, status and abridged tag word.
pub(super) const WORDS: Range<usize> = 0..6;
/// MXCSR.
pub(super) const MXCSR_FIELD: Range<usize> = 24..28;
/// ST0 to ST7, which are MM0 to MM7 while TOP is 0.
pub(super) const REGISTERS: Range<usize> = 32..160;
/// XMM0 to XMM15, and those of them that there are outside 64-bit mode.
pub(super) const XMM: Range<usize> = 160..416;
pub(super) const XMM_LOW: Range<usize> = 160..288;
/// The upper halves of FIP and FDP, where no image that a guest sees has anything.
const FIP_HIGH: usize = 416;
const FDP_HIGH: usize = 420;

/// The exception flags in FSW, and the masks in FCW.
pub(super) const EXCEPTIONS: u16 = 0x3f;
/// FSW: ES and its copy B.
pub(super) const SUMMARY: u16 = 0x8080;

/// Where the last non-control x87 instruction and its operand were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pointers {
    /// The low 11 bits of the two opcode bytes.
    pub fop: u16,
    /// Instruction offset; of 64 bits in 64-bit mode.
    pub fip: u64,
    /// Instruction segment selector.
    pub fcs: u16,
    /// Operand offset, likewise.
    pub fdp: u64,
    /// Operand segment selector.
    pub fds: u16,
}

fn word(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => u16::from_le_bytes([a, b]),
        _ => 0,
    }
}

fn dword(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) | u32::from(word(bytes, at + 2)) << 16
}

impl FpuImage {
    fn put16(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn put32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub(super) fn set_fsw(&mut self, value: u16) {
        self.put16(2, value);
    }

    pub(super) fn set_mxcsr(&mut self, value: u32) {
        self.put32(MXCSR_FIELD.start, value);
    }

    /// MXCSR_MASK.
    pub(super) fn set_mxcsr_mask(&mut self, value: u32) {
        self.put32(28, value);
    }

    /// The x87 exceptions that are flagged and not masked: ES is set iff there are any.
    pub(super) fn unmasked(&self) -> u16 {
        self.fsw() & !self.fcw() & EXCEPTIONS
    }

    /// Flags the x87 exceptions `flags` again, and ES with them where they are not masked.
    pub(super) fn flag(&mut self, flags: u16) {
        self.set_fsw(self.fsw() | flags);
        if self.unmasked() != 0 {
            self.set_fsw(self.fsw() | SUMMARY);
        }
    }

    pub(super) fn pointers(&self) -> Pointers {
        let whole =
            |low, high| u64::from(dword(&self.0, high)) << 32 | u64::from(dword(&self.0, low));
        Pointers {
            fop: word(&self.0, 6),
            fip: whole(8, FIP_HIGH),
            fcs: word(&self.0, 12),
            fdp: whole(16, FDP_HIGH),
            fds: word(&self.0, 20),
        }
    }

    pub(super) fn set_pointers(&mut self, p: &Pointers) {
        self.put16(6, p.fop);
        self.put32(8, p.fip as u32);
        self.put32(12, u32::from(p.fcs));
        self.put32(16, p.fdp as u32);
        self.put32(20, u32::from(p.fds));
        self.put32(FIP_HIGH, (p.fip >> 32) as u32);
        self.put32(FDP_HIGH, (p.fdp >> 32) as u32);
    }

    /// The image as FXSAVE with REX.W lays it out: FIP and FDP have 64 bits, and no selectors are there.
    #[must_use]
    pub fn to_wide(&self) -> Self {
        let (pointers, mut out) = (self.pointers(), *self);
        out.0[8..16].copy_from_slice(&pointers.fip.to_le_bytes());
        out.0[16..24].copy_from_slice(&pointers.fdp.to_le_bytes());
        out.put32(FIP_HIGH, 0);
        out.put32(FDP_HIGH, 0);
        out
    }

    /// What FXRSTOR with REX.W makes of `image`: the selectors are zero.
    #[must_use]
    pub fn from_wide(image: &Self) -> Self {
        let whole = |at| u64::from(dword(&image.0, at + 4)) << 32 | u64::from(dword(&image.0, at));
        let mut out = *image;
        let (fop, fip, fdp) = (word(&image.0, 6), whole(8), whole(16));
        out.set_pointers(&Pointers { fop, fip, fdp, ..Pointers::default() });
        out
    }

    /// What FXRSTOR without REX.W makes of `image`: FIP and FDP have 32 bits.
    pub(super) fn from_narrow(image: &Self) -> Self {
        let mut out = *image;
        out.put32(FIP_HIGH, 0);
        out.put32(FDP_HIGH, 0);
        out
    }
}

/// How many vector registers there are: 16 in 64-bit mode, else 8.
pub(super) fn vectors(s: &CpuState) -> usize {
    if s.in_64_bit_mode() { 16 } else { 8 }
}

/// Where in the image those are.
pub(super) fn vector_bytes(s: &CpuState) -> Range<usize> {
    if s.in_64_bit_mode() { XMM } else { XMM_LOW }
}

/// Takes over from `other` everything but the pointers, MXCSR_MASK, and registers that the mode has not.
pub(super) fn adopt(s: &mut CpuState, other: &FpuImage) {
    let vectors = vector_bytes(s);
    for part in [WORDS, MXCSR_FIELD, REGISTERS, vectors] {
        s.fpu.0[part.clone()].copy_from_slice(&other.0[part]);
    }
}

/// Takes over the upper halves of YMM registers, of as many as the mode has.
pub(super) fn adopt_upper(s: &mut CpuState, upper: &[[u8; 16]; 16]) {
    let count = vectors(s);
    s.ymm_high[..count].copy_from_slice(&upper[..count]);
}

/// How FNSTENV, FNSAVE, FLDENV and FRSTOR lay the environment out: by operand size and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// 32-bit operand size.
    pub wide: bool,
    /// Real-address or virtual-8086 mode: pointers are linear addresses.
    pub real: bool,
}

/// The environment: three words and the pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Environment {
    /// Control, status and (full) tag word.
    pub words: [u16; 3],
    /// The pointers.
    pub pointers: Pointers,
}

/// Reserved halves are written as ones.
const RESERVED: u32 = 0xffff_0000;

impl Format {
    /// Bytes of the environment.
    pub fn len(self) -> usize {
        if self.wide { 28 } else { 14 }
    }

    /// The environment as it goes to memory: the first [`Format::len`] bytes count.
    pub fn store(self, env: &Environment) -> [u8; 28] {
        let mut out = [0; 28];
        if self.wide {
            for (at, value) in out.chunks_exact_mut(4).zip(self.dwords(env)) {
                at.copy_from_slice(&value.to_le_bytes());
            }
        } else {
            for (at, value) in out.chunks_exact_mut(2).zip(self.short(env)) {
                at.copy_from_slice(&value.to_le_bytes());
            }
        }
        out
    }

    fn dwords(self, env: &Environment) -> [u32; 7] {
        let [cw, sw, tw] = env.words.map(|w| u32::from(w) | RESERVED);
        let p = &env.pointers;
        let (fop, fcs, fds) = (u32::from(p.fop), u32::from(p.fcs), u32::from(p.fds));
        if self.real {
            let (ip, dp) = (linear(p.fcs, p.fip), linear(p.fds, p.fdp));
            let high = |linear: u32| (linear >> 16) << 12;
            [cw, sw, tw, ip | RESERVED, high(ip) | fop, dp | RESERVED, high(dp)]
        } else {
            [cw, sw, tw, p.fip as u32, fcs | fop << 16, p.fdp as u32, fds | RESERVED]
        }
    }

    fn short(self, env: &Environment) -> [u16; 7] {
        let [cw, sw, tw] = env.words;
        let p = &env.pointers;
        if self.real {
            let (ip, dp) = (linear(p.fcs, p.fip), linear(p.fds, p.fdp));
            let high = |linear: u32| (linear >> 4) as u16 & 0xf000;
            [cw, sw, tw, ip as u16, high(ip) | p.fop, dp as u16, high(dp)]
        } else {
            [cw, sw, tw, p.fip as u16, p.fcs, p.fdp as u16, p.fds]
        }
    }

    /// The environment that `bytes` hold. Real formats give linear addresses as offsets in segment
    /// 0; the 16-bit protected one has no opcode.
    pub fn load(self, bytes: &[u8]) -> Environment {
        let step = if self.wide { 4 } else { 2 };
        let words = [0, step, 2 * step].map(|at| word(bytes, at));
        let pointers = match (self.wide, self.real) {
            (true, false) => Pointers {
                fip: u64::from(dword(bytes, 12)),
                fcs: word(bytes, 16),
                fop: word(bytes, 18) & 0x7ff,
                fdp: u64::from(dword(bytes, 20)),
                fds: word(bytes, 24),
            },
            (true, true) => {
                let (mid, top) = (dword(bytes, 16), dword(bytes, 24));
                let join = |low: u16, high: u32| u64::from(u32::from(low) | (high >> 12) << 16);
                Pointers {
                    fop: mid as u16 & 0x7ff,
                    fip: join(word(bytes, 12), mid),
                    fdp: join(word(bytes, 20), top),
                    ..Pointers::default()
                }
            }
            (false, false) => Pointers {
                fop: 0,
                fip: u64::from(word(bytes, 6)),
                fcs: word(bytes, 8),
                fdp: u64::from(word(bytes, 10)),
                fds: word(bytes, 12),
            },
            (false, true) => {
                let (mid, top) = (word(bytes, 8), word(bytes, 12));
                let join = |low: u16, high: u16| u64::from(low) | u64::from(high >> 12) << 16;
                Pointers {
                    fop: mid & 0x7ff,
                    fip: join(word(bytes, 6), mid),
                    fdp: join(word(bytes, 10), top),
                    ..Pointers::default()
                }
            }
        };
        Environment { words, pointers }
    }
}

/// The linear address that a real-mode pointer stands for.
fn linear(selector: u16, offset: u64) -> u32 {
    (u32::from(selector) << 4).wrapping_add(offset as u32)
}
