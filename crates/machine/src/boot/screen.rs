//! The screen that a kernel would like of its loader, and the one that it gets.

/// What a kernel's header asks for; 0: it has no preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScreenWish {
    /// Text.
    pub text: bool,
    /// Columns or dots.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a dot.
    pub depth: u32,
}

/// A screen of dots, each of which is a number of `depth` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framebuffer {
    /// Physical address of the first.
    pub address: u32,
    /// Bytes from line to line.
    pub pitch: u32,
    /// Dots in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a dot: 16, 24 or 32.
    pub depth: u8,
}

impl Framebuffer {
    /// Position and size in bits of red, green and blue.
    pub fn fields(&self) -> [[u8; 2]; 3] {
        match self.depth {
            16 => [[11, 5], [5, 6], [0, 5]],
            _ => [[16, 8], [8, 8], [0, 8]],
        }
    }
}

/// What a machine shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// 80 columns and 25 lines of text.
    Text,
    /// Dots.
    Graphics(Framebuffer),
}
