//! The processor has nothing to run.

use super::Monitor;
use crate::config::MonitorError;
use crate::inbox::Thinks;
use crate::profile::Row;
use crate::stop::RunEnd;
use crate::vcpu::Vcpu;
use ringer_cpu::Activity;

/// Deadlines in a row that virtual time leaps over at most, with no interrupt coming of any: a device whose line is high
/// already, say. (A second or so of the host's.)
const MOST: u32 = 1 << 20;

/// Where the processor has been idle: instructions retired, deliveries since; and deadlines that passed there.
#[derive(Debug, Default)]
pub(super) struct Idled {
    place: (u64, (u64, u32)),
    passed: u32,
}

impl Idled {
    /// Another deadline passes at `vcpu`, which has retired so many instructions. Whether it is one too many.
    fn too_long(&mut self, vcpu: &Vcpu, retired: u64) -> bool {
        let place = (retired, vcpu.delivered);
        self.passed = if self.place == place { self.passed + 1 } else { 0 };
        self.place = place;
        self.passed > MOST
    }
}

impl Monitor {
    /// Nothing to run: waits for a deadline or mail, or jumps there in virtual time. How the run ends, if nothing
    /// can come: only an interrupt ends a halt, for no device here pulls NMI, and what resets does so by an access.
    pub(super) fn idle(&mut self) -> Result<Option<RunEnd>, MonitorError> {
        if self.vcpu.context.cpu.activity == Activity::Shutdown {
            return Ok(None);
        }
        let ended = self.inbox.is_ended();
        let input = !ended || self.inbox.has_input() || self.inputs.next_time().is_some();
        let io = &mut self.chassis.bus.io;
        if !self.vcpu.interruptible() || !io.board.can_interrupt(input) {
            return Ok(Some(RunEnd::DeadHalt));
        }
        if self.chassis.bus.io.clock.is_virtual() && self.idled.too_long(&self.vcpu, self.retired())
        {
            return Ok(Some(RunEnd::DeadHalt));
        }
        self.mind_memory(true)?;
        let io = &mut self.chassis.bus.io;
        let row = io.ledger.switch(Row::Idle);
        let deadline = [io.board.next_deadline(), self.inputs.next_time()];
        match deadline.into_iter().flatten().min() {
            Some(deadline) if io.clock.is_virtual() => io.clock.skip_to(deadline),
            deadline => {
                let wake = deadline.map(|ns| io.clock.instant_at(ns));
                let until = [wake, self.vcpu.schedule.ends].into_iter().flatten().min();
                let (takes_serial, takes_keys) = (!self.serial_full, !self.keys_full);
                self.inbox.wait(until, &Thinks { takes_serial, takes_keys, ended });
            }
        }
        io.ledger.switch(row);
        Ok(None)
    }
}
