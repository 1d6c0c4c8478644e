//! The machine's clock by the host's time-stamp counter, in real time.
//!
//! Devices are asked for the time at each access, and a kernel of today reads the guest's counter at each system call; a
//! look at the host's clock takes longer than the rest of either. So machine time, and the guest's counter with it, which
//! ticks at 1 GHz, follows the host's counter, scaled: by translated code, the interpreter and the devices with the same
//! numbers, so that it never runs backward. The scale is measured against the host's clock and corrected each second, so
//! that both keep the same time. Until it is measured, and on a host whose kernel does not trust its own counter, machine
//! time is the host's clock.

use std::sync::OnceLock;
use std::time::Instant;

/// The scale is measured over so many nanoseconds at least: 200 ns of doubt make 2 in a million then.
const MEASURED: u64 = 100_000_000;
/// The host's counter must not go on by more ticks while the clock is read.
const PROMPT: u64 = 2000;
/// Attempts at that.
const ATTEMPTS: u32 = 20;
/// Nanoseconds between corrections, over which an error is made up for.
const PERIOD: u64 = 1_000_000_000;
/// What can be made up for in a period. When machine time is late by more (the host was asleep), it jumps.
const GRADUAL: i64 = 10_000_000;

/// How the guest's counter follows the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Guest ticks for each host tick, times 2^32.
    pub scale: u64,
    /// A value of the host's counter.
    pub host: u64,
    /// The guest's at that moment.
    pub guest: u64,
}

impl Scale {
    #[inline]
    fn at(&self, host: u64) -> u64 {
        // A host whose counter went backward makes time stand still until the next correction.
        let ticks = u128::from(host.saturating_sub(self.host)) * u128::from(self.scale);
        self.guest.wrapping_add((ticks >> 32) as u64)
    }

    fn is_old(&self, host: u64, now: u64) -> bool {
        host < self.host || now.wrapping_sub(self.guest) >= PERIOD
    }

    /// Goes on from here at `rate`, but so that it is right a period after the host's clock showed `clock`.
    fn corrected(&self, rate: u64, clock: u64, host: u64) -> Self {
        let late = clock.wrapping_sub(self.at(host)) as i64;
        if late > GRADUAL {
            return Self { scale: rate, host, guest: clock };
        }
        let gain = i128::from(rate) * i128::from(late.max(-GRADUAL)) / i128::from(PERIOD);
        let scale = (i128::from(rate) + gain) as u64;
        Self { scale, host, guest: self.at(host) }
    }
}

/// The counter.
#[derive(Debug)]
pub(crate) struct HostTsc {
    start: Instant,
    /// Nanoseconds since `start` and the host's counter, early on; `None` when it is not to be used.
    first: Option<(u64, u64)>,
    scale: Option<Scale>,
}

impl HostTsc {
    /// One that is 0 at `start`, which is now. `real`: time is the host's.
    pub fn new(start: Instant, real: bool) -> Self {
        let first = if real && trusted() { at_once(start) } else { None };
        Self { start, first, scale: None }
    }

    /// How translated code can do it.
    pub fn scale(&self) -> Option<Scale> {
        self.scale
    }

    /// Nanoseconds since the start.
    #[inline]
    pub fn now(&self) -> u64 {
        match &self.scale {
            Some(scale) => scale.at(host_counter()),
            None => self.start.elapsed().as_nanos() as u64,
        }
    }

    /// As `now`; measures the scale, or corrects it, when it is time.
    #[inline]
    pub fn corrected_now(&mut self) -> u64 {
        let (now, due) = match &self.scale {
            Some(scale) => {
                let host = host_counter();
                let now = scale.at(host);
                (now, scale.is_old(host, now))
            }
            None => {
                let now = self.now();
                (now, self.first.is_some_and(|(ns, _)| now >= ns + MEASURED))
            }
        };
        if due {
            self.measure();
        }
        now
    }

    #[cold]
    fn measure(&mut self) {
        let Some((first, (ns, host))) = self.first.zip(at_once(self.start)) else { return };
        let (time, ticks) = (ns.wrapping_sub(first.0), host.saturating_sub(first.1));
        let rate = u64::try_from((u128::from(time) << 32) / u128::from(ticks.max(1))).ok();
        // Less than 60 MHz, or a counter that was set back.
        let Some(rate) = rate.filter(|rate| *rate > 0 && *rate < 1 << 36) else {
            self.first = Some((ns, host));
            self.scale = self.scale.map(|old| Scale { host, guest: old.at(host).max(ns), ..old });
            return;
        };
        let fresh = Scale { scale: rate, host, guest: ns };
        self.scale = Some(self.scale.map_or(fresh, |old| old.corrected(rate, ns, host)));
    }
}

fn host_counter() -> u64 {
    // SAFETY: every x86-64 processor has RDTSC.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Nanoseconds since `start`, and the host's counter right after.
fn at_once(start: Instant) -> Option<(u64, u64)> {
    (0..ATTEMPTS).find_map(|_| {
        let before = host_counter();
        let ns = start.elapsed().as_nanos() as u64;
        let host = host_counter();
        (host.wrapping_sub(before) < PROMPT).then_some((ns, host))
    })
}

/// Whether the host's kernel keeps its own time by the counter. Looked up once, before the first guest runs: later the
/// file cannot be opened.
fn trusted() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    static TRUSTED: OnceLock<bool> = OnceLock::new();
    *TRUSTED.get_or_init(|| std::fs::read_to_string(SOURCE).is_ok_and(|name| name.trim() == "tsc"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_counter_never_runs_backward_and_keeps_the_clocks_pace() {
        let start = Instant::now();
        let mut tsc = HostTsc::new(start, true);
        let mut last = 0;
        while start.elapsed() < Duration::from_millis(250) {
            let now = tsc.corrected_now();
            assert!(now >= last, "{last} then {now}");
            last = now;
        }
        let (clock, now) = (start.elapsed().as_nanos() as u64, tsc.now());
        assert_eq!(tsc.scale().is_some(), trusted());
        assert!(now.abs_diff(clock) < 5_000_000, "{now} ns by the counter, {clock} by the clock");
    }

    #[test]
    fn the_scale_is_applied_in_full_width() {
        let scale = Scale { scale: 1 << 31, host: 1000, guest: 7 };
        assert_eq!(scale.at(1000), 7);
        assert_eq!(scale.at(1010), 12);
        assert_eq!(scale.at(1000 + (1 << 50)), 7 + (1 << 49));
    }

    #[test]
    fn an_error_is_made_up_for_without_a_step_backward() {
        let one = 1 << 32;
        for (late, at_once) in
            [(0, false), (5_000, false), (-5_000, false), (-1 << 40, false), (1 << 40, true)]
        {
            let old = Scale { scale: one, host: 0, guest: 1 << 50 };
            let clock = (old.at(PERIOD) as i64 + late) as u64;
            let is_old = |host| old.is_old(host, old.at(host));
            assert!(is_old(PERIOD) && !is_old(PERIOD - 1));
            let new = old.corrected(one, clock, PERIOD);
            assert!(new.at(PERIOD) >= old.at(PERIOD) && new.at(2 * PERIOD) > new.at(PERIOD));
            assert_eq!(new.at(PERIOD) == clock && late != 0, at_once);
            if late.abs() < GRADUAL || at_once {
                let error = new.at(2 * PERIOD).abs_diff(clock + PERIOD);
                assert!(error < 2, "{error} ns after a period, {late} before");
            }
        }
        let set_back = Scale { scale: one, host: 1000, guest: 7 };
        assert!(set_back.is_old(0, 7) && set_back.at(0) == 7);
    }
}
