//! How a viewer wants its pixels (RFC 6143, 7.4).

/// A format of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelFormat {
    /// Bits of a pixel: 8, 16 or 32.
    bits: u8,
    depth: u8,
    big_endian: bool,
    /// Pixels have parts of red, green and blue; else they are numbers of colours.
    true_colour: bool,
    /// The most of red, green and blue.
    most: [u16; 3],
    shift: [u8; 3],
}

impl PixelFormat {
    /// What a viewer gets that asks for nothing: 0RGB, the lowest byte first.
    pub const OURS: Self = Self {
        bits: 32,
        depth: 24,
        big_endian: false,
        true_colour: true,
        most: [255; 3],
        shift: [16, 8, 0],
    };

    /// That of a viewer which wants numbers of colours: the colours are ours to choose, so they are parts again.
    const NUMBERS: Self = Self {
        bits: 8,
        depth: 8,
        big_endian: false,
        true_colour: false,
        most: [7, 7, 3],
        shift: [0, 3, 6],
    };

    /// What the 16 bytes say; `None`: there is no such format.
    pub(super) fn parse(bytes: &[u8; 16]) -> Option<Self> {
        let [bits, depth, big, colour, rest @ ..] = *bytes;
        if !matches!(bits, 8 | 16 | 32) {
            return None;
        }
        if colour == 0 {
            return (bits == 8).then_some(Self::NUMBERS);
        }
        let word = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        let format = Self {
            bits,
            depth,
            big_endian: big != 0,
            true_colour: true,
            most: [word(0), word(2), word(4)],
            shift: [rest[6], rest[7], rest[8]],
        };
        format.shift.iter().all(|shift| *shift < bits).then_some(format)
    }

    /// As it is sent.
    pub(super) fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&[
            self.bits,
            self.depth,
            u8::from(self.big_endian),
            u8::from(self.true_colour),
        ]);
        for (place, most) in bytes[4..10].chunks_exact_mut(2).zip(self.most) {
            place.copy_from_slice(&most.to_be_bytes());
        }
        bytes[10..13].copy_from_slice(&self.shift);
        bytes
    }

    /// The colours, where pixels are numbers of colours: the message that tells the viewer.
    pub(super) fn colours(&self) -> Option<Vec<u8>> {
        if self.true_colour {
            return None;
        }
        // SetColourMapEntries: 256 of them from the first.
        let mut message = vec![1, 0, 0, 0, 1, 0];
        for number in 0..=255u32 {
            for (shift, most) in self.shift.into_iter().zip(self.most) {
                let part = (number >> shift) & u32::from(most);
                let value = part * 0xffff / u32::from(most);
                message.extend(u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes());
            }
        }
        Some(message)
    }
}

/// A format as it is written.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// What each value of red, green and blue adds to a pixel.
    parts: Box<[[u32; 256]; 3]>,
    bytes: usize,
    big_endian: bool,
    /// The bytes of a pixel of 32 bits that hold something, where three of them do: first and last.
    compact: Option<(usize, usize)>,
}

impl Writer {
    pub(super) fn new(format: &PixelFormat) -> Self {
        let part = |channel: usize, value: u32| {
            let most = u32::from(format.most[channel]);
            ((value * most + 127) / 255) << format.shift[channel]
        };
        let table = |channel| {
            let mut table = [0; 256];
            (0..).zip(table.iter_mut()).for_each(|(value, place)| *place = part(channel, value));
            table
        };
        let parts = Box::new([table(0), table(1), table(2)]);
        let all = parts.iter().fold(0, |all, table| all | table[255]);
        // RFC 6143, 7.7.5: a compressed pixel has three bytes where depth is 24 or less and all parts are in three of four.
        let small = format.bits == 32 && format.depth <= 24 && format.true_colour;
        let compact = match (small && all >> 24 == 0, small && all & 0xff == 0) {
            (true, _) if format.big_endian => Some((1, 4)),
            (true, _) => Some((0, 3)),
            (_, true) if format.big_endian => Some((0, 3)),
            (_, true) => Some((1, 4)),
            _ => None,
        };
        let bytes = usize::from(format.bits / 8);
        Self { parts, bytes, big_endian: format.big_endian, compact }
    }

    /// Bytes of a pixel.
    pub(super) fn size(&self) -> usize {
        self.bytes
    }

    pub(super) fn pixel(&self, rgb: &[u8]) -> u32 {
        let part = |channel: usize| {
            let value = rgb.get(channel).copied().unwrap_or(0);
            self.parts[channel][usize::from(value)]
        };
        part(0) | part(1) | part(2)
    }

    fn whole(&self, pixel: u32) -> ([u8; 4], usize) {
        let low = pixel.to_le_bytes();
        match (self.big_endian, self.bytes) {
            (true, 2) => ([low[1], low[0], 0, 0], 2),
            (true, 4) => (pixel.to_be_bytes(), 4),
            (_, bytes) => (low, bytes),
        }
    }

    pub(super) fn put(&self, pixel: u32, out: &mut Vec<u8>) {
        let (bytes, len) = self.whole(pixel);
        out.extend_from_slice(&bytes[..len]);
    }

    /// As a compressed pixel.
    pub(super) fn put_compact(&self, pixel: u32, out: &mut Vec<u8>) {
        let (bytes, len) = self.whole(pixel);
        let (first, last) = self.compact.unwrap_or((0, len));
        out.extend_from_slice(&bytes[first..last]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(format: &PixelFormat, rgb: [u8; 3]) -> (Vec<u8>, Vec<u8>) {
        let writer = Writer::new(format);
        let (mut whole, mut compact) = (Vec::new(), Vec::new());
        writer.put(writer.pixel(&rgb), &mut whole);
        writer.put_compact(writer.pixel(&rgb), &mut compact);
        (whole, compact)
    }

    #[test]
    fn pixels_are_written_as_asked_for() {
        let ours = PixelFormat::OURS;
        assert_eq!(PixelFormat::parse(&ours.bytes()), Some(ours));
        assert_eq!(put(&ours, [1, 2, 3]), (vec![3, 2, 1, 0], vec![3, 2, 1]));
        let big = PixelFormat { big_endian: true, ..ours };
        assert_eq!(put(&big, [1, 2, 3]), (vec![0, 1, 2, 3], vec![1, 2, 3]));
        let high = PixelFormat { shift: [24, 16, 8], ..ours };
        assert_eq!(put(&high, [1, 2, 3]), (vec![0, 3, 2, 1], vec![3, 2, 1]));
        let word =
            PixelFormat { bits: 16, depth: 16, most: [31, 63, 31], shift: [11, 5, 0], ..ours };
        assert_eq!(put(&word, [255, 0, 255]).0, [0x1f, 0xf8]);
        let word = PixelFormat { big_endian: true, ..word };
        assert_eq!(put(&word, [255, 0, 255]), (vec![0xf8, 0x1f], vec![0xf8, 0x1f]));
    }

    #[test]
    fn formats_that_there_are_not() {
        let mut bytes = PixelFormat::OURS.bytes();
        bytes[0] = 24;
        assert_eq!(PixelFormat::parse(&bytes), None);
        bytes[0] = 16;
        bytes[10] = 16;
        assert_eq!(PixelFormat::parse(&bytes), None, "a part beyond the pixel");
        let mut numbers = [0; 16];
        numbers[0] = 8;
        let numbers = PixelFormat::parse(&numbers).unwrap();
        let colours = numbers.colours().unwrap();
        assert_eq!((colours.len(), &colours[6 + 6 * 255..]), (6 + 6 * 256, &[0xff; 6][..]));
        assert_eq!(put(&numbers, [255, 0, 0]).0, [7]);
    }
}
