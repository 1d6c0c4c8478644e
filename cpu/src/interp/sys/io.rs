//! IN and OUT, and the I/O permission check. SDM volume 1, 19.5 (I/O privilege level, bit map).

use super::super::size::operand_size;
use super::super::{Ctx, Handler, debug};
use super::descriptor::kind;
use crate::bus::{Bus, Privilege};
use crate::exception::Exception;
use crate::state::Gpr;
use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

/// Offset of the I/O map base in a 32-bit TSS.
pub const TSS_IO_BASE: u32 = 0x66;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let (value_operand, is_in) = match code.mnemonic() {
        Mnemonic::In => (0, true),
        Mnemonic::Out => (1, false),
        _ => return None,
    };
    match (operand_size(code, value_operand), is_in) {
        (Some(1), true) => Some(port_in::<B, 1>),
        (Some(2), true) => Some(port_in::<B, 2>),
        (Some(4), true) => Some(port_in::<B, 4>),
        (Some(1), false) => Some(port_out::<B, 1>),
        (Some(2), false) => Some(port_out::<B, 2>),
        (Some(4), false) => Some(port_out::<B, 4>),
        _ => None,
    }
}

/// Checks that the running code may access `size` (1, 2 or 4) bytes at `port`.
///
/// The bit map is read two bytes at a time, so the byte after the last used one must be inside the
/// TSS limit too.
///
/// # Errors
/// #GP(0); #PF from the TSS.
pub fn check<B: Bus>(ctx: &mut Ctx<'_, B>, port: u16, size: u8) -> Result<(), Exception> {
    if !ctx.s.protected() || (!ctx.s.v86() && ctx.s.cpl <= ctx.s.flags().iopl()) {
        return Ok(());
    }
    let tr = ctx.s.tr;
    if !matches!(tr.attr.kind(), kind::TSS32 | kind::TSS32_BUSY) || tr.limit < TSS_IO_BASE + 1 {
        return Err(Exception::gp(0));
    }
    let map = ctx.bus.read_u16(ctx.s.system_linear(tr.base, TSS_IO_BASE), Privilege::Supervisor)?;
    let at = u32::from(map) + u32::from(port >> 3);
    if at + 1 > tr.limit {
        return Err(Exception::gp(0));
    }
    let bits = ctx.bus.read_u16(ctx.s.system_linear(tr.base, at), Privilege::Supervisor)?;
    let wanted = ((1u16 << size) - 1) << (port & 7);
    if bits & wanted == 0 { Ok(()) } else { Err(Exception::gp(0)) }
}

fn port_of<B: Bus>(ctx: &Ctx<'_, B>, i: &Instruction, operand: u32) -> u16 {
    if i.op_kind(operand) == OpKind::Register {
        ctx.reg(Register::DX, 2) as u16
    } else {
        u16::from(i.immediate8())
    }
}

fn port_in<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let port = port_of(ctx, i, 1);
    check(ctx, port, N as u8)?;
    let value = ctx.bus.port_in(port, N as u8);
    debug::note_io(ctx.s, port, N);
    ctx.set_gpr_low(Gpr::Eax, N, value);
    Ok(())
}

fn port_out<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let port = port_of(ctx, i, 0);
    check(ctx, port, N as u8)?;
    let value = ctx.reg(i.op1_register(), N);
    ctx.bus.port_out(port, N as u8, value as u32);
    debug::note_io(ctx.s, port, N);
    Ok(())
}
