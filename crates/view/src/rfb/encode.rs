//! Updates of a viewer's picture: raw, by zlib, and ZRLE (RFC 6143, 7.7.1 and 7.7.6; zlib as the registry of encodings has it).

use super::format::Writer;
use crate::damage::Rect;
use flate2::{Compress, Compression, FlushCompress};
use ringer_devices::screen::Image;

/// How pixels are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Raw,
    Zlib,
    Zrle,
}

impl Encoding {
    /// That of the number, if we have it.
    pub(super) fn numbered(number: i32) -> Option<Self> {
        [Self::Raw, Self::Zlib, Self::Zrle].into_iter().find(|encoding| encoding.number() == number)
    }

    fn number(self) -> i32 {
        match self {
            Self::Raw => 0,
            Self::Zlib => 6,
            Self::Zrle => 16,
        }
    }
}

/// A tile of ZRLE is so many pixels wide and high.
const TILE: u32 = 64;
/// A tile with so many colours or fewer is sent as their numbers.
const COLOURS: usize = 16;

/// The streams of a connection: each goes on from update to update.
#[derive(Debug)]
pub(super) struct Encoder {
    zlib: Option<Compress>,
    zrle: Option<Compress>,
    plain: Vec<u8>,
}

fn fast(stream: &mut Option<Compress>) -> &mut Compress {
    stream.get_or_insert_with(|| Compress::new(Compression::fast(), true))
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { zlib: None, zrle: None, plain: Vec::new() }
    }

    /// Appends the rectangle `rect` of `image`, of which all lies in the image.
    pub(super) fn put(
        &mut self,
        image: &Image,
        rect: &Rect,
        encoding: Encoding,
        writer: &Writer,
        out: &mut Vec<u8>,
    ) {
        head(rect, encoding.number(), out);
        let Self { zlib, zrle, plain } = self;
        plain.clear();
        match encoding {
            Encoding::Raw => {
                pixels(image, rect).for_each(|rgb| writer.put(writer.pixel(rgb), out));
            }
            Encoding::Zlib => {
                plain.reserve(area(rect) * writer.size());
                pixels(image, rect).for_each(|rgb| writer.put(writer.pixel(rgb), plain));
                deflate(fast(zlib), plain, out);
            }
            Encoding::Zrle => {
                for y in (rect.y..rect.y + rect.height).step_by(TILE as usize) {
                    for x in (rect.x..rect.x + rect.width).step_by(TILE as usize) {
                        let width = TILE.min(rect.x + rect.width - x);
                        let height = TILE.min(rect.y + rect.height - y);
                        tile(image, &Rect { x, y, width, height }, writer, plain);
                    }
                }
                deflate(fast(zrle), plain, out);
            }
        }
    }
}

/// Appends the head of a rectangle.
pub(super) fn head(rect: &Rect, encoding: i32, out: &mut Vec<u8>) {
    for number in [rect.x, rect.y, rect.width, rect.height] {
        out.extend(u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes());
    }
    out.extend(encoding.to_be_bytes());
}

fn area(rect: &Rect) -> usize {
    usize::try_from(u64::from(rect.width) * u64::from(rect.height)).unwrap_or(0)
}

/// The pixels of a rectangle, line by line.
fn pixels<'a>(image: &'a Image, rect: &Rect) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let at = |n: u32| usize::try_from(n).unwrap_or(0);
    let (line, x, width) = (3 * at(image.width), 3 * at(rect.x), 3 * at(rect.width));
    let (y, height) = (at(rect.y), at(rect.height));
    let lines = image.rgb.chunks_exact(line.max(1)).skip(y).take(height);
    lines.flat_map(move |line| line.get(x..x + width).unwrap_or(&[]).chunks_exact(3))
}

/// Appends the length of `plain` in the stream, and that.
fn deflate(stream: &mut Compress, plain: &[u8], out: &mut Vec<u8>) {
    let length = out.len();
    out.extend([0; 4]);
    let before = stream.total_in();
    loop {
        let taken = usize::try_from(stream.total_in() - before).unwrap_or(usize::MAX);
        let left = plain.get(taken..).unwrap_or(&[]);
        out.reserve(left.len() / 8 + 256);
        // A vector with room: the one error there is, a bad state of the stream, cannot be.
        let done = stream.compress_vec(left, out, FlushCompress::Sync);
        debug_assert!(done.is_ok(), "{done:?}");
        let whole = stream.total_in() - before >= plain.len() as u64;
        // What filled all the room may have left something behind.
        if done.is_err() || whole && out.len() < out.capacity() {
            break;
        }
    }
    let size = u32::try_from(out.len() - length - 4).unwrap_or(u32::MAX);
    out[length..length + 4].copy_from_slice(&size.to_be_bytes());
}

/// Appends a tile of ZRLE: of one colour, of a few, or its pixels.
fn tile(image: &Image, rect: &Rect, writer: &Writer, out: &mut Vec<u8>) {
    let mut colours: Vec<u32> = Vec::with_capacity(COLOURS);
    let mut few = true;
    let mut last = None;
    for rgb in pixels(image, rect) {
        let pixel = writer.pixel(rgb);
        if last == Some(pixel) || colours.contains(&pixel) {
            last = Some(pixel);
            continue;
        }
        last = Some(pixel);
        few = colours.len() < COLOURS;
        if !few {
            break;
        }
        colours.push(pixel);
    }
    match u8::try_from(colours.len()) {
        Ok(number) if few => {
            out.push(number);
            colours.iter().for_each(|colour| writer.put_compact(*colour, out));
            if number > 1 {
                packed(image, rect, writer, &colours, out);
            }
        }
        _ => {
            out.push(0);
            pixels(image, rect).for_each(|rgb| writer.put_compact(writer.pixel(rgb), out));
        }
    }
}

/// Appends the numbers of a tile's colours, each line in whole bytes.
fn packed(image: &Image, rect: &Rect, writer: &Writer, colours: &[u32], out: &mut Vec<u8>) {
    let bits = match colours.len() {
        0..=2 => 1,
        3..=4 => 2,
        _ => 4,
    };
    for y in rect.y..rect.y + rect.height {
        let (mut byte, mut free) = (0u8, 8);
        for rgb in pixels(image, &Rect { y, height: 1, ..*rect }) {
            let pixel = writer.pixel(rgb);
            let number = colours.iter().position(|colour| *colour == pixel).unwrap_or(0);
            free -= bits;
            byte |= u8::try_from(number).unwrap_or(0) << free;
            if free == 0 {
                out.push(std::mem::take(&mut byte));
                free = 8;
            }
        }
        if free < 8 {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::PixelFormat;
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    fn encode(encoder: &mut Encoder, image: &Image, rect: Rect, encoding: Encoding) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.put(image, &rect, encoding, &Writer::new(&PixelFormat::OURS), &mut out);
        out
    }

    fn inflate(stream: &mut Decompress, sent: &[u8]) -> Vec<u8> {
        let len = u32::from_be_bytes(sent[12..16].try_into().unwrap()) as usize;
        assert_eq!(sent.len(), 16 + len);
        let mut plain = Vec::with_capacity(1 << 22);
        stream.decompress_vec(&sent[16..], &mut plain, FlushDecompress::Sync).unwrap();
        plain
    }

    #[test]
    fn a_stream_goes_on_from_update_to_update() {
        let rgb = (0..3 * 200 * 100u32).map(|n| ((n * n) >> 7) as u8).collect();
        let image = Image { width: 200, height: 100, rgb };
        let (mut encoder, mut stream) = (Encoder::new(), Decompress::new(true));
        for rect in [Rect::of(200, 100), Rect { x: 13, y: 7, width: 100, height: 50 }] {
            let raw = encode(&mut encoder, &image, rect, Encoding::Raw);
            let packed = encode(&mut encoder, &image, rect, Encoding::Zlib);
            assert_eq!(raw[..8], packed[..8]);
            assert_eq!(inflate(&mut stream, &packed), raw[12..]);
        }
    }

    #[test]
    fn tiles_of_one_colour_of_two_and_of_many() {
        let mut image = Image::black(70, 2);
        let (mut encoder, mut stream) = (Encoder::new(), Decompress::new(true));
        let mut plain = |image: &Image| {
            let sent = encode(&mut encoder, image, Rect::of(70, 2), Encoding::Zrle);
            inflate(&mut stream, &sent)
        };
        assert_eq!(plain(&image), [1, 0, 0, 0, 1, 0, 0, 0]);
        image.rgb[3 * 64..3 * 65].fill(255);
        // The second tile: two colours, a bit a pixel, six pixels in a byte.
        assert_eq!(plain(&image)[4..], [2, 255, 255, 255, 0, 0, 0, 0b0111_1100, 0b1111_1100]);
        image.rgb = (0..3 * 140).map(|n| n as u8).collect();
        let many = plain(&image);
        // The other tile: twelve colours, four bits a pixel.
        let (raw, packed) = (1 + 3 * 128, 1 + 3 * 12 + 2 * 3);
        assert_eq!((many[0], many[raw], many.len()), (0, 12, raw + packed));
    }
}
