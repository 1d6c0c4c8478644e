//! The guest's time-stamp counter by the host's own, in real time.
//!
//! RDTSC is frequent (a kernel of today reads it at each system call), and a look at the host's clock takes longer than
//! the rest of the instruction. So the guest's counter, which ticks at 1 GHz, follows the host's, scaled: by translated
//! code and by the interpreter with the same numbers, so that it never runs backward. The scale is measured once,
//! against the machine's clock; until then, and on a host whose kernel does not trust its own counter, the guest's
//! counter is that clock.

use std::time::Instant;

/// The scale is measured over so many nanoseconds at least: 200 ns of doubt make 2 in a million then.
const MEASURED: u64 = 100_000_000;
/// The host's counter must not go on by more ticks while the clock is read.
const PROMPT: u64 = 2000;
/// Attempts at that.
const ATTEMPTS: u32 = 20;

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
    fn at(&self, host: u64) -> u64 {
        let ticks = u128::from(host.wrapping_sub(self.host)) * u128::from(self.scale);
        self.guest.wrapping_add((ticks >> 32) as u64)
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

    /// The guest's counter.
    pub fn read(&mut self) -> u64 {
        if let Some(scale) = &self.scale {
            return scale.at(host_counter());
        }
        let now = self.start.elapsed().as_nanos() as u64;
        if let Some(first) = self.first.filter(|_| now >= MEASURED) {
            self.measure(first);
        }
        now
    }

    fn measure(&mut self, first: (u64, u64)) {
        let Some((ns, host)) = at_once(self.start) else { return };
        let (time, ticks) = (ns.wrapping_sub(first.0), host.wrapping_sub(first.1));
        match u64::try_from((u128::from(time) << 32) / u128::from(ticks.max(1))) {
            Ok(scale) if scale > 0 => self.scale = Some(Scale { scale, host, guest: ns }),
            _ => self.first = None,
        }
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

/// Whether the host's kernel keeps its own time by the counter.
fn trusted() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(SOURCE).is_ok_and(|name| name.trim() == "tsc")
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
            let now = tsc.read();
            assert!(now >= last, "{last} then {now}");
            last = now;
        }
        let (clock, now) = (start.elapsed().as_nanos() as u64, tsc.read());
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
}
