//! Ticks of a periodic interrupt that the host was too busy for, and how they are made up.
//!
//! The problem: an interrupt line has no memory but one request. When the machine gets no time from the host for several
//! periods, all their ticks become one, and a guest that counts them runs slow against the clocks that are read. So
//! ticks that the guest was not given the time to take ([`crate::given`]) are owed, and one more is raised whenever the
//! guest takes one, at a bounded rate: a guest behind by seconds still gets to its own work. What a guest loses by
//! itself, with interrupts off or the line masked, is lost, as on a PC.

use crate::given::Had;

/// Least nanoseconds for each tick made up, on average over a period. Ticks that come more often are not made up.
const SPACING: u64 = 50_000;
/// Most ticks made up in one period.
const BURST: u64 = 20;
/// The most that is made up for, in nanoseconds: after a longer stop a guest is as after a sleep.
const MOST: u64 = 60_000_000_000;
/// A guest that takes no tick for so many periods of its own time takes none.
const IGNORED: u64 = 3;

/// The account of one periodic interrupt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ticks {
    /// Ticks to be made up.
    owed: u64,
    /// How many of them may be before the next tick of its own.
    budget: u64,
    /// What the guest had had when the last tick came.
    last: Had,
    /// The same when the request came that the guest has not taken.
    waiting: Option<Had>,
    /// That request is one that was made up.
    made_up: bool,
}

impl Ticks {
    /// Whether an interrupt with this period, in nanoseconds, is kept account of.
    pub(crate) fn are_kept(period: u64) -> bool {
        period >= SPACING
    }

    /// `ticks` came, of which the board has made one request. `taken`: the guest has taken the one before. The period is
    /// in nanoseconds, `given` as [`Given::so_far`](crate::given::Given::so_far) says.
    pub(crate) fn came(&mut self, ticks: u64, taken: bool, period: u64, given: Option<Had>) {
        let Some(given) = given.filter(|_| ticks > 0) else { return };
        let period = period.max(1);
        let slept = given.slept.saturating_sub(self.last.slept) / period;
        let ran = slept + given.executed.saturating_sub(self.last.executed) / period;
        self.last = given;
        let lost = if taken {
            self.waiting = None;
            // While it executes each tick is noticed in time, unless the host is late: it can only have slept through
            // some. The first of them is the request, and it is that for a period.
            (ticks - 1).saturating_sub(slept.saturating_sub(1))
        } else if self.made_up {
            1 + (ticks - 1).saturating_sub(ran)
        } else {
            ticks.saturating_sub(ran)
        };
        self.made_up = false;
        self.owed = self.owed.saturating_add(lost).min(MOST / period);
        let since = *self.waiting.get_or_insert(given);
        let had =
            given.executed.saturating_sub(since.executed) + given.slept.saturating_sub(since.slept);
        if had / period >= IGNORED {
            self.owed = 0;
        }
        self.budget = (period / SPACING).min(BURST);
    }

    /// The guest has taken a tick. Whether another one is to be raised at once.
    #[inline]
    pub(crate) fn take(&mut self) -> bool {
        self.waiting = None;
        self.made_up = self.owed > 0 && self.budget > 0;
        if self.made_up {
            self.owed -= 1;
            self.budget -= 1;
            self.waiting = Some(self.last);
        }
        self.made_up
    }

    /// The interrupt is set up anew, or off: nothing is owed.
    pub(crate) fn clear(&mut self) {
        *self = Ticks { last: self.last, ..Ticks::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 4_000_000;

    /// A guest that has executed for so long.
    fn executed(executed: u64) -> Option<Had> {
        Some(Had { executed, slept: 0 })
    }

    /// One that has slept for so long.
    fn slept(slept: u64) -> Option<Had> {
        Some(Had { executed: 0, slept })
    }

    /// Takes ticks until none follows at once; how many followed.
    fn follow(ticks: &mut Ticks) -> u64 {
        (0..).take_while(|_| ticks.take()).count() as u64
    }

    #[test]
    fn what_the_host_was_too_busy_for_is_made_up() {
        let mut ticks = Ticks::default();
        ticks.came(1, true, PERIOD, executed(PERIOD));
        assert_eq!(follow(&mut ticks), 0);
        // Eight periods went by, of which the guest had a half.
        ticks.came(8, true, PERIOD, executed(PERIOD * 3 / 2));
        assert_eq!(follow(&mut ticks), 7);
        // The request before was not taken either, for there was no time.
        ticks.came(1, true, PERIOD, executed(PERIOD * 2));
        ticks.came(3, false, PERIOD, executed(PERIOD * 2 + 1));
        assert_eq!(follow(&mut ticks), 3);
    }

    #[test]
    fn a_guests_own_losses_are_its_own() {
        let mut ticks = Ticks::default();
        ticks.came(1, true, PERIOD, executed(0));
        // Interrupts off for a hundred periods, each noticed in time.
        for period in 1..=100 {
            ticks.came(1, false, PERIOD, executed(period * PERIOD));
        }
        assert_eq!(follow(&mut ticks), 0);
        // Asleep with the line masked, and nobody looked.
        let mut ticks = Ticks::default();
        ticks.came(1000, true, PERIOD, slept(1000 * PERIOD));
        assert_eq!(follow(&mut ticks), 0);
        // A guest that takes none is owed none, however busy the host.
        for period in 1100..1110 {
            ticks.came(5, false, PERIOD, executed(period * PERIOD));
        }
        assert_eq!(follow(&mut ticks), 0);
    }

    #[test]
    fn the_rate_is_bounded_and_so_is_the_debt() {
        let mut ticks = Ticks::default();
        ticks.came(u64::MAX, true, PERIOD, executed(0));
        let (mut made_up, mut periods) = (0, 0);
        while ticks.owed > 0 {
            let burst = follow(&mut ticks);
            assert!(burst <= BURST);
            made_up += burst;
            periods += 1;
            ticks.came(1, true, PERIOD, executed(0));
        }
        assert_eq!(made_up, MOST / PERIOD);
        assert_eq!(periods, made_up.div_ceil(BURST));
        // 10 kHz: two for each. 25 kHz: none.
        ticks.came(100, true, 100_000, executed(0));
        assert_eq!(follow(&mut ticks), 2);
        ticks.came(100, true, 40_000, executed(0));
        assert_eq!(follow(&mut ticks), 0);
    }

    #[test]
    fn a_tick_that_is_made_up_and_not_taken_is_still_owed() {
        let mut ticks = Ticks::default();
        ticks.came(3, true, PERIOD, executed(0));
        assert!(ticks.take());
        ticks.came(1, false, PERIOD, executed(PERIOD));
        assert_eq!(follow(&mut ticks), 2);
        assert_eq!(follow(&mut ticks), 0);
    }

    #[test]
    fn where_no_time_is_lost_nothing_is_made_up() {
        let mut ticks = Ticks::default();
        ticks.came(1, true, PERIOD, None);
        ticks.came(100, false, PERIOD, None);
        assert!(!ticks.take());
    }
}
