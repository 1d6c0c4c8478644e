//! Shifts and rotates: ROL ROR RCL RCR SHL SHR SAR, SHLD SHRD.
//!
//! The one-bit opcodes are executed as such: their flags differ from those of a count that happens
//! to be one only where flags are undefined, and those come from the host.

use super::alu::{self, DoubleShift, Shift};
use super::arith::unary;
use super::rotate::{RolImmediate, RorImmediate};
use super::size::{by_size, operand_size};
use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use iced_x86::{Code, Instruction, Mnemonic as M, OpCodeOperandKind, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let size = operand_size(code, 0);
    let count = code.op_code().op_kind(1);
    let once = count == OpCodeOperandKind::imm8_const_1;
    let immediate = count == OpCodeOperandKind::imm8;
    match (code.mnemonic(), once) {
        (M::Rol, true) => by_size!(size, unary, alu::Rol1),
        (M::Ror, true) => by_size!(size, unary, alu::Ror1),
        (M::Rcl, true) => by_size!(size, unary, alu::Rcl1),
        (M::Rcr, true) => by_size!(size, unary, alu::Rcr1),
        (M::Shl | M::Sal, true) => by_size!(size, unary, alu::Shl1),
        (M::Shr, true) => by_size!(size, unary, alu::Shr1),
        (M::Sar, true) => by_size!(size, unary, alu::Sar1),
        (M::Rol, false) if immediate => by_size!(size, rotate, RolImmediate, alu::Rol),
        (M::Ror, false) if immediate => by_size!(size, rotate, RorImmediate, alu::Ror),
        (M::Rol, false) => by_size!(size, shift, alu::Rol),
        (M::Ror, false) => by_size!(size, shift, alu::Ror),
        (M::Rcl, false) => by_size!(size, shift, alu::Rcl),
        (M::Rcr, false) => by_size!(size, shift, alu::Rcr),
        (M::Shl | M::Sal, false) => by_size!(size, shift, alu::Shl),
        (M::Shr, false) => by_size!(size, shift, alu::Shr),
        (M::Sar, false) => by_size!(size, shift, alu::Sar),
        (M::Shld, _) => by_size!(size, double_shift, alu::Shld),
        (M::Shrd, _) => by_size!(size, double_shift, alu::Shrd),
        _ => None,
    }
}

/// destination shifted by CL or an immediate.
fn shift<B: Bus, O: Shift, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (place, a) = ctx.open(i, N)?;
    let count = ctx.read_op(i, 1, 1)? as u32;
    let mut flags = ctx.s.eflags;
    let result = O::run::<N>(&mut flags, a, count);
    ctx.close(place, N, result)?;
    ctx.s.eflags = flags;
    Ok(())
}

/// destination rotated by an immediate: a register by the host's instruction with that immediate, R, memory by the one of CL, M. (Of
/// the processors seen, those that tell the two apart do so in registers alone.)
fn rotate<B: Bus, R: Shift, M: Shift, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    match i.op0_kind() {
        OpKind::Register => shift::<B, R, N>(ctx, i),
        _ => shift::<B, M, N>(ctx, i),
    }
}

/// destination shifted by CL or an immediate, filled from the source.
fn double_shift<B: Bus, O: DoubleShift, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (place, a) = ctx.open(i, N)?;
    let b = ctx.read_op(i, 1, N)?;
    let count = ctx.read_op(i, 2, 1)? as u32;
    let mut flags = ctx.s.eflags;
    let result = O::run::<N>(&mut flags, a, b, count);
    ctx.close(place, N, result)?;
    ctx.s.eflags = flags;
    Ok(())
}
