//! What to send to a terminal so that it shows another grid than before.

use super::colours::Depth;
use super::grid::{Grid, Place};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::style::{
    Attribute, Print, ResetColor, SetAttribute, SetBackgroundColor, SetForegroundColor,
};
use crossterm::terminal::{Clear, ClearType};
use std::io;

/// What a terminal shows.
#[derive(Debug)]
pub(super) struct Painter {
    depth: Depth,
    shown: Option<Grid>,
    /// The size of the picture that stands there as dots, and of the terminal.
    picture: Option<((u32, u32), (u16, u16))>,
}

impl Painter {
    /// Nobody knows what.
    pub(super) fn new(depth: Depth) -> Self {
        Self { depth, shown: None, picture: None }
    }

    /// All is to be drawn again.
    pub(super) fn forget(&mut self) {
        self.shown = None;
        self.picture = None;
    }

    /// What makes a picture of `size` of it, in a terminal of size `of`: `sixels` at the upper left.
    pub(super) fn picture(&mut self, size: (u32, u32), of: (u16, u16), sixels: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let now = Some((size, of));
        let begun = if self.picture == now {
            Ok(())
        } else {
            queue!(out, Hide, ResetColor, Clear(ClearType::All))
        };
        let begun = begun.and_then(|()| queue!(out, MoveTo(0, 0)));
        debug_assert!(begun.is_ok(), "{begun:?}");
        out.extend_from_slice(sixels);
        self.shown = None;
        self.picture = now;
        out
    }

    /// What makes `grid` of it.
    pub(super) fn draw(&mut self, grid: &Grid) -> Vec<u8> {
        let mut out = Vec::new();
        // Into memory nothing fails.
        let drawn = self.put(grid, &mut out);
        debug_assert!(drawn.is_ok(), "{drawn:?}");
        self.shown = Some(grid.clone());
        self.picture = None;
        out
    }

    fn put(&self, grid: &Grid, out: &mut Vec<u8>) -> io::Result<()> {
        let size = |grid: &Grid| (grid.columns, grid.rows);
        let old = self.shown.as_ref().filter(|old| size(old) == size(grid));
        if old == Some(grid) {
            return Ok(());
        }
        queue!(out, Hide)?;
        if old.is_none() {
            queue!(out, ResetColor, SetAttribute(Attribute::Reset), Clear(ClearType::All))?;
        }
        let before = old.map_or(&[][..], |old| &old.places);
        let mut last: Option<(u16, u16, Place)> = None;
        for (at, place) in grid.places.iter().enumerate() {
            let known = before.get(at).copied().unwrap_or(Place::BLANK);
            // What was cleared has the terminal's own colours.
            if known == *place && old.is_some() {
                continue;
            }
            let across = usize::from(grid.columns.max(1));
            let small = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            let (column, row) = (small(at % across), small(at / across));
            if !matches!(last, Some((c, r, _)) if (c + 1, r) == (column, row)) {
                queue!(out, MoveTo(column, row))?;
            }
            self.style(last.map(|(.., place)| place), place, out)?;
            queue!(out, Print(place.shown))?;
            last = Some((column, row, *place));
        }
        queue!(out, SetAttribute(Attribute::Reset))?;
        if let Some((column, row)) = grid.cursor {
            queue!(out, MoveTo(column, row), Show)?;
        }
        Ok(())
    }

    fn style(&self, last: Option<Place>, place: &Place, out: &mut Vec<u8>) -> io::Result<()> {
        if last.is_none_or(|last| last.blink != place.blink) {
            let blink = if place.blink { Attribute::SlowBlink } else { Attribute::NoBlink };
            queue!(out, SetAttribute(blink))?;
        }
        if last.is_none_or(|last| last.fore != place.fore) {
            queue!(out, SetForegroundColor(self.depth.colour(place.fore)))?;
        }
        if last.is_none_or(|last| last.back != place.back) {
            queue!(out, SetBackgroundColor(self.depth.colour(place.back)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: &[u8]) -> String {
        String::from_utf8(out.to_vec()).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn a_picture_is_drawn_over_itself_and_gives_way_to_characters() {
        let mut painter = Painter::new(Depth::Full);
        let grid = Grid::blank(3, 2);
        painter.draw(&grid);
        let first = text(&painter.picture((9, 9), (3, 2), b"sixels"));
        assert!(first.contains("^[2J") && first.ends_with("^[1;1Hsixels"), "{first}");
        assert_eq!(text(&painter.picture((9, 9), (3, 2), b"others")), "^[1;1Hothers");
        assert!(text(&painter.picture((9, 8), (3, 2), b"others")).contains("^[2J"), "another size");
        assert!(text(&painter.draw(&grid)).contains("^[2J"));
        assert!(text(&painter.picture((9, 8), (3, 2), b"sixels")).contains("^[2J"));
    }

    #[test]
    fn what_changed_is_drawn_and_no_more() {
        let mut painter = Painter::new(Depth::Full);
        let mut grid = Grid::blank(3, 2);
        let all = text(&painter.draw(&grid));
        assert!(all.contains("^[2J") && all.contains("^[1;1H"), "{all}");
        assert!(painter.draw(&grid).is_empty());
        grid.places[4] = Place { shown: 'x', ..Place::BLANK };
        grid.places[5] = Place { shown: 'ß', fore: [1, 2, 3], ..Place::BLANK };
        grid.cursor = Some((1, 0));
        let part = text(&painter.draw(&grid));
        assert_eq!(part.matches('H').count(), 2, "one place to begin at, and the cursor's: {part}");
        assert!(part.contains("^[2;2H") && part.ends_with("^[1;2H^[?25h"), "{part}");
        assert!(part.contains('x') && part.contains("^[38;2;1;2;3mß"), "{part}");
        painter.forget();
        assert!(text(&painter.draw(&grid)).contains("^[2J"));
        assert!(text(&painter.draw(&Grid::blank(4, 2))).contains("^[2J"), "another size");
    }
}
