//! Pictures of a screen: what came compared with one that is checked in.

use ringer_input::{Limit, read, shown};
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor};
use std::path::{Path, PathBuf};

/// A picture's file may have so many bytes, and its pixels as many.
const SIZE: Limit = Limit::new(64 << 20, "what a picture of a screen can have");
/// What is the same is shown so much darker than it is.
const DIM: u8 = 4;
/// What differs.
const RED: [u8; 3] = [0xff, 0, 0];

/// A picture in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    /// Red, green and blue of each pixel, line by line.
    rgb: Vec<u8>,
}

/// What became of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They are the same.
    Same,
    /// They are not: in a line.
    Differs(String),
}

impl Picture {
    /// Reads the PNG file at `path`: gray or coloured, of any depth, without what is transparent.
    ///
    /// # Errors
    /// In words, when it is no such file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let wrong = |what: String| format!("{}: {what}", shown(path));
        let bytes = read(path, SIZE).map_err(|error| error.to_string())?;
        let limits = png::Limits { bytes: usize::try_from(SIZE.bytes).unwrap_or(usize::MAX) };
        let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(|error| wrong(error.to_string()))?;
        let size = reader.output_buffer_size().filter(|size| *size as u64 <= SIZE.bytes);
        let size = size.ok_or_else(|| wrong("it has too many pixels".to_owned()))?;
        let mut pixels = vec![0; size];
        let frame = reader.next_frame(&mut pixels).map_err(|error| wrong(error.to_string()))?;
        pixels.truncate(frame.buffer_size());
        let rgb = match frame.color_type {
            png::ColorType::Rgb => pixels,
            png::ColorType::Rgba => {
                pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect()
            }
            png::ColorType::Grayscale => pixels.iter().flat_map(|gray| [*gray; 3]).collect(),
            png::ColorType::GrayscaleAlpha => {
                pixels.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect()
            }
            other @ png::ColorType::Indexed => {
                return Err(wrong(format!("its colours are {other:?}")));
            }
        };
        Ok(Self { width: frame.width, height: frame.height, rgb })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let file = BufWriter::new(File::create(path)?);
        let mut encoder = png::Encoder::new(file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        Ok(encoder.write_header()?.write_image_data(&self.rgb)?)
    }

    /// The pixel there; black beyond its edges.
    fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let inside = x < self.width && y < self.height;
        let at = 3 * (u64::from(y) * u64::from(self.width) + u64::from(x));
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let pixel = self.rgb.get(at..at.saturating_add(3)).filter(|_| inside);
        pixel.map_or([0; 3], |pixel| [pixel[0], pixel[1], pixel[2]])
    }

    /// What of `other` is not as here: red, over this one in the dark. How many pixels that are.
    fn difference(&self, other: &Self) -> (Self, u64) {
        let (width, height) = (self.width.max(other.width), self.height.max(other.height));
        let (mut rgb, mut count) = (Vec::new(), 0);
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let own = self.pixel(x, y);
            let differs = own != other.pixel(x, y)
                || (x < self.width && y < self.height) != (x < other.width && y < other.height);
            count += u64::from(differs);
            rgb.extend(if differs { RED } else { own.map(|part| part / DIM) });
        }
        (Self { width, height, rgb }, count)
    }
}

/// Where pictures go that were not as expected.
#[derive(Clone, Debug)]
pub struct Album {
    /// The folder; made when the first picture goes there.
    pub folder: PathBuf,
    /// The test's name.
    pub name: String,
}

impl Album {
    /// Compares the picture `got` with the one that is `wanted`. If they differ, what came and where it differs are
    /// written to the album's folder, which the words name.
    #[must_use]
    pub fn compare(&self, wanted: &Path, got: &Path) -> Comparison {
        let came = match Picture::read(got) {
            Ok(picture) => picture,
            Err(error) => return Comparison::Differs(format!("no picture of the screen: {error}")),
        };
        let expected = match Picture::read(wanted) {
            Ok(picture) => picture,
            Err(error) => {
                let kept = self.keep(&[("png", &came)]);
                return Comparison::Differs(format!("{error}; the screen is in {kept}"));
            }
        };
        if expected == came {
            return Comparison::Same;
        }
        let (difference, count) = expected.difference(&came);
        let kept = self.keep(&[("diff.png", &difference), ("png", &came)]);
        let size = |picture: &Picture| format!("{}x{}", picture.width, picture.height);
        let what = match size(&expected) == size(&came) {
            true => format!("{count} of {} pixels differ", difference.rgb.len() / 3),
            false => format!("it has {} pixels, not {}", size(&came), size(&expected)),
        };
        Comparison::Differs(format!("the screen is not {}: {what}; see {kept}", shown(wanted)))
    }

    /// Writes pictures; where to, in words.
    fn keep(&self, pictures: &[(&str, &Picture)]) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = self.name.chars().map(plain).collect();
        let mut kept = Vec::new();
        for (ending, picture) in pictures {
            let path = self.folder.join(format!("{name}.{ending}"));
            let written = fs::create_dir_all(&self.folder).and_then(|()| picture.write(&path));
            kept.push(match written {
                Ok(()) => shown(&path).to_string(),
                Err(error) => format!("nothing ({}: {error})", shown(&path)),
            });
        }
        kept.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, rgb: &[u8]) -> Picture {
        Picture { width, height, rgb: rgb.to_vec() }
    }

    #[test]
    fn what_differs_is_red_and_the_rest_dark() {
        let one = picture(2, 1, &[40, 80, 120, 1, 2, 3]);
        let (difference, count) = one.difference(&picture(2, 1, &[40, 80, 120, 1, 2, 4]));
        assert_eq!((difference.rgb, count), (vec![10, 20, 30, 0xff, 0, 0], 1));
        let (difference, count) = one.difference(&picture(1, 2, &[40, 80, 120, 0, 0, 0]));
        assert_eq!((difference.width, difference.height, count), (2, 2, 2), "beyond an edge");
    }

    #[test]
    fn a_comparison_names_the_pictures_that_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let album = Album { folder: file("out"), name: "a/b [bt]".to_owned() };
        picture(1, 1, &[1, 2, 3]).write(&file("a.png")).unwrap();
        picture(1, 1, &[1, 2, 4]).write(&file("b.png")).unwrap();
        assert_eq!(album.compare(&file("a.png"), &file("a.png")), Comparison::Same);
        assert!(!file("out").exists());
        let differs = |wanted: &str, got: &str| match album.compare(&file(wanted), &file(got)) {
            Comparison::Differs(told) => told,
            Comparison::Same => panic!("they differ"),
        };
        let told = differs("a.png", "b.png");
        assert!(
            told.contains("1 of 1 pixels differ") && told.contains("out/a-b--bt-.diff.png"),
            "{told}"
        );
        assert_eq!(Picture::read(&file("out/a-b--bt-.png")).unwrap(), picture(1, 1, &[1, 2, 4]));
        assert!(differs("none.png", "b.png").contains("the screen is in"), "{told}");
        fs::write(file("c.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
        assert!(differs("a.png", "c.png").starts_with("no picture of the screen"));
    }
}
