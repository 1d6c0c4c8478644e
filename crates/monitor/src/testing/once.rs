//! One block, once, as host code.

use super::harness::Harness;
use crate::config::MonitorError;
use crate::dispatch::Found;
use crate::lockstep::WetRun;
use ringer_cpu::interp::fpu;
use ringer_cpu::{Exception, Outcome};
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

impl Harness<'_> {
    /// Runs the block at CS:EIP once as host code; what it raises is not delivered. For the lockstep
    /// engine, whose blocks are not linked to others.
    ///
    /// # Errors
    /// When the host fails us, or a block is refused.
    pub fn run_once(&mut self) -> Result<Once, MonitorError> {
        self.vcpu.spaces.sync(&mut self.chassis.bus);
        let pc = match self.vcpu.find(self.chassis)? {
            Found::Block(pc) => pc,
            Found::Interpret(_) => return Ok(Once::NotTranslated),
            Found::Refused(report) => return Err(MonitorError::Refused(report)),
        };
        let Some((id, _)) = self.chassis.code.cache.locate(pc) else {
            return Ok(Once::NotTranslated);
        };
        let eip = self.vcpu.context.cpu.eip();
        loop {
            match self.vcpu.wet_run(self.chassis, id, pc)? {
                WetRun::NotEntered => {}
                WetRun::End => {
                    let context = &self.vcpu.context;
                    let left = context.exit_reason == ExitReason::Callout as u32;
                    let nothing = left && context.cpu.eip() == eip;
                    return Ok(if nothing { Once::NotTranslated } else { Once::Ended });
                }
                WetRun::BrokeOut(report) => return Err(MonitorError::Refused(report)),
                WetRun::Trap(_) | WetRun::Left(_) => break,
            }
        }
        Ok(self.interpret_once().map_or(Once::Ended, Once::Raised))
    }

    /// Runs the instruction at CS:EIP by the interpreter, all its iterations; returns what it
    /// raises, not delivered.
    pub fn interpret_once(&mut self) -> Option<Exception> {
        let cpu = &mut self.vcpu.context.cpu;
        let raised = loop {
            match self.vcpu.interp.execute(cpu, &mut self.chassis.bus) {
                Ok(Outcome::Partial) => {}
                Ok(_) => break None,
                Err(exception) => break Some(exception),
            }
        };
        fpu::claim(cpu);
        raised
    }
}
