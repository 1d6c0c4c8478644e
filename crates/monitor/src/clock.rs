//! The one machine clock, in nanoseconds since the machine was made (invariant 14).

use crate::config::{ClockKind, MonitorError};
use crate::hosttsc::{HostTsc, Scale};
use rustix::time::{ClockId, DynamicClockId, clock_gettime_dynamic};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Nanoseconds of virtual time that a port access takes.
const PORT_NS: u64 = 1000;

/// The latest time that a saved machine can have: a hundred years and more, far from where sums overflow.
const LATEST: u64 = 1 << 62;

/// Nanoseconds that the calling thread has executed. What it waits for the host's processors is not in it; it is where the host
/// does not tell a thread's time.
pub(crate) fn executed() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let thread = DynamicClockId::Known(ClockId::ThreadCPUTime);
    match clock_gettime_dynamic(thread) {
        Ok(time) => time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs(),
        Err(_) => u64::try_from(BEGUN.elapsed().as_nanos()).unwrap_or(u64::MAX),
    }
}

/// Time for devices and the time-stamp counter (which ticks at 1 GHz: one tick a nanosecond).
#[derive(Debug)]
pub struct Clock {
    kind: ClockKind,
    tsc: HostTsc,
    /// Guest instructions retired, by whatever engine.
    pub retired: u64,
    /// Idle nanoseconds that virtual time jumped over.
    skipped: u64,
}

/// What a saved machine says of its clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockState {
    /// Whether time was a function of retired instructions.
    virtual_time: bool,
    /// Nanoseconds of machine time.
    pub now: u64,
    /// Guest instructions retired.
    retired: u64,
}

impl Clock {
    /// Its state.
    pub(crate) fn save(&self) -> ClockState {
        ClockState { virtual_time: self.is_virtual(), now: self.now(), retired: self.retired }
    }

    /// Goes on from `state`.
    ///
    /// # Errors
    /// When that is of the other kind of clock, or later than any machine has lived.
    pub(crate) fn load(&mut self, state: &ClockState) -> Result<(), MonitorError> {
        if state.virtual_time != self.is_virtual() {
            return Err(MonitorError::StateClock);
        }
        let latest = state.now.max(state.retired);
        if latest > LATEST {
            return Err(MonitorError::StateTime(latest));
        }
        self.retired = state.retired;
        self.skipped = state.now.saturating_sub(state.retired);
        if !self.is_virtual() {
            // An instant before the host was started is as good as any.
            let start = Instant::now().checked_sub(Duration::from_nanos(state.now));
            let start = start.ok_or(MonitorError::StateClock)?;
            self.tsc = HostTsc::new(start, true);
        }
        Ok(())
    }

    /// A clock that starts now, at zero.
    #[must_use]
    pub fn new(kind: ClockKind) -> Self {
        let tsc = HostTsc::new(Instant::now(), kind == ClockKind::Real);
        Self { kind, tsc, retired: 0, skipped: 0 }
    }

    /// Real time goes on at `now`, which has been before.
    pub fn go_on_at(&mut self, now: u64) {
        if !self.is_virtual()
            && let Some(start) = Instant::now().checked_sub(Duration::from_nanos(now))
        {
            self.tsc = HostTsc::new(start, true);
        }
    }

    /// Nanoseconds of machine time. Real time never runs backward; virtual time, which can leap by days, ends at
    /// `u64::MAX`.
    #[must_use]
    pub fn now(&self) -> u64 {
        match self.kind {
            ClockKind::Real => self.tsc.now(),
            ClockKind::Virtual => self.retired.saturating_add(self.skipped),
        }
    }

    /// As [`Clock::now`], and keeps real time with the host's. Translated code, which has the numbers, must be entered
    /// anew after it.
    pub fn corrected_now(&mut self) -> u64 {
        if self.is_virtual() { self.now() } else { self.tsc.corrected_now() }
    }

    /// How translated code can read the time by the host's counter.
    pub(crate) fn tsc_scale(&self) -> Option<Scale> {
        self.tsc.scale()
    }

    /// True when time is a function of retired instructions.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.kind == ClockKind::Virtual
    }

    /// Virtual time jumps forward to `deadline`.
    pub fn skip_to(&mut self, deadline: u64) {
        self.skipped = self.skipped.saturating_add(deadline.saturating_sub(self.now()));
    }

    /// In virtual time, an access to a device port takes [`PORT_NS`], as on an ISA bus; else a
    /// guest that polls one would wait for ages of host time.
    pub fn charge_port(&mut self) {
        self.charge_ports(1);
    }

    /// [`Clock::charge_port`] of so many accesses.
    pub fn charge_ports(&mut self, accesses: u32) {
        if self.is_virtual() {
            self.skipped = self.skipped.saturating_add(u64::from(accesses) * PORT_NS);
        }
    }

    /// How many accesses to ports, one after another from now on, come before `deadline`.
    pub fn ports_before(&self, deadline: Option<u64>) -> u32 {
        match deadline {
            Some(deadline) if self.is_virtual() => {
                let accesses = deadline.saturating_sub(self.now()).div_ceil(PORT_NS);
                u32::try_from(accesses).unwrap_or(u32::MAX)
            }
            _ => u32::MAX,
        }
    }

    /// The host instant of machine time `ns`, or now (real time only).
    #[must_use]
    pub fn instant_at(&self, ns: u64) -> Instant {
        Instant::now() + Duration::from_nanos(ns.saturating_sub(self.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_to_ports_are_counted_up_to_a_deadline() {
        let mut clock = Clock::new(ClockKind::Virtual);
        clock.retired = 5;
        for (deadline, accesses) in
            [(0, 0), (5, 0), (6, 1), (1005, 1), (1006, 2), (u64::MAX, u32::MAX)]
        {
            assert_eq!(clock.ports_before(Some(deadline)), accesses, "{deadline}");
        }
        assert_eq!(clock.ports_before(None), u32::MAX);
        clock.charge_ports(2);
        assert_eq!(clock.now(), 2005);
        assert_eq!(Clock::new(ClockKind::Real).ports_before(Some(0)), u32::MAX);
    }

    #[test]
    fn virtual_time_ends_without_an_overflow() {
        let mut clock = Clock::new(ClockKind::Virtual);
        clock.retired = 5;
        clock.skip_to(u64::MAX - 100);
        assert_eq!(clock.now(), u64::MAX - 100);
        clock.charge_port();
        clock.skip_to(u64::MAX);
        clock.retired += 7;
        assert_eq!(clock.now(), u64::MAX);
    }
}
