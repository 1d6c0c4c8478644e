//! When the run loop must have the floor by itself: the devices' next deadline and the run's limits.

use crate::clock::Clock;
use crate::config::MonitorError;
use crate::signals::Registration;
use std::time::Instant;

/// The granularity of a host-time limit, in nanoseconds, less one: such a limit moves with every look
/// at the clock, and the timer is not to be set anew at each exit.
const ROUNDING: u64 = 0x3f_ffff;
/// The same for a look.
const LOOK_ROUNDING: u64 = 0xf_ffff;
/// Names of looks under a virtual clock: no time.
const LOOKS: u64 = 1 << 63;

/// Nanoseconds that the guest gets at least before the timer fires: a device that is due more often than the run loop can
/// look at it would leave none.
const LEAST: u64 = 20_000;

/// The next deadline and the limits of the run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Schedule {
    /// When a device will raise a line, in machine time, as of the last service.
    pub deadline: Option<u64>,
    /// Retired instructions at which the run ends.
    pub retired: Option<u64>,
    /// Machine time at which the run ends.
    pub time: Option<u64>,
    /// Host time at which the run ends.
    pub ends: Option<Instant>,
    /// Nanoseconds after which somebody is to look at what the process holds, and the number of that look.
    pub look: Option<(u64, u64)>,
}

impl Schedule {
    /// Instructions until virtual time must be looked at.
    #[inline]
    pub fn budget(&self, clock: &Clock) -> u64 {
        let to_deadline = self.deadline.map_or(u64::MAX, |d| d.saturating_sub(clock.now()));
        let limit = self.retired.unwrap_or(u64::MAX);
        to_deadline.min(limit.saturating_sub(clock.retired))
    }

    /// Virtual time reached a deadline or the instruction limit.
    #[inline]
    pub fn out_of_time(&self, clock: &Clock) -> bool {
        clock.is_virtual() && self.budget(clock) == 0
    }

    /// Arms the host timer for the next thing that will happen by itself.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn arm(
        &self,
        clock: &Clock,
        signals: Option<&mut Registration>,
    ) -> Result<(), MonitorError> {
        let Some(signals) = signals else { return Ok(()) };
        let now = clock.now();
        let limit = self.ends.map(|end| {
            let left = end.saturating_duration_since(Instant::now()).as_nanos() as u64;
            now.saturating_add(left.max(1)) | ROUNDING
        });
        let deadline = if clock.is_virtual() { None } else { self.deadline };
        let first = [deadline, limit].into_iter().flatten().min();
        let left = first.map(|key| key.saturating_sub(now));
        let (key, ns) = match self.look {
            // A virtual clock may stand still meanwhile, so the look itself has to be another.
            Some((ns, n)) if left.is_none_or(|left| ns < left) => match clock.is_virtual() {
                true => (Some(LOOKS | n), ns),
                false => (Some(now.saturating_add(ns) | LOOK_ROUNDING), ns),
            },
            _ => (first, left.unwrap_or(0)),
        };
        if key.is_some_and(|k| k <= now) {
            signals.disarmed();
        }
        let armed = signals.arm(key, ns.max(LEAST));
        armed.map_err(|source| MonitorError::Host { what: "the timer", source })
    }
}
