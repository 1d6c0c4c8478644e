//! The counters over time: moments of the run, so many at most. When there is no room for another, every
//! second one goes, and from then on they are twice as far apart.

use crate::recording::Moment;

/// Moments that are kept at most.
const MOST: usize = 1024;
/// Nanoseconds between two moments at first.
const FIRST_STEP: u64 = 10_000_000;

/// The moments.
#[derive(Debug)]
pub(crate) struct Timeline {
    moments: Vec<Moment>,
    step: u64,
    /// When the next moment is due, in nanoseconds of the run.
    due: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { moments: Vec::new(), step: FIRST_STEP, due: FIRST_STEP }
    }
}

impl Timeline {
    /// Whether a moment is due at `now`.
    #[inline]
    pub fn is_due(&self, now: u64) -> bool {
        now >= self.due
    }

    /// Keeps `moment`. (Whoever looks rarely gets moments that are farther apart.)
    pub fn add(&mut self, moment: Moment) {
        if self.moments.len() >= MOST {
            let mut at = 0;
            // The first stays away, the last one stays: an interval keeps its end.
            self.moments.retain(|_| {
                at += 1;
                at % 2 == 0
            });
            self.step *= 2;
        }
        self.due = moment.at.saturating_add(self.step);
        self.moments.push(moment);
    }

    /// The moments, and `end`, at which the run ended.
    pub fn until(&self, end: Moment) -> Vec<Moment> {
        let mut all = self.moments.clone();
        all.retain(|moment| moment.at < end.at);
        all.push(end);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_its_whole_length_and_few_moments() {
        let mut timeline = Timeline::default();
        let (mut at, mut last) = (0, 0);
        for _ in 0..500_000 {
            at += FIRST_STEP / 3;
            if timeline.is_due(at) {
                timeline.add(Moment { at, translated: at, ..Moment::default() });
                last = at;
            }
        }
        let moments = timeline.until(Moment { at: at + 1, ..Moment::default() });
        assert!((MOST / 2..=MOST + 1).contains(&moments.len()), "{} moments", moments.len());
        assert!(moments.is_sorted_by_key(|m| m.at));
        assert_eq!(moments[moments.len() - 2].at, last);
        let longest = moments.windows(2).map(|w| w[1].at - w[0].at).max();
        assert!(longest <= Some(2 * timeline.step), "{longest:?} of {}", timeline.step);
        assert!(moments[0].at <= 2 * timeline.step, "the run's beginning is not lost");
    }

    #[test]
    fn a_short_run_has_its_end() {
        let timeline = Timeline::default();
        let moments = timeline.until(Moment { at: 5, ..Moment::default() });
        assert_eq!(moments.len(), 1);
    }
}
