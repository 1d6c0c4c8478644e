//! The processor has nothing to run.

use super::Monitor;
use crate::config::MonitorError;
use crate::inbox::Thinks;
use crate::profile::Row;
use crate::stop::RunEnd;
use ringer_cpu::Activity;

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
