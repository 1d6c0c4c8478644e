//! Which of the adapter's addresses are memory: the processor reaches those without us.
//!
//! No byte of memory is at two addresses at once, so a linear mode's memory is in the frame buffer or, as far as its bank
//! goes, at A0000h; the guest says which of them it means to use.

use super::Vga;
use super::size::{PLANES, TEXT, VIDEO};
use crate::memory::DeviceRam;
use serde::{Deserialize, Serialize};

/// Bytes of the window at A0000h in a linear mode.
const BANK: u64 = 64 << 10;
/// Bytes of the page of text that are merged at once.
const STEP: usize = 1 << 12;

/// A range of the adapter's addresses that is memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// From the frame buffer's first byte, or else from A0000h.
    pub(crate) frame: bool,
    /// Offset there.
    pub(crate) at: u64,
    /// Bytes.
    pub(crate) len: u64,
    /// Offset of the first in device memory.
    pub(crate) ram: u64,
}

impl Vga {
    /// The ranges that are memory now.
    pub(crate) fn plain(&self) -> Vec<Place> {
        let (hole, window) = self.window();
        let frame = |at: u64, end: u64| Place { frame: true, at, len: end - at, ram: at };
        let ends = [(0, hole.0), (hole.1, VIDEO)];
        let frames = ends.into_iter().filter(|(at, end)| at < end);
        window.into_iter().chain(frames.map(|(at, end)| frame(at, end))).collect()
    }

    /// What of the frame buffer is not memory, from and to; and what of the addresses from A0000h on is.
    fn window(&self) -> ((u64, u64), Option<Place>) {
        let linear = self.dispi.is_enabled() && self.dispi.bits() != 4;
        if linear && self.dispi.is_linear() {
            return ((0, 0), None);
        }
        let at = |at: u32, len: u64, ram: u64| Place { frame: false, at: u64::from(at), len, ram };
        if linear {
            let ram = u64::from(self.dispi.bank()) << 16;
            return ((ram, ram + BANK), Some(at(0, BANK, ram)));
        }
        if self.dispi.is_enabled() {
            // Planes all over.
            return ((0, VIDEO), None);
        }
        let (first, len) = self.graphics.place();
        let chained = self.sequencer.chain4()
            && self.sequencer.map_mask() == 0x0f
            && self.graphics.is_plain();
        let window = if self.paged {
            Some(at(first, TEXT, VIDEO))
        } else {
            chained.then(|| at(first, u64::from(len), 0))
        };
        ((0, PLANES), window)
    }

    /// Whether even addresses are bytes of plane 0 and odd ones of plane 1, in a window of the page's size, as for text.
    fn wants_page(&self) -> bool {
        !self.dispi.is_enabled()
            && u64::from(self.graphics.place().1) == TEXT
            && !self.sequencer.chain4()
            && self.sequencer.odd_even()
            && self.sequencer.map_mask() == 0x03
            && self.graphics.reads_odd_even()
            && self.graphics.read_plane() < 2
            && self.graphics.is_plain()
    }

    /// Moves planes 0 and 1 to the page of text or back, as the registers want it. To be called when they have changed.
    pub(crate) fn turn_page(&mut self, ram: &mut dyn DeviceRam) {
        match (self.paged, self.wants_page()) {
            (false, true) => {
                self.unfold(ram);
                self.paged = true;
            }
            (true, false) => self.leave_page(ram),
            _ => {}
        }
    }

    /// The planes have everything.
    pub(super) fn leave_page(&mut self, ram: &mut dyn DeviceRam) {
        self.fold(ram);
        self.paged = false;
    }

    /// Brings planes 0 and 1 up to date with the page.
    pub(super) fn fold(&self, ram: &mut dyn DeviceRam) {
        if !self.paged {
            return;
        }
        let (mut page, mut planes) = (vec![0; STEP], vec![0; 2 * STEP]);
        for at in (0..TEXT).step_by(STEP) {
            ram.read(VIDEO + at, &mut page);
            ram.read(2 * at, &mut planes);
            let mut differs = false;
            for (dword, pair) in planes.chunks_exact_mut(4).zip(page.chunks_exact(2)) {
                differs |= dword[..2] != *pair;
                dword[..2].copy_from_slice(pair);
            }
            if differs {
                ram.write(2 * at, &planes);
            }
        }
    }

    /// Brings the page up to date with planes 0 and 1.
    pub(super) fn unfold(&self, ram: &mut dyn DeviceRam) {
        let (mut page, mut planes) = (vec![0; STEP], vec![0; 2 * STEP]);
        for at in (0..TEXT).step_by(STEP) {
            ram.read(VIDEO + at, &mut page);
            ram.read(2 * at, &mut planes);
            let new: Vec<u8> =
                planes.chunks_exact(4).flat_map(|dword| [dword[0], dword[1]]).collect();
            if new != page {
                ram.write(VIDEO + at, &new);
            }
        }
    }
}
