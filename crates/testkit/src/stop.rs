//! A request that a suite end early: why, and how urgent it is.
//!
//! Invariant: the urgency only grows. The reason is that of the most urgent request, the first of
//! them if there are several.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a suite ends before all of its tests have run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A test failed, and that was to be the end.
    FailFast,
    /// The suite's time is used up.
    Budget,
    /// A signal of this number.
    Signal(i32),
}

impl Reason {
    /// A word for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FailFast => "fail-fast",
            Self::Budget => "budget",
            Self::Signal(_) => "signal",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailFast => f.write_str("a test failed (--fail-fast)"),
            Self::Budget => f.write_str("the time of --budget is used up"),
            Self::Signal(1) => f.write_str("ended by SIGHUP"),
            Self::Signal(2) => f.write_str("ended by SIGINT"),
            Self::Signal(15) => f.write_str("ended by SIGTERM"),
            Self::Signal(n) => write!(f, "ended by signal {n}"),
        }
    }
}

/// How urgent the end is; each level includes the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The suite goes on.
    #[default]
    Run,
    /// No test is started any more.
    Drain,
    /// Tests that run are asked to end.
    End,
    /// They are killed.
    Kill,
}

/// The request. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<(Level, Option<Reason>)>>);

impl Stop {
    fn lock(&self) -> MutexGuard<'_, (Level, Option<Reason>)> {
        // Both halves are written in one statement: no panic comes between.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the end; a second signal kills what runs. Returns the level that is reached.
    pub fn request(&self, reason: Reason) -> Level {
        let mut state = self.lock();
        let level = match (reason, state.1) {
            (Reason::Signal(_), Some(Reason::Signal(_))) => Level::Kill,
            (Reason::Signal(_) | Reason::Budget, _) => Level::End,
            (Reason::FailFast, _) => Level::Drain,
        };
        // A signal says more than a budget of the same urgency.
        let first_signal = matches!(reason, Reason::Signal(_)) && state.1 == Some(Reason::Budget);
        if level > state.0 || first_signal {
            let signal = state.1.filter(|_| level == Level::Kill);
            *state = (level, Some(signal.unwrap_or(reason)));
        }
        state.0
    }

    /// The level that is reached.
    #[must_use]
    pub fn level(&self) -> Level {
        self.lock().0
    }

    /// Why, if the suite is to end.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urgency_only_grows_and_the_reason_is_that_of_the_most_urgent() {
        let stop = Stop::default();
        assert_eq!((stop.level(), stop.reason()), (Level::Run, None));
        assert_eq!(stop.request(Reason::FailFast), Level::Drain);
        assert_eq!(stop.request(Reason::Budget), Level::End);
        assert_eq!(stop.request(Reason::FailFast), Level::End);
        assert_eq!(stop.reason(), Some(Reason::Budget));
        assert_eq!(stop.clone().request(Reason::Signal(15)), Level::End);
        assert_eq!(stop.reason(), Some(Reason::Signal(15)));
        assert_eq!(stop.request(Reason::Signal(2)), Level::Kill);
        assert_eq!(stop.reason(), Some(Reason::Signal(15)));
        assert_eq!(stop.request(Reason::Budget), Level::Kill);
    }
}
