//! Runs from a state to HLT.

use super::harness::Harness;
use crate::config::{Engine, MonitorError};
use crate::dispatch::Found;
use crate::stop::{Next, RunEnd};
use ringer_cpu::Activity;
use std::sync::atomic::Ordering;

/// How [`Harness::run_to_halt`] went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaltRun {
    /// HLT was reached within the limit.
    pub halted: bool,
    /// The first instruction ran as host code: to its end, or into a host trap that was the guest's.
    pub first_as_host: bool,
    /// What else ended the run: the verifier's refusal, say.
    pub end: Option<RunEnd>,
}

impl Harness<'_> {
    /// Runs from the state as it is until HLT, shutdown, or until `limit` instructions retired (or as
    /// many times an exception was delivered and nothing retired). With a virtual clock, which makes
    /// blocks count their instructions.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn run_to_halt(&mut self, limit: u32) -> Result<HaltRun, MonitorError> {
        let mut run = HaltRun::default();
        let retired = self.chassis.bus.io.clock.retired;
        self.vcpu.schedule.retired = Some(retired + u64::from(limit));
        for round in 0..limit {
            let before = self.host_marks();
            let next = self.round()?;
            run.first_as_host |= round == 0 && self.host_marks() != before;
            if let Next::Stop(end) = next {
                run.end = Some(*end);
                break;
            }
            let running = self.vcpu.context.cpu.activity == Activity::Running;
            if !running || self.vcpu.schedule.out_of_time(&self.chassis.bus.io.clock) {
                break;
            }
        }
        self.vcpu.schedule.retired = None;
        run.halted = self.vcpu.context.cpu.activity == Activity::Halted && run.end.is_none();
        Ok(run)
    }

    fn round(&mut self) -> Result<Next, MonitorError> {
        self.vcpu.context.doorbell().kick.store(0, Ordering::Relaxed);
        self.chassis.bus.io.touched = false;
        self.vcpu.spaces.sync(&mut self.chassis.bus);
        let found = match self.engine {
            Engine::Interp => Found::Interpret(1),
            Engine::Bt | Engine::Lockstep => self.vcpu.find(self.chassis)?,
        };
        Ok(match found {
            Found::Block(pc) => self.vcpu.run_block(self.chassis, pc)?,
            Found::Interpret(_) => {
                self.vcpu.step(self.chassis);
                Next::Dispatch
            }
            Found::Refused(report) => Next::refused(report),
        })
    }

    /// Counters of which one moves when a guest instruction runs as host code.
    fn host_marks(&self) -> [u64; 3] {
        let counters = &self.chassis.bus.io.counters;
        [self.vcpu.translated, counters.true_faults, counters.other_faults]
    }
}
