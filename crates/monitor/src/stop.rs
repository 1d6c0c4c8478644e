//! What happens next: after a piece of guest code ran, and when a run is over.

use crate::moment::Moment;
use ringer_cpu::addr::Lin;
use ringer_mmu::{WatchHit, Watchpoint};
use std::time::Duration;

/// Why a run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The guest switched the machine off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// The processor shut down; where it was.
    TripleFault {
        /// CS selector.
        cs: u16,
        /// EIP of the instruction whose exception could not be delivered.
        eip: u32,
    },
    /// The guest wrote this value to the debug-exit port.
    DebugExit(u32),
    /// The host-time limit was reached.
    Timeout,
    /// The machine's time has come to [`Until::time`].
    Time,
    /// The instruction limit was reached.
    InstructionLimit,
    /// The instruction at a breakpoint comes next; it has not begun.
    Breakpoint {
        /// CS selector.
        cs: u16,
        /// EIP.
        eip: u32,
    },
    /// The processor is halted, and nothing can wake it any more.
    DeadHalt,
    /// The instruction that just retired, iterated or raised an exception made an access to watched bytes.
    Watchpoint(WatchHit),
    /// One step is done ([`Until::step`]).
    Stepped,
    /// The guest executed HLT, and [`Until::halt`] was asked for.
    Halted,
    /// Another thread asked for a pause ([`crate::Kicker::pause`]).
    Paused,
    /// The user asked for the end.
    Quit,
    /// Lockstep found a difference; the report.
    Difference(String),
    /// The verifier refused host code before it ran, or host code reached outside its window; the
    /// report.
    Refused(String),
}

/// A place in the guest's code to stop before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breakpoint {
    /// A linear address: CS's base plus EIP (SDM volume 3A, 3.1).
    Linear(Lin),
    /// A logical address.
    Logical {
        /// CS selector.
        cs: u16,
        /// EIP.
        eip: u32,
    },
}

/// What ends a run besides the guest itself, which can always switch off, reset, leave through the
/// debug-exit port or shut down by a triple fault.
#[derive(Clone, Debug, Default)]
pub struct Until {
    /// So many guest instructions have retired since the machine was made: exactly so many. With the
    /// virtual clock only, under which instructions are counted.
    pub retired: Option<u64>,
    /// So much host time has passed in this run.
    pub timeout: Option<Duration>,
    /// The machine's time ([`crate::Monitor::now`]) has come so far, in nanoseconds: with the virtual clock exactly. Until then
    /// no halt that an input could end is one for good: somebody has plans for then.
    pub time: Option<u64>,
    /// The instruction at one of these comes next. Where the run begins is passed over once, so that
    /// a run goes on from the breakpoint that the last one stopped at.
    pub breakpoints: Vec<Breakpoint>,
    /// An access to some of these bytes was made; the run ends behind the instruction, or the iteration of a
    /// REP instruction, that made it. Instructions and their operands are watched, not DMA and page walks.
    pub watchpoints: Vec<Watchpoint>,
    /// Breakpoints and watchpoints stay as they were in the last run, and none of them ends this one.
    pub unheeded: bool,
    /// One step is done: an instruction retired or raised an exception, a REP instruction made one
    /// iteration, or an interrupt was delivered. Breakpoints do not end such a run.
    pub step: bool,
    /// With [`Until::step`]: not one step but as many as it takes to come to that moment, or past it.
    pub moment: Option<Moment>,
    /// The guest executed HLT.
    pub halt: bool,
}

/// What happens after a piece of guest code.
#[derive(Debug)]
pub(crate) enum Next {
    /// Translated code goes on where a trap stopped it.
    Resume,
    /// The state is whole; the dispatcher finds what comes.
    Dispatch,
    /// The run loop looks at devices, mail and interrupts first.
    Service,
    /// The run is over.
    Stop(Box<RunEnd>),
}

impl Next {
    /// The run is over, because of `end`.
    #[cold]
    pub fn stop(end: RunEnd) -> Self {
        Self::Stop(Box::new(end))
    }

    /// Host code was refused, or broke out.
    #[cold]
    pub fn refused(report: String) -> Self {
        Self::stop(RunEnd::Refused(report))
    }
}
