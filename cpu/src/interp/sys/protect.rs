//! Instructions about descriptors and tables: LAR LSL VERR VERW ARPL, LGDT LIDT LLDT LTR and their
//! stores. SDM volume 2; volume 3A, 5.10.

use super::super::{Ctx, Handler};
use super::descriptor::{self, Descriptor, kind, null_segment};
use super::privilege::{protect_system_registers, require_cpl0};
use super::{segload, transfer};
use crate::addr::Lin;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::interp::operand::Place;
use crate::segment::Selector;
use crate::state::TableReg;
use iced_x86::{Code, Instruction, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Lar_r16_rm16 => Some(lar::<B, 2>),
        C::Lar_r32_r32m16 => Some(lar::<B, 4>),
        C::Lsl_r16_rm16 => Some(lsl::<B, 2>),
        C::Lsl_r32_r32m16 => Some(lsl::<B, 4>),
        C::Verr_rm16 | C::Verr_r32m16 => Some(verr::<B>),
        C::Verw_rm16 | C::Verw_r32m16 => Some(verw::<B>),
        C::Arpl_rm16_r16 | C::Arpl_r32m16_r32 => Some(arpl::<B>),
        C::Sgdt_m1632_16 | C::Sgdt_m1632 => Some(sgdt::<B>),
        C::Sidt_m1632_16 | C::Sidt_m1632 => Some(sidt::<B>),
        C::Lgdt_m1632_16 => Some(lgdt::<B, 0x00ff_ffff>),
        C::Lgdt_m1632 => Some(lgdt::<B, 0xffff_ffff>),
        C::Lidt_m1632_16 => Some(lidt::<B, 0x00ff_ffff>),
        C::Lidt_m1632 => Some(lidt::<B, 0xffff_ffff>),
        C::Sldt_rm16 => Some(sldt::<B, 2>),
        C::Sldt_r32m16 => Some(sldt::<B, 4>),
        C::Str_rm16 => Some(str::<B, 2>),
        C::Str_r32m16 => Some(str::<B, 4>),
        C::Lldt_rm16 | C::Lldt_r32m16 => Some(lldt::<B>),
        C::Ltr_rm16 | C::Ltr_r32m16 => Some(ltr::<B>),
        _ => None,
    }
}

/// Real and V86 mode know no selectors.
fn require_protected<B: Bus>(ctx: &Ctx<'_, B>) -> Result<(), Exception> {
    if transfer::is_8086(ctx) { Err(Exception::ud()) } else { Ok(()) }
}

fn set_zf<B: Bus>(ctx: &mut Ctx<'_, B>, on: bool) {
    ctx.s.eflags &= !Eflags::ZF.bits();
    if on {
        ctx.s.eflags |= Eflags::ZF.bits();
    }
}

/// The descriptor that operand `n` names, if the running code may see it at all and `accept` takes
/// it. What is missing or forbidden is no exception here.
fn visible<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    n: u32,
    accept: impl Fn(&Descriptor) -> bool,
) -> Result<Option<Descriptor>, Exception> {
    require_protected(ctx)?;
    let sel = Selector(ctx.read_op(i, n, 2)? as u16);
    if sel.is_null() {
        return Ok(None);
    }
    let cpl = ctx.s.cpl;
    let found = descriptor::find(ctx, sel)?;
    Ok(found.filter(|d| segload::reachable(d, sel, cpl) && accept(d)))
}

fn lar<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let d = visible(ctx, i, 1, |d| {
        d.is_segment() || matches!(d.attr().kind(), 1..=5 | kind::TSS32 | 11 | kind::CALL32)
    })?;
    set_zf(ctx, d.is_some());
    if let Some(d) = d {
        ctx.set_reg(i.op0_register(), N, d.hi & 0x00f0_ff00);
    }
    Ok(())
}

fn lsl<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let d = visible(ctx, i, 1, |d| {
        d.is_segment() || matches!(d.attr().kind(), 1..=3 | kind::TSS32 | kind::TSS32_BUSY)
    })?;
    set_zf(ctx, d.is_some());
    if let Some(d) = d {
        ctx.set_reg(i.op0_register(), N, d.limit());
    }
    Ok(())
}

fn verr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let d = visible(ctx, i, 0, Descriptor::is_readable)?;
    set_zf(ctx, d.is_some());
    Ok(())
}

fn verw<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let d = visible(ctx, i, 0, Descriptor::is_writable_data)?;
    set_zf(ctx, d.is_some());
    Ok(())
}

fn arpl<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_protected(ctx)?;
    let rpl = ctx.reg(i.op1_register(), 2) & 3;
    // Memory is written, and must be writable, only when the RPL changes (SDM volume 2, ARPL).
    let (place, selector) = if i.op0_kind() == OpKind::Register {
        let register = i.op0_register();
        (Place::Reg(register), ctx.reg(register, 2))
    } else {
        let (seg, off) = ctx.ea(i);
        (Place::Mem(seg, off), ctx.read_sized(seg, off, 2)?)
    };
    let raise = selector & 3 < rpl;
    if raise {
        ctx.close(place, 2, (selector & !3) | rpl)?;
    }
    set_zf(ctx, raise);
    Ok(())
}

/// The whole base is stored, whatever the operand size.
fn store_table<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    table: TableReg,
) -> Result<(), Exception> {
    let (seg, off) = ctx.ea(i);
    let mut raw = [0; 6];
    raw[..2].copy_from_slice(&table.limit.to_le_bytes());
    raw[2..].copy_from_slice(&table.base.low().to_le_bytes());
    ctx.write_mem(seg, off, &raw)
}

/// With 16-bit operands only 24 bits of the base count.
fn load_table<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    base_mask: u32,
) -> Result<TableReg, Exception> {
    require_cpl0(ctx)?;
    let (seg, off) = ctx.ea(i);
    let mut raw = [0; 6];
    ctx.read_mem(seg, off, &mut raw)?;
    let limit = u16::from_le_bytes([raw[0], raw[1]]);
    let base = u32::from_le_bytes([raw[2], raw[3], raw[4], raw[5]]) & base_mask;
    Ok(TableReg { base: Lin::from(base), limit })
}

fn sgdt<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    protect_system_registers(ctx)?;
    store_table(ctx, i, ctx.s.gdtr)
}

fn sidt<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    protect_system_registers(ctx)?;
    store_table(ctx, i, ctx.s.idtr)
}

fn lgdt<B: Bus, const MASK: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    ctx.s.gdtr = load_table(ctx, i, MASK)?;
    Ok(())
}

fn lidt<B: Bus, const MASK: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    ctx.s.idtr = load_table(ctx, i, MASK)?;
    Ok(())
}

/// Memory always gets a word; a 32-bit register gets the selector zero-extended.
fn store_selector<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    size: u32,
    selector: u16,
) -> Result<(), Exception> {
    let size = if i.op0_kind() == OpKind::Memory { 2 } else { size };
    ctx.write_op(i, 0, size, u32::from(selector))
}

fn sldt<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_protected(ctx)?;
    protect_system_registers(ctx)?;
    store_selector(ctx, i, N, ctx.s.ldtr.selector)
}

fn str<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_protected(ctx)?;
    protect_system_registers(ctx)?;
    store_selector(ctx, i, N, ctx.s.tr.selector)
}

fn lldt<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_protected(ctx)?;
    require_cpl0(ctx)?;
    let sel = Selector(ctx.read_op(i, 0, 2)? as u16);
    if sel.is_null() {
        ctx.s.ldtr = null_segment(sel.0);
        return Ok(());
    }
    let d = system(ctx, sel, &[kind::LDT])?;
    ctx.s.ldtr = d.segment(sel);
    Ok(())
}

fn ltr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_protected(ctx)?;
    require_cpl0(ctx)?;
    let sel = Selector(ctx.read_op(i, 0, 2)? as u16);
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let mut d = system(ctx, sel, &[kind::TSS16, kind::TSS32])?;
    d.mark_busy(ctx)?;
    ctx.s.tr = d.segment(sel);
    Ok(())
}

/// The GDT's descriptor `sel` of one of the `kinds`, present.
fn system<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    kinds: &[u8],
) -> Result<Descriptor, Exception> {
    let code = sel.error_code();
    if sel.is_local() {
        return Err(Exception::gp(code));
    }
    let d = descriptor::fetch(ctx, sel, Exception::gp)?;
    if !d.system_kind().is_some_and(|k| kinds.contains(&k)) {
        return Err(Exception::gp(code));
    }
    if d.present() { Ok(d) } else { Err(Exception::np(code)) }
}
