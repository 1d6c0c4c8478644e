//! How often the screen is looked at.

use std::time::{Duration, Instant};

/// Between two pictures while something goes on.
const FRAME: Duration = Duration::from_millis(33);
/// Between two looks while nothing has changed for [`CALM`].
const SELDOM: Duration = Duration::from_millis(100);
const CALM: Duration = Duration::from_secs(1);

/// When the screen is looked at.
#[derive(Debug)]
pub(crate) struct Pace {
    last: Option<Instant>,
    lively: Instant,
}

impl Pace {
    /// At once.
    pub(crate) fn new(now: Instant) -> Self {
        Self { last: None, lively: now }
    }

    /// Something goes on.
    pub(crate) fn liven(&mut self, now: Instant) {
        self.lively = now;
    }

    /// The next look is at once.
    pub(crate) fn hurry(&mut self) {
        self.last = None;
    }

    /// It was looked at.
    pub(crate) fn looked(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// When the next look is.
    pub(crate) fn due(&self, now: Instant) -> Instant {
        let calm = now.saturating_duration_since(self.lively) > CALM;
        self.last.map_or(now, |last| last + if calm { SELDOM } else { FRAME })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_calm_is_looked_at_seldom() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.due(now), now);
        pace.looked(now);
        assert_eq!(pace.due(now), now + FRAME);
        let later = now + 2 * CALM;
        assert_eq!(pace.due(later), now + SELDOM);
        pace.liven(later);
        assert_eq!(pace.due(later), now + FRAME);
        pace.hurry();
        assert_eq!(pace.due(later), later);
    }
}
