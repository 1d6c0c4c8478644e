//! IRET in all its forms. SDM volume 2, IRET; volume 3A, 6.12, 7.3 and 20.2.5.

use super::super::{Ctx, Handler, StackCursor};
use super::{flags, task, transfer};
use crate::addr::Pc;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::segment::{Segment, Selector};
use crate::state::{Gpr, SegReg, cr4};
use iced_x86::{Code, Instruction};

/// Flags that exist on the models.
const DEFINED: u32 = 0x003f_7fd5;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    match code {
        Code::Iretw => Some(iret::<B, 2>),
        Code::Iretd => Some(iret::<B, 4>),
        Code::Iretq => Some(iret::<B, 8>),
        _ => None,
    }
}

/// What IRET pops first.
struct Popped {
    rip: Pc,
    cs: Selector,
    eflags: u32,
}

fn iret<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let nested = ctx.s.eflags & Eflags::NT.bits() != 0;
    if !ctx.s.protected() {
        real(ctx, N)?;
    } else if ctx.s.v86() {
        v86(ctx, N)?;
    } else if nested && ctx.s.in_long_mode() {
        return Err(Exception::gp(0));
    } else if nested {
        task::iret(ctx)?;
    } else {
        protected(ctx, N)?;
    }
    // The 16-bit image has no RF: it ends with the instruction, as usual.
    ctx.keep_rf |= N >= 4;
    ctx.s.nmi_blocked = false;
    Ok(())
}

fn pop_frame<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    size: u32,
) -> Result<Popped, Exception> {
    let rip = Pc(stack.pop(ctx, size)?);
    let cs = Selector(stack.pop(ctx, size)? as u16);
    let eflags = stack.pop(ctx, size)? as u32;
    Ok(Popped { rip, cs, eflags })
}

/// The flags that an image of `size` bytes loads at privilege `cpl` with `iopl`.
fn loaded(size: u32, cpl: u8, iopl: u8) -> u32 {
    let mut mask = flags::ALWAYS;
    if size >= 4 {
        mask |= flags::ALWAYS_WIDE | Eflags::RF.bits();
    }
    if cpl <= iopl {
        mask |= Eflags::IF.bits();
    }
    if cpl == 0 {
        mask |= Eflags::IOPL.bits();
    }
    mask
}

fn to_8086<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    frame: &Popped,
) -> Result<(), Exception> {
    let cs = transfer::cs_8086(ctx, frame.cs.0);
    transfer::check_target(ctx, &cs, frame.rip)?;
    stack.commit(ctx)?;
    transfer::commit(ctx, cs, frame.rip, ctx.s.cpl);
    Ok(())
}

fn real<B: Bus>(ctx: &mut Ctx<'_, B>, size: u32) -> Result<(), Exception> {
    let mut stack = StackCursor::current(ctx.s);
    let frame = pop_frame(ctx, &mut stack, size)?;
    to_8086(ctx, &mut stack, &frame)?;
    flags::merge(ctx, frame.eflags, loaded(size, 0, 0));
    Ok(())
}

fn v86<B: Bus>(ctx: &mut Ctx<'_, B>, size: u32) -> Result<(), Exception> {
    let iopl = ctx.s.flags().iopl();
    let virtualized = size == 2 && ctx.s.cr4 & cr4::VME != 0;
    if iopl < 3 && !virtualized {
        return Err(Exception::gp(0));
    }
    let mut stack = StackCursor::current(ctx.s);
    let frame = pop_frame(ctx, &mut stack, size)?;
    if iopl == 3 {
        to_8086(ctx, &mut stack, &frame)?;
        flags::merge(ctx, frame.eflags, loaded(size, 3, 3));
        return Ok(());
    }
    transfer::check_target(ctx, &transfer::cs_8086(ctx, frame.cs.0), frame.rip)?;
    flags::load_virtual(ctx, frame.eflags)?;
    to_8086(ctx, &mut stack, &frame)
}

fn protected<B: Bus>(ctx: &mut Ctx<'_, B>, size: u32) -> Result<(), Exception> {
    let mut stack = StackCursor::current(ctx.s);
    let frame = pop_frame(ctx, &mut stack, size)?;
    let (old_cpl, iopl) = (ctx.s.cpl, ctx.s.flags().iopl());
    let long = ctx.s.in_long_mode();
    if size == 4 && frame.eflags & Eflags::VM.bits() != 0 && old_cpl == 0 && !long {
        return to_v86(ctx, &mut stack, &frame);
    }
    let cs = transfer::return_segment(ctx, frame.cs)?;
    let cpl = cs.sel().rpl();
    if cpl == old_cpl && !ctx.s.in_64_bit_mode() {
        transfer::check_target(ctx, &cs, frame.rip)?;
        stack.commit(ctx)?;
        transfer::commit(ctx, cs, frame.rip, cpl);
    } else {
        // 64-bit code's frames have a stack, whatever the level.
        let (ss, sp) = transfer::outer_stack(ctx, &mut stack, size, &cs)?;
        transfer::check_target(ctx, &cs, frame.rip)?;
        if cpl == old_cpl {
            transfer::commit(ctx, cs, frame.rip, cpl);
            transfer::commit_stack(ctx, ss, sp);
        } else {
            transfer::commit_outer(ctx, cs, frame.rip, ss, sp);
        }
    }
    let mut mask = loaded(size, old_cpl, iopl);
    if size >= 4 && old_cpl == 0 {
        mask |= (Eflags::VIF | Eflags::VIP).bits();
    }
    flags::merge(ctx, frame.eflags, mask);
    Ok(())
}

/// The return to V86 mode pops the stack and the data segments too.
fn to_v86<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    frame: &Popped,
) -> Result<(), Exception> {
    let esp = stack.pop(ctx, 4)? as u32;
    let mut selectors = [0; 5];
    for selector in &mut selectors {
        *selector = stack.pop(ctx, 4)? as u16;
    }
    let cs = Segment::real(frame.cs.0, 3);
    transfer::check_target(ctx, &cs, frame.rip)?;
    flags::merge(ctx, frame.eflags, DEFINED);
    transfer::commit(ctx, cs, frame.rip, 3);
    let order = [SegReg::Ss, SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs];
    for (seg, selector) in order.into_iter().zip(selectors) {
        ctx.s.seg[seg as usize] = Segment::real(selector, 3);
    }
    ctx.set_gpr(Gpr::Esp, esp);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_loads_what_the_privilege_allows() {
        assert_eq!(loaded(2, 3, 0) & (Eflags::IF | Eflags::IOPL).bits(), 0);
        assert_eq!(loaded(2, 3, 3) & (Eflags::IF | Eflags::IOPL).bits(), Eflags::IF.bits());
        assert_eq!(loaded(4, 0, 0) & Eflags::IOPL.bits(), Eflags::IOPL.bits());
        assert_eq!(loaded(2, 0, 0) & flags::ALWAYS_WIDE, 0);
        assert_ne!(loaded(4, 3, 0) & Eflags::RF.bits(), 0);
        assert_eq!(loaded(4, 0, 0) & Eflags::VM.bits(), 0);
    }
}
