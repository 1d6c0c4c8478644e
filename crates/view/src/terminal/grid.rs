//! The screen as characters of a terminal of some size.

use crate::scale::mean;
use ringer_devices::Screen;
use ringer_devices::screen::{Image, TextScreen, character};

/// The upper half of a place is its colour, the lower half its background's.
const HALF: char = '▀';

/// A place of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub shown: char,
    pub fore: [u8; 3],
    pub back: [u8; 3],
    pub blink: bool,
}

impl Place {
    pub(super) const BLANK: Self = Self { shown: ' ', fore: [0xaa; 3], back: [0; 3], blink: false };
}

/// All of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub columns: u16,
    pub rows: u16,
    /// Row by row.
    pub places: Vec<Place>,
    pub cursor: Option<(u16, u16)>,
}

impl Grid {
    pub(super) fn blank(columns: u16, rows: u16) -> Self {
        let places = vec![Place::BLANK; usize::from(columns) * usize::from(rows)];
        Self { columns, rows, places, cursor: None }
    }

    /// The screen in a terminal of that size.
    pub(super) fn of(screen: &Screen, columns: u16, rows: u16) -> Self {
        let mut grid = Self::blank(columns, rows);
        match screen {
            Screen::Blank => {}
            Screen::Text(text) => grid.put_text(text),
            Screen::Graphics(image) => grid.put_image(image),
        }
        grid
    }

    fn at(&mut self, column: u16, row: u16) -> Option<&mut Place> {
        let at = usize::from(row) * usize::from(self.columns) + usize::from(column);
        self.places.get_mut(at).filter(|_| column < self.columns)
    }

    /// Characters as they are. Of a page that is larger than the terminal the part with the cursor, from the top left if there is
    /// none.
    fn put_text(&mut self, text: &TextScreen) {
        let (column, row) = text.cursor.unwrap_or((0, 0));
        let first = |at: u16, room: u16| (at + 1).saturating_sub(room.max(1));
        let (left, top) = (first(column, self.columns), first(row, self.rows));
        for row in 0..self.rows.min(text.rows.saturating_sub(top)) {
            let cells = text.row(top + row).iter().skip(usize::from(left));
            for (column, cell) in (0..self.columns).zip(cells) {
                let colour = |number: u8| text.palette[usize::from(number & 0x0f)];
                let place = Place {
                    shown: character(cell.code),
                    fore: colour(cell.fore),
                    back: colour(cell.back),
                    blink: cell.blink,
                };
                if let Some(at) = self.at(column, row) {
                    *at = place;
                }
            }
        }
        self.cursor = text.cursor.map(|(column, row)| (column - left, row - top));
    }

    /// Pixels as halves of places, as large as fits in whole.
    fn put_image(&mut self, image: &Image) {
        let (width, height) = (u64::from(image.width), u64::from(image.height));
        let (across, down) = (u64::from(self.columns), 2 * u64::from(self.rows));
        if width * height == 0 || across * down == 0 {
            return;
        }
        // Halves of places are about square.
        let (wide, high) = if width * down > height * across {
            (across, (height * across / width).max(1))
        } else {
            ((width * down / height).max(1), down)
        };
        let part = |n: u64, of: u64, size: u64| (n * size / of, ((n + 1) * size / of));
        let colour = |x: u64, y: u64| {
            let (left, right) = part(x, wide, width);
            let (top, bottom) = part(y, high, height);
            mean(image, left..right.max(left + 1), top..bottom.max(top + 1))
        };
        for y in (0..high).step_by(2) {
            for x in 0..wide {
                let lower = if y + 1 < high { colour(x, y + 1) } else { [0; 3] };
                let place = Place { shown: HALF, fore: colour(x, y), back: lower, blink: false };
                let small = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
                if let Some(at) = self.at(small(x), small(y / 2)) {
                    *at = place;
                }
            }
        }
    }

    /// Writes `lines` over the last rows.
    pub(super) fn put_lines(&mut self, lines: &[&str]) {
        let first = self.rows.saturating_sub(u16::try_from(lines.len()).unwrap_or(u16::MAX));
        for (row, line) in (first..self.rows).zip(lines) {
            let text = line.chars().chain(std::iter::repeat(' '));
            for (column, shown) in (0..self.columns).zip(text) {
                if let Some(at) = self.at(column, row) {
                    *at = Place { shown, fore: [0; 3], back: [0xff, 0xff, 0x55], blink: false };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_devices::screen::Cell;

    fn page(columns: u16, rows: u16) -> TextScreen {
        let mut palette = [[0; 3]; 16];
        (0..16).for_each(|n| palette[usize::from(n)] = [n * 17; 3]);
        let cell = |n: usize| Cell { code: (n % 256) as u8, fore: 7, back: 1, blink: n == 3 };
        let cells = (0..usize::from(columns) * usize::from(rows)).map(cell).collect();
        TextScreen { columns, rows, cells, cursor: None, palette }
    }

    #[test]
    fn a_page_of_132_columns_stands_as_it_is() {
        let text = page(132, 43);
        let grid = Grid::of(&Screen::Text(text.clone()), 140, 50);
        for row in 0..43 {
            for column in 0..132 {
                let place = grid.places[row * 140 + column];
                let cell = text.cells[row * 132 + column];
                assert_eq!(place.shown, character(cell.code));
                assert_eq!((place.fore, place.back), ([119; 3], [17; 3]));
            }
        }
        assert!(grid.places[3].blink && !grid.places[4].blink);
        assert_eq!(grid.places[132], Place::BLANK);
        assert_eq!(grid.places[43 * 140], Place::BLANK);
    }

    #[test]
    fn of_a_page_that_is_too_large_the_part_with_the_cursor_is_seen() {
        let mut text = page(80, 25);
        let grid = Grid::of(&Screen::Text(text.clone()), 40, 10);
        assert_eq!((grid.places[1].shown, grid.cursor), ('☺', None));
        text.cursor = Some((79, 24));
        let grid = Grid::of(&Screen::Text(text.clone()), 40, 10);
        assert_eq!(grid.cursor, Some((39, 9)));
        assert_eq!(grid.places[0].shown, character(((15 * 80 + 40) % 256) as u8));
        assert_eq!(Grid::of(&Screen::Text(text), 0, 0).places, []);
    }

    #[test]
    fn pixels_are_halves_of_places_and_keep_their_shape() {
        let mut image = Image::black(4, 4);
        // The upper half is red.
        image.rgb[..24].chunks_exact_mut(3).for_each(|pixel| pixel[0] = 200);
        let grid = Grid::of(&Screen::Graphics(image), 8, 1);
        // Two halves high, and as wide.
        let red = Place { shown: HALF, fore: [200, 0, 0], back: [0; 3], blink: false };
        assert_eq!(grid.places[..3], [red, red, Place::BLANK]);
        let wide = Grid::of(&Screen::Graphics(Image::black(640, 1)), 80, 24);
        assert_eq!(wide.places.iter().filter(|place| place.shown == HALF).count(), 80);
        assert_eq!(Grid::of(&Screen::Graphics(Image::black(0, 0)), 3, 3), Grid::blank(3, 3));
    }

    #[test]
    fn a_word_of_ours_covers_the_last_rows() {
        let mut grid = Grid::blank(5, 2);
        grid.put_lines(&["help"]);
        let text: String = grid.places.iter().map(|place| place.shown).collect();
        assert_eq!(text, "     help ");
        grid.put_lines(&["1", "2", "3"]);
        assert_eq!(grid.places[0].shown, '1');
    }
}
