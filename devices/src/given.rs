//! How much of the machine's time the guest had for itself.
//!
//! In real time the host may have other work: machine time goes on while no guest instruction runs. What the guest was
//! given is the time that it executed, and the time that it slept because it wanted to. A tick that a guest did not
//! take although it was given the time is the guest's own loss, as on a PC; any other is the host's, and is made up for
//! ([`crate::ticks`]).

/// What a guest had for itself so far, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Had {
    /// Execution: its own, and what is done on its behalf.
    pub(crate) executed: u64,
    /// Sleep, as long as it wanted to.
    pub(crate) slept: u64,
}

/// The account.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Nanoseconds of execution so far; `None`: time is what the guest executes, and none is lost.
    pub(crate) executed: Option<fn() -> u64>,
    /// Nanoseconds slept as the guest wished.
    pub(crate) slept: u64,
}

impl Given {
    /// What it had so far; `None` where no time can be lost.
    #[inline]
    pub(crate) fn so_far(&self) -> Option<Had> {
        self.executed.map(|executed| Had { executed: executed(), slept: self.slept })
    }
}
