//! The MC146818 real-time clock with its battery-backed RAM, as a pure register machine.
//!
//! Time of day lives in registers that the guest may read and write in binary or BCD, 12 or 24 hours, and
//! that the chip advances once a second. [`Rtc::sync`] does so over any distance at once. Three events
//! (periodic, alarm, update ended) set flags in register C, whose read clears them and the interrupt.
//!
//! Time is nanoseconds of the machine clock; the date at time 0 comes from the board.

use crate::clock::{self, SECOND};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

const SECONDS: usize = 0;
const SECONDS_ALARM: usize = 1;
const MINUTES: usize = 2;
const MINUTES_ALARM: usize = 3;
const HOURS: usize = 4;
const HOURS_ALARM: usize = 5;
const WEEKDAY: usize = 6;
const DAY: usize = 7;
const MONTH: usize = 8;
const YEAR: usize = 9;
const REG_A: usize = 0x0a;
const REG_B: usize = 0x0b;
const REG_C: usize = 0x0c;
const REG_D: usize = 0x0d;
/// Where a PC keeps the century; the FADT says so.
pub(crate) const CENTURY: usize = 0x32;

const A_UIP: u8 = 0x80;
const B_SET: u8 = 0x80;
const B_BINARY: u8 = 0x04;
const B_24_HOURS: u8 = 0x02;
const IRQF: u8 = 0x80;
/// Periodic, alarm and update-ended: the same bits enable in B and flag in C.
const PERIODIC: u8 = 0x40;
const ALARM: u8 = 0x20;
const UPDATE: u8 = 0x10;
const EVENTS: u8 = PERIODIC | ALARM | UPDATE;

const HOUR_PM: u8 = 0x80;
/// An alarm byte with both top bits set matches anything.
const DONT_CARE: u8 = 0xc0;

/// Update in progress is announced this long before the update ends: 244 us of warning and 1984 us of
/// update.
const UIP_NS: u64 = 2_228_000;

const DAY_SECONDS: u64 = 86_400;

/// The chip: 14 registers and 114 bytes of RAM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rtc {
    #[serde(with = "crate::state::bytes")]
    ram: [u8; 128],
    index: u8,
    /// When the time registers next advance; `None` while the divider is held in reset.
    next_update: Option<u64>,
    /// When the divider chain was last released.
    divider_start: u64,
    /// Periodic ticks up to here are in the flag.
    periodic_seen: u64,
    now: u64,
}

impl Rtc {
    /// A chip that shows `epoch_s` seconds after 1970 at time 0, in BCD and 24 hours, and whose RAM the
    /// board may fill through [`Rtc::set_ram`].
    pub(crate) fn new(epoch_s: u64) -> Self {
        let mut rtc = Rtc {
            ram: [0; 128],
            index: 0,
            next_update: Some(SECOND),
            divider_start: 0,
            periodic_seen: 0,
            now: 0,
        };
        rtc.ram[REG_A] = 0x26;
        rtc.ram[REG_B] = B_24_HOURS;
        rtc.ram[REG_D] = 0x80;
        // Four-digit years: later dates than 9999 do not fit the registers.
        rtc.set_seconds(epoch_s.min(253_402_300_799));
        let weekday = (epoch_s / DAY_SECONDS + 4) % 7;
        rtc.ram[WEEKDAY] = weekday as u8 + 1;
        rtc
    }

    /// Puts `value` into the RAM byte `index` (0..=127).
    pub(crate) fn set_ram(&mut self, index: u8, value: u8) {
        self.ram[usize::from(index & 0x7f)] = value;
    }

    /// The RAM byte `index` (0..=127), without a register's side effects.
    pub(crate) fn ram(&self, index: u8) -> u8 {
        self.ram[usize::from(index & 0x7f)]
    }

    /// The reset pin: interrupts off, flags clear; the time goes on.
    pub(crate) fn reset(&mut self) {
        self.ram[REG_B] &= !(EVENTS | 0x08);
        self.ram[REG_C] = 0;
    }

    /// Refuses a state that no sequence of accesses up to `now` leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self, now: u64) -> Result<(), StateError> {
        check(self.index < 128, "CMOS index")?;
        check(self.now <= now && self.divider_start <= now, "time of the real-time clock")?;
        check(self.periodic_seen <= clock::RTC.ticks(now), "periodic event")
    }

    /// The interrupt pin.
    pub(crate) fn irq(&self) -> bool {
        self.ram[REG_C] & IRQF != 0
    }

    /// Brings the chip to `now` (not before the latest time it has seen).
    pub(crate) fn sync(&mut self, now: u64) {
        self.now = now;
        let ticks = self.periodic_ticks(now);
        if ticks > self.periodic_seen {
            self.periodic_seen = ticks;
            self.ram[REG_C] |= PERIODIC;
        }
        if let Some(due) = self.next_update.filter(|&due| due <= now) {
            let seconds = (now - due) / SECOND + 1;
            self.next_update = due.checked_add(seconds.saturating_mul(SECOND));
            if self.ram[REG_B] & B_SET == 0 {
                self.update(seconds);
            }
        }
        self.update_irqf();
    }

    fn update_irqf(&mut self) {
        let raised = self.ram[REG_C] & self.ram[REG_B] & EVENTS != 0;
        self.ram[REG_C] = (self.ram[REG_C] & EVENTS) | if raised { IRQF } else { 0 };
    }

    fn update(&mut self, seconds: u64) {
        if self.seconds_to_alarm().is_some_and(|wait| wait <= seconds) {
            self.ram[REG_C] |= ALARM;
        }
        let before = self.seconds();
        let after = before.saturating_add(seconds);
        self.set_seconds(after);
        let days = (after / DAY_SECONDS - before / DAY_SECONDS) % 7;
        if days != 0 {
            let weekday = u64::from(self.decode(self.ram[WEEKDAY])).max(1) - 1;
            self.ram[WEEKDAY] = ((weekday + days) % 7) as u8 + 1;
        }
        self.ram[REG_C] |= UPDATE;
    }

    /// Nanoseconds-to-ticks of the periodic event, counted from the divider's release; 0 if it is off.
    fn periodic_ticks(&self, now: u64) -> u64 {
        match self.periodic_shift() {
            Some(shift) => clock::RTC.ticks(now.saturating_sub(self.divider_start)) >> shift,
            None => 0,
        }
    }

    /// The periodic event's period is 2^shift ticks of the crystal.
    fn periodic_shift(&self) -> Option<u32> {
        self.next_update?;
        match self.ram[REG_A] & 0x0f {
            0 => None,
            // The two lowest codes repeat the rates of 8 and 9.
            rate @ 1..=2 => Some(u32::from(rate) + 6),
            rate => Some(u32::from(rate) - 1),
        }
    }

    /// Periodic ticks so far, or since their rate was set.
    pub(crate) fn periods(&self) -> u64 {
        self.periodic_seen
    }

    /// The periodic event has come and nobody has read register C since.
    pub(crate) fn is_periodic(&self) -> bool {
        self.ram[REG_C] & PERIODIC != 0
    }

    /// Nanoseconds between two interrupts of the periodic event, if it makes some.
    pub(crate) fn interrupt_period(&self) -> Option<u64> {
        let shift = self.periodic_shift().filter(|_| self.ram[REG_B] & PERIODIC != 0)?;
        Some(clock::RTC.ns_at(1 << shift))
    }

    /// The periodic event comes once more.
    pub(crate) fn tick(&mut self) {
        self.ram[REG_C] |= PERIODIC;
        self.update_irqf();
    }

    /// When the interrupt pin will rise by itself.
    pub(crate) fn deadline(&self) -> Option<u64> {
        if self.irq() {
            return None;
        }
        let enabled = self.ram[REG_B];
        let periodic = self.periodic_shift().filter(|_| enabled & PERIODIC != 0).map(|shift| {
            let tick = (self.periodic_seen + 1) << shift;
            self.divider_start.saturating_add(clock::RTC.ns_at(tick))
        });
        let seconds = if enabled & B_SET != 0 {
            None
        } else if enabled & UPDATE != 0 {
            Some(1)
        } else if enabled & ALARM != 0 {
            self.seconds_to_alarm()
        } else {
            None
        };
        let update = seconds
            .and_then(|wait| self.next_update.map(|next| next.saturating_add((wait - 1) * SECOND)));
        [periodic, update].into_iter().flatten().min()
    }

    /// Reads the index port (0) or the data port (1) at `now`.
    pub(crate) fn read(&mut self, port: u8, now: u64) -> u8 {
        if port == 0 {
            return 0xff; // The index cannot be read back on a PC.
        }
        self.sync(now);
        let index = usize::from(self.index);
        let value = self.ram[index];
        match index {
            REG_A if self.updating() => value | A_UIP,
            REG_C => {
                self.ram[REG_C] = 0;
                value
            }
            _ => value,
        }
    }

    fn updating(&self) -> bool {
        let near = self.next_update.is_some_and(|next| next.saturating_sub(self.now) <= UIP_NS);
        near && self.ram[REG_B] & B_SET == 0
    }

    /// Writes the index port (0) or the data port (1) at `now`. Bit 7 of the index, which masks NMI on a
    /// PC, is not the chip's.
    pub(crate) fn write(&mut self, port: u8, now: u64, value: u8) {
        if port == 0 {
            self.index = value & 0x7f;
            return;
        }
        self.sync(now);
        match usize::from(self.index) {
            REG_A => self.write_a(value),
            REG_B => {
                // Stopping the clock takes the update interrupt with it.
                let dropped = if value & B_SET != 0 { UPDATE } else { 0 };
                self.ram[REG_B] = value & !dropped;
                self.update_irqf();
            }
            REG_C | REG_D => {}
            index => self.ram[index] = value,
        }
    }

    fn write_a(&mut self, value: u8) {
        self.ram[REG_A] = value & !A_UIP;
        let held = value & 0x60 == 0x60;
        if held {
            self.next_update = None;
        } else if self.next_update.is_none() {
            self.divider_start = self.now;
            self.next_update = Some(self.now.saturating_add(SECOND / 2));
        }
        self.periodic_seen = self.periodic_ticks(self.now);
    }

    fn decode(&self, value: u8) -> u8 {
        if self.ram[REG_B] & B_BINARY != 0 { value } else { (value >> 4) * 10 + (value & 0x0f) }
    }

    fn encode(&self, value: u64) -> u8 {
        let value = (value % 100) as u8;
        if self.ram[REG_B] & B_BINARY != 0 { value } else { ((value / 10) << 4) | (value % 10) }
    }

    fn encode_hour(&self, hour: u64) -> u8 {
        if self.ram[REG_B] & B_24_HOURS != 0 {
            return self.encode(hour);
        }
        let pm = if hour >= 12 { HOUR_PM } else { 0 };
        self.encode((hour + 11) % 12 + 1) | pm
    }

    fn hour(&self) -> u64 {
        let value = self.ram[HOURS];
        if self.ram[REG_B] & B_24_HOURS != 0 {
            return u64::from(self.decode(value)) % 24;
        }
        let hour = u64::from(self.decode(value & !HOUR_PM)) % 12;
        if value & HOUR_PM != 0 { hour + 12 } else { hour }
    }

    /// The time registers as seconds after 1970; nonsense in them becomes some legal date.
    fn seconds(&self) -> u64 {
        let field = |index: usize| u64::from(self.decode(self.ram[index]));
        let year = (field(CENTURY).min(99) * 100 + field(YEAR).min(99)).max(1970);
        let (month, day) = (field(MONTH).clamp(1, 12), field(DAY).clamp(1, 31));
        let days = days_to_year(year) + days_to_month(year, month) + day - 1;
        days * DAY_SECONDS + self.hour() * 3600 + field(MINUTES) % 60 * 60 + field(SECONDS) % 60
    }

    fn set_seconds(&mut self, seconds: u64) {
        let (year, month, day) = date(seconds / DAY_SECONDS);
        let rest = seconds % DAY_SECONDS;
        self.ram[SECONDS] = self.encode(rest % 60);
        self.ram[MINUTES] = self.encode(rest / 60 % 60);
        self.ram[HOURS] = self.encode_hour(rest / 3600);
        self.ram[DAY] = self.encode(day);
        self.ram[MONTH] = self.encode(month);
        self.ram[YEAR] = self.encode(year);
        self.ram[CENTURY] = self.encode(year / 100);
    }

    /// Seconds (1..=86400) until the time of day matches the alarm bytes; `None` if it never does.
    fn seconds_to_alarm(&self) -> Option<u64> {
        let matches = |index: usize, now: u8| {
            let alarm = self.ram[index];
            alarm & DONT_CARE == DONT_CARE || alarm == now
        };
        let start = self.seconds() % DAY_SECONDS;
        let mut wait = 1;
        while wait <= DAY_SECONDS {
            let time = (start + wait) % DAY_SECONDS;
            wait += if !matches(HOURS_ALARM, self.encode_hour(time / 3600)) {
                3600 - time % 3600
            } else if !matches(MINUTES_ALARM, self.encode(time / 60 % 60)) {
                60 - time % 60
            } else if !matches(SECONDS_ALARM, self.encode(time % 60)) {
                1
            } else {
                return Some(wait);
            };
        }
        None
    }
}

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from 1970 to the first of January of `year` (from 1970 on).
fn days_to_year(year: u64) -> u64 {
    let leaps = |y: u64| y / 4 - y / 100 + y / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// Days of `year` before the first of `month` (1..=12).
fn days_to_month(year: u64, month: u64) -> u64 {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let months = BEFORE.iter().zip(1..=month.clamp(1, 12));
    let before = months.last().map_or(0, |(&days, _)| days);
    before + u64::from(month > 2 && leap(year))
}

/// Year, month (1..=12) and day (1..=31) of a day after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_to_year(year + 1) <= days {
        // 366-day years undershoot by at most a few per thousand; centuries are skipped at a time.
        let short = (days - days_to_year(year + 1)) / 366;
        year += short.max(1);
    }
    let rest = days - days_to_year(year);
    let month = (1..=12).rev().find(|&m| days_to_month(year, m) <= rest).unwrap_or(1);
    (year, month, rest - days_to_month(year, month) + 1)
}

#[cfg(test)]
#[path = "rtc_tests.rs"]
mod tests;
