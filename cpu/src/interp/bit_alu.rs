//! The operations of BMI1, BMI2 and LZCNT that leave flags: the host's own where it has them, so that undefined flags too are
//! what translated code gets (see [`super::alu`]); computed where it has not, with undefined flags clear.

use super::alu::{Binary, host, pack, unpack};
use super::operand::mask;
use crate::flags::Eflags;
use std::arch::{asm, is_x86_feature_detected};

/// A result of `size` N bytes and its ZF and SF; CF as given, the rest clear.
fn finish<const N: u32>(eflags: &mut u32, result: u64, carry: bool) -> u64 {
    let result = result & mask(N);
    let mut flags = Eflags::empty();
    flags.set(Eflags::CF, carry);
    flags.set(Eflags::ZF, result == 0);
    flags.set(Eflags::SF, result >> (8 * N - 1) != 0);
    *eflags = *eflags & !Eflags::ARITH.bits() | flags.bits();
    result
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $op:literal $feature:tt $count:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Binary for $name {
            fn run<const N: u32>(eflags: &mut u32, _: u64, source: u64) -> u64 {
                if !is_x86_feature_detected!($feature) {
                    let count: fn(u64, u32) -> u32 = $count;
                    let result = finish::<N>(eflags, u64::from(count(source, 8 * N)), source == 0);
                    *eflags &= !Eflags::SF.bits();
                    return result;
                }
                let mut d = 0_u64;
                match N {
                    2 => host!(eflags, concat!($op, " {d:x}, {s:x}"), (d = inout(reg) d), (s = in(reg) source)),
                    4 => host!(eflags, concat!($op, " {d:e}, {s:e}"), (d = inout(reg) d), (s = in(reg) source)),
                    _ => host!(eflags, concat!($op, " {d}, {s}"), (d = inout(reg) d), (s = in(reg) source)),
                }
                d & mask(N)
            }
        }
    )*};
}

counts! {
    /// TZCNT: CF says that the source is zero.
    Tzcnt "tzcnt" "bmi1" |source, bits| source.trailing_zeros().min(bits);
    /// LZCNT: likewise.
    Lzcnt "lzcnt" "lzcnt" |source, bits| source.leading_zeros() - (64 - bits);
}

macro_rules! lowest_bit {
    ($($(#[$doc:meta])* $name:ident $op:literal $result:expr, $carry:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Binary for $name {
            fn run<const N: u32>(eflags: &mut u32, _: u64, source: u64) -> u64 {
                if !is_x86_feature_detected!("bmi1") {
                    let (result, carry): (fn(u64) -> u64, fn(u64) -> bool) = ($result, $carry);
                    return finish::<N>(eflags, result(source), carry(source));
                }
                let mut d = 0_u64;
                match N {
                    4 => host!(eflags, concat!($op, " {d:e}, {s:e}"), (d = inout(reg) d), (s = in(reg) source)),
                    _ => host!(eflags, concat!($op, " {d}, {s}"), (d = inout(reg) d), (s = in(reg) source)),
                }
                d
            }
        }
    )*};
}

lowest_bit! {
    /// BLSI: the lowest set bit alone.
    Blsi "blsi" |s| s & s.wrapping_neg(), |s| s != 0;
    /// BLSMSK: ones up to the lowest set bit.
    Blsmsk "blsmsk" |s| s ^ s.wrapping_sub(1), |s| s == 0;
    /// BLSR: without the lowest set bit.
    Blsr "blsr" |s| s & s.wrapping_sub(1), |s| s == 0;
}

/// An operation of two sources.
macro_rules! two_sources {
    ($($(#[$doc:meta])* $name:ident $op:literal $feature:tt $result:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Binary for $name {
            fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64) -> u64 {
                if !is_x86_feature_detected!($feature) {
                    let result: fn(u64, u64, u32) -> (u64, bool) = $result;
                    let (result, carry) = result(a, b, 8 * N);
                    return finish::<N>(eflags, result, carry);
                }
                let mut d = a;
                match N {
                    4 => host!(eflags, concat!($op, " {d:e}, {d:e}, {s:e}"), (d = inout(reg) d), (s = in(reg) b)),
                    _ => host!(eflags, concat!($op, " {d}, {d}, {s}"), (d = inout(reg) d), (s = in(reg) b)),
                }
                d
            }
        }
    )*};
}

two_sources! {
    /// ANDN: the second source, where the first has zeros.
    Andn "andn" "bmi1" |a, b, _| (!a & b, false);
    /// BEXTR: the bits of the first source that the second names, by first bit and length.
    Bextr "bextr" "bmi1" |a, b, _| {
        let (first, len) = (b as u8, (b >> 8) as u8);
        let shifted = a.checked_shr(u32::from(first)).unwrap_or(0);
        (shifted & low_bits(len), false)
    };
    /// BZHI: the bits of the first source below the one that the second names; CF says that there is none.
    Bzhi "bzhi" "bmi2" |a, b, bits| (a & low_bits(b as u8), u32::from(b as u8) >= bits);
}

/// So many ones.
fn low_bits(count: u8) -> u64 {
    1_u64.checked_shl(u32::from(count)).map_or(u64::MAX, |bit| bit - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags that each operation defines.
    const CZ: u32 = Eflags::CF.bits() | Eflags::ZF.bits();
    const CZSO: u32 = CZ | Eflags::SF.bits() | Eflags::OF.bits();

    fn run<O: Binary>(a: u64, b: u64, defined: u32) -> (u64, u32) {
        let mut flags = Eflags::ARITH.bits();
        let result = O::run::<4>(&mut flags, a, b);
        (result, flags & defined)
    }

    #[test]
    fn counts_are_of_the_operand_s_size() {
        let (c, z) = (Eflags::CF.bits(), Eflags::ZF.bits());
        assert_eq!(run::<Tzcnt>(0, 0, CZ), (32, c));
        assert_eq!(run::<Tzcnt>(0, 1, CZ), (0, z));
        assert_eq!(run::<Tzcnt>(0, 8, CZ), (3, 0));
        assert_eq!(run::<Lzcnt>(0, 0, CZ), (32, c));
        assert_eq!(run::<Lzcnt>(0, 0x8000_0000, CZ), (0, z));
        let mut flags = 0;
        assert_eq!(Lzcnt::run::<2>(&mut flags, 0, 1), 15);
        assert_eq!(Tzcnt::run::<2>(&mut flags, 0, 0), 16);
    }

    #[test]
    fn fields_and_lowest_bits_are_as_the_manual_has_them() {
        let (c, z, s) = (Eflags::CF.bits(), Eflags::ZF.bits(), Eflags::SF.bits());
        assert_eq!(run::<Blsi>(0, 0x58, CZSO), (8, c));
        assert_eq!(run::<Blsi>(0, 0, CZSO), (0, z));
        assert_eq!(run::<Blsr>(0, 0x58, CZSO), (0x50, 0));
        assert_eq!(run::<Blsmsk>(0, 0x58, CZSO), (0xf, 0));
        assert_eq!(run::<Blsmsk>(0, 0, CZSO & !z), (0xffff_ffff, c | s));
        assert_eq!(run::<Andn>(0xf0, 0x8000_00ff, CZSO), (0x8000_000f, s));
        assert_eq!(run::<Bextr>(0x1234_5678, 0x0804, CZ), (0x67, 0));
        assert_eq!(run::<Bextr>(0x1234_5678, 0x0820, CZ), (0, z));
        assert_eq!(run::<Bzhi>(0xffff_ffff, 0x104, CZSO), (0xf, 0));
        assert_eq!(run::<Bzhi>(0xffff_ffff, 32, CZSO), (0xffff_ffff, c | s));
    }

    /// What is computed is what the host does, but for flags that are undefined.
    #[test]
    fn fields_have_no_more_bits_than_there_are() {
        assert_eq!(
            (low_bits(0), low_bits(3), low_bits(64), low_bits(255)),
            (0, 7, u64::MAX, u64::MAX)
        );
        let mut flags = 0;
        assert_eq!(finish::<4>(&mut flags, 1 << 32, true), 0);
        assert_eq!(flags, CZ);
    }
}
