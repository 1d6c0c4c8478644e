//! The font of a display adapter without a BIOS, which has nothing but its memory to take glyphs from: Spleen, 8x16.
//!
//! Spleen (© 2018-2024 Frederic Cambus, BSD 2-Clause) comes as a PSF 1 file: a header of four bytes (magic, mode, bytes of
//! a glyph), the glyphs, and for each of them its characters as words, ended by FFFFh.

use crate::screen::character;
use spleen_font::FONT_8X16;

/// Lines of a glyph.
pub(super) const LINES: usize = 16;
const HEADER: usize = 4;
/// Glyphs of a file whose mode says 512 of them.
const GLYPHS: usize = 512;

/// Characters of code page 437 that the font has not, and what stands for them.
const INSTEAD: [(char, char); 11] = [
    ('►', '>'),
    ('◄', '<'),
    ('∟', '└'),
    ('α', 'a'),
    ('Σ', 'E'),
    ('σ', 'o'),
    ('τ', 't'),
    ('Θ', '0'),
    ('δ', 'd'),
    ('φ', 'o'),
    ('ε', 'e'),
];

/// The number of the glyph of `wanted`.
fn find(wanted: char) -> Option<usize> {
    let table = FONT_8X16.get(HEADER + GLYPHS * LINES..)?;
    let words = table.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let mut glyph = 0;
    for word in words {
        if word == u16::MAX {
            glyph += 1;
        } else if char::from_u32(u32::from(word)) == Some(wanted) {
            return Some(glyph);
        }
    }
    None
}

/// The lines of the glyph for `code` of code page 437, the leftmost dot in bit 7.
pub(super) fn glyph(code: u8) -> [u8; LINES] {
    let wanted = character(code);
    let instead = INSTEAD.iter().find(|(missing, _)| *missing == wanted);
    let first = find(instead.map_or(wanted, |(_, instead)| *instead));
    let lines = first.and_then(|glyph| FONT_8X16.get(HEADER + glyph * LINES..)?.first_chunk());
    lines.copied().unwrap_or([0; LINES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_glyph() {
        assert_eq!(FONT_8X16[..HEADER], [0x36, 0x04, 0x03, 16], "PSF 1, 512 glyphs, with a table");
        for code in 0..=255 {
            let blank = character(code) == ' ';
            assert_eq!(glyph(code) == [0; LINES], blank, "{code:#x}");
        }
        assert_eq!(glyph(0xdb), [0xff; LINES], "the full block");
        assert!(glyph(0xc4).contains(&0xff), "a line across");
    }
}
