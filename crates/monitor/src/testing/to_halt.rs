//! Single cases outside the run loop: a test sets up a state, a few instructions run, and the test
//! looks at what they did. No device is serviced and no interrupt delivered.

use crate::bt::Found;
use crate::config::{Engine, MonitorError, RunEnd};
use crate::run::Monitor;
use ringer_cpu::Activity;
use ringer_translator::Mode;
use std::sync::atomic::Ordering;

/// How [`Monitor::run_to_halt`] went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaltRun {
    /// HLT was reached within the limit.
    pub halted: bool,
    /// The first instruction ran as host code: to its end, or into a host trap that was the guest's.
    pub first_as_host: bool,
    /// What else ended the run: the verifier's refusal, say.
    pub end: Option<RunEnd>,
}

impl Monitor {
    /// Runs from the state as it is until HLT, shutdown, or until `limit` instructions retired (or as
    /// many times an exception was delivered and nothing retired). Call it inside [`Monitor::as_vcpu`], with a
    /// virtual clock, which makes blocks count their instructions.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn run_to_halt(&mut self, limit: u32) -> Result<HaltRun, MonitorError> {
        let mut run = HaltRun::default();
        self.cfg.max_instructions = Some(self.bus.io.clock.retired + u64::from(limit));
        for round in 0..limit {
            let as_host = self.round()?;
            run.first_as_host |= round == 0 && as_host;
            let stopped = self.context.cpu.activity != Activity::Running || self.out_of_time();
            if stopped || self.end.is_some() {
                break;
            }
        }
        self.cfg.max_instructions = None;
        run.end = self.end.take();
        run.halted = self.context.cpu.activity == Activity::Halted && run.end.is_none();
        Ok(run)
    }

    /// One round; whether its first instruction ran as host code.
    fn round(&mut self) -> Result<bool, MonitorError> {
        self.context.doorbell().kick.store(0, Ordering::Relaxed);
        self.bus.io.touched = false;
        self.sync_paging();
        let interpreted = self.cfg.engine == Engine::Interp || self.context.cpu.shadow_irq;
        let mode = if interpreted { None } else { Mode::of(&self.context.cpu) };
        let found = mode.map_or(Ok(Found::Cold), |mode| self.find(mode))?;
        let Found::Block(pc) = found else {
            self.step();
            return Ok(false);
        };
        let before = self.host_marks();
        self.run_block(pc)?;
        Ok(self.host_marks() != before)
    }

    /// Counters of which one moves when a guest instruction runs as host code.
    fn host_marks(&self) -> [u64; 3] {
        let counters = &self.bus.io.counters;
        [self.bt.retired, counters.true_faults, counters.other_faults]
    }
}
