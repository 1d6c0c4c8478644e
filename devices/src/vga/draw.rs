//! The picture: lines of dots, from planes or from a linear mode's pixels.

use super::Vga;
use super::crtc::Line;
use super::graphics::Shift;
use super::size::{DWORDS, PLANES, TEXT, VIDEO};
use crate::memory::DeviceRam;
use crate::screen::{Image, Screen};

/// The four planes as they are at one moment.
pub(super) struct Planes(Vec<u8>);

impl Planes {
    /// Doubleword `number`, its planes in order; numbers wrap.
    pub(super) fn at(&self, number: u32) -> [u8; 4] {
        let at = usize::try_from(number % DWORDS).unwrap_or(0) * 4;
        self.0.get(at..).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or([0; 4])
    }
}

/// A line that is being drawn: the numbers of its colours, each as many times as a dot is wide.
pub(super) struct Row {
    colours: Vec<u8>,
    /// The colour of each pixel of four bits.
    table: [u8; 16],
    wide: bool,
}

impl Row {
    /// Appends a dot of a pixel of four bits.
    pub(super) fn dot(&mut self, pixel: u8) {
        self.colour(self.table[usize::from(pixel & 0x0f)]);
    }

    fn colour(&mut self, colour: u8) {
        self.colours.push(colour);
        if self.wide {
            self.colours.push(colour);
        }
    }
}

/// The eight pixels of a doubleword, two bits each in a plane of the first pair with two more of the other pair.
fn interleaved([p0, p1, p2, p3]: [u8; 4]) -> [u8; 8] {
    let pixel =
        |low: u8, high: u8, at: usize| low >> (6 - 2 * at) & 3 | (high >> (6 - 2 * at) & 3) << 2;
    std::array::from_fn(|at| if at < 4 { pixel(p0, p2, at) } else { pixel(p1, p3, at - 4) })
}

/// The eight pixels of a doubleword, a bit of each in every plane.
fn planar(planes: [u8; 4]) -> [u8; 8] {
    std::array::from_fn(|at| {
        (0..).zip(planes).fold(0, |pixel, (bit, plane)| pixel | (plane >> (7 - at) & 1) << bit)
    })
}

/// Spreads the bits of a part of a colour over eight.
fn widen(value: u16, bits: u32) -> u8 {
    let value = u32::from(value) & ((1 << bits) - 1);
    let spread = value << (8 - bits) | value >> (2 * bits - 8);
    u8::try_from(spread & 0xff).unwrap_or(0)
}

impl Vga {
    fn planes(&self, ram: &mut dyn DeviceRam) -> Planes {
        let size = |len: u64| usize::try_from(len).unwrap_or(0);
        let mut bytes = vec![0; size(PLANES)];
        ram.read(0, &mut bytes);
        if self.paged {
            let mut page = vec![0; size(TEXT)];
            ram.read(VIDEO, &mut page);
            for (dword, pair) in bytes.chunks_exact_mut(4).zip(page.chunks_exact(2)) {
                dword[..2].copy_from_slice(pair);
            }
        }
        Planes(bytes)
    }

    /// What is on the screen.
    pub(crate) fn screen(&self, ram: &mut dyn DeviceRam) -> Screen {
        if self.is_blank() {
            Screen::Blank
        } else if self.dispi.is_enabled() || self.attribute.graphics() {
            Screen::Graphics(self.picture(ram))
        } else {
            Screen::Text(self.text(&self.planes(ram)))
        }
    }

    /// The screen as dots. Blinking characters and the cursor are in the half of their time in which they are seen.
    pub(crate) fn picture(&self, ram: &mut dyn DeviceRam) -> Image {
        if self.dispi.is_enabled() {
            return self.linear_picture(ram);
        }
        let wide = if self.sequencer.half_clock() { 2 } else { 1 };
        let dots = if self.attribute.graphics() { 8 } else { self.sequencer.dots() };
        let (width, height) = (self.crtc.columns() * dots * wide, self.crtc.lines());
        let mut image = Image::black(width, height);
        if self.is_blank() {
            return image;
        }
        let planes = self.planes(ram);
        let palette = self.dac.palette(self.dispi.eight_bit_dac());
        let mut row = Row { colours: Vec::new(), table: self.table(), wide: wide == 2 };
        let lines = image.rgb.chunks_exact_mut(3 * usize::try_from(width).unwrap_or(1));
        for (line, pixels) in self.crtc.scan().zip(lines) {
            row.colours.clear();
            match self.attribute.graphics() {
                true => self.graphics_line(line, &planes, &mut row),
                false => self.text_line(line, &planes, &mut row),
            }
            let stays = line.split && self.attribute.panning_ends();
            let panning = if stays { 0 } else { self.attribute.panning(dots) * wide };
            let colours = row.colours.iter().skip(usize::try_from(panning).unwrap_or(0));
            for (pixel, colour) in pixels.chunks_exact_mut(3).zip(colours) {
                pixel.copy_from_slice(&palette[usize::from(*colour)]);
            }
        }
        image
    }

    /// The colours of pixels of four bits, as far as planes are shown.
    fn table(&self) -> [u8; 16] {
        std::array::from_fn(|pixel| {
            let pixel = u8::try_from(pixel).unwrap_or(0);
            self.attribute.colour(pixel & self.attribute.planes())
        })
    }

    /// Appends the dots of one line of a graphics mode.
    fn graphics_line(&self, line: Line, planes: &Planes, row: &mut Row) {
        let panning = self.crtc.byte_panning();
        for column in 0..=self.crtc.columns() {
            let dword = planes.at(self.crtc.address(line, panning + column));
            match self.graphics.shift() {
                Shift::Planar => planar(dword).iter().for_each(|pixel| row.dot(*pixel)),
                Shift::Interleaved => interleaved(dword).iter().for_each(|pixel| row.dot(*pixel)),
                Shift::Bytes if self.attribute.eight_bits() => {
                    dword.iter().for_each(|pixel| [*pixel; 2].iter().for_each(|c| row.colour(*c)));
                }
                // Without the other half of the mode, each half of a byte is a pixel.
                Shift::Bytes => {
                    let halves = dword.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
                    halves.for_each(|pixel| row.dot(pixel));
                }
            }
        }
    }

    /// The picture of a mode of the display interface.
    fn linear_picture(&self, ram: &mut dyn DeviceRam) -> Image {
        let (width, height) = self.dispi.size();
        let mut image = Image::black(width, height);
        if self.is_blank() {
            return image;
        }
        let palette = self.dac.palette(self.dispi.eight_bit_dac());
        let (mut at, skip) = self.dispi.start();
        let pitch = u64::from(self.dispi.pitch());
        let across = usize::try_from(width).unwrap_or(1).max(1);
        let mut bytes = vec![0; across * usize::from(self.dispi.bits().div_ceil(8)) + 4];
        for pixels in image.rgb.chunks_exact_mut(3 * across) {
            bytes.fill(0);
            let left = usize::try_from(VIDEO.saturating_sub(at)).unwrap_or(0).min(bytes.len());
            ram.read(at, &mut bytes[..left]);
            self.linear_line(&bytes, skip, &palette, pixels);
            at = at.saturating_add(pitch);
        }
        image
    }

    /// Draws one line of `bytes`, from pixel `skip` on where a byte holds several.
    fn linear_line(&self, bytes: &[u8], skip: u32, palette: &[[u8; 3]; 256], line: &mut [u8]) {
        let out = line.chunks_exact_mut(3);
        let table = self.table();
        let word = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
        match self.dispi.bits() {
            4 => {
                let dwords = bytes.chunks_exact(4).filter_map(|bytes| bytes.first_chunk().copied());
                let pixels = dwords.flat_map(planar).skip(usize::try_from(skip).unwrap_or(0));
                for (to, pixel) in out.zip(pixels) {
                    to.copy_from_slice(&palette[usize::from(table[usize::from(pixel & 0x0f)])]);
                }
            }
            8 => {
                for (to, pixel) in out.zip(bytes) {
                    to.copy_from_slice(&palette[usize::from(*pixel)]);
                }
            }
            15 | 16 => {
                let green = if self.dispi.bits() == 16 { 6 } else { 5 };
                for (to, pixel) in out.zip(bytes.chunks_exact(2).map(word)) {
                    let parts = [(pixel >> (5 + green), 5), (pixel >> 5, green), (pixel, 5)];
                    to.copy_from_slice(&parts.map(|(value, bits)| widen(value, bits)));
                }
            }
            bits => {
                for (to, pixel) in out.zip(bytes.chunks_exact(usize::from(bits / 8))) {
                    to.copy_from_slice(&[pixel[2], pixel[1], pixel[0]]);
                }
            }
        }
    }
}
