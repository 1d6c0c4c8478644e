//! When the run loop must have the floor by itself: the devices' next deadline and the run's limits.

use crate::clock::Clock;
use crate::config::MonitorError;
use crate::signals::Registration;
use std::time::Instant;

/// The granularity of a host-time limit, in nanoseconds, less one: such a limit moves with every look
/// at the clock, and the timer is not to be set anew at each exit.
const ROUNDING: u64 = 0x3f_ffff;

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
    /// Host time at which the run ends.
    pub ends: Option<Instant>,
    /// Nanoseconds after which somebody is to look at what the process holds.
    pub look: Option<u64>,
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
        let left = self.ends.map(|end| {
            let left = end.saturating_duration_since(Instant::now()).as_nanos() as u64;
            left.max(1)
        });
        let limit = [left, self.look].into_iter().flatten().min().map(|ns| now.saturating_add(ns));
        let deadline = if clock.is_virtual() { None } else { self.deadline };
        let key = match (deadline, limit) {
            (Some(d), Some(l)) if d > l => Some(l | ROUNDING),
            (Some(d), _) => Some(d),
            (None, Some(l)) => Some(l | ROUNDING),
            (None, None) => None,
        };
        if key.is_some_and(|k| k <= now) {
            signals.disarmed();
        }
        let armed = signals.arm(key, key.map_or(0, |k| k.saturating_sub(now).max(LEAST)));
        armed.map_err(|source| MonitorError::Host { what: "the timer", source })
    }
}
