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
use crate::segment::{Segment, Selector};
use crate::state::TableReg;
use iced_x86::{Code, Instruction, OpKind};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Lar_r16_rm16 => Some(lar::<B, 2>),
        C::Lar_r32_r32m16 => Some(lar::<B, 4>),
        C::Lar_r64_r64m16 => Some(lar::<B, 8>),
        C::Lsl_r16_rm16 => Some(lsl::<B, 2>),
        C::Lsl_r32_r32m16 => Some(lsl::<B, 4>),
        C::Lsl_r64_r64m16 => Some(lsl::<B, 8>),
        C::Verr_rm16 | C::Verr_r32m16 | C::Verr_r64m16 => Some(verr::<B>),
        C::Verw_rm16 | C::Verw_r32m16 | C::Verw_r64m16 => Some(verw::<B>),
        C::Arpl_rm16_r16 | C::Arpl_r32m16_r32 => Some(arpl::<B>),
        C::Sgdt_m1632_16 | C::Sgdt_m1632 => Some(sgdt::<B, 4>),
        C::Sgdt_m1664 => Some(sgdt::<B, 8>),
        C::Sidt_m1632_16 | C::Sidt_m1632 => Some(sidt::<B, 4>),
        C::Sidt_m1664 => Some(sidt::<B, 8>),
        C::Lgdt_m1632_16 => Some(lgdt::<B, 3>),
        C::Lgdt_m1632 => Some(lgdt::<B, 4>),
        C::Lgdt_m1664 => Some(lgdt::<B, 8>),
        C::Lidt_m1632_16 => Some(lidt::<B, 3>),
        C::Lidt_m1632 => Some(lidt::<B, 4>),
        C::Lidt_m1664 => Some(lidt::<B, 8>),
        C::Sldt_rm16 => Some(sldt::<B, 2>),
        C::Sldt_r32m16 => Some(sldt::<B, 4>),
        C::Sldt_r64m16 => Some(sldt::<B, 8>),
        C::Str_rm16 => Some(str::<B, 2>),
        C::Str_r32m16 => Some(str::<B, 4>),
        C::Str_r64m16 => Some(str::<B, 8>),
        C::Lldt_rm16 | C::Lldt_r32m16 | C::Lldt_r64m16 => Some(lldt::<B>),
        C::Ltr_rm16 | C::Ltr_r32m16 | C::Ltr_r64m16 => Some(ltr::<B>),
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
    let long = ctx.s.in_long_mode();
    let d = visible(ctx, i, 1, |d| match d.attr().kind() {
        _ if d.is_segment() => true,
        kind::LDT | kind::TSS32 | kind::TSS32_BUSY | kind::CALL32 => true,
        1..=5 => !long,
        _ => false,
    })?;
    set_zf(ctx, d.is_some());
    if let Some(d) = d {
        ctx.set_reg(i.op0_register(), N, d.hi & 0x00f0_ff00);
    }
    Ok(())
}

fn lsl<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let long = ctx.s.in_long_mode();
    let d = visible(ctx, i, 1, |d| match d.attr().kind() {
        _ if d.is_segment() => true,
        kind::LDT | kind::TSS32 | kind::TSS32_BUSY => true,
        kind::TSS16 | kind::TSS16_BUSY => !long,
        _ => false,
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

/// The whole base of `N` bytes is stored, whatever the operand size.
fn store_table<B: Bus, const N: usize>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
    table: TableReg,
) -> Result<(), Exception> {
    let (seg, off) = ctx.ea(i);
    let mut raw = [0; 10];
    raw[..2].copy_from_slice(&table.limit.to_le_bytes());
    raw[2..].copy_from_slice(&table.base.get().to_le_bytes());
    ctx.write_mem(seg, off, &raw[..N + 2])
}

/// `N` bytes of the base count: 3 of the 4 with 16-bit operands, 8 in 64-bit mode, where it must be canonical.
fn load_table<B: Bus, const N: usize>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<TableReg, Exception> {
    require_cpl0(ctx)?;
    let (seg, off) = ctx.ea(i);
    let mut raw = [0; 10];
    ctx.read_mem(seg, off, &mut raw[..N.max(4) + 2])?;
    let limit = u16::from_le_bytes([raw[0], raw[1]]);
    let mut base = [0; 8];
    base[..N].copy_from_slice(&raw[2..N + 2]);
    let base = Lin(u64::from_le_bytes(base));
    if base.is_canonical() { Ok(TableReg { base, limit }) } else { Err(Exception::gp(0)) }
}

fn sgdt<B: Bus, const N: usize>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    protect_system_registers(ctx)?;
    store_table::<B, N>(ctx, i, ctx.s.gdtr)
}

fn sidt<B: Bus, const N: usize>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    protect_system_registers(ctx)?;
    store_table::<B, N>(ctx, i, ctx.s.idtr)
}

fn lgdt<B: Bus, const N: usize>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    ctx.s.gdtr = load_table::<B, N>(ctx, i)?;
    Ok(())
}

fn lidt<B: Bus, const N: usize>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    ctx.s.idtr = load_table::<B, N>(ctx, i)?;
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
    ctx.s.ldtr = system_segment(ctx, sel, &d)?;
    Ok(())
}

fn ltr<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    require_protected(ctx)?;
    require_cpl0(ctx)?;
    let sel = Selector(ctx.read_op(i, 0, 2)? as u16);
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let available: &[u8] =
        if ctx.s.in_long_mode() { &[kind::TSS32] } else { &[kind::TSS16, kind::TSS32] };
    let mut d = system(ctx, sel, available)?;
    let loaded = system_segment(ctx, sel, &d)?;
    d.mark_busy(ctx)?;
    ctx.s.tr = Segment { attr: d.attr(), ..loaded };
    Ok(())
}

/// What LDTR or TR holds after a load of `d`, which has 16 bytes in long mode.
fn system_segment<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    d: &Descriptor,
) -> Result<Segment, Exception> {
    let segment = d.segment(sel);
    if !ctx.s.in_long_mode() {
        return Ok(segment);
    }
    let code = sel.error_code();
    if !descriptor::holds_16(ctx, sel) {
        return Err(Exception::gp(code));
    }
    let upper = d.upper_half(ctx, code)?;
    let base = segment.base.plus(u64::from(upper) << 32);
    if base.is_canonical() { Ok(Segment { base, ..segment }) } else { Err(Exception::gp(code)) }
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
