//! What the thread that runs the guest waits for. Each wait ends at the run's time limit, and by mail that ends the run.

use super::Monitor;
use crate::config::MonitorError;
use crate::inbox::{PORTS, Thinks};
use crate::profile::Row;
use crate::stop::RunEnd;
use ringer_cpu::Activity;
use std::time::{Duration, Instant};

/// How often an output that has no room is looked at; it also tells when it has.
const LOOK: Duration = Duration::from_millis(10);

impl Monitor {
    /// Nothing to run: waits for a deadline or mail, or jumps there in virtual time. How the run ends, if nothing
    /// can come: only an interrupt or an NMI ends a halt, and what resets does so by an access.
    pub(super) fn idle(&mut self) -> Result<Option<RunEnd>, MonitorError> {
        if self.vcpu.context.cpu.activity == Activity::Shutdown {
            return Ok(None);
        }
        // Whoever stops the run at a time may send something then.
        let no_more = self.inbox.is_ended();
        let ended = no_more && self.vcpu.schedule.time.is_none();
        // A network has no end, but for one who goes through a run again.
        let linked = self.chassis.bus.io.board.is_linked() && self.inputs.are_through();
        let input = linked || !ended || self.inbox.has_input() || self.inputs.next_time().is_some();
        let io = &mut self.chassis.bus.io;
        let by_intr = self.vcpu.interruptible() && io.board.can_interrupt(input);
        let by_nmi = self.vcpu.takes_nmi() && io.board.can_pull_nmi();
        if !by_intr && !by_nmi {
            return Ok(Some(RunEnd::DeadHalt));
        }
        let virtual_time = self.chassis.bus.io.clock.is_virtual();
        let vain = virtual_time && self.idled.too_long(&self.vcpu, self.retired());
        if vain && !input {
            return Ok(Some(RunEnd::DeadHalt));
        }
        self.mind_memory(true)?;
        let io = &mut self.chassis.bus.io;
        let row = io.ledger.switch(Row::Idle);
        // No timer for a deadline that can interrupt nobody; where all have passed in vain, only input is waited for.
        let device = io.board.next_interrupt().filter(|_| !vain);
        let deadline = [device, self.inputs.next_time(), self.vcpu.schedule.time];
        let deadline = deadline.into_iter().flatten().min();
        let (takes_serial, takes_keys) = (self.serial_full.map(|full| !full), !self.keys_full);
        let takes_frames = !self.frames_full;
        let thinks = Thinks { takes_serial, takes_keys, takes_frames, ended: no_more };
        match deadline {
            Some(deadline) if io.clock.is_virtual() && !linked => io.clock.skip_to(deadline),
            Some(deadline) if io.clock.is_virtual() => {
                // What answers on a network needs time that is the world's: the leap takes as long as it is.
                let wait = Duration::from_nanos(deadline.saturating_sub(io.clock.now()));
                let until = Instant::now().checked_add(wait);
                let until = [until, self.vcpu.schedule.ends].into_iter().flatten().min();
                if !self.inbox.wait(until, &thinks) {
                    io.clock.skip_to(deadline);
                }
            }
            deadline => {
                let began = io.clock.now();
                let wake = deadline.map(|ns| io.clock.instant_at(ns));
                let until = [wake, self.vcpu.schedule.ends].into_iter().flatten().min();
                self.inbox.wait(until, &thinks);
                let ended = io.clock.now().min(deadline.unwrap_or(u64::MAX));
                io.board.slept(ended.saturating_sub(began));
            }
        }
        io.ledger.switch(row);
        Ok(None)
    }

    /// Waits a while for an output that has no room, if its reader is at it. Whether it did.
    pub(super) fn waited_for_output(&mut self) -> bool {
        let io = &mut self.chassis.bus.io;
        if !io.board.has_full_outputs() || !io.board.look_at_outputs(io.clock.now()) {
            return false;
        }
        let row = io.ledger.switch(Row::Idle);
        let look = Instant::now() + LOOK;
        let until = self.vcpu.schedule.ends.map_or(look, |end| end.min(look));
        let ended = self.inbox.is_ended();
        let (takes_serial, takes_keys, takes_frames) = ([false; PORTS], false, false);
        self.inbox.wait(Some(until), &Thinks { takes_serial, takes_keys, takes_frames, ended });
        io.ledger.switch(row);
        true
    }
}
