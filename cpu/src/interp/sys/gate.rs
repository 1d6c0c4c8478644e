//! Call gates. SDM volume 3A, 5.8.3 to 5.8.5; volume 2, CALL and JMP.

use super::super::{Ctx, StackCursor};
use super::descriptor::{self, Descriptor};
use super::{transfer, tss};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::segment::Selector;
use crate::state::Gpr;

/// The code segment that the gate `d` names, of the caller's level or an inner one; whether it is
/// present comes after the caller's own checks.
fn code<B: Bus>(ctx: &mut Ctx<'_, B>, d: &Descriptor) -> Result<(Selector, Descriptor), Exception> {
    let sel = d.gate_selector();
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let target = descriptor::fetch(ctx, sel, Exception::gp)?;
    if !target.is_code() || target.dpl() > ctx.s.cpl {
        return Err(Exception::gp(sel.error_code()));
    }
    Ok((sel, target))
}

fn require_present(sel: Selector, d: &Descriptor) -> Result<(), Exception> {
    if d.present() { Ok(()) } else { Err(Exception::np(sel.error_code())) }
}

/// JMP through a call gate: never to another privilege level.
///
/// # Errors
/// #GP, #NP, #PF.
pub fn jmp<B: Bus>(ctx: &mut Ctx<'_, B>, d: &Descriptor) -> Result<(), Exception> {
    let (sel, mut target) = code(ctx, d)?;
    let cpl = ctx.s.cpl;
    if !target.is_conforming() && target.dpl() != cpl {
        return Err(Exception::gp(sel.error_code()));
    }
    require_present(sel, &target)?;
    let cs = target.segment(transfer::with_rpl(sel, cpl));
    transfer::check_limit(&cs, d.gate_offset())?;
    target.mark_accessed(ctx)?;
    transfer::commit(ctx, target.segment(cs.sel()), d.gate_offset(), cpl);
    Ok(())
}

/// CALL through a call gate.
///
/// # Errors
/// #GP, #NP, #TS, #SS, #PF, #AC.
pub fn call<B: Bus>(ctx: &mut Ctx<'_, B>, d: &Descriptor) -> Result<(), Exception> {
    let (sel, mut target) = code(ctx, d)?;
    require_present(sel, &target)?;
    target.mark_accessed(ctx)?;
    let size = if d.is_gate_32() { 4 } else { 2 };
    if !target.is_conforming() && target.dpl() < ctx.s.cpl {
        return call_inner(ctx, d, sel, &target, size);
    }
    let cs = target.segment(transfer::with_rpl(sel, ctx.s.cpl));
    transfer::call_same(ctx, cs, d.gate_offset(), size)
}

/// To a more privileged level: the TSS gives the stack; the caller's SS:ESP, its parameters, and
/// the return address go there.
fn call_inner<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    d: &Descriptor,
    sel: Selector,
    target: &Descriptor,
    size: u32,
) -> Result<(), Exception> {
    let cpl = target.dpl();
    let (ss, esp) = tss::inner_stack(ctx, cpl)?;
    let old = StackCursor::current(ctx.s);
    let who = transfer::inner_privilege(ctx, cpl);
    let mut new = StackCursor::on(ss, esp, who, u32::from(ss.selector & !3));
    let (old_ss, old_esp) = (u64::from(ctx.s.ss().selector), ctx.gpr_low(Gpr::Esp, size));
    new.push(ctx, size, old_ss)?;
    new.push(ctx, size, old_esp)?;
    for n in (0..d.gate_parameters()).rev() {
        let parameter = old.peek(ctx, n * size, size)?;
        new.push(ctx, size, parameter)?;
    }
    new.push(ctx, size, u32::from(ctx.s.cs().selector))?;
    new.push(ctx, size, ctx.next_rip.get())?;
    let cs = target.segment(transfer::with_rpl(sel, cpl));
    transfer::check_limit(&cs, d.gate_offset())?;
    new.flush(ctx)?;
    transfer::commit(ctx, cs, d.gate_offset(), cpl);
    transfer::commit_stack(ctx, ss, new.sp());
    Ok(())
}
