//! Control and debug registers, HLT, and the cache and TLB instructions. SDM volume 2; volume 3A,
//! 2.5 and 2.8; volume 3B, 17.2.

use super::super::ctx::linear_in_64;
use super::super::{Ctx, Handler};
use super::descriptor::kind;
use super::privilege::{protect_system_registers, require_cpl0};
use crate::bus::{Bus, PagingChange, PagingRegs};
use crate::exception::Exception;
use crate::model::Features;
use crate::segment::SegAttr;
use crate::state::{Activity, cr0, cr4, efer};
use iced_x86::{Code, Instruction, OpKind, Register};

/// The bits of CR0 that exist; ET always reads as one.
const CR0_DEFINED: u64 = cr0::PE
    | cr0::MP
    | cr0::EM
    | cr0::TS
    | cr0::NE
    | cr0::WP
    | cr0::AM
    | cr0::NW
    | cr0::CD
    | cr0::PG;

/// The bits of CR0 that LMSW loads.
const MSW: u64 = cr0::PE | cr0::MP | cr0::EM | cr0::TS;

/// DR7.GD and, at the same place, DR6.BD.
const GENERAL_DETECT: u32 = 1 << 13;

/// The bits of CR4 whose change loads the PDPTEs (SDM volume 3A, 4.4.1).
const LOADS_PDPTES: u64 = cr4::PSE | cr4::PAE | cr4::PGE | cr4::SMEP;

/// The bits of CR3 that no physical address has, in long mode.
const CR3_RESERVED: u64 = !0xf_ffff_ffff;

/// Bits of CR4 and the features that bring them.
const CR4_BITS: [(Features, u64); 14] = [
    (Features::VME, cr4::VME | cr4::PVI),
    (Features::TSC, cr4::TSD),
    (Features::DE, cr4::DE),
    (Features::PSE, cr4::PSE),
    (Features::PAE, cr4::PAE),
    (Features::PGE, cr4::PGE),
    (Features::FXSR, cr4::OSFXSR | cr4::PCE),
    (Features::SSE, cr4::OSXMMEXCPT),
    (Features::MCE, cr4::MCE),
    (Features::UMIP, cr4::UMIP),
    (Features::SMEP, cr4::SMEP),
    (Features::SMAP, cr4::SMAP),
    (Features::XSAVE, cr4::OSXSAVE),
    (Features::FSGSBASE, cr4::FSGSBASE),
];

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Mov_r32_cr => Some(mov_from_cr::<B, 4>),
        C::Mov_r64_cr => Some(mov_from_cr::<B, 8>),
        C::Mov_cr_r32 => Some(mov_to_cr::<B, 4>),
        C::Mov_cr_r64 => Some(mov_to_cr::<B, 8>),
        C::Mov_r32_dr => Some(mov_from_dr::<B, 4>),
        C::Mov_r64_dr => Some(mov_from_dr::<B, 8>),
        C::Mov_dr_r32 => Some(mov_to_dr::<B, 4>),
        C::Mov_dr_r64 => Some(mov_to_dr::<B, 8>),
        C::Lmsw_rm16 | C::Lmsw_r32m16 | C::Lmsw_r64m16 => Some(lmsw::<B>),
        C::Smsw_rm16 => Some(smsw::<B, 2>),
        C::Smsw_r32m16 => Some(smsw::<B, 4>),
        C::Smsw_r64m16 => Some(smsw::<B, 8>),
        C::Clts => Some(clts::<B>),
        C::Invlpg_m => Some(invlpg::<B>),
        C::Invd | C::Wbinvd => Some(flush_caches::<B>),
        C::Hlt => Some(hlt::<B>),
        _ => None,
    }
}

/// The bits of CR4 that a processor with `features` has.
fn cr4_defined(features: Features) -> u64 {
    CR4_BITS.iter().filter(|(f, _)| features.contains(*f)).fold(0, |bits, (_, b)| bits | b)
}

/// The number of a control register that exists, else #UD.
fn cr_number<B: Bus>(ctx: &Ctx<'_, B>, r: Register) -> Result<u8, Exception> {
    match r {
        Register::CR0 => Ok(0),
        Register::CR2 => Ok(2),
        Register::CR3 => Ok(3),
        Register::CR4 if cr4_defined(ctx.unit.features) != 0 => Ok(4),
        Register::CR8 if ctx.s.in_64_bit_mode() => Ok(8),
        _ => Err(Exception::ud()),
    }
}

fn mov_from_cr<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let n = cr_number(ctx, i.op1_register())?;
    require_cpl0(ctx)?;
    let value = match n {
        0 => ctx.s.cr0,
        2 => ctx.s.cr2,
        3 => ctx.s.cr3,
        4 => ctx.s.cr4,
        _ => u64::from(ctx.bus.task_priority()),
    };
    ctx.set_reg(i.op0_register(), N, value);
    Ok(())
}

fn mov_to_cr<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let n = cr_number(ctx, i.op0_register())?;
    require_cpl0(ctx)?;
    let value = ctx.reg(i.op1_register(), N);
    match n {
        0 => set_cr0(ctx, value),
        2 => {
            ctx.s.cr2 = value;
            Ok(())
        }
        3 => set_cr3(ctx, value),
        4 => set_cr4(ctx, value),
        _ => set_cr8(ctx, value),
    }
}

/// The task priority of the local APIC (SDM volume 3A, 10.8.6).
fn set_cr8<B: Bus>(ctx: &mut Ctx<'_, B>, value: u64) -> Result<(), Exception> {
    if value > 15 {
        return Err(Exception::gp(0));
    }
    ctx.bus.set_task_priority(value as u8);
    Ok(())
}

/// The paging registers as they are.
pub fn paging<B: Bus>(ctx: &Ctx<'_, B>) -> PagingRegs {
    let s = &ctx.s;
    PagingRegs { cr0: s.cr0, cr3: s.cr3, cr4: s.cr4, efer: s.msr.efer }
}

/// Loads the PDPTEs when `regs` page with PAE, outside long mode.
fn load_pdptes<B: Bus>(ctx: &mut Ctx<'_, B>, regs: &PagingRegs) -> Result<(), Exception> {
    if regs.cr0 & cr0::PG != 0 && regs.cr4 & cr4::PAE != 0 && regs.efer & efer::LMA == 0 {
        ctx.bus.load_pdptes(regs)?;
    }
    Ok(())
}

/// IA32_EFER with the LMA that goes with `new` in CR0: paging that is turned on with LME is long mode's (SDM volume 3A, 9.8.5).
fn efer_with<B: Bus>(ctx: &Ctx<'_, B>, new: u64) -> Result<u64, Exception> {
    let s = &ctx.s;
    let is_64_bit = s.cs().attr.contains(SegAttr::L);
    if new & cr0::PG == 0 {
        // Only compatibility mode can leave long mode.
        let left = !s.in_long_mode() || !is_64_bit;
        return if left { Ok(s.msr.efer & !efer::LMA) } else { Err(Exception::gp(0)) };
    }
    if s.cr0 & cr0::PG != 0 || s.msr.efer & efer::LME == 0 {
        return Ok(s.msr.efer);
    }
    let task_16 = matches!(s.tr.attr.kind(), kind::TSS16 | kind::TSS16_BUSY);
    if s.cr4 & cr4::PAE == 0 || is_64_bit || task_16 {
        return Err(Exception::gp(0));
    }
    Ok(s.msr.efer | efer::LMA)
}

fn set_cr0<B: Bus>(ctx: &mut Ctx<'_, B>, value: u64) -> Result<(), Exception> {
    let new = (value & CR0_DEFINED) | cr0::ET;
    let paging_real = new & cr0::PG != 0 && new & cr0::PE == 0;
    let through_only = new & cr0::NW != 0 && new & cr0::CD == 0;
    if paging_real || through_only || value >> 32 != 0 {
        return Err(Exception::gp(0));
    }
    let changed = ctx.s.cr0 ^ new;
    let efer = efer_with(ctx, new)?;
    let regs = PagingRegs { cr0: new, efer, ..paging(ctx) };
    if changed & (cr0::PG | cr0::CD | cr0::NW) != 0 {
        load_pdptes(ctx, &regs)?;
    }
    let leaves = ctx.s.in_long_mode() && efer & efer::LMA == 0;
    ctx.s.cr0 = new;
    ctx.s.msr.efer = efer;
    if leaves {
        ctx.s.leave_long_mode();
    }
    if changed & (cr0::PG | cr0::WP | cr0::PE) != 0 {
        ctx.bus.paging_changed(&paging(ctx), PagingChange::Mode);
    }
    Ok(())
}

fn set_cr3<B: Bus>(ctx: &mut Ctx<'_, B>, value: u64) -> Result<(), Exception> {
    if ctx.s.in_long_mode() && value & CR3_RESERVED != 0 {
        return Err(Exception::gp(0));
    }
    // (64-bit mode is long mode: outside it a value has 32 bits.)
    let regs = PagingRegs { cr3: value, ..paging(ctx) };
    load_pdptes(ctx, &regs)?;
    ctx.s.cr3 = value;
    ctx.bus.paging_changed(&regs, PagingChange::Cr3);
    Ok(())
}

fn set_cr4<B: Bus>(ctx: &mut Ctx<'_, B>, value: u64) -> Result<(), Exception> {
    let leaves_pae = ctx.s.in_long_mode() && value & cr4::PAE == 0;
    if value & !cr4_defined(ctx.unit.features) != 0 || leaves_pae {
        return Err(Exception::gp(0));
    }
    let changed = ctx.s.cr4 ^ value;
    let regs = PagingRegs { cr4: value, ..paging(ctx) };
    if changed & LOADS_PDPTES != 0 {
        load_pdptes(ctx, &regs)?;
    }
    ctx.s.cr4 = value;
    if changed & (LOADS_PDPTES | cr4::SMAP) != 0 {
        ctx.bus.paging_changed(&regs, PagingChange::Mode);
    }
    Ok(())
}

/// LMSW can set PE but not clear it.
fn lmsw<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    let value = ctx.read_op(i, 0, 2)?;
    let kept = ctx.s.cr0 & (!MSW | cr0::PE);
    set_cr0(ctx, kept | (value & MSW))
}

/// Not privileged: the 16-bit form and memory get the low word, a 32-bit register all of CR0.
fn smsw<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    protect_system_registers(ctx)?;
    let size = if i.op0_kind() == OpKind::Memory { 2 } else { N };
    let value = ctx.s.cr0;
    ctx.write_op(i, 0, size, value)
}

fn clts<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    ctx.s.cr0 &= !cr0::TS;
    Ok(())
}

/// The operand is an address only: no limit, no access.
fn invlpg<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    let (seg, off) = ctx.ea(i);
    let segment = &ctx.s.seg[seg as usize];
    if !ctx.s.in_64_bit_mode() {
        let lin = ctx.s.linear(segment.base, off);
        ctx.bus.invlpg(lin);
        return Ok(());
    }
    // An address that is not canonical has no translation (SDM volume 2, INVLPG).
    let lin = linear_in_64(segment, seg, off);
    if lin.is_canonical() {
        ctx.bus.invlpg(lin);
    }
    Ok(())
}

/// The memory of this machine is always coherent.
fn flush_caches<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)
}

fn hlt<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    ctx.s.activity = Activity::Halted;
    Ok(())
}

/// The debug register that `r` names. DR4 and DR5 are DR6 and DR7, or nothing with CR4.DE.
fn dr_number<B: Bus>(ctx: &Ctx<'_, B>, r: Register) -> Result<usize, Exception> {
    let n = (r as usize).wrapping_sub(Register::DR0 as usize);
    match n {
        0..=3 | 6 | 7 => Ok(n),
        4 | 5 if ctx.s.cr4 & cr4::DE == 0 => Ok(n + 2),
        _ => Err(Exception::ud()),
    }
}

/// Privilege and general detect guard every access to a debug register.
fn guard_dr<B: Bus>(ctx: &Ctx<'_, B>) -> Result<(), Exception> {
    require_cpl0(ctx)?;
    if ctx.s.dr[7] & u64::from(GENERAL_DETECT) != 0 {
        return Err(Exception::debug(GENERAL_DETECT));
    }
    Ok(())
}

fn mov_from_dr<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let n = dr_number(ctx, i.op1_register())?;
    guard_dr(ctx)?;
    let value = ctx.s.dr[n];
    ctx.set_reg(i.op0_register(), N, value);
    Ok(())
}

/// Reserved bits of DR6 and DR7 keep their fixed values; their upper halves must be zero.
fn mov_to_dr<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let n = dr_number(ctx, i.op0_register())?;
    guard_dr(ctx)?;
    let value = ctx.reg(i.op1_register(), N);
    if n >= 6 && value >> 32 != 0 {
        return Err(Exception::gp(0));
    }
    ctx.s.dr[n] = match n {
        6 => (value & 0x0000_e00f) | 0xffff_0ff0,
        7 => (value & 0xffff_23ff) | 0x400,
        _ => value,
    };
    Ok(())
}
