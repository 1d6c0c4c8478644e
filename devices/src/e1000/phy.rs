//! The PHY in the 82540EM, a Marvell 88E1011 (IEEE 802.3, 22.2.4, and registers of its own): a link of 1000 Mbit/s that has
//! found its partner before anybody asks.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Its address on the management bus.
pub(crate) const ADDRESS: u32 = 1;

/// Control: reset, negotiate anew.
const RESET: u16 = 1 << 15;
const RESTART: u16 = 1 << 9;
const REGISTERS: usize = 32;

/// Values after reset: the link has been negotiated, full duplex, 1000 Mbit/s, with a partner that can do all.
const INITIAL: [(usize, u16); 13] = [
    (0, 0x1140),
    (1, 0x796d),
    (2, 0x0141),
    (3, 0x0c20),
    (4, 0x0de1),
    (5, 0xcde1),
    (6, 0x000f),
    (9, 0x0e00),
    (10, 0x7c00),
    (15, 0x3000),
    (16, 0x0360),
    (17, 0xac0c),
    (20, 0x0c68),
];

/// Bits that can be written.
fn writable(register: usize) -> u16 {
    match register {
        0 => 0x7dff,
        4 | 7 | 16 | 18 | 20 | 24 | 29 | 30 => 0xffff,
        9 => 0xff00,
        _ => 0,
    }
}

/// Its registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Phy([u16; REGISTERS]);

impl Default for Phy {
    /// After reset.
    fn default() -> Self {
        let mut registers = [0; REGISTERS];
        for (register, value) in INITIAL {
            registers[register] = value;
        }
        Phy(registers)
    }
}

impl Phy {
    /// Reads a register.
    pub(crate) fn read(&self, register: u32) -> u16 {
        self.0.get(register as usize).copied().unwrap_or(0xffff)
    }

    /// Writes a register. Whether the link was negotiated anew, which is done by then.
    pub(crate) fn write(&mut self, register: u32, value: u16) -> bool {
        let register = register as usize % REGISTERS;
        if register == 0 && value & RESET != 0 {
            *self = Phy::default();
            return true;
        }
        let mask = writable(register);
        let restart = register == 0 && value & RESTART != 0;
        let value = if register == 0 { value & !RESTART } else { value };
        self.0[register] = self.0[register] & !mask | value & mask;
        restart
    }

    /// Refuses values that no guest could bring about.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let new = Phy::default();
        let fixed = |register: usize| {
            let mask = if register == 0 { writable(0) & !RESTART } else { writable(register) };
            self.0[register] & !mask == new.0[register] & !mask
        };
        check((0..REGISTERS).all(fixed), "PHY of the network adapter")
    }
}
