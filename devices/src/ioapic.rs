//! The I/O APIC (Intel 82093AA, 290566): twenty-four pins, each with an entry that says what message a request becomes.
//!
//! A pin is asserted or not: lines here carry meanings, not voltages, so an entry's polarity bit is kept and changes
//! nothing. Messages come out of each call, at most one for each pin.

use crate::lapic::{Delivery, Message};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Pins.
pub(crate) const PINS: u8 = 24;
/// Version 11h; the last entry's number above it.
const VERSION: u32 = 0x11 | (PINS as u32 - 1) << 16;
/// Bits of an entry.
const LEVEL: u64 = 1 << 15;
const REMOTE_IRR: u64 = 1 << 14;
const MASKED: u64 = 1 << 16;
/// Bits of an entry that can be written: not delivery status and remote IRR.
const WRITABLE: u64 = 0xff00_0000_0001_afff;

/// The chip.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IoApic {
    select: u8,
    id: u8,
    table: [u64; PINS as usize],
    /// The pins that are asserted, a bit each.
    pins: u32,
}

impl IoApic {
    /// The chip after reset, with `pins` asserted.
    pub(crate) fn new(pins: u32) -> Self {
        IoApic { select: 0, id: 0, table: [MASKED; PINS as usize], pins }
    }

    /// The pins that are asserted, a bit each.
    pub(crate) fn pins(&self) -> u32 {
        self.pins
    }

    fn message(entry: u64) -> Message {
        Message {
            destination: (entry >> 56) as u8,
            logical: entry & 1 << 11 != 0,
            delivery: Delivery::of((entry >> 8) as u32),
            vector: entry as u8,
            level: entry & LEVEL != 0,
        }
    }

    /// The message of a level-triggered `pin`, if it has one to send.
    fn level(&mut self, pin: usize) -> Option<Message> {
        let entry = self.table[pin];
        let asks = self.pins & 1 << pin != 0 && entry & (MASKED | LEVEL | REMOTE_IRR) == LEVEL;
        if !asks {
            return None;
        }
        // NMI, SMI and INIT are edges whatever the entry says (3.2.4).
        if Delivery::of((entry >> 8) as u32) == Delivery::Vector {
            self.table[pin] |= REMOTE_IRR;
        }
        Some(Self::message(entry))
    }

    /// `pin` is asserted, or no longer. A masked edge is lost.
    pub(crate) fn set_pin(&mut self, pin: u8, asserted: bool) -> Option<Message> {
        let pin = usize::from(pin.min(PINS - 1));
        let rises = asserted && self.pins & 1 << pin == 0;
        self.pins = if asserted { self.pins | 1 << pin } else { self.pins & !(1 << pin) };
        let entry = self.table[pin];
        if entry & LEVEL != 0 {
            return if rises { self.level(pin) } else { None };
        }
        (rises && entry & MASKED == 0).then(|| Self::message(entry))
    }

    /// The processor has served `vector`: pins that still ask do so again.
    pub(crate) fn served(&mut self, vector: u8) -> impl Iterator<Item = Message> + '_ {
        (0..usize::from(PINS)).filter_map(move |pin| {
            let entry = self.table[pin];
            if entry as u8 != vector || entry & (LEVEL | REMOTE_IRR) != LEVEL | REMOTE_IRR {
                return None;
            }
            self.table[pin] &= !REMOTE_IRR;
            self.level(pin)
        })
    }

    /// The vector that an unmasked `pin` asks for.
    pub(crate) fn vector(&self, pin: u8) -> Option<u8> {
        self.table
            .get(usize::from(pin))
            .filter(|entry| *entry & MASKED == 0)
            .map(|entry| *entry as u8)
    }

    /// Whether a pin's request is to become an NMI.
    pub(crate) fn makes_nmis(&self) -> bool {
        let nmi =
            |entry: &u64| entry & MASKED == 0 && Delivery::of((entry >> 8) as u32) == Delivery::Nmi;
        self.table.iter().any(nmi)
    }

    /// The first unmasked pin that asks for `vector`.
    pub(crate) fn pin_of(&self, vector: u8) -> Option<u8> {
        (0..PINS).find(|&pin| self.vector(pin) == Some(vector))
    }

    /// Reads the select register (`window` false) or the one selected.
    pub(crate) fn read(&self, window: bool) -> u32 {
        if !window {
            return u32::from(self.select);
        }
        match self.select {
            0 | 2 => u32::from(self.id) << 24,
            1 => VERSION,
            n => match self.table.get(usize::from(n.wrapping_sub(0x10) >> 1)) {
                Some(entry) if n >= 0x10 => (entry >> (32 * u32::from(n & 1))) as u32,
                _ => 0,
            },
        }
    }

    /// Writes the select register (`window` false) or the one selected.
    pub(crate) fn write(&mut self, window: bool, value: u32) -> Option<Message> {
        if !window {
            self.select = value as u8;
            return None;
        }
        if self.select == 0 {
            self.id = (value >> 24) as u8 & 0x0f;
        }
        let pin = usize::from(self.select.checked_sub(0x10)? >> 1);
        let entry = self.table.get_mut(pin)?;
        let (shift, half) = (32 * u32::from(self.select & 1), u64::from(u32::MAX));
        let bits = WRITABLE & half << shift;
        *entry = *entry & !bits | u64::from(value) << shift & bits;
        if *entry & LEVEL == 0 {
            *entry &= !REMOTE_IRR;
        }
        self.level(pin)
    }

    /// Refuses what it could not be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.id < 16 && self.pins >> PINS == 0, "pins")?;
        let good = |entry: &u64| {
            entry & !(WRITABLE | REMOTE_IRR) == 0 && entry & (LEVEL | REMOTE_IRR) != REMOTE_IRR
        };
        check(self.table.iter().all(good), "redirection entry")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(chip: &mut IoApic, pin: u8, entry: u64) -> Option<Message> {
        chip.write(false, u32::from(0x11 + 2 * pin));
        assert_eq!(chip.write(true, (entry >> 32) as u32), None);
        chip.write(false, u32::from(0x10 + 2 * pin));
        chip.write(true, entry as u32)
    }

    #[test]
    fn registers_read_back_and_the_read_only_bits_stay() {
        let mut chip = IoApic::new(0);
        chip.write(false, 1);
        assert_eq!(chip.read(true), 0x0017_0011);
        set(&mut chip, 5, 0xab00_0000_0001_ffff);
        chip.write(false, 0x1a);
        assert_eq!((chip.read(false), chip.read(true)), (0x1a, 0x1_afff));
        chip.write(false, 0x1b);
        assert_eq!(chip.read(true), 0xab00_0000);
        chip.write(false, 0x40);
        assert_eq!((chip.write(true, u32::MAX), chip.read(true)), (None, 0), "beyond the last");
    }

    #[test]
    fn an_edge_is_one_message_and_a_masked_one_is_lost() {
        let mut chip = IoApic::new(0);
        assert_eq!(chip.set_pin(4, true), None);
        assert_eq!(set(&mut chip, 4, 0x34), None, "the edge came while it was masked");
        assert_eq!(chip.set_pin(4, true), None, "no rise");
        chip.set_pin(4, false);
        let message = chip.set_pin(4, true).unwrap();
        assert_eq!((message.vector, message.level), (0x34, false));
    }

    #[test]
    fn a_level_asks_again_after_it_was_served() {
        let mut chip = IoApic::new(0);
        chip.set_pin(10, true);
        assert!(set(&mut chip, 10, LEVEL | 0x41).is_some_and(|message| message.level));
        chip.write(false, 0x10 + 20);
        assert_eq!(chip.read(true), (LEVEL | REMOTE_IRR) as u32 | 0x41);
        assert_eq!(set(&mut chip, 10, LEVEL | 0x41), None, "it waits for the EOI");
        assert_eq!(chip.served(0x42).count(), 0);
        assert_eq!(chip.served(0x41).count(), 1, "still asserted");
        chip.set_pin(10, false);
        assert_eq!(chip.served(0x41).count(), 0);
        assert!(chip.set_pin(10, true).is_some());
    }
}
