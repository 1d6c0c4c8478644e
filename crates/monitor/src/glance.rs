//! A look at the machine's screen while it runs.

use crate::dma::Door;
use ringer_devices::screen::Image;
use ringer_devices::{Board, Screen};
use ringer_mmu::GuestMemory;
use std::fmt;

/// What an onlooker can see, at one moment between two instructions.
#[derive(Debug)]
pub struct Glance<'a> {
    board: &'a mut Board,
    memory: Door<'a>,
}

impl<'a> Glance<'a> {
    pub(crate) fn new(board: &'a mut Board, memory: &'a mut GuestMemory) -> Self {
        Self { board, memory: Door(memory) }
    }

    /// Whether the screen can show something else than when this was last asked.
    pub fn screen_changed(&mut self) -> bool {
        self.board.take_screen_changed(&mut self.memory)
    }

    /// What is on it.
    pub fn screen(&mut self) -> Screen {
        self.board.screen(&mut self.memory)
    }

    /// The same as pixels.
    pub fn picture(&mut self) -> Image {
        self.board.picture(&mut self.memory)
    }
}

/// Who looks at the machine while it runs, when it has asked to by [`crate::Kicker::glance`]. It must not wait for anybody:
/// the guest stands still meanwhile.
pub struct Onlooker(Box<dyn FnMut(&mut Glance<'_>)>);

impl Onlooker {
    /// One that does `look`.
    pub fn new(look: impl FnMut(&mut Glance<'_>) + 'static) -> Self {
        Self(Box::new(look))
    }

    pub(crate) fn look(&mut self, glance: &mut Glance<'_>) {
        (self.0)(glance);
    }
}

impl fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onlooker").finish_non_exhaustive()
    }
}
