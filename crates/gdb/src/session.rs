//! One conversation with gdb, on the thread that runs the machine: packets while it stands, and while it runs
//! only the word that it shall stop.

use crate::debuggee::{Client, Debuggee, Halt};
use crate::error::GdbError;
use crate::line::{Line, Next, Outgoing};
use gdbstub::common::Signal;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStubBuilder, SingleThreadStopReason};
use gdbstub::target::ext::base::reverse_exec::ReplayLogPosition;
use gdbstub::target::ext::breakpoints::WatchKind;
use ringer_input::OneLine;
use ringer_machine::{Stop, WatchHit};
use std::io::{self, Write};

/// Bytes of a packet at most.
const PACKET: usize = 1 << 14;

type Reason = SingleThreadStopReason<u32>;

/// How a conversation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// gdb has gone, and the machine goes on.
    Detached,
    /// gdb, or somebody else, wants the run to end.
    Quit,
    /// The run is over.
    Over(Stop),
}

impl From<Next> for Outcome {
    fn from(next: Next) -> Self {
        match next {
            Next::Quit => Self::Quit,
            Next::Late => Self::Over(Stop::Timeout),
            Next::Gone | Next::Byte(_) => Self::Detached,
        }
    }
}

/// Talks with gdb until one of both has had enough.
///
/// # Errors
/// When the host fails us; what gdb sends is never an error.
pub fn talk(
    debuggee: &mut Debuggee<'_>,
    out: Outgoing,
    line: &mut Line,
) -> Result<Outcome, GdbError> {
    let mut buffer = vec![0; PACKET];
    let Ok(stub) = GdbStubBuilder::new(out).with_packet_buffer(&mut buffer).build() else {
        return Ok(Outcome::Detached);
    };
    let Ok(mut stub) = stub.run_state_machine(debuggee) else { return Ok(Outcome::Detached) };
    loop {
        let next = match stub {
            GdbStubStateMachine::Idle(idle) => match line.next(debuggee.ends()) {
                Next::Byte(byte) => idle.incoming_data(debuggee, byte),
                other => return Ok(other.into()),
            },
            GdbStubStateMachine::Running(running) => {
                let halt = run(debuggee, line)?;
                if halt == Halt::Interrupted
                    && let Err(other) = line.take_stop()
                {
                    return Ok(other.into());
                }
                running.report_stop(debuggee, reason(&halt))
            }
            // While the machine stands there is nothing to interrupt.
            GdbStubStateMachine::CtrlCInterrupt(stub) => {
                stub.interrupt_handled(debuggee, None::<Reason>)
            }
            GdbStubStateMachine::Disconnected(mut stub) => {
                let reason = stub.get_reason();
                if reason == DisconnectReason::Kill {
                    // gdb waits for an answer to vKill, and to k does not mind one.
                    let out = stub.borrow_conn();
                    let _ = out.write_all(b"$OK#9a").and_then(|()| out.flush());
                }
                return Ok(match (reason, &debuggee.halt) {
                    (DisconnectReason::Kill, _) => Outcome::Quit,
                    (DisconnectReason::TargetExited(_), Halt::End(stop)) => {
                        Outcome::Over(stop.clone())
                    }
                    _ => Outcome::Detached,
                });
            }
        };
        if debuggee.quit {
            return Ok(Outcome::Quit);
        }
        match next {
            Ok(next) => stub = next,
            Err(e) => {
                let e = OneLine(e);
                // Where standard error is gone nobody can be told.
                let _ = writeln!(io::stderr(), "ringer: gdb: {e}; the connection is closed");
                return Ok(Outcome::Detached);
            }
        }
    }
}

fn run(debuggee: &mut Debuggee<'_>, line: &mut Line) -> Result<Halt, GdbError> {
    line.set_running(true);
    let halt = match line.wants_stop() {
        true => Ok(debuggee.stand(Halt::Interrupted)),
        false => debuggee.go_on(line),
    };
    line.set_running(false);
    halt
}

/// What gdb is told of a halt.
fn reason(halt: &Halt) -> Reason {
    match halt {
        Halt::Breakpoint { hardware: true } => Reason::HwBreak(()),
        Halt::Breakpoint { hardware: false } => Reason::SwBreak(()),
        Halt::Watchpoint(WatchHit { watchpoint, .. }) => Reason::Watch {
            tid: (),
            kind: match watchpoint.kind {
                ringer_machine::WatchKind::Write => WatchKind::Write,
                ringer_machine::WatchKind::Read => WatchKind::Read,
                ringer_machine::WatchKind::Access => WatchKind::ReadWrite,
            },
            addr: watchpoint.at.low(),
        },
        Halt::Stepped => Reason::DoneStep,
        Halt::Interrupted => Reason::Signal(Signal::SIGINT),
        Halt::TripleFault => Reason::Signal(Signal::SIGSEGV),
        Halt::Stuck => Reason::Signal(Signal::SIGSTOP),
        Halt::Begin => Reason::ReplayLog { tid: None, pos: ReplayLogPosition::Begin },
        Halt::End(stop) => Reason::Exited(stop.status()),
    }
}
