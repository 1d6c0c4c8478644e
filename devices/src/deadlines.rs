//! When devices next have something to do by themselves.
//!
//! A short list in order of time: a board has few devices with clocks, and its first deadline is asked for
//! at every access.

/// Deadlines by device slot (0..=63), the earliest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines(Vec<(u64, usize)>);

impl Deadlines {
    /// Slot `slot` is due at `due`, and no longer at what was said before.
    pub(crate) fn set(&mut self, slot: usize, due: Option<u64>) {
        self.0.retain(|&(_, other)| other != slot);
        if let Some(due) = due {
            let at = self.0.partition_point(|&entry| entry < (due, slot));
            self.0.insert(at, (due, slot));
        }
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|&(due, _)| due)
    }

    /// All of them, the earliest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, usize)> {
        self.0.iter().copied()
    }

    /// The slots that are due at `now`, a bit each.
    pub(crate) fn due(&self, now: u64) -> u64 {
        self.0.iter().take_while(|&&(at, _)| at <= now).fold(0, |due, &(_, slot)| due | 1 << slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_a_new_one_replaces() {
        let mut deadlines = Deadlines::default();
        for (slot, due) in [(0, 30), (1, 10), (2, 20)] {
            deadlines.set(slot, Some(due));
        }
        assert_eq!(deadlines.first(), Some(10));
        deadlines.set(1, Some(40));
        assert_eq!(deadlines.first(), Some(20));
        assert_eq!(deadlines.due(30), 0b101);
        deadlines.set(2, None);
        assert_eq!(deadlines.first(), Some(30));
        assert_eq!(deadlines.due(29), 0);
        assert_eq!(deadlines.due(u64::MAX), 0b11);
    }
}
