//! Model-specific registers, the time-stamp counter, RDRAND and RDSEED. SDM volume 4; volume 2.

use super::super::{Ctx, Handler};
use super::control;
use super::privilege::require_cpl0;
use crate::addr::Lin;
use crate::bus::{Bus, PagingChange};
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::model::Features;
use crate::state::{Gpr, SegReg, apic_base, cr0, cr4, efer};
use iced_x86::{Code, Instruction};

/// Addresses of the registers that hold something.
mod address {
    pub const TIME_STAMP_COUNTER: u32 = 0x10;
    pub const APIC_BASE: u32 = 0x1b;
    pub const ARCH_CAPABILITIES: u32 = 0x10a;
    pub const SYSENTER_CS: u32 = 0x174;
    pub const SYSENTER_ESP: u32 = 0x175;
    pub const SYSENTER_EIP: u32 = 0x176;
    pub const MISC_ENABLE: u32 = 0x1a0;
    pub const PAT: u32 = 0x277;
    pub const EFER: u32 = 0xc000_0080;
    pub const STAR: u32 = 0xc000_0081;
    pub const LSTAR: u32 = 0xc000_0082;
    pub const CSTAR: u32 = 0xc000_0083;
    pub const FMASK: u32 = 0xc000_0084;
    pub const FS_BASE: u32 = 0xc000_0100;
    pub const GS_BASE: u32 = 0xc000_0101;
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub const TSC_AUX: u32 = 0xc000_0103;
    pub const TSC_DEADLINE: u32 = 0x6e0;
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
        Code::Rdtscp => Some(rdtscp::<B>),
        Code::Rdrand_r16 | Code::Rdseed_r16 => Some(random::<B, 2>),
        Code::Rdrand_r32 | Code::Rdseed_r32 => Some(random::<B, 4>),
        Code::Rdrand_r64 | Code::Rdseed_r64 => Some(random::<B, 8>),
        Code::Rdpmc => Some(rdpmc::<B>),
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
    let (msr, seg) = (&mut ctx.s.msr, &mut ctx.s.seg);
    match address {
        address::STAR if has(Features::SYSCALL) => Ok(&mut msr.star),
        address::LSTAR if has(Features::SYSCALL) => Ok(&mut msr.lstar),
        address::CSTAR if has(Features::SYSCALL) => Ok(&mut msr.cstar),
        address::FMASK if has(Features::SYSCALL) => Ok(&mut msr.fmask),
        address::FS_BASE if has(Features::LM) => Ok(&mut seg[SegReg::Fs as usize].base.0),
        address::GS_BASE if has(Features::LM) => Ok(&mut seg[SegReg::Gs as usize].base.0),
        address::KERNEL_GS_BASE if has(Features::LM) => Ok(&mut msr.kernel_gs_base),
        address::SYSENTER_CS if has(Features::SEP) => Ok(&mut msr.sysenter_cs),
        address::SYSENTER_ESP if has(Features::SEP) => Ok(&mut msr.sysenter_esp),
        address::SYSENTER_EIP if has(Features::SEP) => Ok(&mut msr.sysenter_eip),
        address::APIC_BASE if has(Features::SEP) => Ok(&mut msr.apic_base),
        address::PAT if has(Features::PAT) => Ok(&mut msr.pat),
        address::EFER if has(Features::NX) || has(Features::LM) => Ok(&mut msr.efer),
        address::MISC_ENABLE if has(Features::SSE2) => Ok(&mut msr.misc_enable),
        _ => Err(Exception::gp(0)),
    }
}

fn rdmsr<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    let value = match ctx.gpr(Gpr::Ecx) {
        address::TIME_STAMP_COUNTER => tsc(ctx),
        address::TSC_DEADLINE if ctx.unit.features.contains(Features::TSC_DEADLINE) => {
            match ctx.bus.tsc_deadline() {
                0 => 0,
                at => at.wrapping_add(ctx.s.msr.tsc_offset),
            }
        }
        address::ARCH_CAPABILITIES => ctx.unit.model.arch_capabilities().ok_or(Exception::gp(0))?,
        n if EMPTY.contains(&n) => 0,
        n => match field(ctx, n).map(|field| *field) {
            Ok(value) => value,
            Err(fault) => ctx.bus.msr(n).ok_or(fault)?,
        },
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
        address::APIC_BASE => set_apic_base(ctx, value)?,
        address::TSC_DEADLINE if ctx.unit.features.contains(Features::TSC_DEADLINE) => {
            let at = deadline(value, ctx.s.msr.tsc_offset);
            ctx.bus.set_tsc_deadline(at);
        }
        n if EMPTY.contains(&n) => {}
        address::PAT if !value.to_le_bytes().into_iter().all(is_memory_type) => {
            return Err(Exception::gp(0));
        }
        address::EFER => set_efer(ctx, value)?,
        address::FMASK if value >> 32 != 0 => return Err(Exception::gp(0)),
        n if holds_address(n) && !is_loadable(ctx, value) => return Err(Exception::gp(0)),
        n => match field(ctx, n).map(|field| *field = value) {
            Err(_) if ctx.bus.set_msr(n, value) => {}
            written => written?,
        },
    }
    Ok(())
}

/// A processor of this family has the register also where its local APIC has been switched off for good: that stays so, and
/// firmware that writes the register in passing is content.
fn set_apic_base<B: Bus>(ctx: &mut Ctx<'_, B>, value: u64) -> Result<(), Exception> {
    let register = field(ctx, address::APIC_BASE)?;
    if value & !(apic_base::BASE | apic_base::BSP | apic_base::ON) != 0 {
        return Err(Exception::gp(0));
    }
    *register = value & !apic_base::ON;
    if ctx.unit.features.contains(Features::APIC) {
        ctx.s.msr.apic_base = value;
        ctx.bus.set_apic_base(value);
    }
    Ok(())
}

/// Registers whose value is a linear address or an instruction pointer of 64-bit mode.
fn holds_address(address: u32) -> bool {
    use address::{CSTAR, FS_BASE, GS_BASE, KERNEL_GS_BASE, LSTAR, SYSENTER_EIP, SYSENTER_ESP};
    let all = [SYSENTER_ESP, SYSENTER_EIP, LSTAR, CSTAR, FS_BASE, GS_BASE, KERNEL_GS_BASE];
    all.contains(&address)
}

/// Whether one of them can hold `value`: a canonical address, on a processor that knows such.
fn is_loadable<B: Bus>(ctx: &Ctx<'_, B>, value: u64) -> bool {
    !ctx.unit.features.contains(Features::LM) || Lin(value).is_canonical()
}

/// The bits of EFER that exist: on a 32-bit model only NXE. LMA is read-only, and LME cannot change while paging is on.
fn set_efer<B: Bus>(ctx: &mut Ctx<'_, B>, value: u64) -> Result<(), Exception> {
    let bits = [
        (Features::NX, efer::NXE),
        (Features::LM, efer::LME | efer::LMA),
        (Features::SYSCALL, efer::SCE),
    ];
    let there = bits.into_iter().filter(|(f, _)| ctx.unit.features.contains(*f));
    let defined = there.fold(0, |all, (_, bits)| all | bits);
    let paging = ctx.s.cr0 & cr0::PG != 0;
    let register = field(ctx, address::EFER)?;
    let value = value & !efer::LMA | *register & efer::LMA;
    if value & !defined != 0 || (paging && (value ^ *register) & efer::LME != 0) {
        return Err(Exception::gp(0));
    }
    let before = std::mem::replace(register, value);
    if (before ^ value) & efer::NXE != 0 {
        let regs = control::paging(ctx);
        ctx.bus.paging_changed(&regs, PagingChange::Mode);
    }
    Ok(())
}

/// The bus's counter when the guest's is `value`; 0 for 0, and otherwise never 0: one that has passed is due at once.
fn deadline(value: u64, offset: u64) -> u64 {
    // An offset in the upper half is one below zero.
    let at = i128::from(value) - i128::from(offset as i64);
    match value {
        0 => 0,
        _ => u64::try_from(at.max(1)).unwrap_or(u64::MAX),
    }
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

/// RDTSC, and IA32_TSC_AUX in ECX.
fn rdtscp<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    rdtsc(ctx, i)?;
    let aux = ctx.bus.msr(address::TSC_AUX).unwrap_or(0);
    ctx.set_gpr(Gpr::Ecx, aux as u32);
    Ok(())
}

/// RDRAND and RDSEED. There always is a number: CF is set, and the other arithmetic flags are clear.
fn random<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let mut value = u64::from(ctx.bus.random());
    if N == 8 {
        value = value << 32 | u64::from(ctx.bus.random());
    }
    ctx.set_reg(i.op0_register(), N, value);
    ctx.s.eflags = ctx.s.eflags & !Eflags::ARITH.bits() | Eflags::CF.bits();
    Ok(())
}

/// The models have no performance counters: every index is an invalid one.
fn rdpmc<B: Bus>(_: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    Err(Exception::gp(0))
}
