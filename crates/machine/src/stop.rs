//! How a machine's run ends, and the exit status that each end has.
//!
//! The statuses are a contract with scripts (docs/exit-statuses.md). The debug-exit port yields
//! `(value << 1) | 1`, always odd, as QEMU's isa-debug-exit does; so every other status is even.

use ringer_monitor::WatchHit;
use std::fmt;

/// The exit statuses of the `ringer` process that do not come from the guest's debug-exit port.
pub mod status {
    /// The guest switched the machine off.
    pub const POWER_OFF: u8 = 0;
    /// A wrong option, or a file that cannot be used.
    pub const USAGE: u8 = 2;
    /// A test failed (`ringer test` only).
    pub const TESTS_FAILED: u8 = 4;
    /// The guest asked for a reset and `--no-reboot` was given.
    pub const RESET: u8 = 64;
    /// The processor shut down after a triple fault.
    pub const TRIPLE_FAULT: u8 = 66;
    /// The processor is halted and nothing can wake it.
    pub const DEAD_HALT: u8 = 78;
    /// A step of `--script` failed.
    pub const SCRIPT_FAILED: u8 = 84;
    /// The guest wrote a text of `--fail-on`.
    pub const FAIL_TEXT: u8 = 80;
    /// The process stayed over `--mem-limit` after everything was given up.
    pub const MEMORY_LIMIT: u8 = 82;
    /// `--max-instructions` was reached.
    pub const INSTRUCTION_LIMIT: u8 = 68;
    /// A fault of Ringer's or of the host, not of the guest.
    pub const INTERNAL: u8 = 70;
    /// `--engine lockstep` found a difference.
    pub const DIFFERENCE: u8 = 72;
    /// The verifier refused host code, or host code reached outside its window.
    pub const REFUSED: u8 = 76;
    /// The console or another output could not be written.
    pub const OUTPUT: u8 = 74;
    /// `--timeout` was reached (the number that timeout(1) uses).
    pub const TIMEOUT: u8 = 124;
    /// The user ended the run: Ctrl-A X, or SIGINT, SIGTERM, SIGHUP.
    pub const ENDED_BY_USER: u8 = 130;
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The guest switched the machine off.
    PowerOff,
    /// The guest wrote this value to the debug-exit port.
    DebugExit(u32),
    /// The guest asked for a reset (with `no_reboot`).
    Reset,
    /// The processor shut down: an exception could not be delivered.
    TripleFault {
        /// CS selector of the instruction.
        cs: u16,
        /// Its EIP.
        eip: u32,
    },
    /// The processor is halted, and nothing can wake it any more: interrupts are off, or no source that is let
    /// through is armed.
    DeadHalt,
    /// The guest wrote this text, which [`crate::Until::text`] asked for.
    Text(String),
    /// The instruction limit was reached.
    InstructionLimit,
    /// The time limit was reached.
    Timeout,
    /// The guest's clock has come to where [`crate::Until::guest_time`] ends the run.
    GuestTime,
    /// The user asked for the end.
    Quit,
    /// The instruction at a breakpoint comes next; it has not begun.
    Breakpoint {
        /// CS selector.
        cs: u16,
        /// EIP.
        eip: u32,
    },
    /// Watched bytes were accessed by what ran last.
    Watchpoint(WatchHit),
    /// One step is done.
    Stepped,
    /// The guest executed HLT.
    Halt,
    /// Another thread asked for a pause.
    Kicked,
    /// The engines differ; the report.
    Difference(String),
    /// The verifier refused a block's host code; the report.
    Refused(String),
}

impl Stop {
    /// The process exit status for this end.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::PowerOff => status::POWER_OFF,
            Self::DebugExit(value) => ((value << 1) | 1) as u8,
            Self::Reset => status::RESET,
            Self::TripleFault { .. } => status::TRIPLE_FAULT,
            Self::DeadHalt => status::DEAD_HALT,
            Self::InstructionLimit => status::INSTRUCTION_LIMIT,
            Self::Timeout => status::TIMEOUT,
            Self::Quit
            | Self::Breakpoint { .. }
            | Self::Watchpoint(_)
            | Self::Stepped
            | Self::Halt
            | Self::Kicked
            | Self::GuestTime
            | Self::Text(_) => status::ENDED_BY_USER,
            Self::Difference(_) => status::DIFFERENCE,
            Self::Refused(_) => status::REFUSED,
        }
    }

    /// The name that reports and test descriptions use.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::PowerOff => "poweroff",
            Self::DebugExit(_) => "debug-exit",
            Self::Reset => "reset",
            Self::TripleFault { .. } => "triple-fault",
            Self::DeadHalt => "dead-halt",
            Self::Text(_) => "text",
            Self::InstructionLimit => "instruction-limit",
            Self::Timeout => "timeout",
            Self::GuestTime => "guest-time",
            Self::Quit => "quit",
            Self::Breakpoint { .. } => "breakpoint",
            Self::Watchpoint(_) => "watchpoint",
            Self::Stepped => "stepped",
            Self::Halt => "halt",
            Self::Kicked => "kicked",
            Self::Difference(_) => "difference",
            Self::Refused(_) => "refused",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff => f.write_str("the guest powered off"),
            Self::DebugExit(v) => write!(f, "the guest wrote {v:#x} to the debug-exit port"),
            Self::Reset => f.write_str("the guest asked for a reset"),
            Self::TripleFault { cs, eip } => write!(f, "triple fault at {cs:04x}:{eip:08x}"),
            Self::DeadHalt => f.write_str("halted, and nothing can wake the processor"),
            Self::Text(text) => write!(f, "the guest wrote {text:?}"),
            Self::InstructionLimit => f.write_str("stopped at the limit of instructions"),
            Self::Timeout => f.write_str("stopped at the limit of time"),
            Self::GuestTime => f.write_str("the guest's clock has come to its mark"),
            Self::Quit => f.write_str("ended by the user"),
            Self::Breakpoint { cs, eip } => write!(f, "breakpoint at {cs:04x}:{eip:08x}"),
            Self::Watchpoint(hit) => {
                let what = if hit.write { "write to" } else { "read of" };
                write!(f, "{what} watched bytes at {:#010x}", hit.at)
            }
            Self::Stepped => f.write_str("one step done"),
            Self::Halt => f.write_str("the guest executed HLT"),
            Self::Kicked => f.write_str("paused by another thread"),
            Self::Difference(report) => write!(f, "the engines differ\n{report}"),
            Self::Refused(report) => write!(f, "the verifier refused host code\n{report}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_exit_is_qemus_formula_and_collides_with_nothing() {
        assert_eq!(Stop::DebugExit(0).status(), 1);
        assert_eq!(Stop::DebugExit(0x10).status(), 33);
        assert_eq!(Stop::DebugExit(0xff).status(), 255);
        let others = [
            Stop::PowerOff,
            Stop::Reset,
            Stop::TripleFault { cs: 0, eip: 0 },
            Stop::DeadHalt,
            Stop::InstructionLimit,
            Stop::Timeout,
            Stop::Quit,
            Stop::Difference(String::new()),
            Stop::Refused(String::new()),
        ];
        let mut seen: Vec<u8> = others.iter().map(Stop::status).collect();
        let ours = [status::USAGE, status::TESTS_FAILED, status::INTERNAL, status::OUTPUT];
        seen.extend(ours.into_iter().chain([status::FAIL_TEXT, status::SCRIPT_FAILED]));
        assert!(seen.iter().all(|s| s % 2 == 0), "an odd status could be a debug-exit value");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), others.len() + 6);
    }
}
