//! Later instructions on general registers: MOVBE, those of BMI1, BMI2 and LZCNT, ADCX and ADOX. SDM volume 2, under these names.
//!
//! Most are encoded with a VEX prefix, which real and V86 mode do not know (SDM volume 2, 2.3).

use super::alu::Binary;
use super::arith::binary;
use super::bit_alu as bits;
use super::size::{by_size, operand_size};
use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::{CpuState, Gpr};
use iced_x86::{Code, EncodingKind, Instruction, Mnemonic as M, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Movbe_r16_m16 | C::Movbe_m16_r16 => return Some(movbe::<B, 2>),
        C::Movbe_r32_m32 | C::Movbe_m32_r32 => return Some(movbe::<B, 4>),
        C::Movbe_r64_m64 | C::Movbe_m64_r64 => return Some(movbe::<B, 8>),
        C::Adcx_r32_rm32 => return Some(add_with::<B, CF, 4>),
        C::Adcx_r64_rm64 => return Some(add_with::<B, CF, 8>),
        C::Adox_r32_rm32 => return Some(add_with::<B, OF, 4>),
        C::Adox_r64_rm64 => return Some(add_with::<B, OF, 8>),
        _ => {}
    }
    let size = operand_size(code, 0);
    match code.mnemonic() {
        M::Tzcnt => by_size!(size, binary, bits::Tzcnt),
        M::Lzcnt => by_size!(size, binary, bits::Lzcnt),
        _ if code.op_code().encoding() != EncodingKind::VEX => None,
        name => match size {
            Some(4) => vex::<B, 4>(name),
            Some(8) => vex::<B, 8>(name),
            _ => None,
        },
    }
}

fn vex<B: Bus, const N: u32>(name: M) -> Option<Handler<B>> {
    Some(match name {
        M::Andn => flagged::<B, bits::Andn, N>,
        M::Bextr => flagged::<B, bits::Bextr, N>,
        M::Bzhi => flagged::<B, bits::Bzhi, N>,
        M::Blsi => flagged::<B, bits::Blsi, N>,
        M::Blsmsk => flagged::<B, bits::Blsmsk, N>,
        M::Blsr => flagged::<B, bits::Blsr, N>,
        M::Pdep => silent::<B, Deposit, N>,
        M::Pext => silent::<B, Extract, N>,
        M::Rorx => silent::<B, RotateRight, N>,
        M::Sarx => silent::<B, ShiftArithmetic, N>,
        M::Shlx => silent::<B, ShiftLeft, N>,
        M::Shrx => silent::<B, ShiftRight, N>,
        M::Mulx => mulx::<B, N>,
        _ => return None,
    })
}

/// #UD where there are no VEX prefixes.
///
/// # Errors
/// #UD in real and V86 mode.
pub(super) fn require_vex(s: &CpuState) -> Result<(), Exception> {
    if s.protected() && !s.v86() { Ok(()) } else { Err(Exception::ud()) }
}

/// The last two operands, and before them nothing where there is only one source.
fn sources<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(u64, u64), Exception> {
    let last = i.op_count() - 1;
    let first = if last > 1 { ctx.read_op(i, 1, N)? } else { 0 };
    Ok((first, ctx.read_op(i, last, N)?))
}

fn flagged<B: Bus, O: Binary, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    require_vex(ctx.s)?;
    let (a, b) = sources::<B, N>(ctx, i)?;
    let result = O::run::<N>(&mut ctx.s.eflags, a, b);
    ctx.set_reg(i.op0_register(), N, result);
    Ok(())
}

/// An operation on numbers of `N` bytes, zero-extended, that leaves the flags alone. What the result has beyond them is cut.
trait Silent {
    fn run<const N: u32>(a: u64, b: u64) -> u64;
}

fn silent<B: Bus, O: Silent, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    require_vex(ctx.s)?;
    let (a, b) = sources::<B, N>(ctx, i)?;
    ctx.set_reg(i.op0_register(), N, O::run::<N>(a, b));
    Ok(())
}

/// A count as shifts of `N` bytes take it.
fn count<const N: u32>(b: u64) -> u32 {
    b as u32 & (8 * N - 1)
}

struct Deposit;

impl Silent for Deposit {
    /// The low bits of `a` at the places where `mask` has ones.
    fn run<const N: u32>(a: u64, mut mask: u64) -> u64 {
        let (mut out, mut k) = (0, 0);
        while mask != 0 {
            let place = mask & mask.wrapping_neg();
            if a >> k & 1 != 0 {
                out |= place;
            }
            mask ^= place;
            k += 1;
        }
        out
    }
}

struct Extract;

impl Silent for Extract {
    /// The bits of `a` where `mask` has ones, side by side.
    fn run<const N: u32>(a: u64, mut mask: u64) -> u64 {
        let (mut out, mut k) = (0, 0);
        while mask != 0 {
            let place = mask & mask.wrapping_neg();
            out |= u64::from(a & place != 0) << k;
            mask ^= place;
            k += 1;
        }
        out
    }
}

struct RotateRight;

impl Silent for RotateRight {
    fn run<const N: u32>(a: u64, b: u64) -> u64 {
        match N {
            4 => u64::from((a as u32).rotate_right(count::<N>(b))),
            _ => a.rotate_right(count::<N>(b)),
        }
    }
}

struct ShiftArithmetic;

impl Silent for ShiftArithmetic {
    fn run<const N: u32>(a: u64, b: u64) -> u64 {
        let unused = 64 - 8 * N;
        ((a << unused) as i64 >> unused >> count::<N>(b)) as u64
    }
}

struct ShiftLeft;

impl Silent for ShiftLeft {
    fn run<const N: u32>(a: u64, b: u64) -> u64 {
        a << count::<N>(b)
    }
}

struct ShiftRight;

impl Silent for ShiftRight {
    fn run<const N: u32>(a: u64, b: u64) -> u64 {
        a >> count::<N>(b)
    }
}

/// EDX or RDX times the source. With one register for both halves the high one stays.
fn mulx<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_vex(ctx.s)?;
    let product = u128::from(ctx.read_op(i, 2, N)?) * u128::from(ctx.gpr_low(Gpr::Edx, N));
    ctx.set_reg(i.op1_register(), N, product as u64);
    ctx.set_reg(i.op0_register(), N, (product >> (8 * N)) as u64);
    Ok(())
}

const CF: u32 = Eflags::CF.bits();
const OF: u32 = Eflags::OF.bits();

/// An addition whose carry, in and out, is one flag; no other changes.
fn add_with<B: Bus, const CARRY: u32, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (a, b) = (ctx.read_op(i, 0, N)?, ctx.read_op(i, 1, N)?);
    let sum = u128::from(a) + u128::from(b) + u128::from(ctx.s.eflags & CARRY != 0);
    ctx.set_reg(i.op0_register(), N, sum as u64);
    let carry = sum >> (8 * N) != 0;
    ctx.s.eflags = if carry { ctx.s.eflags | CARRY } else { ctx.s.eflags & !CARRY };
    Ok(())
}

/// A move between a register and memory, bytes in reverse.
fn movbe<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let reverse = |value: u64| value.swap_bytes() >> (64 - 8 * N);
    let (seg, off) = ctx.ea(i);
    if i.op0_kind() == OpKind::Register {
        let value = ctx.read_sized(seg, off, N)?;
        ctx.set_reg(i.op0_register(), N, reverse(value));
        return Ok(());
    }
    let value = ctx.reg(i.op1_register(), N);
    ctx.write_sized(seg, off, N, reverse(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_deposited_and_extracted_by_a_mask() {
        assert_eq!(Deposit::run::<4>(0b1011, 0x8000_1110), 0x8000_0110);
        assert_eq!(Extract::run::<4>(0x8000_0110, 0x8000_1110), 0b1011);
        assert_eq!(Extract::run::<8>(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(Deposit::run::<8>(0b101, 7 << 61), 5 << 61);
        assert_eq!((Deposit::run::<4>(5, 0), ShiftLeft::run::<4>(3, 33)), (0, 6));
        assert_eq!(ShiftArithmetic::run::<4>(0x8000_0000, 31) as u32, u32::MAX);
        assert_eq!(ShiftArithmetic::run::<8>(1 << 63, 127), u64::MAX);
        assert_eq!(RotateRight::run::<4>(1, 33), 0x8000_0000);
        assert_eq!(RotateRight::run::<8>(1, 65), 1 << 63);
    }
}
