//! A serial EEPROM of 64 words on a Microwire bus (93C46), as network adapters have it: reads alone, bit by bit. What is
//! written to it is not kept.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Words that it has.
pub(crate) const WORDS: u8 = 64;
/// A command: a start bit, two of an operation, six of an address.
const COMMAND: u8 = 9;
const READ: u16 = 6;

/// Where a conversation with it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Microwire {
    /// Bits of a command that have come in, and how many.
    command: u16,
    count: u8,
    /// The bit that goes out next, counted from the first word's highest, while words are read.
    out: Option<u16>,
    /// The data output.
    level: bool,
}

impl Microwire {
    /// Its chip select falls.
    pub(crate) fn deselect(&mut self) {
        *self = Microwire::default();
    }

    /// The data output.
    pub(crate) fn level(&self) -> bool {
        self.level
    }

    /// A rising edge of the clock, with `bit` at the data input. `word` has what is stored, by address.
    pub(crate) fn clock(&mut self, bit: bool, word: impl Fn(u8) -> u16) {
        if let Some(at) = self.out {
            let address = u8::try_from(at / 16).unwrap_or(0) % WORDS;
            self.level = word(address) << (at % 16) & 0x8000 != 0;
            self.out = Some((at + 1) % (u16::from(WORDS) * 16));
            return;
        }
        // A command begins with a one.
        if self.count == 0 && !bit || self.count >= COMMAND {
            return;
        }
        self.command = self.command << 1 | u16::from(bit);
        self.count += 1;
        if self.count == COMMAND && self.command >> 6 == READ {
            self.out = Some((self.command & 0x3f) * 16);
            self.level = false;
        }
    }

    /// Refuses what no clocking leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let bits = self.count <= COMMAND && self.command >> COMMAND == 0;
        let out = self.out.is_none_or(|at| at < u16::from(WORDS) * 16);
        check(bits && out, "EEPROM of a network adapter")
    }
}
