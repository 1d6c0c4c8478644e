//! One block, once, as host code: for checkers that bring their own judge.

use crate::bt::Found;
use crate::config::{MonitorError, RunEnd};
use crate::lockstep::Stop;
use crate::run::Monitor;
use ringer_cpu::interp::fpu;
use ringer_cpu::{Bus, Exception, Outcome, PagingChange, PagingRegs};
use ringer_translator::Mode;
use ringer_translator::context::ExitReason;

/// What one run of a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// Nothing at CS:EIP runs as host code; nothing was run.
    NotTranslated,
    /// The block ran to its end, or to an instruction that the interpreter completed for it.
    Ended,
    /// An instruction of it raised this, not yet delivered.
    Raised(Exception),
}

impl Monitor {
    /// Translates code at its `visit`-th visit from now on (1: at once), instead of leaving rarely
    /// run code to the interpreter: for tests.
    pub fn translate_at_visit(&mut self, visit: u8) {
        self.bt.heat.set_threshold(visit);
    }

    /// Runs the block at CS:EIP in both engines once and returns the report of the first difference.
    /// For sweeps that set up each case themselves; call it inside [`Monitor::as_vcpu`].
    ///
    /// # Errors
    /// When the host fails us.
    pub fn compare_here(&mut self) -> Result<Option<String>, MonitorError> {
        self.sync_paging();
        if let Some(mode) = Mode::of(&self.context.cpu)
            && let Found::Block(pc) = self.find(mode)?
            && let Some((id, _)) = self.bt.cache.locate(pc)
        {
            self.compare_block(id, pc)?;
        }
        Ok(match self.end.take() {
            Some(RunEnd::Difference(report)) => Some(report),
            _ => None,
        })
    }

    /// Instructions compared so far.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.bt.verification.checks.compared
    }

    /// Sets CR0, CR3, CR4 and EFER as the guest's own MOVs would, without their checks.
    pub fn set_paging(&mut self, regs: PagingRegs) {
        let cpu = self.state_mut();
        (cpu.cr0, cpu.cr3, cpu.cr4, cpu.msr.efer) = (regs.cr0, regs.cr3, regs.cr4, regs.efer);
        self.bus.paging_changed(&regs, PagingChange::Mode);
    }

    /// Runs the block at CS:EIP once as host code; what it raises is not delivered. Call it inside
    /// [`Monitor::as_vcpu`], with the lockstep engine, whose blocks are not linked to others.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn run_once(&mut self) -> Result<Once, MonitorError> {
        self.sync_paging();
        let Some(mode) = Mode::of(&self.context.cpu) else { return Ok(Once::NotTranslated) };
        let Found::Block(pc) = self.find(mode)? else { return Ok(Once::NotTranslated) };
        let Some((id, _)) = self.bt.cache.locate(pc) else { return Ok(Once::NotTranslated) };
        let eip = self.context.cpu.eip();
        loop {
            match self.wet_run(id, pc)? {
                Stop::NotEntered => {}
                Stop::End => {
                    let left = self.context.exit_reason == ExitReason::Callout as u32;
                    let nothing = left && self.context.cpu.eip() == eip;
                    return Ok(if nothing { Once::NotTranslated } else { Once::Ended });
                }
                Stop::Trap(_) | Stop::Left(_) => break,
            }
        }
        Ok(self.interpret_once().map_or(Once::Ended, Once::Raised))
    }

    /// Runs the instruction at CS:EIP by the interpreter, all its iterations; returns what it
    /// raises, not delivered.
    pub fn interpret_once(&mut self) -> Option<Exception> {
        let raised = loop {
            match self.interp.execute(&mut self.context.cpu, &mut self.bus) {
                Ok(Outcome::Partial) => {}
                Ok(_) => break None,
                Err(exception) => break Some(exception),
            }
        };
        fpu::claim(&mut self.context.cpu);
        raised
    }
}
