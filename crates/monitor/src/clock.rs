//! The one machine clock, in nanoseconds since the machine was made.

use crate::config::ClockKind;
use crate::hosttsc::{HostTsc, Scale};
use std::time::Instant;

/// Nanoseconds of virtual time that a port access takes.
const PORT_NS: u64 = 1000;

/// Time for devices and the time-stamp counter (which ticks at 1 GHz: one tick a nanosecond).
#[derive(Debug)]
pub struct Clock {
    kind: ClockKind,
    start: Instant,
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
        let start = Instant::now();
        let tsc = HostTsc::new(start, kind == ClockKind::Real);
        Self { kind, start, tsc, retired: 0, skipped: 0 }
    }

    /// Nanoseconds of machine time.
    #[must_use]
    pub fn now(&self) -> u64 {
        match self.kind {
            ClockKind::Real => self.start.elapsed().as_nanos() as u64,
            ClockKind::Virtual => self.retired + self.skipped,
        }
    }

    /// The time-stamp counter: nanoseconds, too.
    pub fn tsc(&mut self) -> u64 {
        if self.is_virtual() { self.now() } else { self.tsc.read() }
    }

    /// How translated code can read it by the host's.
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

    /// The host instant of machine time `ns` (real time only).
    #[must_use]
    pub fn instant_at(&self, ns: u64) -> Instant {
        self.start + std::time::Duration::from_nanos(ns)
    }
}
