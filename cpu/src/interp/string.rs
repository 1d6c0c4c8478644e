//! Being written.
use super::Handler;
use crate::bus::Bus;
use iced_x86::Code;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(_code: Code) -> Option<Handler<B>> {
    None
}
