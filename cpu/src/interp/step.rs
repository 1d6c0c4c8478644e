//! Running one instruction after the other, and what happens between two of them.
//!
//! The shadows of STI and MOV SS end with the instruction that follows; RF ends with the instruction
//! that it let pass; TF set before an instruction makes a #DB trap after it. All of it is here, in
//! `execute` and `step`, and nowhere else; handlers only say what is special through [`Ctx`].

use super::decode::DecodeCache;
use super::{Ctx, Handler, Outcome, Unit, debug, fpu, sys, table};
use crate::bus::Bus;
use crate::exception::{Exception, Vector};
use crate::flags::Eflags;
use crate::model::{CpuModel, Features};
use crate::refusal::Refusal;
use crate::state::{Activity, CpuState, StringInProgress, apic_base};
use iced_x86::Instruction;

/// The interpreter of one processor: tables and caches, no architectural state.
#[derive(Debug)]
pub struct Interp<B: Bus> {
    unit: Unit,
    table: Box<[Handler<B>]>,
    cache: DecodeCache<B>,
}

impl<B: Bus> Interp<B> {
    /// An interpreter for a processor of `model`.
    ///
    /// # Errors
    /// When the host refuses memory for the host code of x87, MMX and SSE instructions.
    pub fn new(model: CpuModel) -> Result<Self, Refusal> {
        Self::with_features(model, model.features())
    }

    /// One for a processor of `model` with other features than the model's: CPUID does not tell of them.
    ///
    /// # Errors
    /// As [`Interp::new`].
    pub fn with_features(model: CpuModel, features: Features) -> Result<Self, Refusal> {
        Ok(Self {
            unit: Unit { model, features, host: fpu::HostUnit::new()? },
            table: table::build(features),
            cache: DecodeCache::new(table::undefined),
        })
    }

    /// The state of this processor after RESET.
    #[must_use]
    pub fn state(&self) -> CpuState {
        let mut state = CpuState::reset(self.unit.model.signature());
        if self.unit.features.contains(Features::APIC) {
            state.msr.apic_base |= apic_base::ON;
        }
        state.msr.misc_enable = self.unit.model.misc_enable();
        state
    }

    /// The model and the host unit.
    #[must_use]
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Fetches and decodes the instruction at CS:EIP without executing it.
    ///
    /// # Errors
    /// #GP(0) beyond CS's limit or 15 bytes, #PF, #UD for what is no instruction. (A valid
    /// instruction of a feature that the model lacks decodes, and raises #UD when executed.)
    pub fn decode(&mut self, s: &CpuState, bus: &mut B) -> Result<Instruction, Exception> {
        self.cache.get(s, bus, &self.table).map(|e| e.instruction)
    }

    /// Executes one instruction at CS:EIP without delivering its exception. `Ok` tells whether it
    /// retired, made partial progress or halted; debug traps that follow are in
    /// `CpuState::pending_debug`.
    ///
    /// # Errors
    /// The exception that the instruction raised; the state is as before it (a REP instruction
    /// keeps its completed iterations; a task switch may have committed).
    pub fn execute(&mut self, s: &mut CpuState, bus: &mut B) -> Result<Outcome, Exception> {
        match s.activity {
            Activity::Running => {}
            Activity::Halted => return Ok(Outcome::Halted),
            Activity::Shutdown => return Ok(Outcome::Shutdown),
        }
        debug::check_fetch(s)?;
        let entry = self.cache.get(s, bus, &self.table)?;
        let before = Before::take(s);
        let next_rip = s.rip.plus(u64::from(entry.len)).masked(s.address_mask());
        let mut ctx = Ctx::new(s, bus, &mut self.unit);
        ctx.next_rip = next_rip;
        match (entry.handler)(&mut ctx, &entry.instruction) {
            Ok(()) => {
                // (An x87 instruction that waits for its interrupt is tried anew.)
                let string = ctx.partial && entry.instruction.is_string_instruction();
                ctx.s.string = if string { entry.in_progress() } else { StringInProgress::NONE };
                Ok(before.retire(&mut ctx))
            }
            Err(exception) => {
                // A string instruction is in progress until the exception is delivered: who tries again runs what was
                // decoded, whatever the iterations of this pass or of earlier ones wrote over it.
                if ctx.partial {
                    ctx.s.string = entry.in_progress();
                }
                before.restore(ctx.s);
                Err(exception)
            }
        }
    }

    /// Executes one instruction, delivering what it raises (double and triple faults included) and
    /// the debug traps that follow it.
    pub fn step(&mut self, s: &mut CpuState, bus: &mut B) -> Outcome {
        let outcome = match self.execute(s, bus) {
            Ok(outcome) => outcome,
            Err(exception) => return self.deliver(s, bus, exception),
        };
        match debug::take_traps(s) {
            Some(trap) => {
                // A single step over HLT traps at once; the processor does not stay halted.
                s.activity = Activity::Running;
                self.deliver(s, bus, trap)
            }
            None => outcome,
        }
    }

    /// Delivers `exception` through the IDT, with double and triple faults.
    pub fn deliver(&mut self, s: &mut CpuState, bus: &mut B, exception: Exception) -> Outcome {
        s.shadow_irq = false;
        s.shadow_debug = false;
        s.string = StringInProgress::NONE;
        sys::interrupt::deliver(&mut Ctx::new(s, bus, &mut self.unit), exception)
    }

    /// Delivers an NMI; ends a halt. The caller has checked that none is being handled, and the shadows.
    pub fn nmi(&mut self, s: &mut CpuState, bus: &mut B) -> Outcome {
        if s.activity == Activity::Shutdown {
            return Outcome::Shutdown;
        }
        self.deliver(s, bus, Exception::plain(Vector::Nmi))
    }

    /// Delivers an external interrupt; ends a halt. The caller has checked IF and the shadow.
    pub fn interrupt(&mut self, s: &mut CpuState, bus: &mut B, vector: u8) -> Outcome {
        s.shadow_irq = false;
        s.shadow_debug = false;
        s.string = StringInProgress::NONE;
        sys::interrupt::external(&mut Ctx::new(s, bus, &mut self.unit), vector)
    }
}

/// What `execute` must know of the state before the instruction.
struct Before {
    tf: bool,
    shadow_irq: bool,
    shadow_debug: bool,
    pending_debug: u32,
}

impl Before {
    /// Notes it, and ends the shadows: only the instruction itself can set them anew.
    #[inline]
    fn take(s: &mut CpuState) -> Self {
        let before = Self {
            tf: s.eflags & Eflags::TF.bits() != 0,
            shadow_irq: s.shadow_irq,
            shadow_debug: s.shadow_debug,
            pending_debug: s.pending_debug,
        };
        s.shadow_irq = false;
        s.shadow_debug = false;
        before
    }

    /// The instruction faulted: it held nothing back and met no data breakpoint.
    fn restore(&self, s: &mut CpuState) {
        s.shadow_irq = self.shadow_irq;
        s.shadow_debug = self.shadow_debug;
        s.pending_debug = self.pending_debug;
    }

    /// The instruction completed, or stopped between two iterations.
    #[inline]
    fn retire<B: Bus>(&self, ctx: &mut Ctx<'_, B>) -> Outcome {
        if ctx.partial {
            // What interrupts a REP between iterations pushes RF set, and going on with it meets
            // no instruction breakpoint again (SDM volume 3B, 17.3.1.1).
            ctx.s.eflags |= Eflags::RF.bits();
        } else {
            ctx.s.rip = ctx.next_rip;
            if !ctx.keep_rf {
                ctx.s.eflags &= !Eflags::RF.bits();
            }
        }
        // A MOV SS holds its own single step back for good, but not the data breakpoints it met.
        if self.tf && !ctx.no_trap && !ctx.s.shadow_debug {
            ctx.s.pending_debug |= debug::DR6_BS;
        }
        match (ctx.partial, ctx.s.activity) {
            (true, _) => Outcome::Partial,
            (false, Activity::Running) => Outcome::Retired,
            (false, Activity::Halted) => Outcome::Halted,
            (false, Activity::Shutdown) => Outcome::Shutdown,
        }
    }
}
