//! The plot: a pair of bars for each workload. Written by hand, because rectangles and text are all of it.

use crate::report::Row;
use std::fmt::Write;

const LEFT: f64 = 130.0;
const WIDTH: f64 = 600.0;
const STEP: f64 = 26.0;
/// The greatest ratio that has room; the scale is logarithmic.
const MOST: f64 = 100.0;
/// The least.
const LEAST: f64 = 0.5;

fn x(ratio: f64) -> f64 {
    let part = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + part * WIDTH
}

/// An SVG of each row's time in Ringer and in TCG, over native time (over Ringer's, where there is no native time).
#[must_use]
pub fn svg(rows: &[Row]) -> String {
    let height = 60.0 + STEP * rows.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"16\">Time over native \
         (over Ringer for kernel-bound work), logarithmic: Ringer blue, QEMU TCG orange</text>\n",
        LEFT + WIDTH + 40.0
    );
    for mark in [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
        let at = x(mark);
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} 40V{height}\" stroke=\"#ccc\"/><text x=\"{at:.1}\" y=\"34\" text-anchor=\"middle\">{mark}</text>"
        );
    }
    for (n, row) in rows.iter().enumerate() {
        let y = 46.0 + STEP * n as f64;
        let base = row.native.unwrap_or(row.ringer);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 14.0,
            row.name
        );
        for (time, colour, down) in [(row.ringer, "#3366cc", 0.0), (row.tcg, "#e69138", 10.0)] {
            let _ = writeln!(
                out,
                "<rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"9\" fill=\"{colour}\"/>",
                y + down,
                x(time / base) - LEFT
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_logarithmic_and_bounded() {
        assert!((x(5.0) - x(0.5) - (x(50.0) - x(5.0))).abs() < 1e-9);
        assert_eq!(x(1000.0), LEFT + WIDTH);
    }
}
