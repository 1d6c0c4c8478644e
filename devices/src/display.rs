//! What the board shows: that of its display adapter.

use crate::board::Board;
use crate::memory::Dma;
use crate::screen::{Image, Screen};

impl Board {
    /// The slot of the display adapter: the first device that has a screen.
    fn display(&self) -> Option<usize> {
        self.mounts.iter().position(|mount| mount.device.is_display())
    }

    /// What is on the screen. `memory` is that of the machine, in which the adapter's memory lies.
    pub fn screen(&mut self, memory: &mut dyn Dma) -> Screen {
        let Some(slot) = self.display() else { return Screen::Blank };
        self.call(slot, memory, |device, ctx| device.screen(ctx))
    }

    /// The screen as pixels, text drawn with the font that the guest has loaded. A blank screen is a black one of the
    /// size that it has; without a display adapter it has no pixel.
    pub fn picture(&mut self, memory: &mut dyn Dma) -> Image {
        let Some(slot) = self.display() else { return Image::black(0, 0) };
        self.call(slot, memory, |device, ctx| device.picture(ctx))
    }

    /// Whether the screen can show something else than when this was last asked: who draws it asks first. Costs next to
    /// nothing when nothing has changed.
    pub fn take_screen_changed(&mut self, memory: &mut dyn Dma) -> bool {
        let Some(slot) = self.display() else { return false };
        self.call(slot, memory, |device, ctx| device.take_screen_changed(ctx))
    }
}
