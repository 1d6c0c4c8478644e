//! The SMBus host controller of a PIIX4 (Intel 290562, 7.3) on a bus that nobody else is on.
//!
//! Each transfer that is started ends at once: no device answered.

use serde::{Deserialize, Serialize};

/// Registers.
pub(crate) const LEN: usize = 16;

const STATUS: usize = 0;
const CONTROL: usize = 2;
/// Bits of the status that writes of one clear.
const CLEARED: u8 = 0x1e;
const DEVICE_ERROR: u8 = 1 << 2;
const START: u8 = 1 << 6;

/// The registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SmBus([u8; LEN]);

impl SmBus {
    /// Reads a register.
    pub(crate) fn read(&self, register: usize) -> u8 {
        self.0.get(register).copied().unwrap_or(0xff)
    }

    /// Writes a register.
    pub(crate) fn write(&mut self, register: usize, value: u8) {
        let Some(place) = self.0.get_mut(register) else { return };
        match register {
            STATUS => *place &= !(value & CLEARED),
            CONTROL => {
                *place = value & !START;
                if value & START != 0 {
                    self.0[STATUS] |= DEVICE_ERROR;
                }
            }
            _ => *place = value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers_a_transfer() {
        let mut bus = SmBus::default();
        bus.write(4, 0xa1);
        bus.write(CONTROL, 0x48);
        assert_eq!((bus.read(STATUS), bus.read(CONTROL), bus.read(4)), (DEVICE_ERROR, 0x08, 0xa1));
        bus.write(STATUS, 0xff);
        assert_eq!(bus.read(STATUS), 0);
        assert_eq!(bus.read(LEN), 0xff);
    }
}
