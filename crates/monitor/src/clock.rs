//! The one machine clock, in nanoseconds since the machine was made (invariant 14).

use crate::config::ClockKind;
use crate::hosttsc::{HostTsc, Scale};
use std::time::{Duration, Instant};

/// Nanoseconds of virtual time that a port access takes.
const PORT_NS: u64 = 1000;

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

impl Clock {
    /// A clock that starts now, at zero.
    #[must_use]
    pub fn new(kind: ClockKind) -> Self {
        let tsc = HostTsc::new(Instant::now(), kind == ClockKind::Real);
        Self { kind, tsc, retired: 0, skipped: 0 }
    }

    /// Nanoseconds of machine time. Real time never runs backward.
    #[must_use]
    pub fn now(&self) -> u64 {
        match self.kind {
            ClockKind::Real => self.tsc.now(),
            ClockKind::Virtual => self.retired + self.skipped,
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
        self.skipped += deadline.saturating_sub(self.now());
    }

    /// In virtual time, an access to a device port takes [`PORT_NS`], as on an ISA bus; else a
    /// guest that polls one would wait for ages of host time.
    pub fn charge_port(&mut self) {
        if self.is_virtual() {
            self.skipped += PORT_NS;
        }
    }

    /// The host instant of machine time `ns`, or now (real time only).
    #[must_use]
    pub fn instant_at(&self, ns: u64) -> Instant {
        Instant::now() + Duration::from_nanos(ns.saturating_sub(self.now()))
    }
}
