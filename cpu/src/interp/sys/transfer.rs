//! What far control transfers share: their targets' checks, and what they commit.
//! SDM volume 3A, 5.8.1; volume 2 (JMP, CALL, RET, IRET).

use super::super::cursor::current_pointer_size;
use super::super::{Ctx, StackCursor};
use super::{descriptor, segload};
use crate::addr::Pc;
use crate::bus::{Bus, Privilege};
use crate::exception::Exception;
use crate::segment::{SegAttr, Segment, Selector};
use crate::state::{Gpr, SegReg};

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

/// Whether code in `cs` runs in 64-bit mode.
pub fn is_64_bit<B: Bus>(ctx: &Ctx<'_, B>, cs: &Segment) -> bool {
    ctx.s.in_long_mode() && cs.attr.contains(SegAttr::L)
}

/// The target is inside the code segment, or canonical in 64-bit mode.
///
/// # Errors
/// #GP(0).
pub fn check_target<B: Bus>(ctx: &Ctx<'_, B>, cs: &Segment, rip: Pc) -> Result<(), Exception> {
    let reached = if is_64_bit(ctx, cs) { rip.is_canonical() } else { cs.reaches(rip) };
    if reached { Ok(()) } else { Err(Exception::gp(0)) }
}

/// Commits a transfer to `cs`:`rip` at privilege `cpl`.
pub fn commit<B: Bus>(ctx: &mut Ctx<'_, B>, cs: Segment, rip: Pc, cpl: u8) {
    let was_64_bit = ctx.s.in_64_bit_mode();
    ctx.s.seg[SegReg::Cs as usize] = cs;
    ctx.s.cpl = cpl;
    if was_64_bit && !ctx.s.in_64_bit_mode() {
        ctx.s.leave_64_bit_mode();
    }
    ctx.next_rip = rip.masked(ctx.s.address_mask());
}

/// Commits a new stack, for the code segment that has been committed. With a 16-bit stack segment only SP changes.
pub fn commit_stack<B: Bus>(ctx: &mut Ctx<'_, B>, ss: Segment, sp: impl Into<u64>) {
    ctx.s.seg[SegReg::Ss as usize] = ss;
    ctx.set_gpr_low(Gpr::Esp, current_pointer_size(ctx.s), sp);
}

/// `sel` with its RPL replaced.
#[must_use]
pub fn with_rpl(sel: Selector, rpl: u8) -> Selector {
    Selector((sel.0 & !3) | u16::from(rpl))
}

/// A far call on the same stack: pushes CS and the return address of `size` bytes each.
///
/// # Errors
/// #SS(0), #GP(0), #PF, #AC.
pub fn call_same<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    cs: Segment,
    target: Pc,
    size: u32,
) -> Result<(), Exception> {
    let mut stack = StackCursor::current(ctx.s);
    stack.push(ctx, size, u32::from(ctx.s.cs().selector))?;
    stack.push(ctx, size, ctx.next_rip.get())?;
    check_target(ctx, &cs, target)?;
    stack.commit(ctx)?;
    commit(ctx, cs, target, ctx.s.cpl);
    Ok(())
}

/// The code segment that a far RET or IRET returns to: never an inner one.
///
/// # Errors
/// #GP(selector), #NP(selector), #PF.
#[inline(always)]
pub fn return_segment<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector) -> Result<Segment, Exception> {
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let code = sel.error_code();
    let mut d = descriptor::fetch(ctx, sel, Exception::gp)?;
    let dpl_ok = if d.is_conforming() { d.dpl() <= sel.rpl() } else { d.dpl() == sel.rpl() };
    let sizes_ok = !(ctx.s.in_long_mode() && d.has_both_sizes());
    if !d.is_code() || sel.rpl() < ctx.s.cpl || !dpl_ok || !sizes_ok {
        return Err(Exception::gp(code));
    }
    if !d.present() {
        return Err(Exception::np(code));
    }
    d.mark_accessed(ctx)?;
    Ok(d.segment(sel))
}

/// Pops and checks the stack of a return to code in `cs`: its segment and pointer.
///
/// # Errors
/// #GP, #SS, #PF.
#[inline(always)]
pub fn outer_stack<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    size: u32,
    cs: &Segment,
) -> Result<(Segment, u64), Exception> {
    let sp = stack.pop(ctx, size)?;
    let selector = stack.pop(ctx, size)? as u16;
    let (sel, cpl) = (Selector(selector), cs.sel().rpl());
    if sel.is_null() && segload::null_stack_allowed(is_64_bit(ctx, cs), sel, cpl) {
        return Ok((descriptor::null_segment(selector), sp));
    }
    Ok((segload::stack(ctx, sel, cpl, Exception::gp)?, sp))
}

/// Commits a return to an outer level.
pub fn commit_outer<B: Bus>(ctx: &mut Ctx<'_, B>, cs: Segment, rip: Pc, ss: Segment, sp: u64) {
    let cpl = cs.sel().rpl();
    commit(ctx, cs, rip, cpl);
    commit_stack(ctx, ss, sp);
    segload::null_inner_data(ctx, cpl);
}

/// The rights of the pushes on the stack of an inner level, `cpl`. Those that leave CPL 3 are no explicit ones, whatever
/// EFLAGS.AC is.
#[must_use]
pub fn inner_privilege<B: Bus>(ctx: &Ctx<'_, B>, cpl: u8) -> Privilege {
    if ctx.s.cpl == 3 { Privilege::Supervisor } else { Privilege::explicit(cpl, ctx.s.eflags) }
}
