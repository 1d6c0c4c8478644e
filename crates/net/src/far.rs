//! The far end of a guest's cable, as the loop of its thread sees it.

use crate::outbox::Outbox;
use rustix::event::PollFd;
use std::fmt;
use std::time::Duration;

/// The far end of a cable.
pub(crate) trait Far: Send + fmt::Debug {
    /// A frame of the guest's.
    fn take(&mut self, frame: &[u8], out: &mut Outbox);

    /// Moves what can be moved, without waiting.
    fn work(&mut self, out: &mut Outbox);

    /// What it waits for; `out` may have no room for the guest, and then there is no use in more.
    fn interests<'a>(&'a self, out: &Outbox, into: &mut Vec<PollFd<'a>>);

    /// When it has to work at the latest.
    fn timeout(&mut self) -> Option<Duration>;
}
