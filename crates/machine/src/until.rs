//! What ends a run besides the guest.

use ringer_cpu::addr::Lin;
use ringer_monitor::{Breakpoint, Moment, WatchKind, Watchpoint};
use std::time::Duration;

/// What ends a run besides the guest, which can always switch off, leave through the debug-exit port or
/// shut down for good. By default nothing: resets boot the machine again.
///
/// The conditions add up; the first that holds ends the run.
#[derive(Clone, Debug, Default)]
pub struct Until {
    pub(crate) retired: Option<u64>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) time: Option<u64>,
    pub(crate) breakpoints: Vec<Breakpoint>,
    pub(crate) watchpoints: Vec<Watchpoint>,
    pub(crate) unheeded: bool,
    pub(crate) step: bool,
    pub(crate) moment: Option<Moment>,
    pub(crate) halt: bool,
    pub(crate) reset: bool,
    pub(crate) texts: Vec<String>,
}

impl Until {
    /// No condition.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends when `total` guest instructions have retired since the machine was made (a restored machine:
    /// since the saved one was): exactly then, and at once if they have. Only a machine with the virtual
    /// clock counts them.
    #[must_use]
    pub fn instructions(self, total: u64) -> Self {
        Self { retired: Some(total), ..self }
    }

    /// Ends when this run has taken so much host time.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Ends when the guest's clock, which began at 0 with the machine, has come to so many nanoseconds: with the
    /// virtual clock exactly then, and at once if it has. A guest that has halted and that a key could wake is waited for
    /// until then, even if nothing more was to be sent ([`crate::Handle::end_input`]).
    #[must_use]
    pub fn guest_time(self, ns: u64) -> Self {
        Self { time: Some(ns), ..self }
    }

    /// Ends before the instruction at this linear address (CS's base plus EIP; SDM volume 3A, 3.1), each
    /// time that it comes up. Where the run begins is passed over once, so that a run goes on from the
    /// breakpoint at which the last one ended. May be given several times.
    #[must_use]
    pub fn breakpoint(mut self, linear: u64) -> Self {
        self.breakpoints.push(Breakpoint::Linear(Lin(linear)));
        self
    }

    /// The same for a logical address, CS selector and EIP.
    #[must_use]
    pub fn breakpoint_at(mut self, cs: u16, eip: u32) -> Self {
        self.breakpoints.push(Breakpoint::Logical { cs, eip });
        self
    }

    /// Ends behind the instruction, or the iteration of a REP instruction, that accesses one of the `len`
    /// bytes at this linear address, in whatever address space. Instructions are watched, not DMA. May be
    /// given several times.
    #[must_use]
    pub fn watchpoint(mut self, linear: u64, len: u32, kind: WatchKind) -> Self {
        self.watchpoints.push(Watchpoint { at: Lin(linear), len, kind });
        self
    }

    /// Leaves the breakpoints and watchpoints of the last run as they were, and does not end at them: a short
    /// run between two others with the same costs nothing then.
    #[must_use]
    pub fn unheeded(self) -> Self {
        Self { unheeded: true, ..self }
    }

    /// Ends after one step: an instruction, one iteration of a REP instruction, or the delivery of an
    /// exception or interrupt. A processor that is halted waits for its interrupt. Breakpoints do not end
    /// such a run.
    #[must_use]
    pub fn step(self) -> Self {
        Self { step: true, ..self }
    }

    /// Goes by steps, as many as it takes to come to `moment` or past it.
    #[must_use]
    pub fn steps_to(self, moment: Moment) -> Self {
        Self { step: true, moment: Some(moment), ..self }
    }

    /// Ends when the guest has executed HLT, whether an interrupt could wake it or not.
    #[must_use]
    pub fn halt(self) -> Self {
        Self { halt: true, ..self }
    }

    /// Ends right behind the instruction that completes this text on the first serial port or on the debug console
    /// (port E9h), with [`crate::Stop::Text`]. May be given several times; an empty text never comes.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.texts.extend(Some(text.into()).filter(|text| !text.is_empty()));
        self
    }

    /// Ends at a reset and at a triple fault, instead of booting again.
    #[must_use]
    pub fn reset(self) -> Self {
        Self { reset: true, ..self }
    }
}
