//! A guest's reset: the processor begins anew, while memory, devices, clock and translated code stay
//! as they are.
//!
//! What a PC does after that is its firmware's affair, and so the caller's: [`Monitor::firmware`]
//! gives it all that firmware reaches while the processor stands.
//!
//! Invariant: nothing that was remembered of the code that ran before (a link to be made, an access
//! to be prepared, translations of addresses) outlives the reset.

use crate::run::Monitor;
use ringer_cpu::{Bus, CpuState, PagingChange, PagingRegs};
use ringer_devices::Board;
use ringer_mmu::GuestMemory;
use std::time::Duration;

/// What firmware reaches: the machine, between two instructions.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The processor's state.
    pub cpu: &'a mut CpuState,
    /// Guest memory.
    pub memory: &'a mut GuestMemory,
    /// The devices.
    pub board: &'a mut Board,
    /// Machine time, in nanoseconds.
    pub now: u64,
}

impl Monitor {
    /// Pulls the processor's RESET pin (SDM volume 3A, table 10-1). The time-stamp counter goes on, as
    /// it does over INIT.
    pub fn reset(&mut self) {
        self.context.cpu = self.interp.state();
        self.bus.paging_changed(&PagingRegs::default(), PagingChange::Mode);
        self.bt.pending_link = None;
        self.bt.prefill = None;
        self.end = None;
        let now = self.bus.io.clock.now();
        self.bus.io.board.set_ferr(now, false);
    }

    /// Lets `work` act as the firmware does. What it wrote over translated code is noticed.
    pub fn firmware<R>(&mut self, work: impl FnOnce(Parts<'_>) -> R) -> R {
        let now = self.bus.io.clock.now();
        let result = work(Parts {
            cpu: &mut self.context.cpu,
            memory: &mut self.bus.memory,
            board: &mut self.bus.io.board,
            now,
        });
        let writes = self.bus.memory.take_code_writes();
        self.bus.io.code_writes.extend(writes.into_iter().map(|(pa, len)| (pa.get(), len)));
        self.flush_code_writes();
        result
    }

    /// From the next [`Monitor::run`] on, each ends after so much host time.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.cfg.timeout = timeout;
    }
}
