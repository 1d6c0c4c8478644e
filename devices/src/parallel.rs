//! A parallel port as a register machine (IBM PC/AT, "Parallel Printer Adapter"), with a printer that takes each byte at once
//! unless whoever reads what it prints is behind.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bits of the control register: a byte is on the data lines; INIT is high; the printer is selected; its interrupt is wanted.
const STROBE: u8 = 0x01;
const INIT: u8 = 0x04;
const SELECT_IN: u8 = 0x08;
const IRQ: u8 = 0x10;
/// Bits that read as they are written.
const WRITTEN: u8 = 0x1f;
/// The others read ones.
const FIXED: u8 = 0xe0;

/// The status of a printer that is selected, has paper and no error and can take a byte (bit 7: not busy; bit 6: no
/// acknowledgement at the moment); bits without a line read ones.
const READY: u8 = 0xdf;
const NOT_BUSY: u8 = 0x80;

/// A parallel port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parallel {
    data: u8,
    control: u8,
    /// Nobody takes what is printed.
    #[serde(skip)]
    busy: bool,
}

impl Parallel {
    /// As after a reset.
    pub(crate) fn new() -> Self {
        Parallel { data: 0, control: INIT | SELECT_IN, busy: false }
    }

    /// Refuses what a port could not be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.control & FIXED == 0, "control of a parallel port")
    }

    /// Reads register `offset`: data, status, control.
    pub(crate) fn read(&self, offset: u8) -> u8 {
        match offset {
            0 => self.data,
            1 if self.busy => READY & !NOT_BUSY,
            1 => READY,
            2 => self.control | FIXED,
            _ => 0xff,
        }
    }

    /// Writes register `offset`; the byte that the printer takes, if the strobe rises.
    pub(crate) fn write(&mut self, offset: u8, value: u8) -> Option<u8> {
        match offset {
            0 => self.data = value,
            2 => {
                let before = std::mem::replace(&mut self.control, value & WRITTEN);
                return (value & !before & STROBE != 0).then_some(self.data);
            }
            _ => {}
        }
        None
    }

    /// Whether the printer's acknowledgement is to be an interrupt.
    pub(crate) fn interrupts(&self) -> bool {
        self.control & IRQ != 0
    }

    /// Nobody takes what is printed, or somebody does again.
    pub(crate) fn hold_back(&mut self, busy: bool) {
        self.busy = busy;
    }
}
