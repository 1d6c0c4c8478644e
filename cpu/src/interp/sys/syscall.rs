//! SYSENTER, SYSEXIT, SYSCALL and SYSRET, and what goes with them: SWAPGS, and the bases of FS and GS as registers. SDM volume 2;
//! volume 3A, 5.8.7 and 5.8.8.

use super::super::{Ctx, Handler};
use super::privilege::require_cpl0;
use super::transfer;
use crate::addr::{Lin, Pc};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::segment::{SegAttr, Segment};
use crate::state::{Gpr, SegReg, cr4, efer};
use iced_x86::{Code, Instruction};

/// The flags that SYSRET loads (SDM volume 2, SYSRET: 3C7FD7h without the bit that is always one).
const SYSRET_FLAGS: u32 = 0x003c_7fd5;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    const FS: usize = SegReg::Fs as usize;
    const GS: usize = SegReg::Gs as usize;
    match code {
        Code::Sysenter => Some(sysenter::<B>),
        Code::Sysexitd => Some(sysexit::<B, 4>),
        Code::Sysexitq => Some(sysexit::<B, 8>),
        Code::Syscall => Some(syscall::<B>),
        Code::Sysretd => Some(sysret::<B, 4>),
        Code::Sysretq => Some(sysret::<B, 8>),
        Code::Swapgs => Some(swapgs::<B>),
        Code::Rdfsbase_r32 => Some(read_base::<B, FS, 4>),
        Code::Rdfsbase_r64 => Some(read_base::<B, FS, 8>),
        Code::Rdgsbase_r32 => Some(read_base::<B, GS, 4>),
        Code::Rdgsbase_r64 => Some(read_base::<B, GS, 8>),
        Code::Wrfsbase_r32 => Some(write_base::<B, FS, 4>),
        Code::Wrfsbase_r64 => Some(write_base::<B, FS, 8>),
        Code::Wrgsbase_r32 => Some(write_base::<B, GS, 4>),
        Code::Wrgsbase_r64 => Some(write_base::<B, GS, 8>),
        _ => None,
    }
}

/// What code is for: the size of the segments that the fast system calls load without reading a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Bits32,
    Bits64,
}

/// The flat code segment of `selector` at `cpl`.
fn flat_code(selector: u64, cpl: u8, size: Size) -> Segment {
    let sized = if size == Size::Bits64 { SegAttr::L } else { SegAttr::DB };
    let data = flat_data(selector, cpl);
    Segment { attr: (data.attr - SegAttr::DB) | SegAttr::CODE | sized, ..data }
}

/// The flat data segment of `selector` at `cpl`.
fn flat_data(selector: u64, cpl: u8) -> Segment {
    let attr = SegAttr::PRESENT
        | SegAttr::S
        | SegAttr::ACCESSED
        | SegAttr::WRITABLE
        | SegAttr::DB
        | SegAttr::G
        | SegAttr::from_bits_retain(u16::from(cpl) << 5);
    let selector = (selector as u16 & !3) | u16::from(cpl);
    Segment { selector, attr, limit: u32::MAX, base: Lin(0) }
}

/// Goes to flat code and a flat stack; of the stack pointer only what the mode has counts.
fn enter<B: Bus>(ctx: &mut Ctx<'_, B>, code: Segment, stack: Segment, rip: u64, rsp: u64) {
    let cpl = code.attr.dpl();
    transfer::commit(ctx, code, Pc(rip), cpl);
    transfer::commit_stack(ctx, stack, rsp);
}

fn sysenter<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let msr = ctx.s.msr;
    let base = msr.sysenter_cs;
    if !ctx.s.protected() || base & 0xfffc == 0 {
        return Err(Exception::gp(0));
    }
    ctx.s.eflags &= !(Eflags::VM | Eflags::IF | Eflags::RF).bits();
    let size = if ctx.s.in_long_mode() { Size::Bits64 } else { Size::Bits32 };
    let (code, stack) = (flat_code(base, 0, size), flat_data(base.wrapping_add(8), 0));
    enter(ctx, code, stack, msr.sysenter_eip, msr.sysenter_esp);
    Ok(())
}

/// To 64-bit code (N = 8), or to code of 32 bits.
fn sysexit<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let base = ctx.s.msr.sysenter_cs;
    if !ctx.s.protected() || base & 0xfffc == 0 || ctx.s.cpl != 0 {
        return Err(Exception::gp(0));
    }
    let (rip, rsp) = (ctx.gpr_low(Gpr::Edx, N), ctx.gpr_low(Gpr::Ecx, N));
    let (size, first) = if N == 8 { (Size::Bits64, 32) } else { (Size::Bits32, 16) };
    if !(Pc(rip).is_canonical() && Lin(rsp).is_canonical()) {
        return Err(Exception::gp(0));
    }
    let code = flat_code(base.wrapping_add(first), 3, size);
    let stack = flat_data(base.wrapping_add(first + 8), 3);
    enter(ctx, code, stack, rip, rsp);
    Ok(())
}

/// SYSCALL and SYSRET exist in 64-bit mode alone, and only where IA32_EFER enables them.
fn require_enabled<B: Bus>(ctx: &Ctx<'_, B>) -> Result<(), Exception> {
    let enabled = ctx.s.in_64_bit_mode() && ctx.s.msr.efer & efer::SCE != 0;
    if enabled { Ok(()) } else { Err(Exception::ud()) }
}

fn syscall<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_enabled(ctx)?;
    let msr = ctx.s.msr;
    ctx.s.gpr[Gpr::Ecx as usize] = ctx.next_rip.get();
    ctx.s.gpr[Gpr::R11 as usize] = u64::from(ctx.s.eflags & !Eflags::RF.bits());
    ctx.s.eflags = ctx.s.eflags & !(msr.fmask as u32) & !Eflags::RF.bits() | Eflags::FIXED_ONE;
    // A single step that the mask cuts off does not trap here either.
    ctx.no_trap = ctx.s.eflags & Eflags::TF.bits() == 0;
    let selector = msr.star >> 32;
    let (code, stack) =
        (flat_code(selector, 0, Size::Bits64), flat_data(selector.wrapping_add(8), 0));
    let rsp = ctx.s.gpr[Gpr::Esp as usize];
    enter(ctx, code, stack, msr.lstar, rsp);
    Ok(())
}

/// To 64-bit code (N = 8), or to compatibility mode. A return address that is not canonical faults here, still at CPL 0.
fn sysret<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_enabled(ctx)?;
    require_cpl0(ctx)?;
    let rip = ctx.gpr_low(Gpr::Ecx, N);
    if !Pc(rip).is_canonical() {
        return Err(Exception::gp(0));
    }
    let flags = ctx.s.gpr[Gpr::R11 as usize] as u32;
    ctx.s.eflags = flags & SYSRET_FLAGS | Eflags::FIXED_ONE;
    ctx.keep_rf = true;
    let selector = ctx.s.msr.star >> 48;
    let (size, first) = if N == 8 { (Size::Bits64, 16) } else { (Size::Bits32, 0) };
    let code = flat_code(selector.wrapping_add(first), 3, size);
    let stack = flat_data(selector.wrapping_add(8), 3);
    let rsp = ctx.s.gpr[Gpr::Esp as usize];
    enter(ctx, code, stack, rip, rsp);
    Ok(())
}

fn swapgs<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    let gs = &mut ctx.s.seg[SegReg::Gs as usize].base;
    std::mem::swap(&mut gs.0, &mut ctx.s.msr.kernel_gs_base);
    Ok(())
}

fn require_bases<B: Bus>(ctx: &Ctx<'_, B>) -> Result<(), Exception> {
    let enabled = ctx.s.in_64_bit_mode() && ctx.s.cr4 & cr4::FSGSBASE != 0;
    if enabled { Ok(()) } else { Err(Exception::ud()) }
}

fn read_base<B: Bus, const SEG: usize, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    require_bases(ctx)?;
    let base = ctx.s.seg[SEG].base;
    ctx.set_reg(i.op0_register(), N, base.get());
    Ok(())
}

fn write_base<B: Bus, const SEG: usize, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    require_bases(ctx)?;
    let base = Lin(ctx.reg(i.op0_register(), N));
    if !base.is_canonical() {
        return Err(Exception::gp(0));
    }
    ctx.s.seg[SEG].base = base;
    Ok(())
}
