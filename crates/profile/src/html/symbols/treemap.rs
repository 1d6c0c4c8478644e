//! The squarified layout of a treemap: rows of rectangles that are as near to squares as they get
//! (Bruls, Huizing, van Wijk: "Squarified Treemaps").

/// A rectangle, in per cent of the picture's width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// How much wider than high the picture is drawn.
const ASPECT: f64 = 2.6;

impl Rect {
    /// The whole picture.
    pub const PAGE: Self = Self { x: 0.0, y: 0.0, width: 100.0, height: 100.0 };

    /// Its place as a style.
    pub fn style(&self) -> String {
        let Self { x, y, width, height } = self;
        format!("left:{x:.3}%;top:{y:.3}%;width:{width:.3}%;height:{height:.3}%")
    }

    /// No room for a line of text.
    pub fn is_narrow(&self) -> bool {
        self.width < 4.5 || self.height < 5.5
    }
}

/// Rectangles in `frame` whose areas are as `sizes`, which descend and are not negative.
pub fn squarify(sizes: &[f64], frame: Rect) -> Vec<Rect> {
    let whole: f64 = sizes.iter().sum();
    let mut left = frame;
    let mut rest = sizes;
    let mut rects = Vec::new();
    if whole <= 0.0 {
        return vec![Rect { width: 0.0, height: 0.0, ..frame }; sizes.len()];
    }
    let scale = frame.width * frame.height / whole;
    while !rest.is_empty() {
        let along_height = left.width * ASPECT >= left.height;
        let side = if along_height { left.height } else { left.width * ASPECT };
        let n = row_len(rest, side, scale * ASPECT);
        let (row, others) = rest.split_at(n);
        left = place(row, scale, along_height, left, &mut rects);
        rest = others;
    }
    rects
}

/// How many of `sizes` make the row whose worst rectangle is best.
fn row_len(sizes: &[f64], side: f64, scale: f64) -> usize {
    let worst = |n: usize| {
        let sum: f64 = sizes[..n].iter().sum::<f64>() * scale;
        let thickness = sum / side;
        let ratio = |size: &f64| {
            let length = (size * scale / thickness.max(f64::MIN_POSITIVE)).max(f64::MIN_POSITIVE);
            (length / thickness).max(thickness / length)
        };
        sizes[..n].iter().map(ratio).fold(0.0, f64::max)
    };
    let mut n = 1;
    let mut best = worst(1);
    while n < sizes.len() {
        let next = worst(n + 1);
        if next > best {
            break;
        }
        (n, best) = (n + 1, next);
    }
    n
}

/// Places a row at the left or upper side of `frame`; returns what is left of it.
fn place(row: &[f64], scale: f64, along_height: bool, frame: Rect, out: &mut Vec<Rect>) -> Rect {
    let area: f64 = row.iter().sum::<f64>() * scale;
    let side = if along_height { frame.height } else { frame.width };
    let thickness = if side > 0.0 { area / side } else { 0.0 };
    let mut at = 0.0;
    for size in row {
        let length = if thickness > 0.0 { size * scale / thickness } else { 0.0 };
        out.push(if along_height {
            Rect { x: frame.x, y: frame.y + at, width: thickness, height: length }
        } else {
            Rect { x: frame.x + at, y: frame.y, width: length, height: thickness }
        });
        at += length;
    }
    if along_height {
        Rect { x: frame.x + thickness, width: (frame.width - thickness).max(0.0), ..frame }
    } else {
        Rect { y: frame.y + thickness, height: (frame.height - thickness).max(0.0), ..frame }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_as_the_sizes_and_fill_the_frame() {
        let sizes = [600.0, 300.0, 250.0, 100.0, 50.0, 10.0, 1.0, 1.0];
        let rects = squarify(&sizes, Rect::PAGE);
        let whole: f64 = sizes.iter().sum();
        for (size, rect) in sizes.iter().zip(&rects) {
            let share = rect.width * rect.height / 10_000.0;
            assert!((share - size / whole).abs() < 1e-9, "{rect:?}");
            let inside = rect.x + rect.width < 100.0 + 1e-6 && rect.y + rect.height < 100.0 + 1e-6;
            assert!(inside && rect.x >= 0.0 && rect.y >= 0.0, "{rect:?}");
        }
        for (k, a) in rects.iter().enumerate() {
            for b in &rects[k + 1..] {
                let overlap = |a0: f64, a1: f64, b0: f64, b1: f64| a0 + 1e-6 < b1 && b0 + 1e-6 < a1;
                let both = overlap(a.x, a.x + a.width, b.x, b.x + b.width)
                    && overlap(a.y, a.y + a.height, b.y, b.y + b.height);
                assert!(!both, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn nothing_is_drawn_for_nothing() {
        assert!(squarify(&[], Rect::PAGE).is_empty());
        assert_eq!(squarify(&[0.0, 0.0], Rect::PAGE).len(), 2);
        assert_eq!(squarify(&[5.0], Rect::PAGE), [Rect::PAGE]);
        assert!(squarify(&[5.0, 0.0], Rect::PAGE).iter().all(|rect| rect.width.is_finite()));
    }
}
