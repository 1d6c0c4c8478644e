//! Pictures of the screen as PNG files.

use crate::error::CliError;
use crate::target::Target;
use ringer::screen::Image;
use std::io::{self, Write};
use std::path::Path;

/// A PNG file, made before the run so that a wrong name is told at once.
#[derive(Debug)]
pub struct Picture(Target);

impl Picture {
    /// Looks whether it can be written; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        Target::create(path).map(Self)
    }

    /// Writes `image`. One without a pixel, of a machine without a display, becomes a black one of one pixel: PNG has none
    /// that is empty.
    pub fn write(self, image: &Image) -> Result<(), CliError> {
        self.0.write(|out| encode(image, out))
    }
}

/// Writes `image` as PNG.
pub fn encode(image: &Image, out: impl Write) -> io::Result<()> {
    let one = Image::black(1, 1);
    let image = if image.width == 0 || image.height == 0 { &one } else { image };
    let mut encoder = png::Encoder::new(out, image.width, image.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&image.rgb)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_again_as_it_was() {
        let rgb = (0..2 * 3 * 3).collect();
        let image = Image { width: 2, height: 3, rgb };
        let mut file = Vec::new();
        encode(&image, &mut file).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, pixels), (2, 3, image.rgb));
        let mut nothing = Vec::new();
        encode(&Image::black(0, 0), &mut nothing).unwrap();
        assert!(nothing.starts_with(b"\x89PNG"));
    }
}
