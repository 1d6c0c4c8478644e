//! The PC's sixteen interrupt lines: two 8259As, the second's INT on the first's IR2.
//!
//! IRQ 0..=7 are the master's lines, 8..=15 the slave's. The processor sees one INTR line and gets one
//! vector from an INTA cycle, whichever chip it comes from. A line is high while any device drives it high.
//!
//! Where there are APICs, each line is a pin of the I/O APIC too, and the 8259s' INTR goes by the local APIC.

use crate::apics::Apics;
use crate::pic::{Mask, Pic};
use crate::state::StateError;
use serde::{Deserialize, Serialize};

/// Devices that can drive one line.
pub(crate) const MAX_DRIVERS: usize = 60;
/// The driver that stands for the first PIRQ wire; the others follow.
pub(crate) const PIRQ_DRIVER: usize = MAX_DRIVERS;
/// Interrupt lines.
const LINES: usize = 16;

/// The master line that the slave's INT drives.
const CASCADE: u8 = 2;

/// IRQ 0, 1 and 2 belong to the board and are edge-triggered whatever the guest says; so are 8 and 13.
const ELCR_MASTER: u8 = 0xf8;
const ELCR_SLAVE: u8 = 0xde;

/// Which of the two chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chip {
    /// IRQ 0..=7, and INTR.
    Master,
    /// IRQ 8..=15, behind the master's IR2.
    Slave,
}

/// The two chips.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Chips {
    master: Pic,
    slave: Pic,
}

impl Chips {
    fn new() -> Self {
        Chips { master: Pic::new(ELCR_MASTER), slave: Pic::new(ELCR_SLAVE) }
    }
}

/// What the processor has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The request of a line.
    Line(u8),
    /// Another one of the local APIC's: its timer's, a message's.
    Local,
    /// Nothing: the request was gone.
    Nothing,
}

/// Both chips, the wire between them, and who drives the lines.
#[derive(Clone, Debug)]
pub(crate) struct Irqs {
    chips: Chips,
    /// The APICs of a processor that has one.
    pub(crate) apics: Option<Box<Apics>>,
    /// The devices that drive each line high, a bit each.
    drivers: [u64; LINES],
    /// The device that drives IRQ 0 and IRQ 8 in place of all others.
    legacy: Option<usize>,
    /// Something reached the chips since [`Irqs::take_changed`].
    changed: bool,
}

impl Irqs {
    /// Both chips after power-on: everything masked.
    pub(crate) fn new() -> Self {
        Irqs { chips: Chips::new(), apics: None, drivers: [0; LINES], legacy: None, changed: true }
    }

    /// There is a processor with a local APIC, and an I/O APIC.
    pub(crate) fn fit_apics(&mut self) {
        self.apics = Some(Box::new(Apics::new()));
    }

    /// The chips' reset pins. What the devices drive stays, and a line that is high rises once more.
    pub(crate) fn reset(&mut self) {
        self.chips = Chips::new();
        self.changed = true;
        self.wire();
        for irq in 0..=15 {
            if self.level(irq) {
                self.set(irq, true);
            }
        }
    }

    /// The local APIC's reset.
    pub(crate) fn reset_local_apic(&mut self) {
        let intr = self.chips.master.request().is_some();
        if let Some(apics) = &mut self.apics {
            apics.reset_local(intr);
        }
        self.changed = true;
    }

    /// No device drives any line: as before power-on.
    pub(crate) fn release(&mut self) {
        (self.drivers, self.legacy) = ([0; LINES], None);
        (0..=15).for_each(|irq| self.set(irq, false));
        if let Some(apics) = &mut self.apics {
            apics.release_pins();
        }
    }

    /// The chips' state.
    pub(crate) fn chips(&self) -> &Chips {
        &self.chips
    }

    /// Takes over the chips' state. The levels that they saw are part of it.
    ///
    /// # Errors
    /// When a chip cannot be in that state.
    pub(crate) fn set_chips(&mut self, chips: Chips) -> Result<(), StateError> {
        chips.master.check()?;
        chips.slave.check()?;
        self.chips = chips;
        self.changed = true;
        self.wire();
        Ok(())
    }

    /// Whether device `slot` drives line `irq` high.
    #[inline]
    pub(crate) fn drives(&self, slot: usize, irq: u8) -> bool {
        self.drivers[usize::from(irq & 15)] & 1 << slot != 0
    }

    /// The level of line `irq`.
    pub(crate) fn level(&self, irq: u8) -> bool {
        let all = self.drivers[usize::from(irq & 15)];
        let these = match self.legacy {
            Some(slot) if irq & 7 == 0 => all & 1 << slot,
            _ => all,
        };
        these != 0
    }

    /// Device `legacy` alone drives IRQ 0 and IRQ 8 from now on.
    pub(crate) fn replace_legacy(&mut self, legacy: Option<usize>) {
        let before = [0, 8].map(|irq| self.level(irq));
        self.legacy = legacy;
        for (irq, before) in [0, 8].into_iter().zip(before) {
            if self.level(irq) != before {
                self.set(irq, !before);
            }
        }
    }

    /// Whether a request of line `irq` waits to be taken by the processor.
    pub(crate) fn is_requested(&self, irq: u8) -> bool {
        if let Some(requested) = self.apics.as_ref().and_then(|apics| apics.is_requested(irq)) {
            return requested;
        }
        let chip = if irq < 8 { &self.chips.master } else { &self.chips.slave };
        chip.is_requested(irq & 7)
    }

    /// Device `slot` has been driving line `irq` high, or not: nothing changes for the chips.
    pub(crate) fn restore(&mut self, slot: usize, irq: u8, level: bool) {
        let drivers = &mut self.drivers[usize::from(irq & 15)];
        *drivers = if level { *drivers | 1 << slot } else { *drivers & !(1 << slot) };
    }

    /// Line `irq` has fallen because its device was served.
    fn withdraw(&mut self, irq: u8) {
        if irq < 8 {
            self.chips.master.withdraw(irq);
        } else {
            self.chips.slave.withdraw(irq & 7);
            self.cascade();
            self.chips.master.withdraw(CASCADE);
        }
        self.wire();
    }

    /// Device `slot` lowers line `irq`; a request that it made by raising it stands.
    pub(crate) fn lower(&mut self, slot: usize, irq: u8) {
        if self.drives(slot, irq) {
            self.change(slot, irq & 15, false);
        }
    }

    /// Driver `slot` (0..=63) drives line `irq` (0..=15). When it falls, the request is taken back.
    #[inline]
    pub(crate) fn drive(&mut self, slot: usize, irq: u8, level: bool) {
        if self.drives(slot, irq) != level {
            // (One in whose place another drives the line takes nothing back.)
            let was = self.level(irq);
            self.change(slot, irq & 15, level);
            if was && !self.level(irq) {
                self.withdraw(irq & 15);
            }
        }
    }

    fn change(&mut self, slot: usize, irq: u8, level: bool) {
        let before = self.level(irq);
        self.restore(slot, irq, level);
        let now = self.level(irq);
        if before != now {
            self.set(irq, now);
        }
    }

    fn set(&mut self, irq: u8, level: bool) {
        self.changed = true;
        if irq < 8 {
            self.chips.master.set_line(irq, level);
        } else {
            self.chips.slave.set_line(irq & 7, level);
            self.cascade();
        }
        if let Some(apics) = &mut self.apics {
            apics.set_line(irq, level);
        }
        self.wire();
    }

    /// The local APIC sees the 8259s' INTR.
    #[inline]
    fn wire(&mut self) {
        if let Some(apics) = &mut self.apics {
            apics.set_intr(self.chips.master.request().is_some());
        }
    }

    fn cascade(&mut self) {
        self.chips.master.set_line(CASCADE, self.chips.slave.request().is_some());
    }

    /// The INTR line.
    #[inline]
    pub(crate) fn intr(&self) -> bool {
        let asked = self.chips.master.request().is_some();
        match &self.apics {
            None => asked,
            Some(apics) => {
                apics.local().request().is_some() || (asked && apics.lets_8259_through())
            }
        }
    }

    /// Whether an NMI waits for the processor.
    #[inline]
    pub(crate) fn nmi(&self) -> bool {
        self.apics.as_ref().is_some_and(|apics| apics.local().has_nmi())
    }

    /// The 8259s' masks and requests decide alone what reaches the processor.
    pub(crate) fn are_plain(&self) -> bool {
        self.apics.as_ref().is_none_or(|apics| apics.lets_8259_through())
    }

    /// Whether INTR would be asserted if line `irq` rose: it is not masked, and nothing in service holds it back.
    pub(crate) fn can_interrupt(&self, irq: u8) -> bool {
        if self.apics.as_ref().is_some_and(|apics| apics.listens_to(irq & 15)) {
            return true;
        }
        let mut then = self.clone();
        then.set(irq & 15, false);
        then.set(irq & 15, true);
        let heard = then.apics.as_ref().is_some_and(|apics| apics.local().hears_8259());
        then.intr() || (heard && then.chips.master.request().is_some())
    }

    /// The processor takes the interrupt that it is asked to: its vector, and what it stands for.
    pub(crate) fn take(&mut self) -> (u8, Taken) {
        if let Some(apics) = &mut self.apics
            && (apics.local().request().is_some() || !apics.lets_8259_through())
        {
            let (vector, taken) = apics.local_mut().ack();
            let line = taken.and_then(|vector| apics.line_of(vector));
            let of = |taken| if taken { Taken::Local } else { Taken::Nothing };
            return (vector, line.map_or(of(taken.is_some()), Taken::Line));
        }
        let (vector, irq) = self.ack();
        self.wire();
        (vector, irq.map_or(Taken::Nothing, Taken::Line))
    }

    /// An INTA cycle of the 8259s: the vector, and the IRQ it stands for unless it is spurious.
    fn ack(&mut self) -> (u8, Option<u8>) {
        self.changed = true;
        match self.chips.master.ack() {
            None => (self.chips.master.vector(7), None),
            Some(CASCADE) => {
                let level = self.chips.slave.ack();
                // The slave's INT falls with INTA and rises again for whatever else it has to say.
                self.chips.master.set_line(CASCADE, false);
                self.cascade();
                (self.chips.slave.vector(level.unwrap_or(7)), level.map(|level| level + 8))
            }
            Some(level) => (self.chips.master.vector(level), Some(level)),
        }
    }

    fn chip(&mut self, chip: Chip) -> &mut Pic {
        self.changed = true;
        match chip {
            Chip::Master => &mut self.chips.master,
            Chip::Slave => &mut self.chips.slave,
        }
    }

    /// [`Irqs::take_changed`] is to say so.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// Whether masks and requests can be others than at the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The master's mask and the slave's.
    pub(crate) fn masks(&self) -> [Mask; 2] {
        [self.chips.master.mask(), self.chips.slave.mask()]
    }

    /// Sets both masks, to what [`Irqs::masks`] allows.
    pub(crate) fn set_masks(&mut self, masks: [u8; 2]) {
        self.chips.master.set_mask(masks[0]);
        self.chips.slave.set_mask(masks[1]);
        self.cascade();
        self.wire();
    }

    /// Reads a chip's even or odd port.
    pub(crate) fn read(&mut self, chip: Chip, a0: bool) -> u8 {
        let value = self.chip(chip).read(a0);
        self.cascade();
        self.wire();
        value
    }

    /// Writes a chip's even or odd port.
    pub(crate) fn write(&mut self, chip: Chip, a0: bool, value: u8) {
        self.chip(chip).write(a0, value);
        self.cascade();
        self.wire();
    }

    /// Reads a chip's edge/level control register.
    pub(crate) fn elcr(&mut self, chip: Chip) -> u8 {
        self.chip(chip).elcr()
    }

    /// Writes a chip's edge/level control register.
    pub(crate) fn set_elcr(&mut self, chip: Chip, value: u8) {
        self.chip(chip).set_elcr(value);
        self.cascade();
        self.wire();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Irqs {
        let mut irqs = Irqs::new();
        for (chip, base, icw3) in [(Chip::Master, 0x20, 4), (Chip::Slave, 0x28, 2)] {
            irqs.write(chip, false, 0x11);
            for value in [base, icw3, 1, 0] {
                irqs.write(chip, true, value);
            }
        }
        irqs
    }

    fn edge(irqs: &mut Irqs, irq: u8) {
        irqs.set(irq, false);
        irqs.set(irq, true);
    }

    fn eoi(irqs: &mut Irqs, chip: Chip) {
        irqs.write(chip, false, 0x20);
    }

    #[test]
    fn slave_interrupt_comes_with_the_slaves_vector() {
        let mut irqs = ready();
        edge(&mut irqs, 12);
        assert!(irqs.intr());
        assert_eq!(irqs.ack(), (0x2c, Some(12)));
        assert!(!irqs.intr());
        irqs.write(Chip::Master, false, 0x0b);
        assert_eq!(irqs.read(Chip::Master, false), 4, "the master serves its IR2");
    }

    #[test]
    fn slave_ranks_at_ir2() {
        let mut irqs = ready();
        for irq in [3, 8, 1] {
            edge(&mut irqs, irq);
        }
        assert_eq!(irqs.ack().1, Some(1));
        eoi(&mut irqs, Chip::Master);
        assert_eq!(irqs.ack().1, Some(8));
        eoi(&mut irqs, Chip::Slave);
        eoi(&mut irqs, Chip::Master);
        assert_eq!(irqs.ack().1, Some(3));
    }

    #[test]
    fn second_slave_interrupt_is_not_lost() {
        let mut irqs = ready();
        edge(&mut irqs, 9);
        assert_eq!(irqs.ack().1, Some(9));
        edge(&mut irqs, 8);
        edge(&mut irqs, 14);
        assert!(!irqs.intr(), "IR2 is in service in the master");
        eoi(&mut irqs, Chip::Slave);
        eoi(&mut irqs, Chip::Master);
        assert_eq!(irqs.ack().1, Some(8));
        eoi(&mut irqs, Chip::Slave);
        eoi(&mut irqs, Chip::Master);
        assert_eq!(irqs.ack().1, Some(14));
    }

    #[test]
    fn special_fully_nested_master_lets_the_slave_nest() {
        let mut irqs = ready();
        irqs.write(Chip::Master, false, 0x11);
        for value in [0x20, 4, 0x11, 0] {
            irqs.write(Chip::Master, true, value);
        }
        edge(&mut irqs, 12);
        assert_eq!(irqs.ack().1, Some(12));
        edge(&mut irqs, 9);
        assert_eq!(irqs.ack().1, Some(9));
    }

    #[test]
    fn request_withdrawn_before_inta_is_spurious() {
        let mut irqs = ready();
        edge(&mut irqs, 3);
        irqs.write(Chip::Master, true, 0x08);
        assert_eq!(irqs.ack(), (0x27, None));
        irqs.write(Chip::Master, true, 0);
        assert_eq!(irqs.ack(), (0x23, Some(3)));
        eoi(&mut irqs, Chip::Master);

        edge(&mut irqs, 10);
        irqs.write(Chip::Slave, true, 0xff);
        assert_eq!(irqs.ack(), (0x2f, None), "the master had latched IR2: spurious IRQ 15");
        irqs.write(Chip::Master, false, 0x0b);
        assert_eq!(irqs.read(Chip::Master, false), 4, "which needs an EOI at the master");
    }

    #[test]
    fn a_device_that_was_served_takes_its_request_back() {
        for irq in [1, 12] {
            let mut irqs = ready();
            irqs.drive(1, irq, true);
            assert!(irqs.intr() && irqs.is_requested(irq));
            irqs.drive(1, irq, false);
            assert!(!irqs.intr() && !irqs.is_requested(irq), "IRQ {irq}");
            irqs.drive(1, irq, true);
            irqs.lower(1, irq);
            assert_eq!(irqs.ack().1, Some(irq), "a pulse is not lost");
        }
    }

    #[test]
    fn a_line_is_high_while_any_device_drives_it() {
        let mut irqs = ready();
        irqs.set_elcr(Chip::Slave, 0x08);
        irqs.drive(1, 11, true);
        irqs.drive(2, 11, true);
        assert_eq!(irqs.ack().1, Some(11));
        irqs.drive(1, 11, false);
        eoi(&mut irqs, Chip::Slave);
        eoi(&mut irqs, Chip::Master);
        assert_eq!(irqs.ack().1, Some(11), "the other still asks");
        irqs.drive(2, 11, false);
        eoi(&mut irqs, Chip::Slave);
        eoi(&mut irqs, Chip::Master);
        assert!(!irqs.intr());
    }
}
