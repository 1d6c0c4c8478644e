//! x87 instructions that compute, load and store: the host's own, on the guest's image.

use super::gate::{self, Wait};
use super::image::{Pointers, adopt};
use crate::addr::Lin;
use crate::bus::{Bus, Privilege};
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::interp::Ctx;
use crate::state::{CpuState, SegReg};
use iced_x86::Instruction;

/// FSW exceptions that keep an unmasked store from being made: #I, #O, #U. (An inexact result is
/// stored first and reported then.)
const NOT_STORED: u16 = 0x19;

/// Any non-control instruction; the pointers become this one's.
///
/// # Errors
/// #NM, #MF, and those of the memory operand.
pub(super) fn arithmetic<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    waiting(ctx, i, true)
}

/// FLDCW: a waiting instruction that leaves the pointers alone.
///
/// # Errors
/// #NM, #MF, and those of the memory operand.
pub(super) fn load_control<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    waiting(ctx, i, false)
}

fn waiting<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    keeps_pointers: bool,
) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    let Wait::Go(hidden) = gate::pending(ctx)? else { return Ok(()) };
    let plan = ctx.unit.host.prepare(i).ok_or(Exception::ud())?;
    let place = (plan.len != 0).then(|| ctx.ea(i));
    let mut mem = [0; 16];
    let len = plan.len.min(mem.len());
    if let (Some((seg, off)), true) = (place, plan.reads) {
        ctx.read_mem(seg, off, &mut mem[..len])?;
    }
    let host = &mut ctx.unit.host;
    host.load(&ctx.s.fpu, hidden);
    let frame = host.frame();
    frame.mem[..16].copy_from_slice(&mem);
    frame.flags = u64::from(ctx.s.eflags);
    host.run();
    let raised = host.frame().fx.unmasked() != 0;
    let pointers = if keeps_pointers { Some(point(ctx, place, raised)?) } else { None };
    if let (Some(place), true) = (place, plan.writes) {
        store(ctx, place, len)?;
    }
    let frame = ctx.unit.host.frame();
    if plan.flags {
        merge_flags(ctx.s, frame.flags);
    }
    adopt(ctx.s, &frame.fx);
    if hidden != 0 {
        ctx.s.fpu.flag(hidden);
    }
    if let Some(pointers) = pointers {
        ctx.s.fpu.set_pointers(&pointers);
    }
    gate::settle_ferr(ctx, hidden);
    Ok(())
}

/// Writes the frame's result to memory, unless an unmasked exception forbids it; memory must be
/// writable all the same where the host looks at it then, too.
fn store<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    (seg, off): (SegReg, u64),
    len: usize,
) -> Result<(), Exception> {
    let frame = ctx.unit.host.frame();
    if frame.fx.unmasked() & NOT_STORED != 0 {
        return match ctx.unit.host.looks_at_unmade_stores() {
            true => ctx.probe_write(seg, off, len as u32).map(drop),
            false => Ok(()),
        };
    }
    let mut mem = [0; 16];
    mem.copy_from_slice(&frame.mem[..16]);
    ctx.write_mem(seg, off, &mem[..len])
}

/// Takes the arithmetic flags that a host operation left.
pub(super) fn merge_flags(s: &mut CpuState, flags: u64) {
    let arith = Eflags::ARITH.bits();
    s.eflags = (s.eflags & !arith) | (flags as u32 & arith);
}

/// The pointers after this instruction. FIP and FCS are always its own; FOP, FDP and FDS change only
/// when it `raised` an unmasked exception, and the latter two only with a memory operand (SDM volume
/// 1, 8.1.8 and 8.1.9: FDP_EXCPTN_ONLY and the fopcode compatibility mode).
fn point<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    place: Option<(SegReg, u64)>,
    raised: bool,
) -> Result<Pointers, Exception> {
    let mut pointers = ctx.s.fpu.pointers();
    (pointers.fip, pointers.fcs) = (ctx.s.rip.get(), ctx.s.cs().selector);
    if raised {
        pointers.fop = opcode(ctx)?;
        if let Some((seg, off)) = place {
            (pointers.fds, pointers.fdp) = (ctx.s.seg[seg as usize].selector, off);
        }
    }
    Ok(pointers)
}

/// FOP: the opcode's low 3 bits and the ModRM byte, behind the prefixes. The bytes are fetched again
/// because the decoded form does not keep them; the last two bytes before operands are what counts,
/// and only a page's end makes a second fetch necessary.
fn opcode<B: Bus>(ctx: &mut Ctx<'_, B>) -> Result<u16, Exception> {
    let who = if ctx.s.cpl == 3 { Privilege::User } else { Privilege::Supervisor };
    let base = if ctx.s.in_64_bit_mode() { Lin(0) } else { ctx.s.cs().base };
    let at = ctx.s.linear(base, ctx.s.rip.get());
    let mut bytes = [0; 32];
    let mut first = [0; 16];
    let count = ctx.bus.fetch(at, &mut first, who)?.min(16);
    bytes[..16].copy_from_slice(&first);
    let escape = |bytes: &[u8]| bytes.iter().position(|b| b & 0xf8 == 0xd8);
    let here = escape(&bytes[..count]);
    if here.is_none_or(|n| n + 1 >= count) {
        let more = &mut [0; 16];
        ctx.bus.fetch(ctx.s.linear(at, count as u64), more, who)?;
        bytes[count..count + 16].copy_from_slice(more);
    }
    let n = escape(&bytes[..16]).unwrap_or(0);
    Ok(u16::from(bytes[n] & 7) << 8 | u16::from(bytes[n + 1]))
}
