//! Far JMP, CALL and RET that need no gate. SDM volume 2 (JMP, CALL, RET); volume 3A, 5.8.1.
//! Call gates are in `gate`, tasks in `task`.

use super::super::{Ctx, Handler, StackCursor};
use super::descriptor::{self, Descriptor, kind};
use super::{gate, segload, task, transfer};
use crate::addr::Pc;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::segment::{Segment, Selector};
use iced_x86::{Code, Instruction};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Jmp_ptr1616 => Some(jmp_direct::<B, 2>),
        C::Jmp_ptr1632 => Some(jmp_direct::<B, 4>),
        C::Jmp_m1616 => Some(jmp_indirect::<B, 2>),
        C::Jmp_m1632 => Some(jmp_indirect::<B, 4>),
        C::Jmp_m1664 => Some(jmp_indirect::<B, 8>),
        C::Call_ptr1616 => Some(call_direct::<B, 2>),
        C::Call_ptr1632 => Some(call_direct::<B, 4>),
        C::Call_m1616 => Some(call_indirect::<B, 2>),
        C::Call_m1632 => Some(call_indirect::<B, 4>),
        C::Call_m1664 => Some(call_indirect::<B, 8>),
        C::Retfw | C::Retfw_imm16 => Some(ret::<B, 2>),
        C::Retfd | C::Retfd_imm16 => Some(ret::<B, 4>),
        C::Retfq | C::Retfq_imm16 => Some(ret::<B, 8>),
        _ => None,
    }
}

fn direct(i: &Instruction, size: u32) -> (Selector, Pc) {
    let offset = if size == 2 { u32::from(i.far_branch16()) } else { i.far_branch32() };
    (Selector(i.far_branch_selector()), Pc::from(offset))
}

fn jmp_direct<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (sel, offset) = direct(i, N);
    jmp(ctx, sel, offset)
}

fn jmp_indirect<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (selector, offset) = segload::read_far(ctx, i, N)?;
    jmp(ctx, Selector(selector), Pc(offset))
}

fn call_direct<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (sel, offset) = direct(i, N);
    call(ctx, sel, offset, N)
}

fn call_indirect<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let (selector, offset) = segload::read_far(ctx, i, N)?;
    call(ctx, Selector(selector), Pc(offset), N)
}

/// Where a far JMP or CALL in protected mode leads.
enum Target {
    /// A code segment at the running privilege level.
    Code(Segment),
    /// A call gate.
    Gate(Descriptor),
    /// A task: the TSS's selector and descriptor.
    Task(Selector, Descriptor),
}

/// Finds and checks what `sel` names.
fn target<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector) -> Result<Target, Exception> {
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let code = sel.error_code();
    let mut d = descriptor::fetch(ctx, sel, Exception::gp)?;
    let cpl = ctx.s.cpl;
    if d.is_code() {
        let allowed =
            if d.is_conforming() { d.dpl() <= cpl } else { sel.rpl() <= cpl && d.dpl() == cpl };
        if !allowed || (ctx.s.in_long_mode() && d.has_both_sizes()) {
            return Err(Exception::gp(code));
        }
        if !d.present() {
            return Err(Exception::np(code));
        }
        d.mark_accessed(ctx)?;
        return Ok(Target::Code(d.segment(transfer::with_rpl(sel, cpl))));
    }
    let kind = d.system_kind().ok_or(Exception::gp(code))?;
    // Long mode knows no tasks, and its call gates are all of 64 bits.
    let known = match ctx.s.in_long_mode() {
        true => kind == kind::CALL32,
        false => {
            matches!(kind, kind::CALL16 | kind::CALL32 | kind::TASK | kind::TSS16 | kind::TSS32)
        }
    };
    if !known || d.dpl() < cpl.max(sel.rpl()) {
        return Err(Exception::gp(code));
    }
    if matches!(kind, kind::TSS16 | kind::TSS32) && sel.is_local() {
        return Err(Exception::gp(code));
    }
    if !d.present() {
        return Err(Exception::np(code));
    }
    match kind {
        kind::CALL16 | kind::CALL32 => Ok(Target::Gate(d)),
        kind::TASK => {
            let tss = d.gate_selector();
            Ok(Target::Task(tss, task::available(ctx, tss)?))
        }
        _ => Ok(Target::Task(sel, d)),
    }
}

fn jmp<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector, offset: Pc) -> Result<(), Exception> {
    if transfer::is_8086(ctx) {
        let cs = transfer::cs_8086(ctx, sel.0);
        transfer::check_target(ctx, &cs, offset)?;
        transfer::commit(ctx, cs, offset, ctx.s.cpl);
        return Ok(());
    }
    match target(ctx, sel)? {
        Target::Code(cs) => {
            transfer::check_target(ctx, &cs, offset)?;
            transfer::commit(ctx, cs, offset, ctx.s.cpl);
            Ok(())
        }
        Target::Gate(d) => gate::jmp(ctx, sel, &d),
        Target::Task(sel, d) => task::switch(ctx, sel, d, task::SwitchCause::Jmp),
    }
}

fn call<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    offset: Pc,
    size: u32,
) -> Result<(), Exception> {
    let cs = if transfer::is_8086(ctx) {
        transfer::cs_8086(ctx, sel.0)
    } else {
        match target(ctx, sel)? {
            Target::Code(cs) => cs,
            Target::Gate(d) => return gate::call(ctx, sel, &d),
            Target::Task(sel, d) => return task::switch(ctx, sel, d, task::SwitchCause::Call),
        }
    };
    transfer::call_same(ctx, cs, offset, size)
}

fn ret<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let release = if i.op_count() == 0 { 0 } else { u32::from(i.immediate16()) };
    let mut stack = StackCursor::current(ctx.s);
    let rip = Pc(stack.pop(ctx, N)?);
    let selector = stack.pop(ctx, N)? as u16;
    if transfer::is_8086(ctx) {
        let cs = transfer::cs_8086(ctx, selector);
        transfer::check_target(ctx, &cs, rip)?;
        stack.skip(release);
        stack.commit(ctx)?;
        transfer::commit(ctx, cs, rip, ctx.s.cpl);
        return Ok(());
    }
    let cs = transfer::return_segment(ctx, Selector(selector))?;
    let cpl = cs.sel().rpl();
    stack.skip(release);
    if cpl == ctx.s.cpl {
        transfer::check_target(ctx, &cs, rip)?;
        stack.commit(ctx)?;
        transfer::commit(ctx, cs, rip, cpl);
        return Ok(());
    }
    let outer = transfer::outer_stack(ctx, &mut stack, N, &cs)?;
    transfer::check_target(ctx, &cs, rip)?;
    transfer::commit_outer(ctx, cs, rip, outer.0, outer.1.wrapping_add(u64::from(release)));
    Ok(())
}
