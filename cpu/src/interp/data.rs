//! Data movement: MOV XCHG MOVZX MOVSX CMOVcc SETcc BSWAP LEA XLAT, sign extensions of the
//! accumulator, BOUND, and NOP in all its encodings.
//!
//! MOV to and from segment, control and debug registers belongs to `sys`.

use super::branch::{by_condition, holds};
use super::operand::offset_mask;
use super::size::{by_size, operand_size};
use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::{Exception, Vector};
use crate::state::Gpr;
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    let size = operand_size(code, 0);
    match code.mnemonic() {
        M::Mov => mov_size(code).and_then(|n| by_size!(Some(n), mov)),
        M::Xchg => by_size!(size, xchg),
        M::Movzx => extension(code, size, [movzx::<B, 1>, movzx::<B, 2>]),
        M::Movsx => extension(code, size, [movsx::<B, 1>, movsx::<B, 2>]),
        M::Movsxd => by_size!(operand_size(code, 1), movsx),
        M::Bswap => by_size!(size, bswap),
        M::Lea => by_size!(size, lea),
        M::Xlatb => Some(xlat::<B>),
        M::Cbw => Some(cbw::<B>),
        M::Cwde => Some(cwde::<B>),
        M::Cwd => Some(cwd::<B>),
        M::Cdq => Some(cdq::<B>),
        M::Cdqe => Some(cdqe::<B>),
        M::Cqo => Some(cqo::<B>),
        M::Bound => match code {
            C::Bound_r16_m1616 => Some(bound::<B, 2>),
            _ => Some(bound::<B, 4>),
        },
        M::Nop | M::Pause | M::Reservednop | M::Endbr32 | M::Endbr64 | M::Cldemote => {
            Some(nop::<B>)
        }
        M::Rdsspd | M::Rdsspq => Some(nop::<B>),
        M::Prefetch | M::Prefetchw => Some(nop::<B>),
        _ => conditional(code, size),
    }
}

/// SETcc and CMOVcc.
fn conditional<B: Bus>(code: Code, size: Option<u32>) -> Option<Handler<B>> {
    let mut i = Instruction::default();
    i.set_code(code);
    let condition = i.condition_code() as u8;
    if i.is_jcc_short_or_near() || i.is_loop() || i.is_loopcc() || condition == 0 {
        return None;
    }
    match (code.op_code().op_count(), size) {
        (1, Some(1)) => by_condition!(condition - 1, setcc),
        (2, Some(2)) => by_condition!(condition - 1, cmov16),
        (2, Some(4)) => by_condition!(condition - 1, cmov32),
        (2, Some(8)) => by_condition!(condition - 1, cmov64),
        _ => None,
    }
}

/// The size of a MOV between general registers, memory and immediates.
fn mov_size(code: Code) -> Option<u32> {
    use iced_x86::OpCodeOperandKind as K;
    let (to, from) = (operand_size(code, 0), operand_size(code, 1));
    let info = code.op_code();
    match (info.op_kind(0), info.op_kind(1)) {
        (K::mem_offs, _) => from,
        (_, K::mem_offs | K::imm8 | K::imm16 | K::imm32 | K::imm32sex64 | K::imm64) => to,
        _ if to == from => to,
        _ => None,
    }
}

fn mov<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let value = ctx.read_op(i, 1, N)?;
    ctx.write_op(i, 0, N, value)
}

/// Memory is written before the register, so that a fault leaves both.
fn xchg<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let (place, old) = ctx.open(i, N)?;
    let source = i.op1_register();
    let new = ctx.reg(source, N);
    ctx.close(place, N, new)?;
    ctx.set_reg(source, N, old);
    Ok(())
}

/// The extension from source size 1 or 2; the destination's size is read off the instruction.
fn extension<B: Bus>(code: Code, size: Option<u32>, from: [Handler<B>; 2]) -> Option<Handler<B>> {
    size?;
    match operand_size(code, 1) {
        Some(1) => Some(from[0]),
        Some(2) => Some(from[1]),
        _ => None,
    }
}

/// The size of the register in operand 0, 2, 4 or 8.
fn register_size(i: &Instruction) -> u32 {
    i.op0_register().size() as u32
}

fn movzx<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let value = ctx.read_op(i, 1, N)?;
    ctx.set_reg(i.op0_register(), register_size(i), value);
    Ok(())
}

fn movsx<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let value = ctx.read_op(i, 1, N)?;
    let shift = 64 - 8 * N;
    let extended = ((value << shift) as i64 >> shift) as u64;
    ctx.set_reg(i.op0_register(), register_size(i), extended);
    Ok(())
}

fn setcc<B: Bus, const CC: u8>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let value = u32::from(holds::<CC>(ctx.s.eflags));
    ctx.write_op(i, 0, 1, value)
}

fn cmov16<B: Bus, const CC: u8>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    cmov::<B, CC, 2>(ctx, i)
}

fn cmov32<B: Bus, const CC: u8>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    cmov::<B, CC, 4>(ctx, i)
}

fn cmov64<B: Bus, const CC: u8>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    cmov::<B, CC, 8>(ctx, i)
}

/// The source is read, and faults, whether or not the condition holds.
fn cmov<B: Bus, const CC: u8, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let value = ctx.read_op(i, 1, N)?;
    if holds::<CC>(ctx.s.eflags) {
        ctx.set_reg(i.op0_register(), N, value);
    } else if N == 4 {
        // The upper half is cleared all the same (SDM volume 2, CMOVcc).
        let old = ctx.reg(i.op0_register(), N);
        ctx.set_reg(i.op0_register(), N, old);
    }
    Ok(())
}

/// The 16-bit form is undefined by the SDM; processors clear the word.
fn bswap<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let r = i.op0_register();
    let value = if N == 2 { 0 } else { ctx.reg(r, N).swap_bytes() >> (64 - 8 * N) };
    ctx.set_reg(r, N, value);
    Ok(())
}

fn lea<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let offset = ctx.ea_offset(i);
    ctx.set_reg(i.op0_register(), N, offset);
    Ok(())
}

/// AL = byte at seg:[(E)BX + AL].
fn xlat<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let al = ctx.gpr_low(Gpr::Eax, 1);
    let off = ctx.s.gpr[Gpr::Ebx as usize].wrapping_add(al) & offset_mask(i);
    let value = ctx.read_u8(ctx.data_segment(i), off)?;
    ctx.set_gpr_low(Gpr::Eax, 1, u32::from(value));
    Ok(())
}

fn cbw<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let value = ctx.gpr(Gpr::Eax) as i8 as u32;
    ctx.set_gpr_low(Gpr::Eax, 2, value);
    Ok(())
}

fn cwde<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let value = ctx.gpr(Gpr::Eax) as i16 as u32;
    ctx.set_gpr(Gpr::Eax, value);
    Ok(())
}

fn cwd<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let sign = (ctx.gpr(Gpr::Eax) as i16 >> 15) as u32;
    ctx.set_gpr_low(Gpr::Edx, 2, sign);
    Ok(())
}

fn cdq<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let sign = (ctx.gpr(Gpr::Eax) as i32 >> 31) as u32;
    ctx.set_gpr(Gpr::Edx, sign);
    Ok(())
}

fn cdqe<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let value = ctx.gpr(Gpr::Eax) as i32 as u64;
    ctx.s.gpr[Gpr::Eax as usize] = value;
    Ok(())
}

fn cqo<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let sign = (ctx.s.gpr[Gpr::Eax as usize] as i64 >> 63) as u64;
    ctx.s.gpr[Gpr::Edx as usize] = sign;
    Ok(())
}

/// #BR unless the signed index lies between the two bounds in memory, both included.
fn bound<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let (seg, off) = ctx.ea(i);
    let lower = ctx.read_sized(seg, off, N)?;
    let upper_at = off.wrapping_add(u64::from(N));
    let upper = ctx.read_sized(seg, upper_at & offset_mask(i), N)?;
    let index = ctx.reg(i.op0_register(), N);
    let shift = 64 - 8 * N;
    let signed = |v: u64| (v << shift) as i64;
    if signed(index) < signed(lower) || signed(index) > signed(upper) {
        return Err(Exception::plain(Vector::Br));
    }
    Ok(())
}

/// Also the hint encodings (0F 18 to 0F 1F) that take a memory operand: it is not accessed.
fn nop<B: Bus>(_: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    debug_assert!(i.op_count() == 0 || i.op0_kind() != OpKind::Immediate8);
    Ok(())
}
