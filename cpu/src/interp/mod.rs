//! The reference interpreter: the one full statement of each instruction's semantics.
//!
//! # Shape
//! - [`ctx::Ctx`] is what a handler works on: the state, the bus, the processor's unit data and the
//!   EIP that follows. A handler returns `Err(exception)` with no register changed, or `Ok(())`.
//! - A handler is found in a table indexed by iced's `Code`, filled once from the families'
//!   `lookup` functions: integer families here, system instructions in [`sys`], x87/MMX/SSE in
//!   [`fpu`]. A code without a handler raises #UD.
//! - [`Interp::execute`] runs one instruction and returns its exception undelivered (lockstep wants
//!   that); [`Interp::step`] delivers it too.

pub mod ctx;
pub mod fpu;
pub mod sys;

use crate::bus::Bus;
use crate::exception::{Exception, Vector};
use crate::model::CpuModel;
use crate::state::CpuState;
use iced_x86::Instruction;

pub use ctx::{Ctx, Unit};

/// What one call of [`Interp::step`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One instruction retired.
    Retired,
    /// A REP instruction made progress and has iterations left; EIP still points at it.
    Partial,
    /// An exception was delivered to the guest (the instruction did not retire).
    Delivered(Vector),
    /// HLT retired, or the processor is halted already.
    Halted,
    /// A triple fault: the processor is shut down.
    Shutdown,
}

/// Runs one instruction's semantics.
pub type Handler<B> = fn(&mut Ctx<'_, B>, &Instruction) -> Result<(), Exception>;

/// The interpreter of one processor: tables and caches, no architectural state.
#[derive(Debug)]
pub struct Interp<B: Bus> {
    unit: Unit,
    _b: std::marker::PhantomData<fn(&mut B)>,
}

impl<B: Bus> Interp<B> {
    /// An interpreter for a processor of `model`.
    #[must_use]
    pub fn new(model: CpuModel) -> Self {
        let _ = model;
        todo!("cpu-int helper")
    }

    /// Executes one instruction at CS:EIP without delivering its exception. `Ok` tells whether it
    /// retired, made partial progress or halted; debug traps that follow are in
    /// `CpuState::pending_debug`.
    ///
    /// # Errors
    /// The exception that the instruction raised; the state is as before it.
    pub fn execute(&mut self, s: &mut CpuState, bus: &mut B) -> Result<Outcome, Exception> {
        let _ = (s, bus);
        todo!("cpu-int helper")
    }

    /// Executes one instruction, delivering what it raises (double and triple faults included) and
    /// the debug traps that follow it.
    pub fn step(&mut self, s: &mut CpuState, bus: &mut B) -> Outcome {
        let _ = (s, bus);
        todo!("cpu-int helper")
    }

    /// Delivers `exception` through the IDT, with double and triple faults.
    pub fn deliver(&mut self, s: &mut CpuState, bus: &mut B, exception: Exception) -> Outcome {
        let _ = (s, bus, exception);
        todo!("cpu-sys helper")
    }

    /// Delivers an external interrupt; ends a halt. The caller has checked IF and the shadow.
    pub fn interrupt(&mut self, s: &mut CpuState, bus: &mut B, vector: u8) -> Outcome {
        let _ = (s, bus, vector);
        todo!("cpu-sys helper")
    }
}
