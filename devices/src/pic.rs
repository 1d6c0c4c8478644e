//! One Intel 8259A programmable interrupt controller, as a pure register machine.
//!
//! Eight request lines (IR0..IR7) compete by priority; the winner raises INT, and an INTA cycle moves
//! it from the request register (IRR) to the in-service register (ISR), where it holds back its equals
//! and lessers until an end-of-interrupt command. Names (ICW, OCW, ...) are the data sheet's.
//!
//! An edge is latched in IRR. The data sheet wants the line high until INTA: a device that was served before takes its
//! request back ([`Pic::withdraw`]), and no interrupt comes (QEMU delivers it nevertheless). What falls for another
//! reason leaves the request: with time in jumps, the short pulse of a timer must not get lost. A level-triggered request
//! follows its line. Two chips are joined in [`crate::irq`].

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Which initialisation word the next write to the odd port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Init {
    Ready,
    Icw2,
    Icw3,
    Icw4,
}

/// A controller's mask, and what a write of it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// The mask (IMR).
    pub mask: u8,
    /// The requests (IRR), when the controller asks for no interrupt and its odd port is the mask's: a mask that covers
    /// them leaves everything but itself as it is.
    pub requests: Option<u8>,
}

/// An 8259A.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pic {
    irr: u8,
    isr: u8,
    imr: u8,
    lines: u8,
    elcr: u8,
    elcr_mask: u8,
    /// The level with the lowest priority; the one after it (modulo 8) has the highest.
    lowest: u8,
    base: u8,
    init: Init,
    icw1: u8,
    icw4: u8,
    icw3: u8,
    rotate_on_aeoi: bool,
    special_mask: bool,
    poll: bool,
    read_isr: bool,
}

const ICW1_IC4: u8 = 0x01;
const ICW1_SNGL: u8 = 0x02;
const ICW1_LTIM: u8 = 0x08;
const ICW1: u8 = 0x10;
const ICW4_AEOI: u8 = 0x02;
const ICW4_SFNM: u8 = 0x10;
const OCW3: u8 = 0x08;

impl Pic {
    /// A chip after power-on. `elcr_mask` has a one for each line that the edge/level control
    /// register may make level-triggered.
    pub(crate) fn new(elcr_mask: u8) -> Self {
        Pic {
            irr: 0,
            isr: 0,
            imr: 0xff,
            lines: 0,
            elcr: 0,
            elcr_mask,
            lowest: 7,
            base: 0,
            init: Init::Ready,
            icw1: 0,
            icw4: 0,
            icw3: 0,
            rotate_on_aeoi: false,
            special_mask: false,
            poll: false,
            read_isr: false,
        }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.lowest < 8, "lowest priority")?;
        check(self.base & 7 == 0, "vector base")?;
        check(self.elcr & !self.elcr_mask == 0, "edge/level control")
    }

    /// Lines whose request follows their level.
    fn level_lines(&self) -> u8 {
        if self.icw1 & ICW1_LTIM != 0 { 0xff } else { self.elcr }
    }

    /// Drives request line `ir` (0..=7).
    pub(crate) fn set_line(&mut self, ir: u8, level: bool) {
        let bit = 1 << (ir & 7);
        let rising = level && self.lines & bit == 0;
        self.lines = if level { self.lines | bit } else { self.lines & !bit };
        if self.level_lines() & bit != 0 {
            self.irr = (self.irr & !bit) | (self.lines & bit);
        } else if rising {
            self.irr |= bit;
        }
    }

    /// Line `ir` (0..=7) has fallen because its device has nothing to ask for any more.
    pub(crate) fn withdraw(&mut self, ir: u8) {
        let bit = 1 << (ir & 7);
        self.irr &= !bit | self.lines;
    }

    /// Priority (0 is highest) of the most urgent level in `levels`; 8 if there is none.
    fn priority(&self, levels: u8) -> u32 {
        levels.rotate_right(u32::from(self.lowest + 1) & 7).trailing_zeros()
    }

    fn level_of(&self, priority: u32) -> u8 {
        let [priority, ..] = priority.to_le_bytes();
        (priority + self.lowest + 1) & 7
    }

    /// Whether level `ir` asks to be served.
    pub(crate) fn is_requested(&self, ir: u8) -> bool {
        self.irr & 1 << (ir & 7) != 0
    }

    /// The level that drives INT, if any does.
    pub(crate) fn request(&self) -> Option<u8> {
        if self.init != Init::Ready {
            return None;
        }
        let wanting = self.priority(self.irr & !self.imr);
        let mut serving = self.isr;
        if self.special_mask {
            serving &= !self.imr;
        }
        if self.icw4 & ICW4_SFNM != 0 {
            // Special fully nested mode: a slave in service may interrupt again through its line.
            serving &= !self.icw3;
        }
        (wanting < self.priority(serving)).then(|| self.level_of(wanting))
    }

    /// The mask, and what a write of it can do.
    pub(crate) fn mask(&self) -> Mask {
        let plain = self.init == Init::Ready && self.request().is_none();
        Mask { mask: self.imr, requests: plain.then_some(self.irr) }
    }

    /// Sets the mask.
    pub(crate) fn set_mask(&mut self, mask: u8) {
        self.imr = mask;
    }

    /// The vector that this chip puts on the bus for `level`.
    pub(crate) fn vector(&self, level: u8) -> u8 {
        self.base | (level & 7)
    }

    /// An INTA cycle: takes the request that wins, if one still stands. On `None` the chip answers
    /// with level 7 and sets no in-service bit (a spurious interrupt).
    pub(crate) fn ack(&mut self) -> Option<u8> {
        let level = self.request()?;
        let bit = 1 << level;
        if self.level_lines() & bit == 0 {
            self.irr &= !bit;
        }
        if self.icw4 & ICW4_AEOI == 0 {
            self.isr |= bit;
        } else if self.rotate_on_aeoi {
            self.lowest = level;
        }
        Some(level)
    }

    /// Reads the even (`a0` false) or odd port. A read after the poll command is an INTA cycle.
    pub(crate) fn read(&mut self, a0: bool) -> u8 {
        if self.poll {
            self.poll = false;
            return self.ack().map_or(0, |level| 0x80 | level);
        }
        match (a0, self.read_isr) {
            (true, _) => self.imr,
            (false, true) => self.isr,
            (false, false) => self.irr,
        }
    }

    /// Writes the even (`a0` false) or odd port.
    pub(crate) fn write(&mut self, a0: bool, value: u8) {
        match (a0, self.init) {
            (false, _) if value & ICW1 != 0 => self.write_icw1(value),
            (false, _) if value & OCW3 != 0 => self.write_ocw3(value),
            (false, _) => self.write_ocw2(value),
            (true, Init::Ready) => self.imr = value,
            (true, Init::Icw2) => {
                self.base = value & 0xf8;
                self.init = if self.icw1 & ICW1_SNGL == 0 { Init::Icw3 } else { self.after_icw3() };
            }
            (true, Init::Icw3) => {
                self.icw3 = value;
                self.init = self.after_icw3();
            }
            (true, Init::Icw4) => {
                self.icw4 = value;
                self.init = Init::Ready;
            }
        }
    }

    fn after_icw3(&self) -> Init {
        if self.icw1 & ICW1_IC4 != 0 { Init::Icw4 } else { Init::Ready }
    }

    fn write_icw1(&mut self, value: u8) {
        self.icw1 = value;
        self.icw3 = 0;
        self.icw4 = 0;
        self.imr = 0;
        self.isr = 0;
        // Edge detection starts anew: a line that is already high needs another rising edge.
        self.irr = self.lines & self.level_lines();
        self.lowest = 7;
        self.rotate_on_aeoi = false;
        self.special_mask = false;
        self.poll = false;
        self.read_isr = false;
        self.init = Init::Icw2;
    }

    fn write_ocw2(&mut self, value: u8) {
        let named = value & 7;
        match value >> 5 {
            0b000 => self.rotate_on_aeoi = false,
            0b100 => self.rotate_on_aeoi = true,
            0b001 => drop(self.end_of_interrupt()),
            0b101 => {
                if let Some(level) = self.end_of_interrupt() {
                    self.lowest = level;
                }
            }
            0b011 => self.isr &= !(1 << named),
            0b111 => {
                self.isr &= !(1 << named);
                self.lowest = named;
            }
            0b110 => self.lowest = named,
            _ => {}
        }
    }

    /// Non-specific EOI: ends the most urgent level in service. In special mask mode the masked
    /// levels are left alone.
    fn end_of_interrupt(&mut self) -> Option<u8> {
        let serving = if self.special_mask { self.isr & !self.imr } else { self.isr };
        let priority = self.priority(serving);
        if priority > 7 {
            return None;
        }
        let level = self.level_of(priority);
        self.isr &= !(1 << level);
        Some(level)
    }

    fn write_ocw3(&mut self, value: u8) {
        if value & 0x40 != 0 {
            self.special_mask = value & 0x20 != 0;
        }
        if value & 0x04 != 0 {
            self.poll = true;
        } else if value & 0x02 != 0 {
            self.read_isr = value & 0x01 != 0;
        }
    }

    /// The edge/level control register (a chipset's addition to the 8259A).
    pub(crate) fn elcr(&self) -> u8 {
        self.elcr
    }

    /// Writes the edge/level control register.
    pub(crate) fn set_elcr(&mut self, value: u8) {
        self.elcr = value & self.elcr_mask;
        let levels = self.level_lines();
        self.irr = (self.irr & !levels) | (self.lines & levels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(icw4: u8) -> Pic {
        let mut pic = Pic::new(0xf8);
        for (a0, value) in [(false, 0x11), (true, 0x40), (true, 0x04), (true, icw4)] {
            pic.write(a0, value);
        }
        pic
    }

    fn pulse(pic: &mut Pic, ir: u8) {
        pic.set_line(ir, true);
        pic.set_line(ir, false);
    }

    fn irr(pic: &mut Pic) -> u8 {
        pic.write(false, 0x0a);
        pic.read(false)
    }

    fn isr(pic: &mut Pic) -> u8 {
        pic.write(false, 0x0b);
        pic.read(false)
    }

    #[test]
    fn lower_number_wins_and_holds_back_the_rest() {
        let mut pic = ready(1);
        pulse(&mut pic, 5);
        pulse(&mut pic, 3);
        assert_eq!(pic.ack(), Some(3));
        assert_eq!(pic.request(), None, "5 waits while 3 is served");
        pulse(&mut pic, 1);
        assert_eq!(pic.ack(), Some(1), "1 nests");
        assert_eq!(isr(&mut pic), 0b1010);
        pic.write(false, 0x20);
        assert_eq!(isr(&mut pic), 0b1000, "EOI ends the most urgent first");
        pic.write(false, 0x20);
        assert_eq!(pic.ack(), Some(5));
    }

    #[test]
    fn vector_is_base_plus_level_and_the_mask_holds_requests() {
        let mut pic = ready(1);
        pic.write(true, 0x10);
        pulse(&mut pic, 4);
        assert_eq!(pic.request(), None);
        assert_eq!(irr(&mut pic), 0x10, "masked, yet latched");
        assert_eq!(pic.read(true), 0x10);
        pic.write(true, 0);
        assert_eq!(pic.ack(), Some(4));
        assert_eq!(pic.vector(4), 0x44);
    }

    #[test]
    fn several_edges_are_one_request() {
        let mut pic = ready(1);
        pulse(&mut pic, 0);
        pulse(&mut pic, 0);
        assert_eq!(pic.ack(), Some(0));
        pic.write(false, 0x20);
        assert_eq!(pic.ack(), None, "and nothing pending is spurious: no in-service bit");
        assert_eq!(isr(&mut pic), 0);
    }

    #[test]
    fn level_line_requests_until_it_falls() {
        let mut pic = ready(1);
        pic.set_elcr(0xff);
        assert_eq!(pic.elcr(), 0xf8, "the low lines stay edge-triggered");
        pic.set_line(5, true);
        assert_eq!(pic.ack(), Some(5));
        pic.write(false, 0x65);
        assert_eq!(pic.request(), Some(5), "still high");
        pic.set_line(5, false);
        assert_eq!(pic.request(), None);
    }

    #[test]
    fn held_edge_line_needs_a_new_edge_after_icw1() {
        let mut pic = ready(1);
        pic.set_line(2, true);
        assert_eq!(pic.request(), Some(2));
        pic.write(false, 0x11);
        for value in [0x40, 4, 1] {
            pic.write(true, value);
        }
        assert_eq!(pic.request(), None);
        pic.set_line(2, false);
        pic.set_line(2, true);
        assert_eq!(pic.request(), Some(2));
    }

    #[test]
    fn automatic_eoi_leaves_nothing_in_service_and_may_rotate() {
        let mut pic = ready(3);
        pic.write(false, 0x80);
        pulse(&mut pic, 2);
        assert_eq!(pic.ack(), Some(2));
        assert_eq!(isr(&mut pic), 0);
        pulse(&mut pic, 2);
        pulse(&mut pic, 7);
        assert_eq!(pic.ack(), Some(7), "2 is now the lowest");
    }

    #[test]
    fn rotation_commands_move_the_lowest_priority() {
        let mut pic = ready(1);
        pic.write(false, 0xc0 | 4);
        for ir in [4, 5] {
            pulse(&mut pic, ir);
        }
        assert_eq!(pic.ack(), Some(5));
        pic.write(false, 0xa0);
        for ir in [5, 6] {
            pulse(&mut pic, ir);
        }
        assert_eq!(pic.ack(), Some(6), "rotate on EOI put 5 last");
        pic.write(false, 0xe0 | 6);
        assert_eq!(isr(&mut pic), 0);
        assert_eq!(pic.ack(), Some(4));
    }

    #[test]
    fn special_mask_mode_lets_lesser_levels_in() {
        let mut pic = ready(1);
        pulse(&mut pic, 3);
        assert_eq!(pic.ack(), Some(3));
        pic.write(true, 0x08);
        pulse(&mut pic, 6);
        assert_eq!(pic.request(), None);
        pic.write(false, 0x68);
        assert_eq!(pic.ack(), Some(6));
        pic.write(false, 0x20);
        assert_eq!(isr(&mut pic), 0x08, "the masked level needs a specific EOI");
    }

    #[test]
    fn poll_is_an_inta_without_a_vector() {
        let mut pic = ready(1);
        pulse(&mut pic, 6);
        pic.write(false, 0x0c);
        assert_eq!(pic.read(false), 0x86);
        assert_eq!(isr(&mut pic), 0x40);
        pic.write(false, 0x0c);
        assert_eq!(pic.read(true), 0);
    }

    #[test]
    fn single_chip_without_icw4_skips_both_words() {
        let mut pic = Pic::new(0);
        pic.write(false, 0x12);
        pic.write(true, 0x20);
        pulse(&mut pic, 0);
        assert_eq!(pic.ack(), Some(0), "ready after ICW2");
    }
}
