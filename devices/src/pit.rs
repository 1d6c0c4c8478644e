//! The Intel 8254 programmable interval timer: three 16-bit down counters, as pure register machines.
//!
//! The problem: a counter is clocked 1.19 million times a second, and nobody can afford to step it. So a
//! counter stores the tick at which its count began (`origin`) and derives count and OUT from the ticks
//! elapsed since; [`Counter::sync`] moves it forward over any distance, stopping only where something is
//! loaded, and counts the rising edges of OUT on the way.
//!
//! Time is in ticks of the counter's clock since the machine began. A count written at tick `t` is loaded
//! at `t + 1`, as the data sheet has it. GATE levels are the board's business.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// What a counter does between two loads (control word bits 3..1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Mode {
    /// 0: OUT rises at terminal count.
    TerminalCount = 0,
    /// 1: GATE starts a low pulse of the count's length.
    OneShot = 1,
    /// 2: OUT is low for the last tick of every period.
    RateGenerator = 2,
    /// 3: OUT is low for the second half of every period.
    SquareWave = 3,
    /// 4: OUT is low for one tick at terminal count.
    SoftwareStrobe = 4,
    /// 5: the same, started by GATE.
    HardwareStrobe = 5,
}

impl Mode {
    fn from_control(control: u8) -> Mode {
        match (control >> 1) & 7 {
            0 => Mode::TerminalCount,
            1 => Mode::OneShot,
            2 | 6 => Mode::RateGenerator,
            3 | 7 => Mode::SquareWave,
            4 => Mode::SoftwareStrobe,
            _ => Mode::HardwareStrobe,
        }
    }

    fn periodic(self) -> bool {
        matches!(self, Mode::RateGenerator | Mode::SquareWave)
    }

    /// Started by a rising GATE rather than by the write of a count.
    fn triggered(self) -> bool {
        matches!(self, Mode::OneShot | Mode::HardwareStrobe)
    }

    /// Ticks from the load of count `n` to the first rising edge of OUT.
    fn first_rise(self, n: i64) -> i64 {
        match self {
            Mode::SoftwareStrobe | Mode::HardwareStrobe => n + 1,
            _ => n,
        }
    }
}

/// Where the counting element stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Element {
    /// Programmed but not loaded; holds the value it stopped at.
    Idle(u16),
    /// Counting; it held its full count at tick `origin`.
    Counting { origin: i64 },
    /// GATE holds it `elapsed` ticks after its full count.
    Paused { elapsed: i64 },
}

/// Which byte of a 16-bit register an access in two-byte mode comes to next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Half {
    Low,
    High,
}

/// One of the three counters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Counter {
    mode: Mode,
    bcd: bool,
    /// Control word bits 5..4: 1 low byte only, 2 high byte only, 3 low then high.
    access: u8,
    gate: bool,
    run: Element,
    /// The count in the counting element, 1..=65536.
    count: i64,
    /// The count register: what is loaded next.
    register: i64,
    /// Tick at which the register moves into the counting element, if that is settled.
    load_at: Option<i64>,
    /// The register was written and waits for the end of a period or for a trigger.
    written: bool,
    null_count: bool,
    /// The tick this state is for.
    seen: i64,
    rises: u64,
    low_byte: u8,
    write_half: Half,
    read_half: Half,
    latched: Option<u16>,
    status: Option<u8>,
}

impl Counter {
    fn new(gate: bool) -> Self {
        Counter {
            mode: Mode::SquareWave,
            bcd: false,
            access: 3,
            gate,
            run: Element::Idle(0),
            count: 0x1_0000,
            register: 0x1_0000,
            load_at: None,
            written: false,
            null_count: true,
            seen: 0,
            rises: 0,
            low_byte: 0,
            write_half: Half::Low,
            read_half: Half::Low,
            latched: None,
            status: None,
        }
    }

    /// Refuses a state that no sequence of accesses up to tick `now` leads to.
    fn check(&self, now: i64) -> Result<(), StateError> {
        let counts = 1..=0x1_0000;
        check(counts.contains(&self.count), "count of the timer")?;
        check(counts.contains(&self.register), "count register of the timer")?;
        check((0..=now).contains(&self.seen), "time of the timer")?;
        check(
            self.load_at.is_none_or(|at| (0..=self.seen + 1).contains(&at)),
            "load of the timer",
        )?;
        // A count that took over in the middle of a period began before the machine.
        match self.run {
            Element::Counting { origin } => {
                check((-0x1_0000..=self.seen).contains(&origin), "origin of the timer's count")
            }
            Element::Paused { elapsed } => {
                check((0..=self.seen + 0x1_0000).contains(&elapsed), "pause of the timer")
            }
            Element::Idle(_) => Ok(()),
        }
    }

    /// Moves the counter to tick `t` (a tick in the past changes nothing).
    fn sync(&mut self, t: i64) {
        while let Some(at) = self.next_load().filter(|&at| at <= t) {
            self.run_to(at);
            self.load(at);
        }
        self.run_to(t);
    }

    fn run_to(&mut self, t: i64) {
        if t <= self.seen {
            return;
        }
        if let Element::Counting { origin } = self.run {
            self.rises += self.rises_until(t - origin) - self.rises_until(self.seen - origin);
        }
        self.seen = t;
    }

    /// Rising edges of OUT in the first `elapsed` ticks after a load.
    fn rises_until(&self, elapsed: i64) -> u64 {
        if self.mode.periodic() {
            (elapsed / self.count).unsigned_abs()
        } else {
            u64::from(elapsed >= self.mode.first_rise(self.count))
        }
    }

    /// The tick at which a written count takes effect by itself.
    fn next_load(&self) -> Option<i64> {
        if self.load_at.is_some() {
            return self.load_at;
        }
        match self.run {
            Element::Counting { origin } if self.written && self.mode.periodic() => {
                let phase = (self.seen - origin) % self.count;
                let half = (self.count + 1) / 2;
                let square = self.mode == Mode::SquareWave && phase < half;
                Some(self.seen - phase + if square { half } else { self.count })
            }
            _ => None,
        }
    }

    fn load(&mut self, at: i64) {
        let in_period = self.load_at.is_none();
        let low_half = in_period && self.mode == Mode::SquareWave && !self.out();
        self.load_at = None;
        self.written = false;
        self.null_count = false;
        self.count = self.register;
        let origin = if low_half { at - (self.count + 1) / 2 } else { at };
        self.run = if self.gate || self.mode.triggered() {
            Element::Counting { origin }
        } else {
            Element::Paused { elapsed: at - origin }
        };
    }

    /// The level of OUT.
    fn out(&self) -> bool {
        let elapsed = match self.run {
            Element::Idle(_) => return self.mode != Mode::TerminalCount,
            Element::Paused { .. } if self.mode.periodic() => return true,
            Element::Paused { elapsed } => elapsed,
            Element::Counting { origin } => self.seen - origin,
        };
        match self.mode {
            Mode::TerminalCount | Mode::OneShot => elapsed >= self.count,
            Mode::RateGenerator => elapsed % self.count != self.count - 1,
            Mode::SquareWave => elapsed % self.count < (self.count + 1) / 2,
            Mode::SoftwareStrobe | Mode::HardwareStrobe => elapsed != self.count,
        }
    }

    /// What a read of the counting element gives, in the counter's number system.
    fn value(&self) -> u16 {
        let elapsed = match self.run {
            Element::Idle(value) => return value,
            Element::Paused { elapsed } => elapsed,
            Element::Counting { origin } => self.seen - origin,
        };
        let n = self.count;
        let value = match self.mode {
            Mode::RateGenerator => n - elapsed % n,
            Mode::SquareWave => {
                let (phase, high) = (elapsed % n, (n + 1) / 2);
                // Counts by two from an even number, once per half period.
                (n & !1) - 2 * if phase < high { phase } else { phase - high }
            }
            _ => n - elapsed,
        };
        let modulus = if self.bcd { 10_000 } else { 0x1_0000 };
        // Below the modulus, which is at most 65536.
        let value = u16::try_from(value.rem_euclid(modulus)).unwrap_or(0);
        if self.bcd { to_bcd(value) } else { value }
    }

    /// The tick of the next rising edge of OUT, if one comes by itself.
    fn next_rise(&self) -> Option<i64> {
        let running = match self.run {
            Element::Counting { origin } => self.running_rise(origin),
            _ => None,
        };
        match self.load_at {
            Some(at) if running.is_none_or(|rise| rise > at) => {
                let counts = self.gate || self.mode.triggered();
                counts.then(|| at + self.mode.first_rise(self.register))
            }
            _ => running,
        }
    }

    fn running_rise(&self, origin: i64) -> Option<i64> {
        let elapsed = self.seen - origin;
        if !self.mode.periodic() {
            let rise = self.mode.first_rise(self.count);
            return (elapsed < rise).then_some(origin + rise);
        }
        let phase = elapsed % self.count;
        let half = (self.count + 1) / 2;
        if self.written && self.load_at.is_none() && self.mode == Mode::SquareWave && phase < half {
            // The new count takes over at the coming falling edge, for the low half.
            return Some(self.seen - phase + half + self.register / 2);
        }
        Some(self.seen - phase + self.count)
    }

    /// A change that takes no clock: counts the edge if it makes OUT rise.
    fn change(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.out();
        act(self);
        self.rises += u64::from(!before && self.out());
    }

    fn control(&mut self, control: u8) {
        self.change(|c| {
            c.run = Element::Idle(c.value());
            c.mode = Mode::from_control(control);
            c.bcd = control & 1 != 0;
            c.access = (control >> 4) & 3;
            c.load_at = None;
            c.written = false;
            c.null_count = true;
            c.write_half = Half::Low;
            c.read_half = Half::Low;
            c.latched = None;
            c.status = None;
        });
    }

    fn write(&mut self, value: u8) {
        let count = match (self.access, self.write_half) {
            (1, _) => u16::from(value),
            (2, _) => u16::from(value) << 8,
            (_, Half::Low) => {
                self.low_byte = value;
                self.write_half = Half::High;
                if self.mode == Mode::TerminalCount {
                    self.halt();
                }
                return;
            }
            (_, Half::High) => {
                self.write_half = Half::Low;
                u16::from_le_bytes([self.low_byte, value])
            }
        };
        self.set_count(count);
    }

    /// Mode 0: the write of a count stops the old one and takes OUT low at once.
    fn halt(&mut self) {
        self.run = Element::Idle(self.value());
        self.load_at = None;
    }

    fn set_count(&mut self, count: u16) {
        let full = if self.bcd { 10_000 } else { 0x1_0000 };
        let n = if self.bcd { from_bcd(count) } else { i64::from(count) };
        // A count of 1 is illegal in the periodic modes; it counts as the shortest legal period.
        let least = if self.mode.periodic() { 2 } else { 1 };
        self.register = if n == 0 { full } else { n.max(least) };
        self.null_count = true;
        match self.mode {
            Mode::TerminalCount => {
                self.halt();
                self.load_at = Some(self.seen + 1);
            }
            Mode::SoftwareStrobe => self.load_at = Some(self.seen + 1),
            Mode::RateGenerator | Mode::SquareWave => match self.run {
                Element::Idle(_) => self.load_at = self.load_at.or(Some(self.seen + 1)),
                _ => self.written = true,
            },
            Mode::OneShot | Mode::HardwareStrobe => self.written = true,
        }
    }

    fn set_gate(&mut self, gate: bool) {
        if gate == self.gate {
            return;
        }
        self.change(|c| c.gate = gate);
        let now = self.seen;
        match (self.mode, gate, self.run) {
            // The trigger of a counter that was given a count, now or for the last pulse.
            (Mode::OneShot | Mode::HardwareStrobe, true, run)
                if self.written || !matches!(run, Element::Idle(_)) =>
            {
                self.load_at = Some(now + 1);
            }
            (Mode::OneShot | Mode::HardwareStrobe, ..) => {}
            (_, false, Element::Counting { origin }) => {
                self.change(|c| c.run = Element::Paused { elapsed: now - origin });
            }
            (Mode::RateGenerator | Mode::SquareWave, true, Element::Paused { .. }) => {
                self.load_at = Some(now + 1);
            }
            (_, true, Element::Paused { elapsed }) => {
                self.run = Element::Counting { origin: now - elapsed };
            }
            _ => {}
        }
    }

    fn latch_count(&mut self) {
        if self.latched.is_none() {
            self.latched = Some(self.value());
        }
    }

    fn latch_status(&mut self) {
        if self.status.is_none() {
            let status = u8::from(self.out()) << 7 | u8::from(self.null_count) << 6;
            self.status =
                Some(status | self.access << 4 | (self.mode as u8) << 1 | u8::from(self.bcd));
        }
    }

    fn read(&mut self) -> u8 {
        if let Some(status) = self.status.take() {
            return status;
        }
        let [low, high] = self.latched.unwrap_or_else(|| self.value()).to_le_bytes();
        let two_bytes = self.access == 3;
        let byte = match (self.access, self.read_half) {
            (1, _) | (3, Half::Low) => low,
            _ => high,
        };
        if two_bytes && self.read_half == Half::Low {
            self.read_half = Half::High;
        } else {
            self.read_half = Half::Low;
            self.latched = None;
        }
        byte
    }
}

fn to_bcd(value: u16) -> u16 {
    [1000, 100, 10, 1].iter().fold(0, |sum, place| (sum << 4) | (value / place % 10))
}

fn from_bcd(value: u16) -> i64 {
    (0..4).rev().fold(0, |sum, digit| sum * 10 + i64::from(value >> (4 * digit) & 0xf))
}

/// A tick as counters take it.
fn moment(t: u64) -> i64 {
    i64::try_from(t).unwrap_or(i64::MAX / 2)
}

/// The chip: three counters and the control word register.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pit {
    counters: [Counter; 3],
}

impl Pit {
    /// A chip at power-on whose GATE inputs have the levels `gates`: nothing counts yet.
    pub(crate) fn new(gates: [bool; 3]) -> Self {
        Pit { counters: gates.map(Counter::new) }
    }

    /// Refuses a state that no sequence of accesses up to tick `t` leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self, t: u64) -> Result<(), StateError> {
        self.counters.iter().try_for_each(|counter| counter.check(moment(t)))
    }

    fn counter(&mut self, index: u8, t: u64) -> &mut Counter {
        let counter = &mut self.counters[usize::from(index.min(2))];
        counter.sync(moment(t));
        counter
    }

    /// Reads register `offset` (0..=2 the counters; 3, the control word, cannot be read) at tick `t`.
    pub(crate) fn read(&mut self, offset: u8, t: u64) -> u8 {
        if offset < 3 { self.counter(offset, t).read() } else { 0xff }
    }

    /// Writes register `offset` (0..=3) at tick `t`.
    pub(crate) fn write(&mut self, offset: u8, t: u64, value: u8) {
        if offset < 3 {
            self.counter(offset, t).write(value);
            return;
        }
        match (value >> 6, value >> 4 & 3) {
            (3, _) => self.read_back(t, value),
            (index, 0) => self.counter(index, t).latch_count(),
            (index, _) => self.counter(index, t).control(value),
        }
    }

    fn read_back(&mut self, t: u64, command: u8) {
        for index in (0..3).filter(|index| command & (2 << index) != 0) {
            let counter = self.counter(index, t);
            if command & 0x20 == 0 {
                counter.latch_count();
            }
            if command & 0x10 == 0 {
                counter.latch_status();
            }
        }
    }

    /// Drives the GATE input of counter `index` at tick `t`.
    pub(crate) fn set_gate(&mut self, index: u8, t: u64, gate: bool) {
        self.counter(index, t).set_gate(gate);
    }

    /// The OUT pin of counter `index` at tick `t`.
    pub(crate) fn out(&mut self, index: u8, t: u64) -> bool {
        self.counter(index, t).out()
    }

    /// Rising edges of counter `index`'s OUT up to tick `t` since this was last asked.
    pub(crate) fn take_rises(&mut self, index: u8, t: u64) -> u64 {
        std::mem::take(&mut self.counter(index, t).rises)
    }

    /// Ticks between two rising edges of counter `index`'s OUT, if it makes them for ever.
    pub(crate) fn period(&self, index: u8) -> Option<u64> {
        let counter = &self.counters[usize::from(index.min(2))];
        counter.mode.periodic().then(|| counter.count.unsigned_abs())
    }

    /// The tick of the next rising edge of counter `index`'s OUT that comes by itself.
    pub(crate) fn next_rise(&self, index: u8) -> Option<u64> {
        let rise = self.counters[usize::from(index.min(2))].next_rise()?;
        u64::try_from(rise).ok()
    }
}

#[cfg(test)]
#[path = "pit_tests.rs"]
mod tests;
