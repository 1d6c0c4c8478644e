//! Far JMP, CALL and RET that need no gate. SDM volume 2 (JMP, CALL, RET); volume 3A, 5.8.1.
//! Call gates are in `gate`, tasks in `task`.

use super::super::{Ctx, Handler, StackCursor};
use super::descriptor::{self, Descriptor, kind};
use super::{gate, segload, task};
use crate::bus::{Bus, Privilege};
use crate::exception::Exception;
use crate::segment::{Segment, Selector};
use crate::state::{Gpr, SegReg};
use iced_x86::{Code, Instruction};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Jmp_ptr1616 => Some(jmp_direct::<B, 2>),
        C::Jmp_ptr1632 => Some(jmp_direct::<B, 4>),
        C::Jmp_m1616 => Some(jmp_indirect::<B, 2>),
        C::Jmp_m1632 => Some(jmp_indirect::<B, 4>),
        C::Call_ptr1616 => Some(call_direct::<B, 2>),
        C::Call_ptr1632 => Some(call_direct::<B, 4>),
        C::Call_m1616 => Some(call_indirect::<B, 2>),
        C::Call_m1632 => Some(call_indirect::<B, 4>),
        C::Retfw | C::Retfw_imm16 => Some(ret::<B, 2>),
        C::Retfd | C::Retfd_imm16 => Some(ret::<B, 4>),
        _ => None,
    }
}

fn direct(i: &Instruction, size: u32) -> (Selector, u32) {
    let offset = if size == 2 { u32::from(i.far_branch16()) } else { i.far_branch32() };
    (Selector(i.far_branch_selector()), offset)
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
    jmp(ctx, Selector(selector), offset)
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
    call(ctx, Selector(selector), offset, N)
}

/// What CS becomes in real and V86 mode.
pub fn cs_8086<B: Bus>(ctx: &Ctx<'_, B>, selector: u16) -> Segment {
    if ctx.s.v86() {
        Segment::real(selector, 3)
    } else {
        segload::real_mode_cs(ctx.s.cs(), selector)
    }
}

/// Whether segments are loaded the 8086's way.
pub fn is_8086<B: Bus>(ctx: &Ctx<'_, B>) -> bool {
    !ctx.s.protected() || ctx.s.v86()
}

/// The target is inside the code segment.
///
/// # Errors
/// #GP(0).
pub fn check_limit(cs: &Segment, eip: u32) -> Result<(), Exception> {
    if eip > cs.limit { Err(Exception::gp(0)) } else { Ok(()) }
}

/// Commits a transfer to `cs`:`eip` at privilege `cpl`.
pub fn commit<B: Bus>(ctx: &mut Ctx<'_, B>, cs: Segment, eip: u32, cpl: u8) {
    ctx.s.seg[SegReg::Cs as usize] = cs;
    ctx.s.cpl = cpl;
    ctx.next_eip = eip;
}

/// Commits a new stack. With a 16-bit stack segment only SP changes.
pub fn commit_stack<B: Bus>(ctx: &mut Ctx<'_, B>, ss: Segment, esp: u32) {
    ctx.s.seg[SegReg::Ss as usize] = ss;
    let esp = if ss.is_32() { esp } else { (ctx.gpr(Gpr::Esp) & 0xffff_0000) | (esp & 0xffff) };
    ctx.set_gpr(Gpr::Esp, esp);
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
        if !allowed {
            return Err(Exception::gp(code));
        }
        if !d.present() {
            return Err(Exception::np(code));
        }
        d.mark_accessed(ctx)?;
        return Ok(Target::Code(d.segment(with_rpl(sel, cpl))));
    }
    let kind = d.system_kind().ok_or(Exception::gp(code))?;
    let known =
        matches!(kind, kind::CALL16 | kind::CALL32 | kind::TASK | kind::TSS16 | kind::TSS32);
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

/// `sel` with its RPL replaced.
#[must_use]
pub fn with_rpl(sel: Selector, rpl: u8) -> Selector {
    Selector((sel.0 & !3) | u16::from(rpl))
}

fn jmp<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector, offset: u32) -> Result<(), Exception> {
    if is_8086(ctx) {
        let cs = cs_8086(ctx, sel.0);
        check_limit(&cs, offset)?;
        commit(ctx, cs, offset, ctx.s.cpl);
        return Ok(());
    }
    match target(ctx, sel)? {
        Target::Code(cs) => {
            check_limit(&cs, offset)?;
            commit(ctx, cs, offset, ctx.s.cpl);
            Ok(())
        }
        Target::Gate(d) => gate::jmp(ctx, &d),
        Target::Task(sel, d) => task::switch(ctx, sel, d, task::Reason::Jmp),
    }
}

fn call<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    offset: u32,
    size: u32,
) -> Result<(), Exception> {
    let cs = if is_8086(ctx) {
        cs_8086(ctx, sel.0)
    } else {
        match target(ctx, sel)? {
            Target::Code(cs) => cs,
            Target::Gate(d) => return gate::call(ctx, &d),
            Target::Task(sel, d) => return task::switch(ctx, sel, d, task::Reason::Call),
        }
    };
    call_same(ctx, cs, offset, size)
}

/// A far call on the same stack: pushes CS and the return address of `size` bytes each.
///
/// # Errors
/// #SS(0), #GP(0), #PF, #AC.
pub fn call_same<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    cs: Segment,
    offset: u32,
    size: u32,
) -> Result<(), Exception> {
    let mut stack = StackCursor::current(ctx.s);
    stack.push(ctx, size, u32::from(ctx.s.cs().selector))?;
    stack.push(ctx, size, ctx.next_eip)?;
    check_limit(&cs, offset)?;
    stack.commit(ctx)?;
    commit(ctx, cs, offset, ctx.s.cpl);
    Ok(())
}

fn ret<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let release = if i.op_count() == 0 { 0 } else { u32::from(i.immediate16()) };
    let mut stack = StackCursor::current(ctx.s);
    let eip = stack.pop(ctx, N)?;
    let selector = stack.pop(ctx, N)? as u16;
    if is_8086(ctx) {
        let cs = cs_8086(ctx, selector);
        check_limit(&cs, eip)?;
        stack.skip(release);
        stack.commit(ctx)?;
        commit(ctx, cs, eip, ctx.s.cpl);
        return Ok(());
    }
    let cs = return_segment(ctx, Selector(selector))?;
    let cpl = cs.sel().rpl();
    stack.skip(release);
    if cpl == ctx.s.cpl {
        check_limit(&cs, eip)?;
        stack.commit(ctx)?;
        commit(ctx, cs, eip, cpl);
        return Ok(());
    }
    let outer = outer_stack(ctx, &mut stack, N, cpl)?;
    check_limit(&cs, eip)?;
    commit_outer(ctx, cs, eip, outer.0, outer.1.wrapping_add(release));
    Ok(())
}

/// The code segment that a far RET or IRET returns to: never an inner one.
///
/// # Errors
/// #GP(selector), #NP(selector), #PF.
pub fn return_segment<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector) -> Result<Segment, Exception> {
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let code = sel.error_code();
    let mut d = descriptor::fetch(ctx, sel, Exception::gp)?;
    let dpl_ok = if d.is_conforming() { d.dpl() <= sel.rpl() } else { d.dpl() == sel.rpl() };
    if !d.is_code() || sel.rpl() < ctx.s.cpl || !dpl_ok {
        return Err(Exception::gp(code));
    }
    if !d.present() {
        return Err(Exception::np(code));
    }
    d.mark_accessed(ctx)?;
    Ok(d.segment(sel))
}

/// Pops and checks the outer stack of a return to `cpl`: its segment and pointer.
///
/// # Errors
/// #GP, #SS, #PF.
pub fn outer_stack<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    size: u32,
    cpl: u8,
) -> Result<(Segment, u32), Exception> {
    let esp = stack.pop(ctx, size)?;
    let selector = stack.pop(ctx, size)? as u16;
    let ss = segload::stack(ctx, Selector(selector), cpl, Exception::gp)?;
    Ok((ss, esp))
}

/// Commits a return to an outer level.
pub fn commit_outer<B: Bus>(ctx: &mut Ctx<'_, B>, cs: Segment, eip: u32, ss: Segment, esp: u32) {
    let cpl = cs.sel().rpl();
    commit(ctx, cs, eip, cpl);
    commit_stack(ctx, ss, esp);
    segload::null_inner_data(ctx, cpl);
}

/// The rights of stack accesses at `cpl`.
#[must_use]
pub fn privilege(cpl: u8) -> Privilege {
    if cpl == 3 { Privilege::User } else { Privilege::Supervisor }
}
