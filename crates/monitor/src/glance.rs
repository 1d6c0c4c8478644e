//! A look at the machine's screen while it runs.

use crate::dma::Door;
use crate::profile::Profile;
use ringer_devices::screen::Image;
use ringer_devices::{Board, Screen};
use ringer_mmu::GuestMemory;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an onlooker can see, at one moment between two instructions.
#[derive(Debug)]
pub struct Glance<'a> {
    board: &'a mut Board,
    memory: Door<'a>,
    counters: Option<Profile>,
}

impl<'a> Glance<'a> {
    pub(crate) fn new(board: &'a mut Board, memory: &'a mut GuestMemory) -> Self {
        Self { board, memory: Door(memory), counters: None }
    }

    pub(crate) fn with(self, counters: Option<Profile>) -> Self {
        Self { counters, ..self }
    }

    /// What the machine has counted, if the onlooker asked for that ([`Onlooker::counting`]).
    pub fn counters(&mut self) -> Option<Profile> {
        self.counters.take()
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
pub struct Onlooker {
    look: Box<dyn FnMut(&mut Glance<'_>)>,
    /// Counters are wanted at the next look.
    counts: Option<Arc<AtomicBool>>,
}

impl Onlooker {
    /// One that does `look`.
    pub fn new(look: impl FnMut(&mut Glance<'_>) + 'static) -> Self {
        Self { look: Box::new(look), counts: None }
    }

    /// The same, that sees the counters, too, at a look after `wanted` was set; which it is no longer then.
    #[must_use]
    pub fn counting(self, wanted: Arc<AtomicBool>) -> Self {
        Self { counts: Some(wanted), ..self }
    }

    pub(crate) fn wants_counters(&self) -> bool {
        self.counts.as_ref().is_some_and(|wanted| wanted.swap(false, Ordering::Relaxed))
    }

    pub(crate) fn look(&mut self, glance: &mut Glance<'_>) {
        (self.look)(glance);
    }
}

impl fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onlooker").finish_non_exhaustive()
    }
}
