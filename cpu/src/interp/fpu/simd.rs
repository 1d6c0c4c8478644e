//! MMX, and SSE to SSE4.2, on registers and memory operands: the host's own, on the guest's image.
//!
//! # SIMD floating-point exceptions
//! They are precise: #XM comes before the destination changes (SDM volume 1, 11.5). Where the guest
//! has one unmasked, the instruction runs with all of them masked and the flags clear; what it flags
//! then says what the guest gets. Three things differ from an unmasked run and are put right:
//! - an unmasked #I, #D or #Z is raised before the computation, so the flags of after it (#O, #U,
//!   #P) do not show;
//! - an exact tiny result raises an unmasked #U but flags nothing when #U is masked; a second run with
//!   flush-to-zero finds it. (The guest's own FZ counts only while it masks #U.)
//!
//! - beside an unmasked #O or #U, a result that is exact but for its range flags no #P ([`inexact`]).
//!
//! (A test runs all this against the host with its exceptions unmasked.)

use super::gate::{self, Wait};
use super::host_op::Plan;
use super::image::{EXCEPTIONS, XMM, adopt, adopt_upper};
use super::inexact;
use super::loose;
use super::x87;
use crate::bus::{Access, Bus};
use crate::exception::{Exception, Vector};
use crate::interp::Ctx;
use crate::state::{CpuState, Gpr, SegReg, cr4};
use iced_x86::{Code, Instruction, OpKind, Register};

/// All exceptions masked.
const MASKS: u32 = 0x1f80;
/// MXCSR.FZ.
const FZ: u32 = 1 << 15;
/// Exception flags.
const PRE: u32 = 0x07;
const OVERFLOW: u32 = 0x08;
const UNDERFLOW: u32 = 0x10;
const PRECISION: u32 = 0x20;
const FLAGS: u32 = EXCEPTIONS as u32;

/// Instructions on MMX registers.
///
/// # Errors
/// #UD, #NM, #MF, and those of the memory operand.
pub(super) fn mmx<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::mmx(ctx.s)?;
    let Wait::Go(hidden) = gate::pending(ctx)? else { return Ok(()) };
    execute(ctx, i, hidden)
}

/// Instructions on XMM registers.
///
/// # Errors
/// #UD, #NM, #XM, and those of the memory operand.
pub(super) fn sse<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::sse(ctx.s)?;
    super::claim(ctx.s);
    execute(ctx, i, 0)
}

/// Instructions between MMX and XMM registers: conversions and moves. One with a memory source
/// touches no MMX register: it neither waits for x87 exceptions nor enters MMX state.
///
/// # Errors
/// #UD, #NM, #MF, #XM, and those of the memory operand.
pub(super) fn mixed<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let touches = |n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_mm();
    if !(0..i.op_count()).any(touches) {
        return sse(ctx, i);
    }
    gate::sse(ctx.s)?;
    let Wait::Go(hidden) = gate::pending(ctx)? else { return Ok(()) };
    let result = execute(ctx, i, hidden);
    // Without CR4.OSXMMEXCPT the exception is #UD.
    if result == Err(Exception::plain(Vector::Xm)) || result == Err(Exception::ud()) {
        // MMX state is entered before the computation, as the host does it for translated code.
        enter_mmx(ctx, hidden)?;
        adopt(ctx.s, &ctx.unit.host.frame().fx);
        if hidden != 0 {
            ctx.s.fpu.flag(hidden);
        }
    }
    result
}

/// Brings the unit over to MMX, in the frame: reading a register without writing one has just that
/// effect, and puts MM0 in the first slot.
///
/// # Errors
/// #UD when the host has no MMX.
pub(super) fn enter_mmx<B: Bus>(ctx: &mut Ctx<'_, B>, hidden: u16) -> Result<(), Exception> {
    let host = &mut ctx.unit.host;
    let mut touch = Instruction::default();
    touch.set_code(Code::Pmovmskb_r32_mm);
    touch.set_op0_register(Register::EAX);
    touch.set_op1_register(Register::MM0);
    host.prepare(&touch).ok_or(Exception::ud())?;
    host.load(&ctx.s.fpu, hidden);
    host.run();
    Ok(())
}

/// Instructions with a VEX prefix, on XMM and YMM registers.
///
/// # Errors
/// #UD, #NM, #XM, and those of the memory operand.
pub(super) fn avx<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::avx(ctx.s)?;
    super::claim(ctx.s);
    execute(ctx, i, 0)
}

fn execute<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction, hidden: u16) -> Result<(), Exception> {
    let plan = ctx.unit.host.prepare(i).ok_or(Exception::ud())?;
    let mut mem = [0; 32];
    let len = plan.len.min(mem.len());
    let place = (len != 0).then(|| ctx.ea(i));
    if let Some(place) = place {
        check_aligned(ctx, plan, place)?;
        if plan.reads && plan.loose {
            loose::read(ctx, place.0, place.1, &mut mem[..len])?;
        } else if plan.reads {
            ctx.read_mem(place.0, place.1, &mut mem[..len])?;
        }
    }
    let host = &mut ctx.unit.host;
    host.load(&ctx.s.fpu, hidden);
    let frame = host.frame();
    frame.mem[..32].copy_from_slice(&mem);
    frame.flags = u64::from(ctx.s.eflags);
    if plan.vex {
        frame.ymm = ctx.s.ymm_high;
    }
    if plan.gpr_in {
        let mut registers = (1..i.op_count()).map(|k| i.op_register(k));
        let register = registers.find(|r| r.is_gpr()).unwrap_or_default();
        frame.gpr = gpr(ctx.s, register);
    }
    if plan.lengths {
        frame.gpr = gpr(ctx.s, Register::RAX);
        frame.second = gpr(ctx.s, Register::RDX);
    }
    if let (Some((seg, off)), true) = (place, plan.writes && plan.vex) {
        // VCVTPS2PH: a store that cannot be made is reported before what the conversion raises.
        match plan.loose {
            true => loose::probe_write(ctx, seg, off, len as u32)?,
            false => ctx.probe_write(seg, off, len as u32).map(drop)?,
        }
    }
    run(ctx, i)?;
    if let (Some((seg, off)), true) = (place, plan.writes) {
        mem.copy_from_slice(&ctx.unit.host.frame().mem[..32]);
        match plan.loose {
            true => loose::write(ctx, seg, off, &mem[..len])?,
            false => ctx.write_mem(seg, off, &mem[..len])?,
        }
    }
    let frame = ctx.unit.host.frame();
    if plan.gpr_out {
        let to = i.op0_register();
        let value = if to.is_gpr64() { frame.gpr } else { frame.gpr & 0xffff_ffff };
        ctx.s.gpr[to.number() & 15] = value;
    }
    if plan.index {
        ctx.s.gpr[Gpr::Ecx as usize] = u64::from(frame.gpr as u32);
    }
    if plan.flags {
        x87::merge_flags(ctx.s, frame.flags);
    }
    adopt(ctx.s, &frame.fx);
    if plan.vex {
        adopt_upper(ctx.s, &frame.ymm);
    }
    if hidden != 0 {
        ctx.s.fpu.flag(hidden);
    }
    Ok(())
}

/// All of a general register: an instruction with a shorter operand takes what it needs.
fn gpr(s: &CpuState, r: Register) -> u64 {
    s.gpr[r.number() & 15]
}

/// 16-byte operands must be aligned, except those of the unaligned moves, and with a VEX prefix those of the aligned moves alone.
/// The segment's own checks come first.
fn check_aligned<B: Bus>(
    ctx: &Ctx<'_, B>,
    plan: Plan,
    (seg, off): (SegReg, u64),
) -> Result<(), Exception> {
    if !plan.aligned {
        return Ok(());
    }
    let access = if plan.writes { Access::Write } else { Access::Read };
    let linear = ctx.linear(seg, off, plan.len as u32, access)?;
    let boundary = plan.len as u64 - 1;
    if linear.get() & boundary == 0 { Ok(()) } else { Err(Exception::gp(0)) }
}

/// The operand in a frame's memory.
fn first(mem: &[u8; 128]) -> [u8; 32] {
    std::array::from_fn(|k| mem[k])
}

/// Runs the prepared host operation; raises the SIMD exceptions that the guest has not masked.
fn run<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let guest = ctx.s.fpu.mxcsr();
    let unmasked = !(guest >> 7) & FLAGS;
    let host = &mut ctx.unit.host;
    if unmasked == 0 {
        host.run();
        return Ok(());
    }
    let flush = if unmasked & UNDERFLOW == 0 { 0 } else { FZ };
    let input = host.frame().fx;
    let frame = host.frame();
    let (mem, flags, gpr, ymm) = (frame.mem, frame.flags, frame.gpr, frame.ymm);
    let mut raised = 0;
    if flush != 0 {
        host.frame().fx.set_mxcsr(guest & !FLAGS | MASKS | FZ);
        host.run();
        raised |= host.frame().fx.mxcsr() & UNDERFLOW;
        let frame = host.frame();
        (frame.fx, frame.mem, frame.flags, frame.gpr) = (input, mem, flags, gpr);
        frame.ymm = ymm;
    }
    host.frame().fx.set_mxcsr((guest & !FLAGS | MASKS) & !flush);
    host.run();
    raised |= host.frame().fx.mxcsr() & FLAGS;
    if raised & unmasked & PRE != 0 {
        raised &= PRE;
    } else if unmasked & (OVERFLOW | UNDERFLOW) != 0 {
        let register = |r: Register| {
            let at = XMM.start + 16 * (r.number() & 15);
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&input.0[at..at + 16]);
            bytes[16..].copy_from_slice(&ymm[r.number() & 15]);
            bytes
        };
        let operand = |k: u32| match i.op_kind(k) {
            OpKind::Register => register(i.op_register(k)),
            _ => first(&mem),
        };
        let operands = [0, 1, 2].map(|k| if k < i.op_count() { operand(k) } else { [0; 32] });
        let in_range = raised & unmasked & (OVERFLOW | UNDERFLOW) == 0;
        if let Some(flags) = inexact::half(i, &operands, guest) {
            raised = raised & PRE | flags;
        } else if !in_range && inexact::flagged(i, &operands, guest) == Some(false) {
            raised &= !PRECISION;
        }
    }
    if raised & unmasked == 0 {
        host.frame().fx.set_mxcsr(guest | raised);
        return Ok(());
    }
    ctx.s.fpu.set_mxcsr(guest | raised);
    let enabled = ctx.s.cr4 & cr4::OSXMMEXCPT != 0;
    Err(if enabled { Exception::plain(Vector::Xm) } else { Exception::ud() })
}
