//! Decimal adjustment: DAA DAS AAA AAS AAM AAD, and SALC.
//!
//! 64-bit mode lacks these, so the host cannot be asked; the SDM's algorithms (volume 2) stand here
//! in plain Rust. Flags the SDM leaves undefined are those of the adjustment as an addition or
//! subtraction, 8-bit for DAA and DAS, 16-bit for AAA and AAS: so a real processor (AMD Zen, all
//! AL and AF, several AH) was seen to set them in 32-bit mode.

use super::alu::{Add, Binary, Sub};
use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::Gpr;
use iced_x86::{Code, Instruction};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    match code {
        Code::Daa => Some(daa::<B>),
        Code::Das => Some(das::<B>),
        Code::Aaa => Some(aaa::<B>),
        Code::Aas => Some(aas::<B>),
        Code::Aam_imm8 => Some(aam::<B>),
        Code::Aad_imm8 => Some(aad::<B>),
        Code::Salc => Some(salc::<B>),
        _ => None,
    }
}

fn al<B: Bus>(ctx: &Ctx<'_, B>) -> u8 {
    ctx.gpr(Gpr::Eax) as u8
}

fn has<B: Bus>(ctx: &Ctx<'_, B>, flag: Eflags) -> bool {
    ctx.s.eflags & flag.bits() != 0
}

/// Sets the flags of a byte result: SF, ZF and PF by `value`; CF, AF and OF as given.
fn set_flags<B: Bus>(ctx: &mut Ctx<'_, B>, value: u8, cf: bool, af: bool, of: bool) {
    let mut f = Eflags::empty();
    f.set(Eflags::CF, cf);
    f.set(Eflags::AF, af);
    f.set(Eflags::OF, of);
    f.set(Eflags::ZF, value == 0);
    f.set(Eflags::SF, value & 0x80 != 0);
    f.set(Eflags::PF, value.count_ones().is_multiple_of(2));
    ctx.s.eflags = (ctx.s.eflags & !Eflags::ARITH.bits()) | f.bits();
}

/// What DAA and DAS adjust AL by, with the new AF and CF.
fn adjustment<B: Bus>(ctx: &Ctx<'_, B>) -> (u8, bool, bool) {
    let old = al(ctx);
    let af = old & 0xf > 9 || has(ctx, Eflags::AF);
    let cf = old > 0x99 || has(ctx, Eflags::CF);
    let by = if af { 6 } else { 0 } + if cf { 0x60 } else { 0 };
    (by, af, cf)
}

fn daa<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let old = al(ctx);
    let (by, af, cf) = adjustment(ctx);
    let new = old.wrapping_add(by);
    ctx.set_gpr_low(Gpr::Eax, 1, u32::from(new));
    let overflow = (old ^ new) & (by ^ new) & 0x80 != 0;
    set_flags(ctx, new, cf, af, overflow);
    Ok(())
}

fn das<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let old = al(ctx);
    let (by, af, cf) = adjustment(ctx);
    let new = old.wrapping_sub(by);
    // The first step's borrow (AL below 6) carries too.
    let borrow = af && old < 6;
    ctx.set_gpr_low(Gpr::Eax, 1, u32::from(new));
    let overflow = (old ^ by) & (old ^ new) & 0x80 != 0;
    set_flags(ctx, new, cf || borrow, af, overflow);
    Ok(())
}

/// AX moves up or down by 106h if it must; then AL keeps its low digit. CF and AF tell; the other
/// flags are those of the 16-bit operation.
fn ascii_adjust<B: Bus, O: Binary>(ctx: &mut Ctx<'_, B>) {
    let ax = ctx.gpr_low(Gpr::Eax, 2);
    let adjust = ax & 0xf > 9 || has(ctx, Eflags::AF);
    let moved = O::run::<2>(&mut ctx.s.eflags, ax, if adjust { 0x106 } else { 0 });
    ctx.set_gpr_low(Gpr::Eax, 2, moved & 0xff0f);
    let told = (Eflags::CF | Eflags::AF).bits();
    ctx.s.eflags = (ctx.s.eflags & !told) | if adjust { told } else { 0 };
}

fn aaa<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ascii_adjust::<B, Add>(ctx);
    Ok(())
}

fn aas<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ascii_adjust::<B, Sub>(ctx);
    Ok(())
}

/// AH = AL / base, AL = AL mod base. #DE for base 0.
fn aam<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let base = i.immediate8();
    let old = al(ctx);
    let high = old.checked_div(base).ok_or(Exception::de())?;
    let low = old.checked_rem(base).ok_or(Exception::de())?;
    ctx.set_gpr_low(Gpr::Eax, 2, u32::from(high) << 8 | u32::from(low));
    set_flags(ctx, low, false, false, false);
    Ok(())
}

/// AL = AL + AH * base, AH = 0; the flags of that addition.
fn aad<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let ax = ctx.gpr_low(Gpr::Eax, 2);
    let product = (ax >> 8).wrapping_mul(u64::from(i.immediate8())) & 0xff;
    let mut flags = ctx.s.eflags;
    let sum = Add::run::<1>(&mut flags, ax & 0xff, product);
    ctx.s.eflags = flags;
    ctx.set_gpr_low(Gpr::Eax, 2, sum);
    Ok(())
}

/// AL = CF ? FFh : 0; undocumented, no flag changes.
fn salc<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let value = if has(ctx, Eflags::CF) { 0xffu32 } else { 0 };
    ctx.set_gpr_low(Gpr::Eax, 1, value);
    Ok(())
}
