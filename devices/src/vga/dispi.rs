//! The display interface of Bochs and its kin: modes of any size, set by a few words, past the VGA's registers.
//!
//! An index at 1CEh and a word at 1CFh (1D0h where words are aligned), or all words in the memory-mapped registers.

use super::size::VIDEO;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// What [`Dispi::read`] of register 0 says: the interface of 2015, with the memory's size and linear modes.
const ID: u16 = 0xb0c5;
/// The largest mode.
const MOST: [u16; 3] = [2560, 1600, 32];

const ENABLED: u16 = 0x01;
const CAPABILITIES: u16 = 0x02;
const EIGHT_BIT_DAC: u16 = 0x20;
const LINEAR: u16 = 0x40;
const KEEP_MEMORY: u16 = 0x80;

/// The registers by index: version, width, height, bits of a pixel, enable, bank, virtual width, virtual height, x and y
/// of the first pixel.
const WIDTH: u16 = 1;
const HEIGHT: u16 = 2;
const BITS: u16 = 3;
const ENABLE: u16 = 4;
const BANK: u16 = 5;
const VIRTUAL_WIDTH: u16 = 6;
const VIRTUAL_HEIGHT: u16 = 7;
const X: u16 = 8;
const Y: u16 = 9;
const MEMORY: u16 = 10;

/// What a write makes necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing more.
    None,
    /// A mode began: memory is to be cleared.
    Clear,
}

/// The registers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Dispi {
    index: u16,
    id: u16,
    size: [u16; 2],
    bits: u16,
    enable: u16,
    bank: u16,
    virtual_width: u16,
    first: [u16; 2],
}

impl Dispi {
    /// After a reset.
    pub(super) fn new() -> Self {
        Dispi { id: ID, bits: 8, ..Dispi::default() }
    }

    pub(super) fn index(&self) -> u16 {
        self.index
    }

    pub(super) fn set_index(&mut self, index: u16) {
        self.index = index;
    }

    /// A mode of this interface is shown.
    pub(super) fn is_enabled(&self) -> bool {
        self.enable & ENABLED != 0
    }

    /// The processor is to use the frame buffer, not the window at A0000h.
    pub(super) fn is_linear(&self) -> bool {
        self.enable & LINEAR != 0
    }

    /// Colours have parts of eight bits.
    pub(super) fn eight_bit_dac(&self) -> bool {
        self.enable & EIGHT_BIT_DAC != 0
    }

    /// Bits of a pixel: 4, 8, 15, 16, 24 or 32.
    pub(super) fn bits(&self) -> u16 {
        self.bits
    }

    /// Pixels in a line, and lines.
    pub(super) fn size(&self) -> (u32, u32) {
        (u32::from(self.size[0]), u32::from(self.size[1]))
    }

    /// Where the window at A0000h begins, in steps of 64 KiB.
    pub(super) fn bank(&self) -> u32 {
        u32::from(self.bank)
    }

    /// Bytes from a line to the next.
    pub(super) fn pitch(&self) -> u32 {
        let width = u32::from(self.virtual_width);
        if self.bits == 4 { width / 2 } else { width * u32::from(self.bits.div_ceil(8)) }
    }

    /// Offset in memory of the first line's first byte, and the pixel in there that is the first.
    pub(super) fn start(&self) -> (u64, u32) {
        let [x, y] = self.first.map(u32::from);
        let line = u64::from(y) * u64::from(self.pitch());
        match self.bits {
            4 => (line + u64::from(x / 8 * 4), x % 8),
            bits => (line + u64::from(x) * u64::from(bits.div_ceil(8)), 0),
        }
    }

    /// The lines that memory holds at this width.
    fn virtual_height(&self) -> u16 {
        let lines = VIDEO / u64::from(self.pitch().max(1));
        u16::try_from(lines).unwrap_or(u16::MAX)
    }

    /// The selected register.
    pub(super) fn read(&self) -> u16 {
        let capabilities = self.enable & CAPABILITIES != 0;
        match self.index {
            0 => self.id,
            WIDTH if capabilities => MOST[0],
            HEIGHT if capabilities => MOST[1],
            BITS if capabilities => MOST[2],
            WIDTH => self.size[0],
            HEIGHT => self.size[1],
            BITS => self.bits,
            ENABLE => self.enable,
            BANK => self.bank,
            VIRTUAL_WIDTH => self.virtual_width,
            VIRTUAL_HEIGHT => self.virtual_height(),
            X => self.first[0],
            Y => self.first[1],
            MEMORY => u16::try_from(VIDEO >> 16).unwrap_or(u16::MAX),
            _ => 0,
        }
    }

    pub(super) fn write(&mut self, value: u16) -> Effect {
        match self.index {
            0 if (0xb0c0..=ID).contains(&value) => self.id = value,
            // A mode that is shown keeps its size and depth.
            WIDTH | HEIGHT | BITS if self.is_enabled() => {}
            WIDTH => self.size[0] = value.min(MOST[0]) & !7,
            HEIGHT => self.size[1] = value.min(MOST[1]),
            BITS => self.set_bits(value),
            ENABLE => return self.set_enable(value),
            BANK if u64::from(value) < VIDEO >> 16 => self.bank = value,
            // Whole bytes of planes.
            VIRTUAL_WIDTH => self.virtual_width = (value & !7).max(self.size[0]),
            X => self.first[0] = value,
            Y => self.first[1] = value,
            _ => {}
        }
        Effect::None
    }

    /// Other depths than there are change nothing; 0 stands for 8.
    fn set_bits(&mut self, value: u16) {
        let bits = if value == 0 { 8 } else { value };
        if matches!(bits, 4 | 8 | 15 | 16 | 24 | 32) {
            self.bits = bits;
        }
    }

    fn set_enable(&mut self, value: u16) -> Effect {
        let begins = value & ENABLED != 0 && !self.is_enabled();
        let known = ENABLED | CAPABILITIES | EIGHT_BIT_DAC | LINEAR | KEEP_MEMORY;
        self.enable = value & known;
        if !begins {
            return Effect::None;
        }
        // A mode that memory does not hold is cut off where memory ends.
        self.size = self.size.map(|size| size.max(1));
        self.size[0] = self.size[0].next_multiple_of(8);
        self.virtual_width = self.size[0];
        self.size[1] = self.size[1].min(self.virtual_height());
        (self.first, self.bank) = ([0; 2], 0);
        if value & KEEP_MEMORY == 0 { Effect::Clear } else { Effect::None }
    }

    /// Refuses what the registers could not hold.
    pub(super) fn check(&self) -> Result<(), StateError> {
        check(matches!(self.bits, 4 | 8 | 15 | 16 | 24 | 32), "bits of a pixel")?;
        check(self.size[0] <= MOST[0] && self.size[1] <= MOST[1], "size of the picture")?;
        let whole = |width: u16| width.is_multiple_of(8);
        check(whole(self.size[0]) && whole(self.virtual_width), "width of the picture")?;
        check(u64::from(self.bank) < VIDEO >> 16, "bank")
    }
}
