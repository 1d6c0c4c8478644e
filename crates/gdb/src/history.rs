//! The states of a run that it can go back to.
//!
//! Each is one that the machine was in; to be at another moment is to take up the last one before it and to
//! run on, for with the virtual clock a run repeats exactly. They are taken while the machine runs, so rarely
//! that it is not slowed down, and thinned so that the farther back they are, the farther apart they are:
//! what is asked for is near, mostly.

use ringer_machine::{Checkpoint, Machine, Moment, StateError};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Bytes of guest memory that are kept at most, besides the first and the last state.
const BUDGET: u64 = 1 << 30;
/// States that are kept at most.
const MOST: usize = 100;
/// Host time between two of them, at least, and for each second that one of them takes.
const APART: Duration = Duration::from_secs(1);
const FOR_EACH: u32 = 50;

/// The states, in the order of the run.
#[derive(Debug)]
pub struct History {
    kept: Vec<Checkpoint>,
    /// The farthest that the run has come.
    frontier: Moment,
    taken: Instant,
    cost: Duration,
}

impl History {
    /// From where `machine` is on.
    ///
    /// # Errors
    /// [`StateError`] when its state cannot be written down.
    pub fn begin(machine: &mut Machine) -> Result<Self, StateError> {
        let began = Instant::now();
        let first = machine.checkpoint(None)?;
        let frontier = first.moment();
        Ok(Self { kept: vec![first], frontier, taken: Instant::now(), cost: began.elapsed() })
    }

    /// The first moment that can be gone back to.
    #[must_use]
    pub fn first(&self) -> Option<Moment> {
        self.kept.first().map(Checkpoint::moment)
    }

    /// The moments of all states.
    pub fn moments(&self) -> impl Iterator<Item = Moment> {
        self.kept.iter().map(Checkpoint::moment)
    }

    /// The farthest that the run has come.
    #[must_use]
    pub fn frontier(&self) -> Moment {
        self.frontier
    }

    /// The run has come to `place`.
    pub fn reached(&mut self, place: Moment) {
        self.frontier = self.frontier.max(place);
    }

    /// The number of the last state that is not after `place`.
    #[must_use]
    pub fn not_after(&self, place: Moment) -> Option<usize> {
        self.kept.partition_point(|checkpoint| checkpoint.moment() <= place).checked_sub(1)
    }

    /// The number of the last state before `place`.
    #[must_use]
    pub fn before(&self, place: Moment) -> Option<usize> {
        self.kept.partition_point(|checkpoint| checkpoint.moment() < place).checked_sub(1)
    }

    /// State `number`.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Checkpoint> {
        self.kept.get(number)
    }

    /// Keeps the state that `machine` is in, if enough host time has gone by since the last one.
    ///
    /// # Errors
    /// As [`History::begin`].
    pub fn consider(&mut self, machine: &mut Machine) -> Result<(), StateError> {
        if self.taken.elapsed() < APART.max(self.cost * FOR_EACH) {
            return Ok(());
        }
        self.take(machine)
    }

    /// Keeps the state that `machine` is in.
    ///
    /// # Errors
    /// As [`History::begin`].
    pub fn take(&mut self, machine: &mut Machine) -> Result<(), StateError> {
        let place = machine.monitor().moment();
        let at = self.kept.partition_point(|checkpoint| checkpoint.moment() < place);
        if self.kept.get(at).is_some_and(|checkpoint| checkpoint.moment() == place) {
            return Ok(());
        }
        let began = Instant::now();
        let like = at.checked_sub(1).and_then(|before| self.kept.get(before));
        let checkpoint = machine.checkpoint(like)?;
        self.kept.insert(at, checkpoint);
        self.thin();
        self.cost = began.elapsed();
        self.taken = Instant::now();
        Ok(())
    }

    fn thin(&mut self) {
        while self.kept.len() > 2 && (self.kept.len() > MOST || self.bytes() > BUDGET) {
            let places: Vec<u64> = self.kept.iter().map(|kept| kept.moment().retired).collect();
            let Some(spare) = spare(&places, self.frontier.retired) else { return };
            self.kept.remove(spare);
        }
    }

    /// Bytes of guest memory in all states; those that several have count once.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let pieces = self.kept.iter().flat_map(Checkpoint::pieces);
        pieces.collect::<HashMap<_, _>>().values().sum()
    }
}

/// The state that is missed least: not the first and not the last, and the one whose neighbours are nearest
/// to each other, for how far back they are.
fn spare(places: &[u64], frontier: u64) -> Option<usize> {
    let gap = |n: usize| (places[n + 1] - places[n - 1]) as f64;
    let age = |n: usize| (frontier.saturating_sub(places[n]) + 1) as f64;
    let inner = 1..places.len().saturating_sub(1);
    inner.min_by(|a, b| (gap(*a) / age(*a)).total_cmp(&(gap(*b) / age(*b))))
}

#[cfg(test)]
mod tests {
    use super::spare;

    #[test]
    fn distances_grow_into_the_past() {
        let mut places = Vec::new();
        for now in 0..1000u64 {
            places.push(now * 1_000_000);
            if places.len() > 20 {
                let spare = spare(&places, now * 1_000_000).unwrap();
                places.remove(spare);
            }
        }
        assert_eq!((places[0], *places.last().unwrap()), (0, 999_000_000));
        let gaps: Vec<u64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (old, new) =
            (gaps[..5].iter().sum::<u64>(), gaps[gaps.len() - 5..].iter().sum::<u64>());
        assert!(old > 10 * new, "{gaps:?}");
        assert!(gaps.iter().all(|gap| *gap < 600_000_000), "{gaps:?}");
    }

    #[test]
    fn the_ends_are_never_spare() {
        assert_eq!(spare(&[0, 1], 1), None);
        assert_eq!(spare(&[], 0), None);
        assert_eq!(spare(&[0, 5, 9], 9), Some(1));
    }
}
