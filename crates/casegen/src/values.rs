//! Values at the edges: integers where signs and carries turn over, every class of floating-point
//! number, control words, flags.

use crate::rng::Rng;
use ringer_cpu::{Eflags, FpuImage};

const BORDERS: &[u32] = &[
    0,
    1,
    2,
    0x0f,
    0x10,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ff7f,
    0xffff_ff80,
    0xffff_7fff,
    0xffff_8000,
    u32::MAX,
];

/// An integer, near a sign or carry border of some size more often than not.
pub fn integer(rng: &mut Rng) -> u32 {
    match rng.below(8) {
        0..=2 => rng.pick(BORDERS),
        3 => rng.pick(BORDERS).wrapping_add(rng.below(5)).wrapping_sub(2),
        4 => rng.below(72),
        5 => 1 << rng.below(32),
        _ => rng.word(),
    }
}

/// The same of 64 bits.
pub fn integer_64(rng: &mut Rng) -> u64 {
    let word = u64::from(integer(rng));
    match rng.below(8) {
        0 | 1 => word,
        2 => word as u32 as i32 as u64,
        3 | 4 => u64::from(integer(rng)) << 32 | word,
        // About the ends of the canonical addresses.
        5 => (1u64 << rng.pick(&[47, 48, 63])).wrapping_add(word).wrapping_sub(0x40),
        6 => (1u64 << rng.below(64)).wrapping_sub(u64::from(rng.below(2))),
        _ => rng.bits(),
    }
}

/// A single-precision number of any class, as bits.
pub fn single(rng: &mut Rng) -> u32 {
    let sign = (rng.byte() as u32 & 1) << 31;
    let noise = rng.word();
    sign | match rng.below(16) {
        0 => 0,
        1 => 0x7f80_0000,                          // infinity
        2 => 0x7fc0_0000 | noise & 0x3f_ffff,      // quiet NaN
        3 => 0x7f80_0001 | noise & 0x3f_ffff,      // signalling NaN
        4 => 1 + (noise & 0x7f_fffe),              // denormal
        5 => rng.pick(&[1, 0x7f_ffff, 0x80_0000]), // denormal and normal borders
        6 => rng.pick(&[0x7f7f_ffff, 0x7f00_0000, 0x00ff_ffff, 0x0100_0000]),
        7 => 0x3f80_0000,
        // Borders of the integer conversions: 2^7, 2^15, 2^31, 2^63, and just under.
        8 => rng.pick(&[0x4300_0000, 0x4700_0000, 0x4f00_0000, 0x5f00_0000]) - rng.below(2),
        9 => rng.pick(&[0x3f00_0000, 0x3fc0_0000, 0x4020_0000, 0x3eff_ffff, 0x3f7f_ffff]),
        10 | 11 => (0x3f80_0000 + (rng.below(64) << 23)) & 0x7f80_0000 | noise & 0x7f_ffff,
        12 => (rng.below(4096) as f32).to_bits(),
        13 => 0x3f80_0000 | noise & 0x7f_ffff,
        _ => noise & 0x7fff_ffff,
    }
}

/// A double-precision number of any class, as bits.
pub fn double(rng: &mut Rng) -> u64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let sign = (rng.bits() & 1) << 63;
    let noise = rng.bits();
    sign | match rng.below(16) {
        0 => 0,
        1 => 0x7ff0 << 48,
        2 => 0x7ff8 << 48 | noise & FRACTION >> 1,
        3 => 0x7ff0 << 48 | 1 | noise & FRACTION >> 1,
        4 => 1 + (noise & (FRACTION - 1)),
        5 => rng.pick(&[1, FRACTION, 1 << 52]),
        6 => rng.pick(&[0x7fef << 48 | FRACTION, 0x7fe0 << 48, 0x001f << 48 | FRACTION]),
        7 => 0x3ff0 << 48,
        // 2^15, 2^31, 2^32, 2^63, the borders of single precision, and just under.
        8 => {
            let top = rng.pick(&[0x40e0, 0x41e0, 0x41f0, 0x43e0, 0x47f0, 0x47ef, 0x3810, 0x3690]);
            (top << 48) - u64::from(rng.below(2))
        }
        9 => rng.pick(&[0x3fe0 << 48, 0x3ff8 << 48, 0x4004 << 48, (0x3fe0 << 48) - 1]),
        10 | 11 => ((0x3ff0 + (u64::from(rng.below(72)) << 4)) << 48) | noise & FRACTION,
        12 => f64::from(single_number(rng)).to_bits() & !(1 << 63),
        13 => f64::from(rng.word() as i32).abs().to_bits(),
        _ => noise & !(1 << 63),
    }
}

fn single_number(rng: &mut Rng) -> f32 {
    f32::from_bits(rng.word() % 0x7f80_0000)
}

/// An 80-bit extended number of any class, unsupported encodings included, as its ten bytes.
pub fn extended(rng: &mut Rng) -> [u8; 10] {
    const ONE: u64 = 1 << 63;
    let noise = rng.bits();
    let (exponent, significand) = match rng.below(20) {
        0 => (0, 0),
        1 => (0x7fff, ONE),
        2 => (0x7fff, 3 << 62 | noise >> 2),
        3 => (0x7fff, ONE | 1 | noise >> 2),
        4 => (0, noise >> 1 | 1),                        // denormal
        5 => (0, ONE | noise),                           // pseudo-denormal
        6 => (1 + rng.below(0x7ffe) as u16, noise >> 1), // unnormal
        7 => (0x7fff, noise >> 1),                       // pseudo-NaN, pseudo-infinity
        8 => (0x3fff, ONE),
        9 => (rng.pick(&[1, 0x7ffe]), ONE | noise),
        10 => (rng.pick(&[1, 0x7ffe]), rng.pick(&[ONE, u64::MAX])),
        // 2^15, 2^31, 2^63, 10^18 and the borders of the narrower formats.
        11 => (rng.pick(&[0x400e, 0x401e, 0x403e, 0x403a, 0x407f, 0x43ff, 0x3f80, 0x3c00]), ONE),
        12 => {
            let e = rng.pick(&[0x400d, 0x401d, 0x403d, 0x403a, 0x407e, 0x43fe, 0x3f80, 0x3c00]);
            (e, rng.pick(&[u64::MAX, !0x7ff, !0xff_ffff_ffff, u64::MAX - 1]))
        }
        13 => (0x3ffe, rng.pick(&[ONE, ONE | 1, u64::MAX])),
        14 => (0x403a, 0xde0b_6b3a_7640_0000 - u64::from(rng.below(2))),
        15 | 16 => (0x3fff - 8 + rng.below(76) as u16, ONE | noise),
        17 => (0x3fff + rng.below(20) as u16, ONE | noise << 44),
        _ => (1 + rng.below(0x7ffe) as u16, ONE | noise),
    };
    let sign = (rng.byte() as u16 & 1) << 15;
    let mut out = [0; 10];
    out[..8].copy_from_slice(&significand.to_le_bytes());
    out[8..].copy_from_slice(&(exponent | sign).to_le_bytes());
    out
}

/// 18 packed decimal digits and a sign, sometimes with digits that are none.
pub fn packed_decimal(rng: &mut Rng) -> [u8; 10] {
    let mut out = [0; 10];
    rng.fill(&mut out);
    if !rng.one_in(8) {
        for byte in &mut out[..9] {
            *byte = (((*byte >> 4) % 10) << 4) | ((*byte & 15) % 10);
        }
        out[9] &= 0x80;
    }
    out
}

/// 16 bytes as the operands of integer, single, double and extended instructions want them.
pub fn vector(rng: &mut Rng) -> [u8; 16] {
    let mut out = [0; 16];
    match rng.below(8) {
        0..=2 => {
            for lane in out.chunks_exact_mut(4) {
                lane.copy_from_slice(&single(rng).to_le_bytes());
            }
        }
        3..=5 => {
            for lane in out.chunks_exact_mut(8) {
                lane.copy_from_slice(&double(rng).to_le_bytes());
            }
        }
        6 => {
            for lane in out.chunks_exact_mut(4) {
                lane.copy_from_slice(&integer(rng).to_le_bytes());
            }
        }
        _ => rng.fill(&mut out),
    }
    out
}

/// Fills memory with operands of all kinds.
pub fn memory(rng: &mut Rng, out: &mut [u8]) {
    for chunk in out.chunks_mut(16) {
        let mut bytes = vector(rng);
        match rng.below(8) {
            0 => bytes[..10].copy_from_slice(&extended(rng)),
            1 => bytes[..10].copy_from_slice(&packed_decimal(rng)),
            _ => {}
        }
        let len = chunk.len();
        chunk.copy_from_slice(&bytes[..len]);
    }
}

/// An x87 control word: mostly all masked, every precision and rounding.
pub fn control_word(rng: &mut Rng) -> u16 {
    let masks = match rng.below(4) {
        0..=2 => 0x3f,
        _ => rng.byte() as u16 & 0x3f,
    };
    0x40 | masks | rng.pick(&[0x000, 0x200, 0x300, 0x300]) | (rng.byte() as u16 & 3) << 10
}

/// An MXCSR value without reserved bits: mostly all masked, every rounding, FZ and DAZ at times.
pub fn mxcsr(rng: &mut Rng) -> u32 {
    let masks = if rng.below(4) < 3 { 0x1f80 } else { rng.word() & 0x1f80 };
    let rounding = (rng.word() & 3) << 13;
    let flags = if rng.one_in(2) { 0 } else { rng.word() & 0x3f };
    let flush = if rng.one_in(4) { 0x8000 } else { 0 };
    let daz = if rng.one_in(4) { 0x40 } else { 0 };
    masks | rounding | flags | flush | daz
}

/// Arithmetic flags at random and DF one time in four.
pub fn eflags(rng: &mut Rng) -> u32 {
    let df = if rng.one_in(4) { Eflags::DF.bits() } else { 0 };
    Eflags::FIXED_ONE | rng.word() & Eflags::ARITH.bits() | df
}

/// x87, MMX and SSE state. One time in eight an x87 exception is pending (an unmasked flag with ES).
pub fn fpu(rng: &mut Rng) -> FpuImage {
    let mut image = FpuImage::reset();
    let out = &mut image.0;
    let control = control_word(rng);
    let mut status = (rng.byte() as u16 & 0x47) << 8 | (rng.byte() as u16 & 7) << 11;
    if rng.one_in(3) {
        status |= rng.byte() as u16 & 0x7f;
    }
    if !rng.one_in(8) {
        status &= !(!control & 0x3f);
    }
    if status & !control & 0x3f != 0 {
        status |= 0x8080; // ES and B follow from the flags and masks.
    }
    let tags = match rng.below(4) {
        0 => 0xff,
        1 => 0,
        _ => rng.byte(),
    };
    out[0..2].copy_from_slice(&control.to_le_bytes());
    out[2..4].copy_from_slice(&status.to_le_bytes());
    out[4] = tags;
    out[24..28].copy_from_slice(&mxcsr(rng).to_le_bytes());
    for k in 0..8 {
        let at = 32 + 16 * k;
        out[at..at + 10].copy_from_slice(&extended(rng));
        if rng.one_in(6) {
            out[at + 8..at + 10].fill(0xff); // As MMX instructions leave it.
        }
        let at = 160 + 16 * k;
        out[at..at + 16].copy_from_slice(&vector(rng));
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::FpCategory;

    #[test]
    fn every_class_of_float_occurs() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 5];
        let mut signalling = false;
        for _ in 0..1000 {
            let x = f64::from_bits(double(&mut rng));
            let class = [
                FpCategory::Nan,
                FpCategory::Infinite,
                FpCategory::Zero,
                FpCategory::Subnormal,
                FpCategory::Normal,
            ];
            let at = class.iter().position(|c| *c == x.classify()).unwrap();
            seen[at] = true;
            signalling |= x.is_nan() && x.to_bits() >> 51 & 1 == 0;
        }
        assert_eq!(seen, [true; 5]);
        assert!(signalling);
    }

    #[test]
    fn the_error_summary_follows_flags_and_masks() {
        let mut rng = Rng::new(2);
        let mut pending = 0;
        for _ in 0..1000 {
            let image = fpu(&mut rng);
            let unmasked = image.fsw() & !image.fcw() & 0x3f != 0;
            assert_eq!(image.fsw() & 0x8080 == 0x8080, unmasked);
            assert_eq!(image.mxcsr() & !0xffff, 0);
            pending += u32::from(unmasked);
        }
        assert!(pending > 0 && pending < 500, "{pending} of 1000 pending");
    }
}
