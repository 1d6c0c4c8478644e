//! Pictures made larger or smaller.

use crate::damage::Rect;
use ringer_devices::screen::Image;

/// The size of a picture of size `of` in `room`: a whole factor larger, or made smaller.
pub(crate) fn fitted(of: (u32, u32), room: (u32, u32)) -> (u32, u32) {
    let ((width, height), (across, down)) = (of, room);
    if width == 0 || height == 0 {
        return (0, 0);
    }
    match (across / width).min(down / height) {
        0 => {
            let (w, h) = (u64::from(width), u64::from(height));
            let (a, d) = (u64::from(across), u64::from(down));
            let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            if w * d > h * a { (across, small(h * a / w)) } else { (small(w * d / h), down) }
        }
        factor => (factor * width, factor * height),
    }
}

/// The colours of a part of a picture that is made as large as that, line by line.
pub(crate) fn scaled(image: &Image, (width, height): (u32, u32), of: &Rect) -> Vec<[u8; 3]> {
    let part = |n: u32, of: u32, size: u32| {
        let at = |n: u32| u64::from(n) * u64::from(size) / u64::from(of);
        at(n)..at(n + 1).max(at(n) + 1)
    };
    let right = of.x.saturating_add(of.width).min(width);
    let columns: Vec<_> = (of.x..right).map(|x| part(x, width, image.width)).collect();
    let below = of.y.saturating_add(of.height).min(height);
    let mut colours = Vec::with_capacity(columns.len() * of.height as usize);
    for y in of.y..below {
        let lines = part(y, height, image.height);
        colours.extend(columns.iter().map(|xs| mean(image, xs.clone(), lines.clone())));
    }
    colours
}

/// The mean of a part of a picture.
pub(crate) fn mean(image: &Image, xs: std::ops::Range<u64>, ys: std::ops::Range<u64>) -> [u8; 3] {
    let (mut sums, mut count) = ([0u64; 3], 0u64);
    for y in ys {
        for x in xs.clone() {
            let at = usize::try_from(3 * (y * u64::from(image.width) + x)).unwrap_or(usize::MAX);
            let Some(pixel) = image.rgb.get(at..).and_then(|rest| rest.get(..3)) else { continue };
            sums.iter_mut().zip(pixel).for_each(|(sum, part)| *sum += u64::from(*part));
            count += 1;
        }
    }
    sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_factor_or_smaller() {
        for (of, room, size) in [
            ((720, 400), (720, 400), (720, 400)),
            ((720, 400), (1500, 900), (1440, 800)),
            ((720, 400), (719, 400), (719, 399)),
            ((640, 480), (320, 480), (320, 240)),
            ((640, 480), (640, 120), (160, 120)),
            ((0, 0), (640, 480), (0, 0)),
            ((640, 480), (0, 480), (0, 0)),
        ] {
            assert_eq!(fitted(of, room), size, "{of:?} in {room:?}");
        }
    }

    #[test]
    fn a_part_is_that_part_of_the_whole() {
        let mut image = Image::black(7, 5);
        (0u8..).zip(&mut image.rgb).for_each(|(n, part)| *part = n.wrapping_mul(37));
        for size in [(7, 5), (14, 10), (3, 2), (5, 4)] {
            let whole = scaled(&image, size, &Rect::of(size.0, size.1));
            assert_eq!(whole.len(), size.0 as usize * size.1 as usize);
            let of = Rect { x: 1, y: 1, width: 9, height: size.1 - 1 };
            let part = scaled(&image, size, &of);
            let width = size.0 as usize;
            let want: Vec<_> = whole
                .chunks(width)
                .skip(1)
                .flat_map(|line| line.iter().skip(1).take(9).copied())
                .collect();
            assert_eq!(part, want, "{size:?}");
        }
        let twice = scaled(&image, (14, 10), &Rect { x: 2, y: 2, width: 2, height: 2 });
        assert_eq!(twice, [[image.rgb[24], image.rgb[25], image.rgb[26]]; 4]);
    }
}
