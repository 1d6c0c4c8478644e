//! The local APIC of one processor (SDM volume 3A, chapter 10): its registers, its timer, and which interrupt the
//! processor gets next.
//!
//! A register machine: it knows no address and no other chip. Messages (an I/O APIC's, a device's, another
//! processor's) come in by [`LocalApic::deliver`]; what a write means for others comes out as an [`Output`].
//!
//! After reset LINT0 is not masked but lets the 8259s through (ExtINT), as firmware of a PC leaves it: *virtual wire
//! mode*, in which software that never looks here finds a PC without an APIC. All else is as the SDM has it.
//!
//! The timer counts nanoseconds of the machine clock (a bus of 1 GHz), divided as the divide register says.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Version 14h, six LVT entries.
const VERSION: u32 = 0x0005_0014;
/// SVR: the APIC is enabled by software.
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// Bits of SVR that can be written.
const SVR_WRITABLE: u32 = 0x3ff;
/// LVT entries: masked; level-triggered; a level interrupt that waits for its EOI.
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const REMOTE_IRR: u32 = 1 << 14;
/// Places of the LVT's entries, in order of their registers from 320h on.
const TIMER: usize = 0;
const LINT0: usize = 3;
const LINT1: usize = 4;
const ERROR: usize = 5;
/// Bits of each entry that can be written.
const LVT_WRITABLE: [u32; 6] = [0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff];
/// Bits of ICR's low half that keep what is written (12 is the delivery status: all is delivered at once).
const ICR_WRITABLE: u32 = 0x000c_cfff;
/// ESR bits.
const SEND_ILLEGAL: u8 = 1 << 5;
const RECEIVE_ILLEGAL: u8 = 1 << 6;
const ILLEGAL_REGISTER: u8 = 1 << 7;
/// A destination that is every APIC.
const ALL: u8 = 0xff;

/// How a message is delivered (SDM volume 3A, 10.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// To the vector: fixed, or to the one of lowest priority.
    Vector,
    /// As a non-maskable interrupt.
    Nmi,
    /// As a pulse of INIT.
    Init,
    /// From the 8259s.
    External,
    /// SMI, which no model has; a start-up message, which a running processor ignores; reserved encodings.
    None,
}

impl Delivery {
    /// By the three bits that ICR, LVT entries, redirection entries and MSI data share.
    pub(crate) fn of(bits: u32) -> Self {
        match bits & 7 {
            0 | 1 => Self::Vector,
            4 => Self::Nmi,
            5 => Self::Init,
            7 => Self::External,
            _ => Self::None,
        }
    }
}

/// A message to local APICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// APIC ID, or a set of logical ones.
    pub destination: u8,
    /// `destination` is logical.
    pub logical: bool,
    /// What it does.
    pub delivery: Delivery,
    /// Its vector.
    pub vector: u8,
    /// It is of a level-triggered line: its EOI is told to the I/O APICs.
    pub level: bool,
}

/// What an access means for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// The level-triggered interrupt of this vector has been served.
    pub served: Option<u8>,
    /// The processor's INIT pin is pulled.
    pub init: bool,
}

/// The timer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Timer {
    initial: u32,
    /// The divide configuration register.
    divide: u8,
    /// The count at `since`; 0: it does not run.
    count: u32,
    since: u64,
    /// In TSC-deadline mode: when, in nanoseconds of the machine clock; 0: not armed.
    deadline: u64,
}

impl Timer {
    /// Nanoseconds for each count: 1, 2, 4, ... 128.
    fn unit(&self) -> u64 {
        let code = (self.divide & 3) | (self.divide >> 1 & 4);
        if code == 7 { 1 } else { 2 << code }
    }

    fn end(&self) -> Option<u64> {
        (self.count != 0)
            .then(|| self.since.saturating_add(u64::from(self.count).saturating_mul(self.unit())))
    }

    fn current(&self, now: u64) -> u32 {
        let passed = now.saturating_sub(self.since) / self.unit();
        self.count.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
    }

    /// Counts up to `now`. Whether it has come to 0; a periodic one starts again, keeping its phase.
    fn expire(&mut self, now: u64, periodic: bool) -> bool {
        let Some(end) = self.end().filter(|&end| end <= now) else { return false };
        let period = u64::from(self.initial).saturating_mul(self.unit());
        if periodic && period != 0 {
            self.since = end.saturating_add((now - end) / period * period);
            self.count = self.initial;
        } else {
            self.count = 0;
        }
        true
    }

    fn expire_deadline(&mut self, now: u64) -> bool {
        let come = self.deadline != 0 && self.deadline <= now;
        if come {
            self.deadline = 0;
        }
        come
    }
}

/// The chip.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LocalApic {
    /// IA32_APIC_BASE.EN.
    on: bool,
    id: u8,
    tpr: u8,
    ldr: u8,
    dfr: u8,
    svr: u32,
    isr: [u32; 8],
    tmr: [u32; 8],
    irr: [u32; 8],
    /// Errors as ESR shows them, and those since it was written.
    esr: u8,
    errors: u8,
    icr: [u32; 2],
    lvt: [u32; 6],
    timer: Timer,
    /// Levels of LINT0 and LINT1.
    pins: [bool; 2],
    /// An NMI waits.
    nmi: bool,
}

fn has(set: &[u32; 8], vector: u8) -> bool {
    set[usize::from(vector >> 5)] & 1 << (vector & 31) != 0
}

fn put(set: &mut [u32; 8], vector: u8, value: bool) {
    let (word, bit) = (&mut set[usize::from(vector >> 5)], 1 << (vector & 31));
    *word = if value { *word | bit } else { *word & !bit };
}

fn highest(set: &[u32; 8]) -> Option<u8> {
    let words = (0u8..8).zip(set).rev();
    words
        .filter(|(_, word)| **word != 0)
        .map(|(n, word)| n * 32 + (31 - word.leading_zeros() as u8))
        .next()
}

impl LocalApic {
    /// The APIC `id` after reset.
    pub(crate) fn new(id: u8) -> Self {
        let mut lvt = [MASKED; 6];
        lvt[LINT0] = 7 << 8;
        LocalApic {
            on: true,
            id,
            tpr: 0,
            ldr: 0,
            dfr: 0xff,
            svr: 0xff,
            isr: [0; 8],
            tmr: [0; 8],
            irr: [0; 8],
            esr: 0,
            errors: 0,
            icr: [0; 2],
            lvt,
            timer: Timer::default(),
            pins: [false; 2],
            nmi: false,
        }
    }

    /// IA32_APIC_BASE.EN is `on`. Off, it is as after reset, and the processor's pins are INTR and NMI (10.4.3).
    pub(crate) fn set_on(&mut self, on: bool) {
        if self.on != on {
            let (pins, nmi) = (self.pins, self.nmi);
            *self = LocalApic { on, pins, nmi, ..LocalApic::new(self.id) };
        }
    }

    /// Whether it is there for the processor.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    fn software_enabled(&self) -> bool {
        self.svr & SOFTWARE_ENABLE != 0
    }

    /// Whether messages are taken in.
    pub(crate) fn takes_messages(&self) -> bool {
        self.on && self.software_enabled()
    }

    /// Whether the 8259s reach the processor through LINT0.
    pub(crate) fn lets_8259_through(&self) -> bool {
        let entry = self.lvt[LINT0];
        !self.on || (entry & MASKED == 0 && Delivery::of(entry >> 8) == Delivery::External)
    }

    /// Whether LINT0, which the 8259s drive, does anything.
    pub(crate) fn hears_8259(&self) -> bool {
        !self.on || self.lvt[LINT0] & MASKED == 0
    }

    /// Whether LINT0 is set up to be an NMI.
    pub(crate) fn makes_nmis(&self) -> bool {
        self.on && self.hears_8259() && Delivery::of(self.lvt[LINT0] >> 8) == Delivery::Nmi
    }

    /// Processor priority (10.8.3.1).
    fn ppr(&self) -> u8 {
        let serving = highest(&self.isr).unwrap_or(0) & 0xf0;
        if self.tpr & 0xf0 >= serving { self.tpr } else { serving }
    }

    /// The vector that it asks the processor to take.
    #[inline]
    pub(crate) fn request(&self) -> Option<u8> {
        if self.irr == [0; 8] || !self.on || !self.software_enabled() {
            return None;
        }
        highest(&self.irr).filter(|vector| vector & 0xf0 > self.ppr() & 0xf0)
    }

    /// Whether `vector` waits to be taken.
    pub(crate) fn is_requested(&self, vector: u8) -> bool {
        has(&self.irr, vector)
    }

    /// The processor takes what it was asked to. What it gets if the request is gone by now is the spurious vector,
    /// and `None` for the interrupt.
    pub(crate) fn ack(&mut self) -> (u8, Option<u8>) {
        let Some(vector) = self.request() else { return (self.svr as u8, None) };
        put(&mut self.irr, vector, false);
        put(&mut self.isr, vector, true);
        (vector, Some(vector))
    }

    /// Whether an NMI waits for the processor.
    pub(crate) fn has_nmi(&self) -> bool {
        self.nmi
    }

    /// The processor takes the NMI that waits, if one does.
    pub(crate) fn take_nmi(&mut self) -> bool {
        std::mem::take(&mut self.nmi)
    }

    fn error(&mut self, error: u8) {
        self.errors |= error;
        let entry = self.lvt[ERROR];
        if entry & MASKED == 0 {
            // An entry that is wrong itself raises no second one.
            match entry as u8 {
                0..16 => self.errors |= RECEIVE_ILLEGAL,
                vector => self.accept(vector, false),
            }
        }
    }

    /// Takes an interrupt in.
    fn accept(&mut self, vector: u8, level: bool) {
        if !self.on || !self.software_enabled() {
            return;
        }
        if vector < 16 {
            return self.error(RECEIVE_ILLEGAL);
        }
        put(&mut self.irr, vector, true);
        put(&mut self.tmr, vector, level);
    }

    /// Whether a message to `destination` is for this APIC (10.6.2).
    fn is_meant(&self, destination: u8, logical: bool) -> bool {
        if destination == ALL {
            return true;
        }
        match (logical, self.dfr >> 4) {
            (false, _) => destination == self.id,
            (true, 0) => destination >> 4 == self.ldr >> 4 && destination & self.ldr & 0xf != 0,
            (true, _) => destination & self.ldr != 0,
        }
    }

    /// A message arrives. Whether it was for this APIC.
    pub(crate) fn deliver(&mut self, message: Message, out: &mut Output) -> bool {
        let meant = self.on && self.is_meant(message.destination, message.logical);
        if meant {
            match message.delivery {
                Delivery::Vector => self.accept(message.vector, message.level),
                Delivery::Nmi => self.nmi = true,
                Delivery::Init => out.init = true,
                Delivery::External | Delivery::None => {}
            }
        }
        meant
    }

    /// The level of LINT0 (0: the 8259s' INTR) or LINT1 (1: NMI).
    pub(crate) fn set_pin(&mut self, pin: usize, level: bool) {
        let pin = pin & 1;
        let rises = level && !self.pins[pin];
        self.pins[pin] = level;
        if !self.on {
            // The pin is the processor's own NMI.
            self.nmi |= pin == 1 && rises;
        } else if rises {
            self.rise(LINT0 + pin, rises);
        }
    }

    /// Local interrupt `entry` is asserted; `edge`: just now.
    fn rise(&mut self, entry: usize, edge: bool) {
        let lvt = self.lvt[entry];
        if lvt & MASKED != 0 {
            return;
        }
        match Delivery::of(lvt >> 8) {
            Delivery::Nmi => self.nmi |= edge,
            Delivery::Vector if lvt & LEVEL == 0 && edge => self.accept(lvt as u8, false),
            Delivery::Vector if lvt & (LEVEL | REMOTE_IRR) == LEVEL => {
                self.lvt[entry] |= REMOTE_IRR;
                self.accept(lvt as u8, true);
            }
            _ => {}
        }
    }

    /// The timer's mode: 0 one shot, 1 periodic, 2 TSC deadline.
    fn timer_mode(&self) -> u32 {
        self.lvt[TIMER] >> 17 & 3
    }

    /// Brings the timer to `now`.
    pub(crate) fn advance(&mut self, now: u64) {
        let expired = match self.timer_mode() {
            2 => self.timer.expire_deadline(now),
            mode => self.timer.expire(now, mode == 1),
        };
        if expired && self.lvt[TIMER] & MASKED == 0 {
            self.accept(self.lvt[TIMER] as u8, false);
        }
    }

    /// When the timer next asks for an interrupt, in nanoseconds of the machine clock.
    pub(crate) fn deadline(&self) -> Option<u64> {
        if !self.on || self.lvt[TIMER] & MASKED != 0 {
            return None;
        }
        match self.timer_mode() {
            2 => Some(self.timer.deadline).filter(|&at| at != 0),
            _ => self.timer.end(),
        }
    }

    /// IA32_TSC_DEADLINE, as nanoseconds of the machine clock; 0: not armed.
    pub(crate) fn tsc_deadline(&self) -> u64 {
        self.timer.deadline
    }

    /// A write to IA32_TSC_DEADLINE; without effect in the timer's other modes (10.5.4.1).
    pub(crate) fn set_tsc_deadline(&mut self, at: u64, now: u64) {
        if self.on && self.timer_mode() == 2 {
            self.timer.deadline = at;
            self.advance(now);
        }
    }

    /// The task priority's class, 0 to 15: CR8 (10.8.6.1).
    pub(crate) fn task_priority(&self) -> u8 {
        self.tpr >> 4
    }

    /// Sets it.
    pub(crate) fn set_task_priority(&mut self, class: u8) {
        self.tpr = class << 4;
    }

    /// Reads the register at `offset` (0..=FFFh) of its page.
    pub(crate) fn read(&mut self, offset: u16, now: u64) -> u32 {
        self.advance(now);
        let bank = usize::from(offset >> 4 & 7);
        match offset {
            0x020 => u32::from(self.id) << 24,
            0x030 => VERSION,
            0x080 => u32::from(self.tpr),
            0x0a0 => u32::from(self.ppr()),
            // Arbitration priority, EOI and remote read: there since the Pentium, and empty.
            0x090 | 0x0b0 | 0x0c0 => 0,
            0x0d0 => u32::from(self.ldr) << 24,
            0x0e0 => u32::from(self.dfr) << 24 | 0x00ff_ffff,
            0x0f0 => self.svr,
            0x100..0x180 if offset & 15 == 0 => self.isr[bank],
            0x180..0x200 if offset & 15 == 0 => self.tmr[bank],
            0x200..0x280 if offset & 15 == 0 => self.irr[bank],
            0x280 => u32::from(self.esr),
            0x300 => self.icr[0],
            0x310 => self.icr[1],
            0x320..0x380 if offset & 15 == 0 => self.lvt[usize::from((offset - 0x320) >> 4)],
            0x380 => self.timer.initial,
            0x390 if self.timer_mode() != 2 => self.timer.current(now),
            0x390 => 0,
            0x3e0 => u32::from(self.timer.divide),
            _ => {
                self.error(ILLEGAL_REGISTER);
                0
            }
        }
    }

    /// Writes `value` to the register at `offset` (0..=FFFh) of its page.
    pub(crate) fn write(&mut self, offset: u16, value: u32, now: u64) -> Output {
        self.advance(now);
        let mut out = Output::default();
        let top = (value >> 24) as u8;
        match offset {
            0x020 => self.id = top,
            0x080 => self.tpr = value as u8,
            0x0b0 => out.served = self.end_of_interrupt(),
            0x0d0 => self.ldr = top,
            0x0e0 => self.dfr = top | 0x0f,
            0x0f0 => self.set_svr(value),
            0x280 => self.esr = std::mem::take(&mut self.errors),
            0x300 => {
                self.icr[0] = value & ICR_WRITABLE;
                self.send(&mut out);
            }
            0x310 => self.icr[1] = value & 0xff00_0000,
            0x320..0x380 if offset & 15 == 0 => {
                self.set_lvt(usize::from((offset - 0x320) >> 4), value)
            }
            0x380 if self.timer_mode() != 2 => {
                (self.timer.initial, self.timer.count, self.timer.since) = (value, value, now);
            }
            0x380 => {}
            0x3e0 => {
                (self.timer.count, self.timer.since) = (self.timer.current(now), now);
                self.timer.divide = value as u8 & 0x0b;
            }
            // Read-only ones.
            0x030 | 0x090 | 0x0a0 | 0x0c0 | 0x390 => {}
            0x100..0x280 if offset & 15 == 0 => {}
            _ => self.error(ILLEGAL_REGISTER),
        }
        out
    }

    fn set_svr(&mut self, value: u32) {
        self.svr = value & SVR_WRITABLE;
        if !self.software_enabled() {
            self.lvt.iter_mut().for_each(|entry| *entry |= MASKED);
        }
    }

    /// Software-disabled, an entry stays masked (10.4.7.2).
    fn set_lvt(&mut self, entry: usize, value: u32) {
        let keep = if self.software_enabled() { 0 } else { MASKED };
        let before = self.lvt[entry];
        let mut new = value & LVT_WRITABLE[entry] | keep | before & REMOTE_IRR;
        if new & LEVEL == 0 {
            new &= !REMOTE_IRR;
        }
        self.lvt[entry] = new;
        match entry {
            // To or from the TSC deadline the timer stops.
            TIMER if (before ^ new) & 1 << 18 != 0 => {
                (self.timer.count, self.timer.initial, self.timer.deadline) = (0, 0, 0);
            }
            LINT0 | LINT1 if self.pins[entry - LINT0] => self.rise(entry, false),
            _ => {}
        }
    }

    fn end_of_interrupt(&mut self) -> Option<u8> {
        let vector = highest(&self.isr)?;
        put(&mut self.isr, vector, false);
        if !has(&self.tmr, vector) {
            return None;
        }
        for entry in [LINT0, LINT1] {
            if self.lvt[entry] & (LEVEL | REMOTE_IRR) != 0 && self.lvt[entry] as u8 == vector {
                self.lvt[entry] &= !REMOTE_IRR;
                if self.pins[entry - LINT0] {
                    self.rise(entry, false);
                }
            }
        }
        Some(vector)
    }

    /// Sends what ICR says. Other processors there are none: what goes to them is lost, as on a bus where nobody answers.
    fn send(&mut self, out: &mut Output) {
        let low = self.icr[0];
        let delivery = Delivery::of(low >> 8);
        if delivery == Delivery::Vector && low & 0xff < 16 {
            return self.error(SEND_ILLEGAL);
        }
        // An INIT that takes its level back does nothing since the Pentium 4.
        if delivery == Delivery::Init && low & (1 << 14 | LEVEL) == LEVEL {
            return;
        }
        let destination = match low >> 18 & 3 {
            0 => (self.icr[1] >> 24) as u8,
            1 => self.id,
            2 => ALL,
            _ => return,
        };
        let logical = low & 1 << 11 != 0 && low >> 18 & 3 == 0;
        let message = Message { destination, logical, delivery, vector: low as u8, level: false };
        self.deliver(message, out);
    }

    /// Refuses what it could not be at `now`.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self, now: u64) -> Result<(), StateError> {
        check(self.svr & !SVR_WRITABLE == 0, "SVR")?;
        check(self.dfr & 0x0f == 0x0f, "DFR")?;
        check(self.icr[0] & !ICR_WRITABLE == 0 && self.icr[1] << 8 == 0, "ICR")?;
        let entries = self.lvt.iter().zip(LVT_WRITABLE);
        let allowed = |(entry, mask): (&u32, u32)| entry & !(mask | REMOTE_IRR) == 0;
        check({ entries }.all(allowed), "LVT")?;
        check(self.timer.divide & !0x0b == 0 && self.timer.since <= now, "timer")?;
        check(self.irr[0] & 0xffff == 0 && self.isr[0] & 0xffff == 0, "vector")
    }
}

#[cfg(test)]
#[path = "lapic_tests.rs"]
mod tests;
