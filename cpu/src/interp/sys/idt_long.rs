//! Delivery of one event through one entry of the IDT in long mode. SDM volume 3A, 6.14.

use super::super::{Ctx, StackCursor};
use super::descriptor::{self, Descriptor, kind};
use super::event::Event;
use super::{transfer, tss};
use crate::addr::Pc;
use crate::bus::{Bus, Privilege};
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::segment::{Segment, Selector};
use crate::state::Gpr;

/// A gate of 16 bytes.
struct Gate {
    selector: Selector,
    offset: Pc,
    /// The interrupt stack table's entry; 0: none.
    ist: u8,
    /// IF is cleared.
    interrupt: bool,
}

/// Delivers `event`.
///
/// # Errors
/// What came up instead; nothing has changed then.
pub(super) fn enter<B: Bus>(ctx: &mut Ctx<'_, B>, event: &Event) -> Result<(), Exception> {
    let gate = read(ctx, event)?;
    let sel = gate.selector;
    if sel.is_null() {
        return Err(Exception::gp(0));
    }
    let code = sel.error_code();
    let mut target = descriptor::fetch(ctx, sel, Exception::gp)?;
    let is_64_bit = target.is_64_bit_code() && !target.has_both_sizes();
    if !is_64_bit || target.dpl() > ctx.s.cpl {
        return Err(Exception::gp(code));
    }
    if !target.present() {
        return Err(Exception::np(code));
    }
    target.mark_accessed(ctx)?;
    let inner = !target.is_conforming() && target.dpl() < ctx.s.cpl;
    let cpl = if inner { target.dpl() } else { ctx.s.cpl };
    let cs = target.segment(transfer::with_rpl(sel, cpl));
    let mut stack = stack(ctx, gate.ist, inner.then_some(cpl))?;
    push(ctx, &mut stack, event)?;
    transfer::check_target(ctx, &cs, gate.offset)?;
    stack.flush(ctx)?;
    commit(ctx, &gate, cs, cpl, inner, stack.sp());
    Ok(())
}

/// The gate of `event`'s vector, of a type that long mode knows, open to who raises it, and present.
fn read<B: Bus>(ctx: &mut Ctx<'_, B>, event: &Event) -> Result<Gate, Exception> {
    let code = event.entry_code();
    let at = u32::from(event.vector) * 16;
    if at + 15 > u32::from(ctx.s.idtr.limit) {
        return Err(Exception::gp(code));
    }
    let d = Descriptor::read(ctx, ctx.s.system_linear(ctx.s.idtr.base, at))?;
    let known = matches!(d.system_kind(), Some(kind::INT32 | kind::TRAP32));
    if !known || (event.software && d.dpl() < ctx.s.cpl) {
        return Err(Exception::gp(code));
    }
    if !d.present() {
        return Err(Exception::np(code));
    }
    let upper = ctx.bus.read_u32(ctx.s.system_linear(d.lin, 8u64), Privilege::Supervisor)?;
    Ok(Gate {
        selector: d.gate_selector(),
        offset: d.gate_offset().plus(u64::from(upper) << 32),
        ist: (d.hi & 7) as u8,
        interrupt: d.system_kind() == Some(kind::INT32),
    })
}

/// The handler's stack: of the interrupt stack table, of the `inner` level, or as it is; its frame is aligned to 16 bytes.
fn stack<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    ist: u8,
    inner: Option<u8>,
) -> Result<StackCursor, Exception> {
    let rsp = match (ist, inner) {
        (0, None) => ctx.s.gpr[Gpr::Esp as usize],
        (0, Some(cpl)) => tss::long_stack(ctx, tss::LongStack::Level(cpl))?,
        (n, _) => tss::long_stack(ctx, tss::LongStack::Ist(n))?,
    };
    let who = transfer::inner_privilege(ctx, inner.unwrap_or(ctx.s.cpl));
    Ok(StackCursor::long(rsp & !15, who))
}

/// SS and RSP are pushed whatever the level.
fn push<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    stack: &mut StackCursor,
    event: &Event,
) -> Result<(), Exception> {
    stack.push(ctx, 8, u32::from(ctx.s.ss().selector))?;
    stack.push(ctx, 8, ctx.s.gpr[Gpr::Esp as usize])?;
    stack.push(ctx, 8, event.eflags)?;
    stack.push(ctx, 8, u32::from(ctx.s.cs().selector))?;
    stack.push(ctx, 8, ctx.next_rip.get())?;
    match event.error {
        Some(error) => stack.push(ctx, 8, error),
        None => Ok(()),
    }
}

fn commit<B: Bus>(ctx: &mut Ctx<'_, B>, gate: &Gate, cs: Segment, cpl: u8, inner: bool, sp: u64) {
    transfer::commit(ctx, cs, gate.offset, cpl);
    let ss = if inner { descriptor::null_segment(u16::from(cpl)) } else { *ctx.s.ss() };
    transfer::commit_stack(ctx, ss, sp);
    let mut cleared = Eflags::TF | Eflags::NT | Eflags::VM | Eflags::RF;
    if gate.interrupt {
        cleared |= Eflags::IF;
    }
    ctx.s.eflags &= !cleared.bits();
}
