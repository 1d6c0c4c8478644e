//! Colours as a terminal has them.

use crossterm::style::Color;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All of them.
    Full,
    /// 256, most of them in a cube of six steps.
    Indexed,
}

/// The steps of the cube.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
/// Where the cube and the greys begin.
const CUBE: u8 = 16;
const GREYS: u8 = 232;

impl Depth {
    /// What the environment says of the terminal.
    #[must_use]
    pub fn of(colorterm: Option<&str>, term: Option<&str>) -> Self {
        let full = matches!(colorterm, Some("truecolor" | "24bit"));
        let direct = term.is_some_and(|term| term.ends_with("-direct") || term == "xterm-kitty");
        if full || direct { Self::Full } else { Self::Indexed }
    }

    /// The colour nearest to `rgb`.
    pub(super) fn colour(self, rgb: [u8; 3]) -> Color {
        let [r, g, b] = rgb;
        match self {
            Self::Full => Color::Rgb { r, g, b },
            Self::Indexed => Color::AnsiValue(nearest(rgb)),
        }
    }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

fn nearest(rgb: [u8; 3]) -> u8 {
    let step = |part: u8| {
        let far = |n: &u8| STEPS[usize::from(*n)].abs_diff(part);
        (0..6).min_by_key(far).unwrap_or(0)
    };
    let steps = rgb.map(step);
    let cube = steps.map(|step| STEPS[usize::from(step)]);
    let index = CUBE + 36 * steps[0] + 6 * steps[1] + steps[2];
    let mean = rgb.into_iter().map(u32::from).sum::<u32>() / 3;
    let grey = u8::try_from((mean.saturating_sub(3) / 10).min(23)).unwrap_or(23);
    let level = 8 + 10 * grey;
    if distance([level; 3], rgb) < distance(cube, rgb) { GREYS + grey } else { index }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_256() {
        for (rgb, index) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([0xaa, 0xaa, 0xaa], 248),
            ([0, 0, 0xaa], 19),
            ([0x55, 0x55, 0xff], 63),
        ] {
            assert_eq!(nearest(rgb), index, "{rgb:?}");
        }
    }

    #[test]
    fn what_the_environment_says() {
        assert_eq!(Depth::of(Some("truecolor"), Some("xterm")), Depth::Full);
        assert_eq!(Depth::of(None, Some("xterm-direct")), Depth::Full);
        assert_eq!(Depth::of(None, Some("xterm-256color")), Depth::Indexed);
        assert_eq!(Depth::of(None, None), Depth::Indexed);
    }
}
