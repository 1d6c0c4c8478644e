//! Call gates. SDM volume 3A, 5.8.3 to 5.8.5; volume 2, CALL and JMP.

use super::super::{Ctx, StackCursor};
use super::descriptor::{self, Descriptor};
use super::{transfer, tss};
use crate::addr::Pc;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::segment::{Segment, Selector};
use crate::state::Gpr;

/// Where a gate leads, before it is known whether the code segment is present: that comes after the caller's own checks.
struct Target {
    sel: Selector,
    code: Descriptor,
    offset: Pc,
}

/// What the gate `d`, which `gate` names, leads to: code of the caller's level or an inner one, and of 64 bits in long mode.
fn target<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    gate: Selector,
    d: &Descriptor,
) -> Result<Target, Exception> {
    let mut offset = d.gate_offset();
    if ctx.s.in_long_mode() {
        let code = gate.error_code();
        if !descriptor::holds_16(ctx, gate) {
            return Err(Exception::gp(code));
        }
        offset = offset.plus(u64::from(d.upper_half(ctx, code)?) << 32);
    }
    let sel = d.gate_selector();
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let code = descriptor::fetch(ctx, sel, Exception::gp)?;
    let sizes_ok = !ctx.s.in_long_mode() || code.is_64_bit_code() && !code.has_both_sizes();
    if !code.is_code() || code.dpl() > ctx.s.cpl || !sizes_ok {
        return Err(Exception::gp(sel.error_code()));
    }
    Ok(Target { sel, code, offset })
}

fn require_present(sel: Selector, d: &Descriptor) -> Result<(), Exception> {
    if d.present() { Ok(()) } else { Err(Exception::np(sel.error_code())) }
}

/// JMP through the call gate `d`, which `gate` names: never to another privilege level.
///
/// # Errors
/// #GP, #NP, #PF.
pub fn jmp<B: Bus>(ctx: &mut Ctx<'_, B>, gate: Selector, d: &Descriptor) -> Result<(), Exception> {
    let Target { sel, mut code, offset } = target(ctx, gate, d)?;
    let cpl = ctx.s.cpl;
    if !code.is_conforming() && code.dpl() != cpl {
        return Err(Exception::gp(sel.error_code()));
    }
    require_present(sel, &code)?;
    let cs = code.segment(transfer::with_rpl(sel, cpl));
    transfer::check_target(ctx, &cs, offset)?;
    code.mark_accessed(ctx)?;
    transfer::commit(ctx, code.segment(cs.sel()), offset, cpl);
    Ok(())
}

/// CALL through the call gate `d`, which `gate` names.
///
/// # Errors
/// #GP, #NP, #TS, #SS, #PF, #AC.
pub fn call<B: Bus>(ctx: &mut Ctx<'_, B>, gate: Selector, d: &Descriptor) -> Result<(), Exception> {
    let mut target = target(ctx, gate, d)?;
    require_present(target.sel, &target.code)?;
    target.code.mark_accessed(ctx)?;
    let inner = !target.code.is_conforming() && target.code.dpl() < ctx.s.cpl;
    let size = match (ctx.s.in_long_mode(), d.is_gate_32()) {
        (true, _) => 8,
        (false, true) => 4,
        (false, false) => 2,
    };
    match (inner, ctx.s.in_long_mode()) {
        (true, true) => call_inner_long(ctx, &target),
        (true, false) => call_inner(ctx, d, &target, size),
        (false, _) => {
            let cs = target.code.segment(transfer::with_rpl(target.sel, ctx.s.cpl));
            transfer::call_same(ctx, cs, target.offset, size)
        }
    }
}

/// To a more privileged level: the TSS gives the stack; the caller's SS:ESP, its parameters, and
/// the return address go there.
fn call_inner<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    d: &Descriptor,
    target: &Target,
    size: u32,
) -> Result<(), Exception> {
    let cpl = target.code.dpl();
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
    push_return_and_commit(ctx, target, ss, new, size)
}

/// The same in long mode: the stack segment is null, and no parameters are copied.
fn call_inner_long<B: Bus>(ctx: &mut Ctx<'_, B>, target: &Target) -> Result<(), Exception> {
    let cpl = target.code.dpl();
    let rsp = tss::long_stack(ctx, tss::LongStack::Level(cpl))?;
    let who = transfer::inner_privilege(ctx, cpl);
    let mut new = StackCursor::long(rsp, who);
    new.push(ctx, 8, u32::from(ctx.s.ss().selector))?;
    new.push(ctx, 8, ctx.s.gpr[Gpr::Esp as usize])?;
    push_return_and_commit(ctx, target, descriptor::null_segment(u16::from(cpl)), new, 8)
}

/// The end of a call to an inner level whose stack is `new`, in `ss`.
fn push_return_and_commit<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    target: &Target,
    ss: Segment,
    mut new: StackCursor,
    size: u32,
) -> Result<(), Exception> {
    let cpl = target.code.dpl();
    new.push(ctx, size, u32::from(ctx.s.cs().selector))?;
    new.push(ctx, size, ctx.next_rip.get())?;
    let cs = target.code.segment(transfer::with_rpl(target.sel, cpl));
    transfer::check_target(ctx, &cs, target.offset)?;
    new.flush(ctx)?;
    transfer::commit(ctx, cs, target.offset, cpl);
    transfer::commit_stack(ctx, ss, new.sp());
    Ok(())
}
