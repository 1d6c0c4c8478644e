//! Events: exceptions, external interrupts, INT n and its kin. SDM volume 3A, chapter 6.
//!
//! This file decides *what* is delivered (double and triple faults, CR2 and DR6, who may call
//! which vector, V86 redirection); `idt` does the delivery through one IDT entry.

use super::super::{Ctx, Handler, Outcome};
use super::event::Event;
use super::{idt, tss};
use crate::bus::Bus;
use crate::exception::{Exception, Vector};
use crate::flags::Eflags;
use crate::state::{Activity, cr4};
use iced_x86::{Code, Instruction};

/// DR7.GD, cleared on entry to the #DB handler.
const DR7_GD: u64 = 1 << 13;

/// DR6.BD: a debug-register access was caught.
const DR6_BD: u32 = 1 << 13;

/// DR6.BT, as `task` sets it.
const DR6_BT: u32 = super::task::DR6_BT;

/// Deliveries that may follow each other before the processor gives up. The table of double faults
/// ends every chain but those of benign exceptions (#AC on the handler's own stack, #DB tasks with
/// the T bit), in which a real processor would hang.
const MOST_NESTED: usize = 8;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    match code {
        Code::Int_imm8 => Some(int_n::<B>),
        Code::Int3 => Some(int3::<B>),
        Code::Into => Some(into::<B>),
        Code::Int1 => Some(int1::<B>),
        _ => None,
    }
}

/// Classes of the double-fault table (SDM volume 3A, table 6-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Benign,
    Contributory,
    PageFault,
    DoubleFault,
}

fn class(vector: Vector) -> Class {
    match vector {
        Vector::De | Vector::Ts | Vector::Np | Vector::Ss | Vector::Gp => Class::Contributory,
        Vector::Pf => Class::PageFault,
        Vector::Df => Class::DoubleFault,
        _ => Class::Benign,
    }
}

/// What is delivered when `second` comes up while an event of class `first` is: none is a triple
/// fault.
fn combine(first: Class, second: Exception) -> Option<Exception> {
    use Class::{Benign, Contributory, DoubleFault, PageFault};
    match (first, class(second.vector)) {
        (DoubleFault, Contributory | PageFault | DoubleFault) => None,
        (Contributory, Contributory) | (PageFault, Contributory | PageFault) => {
            Some(Exception::with_code(Vector::Df, 0))
        }
        (Benign | Contributory | PageFault | DoubleFault, _) => Some(second),
    }
}

/// Delivers `exception` at CS:EIP, with double and triple faults. Sets CR2 or DR6; EIP, CS, the
/// stack and EFLAGS become the handler's. After a triple fault the processor is shut down, its registers as before the
/// instruction, RF clear.
pub fn deliver<B: Bus>(ctx: &mut Ctx<'_, B>, exception: Exception) -> Outcome {
    if ctx.s.activity == Activity::Shutdown {
        return Outcome::Shutdown;
    }
    let mut current = exception;
    for depth in 0..MOST_NESTED {
        note(ctx, &current);
        ctx.bus.raised(&current, depth > 0);
        let event = Event {
            vector: current.vector as u8,
            error: current.error,
            eflags: pushed_flags(ctx.s.eflags, &current),
            software: false,
        };
        ctx.next_rip = ctx.s.rip;
        let fault = match idt::enter(ctx, &event) {
            Ok(()) => match arrive(ctx, current.vector == Vector::Db) {
                Some(trap) => {
                    current = trap;
                    continue;
                }
                None => return Outcome::Delivered(current.vector),
            },
            Err(fault) => fault,
        };
        note_address(ctx, &fault);
        match combine(class(current.vector), fault) {
            Some(next) => current = next,
            None => {
                ctx.bus.raised(&fault, true);
                break;
            }
        }
    }
    // Whether a REP has had RF set between its passes is how it was carried out, and nothing is left for RF to hold back.
    ctx.s.eflags &= !Eflags::RF.bits();
    ctx.s.activity = Activity::Shutdown;
    Outcome::Shutdown
}

/// Delivers an external interrupt; ends a halt. The caller has checked IF and the shadows.
pub fn external<B: Bus>(ctx: &mut Ctx<'_, B>, vector: u8) -> Outcome {
    if ctx.s.activity == Activity::Shutdown {
        return Outcome::Shutdown;
    }
    ctx.s.activity = Activity::Running;
    ctx.next_rip = ctx.s.rip;
    let event = Event { vector, error: None, eflags: ctx.s.eflags, software: false };
    match idt::enter(ctx, &event) {
        Ok(()) => match arrive(ctx, false) {
            Some(trap) => deliver(ctx, trap),
            None => Outcome::Retired,
        },
        Err(fault) => deliver(ctx, fault),
    }
}

/// The handler's first instruction is next; data breakpoints that the delivery met on the stack, and
/// a task switch with the T bit, trap before it. The handler of #DB itself gets one instruction
/// first: a processor whose #DB frame meets a breakpoint may never come out of delivering it, and
/// nobody wants that copied.
fn arrive<B: Bus>(ctx: &mut Ctx<'_, B>, of_debug: bool) -> Option<Exception> {
    ctx.s.rip = ctx.next_rip;
    ctx.s.activity = Activity::Running;
    let due = if of_debug { ctx.s.pending_debug & DR6_BT } else { ctx.s.pending_debug };
    if due == 0 {
        return None;
    }
    Some(Exception::debug(std::mem::take(&mut ctx.s.pending_debug)))
}

/// What the processor records when it takes `e`.
fn note<B: Bus>(ctx: &mut Ctx<'_, B>, e: &Exception) {
    note_address(ctx, e);
    match e.vector {
        Vector::Db => {
            ctx.s.dr[6] |= u64::from(e.dr6);
            ctx.s.dr[7] &= !DR7_GD;
        }
        Vector::Nmi => ctx.s.nmi_blocked = true,
        _ => {}
    }
}

/// CR2 has the address of the last #PF, also of one that became a double fault.
fn note_address<B: Bus>(ctx: &mut Ctx<'_, B>, e: &Exception) {
    if e.vector == Vector::Pf {
        ctx.s.cr2 = e.address.get();
    }
}

/// EFLAGS as it is saved: faults set RF, so that the restarted instruction does not meet its own
/// breakpoint again; an instruction breakpoint's handler must do that itself (SDM volume 3B,
/// 17.3.1.1). An abort restarts nothing.
fn pushed_flags(eflags: u32, e: &Exception) -> u32 {
    if e.vector == Vector::Df {
        return eflags & !Eflags::RF.bits();
    }
    let fault = match e.vector {
        Vector::Db => e.dr6 & DR6_BD != 0,
        Vector::Nmi | Vector::Bp | Vector::Of | Vector::Mc => false,
        _ => true,
    };
    if fault { eflags | Eflags::RF.bits() } else { eflags }
}

/// The instructions that raise interrupts differ in what guards them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// INT n: gate DPL; in V86 mode IOPL, or the redirection bitmap.
    Numbered,
    /// INT3 and INTO: gate DPL.
    Trap,
    /// INT1: nothing; a hardware event as far as privilege goes.
    Unguarded,
}

/// Raises interrupt `vector` from an instruction; returns to the next one.
///
/// # Errors
/// #GP, #NP, #TS, #SS, #PF.
pub fn software<B: Bus>(ctx: &mut Ctx<'_, B>, vector: u8, kind: Software) -> Result<(), Exception> {
    ctx.no_trap = true;
    if kind == Software::Numbered && ctx.s.v86() {
        let iopl = ctx.s.flags().iopl();
        if ctx.s.cr4 & cr4::VME != 0 && !tss::redirects(ctx, vector)? {
            return idt::enter_virtual(ctx, vector);
        }
        if iopl < 3 {
            return Err(Exception::gp(0));
        }
    }
    ctx.bus.software_interrupt(vector);
    let software = kind != Software::Unguarded;
    let event = Event { vector, error: None, eflags: ctx.s.eflags & !Eflags::RF.bits(), software };
    idt::enter(ctx, &event)
}

fn int_n<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    software(ctx, i.immediate8(), Software::Numbered)
}

fn int3<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    software(ctx, Vector::Bp as u8, Software::Trap)
}

fn into<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    if ctx.s.eflags & Eflags::OF.bits() == 0 {
        return Ok(());
    }
    software(ctx, Vector::Of as u8, Software::Trap)
}

fn int1<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    software(ctx, Vector::Db as u8, Software::Unguarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SDM volume 3A, table 6-5, row by row; `None` is the triple fault.
    #[test]
    fn the_table_of_double_faults() {
        let df = Some(Vector::Df);
        let table = [
            (Vector::Bp, Vector::Gp, Some(Vector::Gp)),
            (Vector::Bp, Vector::Pf, Some(Vector::Pf)),
            (Vector::Gp, Vector::Np, df),
            (Vector::De, Vector::Ss, df),
            (Vector::Ts, Vector::Pf, Some(Vector::Pf)),
            (Vector::Gp, Vector::Ac, Some(Vector::Ac)),
            (Vector::Pf, Vector::Gp, df),
            (Vector::Pf, Vector::Pf, df),
            (Vector::Pf, Vector::Db, Some(Vector::Db)),
            (Vector::Df, Vector::Gp, None),
            (Vector::Df, Vector::Pf, None),
        ];
        for (first, second, expected) in table {
            let got = combine(class(first), Exception::plain(second)).map(|e| e.vector);
            assert_eq!(got, expected, "{first:?} then {second:?}");
        }
    }

    #[test]
    fn faults_save_rf_and_traps_do_not() {
        let rf = |e| pushed_flags(2, &e) & Eflags::RF.bits() != 0;
        assert!(rf(Exception::gp(0)));
        assert!(rf(Exception::ud()));
        assert!(rf(Exception::debug(DR6_BD)));
        assert!(!rf(Exception::debug(1)));
        assert!(!rf(Exception::plain(Vector::Nmi)));
    }
}
