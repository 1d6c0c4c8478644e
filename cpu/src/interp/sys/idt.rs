//! Delivery of one event through one entry of the IDT, or of real mode's vector table.
//! SDM volume 3A, 6.10 to 6.13 and 20.3; volume 2, INT n.

use super::super::{Ctx, StackCursor};
use super::descriptor::{self, Descriptor, kind};
use super::event::Event;
use super::{flags, idt_long, task, transfer, tss};
use crate::addr::{Lin, Pc};
use crate::bus::{Bus, Privilege};
use crate::exception::{Exception, Vector};
use crate::flags::Eflags;
use crate::segment::Selector;
use crate::state::{Gpr, SegReg};

/// Error-code bit 0: the fault came up in the delivery of an event external to the program.
const EXT: u32 = 1;

/// Delivers `event`: CS, CPL, the stack, EFLAGS and `next_rip` become the handler's.
///
/// # Errors
/// What came up instead; nothing has changed then (but see `task`).
pub fn enter<B: Bus>(ctx: &mut Ctx<'_, B>, event: &Event) -> Result<(), Exception> {
    let done = match (ctx.s.protected(), ctx.s.in_long_mode()) {
        (_, true) => idt_long::enter(ctx, event),
        (true, false) => protected(ctx, event),
        (false, false) => real(ctx, event),
    };
    done.map_err(|e| if event.software { e } else { with_ext(e) })
}

/// Sets EXT in the error codes that have it.
fn with_ext(mut e: Exception) -> Exception {
    if matches!(e.vector, Vector::Ts | Vector::Np | Vector::Ss | Vector::Gp) {
        e.error = e.error.map(|code| code | EXT);
    }
    e
}

/// Clears `bits` in EFLAGS.
fn clear<B: Bus>(ctx: &mut Ctx<'_, B>, bits: Eflags) {
    ctx.s.eflags &= !bits.bits();
}

/// Far pointer of the 8086 vector table at `base`.
fn vector_8086<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    base: Lin,
    vector: u8,
) -> Result<(u16, Pc), Exception> {
    let at = ctx.s.system_linear(base, u32::from(vector) * 4);
    let entry = ctx.bus.read_u32(at, Privilege::Supervisor)?;
    Ok(((entry >> 16) as u16, Pc::from(entry & 0xffff)))
}

/// The 8086's way: FLAGS, CS, IP on the stack as words.
fn push_8086<B: Bus>(ctx: &mut Ctx<'_, B>, image: u32) -> Result<StackCursor, Exception> {
    let mut stack = StackCursor::current(ctx.s);
    stack.push(ctx, 2, image)?;
    stack.push(ctx, 2, u32::from(ctx.s.cs().selector))?;
    stack.push(ctx, 2, ctx.next_rip.get())?;
    Ok(stack)
}

fn real<B: Bus>(ctx: &mut Ctx<'_, B>, event: &Event) -> Result<(), Exception> {
    if u32::from(event.vector) * 4 + 3 > u32::from(ctx.s.idtr.limit) {
        return Err(Exception::gp(event.entry_code()));
    }
    let (selector, ip) = vector_8086(ctx, ctx.s.idtr.base, event.vector)?;
    let mut stack = push_8086(ctx, event.eflags)?;
    let cs = transfer::cs_8086(ctx, selector);
    transfer::check_target(ctx, &cs, ip)?;
    stack.commit(ctx)?;
    clear(ctx, Eflags::IF | Eflags::TF | Eflags::AC | Eflags::RF);
    transfer::commit(ctx, cs, ip, ctx.s.cpl);
    Ok(())
}

/// INT n of V86 code that VME sends to the 8086 program's own handler (SDM volume 3A, 20.3.3.5).
///
/// # Errors
/// #GP(0), #SS(0), #PF.
pub fn enter_virtual<B: Bus>(ctx: &mut Ctx<'_, B>, vector: u8) -> Result<(), Exception> {
    let (selector, ip) = vector_8086(ctx, Lin(0), vector)?;
    let owns_if = ctx.s.flags().iopl() == 3;
    let eflags = ctx.s.eflags;
    let mut stack = push_8086(ctx, if owns_if { eflags } else { flags::virtual_image(eflags) })?;
    stack.commit(ctx)?;
    clear(ctx, Eflags::TF | Eflags::RF | if owns_if { Eflags::IF } else { Eflags::VIF });
    let cs = transfer::cs_8086(ctx, selector);
    transfer::commit(ctx, cs, ip, 3);
    Ok(())
}

fn protected<B: Bus>(ctx: &mut Ctx<'_, B>, event: &Event) -> Result<(), Exception> {
    let code = event.entry_code();
    let at = u32::from(event.vector) * 8;
    if at + 7 > u32::from(ctx.s.idtr.limit) {
        return Err(Exception::gp(code));
    }
    let d = Descriptor::read(ctx, ctx.s.system_linear(ctx.s.idtr.base, at))?;
    let known = matches!(
        d.system_kind(),
        Some(kind::TASK | kind::INT16 | kind::TRAP16 | kind::INT32 | kind::TRAP32)
    );
    if !known || (event.software && d.dpl() < ctx.s.cpl) {
        return Err(Exception::gp(code));
    }
    if !d.present() {
        return Err(Exception::np(code));
    }
    if d.system_kind() == Some(kind::TASK) {
        let sel = d.gate_selector();
        let tss = task::available(ctx, sel)?;
        let cause = task::SwitchCause::Interrupt { error: event.error, eflags: event.eflags };
        return task::switch(ctx, sel, tss, cause);
    }
    gate(ctx, event, &d)
}

/// Through an interrupt or trap gate.
fn gate<B: Bus>(ctx: &mut Ctx<'_, B>, event: &Event, d: &Descriptor) -> Result<(), Exception> {
    let sel = d.gate_selector();
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let mut target = descriptor::fetch(ctx, sel, Exception::gp)?;
    if !target.is_code() || target.dpl() > ctx.s.cpl {
        return Err(Exception::gp(sel.error_code()));
    }
    let inner = !target.is_conforming() && target.dpl() < ctx.s.cpl;
    if ctx.s.v86() && (!inner || target.dpl() != 0) {
        return Err(Exception::gp(sel.error_code()));
    }
    if !target.present() {
        return Err(Exception::np(sel.error_code()));
    }
    target.mark_accessed(ctx)?;
    let cpl = if inner { target.dpl() } else { ctx.s.cpl };
    let cs = target.segment(transfer::with_rpl(sel, cpl));
    let size = if d.is_gate_32() { 4 } else { 2 };
    if inner {
        let (ss, esp) = tss::inner_stack(ctx, cpl)?;
        let who = transfer::inner_privilege(ctx, cpl);
        let mut stack = StackCursor::on(ss, esp, who, Selector(ss.selector).error_code());
        push_outer(ctx, &mut stack, size)?;
        push_return(ctx, &mut stack, event, size)?;
        transfer::check_target(ctx, &cs, d.gate_offset())?;
        stack.flush(ctx)?;
        leave_v86(ctx);
        transfer::commit_stack(ctx, ss, stack.sp());
    } else {
        let mut stack = StackCursor::current(ctx.s);
        push_return(ctx, &mut stack, event, size)?;
        transfer::check_target(ctx, &cs, d.gate_offset())?;
        stack.commit(ctx)?;
    }
    transfer::commit(ctx, cs, d.gate_offset(), cpl);
    clear(ctx, Eflags::TF | Eflags::NT | Eflags::VM | Eflags::RF);
    if matches!(d.attr().kind(), kind::INT16 | kind::INT32) {
        clear(ctx, Eflags::IF);
    }
    Ok(())
}

/// The interrupted stack, and V86 code's data segments above it.
fn push_outer<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    size: u32,
) -> Result<(), Exception> {
    if ctx.s.v86() {
        for seg in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
            let selector = ctx.s.seg[seg as usize].selector;
            stack.push(ctx, size, u32::from(selector))?;
        }
    }
    stack.push(ctx, size, u32::from(ctx.s.ss().selector))?;
    stack.push(ctx, size, ctx.gpr_low(Gpr::Esp, size))
}

fn push_return<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    event: &Event,
    size: u32,
) -> Result<(), Exception> {
    stack.push(ctx, size, event.eflags)?;
    stack.push(ctx, size, u32::from(ctx.s.cs().selector))?;
    stack.push(ctx, size, ctx.next_rip.get())?;
    match event.error {
        Some(error) => stack.push(ctx, size, error),
        None => Ok(()),
    }
}

/// The handler of V86 code starts with null data segments.
fn leave_v86<B: Bus>(ctx: &mut Ctx<'_, B>) {
    if ctx.s.v86() {
        for seg in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
            ctx.s.seg[seg as usize] = descriptor::null_segment(0);
        }
    }
}
