//! The digital-to-analog converter: 256 colours of three times six bits, or eight.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// The registers at 3C6h to 3C9h.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dac {
    mask: u8,
    /// Number of the colour that is read or written, and which of its parts is next.
    index: u8,
    part: u8,
    /// Whether the index was set for reading.
    reads: bool,
    /// Parts of a colour that is written, until there are three.
    pending: [u8; 2],
    /// 256 colours, three bytes each.
    colours: Vec<u8>,
}

/// Bytes of all colours.
const COLOURS: usize = 3 * 256;

/// The default palette's share of a colour's part: its bit `high` weighs two thirds, its bit `low` one.
fn part(colour: u8, high: u8, low: u8) -> u8 {
    (colour >> high & 1) * 0x2a + (colour >> low & 1) * 0x15
}

impl Dac {
    /// With the 64 colours of an EGA.
    pub(super) fn new() -> Self {
        let mut colours: Vec<u8> =
            (0..64).flat_map(|n| [part(n, 2, 5), part(n, 1, 4), part(n, 0, 3)]).collect();
        colours.resize(COLOURS, 0);
        Dac { mask: 0xff, index: 0, part: 0, reads: false, pending: [0; 2], colours }
    }

    pub(super) fn mask(&self) -> u8 {
        self.mask
    }

    pub(super) fn set_mask(&mut self, mask: u8) {
        self.mask = mask;
    }

    /// The index of the next colour to be written.
    pub(super) fn index(&self) -> u8 {
        self.index
    }

    /// Sets the index for reading, or writing.
    pub(super) fn set_index(&mut self, index: u8, reads: bool) {
        (self.index, self.part, self.reads) = (index, 0, reads);
    }

    /// What 3C7h reads: 3 after an index for reading, 0 after one for writing.
    pub(super) fn state(&self) -> u8 {
        if self.reads { 3 } else { 0 }
    }

    /// The next part of the colour; behind the third comes the next colour.
    pub(super) fn read(&mut self) -> u8 {
        let at = 3 * usize::from(self.index) + usize::from(self.part);
        self.next();
        self.colours.get(at).copied().unwrap_or(0)
    }

    /// The next part of the colour, which changes when there are three. True: it changed.
    pub(super) fn write(&mut self, value: u8, eight_bits: bool) -> bool {
        let value = if eight_bits { value } else { value & 0x3f };
        if let Some(place) = self.pending.get_mut(usize::from(self.part)) {
            *place = value;
            self.next();
            return false;
        }
        let first = 3 * usize::from(self.index);
        self.next();
        let new = [self.pending[0], self.pending[1], value];
        let Some(place) = self.colours.get_mut(first..first + 3) else { return false };
        let changed = *place != new;
        place.copy_from_slice(&new);
        changed
    }

    fn next(&mut self) {
        self.part += 1;
        if self.part == 3 {
            (self.part, self.index) = (0, self.index.wrapping_add(1));
        }
    }

    /// Red, green and blue of the colours that pixels choose, through the mask.
    pub(super) fn palette(&self, eight_bits: bool) -> [[u8; 3]; 256] {
        let level = |value: u8| match eight_bits {
            true => value,
            false => (value & 0x3f) << 2 | (value & 0x3f) >> 4,
        };
        std::array::from_fn(|pixel| {
            let first = 3 * (pixel & usize::from(self.mask));
            let colour = self.colours.get(first..first + 3).unwrap_or(&[0; 3]);
            [colour[0], colour[1], colour[2]].map(level)
        })
    }

    /// Refuses what a chip could not hold.
    pub(super) fn check(&self) -> Result<(), StateError> {
        check(self.colours.len() == COLOURS, "number of colours")?;
        check(self.part < 3, "part of a colour")
    }
}
