//! Exact conversion between nanoseconds of the machine clock and ticks of a device's oscillator.
//!
//! The problem: a device counts ticks of a crystal whose frequency is no whole number of hertz, and a
//! rounded rate makes two devices that share a crystal drift apart. So a rate is a rational number of
//! ticks per nanosecond, and a conversion keeps whole and remainder apart instead of rounding: it is
//! exact, needs no 128-bit division, and cannot overflow for any `u64` time.
//!
//! Invariant: `ns_at(t)` is the least `ns` with `ticks(ns) >= t`.

/// An oscillator: `mul` ticks in every `div` nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    mul: u64,
    div: u64,
}

/// The 8254's clock: the PC's 14.31818 MHz (315/22 MHz) crystal divided by twelve.
pub const PIT: Rate = Rate { mul: 21, div: 17_600 };

/// The ACPI power-management timer's clock: the same crystal divided by four.
pub const PM_TIMER: Rate = Rate { mul: 63, div: 17_600 };

/// The real-time clock's 32.768 kHz crystal.
pub const RTC: Rate = Rate { mul: 64, div: 1_953_125 };

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

impl Rate {
    /// Whole ticks that have passed at `ns` nanoseconds.
    pub const fn ticks(self, ns: u64) -> u64 {
        (ns / self.div) * self.mul + (ns % self.div) * self.mul / self.div
    }

    /// The first nanosecond at which `tick` ticks have passed (saturating at `u64::MAX`).
    pub const fn ns_at(self, tick: u64) -> u64 {
        let whole = (tick / self.mul).saturating_mul(self.div);
        whole.saturating_add(((tick % self.mul) * self.div).div_ceil(self.mul))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ns_at_is_the_first_nanosecond_of_its_tick() {
        for rate in [PIT, PM_TIMER, RTC] {
            for tick in (1..5000).chain([1 << 30, 123_456_789_012]) {
                let ns = rate.ns_at(tick);
                assert_eq!(rate.ticks(ns), tick);
                assert_eq!(rate.ticks(ns - 1), tick - 1);
            }
        }
    }

    #[test]
    fn rates_are_those_of_the_crystals() {
        assert_eq!(PIT.ticks(SECOND), 1_193_181);
        assert_eq!(PIT.ticks(11 * SECOND), 13_125_000, "no drift: 105/88 MHz exactly");
        assert_eq!(PM_TIMER.ticks(SECOND), 3_579_545);
        assert_eq!(RTC.ticks(SECOND), 32_768);
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        for rate in [PIT, PM_TIMER, RTC] {
            let last = rate.ticks(u64::MAX);
            assert!(last < i64::MAX as u64);
            assert_eq!(rate.ticks(rate.ns_at(last)), last);
            assert_eq!(rate.ns_at(u64::MAX), u64::MAX);
        }
    }
}
