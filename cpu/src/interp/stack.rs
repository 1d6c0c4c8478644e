//! PUSH POP PUSHA POPA ENTER LEAVE. (PUSHF, POPF and POP to a segment register belong to `sys`.)
//!
//! Nothing of these commits before the last access that can fault: ESP moves last.

use super::cursor::current_pointer_size;
use super::operand::write_gpr_low;
use super::size::{by_size, operand_size};
use super::{Ctx, Handler, StackCursor};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::state::{Gpr, SegReg};
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Pushq_imm32 | C::Pushq_imm8 => Some(push::<B, 8>),
        C::Pushq_FS | C::Pushq_GS => Some(push_segment::<B, 8>),
        C::Enterq_imm16_imm8 => Some(enter::<B, 8>),
        C::Leaveq => Some(leave::<B, 8>),
        C::Push_imm16 | C::Pushw_imm8 => Some(push::<B, 2>),
        C::Pushd_imm32 | C::Pushd_imm8 => Some(push::<B, 4>),
        C::Pushw_ES | C::Pushw_CS | C::Pushw_SS | C::Pushw_DS | C::Pushw_FS | C::Pushw_GS => {
            Some(push_segment::<B, 2>)
        }
        C::Pushd_ES | C::Pushd_CS | C::Pushd_SS | C::Pushd_DS | C::Pushd_FS | C::Pushd_GS => {
            Some(push_segment::<B, 4>)
        }
        C::Pushaw => Some(pusha::<B, 2>),
        C::Pushad => Some(pusha::<B, 4>),
        C::Popaw => Some(popa::<B, 2>),
        C::Popad => Some(popa::<B, 4>),
        C::Enterw_imm16_imm8 => Some(enter::<B, 2>),
        C::Enterd_imm16_imm8 => Some(enter::<B, 4>),
        C::Leavew => Some(leave::<B, 2>),
        C::Leaved => Some(leave::<B, 4>),
        _ => {
            let size = operand_size(code, 0).filter(|&n| n != 1);
            match code.mnemonic() {
                M::Push => by_size!(size, push),
                M::Pop => by_size!(size, pop),
                _ => None,
            }
        }
    }
}

/// PUSH ESP pushes the value from before.
fn push<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let value = ctx.read_op(i, 0, N)?;
    ctx.push(N, value)
}

/// The selector, zero-extended.
fn push_segment<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let seg = super::operand::seg_of(i.op0_register());
    let selector = ctx.s.seg[seg as usize].selector;
    ctx.push(N, u32::from(selector))
}

/// ESP moves before the destination's address is computed and before a register is written, so POP
/// ESP keeps the popped value; a destination that faults puts ESP back.
fn pop<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let value = ctx.peek(0, N)?;
    let before = ctx.s.gpr[Gpr::Esp as usize];
    ctx.release(N);
    if i.op0_kind() == OpKind::Register {
        ctx.set_reg(i.op0_register(), N, value);
        return Ok(());
    }
    let written = ctx.write_op(i, 0, N, value);
    if written.is_err() {
        ctx.s.gpr[Gpr::Esp as usize] = before;
    }
    written
}

/// In the order AX CX DX BX, the SP from before, BP SI DI.
fn pusha<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let mut stack = StackCursor::current(ctx.s);
    for value in ctx.s.gpr32() {
        stack.push(ctx, N, value)?;
    }
    stack.commit(ctx)
}

/// The stored SP is skipped. All is read before any register changes.
fn popa<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let mut stack = StackCursor::current(ctx.s);
    let mut gpr = ctx.s.gpr;
    for reg in gpr[..8].iter_mut().rev() {
        write_gpr_low(reg, N, stack.pop(ctx, N)?);
    }
    gpr[Gpr::Esp as usize] = stack.sp();
    ctx.s.gpr = gpr;
    Ok(())
}

/// SDM volume 2, ENTER: the frame pointers of the enclosing levels are copied, then the frame is
/// allocated; its lowest bytes are checked for writing although nothing is written there.
fn enter<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let allocate = u64::from(i.immediate16());
    let level = u64::from(i.immediate8_2nd()) & 31;
    let sp_mask = ctx.sp_mask();
    let mut stack = StackCursor::current(ctx.s);
    let rbp = ctx.s.gpr[Gpr::Ebp as usize];
    stack.push(ctx, N, rbp)?;
    let frame = stack.sp();
    if level > 0 {
        for n in 1..level {
            // The display may overlap what has just been pushed.
            stack.flush(ctx)?;
            let at = rbp.wrapping_sub(n * u64::from(N)) & sp_mask;
            let outer = ctx.read_sized(SegReg::Ss, at, N)?;
            stack.push(ctx, N, outer)?;
        }
        stack.push(ctx, N, frame)?;
    }
    stack.skip(allocate.wrapping_neg());
    ctx.probe_write(SegReg::Ss, stack.sp() & sp_mask, N)?;
    stack.commit(ctx)?;
    ctx.set_gpr_low(Gpr::Ebp, N, frame);
    Ok(())
}

fn leave<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let sp_size = current_pointer_size(ctx.s);
    let frame = ctx.gpr_low(Gpr::Ebp, sp_size);
    let value = ctx.read_sized(SegReg::Ss, frame, N)?;
    ctx.set_sp(frame.wrapping_add(u64::from(N)));
    ctx.set_gpr_low(Gpr::Ebp, N, value);
    Ok(())
}
