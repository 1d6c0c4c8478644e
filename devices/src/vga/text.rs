//! Text modes: the page as characters, and as dots by the font in plane 2.

use super::Vga;
use super::crtc::Line;
use super::draw::{Planes, Row};
use crate::screen::{Cell, TextScreen};

/// Bytes of a glyph in plane 2.
const GLYPH: u32 = 32;
/// Characters whose ninth dot is as the eighth: those that draw horizontal lines.
const JOINED: std::ops::RangeInclusive<u8> = 0xc0..=0xdf;
/// Attribute of an underlined character, without intensity and blinking.
const UNDERLINED: u8 = 0x01;

impl Vga {
    /// The first line of each row of characters.
    fn rows(&self) -> Vec<Line> {
        let mut rows: Vec<Line> = Vec::new();
        let mut last: Option<Line> = None;
        for line in self.crtc.scan() {
            let same = |last: Line| {
                (last.start, last.split) == (line.start, line.split) && last.scan <= line.scan
            };
            if !last.is_some_and(same) {
                rows.push(line);
            }
            last = Some(line);
        }
        rows
    }

    /// The page of characters.
    pub(super) fn text(&self, planes: &Planes) -> TextScreen {
        let columns = self.crtc.columns();
        let panning = self.crtc.byte_panning();
        let cursor = self.crtc.cursor().map(|(address, ..)| address);
        let (mut cells, mut at) = (Vec::new(), None);
        let rows = self.rows();
        for (row, line) in (0..).zip(&rows) {
            for column in 0..columns {
                let address = self.crtc.address(*line, panning + column);
                if cursor == Some(address) && at.is_none() {
                    at = u16::try_from(column).ok().map(|column| (column, row));
                }
                let [code, attribute, ..] = planes.at(address);
                cells.push(self.cell(code, attribute));
            }
        }
        let all = self.dac.palette(self.dispi.eight_bit_dac());
        let palette = std::array::from_fn(|pixel| {
            let pixel = u8::try_from(pixel).unwrap_or(0) & self.attribute.planes();
            all[usize::from(self.attribute.colour(pixel))]
        });
        let size = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let rows = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        TextScreen { columns: size(columns), rows, cells, cursor: at, palette }
    }

    fn cell(&self, code: u8, attribute: u8) -> Cell {
        let (fore, back) = (attribute & 0x0f, attribute >> 4);
        let blinks = self.attribute.blinks();
        let blink = blinks && back & 8 != 0;
        Cell { code, fore, back: if blinks { back & 7 } else { back }, blink }
    }

    /// Appends the dots of one line, as pixels of four bits.
    pub(super) fn text_line(&self, line: Line, planes: &Planes, row: &mut Row) {
        let dots = self.sequencer.dots();
        let fonts = self.sequencer.fonts();
        let panning = self.crtc.byte_panning();
        let underline = self.crtc.underline() == line.scan;
        let cursor =
            self.crtc.cursor().filter(|(_, first, last)| (*first..=*last).contains(&line.scan));
        for column in 0..=self.crtc.columns() {
            let address = self.crtc.address(line, panning + column);
            let [code, attribute, ..] = planes.at(address);
            let font = u32::from(fonts[usize::from(attribute >> 3 & 1)]);
            let glyph = font + u32::from(code) * GLYPH + u32::from(line.scan);
            let mut bits = planes.at(glyph)[2];
            let mut ninth =
                JOINED.contains(&code) && self.attribute.line_graphics() && bits & 1 != 0;
            let here = cursor.is_some_and(|(at, ..)| at == address);
            if here || (underline && attribute & 0x77 == UNDERLINED) {
                (bits, ninth) = (0xff, true);
            }
            let cell = self.cell(code, attribute);
            let dot = |on: bool| if on { cell.fore } else { cell.back };
            (0..8).rev().for_each(|bit| row.dot(dot(bits >> bit & 1 != 0)));
            if dots == 9 {
                row.dot(dot(ninth));
            }
        }
    }
}
