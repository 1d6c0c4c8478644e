//! The host's own ALU as the definition of the guest's.
//!
//! Arithmetic flags, *the undefined ones included*, must be what translated code gets, and that runs
//! on the host natively. So each operation here is the host's instruction itself: the guest's six
//! status flags are loaded, the instruction runs, the flags are read back.
//!
//! # How flags go in and out
//! AX carries them: AH as LAHF lays them out, AL = OF. `add al, 7Fh` turns AL into the host's OF,
//! `sahf` loads the rest; `lahf` and `seto al` take them back. No stack is used, and no control
//! flag (TF, AC, NT) can get into the host's RFLAGS this way.
//!
//! This, with its instances in `bit_alu` and `rotate`, is the integer core's one module with `unsafe`: every block is register-only arithmetic;
//! those that could raise a host exception (DIV, IDIV) are behind a check.
//!
//! Sizes are 1, 2, 4 and 8 bytes; values travel zero-extended in a `u64`.

use super::operand::mask;
use crate::flags::Eflags;
use std::arch::asm;

/// The flags that travel in AH.
const LOW: u32 = 0xd5;
const OF_SHIFT: u32 = 11;

/// Lays EFLAGS out for AX.
#[inline]
pub(super) fn pack(eflags: u32) -> u16 {
    ((eflags & LOW) << 8) as u16 | ((eflags >> OF_SHIFT) & 1) as u16
}

/// Puts the status flags that came back in AX into `eflags`.
#[inline]
pub(super) fn unpack(eflags: &mut u32, ax: u16) {
    let ax = u32::from(ax);
    *eflags = (*eflags & !Eflags::ARITH.bits()) | ((ax >> 8) & LOW) | ((ax & 1) << OF_SHIFT);
}

/// An operation of a destination and a source.
pub(super) trait Binary {
    /// The result of `size` N bytes; the status flags in `eflags` become the operation's.
    fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64) -> u64;
}

/// An operation of one operand.
pub(super) trait Unary {
    /// The result of `size` N bytes; the status flags in `eflags` become the operation's.
    fn run<const N: u32>(eflags: &mut u32, a: u64) -> u64;
}

/// A shift or rotate by a count.
pub(super) trait Shift {
    /// The result of `size` N bytes; flags stay where the masked count is zero.
    fn run<const N: u32>(eflags: &mut u32, a: u64, count: u32) -> u64;
}

/// A double-precision shift (sizes 2, 4 and 8).
pub(super) trait DoubleShift {
    /// `a` shifted, filled from `b`.
    fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64, count: u32) -> u64;
}

/// One register-only host instruction between loading and saving the flags.
macro_rules! host {
    ($flags:expr, $text:expr $(, $operands:tt)*) => {{
        let mut ax = pack(*$flags);
        // SAFETY: register-only arithmetic; no memory, no stack, no exception; the flags it
        // leaves are no part of Rust's state.
        unsafe { host!(@asm ax, $text $(, $operands)*) };
        unpack($flags, ax);
    }};
    (@asm $ax:ident, $text:expr $(, ($($operand:tt)*))*) => {
        asm!(
            "add al, 0x7f", "sahf", $text, "lahf", "seto al",
            inout("ax") $ax, $($($operand)*,)* options(pure, nomem, nostack),
        )
    };
}

pub(super) use host;

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $op:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Binary for $name {
            #[inline]
            fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64) -> u64 {
                let mut d = a;
                match N {
                    1 => host!(eflags, concat!($op, " {d:l}, {s:l}"), (d = inout(reg) d), (s = in(reg) b)),
                    2 => host!(eflags, concat!($op, " {d:x}, {s:x}"), (d = inout(reg) d), (s = in(reg) b)),
                    4 => host!(eflags, concat!($op, " {d:e}, {s:e}"), (d = inout(reg) d), (s = in(reg) b)),
                    _ => host!(eflags, concat!($op, " {d}, {s}"), (d = inout(reg) d), (s = in(reg) b)),
                }
                d & mask(N)
            }
        }
    )*};
}

binary! {
    /// ADD, XADD.
    Add "add";
    /// ADC.
    Adc "adc";
    /// SUB, CMP, CMPXCHG, CMPS, SCAS.
    Sub "sub";
    /// SBB.
    Sbb "sbb";
    /// AND, TEST.
    And "and";
    /// OR.
    Or "or";
    /// XOR.
    Xor "xor";
}

/// As `binary!`, for instructions without an 8-bit form.
macro_rules! wide_binary {
    ($($(#[$doc:meta])* $name:ident $op:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Binary for $name {
            #[inline]
            fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64) -> u64 {
                let mut d = a;
                match N {
                    2 => host!(eflags, concat!($op, " {d:x}, {s:x}"), (d = inout(reg) d), (s = in(reg) b)),
                    4 => host!(eflags, concat!($op, " {d:e}, {s:e}"), (d = inout(reg) d), (s = in(reg) b)),
                    _ => host!(eflags, concat!($op, " {d}, {s}"), (d = inout(reg) d), (s = in(reg) b)),
                }
                d & mask(N)
            }
        }
    )*};
}

wide_binary! {
    /// IMUL with two or three operands.
    Imul "imul";
    /// BSF: the old destination comes in as `a` and stays when the source is zero.
    Bsf "bsf";
    /// BSR: likewise.
    Bsr "bsr";
    /// BT of a bit inside the operand.
    Bt "bt";
    /// BTS of a bit inside the operand.
    Bts "bts";
    /// BTR of a bit inside the operand.
    Btr "btr";
    /// BTC of a bit inside the operand.
    Btc "btc";
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $op:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Unary for $name {
            #[inline]
            fn run<const N: u32>(eflags: &mut u32, a: u64) -> u64 {
                let mut d = a;
                match N {
                    1 => host!(eflags, concat!($op, " {d:l}"), (d = inout(reg) d)),
                    2 => host!(eflags, concat!($op, " {d:x}"), (d = inout(reg) d)),
                    4 => host!(eflags, concat!($op, " {d:e}"), (d = inout(reg) d)),
                    _ => host!(eflags, concat!($op, " {d}"), (d = inout(reg) d)),
                }
                d & mask(N)
            }
        }
    )*};
}

unary! {
    /// INC (CF stays).
    Inc "inc";
    /// DEC (CF stays).
    Dec "dec";
    /// NEG.
    Neg "neg";
    /// NOT (no flag changes).
    Not "not";
}

macro_rules! shift {
    ($($(#[$doc:meta])* $name:ident $op:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Shift for $name {
            #[inline]
            fn run<const N: u32>(eflags: &mut u32, a: u64, count: u32) -> u64 {
                let (mut d, c) = (a, count as u8);
                match N {
                    1 => host!(eflags, concat!($op, " {d:l}, cl"), (d = inout(reg) d), (in("cl") c)),
                    2 => host!(eflags, concat!($op, " {d:x}, cl"), (d = inout(reg) d), (in("cl") c)),
                    4 => host!(eflags, concat!($op, " {d:e}, cl"), (d = inout(reg) d), (in("cl") c)),
                    _ => host!(eflags, concat!($op, " {d}, cl"), (d = inout(reg) d), (in("cl") c)),
                }
                d & mask(N)
            }
        }
    )*};
}

shift! {
    /// ROL.
    Rol "rol";
    /// ROR.
    Ror "ror";
    /// RCL.
    Rcl "rcl";
    /// RCR.
    Rcr "rcr";
    /// SHL, SAL.
    Shl "shl";
    /// SHR.
    Shr "shr";
    /// SAR.
    Sar "sar";
}

/// The one-bit forms: their own opcodes, whose OF is defined.
macro_rules! shift_once {
    ($($(#[$doc:meta])* $name:ident $op:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Unary for $name {
            #[inline]
            fn run<const N: u32>(eflags: &mut u32, a: u64) -> u64 {
                let mut d = a;
                match N {
                    1 => host!(eflags, concat!($op, " {d:l}, 1"), (d = inout(reg) d)),
                    2 => host!(eflags, concat!($op, " {d:x}, 1"), (d = inout(reg) d)),
                    4 => host!(eflags, concat!($op, " {d:e}, 1"), (d = inout(reg) d)),
                    _ => host!(eflags, concat!($op, " {d}, 1"), (d = inout(reg) d)),
                }
                d & mask(N)
            }
        }
    )*};
}

shift_once! {
    /// ROL by 1.
    Rol1 "rol";
    /// ROR by 1.
    Ror1 "ror";
    /// RCL by 1.
    Rcl1 "rcl";
    /// RCR by 1.
    Rcr1 "rcr";
    /// SHL by 1.
    Shl1 "shl";
    /// SHR by 1.
    Shr1 "shr";
    /// SAR by 1.
    Sar1 "sar";
}

macro_rules! double_shift {
    ($($(#[$doc:meta])* $name:ident $op:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl DoubleShift for $name {
            #[inline]
            fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64, count: u32) -> u64 {
                let (mut d, c) = (a, count as u8);
                match N {
                    2 => host!(eflags, concat!($op, " {d:x}, {s:x}, cl"), (d = inout(reg) d), (s = in(reg) b), (in("cl") c)),
                    4 => host!(eflags, concat!($op, " {d:e}, {s:e}, cl"), (d = inout(reg) d), (s = in(reg) b), (in("cl") c)),
                    _ => host!(eflags, concat!($op, " {d}, {s}, cl"), (d = inout(reg) d), (s = in(reg) b), (in("cl") c)),
                }
                d & mask(N)
            }
        }
    )*};
}

double_shift! {
    /// SHLD.
    Shld "shld";
    /// SHRD.
    Shrd "shrd";
}

/// One-operand MUL and IMUL.
pub(super) trait Multiply {
    /// The double-size product: low and high halves of `size` N bytes each.
    fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64) -> (u64, u64);
}

macro_rules! multiply {
    ($($(#[$doc:meta])* $name:ident $op:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Multiply for $name {
            #[inline]
            fn run<const N: u32>(eflags: &mut u32, a: u64, b: u64) -> (u64, u64) {
                // The accumulator carries the flags, so it is loaded after them.
                let (mut lo, mut hi) = (a, 0u64);
                match N {
                    1 => host!(eflags, concat!("mov al, {l:l}\n", $op, " {s:l}\nmovzx {l:e}, ax"),
                        (l = inout(reg) lo), (s = in(reg) b), (inout("rdx") hi)),
                    2 => host!(eflags, concat!("mov ax, {l:x}\n", $op, " {s:x}\nmovzx {l:e}, ax"),
                        (l = inout(reg) lo), (s = in(reg) b), (inout("rdx") hi)),
                    4 => host!(eflags, concat!("mov eax, {l:e}\n", $op, " {s:e}\nmov {l:e}, eax"),
                        (l = inout(reg) lo), (s = in(reg) b), (inout("rdx") hi)),
                    _ => host!(eflags, concat!("mov rax, {l}\n", $op, " {s}\nmov {l}, rax"),
                        (l = inout(reg) lo), (s = in(reg) b), (inout("rdx") hi)),
                }
                if N == 1 { (lo & 0xff, lo >> 8) } else { (lo, hi & mask(N)) }
            }
        }
    )*};
}

multiply! {
    /// MUL.
    MulWide "mul";
    /// IMUL.
    ImulWide "imul";
}

/// DIV and IDIV.
pub(super) trait Divide {
    /// Quotient and remainder of the double-size `hi:lo` by `d`; none where the processor raises
    /// #DE. The status flags become what the host leaves.
    fn run<const N: u32>(eflags: &mut u32, lo: u64, hi: u64, d: u64) -> Option<(u64, u64)>;
}

macro_rules! divide_on_host {
    ($eflags:expr, $op:literal, $lo:expr, $hi:expr, $d:expr) => {{
        let (mut q, mut r) = ($lo, $hi);
        match N {
            1 => {
                // The dividend is AX, and so are the two results: AL and AH.
                let mut both = ($hi << 8) | $lo;
                host!($eflags, concat!("mov ax, {l:x}\n", $op, " {s:l}\nmovzx {l:e}, ax"),
                    (l = inout(reg) both), (s = in(reg) $d));
                (q, r) = (both & 0xff, both >> 8);
            }
            2 => host!($eflags, concat!("mov ax, {l:x}\n", $op, " {s:x}\nmovzx {l:e}, ax"),
                (l = inout(reg) q), (s = in(reg) $d), (inout("rdx") r)),
            4 => host!($eflags, concat!("mov eax, {l:e}\n", $op, " {s:e}\nmov {l:e}, eax"),
                (l = inout(reg) q), (s = in(reg) $d), (inout("rdx") r)),
            _ => host!($eflags, concat!("mov rax, {l}\n", $op, " {s}\nmov {l}, rax"),
                (l = inout(reg) q), (s = in(reg) $d), (inout("rdx") r)),
        }
        Some((q & mask(N), r & mask(N)))
    }};
}

/// DIV.
pub(super) struct Div;

impl Divide for Div {
    #[inline]
    fn run<const N: u32>(eflags: &mut u32, lo: u64, hi: u64, d: u64) -> Option<(u64, u64)> {
        // Zero, or a quotient that does not fit: exactly when the high half reaches the divisor.
        if hi >= d {
            return None;
        }
        divide_on_host!(eflags, "div", lo, hi, d)
    }
}

/// IDIV.
pub(super) struct Idiv;

impl Divide for Idiv {
    #[inline]
    fn run<const N: u32>(eflags: &mut u32, lo: u64, hi: u64, d: u64) -> Option<(u64, u64)> {
        let bits = 8 * N;
        let wide = (u128::from(hi) << bits | u128::from(lo)) << (128 - 2 * bits);
        let dividend = wide as i128 >> (128 - 2 * bits);
        let divisor = i128::from((d << (64 - bits)) as i64 >> (64 - bits));
        let quotient = dividend.checked_div(divisor)?;
        let most = (1i128 << (bits - 1)) - 1;
        if quotient > most || quotient < -most - 1 {
            return None;
        }
        divide_on_host!(eflags, "idiv", lo, hi, d)
    }
}

#[cfg(test)]
#[path = "alu_tests.rs"]
mod tests;
