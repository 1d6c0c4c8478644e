//! The fixed hardware of ACPI: PM1a event and control registers and the power-management timer.
//!
//! Offsets are within one block of I/O ports, whose layout the FADT ([`crate::acpi`]) tells the guest.
//! The machine has no legacy mode: SCI_EN is always set. Events that arise here are the timer's top bit changing, which
//! sets TMR_STS, and the power button, which sets PWRBTN_STS.

use crate::clock;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Offset of the PM1 status and enable registers, two bytes each.
pub(crate) const PM1_EVENT: u16 = 0;
/// Offset of the PM1 control register, two bytes.
pub(crate) const PM1_CONTROL: u16 = 4;
/// Offset of the timer, four bytes.
pub(crate) const TIMER: u16 = 8;
/// Length of the block as the PIIX4 has it: what lies behind the timer reads zero here.
pub(crate) const BLOCK_LEN: u16 = 64;
/// SLP_TYP value of S5, soft off; the DSDT's `\_S5` names it.
pub(crate) const S5: u8 = 5;

/// TMR_STS in the status register, TMR_EN in the enable register.
const TIMER_EVENT: u16 = 0x0001;
/// PWRBTN_STS and PWRBTN_EN.
const POWER_BUTTON: u16 = 0x0100;
/// Bits that exist: timer, global lock, power and sleep button, RTC.
const EVENTS: u16 = 0x0721;
const SCI_EN: u16 = 0x0001;
const SLP_EN: u16 = 0x2000;
const SLP_TYP_SHIFT: u32 = 10;
/// SLP_TYP value of soft off in QEMU's PC, whose block is at the same ports: guests without AML (boot sectors, test kernels)
/// write 2000h to 604h. No sleep state of ours has it.
const QEMU_S5: u8 = 0;
/// The timer has 24 bits; its event is a change of the topmost.
const TIMER_MASK: u64 = 0x00ff_ffff;
const HALF_SHIFT: u32 = 23;

/// PM1a and the timer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pm {
    status: u16,
    enable: u16,
    control: u16,
    /// Changes of the timer's top bit up to here are in the status.
    halves_seen: u64,
}

impl Pm {
    /// After reset, at `now`.
    pub(crate) fn new(now: u64) -> Self {
        let halves_seen = clock::PM_TIMER.ticks(now) >> HALF_SHIFT;
        Pm { status: 0, enable: 0, control: SCI_EN, halves_seen }
    }

    /// Refuses a state that no sequence of accesses up to `now` leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self, now: u64) -> Result<(), StateError> {
        check(
            self.halves_seen <= clock::PM_TIMER.ticks(now) >> HALF_SHIFT,
            "power-management timer",
        )
    }

    /// Brings the status to `now`.
    pub(crate) fn sync(&mut self, now: u64) {
        let halves = clock::PM_TIMER.ticks(now) >> HALF_SHIFT;
        if halves > self.halves_seen {
            self.halves_seen = halves;
            self.status |= TIMER_EVENT;
        }
    }

    /// The power button is pressed. False if nobody is told: the guest does not listen.
    pub(crate) fn press(&mut self) -> bool {
        let told = self.enable & POWER_BUTTON != 0;
        self.status |= if told { POWER_BUTTON } else { 0 };
        told
    }

    /// The system control interrupt (level).
    pub(crate) fn sci(&self) -> bool {
        self.status & self.enable & EVENTS != 0
    }

    /// When the SCI will rise by itself.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let armed = self.enable & TIMER_EVENT != 0 && self.status & TIMER_EVENT == 0;
        armed.then(|| clock::PM_TIMER.ns_at((self.halves_seen + 1) << HALF_SHIFT))
    }

    /// Reads `size` (1..=4) bytes at `offset` of the block at `now`.
    pub(crate) fn read(&mut self, offset: u16, size: u8, now: u64) -> u32 {
        self.sync(now);
        let timer = (clock::PM_TIMER.ticks(now) & TIMER_MASK) as u32;
        let mut block = [0; BLOCK_LEN as usize + 4];
        block[0..2].copy_from_slice(&self.status.to_le_bytes());
        block[2..4].copy_from_slice(&self.enable.to_le_bytes());
        block[4..6].copy_from_slice(&self.control.to_le_bytes());
        block[8..12].copy_from_slice(&timer.to_le_bytes());
        let start = usize::from(offset.min(BLOCK_LEN));
        let taken = usize::from(size.min(4));
        block[start..start + taken].iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
    }

    /// Writes one byte at `offset` of the block; true if that switches the machine off.
    pub(crate) fn write(&mut self, offset: u16, value: u8, now: u64) -> bool {
        self.sync(now);
        let shift = 8 * (offset & 1);
        let bits = u16::from(value) << shift;
        let others = !(0xff << shift);
        match offset & !1 {
            PM1_EVENT => self.status &= !bits,
            0x02 => self.enable = ((self.enable & others) | bits) & EVENTS,
            PM1_CONTROL => {
                self.control = (self.control & others) | bits | SCI_EN;
                let asked = self.control & SLP_EN != 0;
                // SLP_EN is write-only and acts at once.
                self.control &= !SLP_EN;
                let sleep_type = (self.control >> SLP_TYP_SHIFT) as u8 & 7;
                return asked && matches!(sleep_type, S5 | QEMU_S5);
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;

    #[test]
    fn timer_counts_at_its_rate_in_24_bits() {
        let mut pm = Pm::new(0);
        assert_eq!(pm.read(TIMER, 4, SECOND), 3_579_545);
        assert_eq!(pm.read(TIMER, 4, 5 * SECOND), 17_897_727 & 0xff_ffff);
        assert_eq!(pm.read(TIMER + 1, 1, SECOND), 3_579_545 >> 8 & 0xff);
    }

    #[test]
    fn sleep_type_5_with_enable_switches_off() {
        let mut pm = Pm::new(0);
        assert!(!pm.write(PM1_CONTROL + 1, S5 << 2, 0), "not without SLP_EN");
        assert!(!pm.write(PM1_CONTROL + 1, 1 << 2 | 0x20, 0), "not for another sleep type");
        assert!(pm.write(PM1_CONTROL + 1, S5 << 2 | 0x20, 0));
        assert_eq!(pm.read(PM1_CONTROL, 2, 0), 0x1401, "SLP_EN reads 0, SCI_EN 1");
    }

    #[test]
    fn what_switches_qemus_pc_off_does_so_here() {
        let mut pm = Pm::new(0);
        assert!(!pm.write(PM1_CONTROL, 0x00, 0));
        assert!(pm.write(PM1_CONTROL + 1, 0x20, 0));
        assert_eq!(pm.read(PM1_CONTROL, 2, 0), u32::from(SCI_EN));
    }

    #[test]
    fn timer_event_raises_the_sci_until_it_is_cleared() {
        let mut pm = Pm::new(0);
        pm.write(2, 0x01, 0);
        let due = pm.deadline().unwrap();
        pm.sync(due - 1);
        assert!(!pm.sci());
        pm.sync(due);
        assert!(pm.sci());
        assert_eq!(pm.deadline(), None);
        pm.write(PM1_EVENT, 0x01, due);
        assert!(!pm.sci());
        assert_eq!(pm.deadline(), Some(clock::PM_TIMER.ns_at(2 << 23)));
    }

    #[test]
    fn the_power_button_raises_the_sci_of_a_guest_that_listens() {
        let mut pm = Pm::new(0);
        assert!(!pm.press() && !pm.sci());
        assert_eq!(pm.read(0, 2, 0), 0);
        pm.write(3, 0x01, 0);
        assert!(pm.press() && pm.sci());
        assert_eq!(pm.read(0, 2, 0), 0x0100);
        pm.write(1, 0x01, 0);
        assert!(!pm.sci());
    }

    #[test]
    fn block_can_be_read_in_any_width_to_its_end() {
        let mut pm = Pm::new(0);
        for offset in 0..BLOCK_LEN {
            for size in 1..=4 {
                pm.read(offset, size, SECOND);
            }
        }
        pm.write(2, 0xff, 0);
        pm.write(3, 0xff, 0);
        assert_eq!(pm.read(0, 4, 0), 0x0721_0000);
    }
}
