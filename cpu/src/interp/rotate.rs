//! ROL and ROR of a register by an immediate count.
//!
//! The SDM leaves their OF undefined for counts other than 1, and some processors (Intel's of the 2020s) leave another one than
//! the same rotate by CL, or of memory, does. So these are executed on the host in their own form, with the count in the instruction.

use super::alu::{Shift, host, pack, unpack};
use super::operand::mask;
use std::arch::asm;

/// One form with its count.
macro_rules! rotate {
    ($name:ident $op:literal) => {
        /// The result of `size` N bytes; the status flags in `eflags` become the operation's.
        #[inline]
        fn $name<const N: u32, const COUNT: u32>(eflags: &mut u32, a: u64) -> u64 {
            let mut d = a;
            match N {
                1 => host!(eflags, concat!($op, " {d:l}, {c}"), (d = inout(reg) d), (c = const COUNT)),
                2 => host!(eflags, concat!($op, " {d:x}, {c}"), (d = inout(reg) d), (c = const COUNT)),
                4 => host!(eflags, concat!($op, " {d:e}, {c}"), (d = inout(reg) d), (c = const COUNT)),
                _ => host!(eflags, concat!($op, " {d}, {c}"), (d = inout(reg) d), (c = const COUNT)),
            }
            d & mask(N)
        }
    };
}

rotate!(left "rol");
rotate!(right "ror");

/// Calls the form whose count is the lowest five bits of a number, with `$more` added to it.
macro_rules! by_count {
    ($form:ident, $count:expr, $more:literal, $flags:expr, $a:expr) => {
        by_count!(@ $form, $count, $more, $flags, $a,
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    (@ $form:ident, $count:expr, $more:literal, $flags:expr, $a:expr, $($n:literal)*) => {
        match $count & 31 {
            $($n => $form::<N, { $n + $more }>($flags, $a),)*
            _ => $a,
        }
    };
}

macro_rules! by_immediate {
    ($($(#[$doc:meta])* $name:ident $form:ident;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Shift for $name {
            fn run<const N: u32>(eflags: &mut u32, a: u64, count: u32) -> u64 {
                match N == 8 && count & 32 != 0 {
                    false => by_count!($form, count, 0, eflags, a),
                    true => by_count!($form, count, 32, eflags, a),
                }
            }
        }
    )*};
}

by_immediate! {
    /// ROL.
    RolImmediate left;
    /// ROR.
    RorImmediate right;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interp::alu::{Rol, Ror};

    /// Alike but for OF, and that only where it is undefined.
    fn agree<const N: u32, A: Shift, B: Shift>(count: u32, a: u64) {
        const OF: u32 = 1 << 11;
        let (mut one, mut other) = (0x8d7, 0x8d7);
        let results = (A::run::<N>(&mut one, a, count), B::run::<N>(&mut other, a, count));
        assert_eq!(results.0, results.1, "{a:x} by {count}, {N} bytes");
        let masked = count & if N == 8 { 63 } else { 31 };
        let undefined = if masked > 1 { OF } else { 0 };
        assert_eq!((one ^ other) & !undefined, 0, "{a:x} by {count}, {N} bytes");
    }

    #[test]
    fn each_count_rotates_as_it_does_in_cl() {
        for count in 0..=255 {
            for a in [1, 0x80, 0x8123_4567_89ab_cdef, 0x7fff_8000_0180_7f80, u64::MAX, 0] {
                agree::<1, RolImmediate, Rol>(count, a & 0xff);
                agree::<2, RorImmediate, Ror>(count, a & 0xffff);
                agree::<4, RolImmediate, Rol>(count, a & 0xffff_ffff);
                agree::<4, RorImmediate, Ror>(count, a & 0xffff_ffff);
                agree::<8, RolImmediate, Rol>(count, a);
                agree::<8, RorImmediate, Ror>(count, a);
            }
        }
    }
}
