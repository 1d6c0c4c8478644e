//! The machine under gdb: what gdb has set in it, and how it goes on from a stop.

use crate::error::GdbError;
use crate::gate::Gate;
use crate::history::History;
use crate::memory::Space;
use ringer_cpu::Activity;
use ringer_machine::{ClockKind, Machine, Moment, Stop, Until, WatchHit, Watchpoint};
use std::collections::BTreeSet;
use std::time::Instant;

/// What gdb has asked for to happen next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// Go on.
    #[default]
    Continue,
    /// One step.
    Step,
    /// Steps while EIP is in the range.
    Range(u32, u32),
    /// One step back.
    StepBack,
    /// Back to the last breakpoint or watched access.
    ContinueBack,
}

/// Why the machine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// At a breakpoint.
    Breakpoint {
        /// Set as a hardware breakpoint.
        hardware: bool,
    },
    /// At an access to watched bytes: behind it, or going back before it.
    Watchpoint(WatchHit),
    /// The step is done.
    Stepped,
    /// gdb wants to talk.
    Interrupted,
    /// The processor has shut down; registers are those from before the instruction.
    TripleFault,
    /// The processor is halted, and nothing can wake it.
    Stuck,
    /// At the first moment that can be gone back to.
    Begin,
    /// The run is over.
    End(Stop),
}

/// Says whether somebody wants the machine to stop.
pub trait Client {
    /// True from the moment on when somebody does.
    fn wants_stop(&mut self) -> bool;
}

/// What gdb has set.
#[derive(Clone, Debug, Default)]
pub struct Breaks {
    /// Addresses of software breakpoints.
    pub software: BTreeSet<u32>,
    /// Addresses of hardware breakpoints.
    pub hardware: BTreeSet<u32>,
    /// Watchpoints.
    pub watched: Vec<Watchpoint>,
}

/// The machine under gdb.
#[derive(Debug)]
pub struct Debuggee<'m> {
    pub(crate) machine: &'m mut Machine,
    pub(crate) breaks: Breaks,
    pub(crate) resume: Resume,
    /// Which addresses gdb's are.
    pub(crate) space: Space,
    /// gdb has asked for the end of the run.
    pub(crate) quit: bool,
    /// Why the machine stands.
    pub(crate) halt: Halt,
    /// With the virtual clock.
    pub(crate) history: Option<History>,
    gate: Gate,
    /// Registers or memory were changed: what comes has not been before.
    changed: bool,
    /// Machine time when it stopped.
    stopped: u64,
    /// When the time that it was given is over.
    ends: Option<Instant>,
    /// What else ends the run.
    base: Until,
}

impl<'m> Debuggee<'m> {
    /// `machine`, with its output behind `gate`, whose run `base` ends too. Its time limit runs from now on.
    ///
    /// # Errors
    /// When its first state cannot be kept.
    pub fn new(machine: &'m mut Machine, gate: Gate, base: Until) -> Result<Self, GdbError> {
        let virtual_time = machine.clock() == ClockKind::Virtual;
        if virtual_time {
            machine.monitor_mut().keep_inputs();
        }
        let history = virtual_time.then(|| History::begin(machine)).transpose()?;
        let ends = machine.config().run.timeout.and_then(|t| Instant::now().checked_add(t));
        let stopped = machine.monitor().now();
        Ok(Self {
            machine,
            breaks: Breaks::default(),
            resume: Resume::default(),
            space: Space::default(),
            quit: false,
            halt: Halt::Interrupted,
            history,
            gate,
            changed: false,
            stopped,
            ends,
            base,
        })
    }

    /// gdb has gone: nothing that it has set stays.
    pub fn release(&mut self) {
        self.breaks = Breaks::default();
        self.space = Space::default();
    }

    /// Registers or memory were changed from outside.
    pub fn note_change(&mut self) {
        self.changed = true;
    }

    /// Where the run is.
    pub(crate) fn moment(&self) -> Moment {
        self.machine.monitor().moment()
    }

    /// What is to be done before the machine runs: real time goes on where it was, and after a change from
    /// outside there is nothing to go back to before it.
    pub(crate) fn wake(&mut self) -> Result<(), GdbError> {
        self.machine.monitor_mut().thaw(self.stopped);
        if std::mem::take(&mut self.changed) && self.history.is_some() {
            self.machine.monitor_mut().forget_inputs();
            self.history = Some(History::begin(self.machine)?);
        }
        Ok(())
    }

    /// The machine stands, because of `halt`.
    pub(crate) fn stand(&mut self, halt: Halt) -> Halt {
        self.machine.monitor_mut().catch_up();
        self.stopped = self.machine.monitor().now();
        self.gate.set_open(true);
        self.halt = halt.clone();
        halt
    }

    /// What ends a run, whichever way it goes.
    pub(crate) fn until(&self) -> Until {
        let mut until = self.base.clone().reset();
        for at in self.breaks.software.union(&self.breaks.hardware) {
            until = until.breakpoint(u64::from(*at));
        }
        for watched in &self.breaks.watched {
            until = until.watchpoint(watched.at.get(), watched.len, watched.kind);
        }
        self.in_time(until)
    }

    /// The same while nobody watches.
    pub(crate) fn until_alone(&self) -> Until {
        self.in_time(self.base.clone())
    }

    /// `until`, or when the time that the run was given is over.
    fn in_time(&self, until: Until) -> Until {
        match self.ends {
            Some(ends) => until.timeout(ends.saturating_duration_since(Instant::now())),
            None => until,
        }
    }

    /// When the time that the run was given is over.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Whether the time that the run was given is over.
    pub(crate) fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| Instant::now() >= ends)
    }

    /// What is written goes out, and what is typed gets in, only where the run has not been before.
    pub(crate) fn mind_gate(&mut self) {
        let place = self.moment();
        let known = self.history.as_ref().is_some_and(|h| place.retired < h.frontier().retired);
        self.set_known(known);
    }

    /// The run goes where it has been before, or where it has not.
    pub(crate) fn set_known(&mut self, known: bool) {
        self.gate.set_open(!known);
        self.machine.monitor_mut().hold_input(known);
    }

    /// The linear address of the next instruction.
    pub(crate) fn linear_eip(&self) -> u32 {
        let cpu = self.machine.monitor().state();
        cpu.cs().base.low().wrapping_add(cpu.eip())
    }

    /// The halt at the breakpoint that the run is at, if it is at one.
    pub(crate) fn breakpoint_here(&self) -> Option<Halt> {
        let at = self.linear_eip();
        let hardware = self.breaks.hardware.contains(&at);
        let here = hardware || self.breaks.software.contains(&at);
        here.then_some(Halt::Breakpoint { hardware })
    }

    /// The processor has shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.machine.monitor().state().activity == Activity::Shutdown
    }
}
