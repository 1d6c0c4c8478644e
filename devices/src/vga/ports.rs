//! The adapter's registers as ports and, in a PCI function, as memory.

use super::dispi::Effect;
use super::size::VIDEO;
use super::{MISC, MISC_COLOUR, Vga, edid};
use crate::memory::DeviceRam;

/// Offset in the memory-mapped registers of ports 3C0h to 3DFh, and of the display interface's words.
const MAPPED_PORTS: u64 = 0x400;
const MAPPED_DISPI: u64 = 0x500;

impl Vga {
    /// Whether `port` is at the CRT controller's place for a colour display when that is selected, or for a monochrome one.
    fn is_selected(&self, port: u16) -> bool {
        (port >= 0x3d0) == (self.misc & MISC_COLOUR != 0)
    }

    /// Reads the byte at `port`, 3B0h to 3DFh, at time `now`.
    pub(crate) fn port_in(&mut self, port: u16, now: u64) -> u8 {
        match port {
            0x3b0..=0x3bf | 0x3d0..=0x3df if !self.is_selected(port) => 0xff,
            0x3b4 | 0x3d4 => self.crtc.index(),
            0x3b5 | 0x3d5 => self.crtc_in(),
            0x3ba | 0x3da => self.status(now),
            // While the processor has the palette, or on a write, the index is where it is written.
            0x3c0 => self.attribute.index(),
            0x3c1 => self.attribute.read(),
            // Input status 0: a monitor is there; no interrupt at the retrace.
            0x3c2 => 0x10,
            0x3c4 => self.sequencer.index(),
            0x3c5 => self.sequencer.read(),
            0x3c6 => self.dac.mask(),
            0x3c7 => self.dac.state(),
            0x3c8 => self.dac.index(),
            0x3c9 => self.dac.read(),
            0x3ca => self.feature,
            0x3cc => self.misc,
            0x3ce => self.graphics.index(),
            0x3cf => self.graphics.read(),
            _ => 0xff,
        }
    }

    fn crtc_in(&self) -> u8 {
        match self.crtc.index() {
            0x22 => self.graphics.latch(),
            0x24 => u8::from(self.attribute.data_next()) << 7,
            _ => self.crtc.read(),
        }
    }

    /// Input status 1, and the attribute controller expects an index next.
    fn status(&mut self, now: u64) -> u8 {
        self.attribute.rewind();
        let beam = self.beam(now);
        u8::from(beam.dark) | u8::from(beam.retrace) << 3
    }

    /// Writes the byte at `port`, 3B0h to 3DFh.
    pub(crate) fn port_out(&mut self, port: u16, value: u8) {
        match port {
            0x3b0..=0x3bf | 0x3d0..=0x3df if !self.is_selected(port) => return,
            0x3b4 | 0x3d4 => return self.crtc.set_index(value),
            0x3b5 | 0x3d5 => self.crtc.write(value),
            0x3ba | 0x3da => self.feature = value & 3,
            0x3c0 => self.attribute.write(value),
            0x3c2 => self.misc = value & MISC,
            0x3c4 => return self.sequencer.set_index(value),
            0x3c5 => self.sequencer.write(value),
            0x3c6 => self.dac.set_mask(value),
            0x3c7 => return self.dac.set_index(value, true),
            0x3c8 => return self.dac.set_index(value, false),
            0x3c9 => {
                self.changed |= self.dac.write(value, self.dispi.eight_bit_dac());
                return;
            }
            0x3ce => return self.graphics.set_index(value),
            // How the processor writes does not show; what it writes does.
            0x3cf => return self.graphics_out(value),
            _ => return,
        }
        self.changed = true;
    }

    fn graphics_out(&mut self, value: u8) {
        self.graphics.write(value);
        self.changed |= matches!(self.graphics.index(), 5 | 6);
    }

    /// Reads the display interface's index (`data` false) or the register that it selects.
    pub(crate) fn dispi_in(&self, data: bool) -> u16 {
        if data { self.dispi.read() } else { self.dispi.index() }
    }

    /// Writes the display interface's index or the register that it selects.
    pub(crate) fn dispi_out(&mut self, data: bool, value: u16, ram: &mut dyn DeviceRam) {
        if !data {
            return self.dispi.set_index(value);
        }
        // A mode's pixels come into the planes' place.
        self.leave_page(ram);
        if self.dispi.write(value) == Effect::Clear {
            let (pitch, lines) = (self.dispi.pitch(), self.dispi.size().1);
            ram.clear(0, (u64::from(pitch) * u64::from(lines)).min(VIDEO));
        }
        self.changed = true;
    }

    /// Reads the byte at `offset` of the memory-mapped registers.
    pub(crate) fn mapped_in(&mut self, offset: u64, now: u64) -> u8 {
        match (port_of(offset), dispi_of(offset)) {
            (Some(port), _) => self.port_in(port, now),
            (_, Some(index)) => {
                let before = self.dispi.index();
                self.dispi.set_index(index);
                let word = self.dispi.read().to_le_bytes();
                self.dispi.set_index(before);
                word[usize::from(offset & 1 != 0)]
            }
            _ => {
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                edid::block().get(at).copied().unwrap_or(0)
            }
        }
    }

    /// Writes `size` bytes at `offset` of the memory-mapped registers. The display interface's registers take words.
    pub(crate) fn mapped_out(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        ram: &mut dyn DeviceRam,
    ) {
        let bytes = value.to_le_bytes();
        if let Some(index) = dispi_of(offset).filter(|_| size >= 2 && offset & 1 == 0) {
            let before = self.dispi.index();
            for (index, word) in (index..).zip(bytes.chunks_exact(2)).take(usize::from(size / 2)) {
                self.dispi.set_index(index);
                self.dispi_out(true, u16::from_le_bytes([word[0], word[1]]), ram);
            }
            self.dispi.set_index(before);
            return;
        }
        for (at, byte) in (offset..).zip(bytes).take(usize::from(size)) {
            if let Some(port) = port_of(at) {
                self.port_out(port, byte);
            }
        }
    }
}

/// The port whose register is at `offset` of the memory-mapped ones.
fn port_of(offset: u64) -> Option<u16> {
    let at = u16::try_from(offset.checked_sub(MAPPED_PORTS)?).ok()?;
    (at < 0x20).then_some(0x3c0 + at)
}

/// The index of the display interface's register there.
fn dispi_of(offset: u64) -> Option<u16> {
    let at = u16::try_from(offset.checked_sub(MAPPED_DISPI)?).ok()?;
    (at < 22).then_some(at / 2)
}
