//! Pictures as sixels (DEC STD 070, chapter 9; xterm's control sequences): a character is six dots of one colour above each other, and a
//! band of six lines is written over and over, a colour at a time.
//!
//! (Of the crates for it, those of pure Rust make the best palette they can of a photograph, anew for each picture. A display adapter's
//! picture mostly has few colours, which are to stay what they are.)

use crate::damage::Rect;
use crate::scale::{fitted, scaled};
use ringer_devices::screen::Image;
use std::io::Write as _;

/// Colours that a terminal keeps at once.
const MOST: usize = 256;
/// Where a picture has more: steps of red, green and blue.
const STEPS: [u32; 3] = [6, 7, 6];
/// Lines of a band.
const BAND: usize = 6;

/// Dots with their colours.
struct Dots {
    width: usize,
    /// The number in `palette` of each, line by line.
    numbers: Vec<u8>,
    palette: Vec<[u8; 3]>,
}

/// The control sequence that draws `image` at the cursor, so large that it fits into `room` dots: by a whole factor, or made smaller.
/// Empty where there is nothing to draw, or no room.
pub(super) fn encode(image: &Image, room: (u32, u32)) -> Vec<u8> {
    let (width, height) = fitted((image.width, image.height), room);
    let mut out = Vec::new();
    if width == 0 || height == 0 {
        return out;
    }
    let dots = Dots::of(scaled(image, (width, height), &Rect::of(width, height)), width as usize);
    // Into memory nothing fails.
    let written = dots.write(height as usize, &mut out);
    debug_assert!(written.is_ok(), "{written:?}");
    out
}

impl Dots {
    fn of(colours: Vec<[u8; 3]>, width: usize) -> Self {
        let mut palette = colours.clone();
        palette.sort_unstable();
        palette.dedup();
        let colours = if palette.len() <= MOST {
            colours
        } else {
            palette = Vec::new();
            let colours: Vec<_> = colours.into_iter().map(stepped).collect();
            palette.extend_from_slice(&colours);
            palette.sort_unstable();
            palette.dedup();
            colours
        };
        let mut last = ([0; 3], None);
        let mut number = |colour: [u8; 3]| {
            if last.1.is_none() || last.0 != colour {
                last = (colour, palette.binary_search(&colour).ok());
            }
            u8::try_from(last.1.unwrap_or(0)).unwrap_or(u8::MAX)
        };
        let numbers = colours.into_iter().map(&mut number).collect();
        Self { width, numbers, palette }
    }

    fn write(&self, height: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        // Dots as wide as high; what is not drawn stays.
        write!(out, "\x1bP0;1q\"1;1;{};{height}", self.width)?;
        for (number, rgb) in self.palette.iter().enumerate() {
            let [r, g, b] = rgb.map(|part| (u32::from(part) * 100 + 127) / 255);
            write!(out, "#{number};2;{r};{g};{b}")?;
        }
        let mut band = Band::new(self.palette.len(), self.width);
        for lines in self.numbers.chunks(BAND * self.width) {
            band.take(lines);
            band.write(out)?;
        }
        out.extend_from_slice(b"\x1b\\");
        Ok(())
    }
}

/// The nearest of the steps.
fn stepped(rgb: [u8; 3]) -> [u8; 3] {
    let mut stepped = rgb;
    for (part, steps) in stepped.iter_mut().zip(STEPS) {
        let step = (u32::from(*part) * (steps - 1) + 127) / 255;
        *part = u8::try_from(step * 255 / (steps - 1)).unwrap_or(u8::MAX);
    }
    stepped
}

/// Six lines.
struct Band {
    width: usize,
    /// By colour and column the dots, the uppermost in the lowest bit.
    dots: Vec<u8>,
    /// Which colours are there.
    used: Vec<bool>,
}

impl Band {
    fn new(colours: usize, width: usize) -> Self {
        Self { width, dots: vec![0; colours * width], used: vec![false; colours] }
    }

    fn take(&mut self, lines: &[u8]) {
        for (number, used) in self.used.iter_mut().enumerate() {
            if std::mem::take(used) {
                self.dots[number * self.width..][..self.width].fill(0);
            }
        }
        for (row, line) in lines.chunks(self.width).enumerate() {
            for (column, number) in line.iter().enumerate() {
                let number = usize::from(*number);
                self.used[number] = true;
                self.dots[number * self.width + column] |= 1 << row;
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let used = (0..self.used.len()).filter(|number| self.used[*number]);
        for (turn, number) in used.enumerate() {
            if turn > 0 {
                out.push(b'$');
            }
            write!(out, "#{number}")?;
            let dots = &self.dots[number * self.width..][..self.width];
            // What is blank up to the end need not be said.
            let len = dots.iter().rposition(|dots| *dots != 0).map_or(0, |last| last + 1);
            for run in dots[..len].chunk_by(|a, b| a == b) {
                let shown = b'?' + run[0];
                if run.len() > 3 {
                    write!(out, "!{}", run.len())?;
                    out.push(shown);
                } else {
                    out.extend(std::iter::repeat_n(shown, run.len()));
                }
            }
        }
        out.push(b'-');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(image: &Image, room: (u32, u32)) -> String {
        String::from_utf8(encode(image, room)).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn dots_are_written_by_bands_and_colours() {
        let mut image = Image::black(5, 7);
        // A white line across the third row, and one white dot in the last.
        image.rgb[30..45].fill(255);
        image.rgb[90..93].fill(255);
        let head = "^P0;1q\"1;1;5;7#0;2;0;0;0#1;2;100;100;100";
        // 0..5 but the third is 11 1011, 7Ah; the third alone is 100, 43h.
        assert_eq!(text(&image, (9, 9)), format!("{head}#0!5z$#1!5C-#0?!4@$#1@-^\\"));
        assert_eq!(text(&image, (10, 20)).split('#').next(), Some("^P0;1q\"1;1;10;14"));
    }

    #[test]
    fn a_picture_fits_into_its_room() {
        for (of, room, size) in [
            ((640, 400), (1280, 800), (1280, 800)),
            ((640, 400), (1279, 800), (640, 400)),
            ((640, 480), (320, 480), (320, 240)),
            ((640, 480), (640, 240), (320, 240)),
            ((0, 480), (640, 240), (0, 0)),
            ((640, 480), (0, 0), (0, 0)),
        ] {
            assert_eq!(fitted(of, room), size, "{of:?} in {room:?}");
        }
        assert_eq!(encode(&Image::black(0, 0), (100, 100)), b"");
        assert_eq!(encode(&Image::black(4, 4), (0, 100)), b"");
    }

    #[test]
    fn few_colours_stay_and_many_become_the_nearest_of_252() {
        let mut image = Image::black(16, 16);
        let grey = |n: usize| u8::try_from(n / 3).unwrap();
        image.rgb.iter_mut().enumerate().for_each(|(n, part)| *part = grey(n));
        let dots = Dots::of(scaled(&image, (16, 16), &Rect::of(16, 16)), 16);
        assert_eq!(dots.palette.len(), 256);
        assert!(dots.numbers.iter().enumerate().all(|(n, number)| usize::from(*number) == n));
        let many = (0..4096u32).map(|n| [(n >> 4) as u8, n as u8, (n >> 2) as u8]).collect();
        let dots = Dots::of(many, 64);
        assert!(dots.palette.len() <= 252);
        assert_eq!(stepped([255, 0, 128]), [255, 0, 153]);
    }
}
