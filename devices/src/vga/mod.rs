//! A VGA (IBM, 1987) with the display interface of Bochs (VBE DISPI): registers, four planes of memory, and the picture
//! that they make.
//!
//! Memory is that of [`DeviceRam`], which the processor reaches without us where it is plain:
//! - [`VIDEO`] bytes: the planes, byte by byte in turn (doubleword `n` is byte `n` of planes 0 to 3), or the pixels of a
//!   linear mode;
//! - [`TEXT`] bytes behind them: planes 0 and 1 once more, byte by byte, while the processor addresses them as even and
//!   odd bytes (`plain.rs`). That is the page of text, so that it is memory, too.
//!
//! Where even and odd addresses, or four in a row, are in different planes, byte `x` of the processor's is in doubleword
//! `x / 2`, or `x / 4`; an adapter of IBM's leaves the doublewords between free, and its CRT controller counts in steps
//! of two, or four, to match. Ours counts in ones ([`crtc`]): a guest sees the difference only when the two do not match.

mod access;
mod attribute;
mod crtc;
mod dac;
mod dispi;
mod draw;
mod edid;
mod font;
mod graphics;
mod plain;
mod ports;
mod sequencer;
mod size;
mod text;
mod timing;

use crate::memory::DeviceRam;
use crate::state::{StateError, check};
use attribute::Attribute;
use crtc::Crtc;
use dac::Dac;
use dispi::Dispi;
use graphics::Graphics;
use sequencer::Sequencer;
use serde::{Deserialize, Serialize};
use size::{PLANES, TEXT};

pub(crate) use plain::Place;
pub use size::{MEMORY, VIDEO};

/// Vendor and device number of its PCI function: those of the adapter that Bochs and QEMU have, which drivers know.
pub const ID: (u16, u16) = (0x1234, 0x1111);
/// Bytes that its expansion ROM may have.
pub const ROM_ROOM: u64 = 0x1_0000;

/// Miscellaneous output: the CRT controller is at 3D4h, not 3B4h. That the processor reaches memory (bit 1) is kept and always
/// so, as with the adapter that this one is by its PCI numbers: GRUB as firmware leaves the bit clear.
const MISC_COLOUR: u8 = 0x01;
/// Bits of it that exist.
const MISC: u8 = 0xef;

/// The registers as the BIOS sets them for mode 3, 80 by 25 characters of 9 by 16 dots.
const MODE_3_MISC: u8 = 0x67;
const MODE_3_SEQUENCER: [u8; 5] = [0x03, 0x00, 0x03, 0x00, 0x02];
const MODE_3_CRTC: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
const MODE_3_GRAPHICS: [u8; 9] = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff];
const MODE_3_ATTRIBUTE: [u8; 21] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
    0x0c, 0x00, 0x0f, 0x08, 0x00,
];

/// The adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vga {
    misc: u8,
    feature: u8,
    sequencer: Sequencer,
    crtc: Crtc,
    graphics: Graphics,
    attribute: Attribute,
    dac: Dac,
    dispi: Dispi,
    /// The page of text, not planes 0 and 1, has what is there.
    paged: bool,
    /// Memory holds a font and a page of blanks, or what came after that.
    primed: bool,
    /// A register that the picture depends on changed since somebody asked.
    #[serde(skip)]
    changed: bool,
}

impl Vga {
    /// After power-on or a reset: mode 3, with a font of its own and blanks in memory as soon as that is at hand.
    pub(crate) fn new() -> Self {
        Vga {
            misc: MODE_3_MISC,
            feature: 0,
            sequencer: Sequencer::new(MODE_3_SEQUENCER),
            crtc: Crtc::new(MODE_3_CRTC),
            graphics: Graphics::new(MODE_3_GRAPHICS),
            attribute: Attribute::new(MODE_3_ATTRIBUTE),
            dac: Dac::new(),
            dispi: Dispi::new(),
            paged: false,
            primed: false,
            changed: true,
        }
    }

    /// Fills memory as it is to be after a reset, once. To be called before anything looks at it.
    pub(crate) fn prime(&mut self, ram: &mut dyn DeviceRam) {
        if self.primed {
            return;
        }
        self.primed = true;
        self.paged = false;
        const SLOT: usize = 32;
        let mut planes = vec![0; 4 * 256 * SLOT];
        for (code, slot) in (0..=255).zip(planes.chunks_exact_mut(4 * SLOT)) {
            for (dword, line) in slot.chunks_exact_mut(4).zip(font::glyph(code)) {
                dword[2] = line;
            }
        }
        for dword in planes.chunks_exact_mut(4) {
            (dword[0], dword[1]) = (b' ', 0x07);
        }
        ram.write(0, &planes);
        let blank: Vec<u8> = [b' ', 0x07, 0, 0].repeat(1 << 10);
        let first = planes.len() as u64;
        for at in (first..PLANES).step_by(blank.len()) {
            ram.write(at, &blank);
        }
    }

    /// Whether there are pixels or characters, and a beam that shows them.
    fn is_blank(&self) -> bool {
        !self.attribute.shows() || self.sequencer.screen_off() || self.crtc.held()
    }

    /// Says whether the picture may have become another since this was called last.
    pub(crate) fn take_changed(&mut self, ram: &mut dyn DeviceRam) -> bool {
        let (first, len) = match self.dispi.is_enabled() {
            true => {
                let len = u64::from(self.dispi.pitch()) * u64::from(self.dispi.size().1);
                (self.dispi.start().0.min(VIDEO), len.min(VIDEO))
            }
            false => (0, PLANES),
        };
        let dirty = ram.take_dirty(first, len);
        let page = ram.take_dirty(VIDEO, TEXT);
        std::mem::take(&mut self.changed) | dirty | page
    }

    /// Refuses what the chip could not be.
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.sequencer.is_possible(), "sequencer register")?;
        check(self.crtc.is_possible(), "CRT controller register")?;
        check(self.graphics.is_possible(), "graphics controller register")?;
        check(self.attribute.is_possible(), "attribute controller register")?;
        check(self.misc & !MISC == 0, "miscellaneous output")?;
        self.dac.check()?;
        self.dispi.check()
    }
}

#[cfg(test)]
mod tests;
