//! The EEPROM of the 82540EM: 64 words on a Microwire bus that software clocks bit by bit, or reads a word at a time (5.3 and
//! 5.6 of the manual). What is written to it is not kept: its contents are the board's.

use crate::link::Mac;
use crate::microwire::{Microwire, WORDS};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bits of EECD: the bus's clock, chip select, data in and out; who may use it; there is one.
const SK: u32 = 1;
const CS: u32 = 2;
const DI: u32 = 4;
const DO: u32 = 8;
const WRITES: u32 = 3 << 4;
const REQUEST: u32 = 1 << 6;
const GRANT: u32 = 1 << 7;
const PRESENT: u32 = 1 << 8;
/// What software sets.
const KEPT: u32 = SK | CS | DI | WRITES | REQUEST;
/// Writes of flash are off.
const AFTER_RESET: u32 = 1 << 4;

/// What all words add up to.
const SUM: u16 = 0xbaba;

/// The EEPROM and the pins that it hangs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Eeprom {
    mac: Mac,
    /// EECD as software has written it.
    pins: u32,
    bus: Microwire,
}

impl Eeprom {
    /// One that holds this address.
    pub(crate) fn new(mac: Mac) -> Self {
        Eeprom { mac, pins: AFTER_RESET, bus: Microwire::default() }
    }

    /// The address in it.
    pub(crate) fn mac(&self) -> Mac {
        self.mac
    }

    /// The pins are as after reset.
    pub(crate) fn reset(&mut self) {
        *self = Eeprom::new(self.mac);
    }

    /// Word `address`.
    pub(crate) fn word(&self, address: u32) -> u16 {
        if address == u32::from(WORDS) - 1 {
            let others = (0..address).map(|at| self.stored(at));
            return others.fold(SUM, u16::wrapping_sub);
        }
        self.stored(address)
    }

    /// A word that is not the sum.
    fn stored(&self, address: u32) -> u16 {
        let [a, b, c, d, e, f] = self.mac.0;
        match address {
            0 => u16::from_le_bytes([a, b]),
            1 => u16::from_le_bytes([c, d]),
            2 => u16::from_le_bytes([e, f]),
            // Initialization control 1; subsystem, its vendor, device, vendor; initialization control 2.
            0x0a => 0x6403,
            0x0b => 0x1100,
            0x0c => 0x1af4,
            0x0d => 0x100e,
            0x0e => 0x8086,
            0x0f => 0x3040,
            // Speed and lights of a copper board.
            0x10 => 0x0008,
            0x14 => 0x1000,
            _ => 0,
        }
    }

    /// EECD.
    pub(crate) fn read(&self) -> u32 {
        let level = if self.bus.level() { DO } else { 0 };
        let grant = if self.pins & REQUEST != 0 { GRANT } else { 0 };
        self.pins | level | grant | PRESENT
    }

    /// Software sets the pins.
    pub(crate) fn write(&mut self, value: u32) {
        let before = self.pins;
        self.pins = value & KEPT;
        if self.pins & CS == 0 {
            self.bus.deselect();
        } else if !before & self.pins & SK != 0 {
            let mut bus = std::mem::take(&mut self.bus);
            bus.clock(self.pins & DI != 0, |address| self.word(address.into()));
            self.bus = bus;
        }
    }

    /// Refuses what no clocking leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.pins & !KEPT == 0, "EEPROM of the network adapter")?;
        self.bus.check()
    }
}
