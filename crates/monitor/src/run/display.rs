//! The screen, for whoever looks at it: between two runs, or while one goes on.

use super::Monitor;
use crate::glance::{Glance, Onlooker};
use ringer_devices::Screen;
use ringer_devices::screen::Image;

impl Monitor {
    /// What is on the screen.
    pub fn screen(&mut self) -> Screen {
        self.glance().screen()
    }

    /// The same as pixels.
    pub fn picture(&mut self) -> Image {
        self.glance().picture()
    }

    fn glance(&mut self) -> Glance<'_> {
        let bus = &mut self.chassis.bus;
        Glance::new(&mut bus.io.board, &mut bus.memory)
    }

    /// From now on `onlooker` is called, between two instructions and on the thread that runs the machine, soon after
    /// each [`crate::Kicker::glance`]. The guest does not notice.
    pub fn set_onlooker(&mut self, onlooker: Onlooker) {
        self.onlooker = Some(onlooker);
    }

    /// Lets the onlooker look, if it asked to.
    pub(super) fn let_look(&mut self) {
        if let Some(mut onlooker) = self.onlooker.take() {
            let counters = onlooker.wants_counters().then(|| self.profile());
            onlooker.look(&mut self.glance().with(counters));
            self.onlooker = Some(onlooker);
        }
    }
}
