//! The guarded flags: CLI STI PUSHF POPF CLAC STAC. SDM volume 2, and volume 3A, 20.3 (VME) and 20.4 (PVI).

use super::super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::cr4;
use iced_x86::{Code, Instruction};

/// Flags that any privilege may change by POPF and IRET: the arithmetic ones, TF, DF, NT.
pub const ALWAYS: u32 =
    Eflags::ARITH.bits() | Eflags::TF.bits() | Eflags::DF.bits() | Eflags::NT.bits();

/// Flags beyond the low word that any privilege may change with 32-bit operands.
pub const ALWAYS_WIDE: u32 = Eflags::AC.bits() | Eflags::ID.bits();

const IF: u32 = Eflags::IF.bits();
const VIF: u32 = Eflags::VIF.bits();
const IOPL: u32 = Eflags::IOPL.bits();

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    match code {
        Code::Cli => Some(cli::<B>),
        Code::Sti => Some(sti::<B>),
        Code::Pushfw => Some(pushf::<B, 2>),
        Code::Pushfd => Some(pushf::<B, 4>),
        Code::Pushfq => Some(pushf::<B, 8>),
        Code::Popfq => Some(popf::<B, 8>),
        Code::Popfw => Some(popf::<B, 2>),
        Code::Popfd => Some(popf::<B, 4>),
        Code::Clac => Some(set_ac::<B, false>),
        Code::Stac => Some(set_ac::<B, true>),
        _ => None,
    }
}

/// Replaces the bits of `mask` in EFLAGS by those of `value`.
pub fn merge<B: Bus>(ctx: &mut Ctx<'_, B>, value: u32, mask: u32) {
    ctx.s.eflags = (ctx.s.eflags & !mask) | (value & mask) | Eflags::FIXED_ONE;
}

/// Which flag CLI and STI act on now.
enum ControlledFlag {
    Interrupt,
    Virtual,
}

fn controlled<B: Bus>(ctx: &Ctx<'_, B>) -> Result<ControlledFlag, Exception> {
    let s = &ctx.s;
    if !s.protected() || s.cpl <= s.flags().iopl() {
        return Ok(ControlledFlag::Interrupt);
    }
    let enable = if s.v86() { cr4::VME } else { cr4::PVI };
    if s.cpl == 3 && s.cr4 & enable != 0 {
        Ok(ControlledFlag::Virtual)
    } else {
        Err(Exception::gp(0))
    }
}

fn cli<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ctx.s.eflags &= match controlled(ctx)? {
        ControlledFlag::Interrupt => !IF,
        ControlledFlag::Virtual => !VIF,
    };
    Ok(())
}

fn sti<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    match controlled(ctx)? {
        ControlledFlag::Interrupt => {
            if ctx.s.eflags & IF == 0 {
                ctx.set_shadow_irq();
            }
            ctx.s.eflags |= IF;
        }
        ControlledFlag::Virtual => {
            if ctx.s.eflags & Eflags::VIP.bits() != 0 {
                return Err(Exception::gp(0));
            }
            ctx.s.eflags |= VIF;
        }
    }
    Ok(())
}

/// CLAC and STAC: of CPL 0 alone, so of no V86 code.
fn set_ac<B: Bus, const ON: bool>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    if ctx.s.cpl != 0 {
        return Err(Exception::ud());
    }
    merge(ctx, if ON { Eflags::AC.bits() } else { 0 }, Eflags::AC.bits());
    Ok(())
}

/// EFLAGS as VME shows it to an 8086 program: VIF in the place of IF, IOPL 3.
#[must_use]
pub fn virtual_image(eflags: u32) -> u32 {
    let shown = if eflags & VIF != 0 { IF } else { 0 };
    (eflags & !IF) | shown | IOPL
}

/// Whether V86 code with IOPL < 3 may run the 16-bit forms of PUSHF, POPF, IRET: VME.
fn virtualized<B: Bus>(ctx: &Ctx<'_, B>, size: u32) -> Result<bool, Exception> {
    if !ctx.s.v86() || ctx.s.flags().iopl() == 3 {
        return Ok(false);
    }
    if size == 2 && ctx.s.cr4 & cr4::VME != 0 { Ok(true) } else { Err(Exception::gp(0)) }
}

fn pushf<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let eflags = ctx.s.eflags & !(Eflags::VM | Eflags::RF).bits();
    let image = if virtualized(ctx, N)? { virtual_image(eflags) } else { eflags };
    ctx.push(N, image)
}

/// Loads the low word of EFLAGS in V86 mode with IOPL < 3 and VME: IF goes to VIF.
///
/// # Errors
/// #GP(0) when the image sets TF, or IF while VIP is set.
pub fn load_virtual<B: Bus>(ctx: &mut Ctx<'_, B>, image: u32) -> Result<(), Exception> {
    let pending = ctx.s.eflags & Eflags::VIP.bits() != 0;
    if image & Eflags::TF.bits() != 0 || (pending && image & IF != 0) {
        return Err(Exception::gp(0));
    }
    let vif = if image & IF != 0 { VIF } else { 0 };
    merge(ctx, (image & !VIF) | vif, ALWAYS | VIF);
    Ok(())
}

fn popf<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    if virtualized(ctx, N)? {
        let image = ctx.peek(0, N)? as u32;
        load_virtual(ctx, image)?;
        ctx.release(N);
        return Ok(());
    }
    let image = ctx.pop(N)? as u32;
    let mut mask = ALWAYS;
    if N >= 4 {
        mask |= ALWAYS_WIDE;
    }
    if ctx.s.cpl == 0 {
        mask |= IOPL;
    }
    if ctx.s.cpl <= ctx.s.flags().iopl() {
        mask |= IF;
    }
    merge(ctx, image, mask);
    Ok(())
}
