//! Where the beam is: a function of time, of the dot clock and of the CRT controller's registers.

use super::Vga;

/// Frequencies that the miscellaneous output selects, in hertz; the others are nobody's.
const CLOCKS: [u64; 2] = [25_175_000, 28_322_000];
const NS: u128 = 1_000_000_000;

/// What the beam does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beam {
    /// It shows nothing: right or left of the picture, below or above.
    pub(super) dark: bool,
    /// It runs up again.
    pub(super) retrace: bool,
}

impl Vga {
    fn dot_clock(&self) -> u64 {
        let clock = CLOCKS[usize::from(self.misc >> 2 & 1)];
        if self.sequencer.half_clock() { clock / 2 } else { clock }
    }

    /// Where the beam is at `now` nanoseconds.
    pub(super) fn beam(&self, now: u64) -> Beam {
        let columns = u64::from(self.crtc.total_columns());
        let lines = u64::from(self.crtc.total_lines());
        let dots = u64::from(self.sequencer.dots());
        let passed = u128::from(now) * u128::from(self.dot_clock()) / NS / u128::from(dots);
        let at = u64::try_from(passed % u128::from(columns * lines)).unwrap_or(0);
        let (line, column) = (at / columns, at % columns);
        let shown = line < u64::from(self.crtc.lines()) && column < u64::from(self.crtc.columns());
        let (first, len) = self.crtc.retrace();
        let retrace = line.checked_sub(u64::from(first)).is_some_and(|n| n < u64::from(len));
        Beam { dark: !shown, retrace }
    }
}
