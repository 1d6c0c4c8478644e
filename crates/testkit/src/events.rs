//! What happens in a suite, told to whoever reports on it.
//!
//! All events come from one thread, in the order of time. A test's number is its place in
//! [`Suite::cases`], from 0.

use crate::TestkitError;
use crate::case::{Attempt, Case, Outcome, Summary};
use crate::stop::Reason;
use std::time::{Duration, SystemTime};

/// The suite as it is at its start.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The tests, in the order in which they start.
    pub cases: Vec<Case>,
    /// When it starts.
    pub started: SystemTime,
    /// Tests at a time.
    pub jobs: usize,
    /// Which part of how many, if not the whole.
    pub shard: Option<(usize, usize)>,
    /// Repetitions that a test has which fails.
    pub retries: u32,
    /// A test that takes longer is named.
    pub slow: Duration,
}

impl Suite {
    /// The repetitions that this test has if it fails.
    #[must_use]
    pub fn retries_of(&self, number: usize) -> u32 {
        self.cases[number].spec.retries.unwrap_or(self.retries)
    }
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The suite begins.
    SuiteStarted,
    /// A test begins, for the first time or again.
    TestStarted {
        /// Which test.
        number: usize,
        /// From 1.
        attempt: u32,
    },
    /// A test failed and begins again.
    AttemptFailed {
        /// Which test.
        number: usize,
        /// What became of it.
        attempt: &'a Attempt,
        /// From 1.
        count: u32,
    },
    /// A guest sent something by its serial port; only where that is to be shown as it comes.
    Sent {
        /// Which test.
        number: usize,
        /// What it sent.
        bytes: &'a [u8],
    },
    /// A test has run for so long and goes on.
    Slow {
        /// Which test.
        number: usize,
        /// So far.
        time: Duration,
    },
    /// A test ended for good.
    TestFinished {
        /// Which test.
        number: usize,
        /// What became of it.
        outcome: &'a Outcome,
    },
    /// Nothing happens for the moment: time for what was put off.
    Idle,
    /// The suite ended.
    SuiteFinished(&'a Finish),
}

/// The end of a suite.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The count.
    pub summary: Summary,
    /// How long it took.
    pub time: Duration,
    /// Why it ended early, if it did.
    pub stopped: Option<Reason>,
    /// The tests that ran when it was stopped, by number.
    pub interrupted: Vec<usize>,
    /// The tests that took longer than [`Suite::slow`], by number, the slowest first.
    pub slow: Vec<(usize, Duration)>,
}

/// Reports on a suite.
pub trait Reporter {
    /// Takes an event. What cannot be written is tried again at the next one: a suite goes on
    /// without an audience.
    fn event(&mut self, suite: &Suite, event: Event<'_>);

    /// Everything is told.
    ///
    /// # Errors
    /// When something could not be written to the last.
    fn finish(&mut self) -> Result<(), TestkitError>;
}
