//! System instructions: segments, gates, interrupts, tasks, control registers.

use super::Handler;
use crate::bus::Bus;
use iced_x86::Code;

pub mod interrupt;
pub mod io;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(_code: Code) -> Option<Handler<B>> {
    None
}
