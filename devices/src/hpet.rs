//! The high precision event timers (IA-PC HPET specification 1.0a): a counter of 100 MHz and three comparators.
//!
//! A register machine: time is an argument, and what the comparators ask for comes out as [`Fired`].

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Nanoseconds for each count.
const TICK: u64 = 10;
/// Comparators.
pub(crate) const TIMERS: usize = 3;
/// Pins of the I/O APIC that a comparator can be routed to: 20 to 23, which nothing else drives.
const ROUTES: u64 = 0x00f0_0000;
/// Capabilities: 10 ns in femtoseconds, Intel, legacy routes, 64 bits, three comparators, revision 1.
pub(crate) const CAPABILITIES: u64 = (TICK * 1_000_000) << 32 | 0x8086_a201;
/// The period is below the specification's limit of 100 ns.
const _: () = assert!(TICK <= 100);

/// General configuration: the counter runs; the legacy routes are in force.
const ENABLE: u64 = 1;
const LEGACY: u64 = 2;
/// A comparator's configuration.
const LEVEL: u64 = 1 << 1;
const INTERRUPT: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const SET_VALUE: u64 = 1 << 6;
const NARROW: u64 = 1 << 8;
const MESSAGE: u64 = 1 << 14;
/// What can be written there, and what it can do: periodic, 64 bits, messages.
const WRITABLE: u64 = LEVEL | INTERRUPT | PERIODIC | NARROW | MESSAGE | 0x1f << 9;
const ABILITIES: u64 = 1 << 4 | 1 << 5 | 1 << 15 | ROUTES << 32;

/// A comparator.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Comparator {
    config: u64,
    /// What it compares with.
    value: u64,
    /// What is added to it each time, of a periodic one.
    period: u64,
    /// Address (upper half) and data of its message.
    message: u64,
    /// The next write of the comparator's register is one of `value` alone.
    sets_value: bool,
}

impl Comparator {
    fn mask(&self) -> u64 {
        if self.config & NARROW != 0 { 0xffff_ffff } else { u64::MAX }
    }

    /// Counts from `counter` to its match: at least one.
    fn ahead(&self, counter: u64) -> u64 {
        match self.value.wrapping_sub(counter) & self.mask() {
            0 => self.mask(),
            ahead => ahead,
        }
    }
}

/// How a comparator asks for an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The interrupt line of the 8254 (0) or of the real-time clock (8).
    Legacy(u8),
    /// A pin of the I/O APIC.
    Pin(u8),
    /// A message: address and data.
    Message(u32, u32),
}

/// What a comparator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fired {
    /// Where.
    pub route: Route,
    /// It stays until its status is cleared.
    pub level: bool,
}

/// The chip.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hpet {
    config: u64,
    status: u64,
    /// The counter when time was `since`.
    counter: u64,
    since: u64,
    timers: [Comparator; TIMERS],
}

impl Hpet {
    /// As after reset at `now`.
    pub(crate) fn new(now: u64) -> Self {
        let timers = Default::default();
        Hpet { config: 0, status: 0, counter: 0, since: now, timers }
    }

    /// Whether the first two comparators have the places of the 8254 and the real-time clock.
    pub(crate) fn is_legacy(&self) -> bool {
        self.config & LEGACY != 0
    }

    fn runs(&self) -> bool {
        self.config & ENABLE != 0
    }

    fn count(&self, now: u64) -> u64 {
        let passed = if self.runs() { now.saturating_sub(self.since) / TICK } else { 0 };
        self.counter.wrapping_add(passed)
    }

    /// Takes what has passed up to `now` into the counter.
    fn settle(&mut self, now: u64) {
        if !self.runs() {
            self.since = now;
            return;
        }
        let passed = now.saturating_sub(self.since) / TICK;
        self.counter = self.counter.wrapping_add(passed);
        self.since = self.since.saturating_add(passed * TICK);
    }

    /// Where comparator `n` asks.
    pub(crate) fn route(&self, n: usize) -> Route {
        let timer = &self.timers[n % TIMERS];
        match n {
            0 if self.is_legacy() => Route::Legacy(0),
            1 if self.is_legacy() => Route::Legacy(8),
            _ if timer.config & MESSAGE != 0 => {
                Route::Message((timer.message >> 32) as u32, timer.message as u32)
            }
            _ => Route::Pin((timer.config >> 9 & 0x1f) as u8),
        }
    }

    /// Whether comparator `n` is level-triggered and asks.
    pub(crate) fn asks(&self, n: usize) -> bool {
        let timer = &self.timers[n % TIMERS];
        self.runs()
            && timer.config & (INTERRUPT | LEVEL) == INTERRUPT | LEVEL
            && self.status & 1 << n != 0
    }

    /// Brings the chip to `now`; what its comparators ask for meanwhile, one entry each at most.
    pub(crate) fn advance(&mut self, now: u64) -> [Option<Fired>; TIMERS] {
        let before = self.counter;
        self.settle(now);
        let passed = self.counter.wrapping_sub(before);
        let mut fired = [None; TIMERS];
        if !self.runs() || passed == 0 {
            return fired;
        }
        for (n, place) in fired.iter_mut().enumerate() {
            let route = self.route(n);
            let timer = &mut self.timers[n];
            let ahead = timer.ahead(before);
            if ahead > passed {
                continue;
            }
            let periodic = timer.config & PERIODIC != 0 && timer.period & timer.mask() != 0;
            if periodic {
                // On to the first one after the counter, in step.
                let late = (passed - ahead) & timer.mask();
                let steps = late / timer.period + 1;
                timer.value =
                    timer.value.wrapping_add(steps.wrapping_mul(timer.period)) & timer.mask();
            }
            let level = timer.config & LEVEL != 0;
            if level {
                self.status |= 1 << n;
            }
            if timer.config & INTERRUPT != 0 {
                *place = Some(Fired { route, level });
            }
        }
        fired
    }

    /// When a comparator next asks, in nanoseconds of the machine clock.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let active = self.timers.iter().filter(|timer| timer.config & INTERRUPT != 0);
        let next =
            { active }.filter(|_| self.runs()).map(|timer| timer.ahead(self.counter)).min()?;
        self.since.checked_add(next.checked_mul(TICK)?)
    }

    /// Reads the aligned eight bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, now: u64) -> u64 {
        let timer = |offset: u64| self.timers.get(usize::try_from((offset - 0x100) / 0x20).ok()?);
        match offset & !7 {
            0x00 => CAPABILITIES,
            0x10 => self.config,
            0x20 => self.status,
            0xf0 => self.count(now),
            at @ 0x100.. => match (timer(at), at & 0x1f) {
                (Some(timer), 0x00) => timer.config | ABILITIES,
                (Some(timer), 0x08) => timer.value,
                (Some(timer), 0x10) => timer.message,
                _ => 0,
            },
            _ => 0,
        }
    }

    /// Writes the bits of `mask` of the aligned eight bytes at `offset`; [`Hpet::advance`] was called for this time.
    pub(crate) fn write(&mut self, offset: u64, value: u64, mask: u64, now: u64) {
        let merged = |old: u64| old & !mask | value & mask;
        match offset & !7 {
            0x10 => {
                self.settle(now);
                self.config = merged(self.config) & (ENABLE | LEGACY);
                self.since = now;
            }
            0x20 => self.status &= !(value & mask),
            0xf0 if !self.runs() => self.counter = merged(self.counter),
            at @ 0x100.. => {
                let n = usize::try_from((at - 0x100) / 0x20).unwrap_or(TIMERS);
                if let Some(timer) = self.timers.get_mut(n) {
                    timer.write(at & 0x1f, &merged);
                }
            }
            _ => {}
        }
    }

    /// Refuses what it could not be at `now`.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self, now: u64) -> Result<(), StateError> {
        check(self.config & !(ENABLE | LEGACY) == 0 && self.since <= now, "configuration")?;
        check(self.status >> TIMERS == 0, "status")?;
        check(self.timers.iter().all(|timer| timer.config & !WRITABLE == 0), "comparator")
    }
}

impl Comparator {
    fn write(&mut self, register: u64, merged: &dyn Fn(u64) -> u64) {
        match register {
            0x00 => {
                let value = merged(self.config);
                self.sets_value = value & SET_VALUE != 0;
                self.config = value & WRITABLE;
                // A route that it does not have is none (2.3.8).
                if ROUTES & 1 << (self.config >> 9 & 0x1f) == 0 {
                    self.config &= !(0x1f << 9);
                }
                if self.config & NARROW != 0 {
                    self.value &= 0xffff_ffff;
                    self.period &= 0xffff_ffff;
                }
            }
            0x08 => {
                if self.config & PERIODIC != 0 && !self.sets_value {
                    self.period = merged(self.period) & self.mask();
                } else {
                    self.value = merged(self.value) & self.mask();
                }
                self.sets_value = false;
            }
            0x10 => self.message = merged(self.message),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 0x100;
    const T1: u64 = 0x120;

    fn write(chip: &mut Hpet, offset: u64, value: u64, now: u64) -> [Option<Fired>; TIMERS] {
        let fired = chip.advance(now);
        chip.write(offset, value, u64::MAX, now);
        fired
    }

    fn edge(route: Route) -> Option<Fired> {
        Some(Fired { route, level: false })
    }

    #[test]
    fn the_counter_runs_while_it_is_enabled() {
        let mut chip = Hpet::new(0);
        write(&mut chip, 0xf0, 100, 0);
        assert_eq!(chip.read(0xf0, 5000), 100);
        write(&mut chip, 0x10, ENABLE, 5000);
        assert_eq!(chip.read(0xf0, 5095), 109);
        write(&mut chip, 0xf0, 1, 6000);
        assert_eq!(chip.read(0xf0, 6000), 200, "it cannot be set while it runs");
        write(&mut chip, 0x10, 0, 6000);
        assert_eq!(chip.read(0xf0, 9000), 200);
        assert_eq!(chip.read(0, 0) >> 32, 10_000_000);
    }

    #[test]
    fn one_shot_and_periodic_comparators() {
        let mut chip = Hpet::new(0);
        write(&mut chip, T0, INTERRUPT | PERIODIC | SET_VALUE | 20 << 9, 0);
        write(&mut chip, T0 + 8, 50, 0);
        write(&mut chip, T0 + 8, 30, 0);
        write(&mut chip, T1, INTERRUPT | 21 << 9, 0);
        write(&mut chip, T1 + 8, 60, 0);
        write(&mut chip, 0x10, ENABLE, 0);
        assert_eq!(chip.deadline(), Some(500));
        assert_eq!(chip.advance(499), [None; 3]);
        assert_eq!(chip.advance(500), [edge(Route::Pin(20)), None, None]);
        assert_eq!(chip.deadline(), Some(600));
        assert_eq!(chip.advance(1150), [edge(Route::Pin(20)), edge(Route::Pin(21)), None]);
        assert_eq!((chip.read(T0 + 8, 1150), chip.deadline()), (140, Some(1400)), "in step");
    }

    #[test]
    fn legacy_routes_levels_and_messages() {
        let mut chip = Hpet::new(0);
        write(&mut chip, T0, INTERRUPT, 0);
        write(&mut chip, T0 + 8, 1, 0);
        write(&mut chip, T1, INTERRUPT | LEVEL | 23 << 9, 0);
        write(&mut chip, T1 + 8, 2, 0);
        write(&mut chip, 0x140, INTERRUPT | MESSAGE, 0);
        write(&mut chip, 0x150, 0xfee0_0000_0000_0041, 0);
        write(&mut chip, 0x148, 3, 0);
        write(&mut chip, 0x10, ENABLE | LEGACY, 0);
        let fired = chip.advance(100);
        assert_eq!(fired[0], edge(Route::Legacy(0)));
        assert_eq!(fired[1], Some(Fired { route: Route::Legacy(8), level: true }));
        assert_eq!(fired[2], edge(Route::Message(0xfee0_0000, 0x41)));
        assert!(chip.asks(1) && !chip.asks(0));
        assert_eq!(chip.read(0x20, 100), 2);
        write(&mut chip, 0x20, 2, 100);
        assert!(!chip.asks(1));
    }

    #[test]
    fn a_narrow_comparator_matches_every_turn() {
        let mut chip = Hpet::new(0);
        write(&mut chip, T0, INTERRUPT | NARROW | 20 << 9, 0);
        write(&mut chip, T0 + 8, u64::MAX, 0);
        assert_eq!(chip.read(T0 + 8, 0), 0xffff_ffff);
        write(&mut chip, T0 + 8, 5, 0);
        write(&mut chip, 0xf0, 10, 0);
        write(&mut chip, 0x10, ENABLE, 0);
        assert_eq!(chip.deadline(), Some(((1 << 32) - 5) * TICK));
        assert_eq!(chip.read(T0, 0) & ABILITIES, ABILITIES);
        write(&mut chip, T0, INTERRUPT | 3 << 9, 0);
        assert_eq!(chip.route(0), Route::Pin(0), "pin 3 is none of its routes");
    }
}
