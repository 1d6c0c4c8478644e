//! Model-specific registers, the time-stamp counter, RDRAND, SYSENTER and SYSEXIT. SDM volume 4; volume 2;
//! volume 3A, 5.8.7.

use super::super::{Ctx, Handler};
use super::privilege::require_cpl0;
use super::transfer;
use crate::addr::{Lin, Pc};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::model::Features;
use crate::segment::{SegAttr, Segment};
use crate::state::{Gpr, SegReg, cr4};
use iced_x86::{Code, Instruction};

/// Addresses of the registers that hold something.
mod address {
    pub const TIME_STAMP_COUNTER: u32 = 0x10;
    pub const SYSENTER_CS: u32 = 0x174;
    pub const SYSENTER_ESP: u32 = 0x175;
    pub const SYSENTER_EIP: u32 = 0x176;
    pub const MISC_ENABLE: u32 = 0x1a0;
    pub const PAT: u32 = 0x277;
}

/// Registers that software reads or resets in passing and that hold nothing here: they read as zero
/// and take any value. P5_MC_ADDR, P5_MC_TYPE; IA32_PLATFORM_ID, EBL_CR_POWERON,
/// EBC_FREQUENCY_ID; IA32_BIOS_UPDT_TRIG, IA32_BIOS_SIGN_ID; IA32_DEBUGCTL.
const EMPTY: [u32; 8] = [0x00, 0x01, 0x17, 0x2a, 0x2c, 0x79, 0x8b, 0x1d9];

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    match code {
        Code::Rdmsr => Some(rdmsr::<B>),
        Code::Wrmsr => Some(wrmsr::<B>),
        Code::Rdtsc => Some(rdtsc::<B>),
        Code::Rdrand_r16 => Some(rdrand::<B, 2>),
        Code::Rdrand_r32 => Some(rdrand::<B, 4>),
        Code::Rdpmc => Some(rdpmc::<B>),
        Code::Sysenter => Some(sysenter::<B>),
        Code::Sysexitd => Some(sysexit::<B>),
        _ => None,
    }
}

fn set_pair<B: Bus>(ctx: &mut Ctx<'_, B>, value: u64) {
    ctx.set_gpr(Gpr::Eax, value as u32);
    ctx.set_gpr(Gpr::Edx, (value >> 32) as u32);
}

fn tsc<B: Bus>(ctx: &mut Ctx<'_, B>) -> u64 {
    ctx.bus.tsc().wrapping_add(ctx.s.msr.tsc_offset)
}

/// The register that the models with `features` have at `address`, as a field of the state.
fn field<'c, B: Bus>(ctx: &'c mut Ctx<'_, B>, address: u32) -> Result<&'c mut u64, Exception> {
    let has = |f| ctx.unit.features.contains(f);
    let msr = &mut ctx.s.msr;
    match address {
        address::SYSENTER_CS if has(Features::SEP) => Ok(&mut msr.sysenter_cs),
        address::SYSENTER_ESP if has(Features::SEP) => Ok(&mut msr.sysenter_esp),
        address::SYSENTER_EIP if has(Features::SEP) => Ok(&mut msr.sysenter_eip),
        address::PAT if has(Features::PAT) => Ok(&mut msr.pat),
        address::MISC_ENABLE if has(Features::SSE2) => Ok(&mut msr.misc_enable),
        _ => Err(Exception::gp(0)),
    }
}

fn rdmsr<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    let value = match ctx.gpr(Gpr::Ecx) {
        address::TIME_STAMP_COUNTER => tsc(ctx),
        n if EMPTY.contains(&n) => 0,
        n => *field(ctx, n)?,
    };
    set_pair(ctx, value);
    Ok(())
}

fn wrmsr<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    let value = u64::from(ctx.gpr(Gpr::Edx)) << 32 | u64::from(ctx.gpr(Gpr::Eax));
    match ctx.gpr(Gpr::Ecx) {
        address::TIME_STAMP_COUNTER => {
            ctx.s.msr.tsc_offset = value.wrapping_sub(ctx.bus.tsc());
        }
        n if EMPTY.contains(&n) => {}
        address::PAT if !value.to_le_bytes().into_iter().all(is_memory_type) => {
            return Err(Exception::gp(0));
        }
        n => *field(ctx, n)? = value,
    }
    Ok(())
}

/// UC, WC, WT, WP, WB, UC-.
fn is_memory_type(byte: u8) -> bool {
    matches!(byte, 0 | 1 | 4..=7)
}

fn rdtsc<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    if ctx.s.cr4 & cr4::TSD != 0 && ctx.s.cpl != 0 {
        return Err(Exception::gp(0));
    }
    let value = tsc(ctx);
    set_pair(ctx, value);
    Ok(())
}

/// There always is a number: CF is set, and the other arithmetic flags are clear.
fn rdrand<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let value = ctx.bus.random();
    ctx.set_reg(i.op0_register(), N, value);
    ctx.s.eflags = ctx.s.eflags & !Eflags::ARITH.bits() | Eflags::CF.bits();
    Ok(())
}

/// The models have no performance counters: every index is an invalid one.
fn rdpmc<B: Bus>(_: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    Err(Exception::gp(0))
}

/// The flat segments that the fast system calls load without reading a descriptor.
fn flat(selector: u32, cpl: u8, code: bool) -> Segment {
    let mut attr = SegAttr::PRESENT
        | SegAttr::S
        | SegAttr::ACCESSED
        | SegAttr::WRITABLE
        | SegAttr::DB
        | SegAttr::G
        | SegAttr::from_bits_retain(u16::from(cpl) << 5);
    if code {
        attr |= SegAttr::CODE;
    }
    let selector = (selector as u16 & !3) | u16::from(cpl);
    Segment { selector, attr, limit: u32::MAX, base: Lin(0) }
}

fn sysenter<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let base = ctx.s.msr.sysenter_cs as u32;
    if !ctx.s.protected() || base & 0xfffc == 0 {
        return Err(Exception::gp(0));
    }
    let msr = ctx.s.msr;
    ctx.s.eflags &= !(Eflags::VM | Eflags::IF | Eflags::RF).bits();
    transfer::commit(ctx, flat(base, 0, true), Pc(msr.sysenter_eip), 0);
    ctx.s.seg[SegReg::Ss as usize] = flat(base.wrapping_add(8), 0, false);
    ctx.set_gpr(Gpr::Esp, msr.sysenter_esp as u32);
    Ok(())
}

fn sysexit<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let base = ctx.s.msr.sysenter_cs as u32;
    if !ctx.s.protected() || base & 0xfffc == 0 || ctx.s.cpl != 0 {
        return Err(Exception::gp(0));
    }
    let (rip, esp) = (Pc(ctx.s.gpr[Gpr::Edx as usize]), ctx.gpr(Gpr::Ecx));
    transfer::commit(ctx, flat(base.wrapping_add(16), 3, true), rip, 3);
    ctx.s.seg[SegReg::Ss as usize] = flat(base.wrapping_add(24), 3, false);
    ctx.set_gpr(Gpr::Esp, esp);
    Ok(())
}
