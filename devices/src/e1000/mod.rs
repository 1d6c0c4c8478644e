//! An Intel 82540EM gigabit Ethernet controller, by Intel's software developer's manual for the family (8254x, 317453).
//!
//! Its registers are a table (`registers`); what happens beside a register's being written is here. Descriptors are worked on in
//! the access that hands them over (`transmit`), or when a frame comes in (`receive`); what is more than a burst a
//! moment later, so that no access takes long. The link is up and fast from the start: nobody pulls this cable. There is no wake-up, no
//! manageability and no moderation of interrupts, which come as fast as the guest takes them.

mod checksum;
mod eeprom;
mod offload;
mod phy;
mod receive;
mod registers;
#[cfg(test)]
mod tests;
mod transmit;

use crate::ctx::Ctx;
use crate::link::Mac;
use crate::state::{StateError, check};
use eeprom::Eeprom;
use offload::{MOST, Offload};
use phy::Phy;
use registers::{Registers, at, cause};
use serde::{Deserialize, Serialize};

/// Nanoseconds until more descriptors are worked on.
const SOON: u64 = 10_000;

/// CTRL: link up is set by software; reset; VLAN tags are stripped and inserted; reset of the PHY.
const CTRL_SLU: u32 = 1 << 6;
const CTRL_RST: u32 = 1 << 26;
const CTRL_VME: u32 = 1 << 30;
const CTRL_PHY_RST: u32 = 1 << 31;
/// EERD: start, done.
const EERD_START: u32 = 1;
const EERD_DONE: u32 = 1 << 4;
/// MDIC: write, read, ready, error.
const MDIC_WRITE: u32 = 1 << 26;
const MDIC_READ: u32 = 1 << 27;
const MDIC_READY: u32 = 1 << 28;
const MDIC_INTERRUPT: u32 = 1 << 29;
const MDIC_ERROR: u32 = 1 << 30;

/// The controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct E1000 {
    regs: Registers,
    phy: Phy,
    eeprom: Eeprom,
    /// What the last context descriptor said.
    offload: Offload,
    /// The frame that is put together of several descriptors, so far.
    frame: Vec<u8>,
    /// It is too long to be one.
    oversize: bool,
    /// When more descriptors are worked on.
    again: Option<u64>,
}

impl E1000 {
    /// A controller with this address in its EEPROM, after reset.
    pub(crate) fn new(mac: Mac) -> Self {
        let mut chip = E1000 {
            regs: Registers::default(),
            phy: Phy::default(),
            eeprom: Eeprom::new(mac),
            offload: Offload::default(),
            frame: Vec::new(),
            oversize: false,
            again: None,
        };
        chip.reset();
        chip
    }

    /// The reset line, or that of CTRL. The address is read from the EEPROM again.
    pub(crate) fn reset(&mut self) {
        self.regs = Registers::default();
        self.phy = Phy::default();
        self.eeprom.reset();
        self.offload = Offload::default();
        self.frame = Vec::new();
        (self.oversize, self.again) = (false, None);
        let [a, b, c, d, e, f] = self.eeprom.mac().0;
        self.regs.set(at::RAL0, u32::from_le_bytes([a, b, c, d]));
        self.regs.set(at::RAH0, u32::from_le_bytes([e, f, 0, 0]) | registers::RAH_AV);
    }

    /// The level of the interrupt pin.
    pub(crate) fn interrupt(&self) -> bool {
        self.regs.get(at::ICR) & self.regs.get(at::IMS) != 0
    }

    /// When it next does something by itself.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.again
    }

    /// That time may have come.
    pub(crate) fn wake(&mut self, ctx: &mut Ctx<'_>) {
        if self.again.is_some_and(|again| again <= ctx.now()) {
            self.transmit(ctx);
        }
    }

    /// Reads the register at `offset`, a multiple of 4.
    pub(crate) fn read(&mut self, offset: u32) -> u32 {
        match offset {
            at::ICR => self.regs.take(offset),
            at::EECD => self.eeprom.read(),
            // Only in IMS can the mask be read; ICS is written alone.
            at::IMC | at::ICS => 0,
            _ if registers::is_count(offset) => self.regs.take(offset),
            _ => self.regs.get(offset),
        }
    }

    /// Writes the register at `offset`, a multiple of 4.
    pub(crate) fn write(&mut self, offset: u32, value: u32, ctx: &mut Ctx<'_>) {
        match offset {
            at::CTRL => self.control(value),
            at::EECD => self.eeprom.write(value),
            at::EERD if value & EERD_START != 0 => {
                let word = self.eeprom.word(value >> 8 & 0xff);
                self.regs.set(offset, u32::from(word) << 16 | value & 0xff00 | EERD_DONE);
            }
            at::MDIC => self.management(value),
            at::ICR => self.regs.clear_bits(at::ICR, value),
            at::ICS => self.cause(value),
            at::IMS => self.regs.set_bits(at::IMS, value & cause::ALL),
            at::IMC => self.regs.clear_bits(at::IMS, value),
            at::TDT | at::TCTL => {
                self.regs.put(offset, value);
                self.transmit(ctx);
            }
            _ => self.regs.put(offset, value),
        }
    }

    fn control(&mut self, value: u32) {
        if value & CTRL_RST != 0 {
            self.reset();
            return;
        }
        let before = self.regs.get(at::CTRL);
        if value & CTRL_PHY_RST != 0 {
            self.phy = Phy::default();
        }
        self.regs.put(at::CTRL, value & !CTRL_PHY_RST);
        if !before & value & CTRL_SLU != 0 {
            self.cause(cause::LSC);
        }
    }

    /// An access to a register of the PHY.
    fn management(&mut self, value: u32) {
        let (register, phy) = (value >> 16 & 0x1f, value >> 21 & 0x1f);
        let mut answer = value | MDIC_READY;
        match value & (MDIC_READ | MDIC_WRITE) {
            _ if phy != phy::ADDRESS => answer |= MDIC_ERROR,
            MDIC_READ => answer = answer & !0xffff | u32::from(self.phy.read(register)),
            MDIC_WRITE => {
                if self.phy.write(register, (value & 0xffff) as u16) {
                    self.cause(cause::LSC);
                }
            }
            _ => answer |= MDIC_ERROR,
        }
        self.regs.set(at::MDIC, answer);
        if value & MDIC_INTERRUPT != 0 {
            self.cause(cause::MDAC);
        }
    }

    fn cause(&mut self, bits: u32) {
        self.regs.set_bits(at::ICR, bits & cause::ALL);
    }

    /// Refuses what no controller with this address could be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self, mac: Mac) -> Result<(), StateError> {
        self.regs.check()?;
        self.phy.check()?;
        check(self.eeprom.mac() == mac, "address of the network adapter")?;
        self.eeprom.check()?;
        check(self.frame.len() <= MOST, "frame that is put together")
    }
}
