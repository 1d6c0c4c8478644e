//! What differs between two pictures, in tiles.

use ringer_devices::screen::Image;

/// A tile: pixels across, and lines. A character of text is eight or nine by sixteen.
const WIDTH: u32 = 64;
const HEIGHT: u32 = 16;

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// The first pixel.
    pub x: u32,
    /// The first line.
    pub y: u32,
    /// Pixels across.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl Rect {
    /// All of a picture.
    #[must_use]
    pub fn of(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// Whether they have a pixel in common.
    #[must_use]
    pub fn meets(&self, other: &Rect) -> bool {
        let apart = |a: u32, wide: u32, b: u32| u64::from(a) + u64::from(wide) <= u64::from(b);
        !(apart(self.x, self.width, other.x)
            || apart(other.x, other.width, self.x)
            || apart(self.y, self.height, other.y)
            || apart(other.y, other.height, self.y))
    }
}

/// Which tiles of a picture somebody has yet to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    width: u32,
    height: u32,
    /// Row by row.
    tiles: Vec<bool>,
}

impl Damage {
    fn filled(width: u32, height: u32, with: bool) -> Self {
        let tiles = u64::from(width.div_ceil(WIDTH)) * u64::from(height.div_ceil(HEIGHT));
        let tiles = usize::try_from(tiles).unwrap_or(0);
        Self { width, height, tiles: vec![with; tiles] }
    }

    /// All of a picture of that size.
    #[must_use]
    pub fn all(width: u32, height: u32) -> Self {
        Self::filled(width, height, true)
    }

    /// What differs between two pictures; all, where their sizes do.
    #[must_use]
    pub fn between(old: &Image, new: &Image) -> Self {
        if (old.width, old.height) != (new.width, new.height) {
            return Self::all(new.width, new.height);
        }
        let mut damage = Self::filled(new.width, new.height, false);
        let line = 3 * usize::try_from(new.width).unwrap_or(0);
        if line == 0 {
            return damage;
        }
        let across = damage.across();
        let lines = old.rgb.chunks_exact(line).zip(new.rgb.chunks_exact(line));
        for (y, (before, after)) in lines.enumerate() {
            if before == after {
                continue;
            }
            let tile = 3 * WIDTH as usize;
            let row = y / HEIGHT as usize * across;
            for (x, (before, after)) in before.chunks(tile).zip(after.chunks(tile)).enumerate() {
                if before != after
                    && let Some(tile) = damage.tiles.get_mut(row + x)
                {
                    *tile = true;
                }
            }
        }
        damage
    }

    fn across(&self) -> usize {
        usize::try_from(self.width.div_ceil(WIDTH)).unwrap_or(0)
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.tiles.contains(&true)
    }

    /// The size of the picture.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// What `other` has is added; all, where it is of a picture of another size, which is that from now on.
    pub fn add(&mut self, other: &Damage) {
        if self.size() != other.size() {
            *self = Self::all(other.width, other.height);
            return;
        }
        self.tiles.iter_mut().zip(&other.tiles).for_each(|(mine, other)| *mine |= other);
    }

    fn rect(&self, column: usize, row: usize) -> Rect {
        let at = |n: usize, size: u32| u32::try_from(n).unwrap_or(0).saturating_mul(size);
        let (x, y) = (at(column, WIDTH), at(row, HEIGHT));
        let width = WIDTH.min(self.width.saturating_sub(x));
        Rect { x, y, width, height: HEIGHT.min(self.height.saturating_sub(y)) }
    }

    /// All tiles that meet `part` are damaged.
    pub fn touch(&mut self, part: &Rect) {
        self.each(|damaged, rect| *damaged |= rect.meets(part));
    }

    fn each(&mut self, mut change: impl FnMut(&mut bool, &Rect)) {
        let across = self.across().max(1);
        let mut tiles = std::mem::take(&mut self.tiles);
        for (number, tile) in tiles.iter_mut().enumerate() {
            change(tile, &self.rect(number % across, number / across));
        }
        self.tiles = tiles;
    }

    /// Takes the damage that meets `part`, as few rectangles.
    pub fn take(&mut self, part: &Rect) -> Vec<Rect> {
        let mut rects: Vec<Rect> = Vec::new();
        self.each(|damaged, rect| {
            if !*damaged || !rect.meets(part) {
                return;
            }
            *damaged = false;
            match rects.last_mut() {
                Some(last) if last.y == rect.y && last.x + last.width == rect.x => {
                    last.width += rect.width;
                }
                _ => rects.push(*rect),
            }
        });
        stacked(rects)
    }
}

/// Joins those that stand on one another and are as wide.
fn stacked(rects: Vec<Rect>) -> Vec<Rect> {
    let mut joined: Vec<Rect> = Vec::new();
    // Those that end where the row at hand begins.
    for rect in rects {
        let above = joined.iter_mut().rev().take(64).find(|above| {
            (above.x, above.width) == (rect.x, rect.width) && above.y + above.height == rect.y
        });
        match above {
            Some(above) => above.height += rect.height,
            None => joined.push(rect),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32) -> Image {
        Image::black(width, height)
    }

    fn dot(image: &mut Image, x: u32, y: u32) {
        let at = 3 * (y * image.width + x) as usize;
        image.rgb[at] = 1;
    }

    #[test]
    fn a_dot_is_a_tile_and_tiles_in_a_row_are_one() {
        let (old, mut new) = (image(720, 400), image(720, 400));
        assert!(Damage::between(&old, &new).is_empty());
        dot(&mut new, 719, 399);
        let mut damage = Damage::between(&old, &new);
        let all = Rect::of(720, 400);
        assert_eq!(damage.take(&all), [Rect { x: 704, y: 384, width: 16, height: 16 }]);
        assert!(damage.is_empty() && damage.take(&all).is_empty());
        for (x, y) in [(63, 0), (64, 0), (70, 16), (10, 31), (300, 40)] {
            dot(&mut new, x, y);
        }
        new.rgb[3 * (720 * 400 - 1)] = 0;
        let rects = Damage::between(&old, &new).take(&all);
        let want = [
            Rect { x: 0, y: 0, width: 128, height: 32 },
            Rect { x: 256, y: 32, width: 64, height: 16 },
        ];
        assert_eq!(rects, want);
    }

    #[test]
    fn another_size_is_all_of_it() {
        let mut damage = Damage::between(&image(720, 400), &image(640, 480));
        assert_eq!(damage.take(&Rect::of(640, 480)), [Rect::of(640, 480)]);
        let mut damage = Damage::all(8, 8);
        damage.add(&Damage::between(&image(640, 400), &image(640, 400)));
        assert_eq!((damage.size(), damage.is_empty()), ((640, 400), false));
        assert!(Damage::between(&image(0, 0), &image(0, 0)).is_empty());
    }

    #[test]
    fn what_is_asked_for_is_taken_and_the_rest_stays() {
        let mut damage = Damage::all(128, 32);
        let corner = Rect { x: 100, y: 20, width: 1, height: 1 };
        assert_eq!(damage.take(&corner), [Rect { x: 64, y: 16, width: 64, height: 16 }]);
        assert_eq!(damage.take(&Rect::of(128, 32)).len(), 2);
        damage.touch(&corner);
        assert_eq!(damage.take(&Rect::of(u32::MAX, u32::MAX)).len(), 1);
    }
}
