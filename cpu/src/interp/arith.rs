//! Addition and subtraction: ADD ADC SUB SBB CMP INC DEC NEG XADD CMPXCHG CMPXCHG8B CMPXCHG16B.

use super::alu::{self, Binary, Unary};
use super::ctx::linear_in_64;
use super::operand::{Place, write_gpr};
use super::size::{by_size, operand_size};
use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::Gpr;
use iced_x86::{Code, Instruction, Mnemonic as M, Register};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let size = operand_size(code, 0);
    match code.mnemonic() {
        M::Add => by_size!(size, binary, alu::Add),
        M::Adc => by_size!(size, binary, alu::Adc),
        M::Sub => by_size!(size, binary, alu::Sub),
        M::Sbb => by_size!(size, binary, alu::Sbb),
        M::Cmp => by_size!(size, compare, alu::Sub),
        M::Inc => by_size!(size, unary, alu::Inc),
        M::Dec => by_size!(size, unary, alu::Dec),
        M::Neg => by_size!(size, unary, alu::Neg),
        M::Xadd => by_size!(size, xadd),
        M::Cmpxchg => by_size!(size, cmpxchg),
        M::Cmpxchg8b => Some(cmpxchg8b::<B>),
        M::Cmpxchg16b => Some(cmpxchg16b::<B>),
        _ => None,
    }
}

/// destination = destination op source, with the operation's flags.
pub(super) fn binary<B: Bus, O: Binary, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (place, a) = ctx.open(i, N)?;
    let b = ctx.read_op(i, 1, N)?;
    let mut flags = ctx.s.eflags;
    let result = O::run::<N>(&mut flags, a, b);
    ctx.close(place, N, result)?;
    ctx.s.eflags = flags;
    Ok(())
}

/// Only the flags of destination op source.
pub(super) fn compare<B: Bus, O: Binary, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let a = ctx.read_op(i, 0, N)?;
    let b = ctx.read_op(i, 1, N)?;
    O::run::<N>(&mut ctx.s.eflags, a, b);
    Ok(())
}

/// destination = op destination, with the operation's flags.
pub(super) fn unary<B: Bus, O: Unary, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (place, a) = ctx.open(i, N)?;
    let mut flags = ctx.s.eflags;
    let result = O::run::<N>(&mut flags, a);
    ctx.close(place, N, result)?;
    ctx.s.eflags = flags;
    Ok(())
}

/// The source gets the old destination, then the destination the sum: with one register for both,
/// the sum stays.
fn xadd<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let (place, a) = ctx.open(i, N)?;
    let source = i.op1_register();
    let b = ctx.reg(source, N);
    let mut flags = ctx.s.eflags;
    let sum = alu::Add::run::<N>(&mut flags, a, b);
    if let Place::Mem(..) = place {
        ctx.close(place, N, sum)?;
        ctx.set_reg(source, N, a);
    } else {
        ctx.set_reg(source, N, a);
        ctx.close(place, N, sum)?;
    }
    ctx.s.eflags = flags;
    Ok(())
}

/// Memory is written in either case: its old value when the comparison fails. A register stays then, with its upper half.
fn cmpxchg<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let accumulator = match N {
        1 => Register::AL,
        2 => Register::AX,
        4 => Register::EAX,
        _ => Register::RAX,
    };
    let (place, old) = ctx.open(i, N)?;
    let expected = ctx.reg(accumulator, N);
    let new = ctx.reg(i.op1_register(), N);
    let mut flags = ctx.s.eflags;
    alu::Sub::run::<N>(&mut flags, expected, old);
    if expected == old {
        ctx.close(place, N, new)?;
    } else {
        if matches!(place, Place::Mem(..)) {
            ctx.close(place, N, old)?;
        }
        write_gpr(ctx.s, accumulator, N, old);
    }
    ctx.s.eflags = flags;
    Ok(())
}

/// Compares EDX:EAX with the qword, which is written in either case. Only ZF changes.
fn cmpxchg8b<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let (seg, off) = ctx.ea(i);
    ctx.probe_write(seg, off, 8)?;
    let mut bytes = [0; 8];
    ctx.read_mem(seg, off, &mut bytes)?;
    let old = u64::from_le_bytes(bytes);
    let pair = |hi, lo| u64::from(hi) << 32 | u64::from(lo);
    let equal = old == pair(ctx.gpr(Gpr::Edx), ctx.gpr(Gpr::Eax));
    let new = if equal { pair(ctx.gpr(Gpr::Ecx), ctx.gpr(Gpr::Ebx)) } else { old };
    ctx.write_mem(seg, off, &new.to_le_bytes())?;
    if equal {
        ctx.s.eflags |= Eflags::ZF.bits();
    } else {
        ctx.s.eflags &= !Eflags::ZF.bits();
        ctx.set_gpr(Gpr::Eax, old as u32);
        ctx.set_gpr(Gpr::Edx, (old >> 32) as u32);
    }
    Ok(())
}

/// Compares RDX:RAX with the 16 bytes, which lie at a multiple of 16 and are written in either case. Only ZF changes.
fn cmpxchg16b<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let (seg, off) = ctx.ea(i);
    if !linear_in_64(&ctx.s.seg[seg as usize], seg, off).get().is_multiple_of(16) {
        return Err(Exception::gp(0));
    }
    ctx.probe_write(seg, off, 16)?;
    let mut bytes = [0; 16];
    ctx.read_mem(seg, off, &mut bytes)?;
    let old = u128::from_le_bytes(bytes);
    let pair = |hi: Gpr, lo: Gpr| {
        u128::from(ctx.s.gpr[hi as usize]) << 64 | u128::from(ctx.s.gpr[lo as usize])
    };
    let equal = old == pair(Gpr::Edx, Gpr::Eax);
    let new = if equal { pair(Gpr::Ecx, Gpr::Ebx) } else { old };
    ctx.write_mem(seg, off, &new.to_le_bytes())?;
    if equal {
        ctx.s.eflags |= Eflags::ZF.bits();
    } else {
        ctx.s.eflags &= !Eflags::ZF.bits();
        ctx.s.gpr[Gpr::Eax as usize] = old as u64;
        ctx.s.gpr[Gpr::Edx as usize] = (old >> 64) as u64;
    }
    Ok(())
}
