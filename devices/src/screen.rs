//! What a display adapter shows: a page of text, or a picture.
//!
//! These are values, taken at one moment, for whoever shows or compares them: a view, a test, a screenshot.

/// What is on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Nothing: no display adapter, or one that sends none.
    Blank,
    /// Characters.
    Text(TextScreen),
    /// Pixels.
    Graphics(Image),
}

/// A page of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextScreen {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
    /// The characters, row by row: `columns` times `rows`.
    pub cells: Vec<Cell>,
    /// Where the cursor stands, column and row, when it can be seen.
    pub cursor: Option<(u16, u16)>,
    /// The 16 colours, red, green and blue.
    pub palette: [[u8; 3]; 16],
}

/// A character in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its code; under the fonts of most systems one of code page 437 ([`character`]).
    pub code: u8,
    /// Its colour, an index into [`TextScreen::palette`].
    pub fore: u8,
    /// Its background's.
    pub back: u8,
    /// Whether it blinks.
    pub blink: bool,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Red, green and blue of each pixel, line by line: three times `width` times `height` bytes.
    pub rgb: Vec<u8>,
}

impl Image {
    /// A black picture.
    #[must_use]
    pub fn black(width: u32, height: u32) -> Image {
        let pixels = usize::try_from(u64::from(width) * u64::from(height)).unwrap_or(0);
        Image { width, height, rgb: vec![0; 3 * pixels] }
    }
}

impl TextScreen {
    /// The cells of row `row`; none of a row that is not there.
    #[must_use]
    pub fn row(&self, row: u16) -> &[Cell] {
        let columns = usize::from(self.columns);
        let first = usize::from(row) * columns;
        self.cells.get(first..first + columns).unwrap_or(&[])
    }

    /// The characters of each row, without the blanks at its end.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |row: u16| {
            let line: String = self.row(row).iter().map(|cell| character(cell.code)).collect();
            line.trim_end().to_owned()
        };
        (0..self.rows).map(line).collect()
    }
}

/// The characters of code page 437 below 20h, as a display shows them, where 0 is a blank.
const LOW: &str = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
/// Those from 7Fh on; 255 is a blank.
const HIGH: &str = "⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧\
     ╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

/// The character that `code` is in code page 437, which the fonts of PCs hold.
#[must_use]
pub fn character(code: u8) -> char {
    let of = |table: &str, from: u8| table.chars().nth(usize::from(code - from)).unwrap_or(' ');
    match code {
        0..0x20 => of(LOW, 0),
        0x20..0x7f => char::from(code),
        0x7f.. => of(HIGH, 0x7f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_code_page_437() {
        let known = [(0, ' '), (1, '☺'), (0x1f, '▼'), (b'A', 'A'), (0x7f, '⌂'), (0x80, 'Ç')];
        let high = [(0xb0, '░'), (0xc9, '╔'), (0xdb, '█'), (0xe1, 'ß'), (0xfe, '■'), (0xff, ' ')];
        for (code, shown) in known.into_iter().chain(high) {
            assert_eq!(character(code), shown, "{code:#x}");
        }
        let mut all: Vec<char> = (0..=255).map(character).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 254, "0, 20h and FFh are blank, all others differ");
    }

    #[test]
    fn lines_end_with_their_last_character() {
        let cell = |code| Cell { code, ..Cell::default() };
        let cells = [b'a', b' ', b'b', 0, 0, b' '].map(cell).to_vec();
        let palette = [[0; 3]; 16];
        let screen = TextScreen { columns: 3, rows: 2, cells, cursor: None, palette };
        assert_eq!(screen.lines(), ["a b", ""]);
        assert!(screen.row(2).is_empty());
    }
}
