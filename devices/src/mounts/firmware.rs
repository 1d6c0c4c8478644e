//! The firmware port: an OUT asks the host for a service, before the next instruction.
//!
//! A stub of the machine's own firmware writes here. Who serves the call reads the guest's registers, so it is
//! the machine that does, told by an event.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::state::{StateError, decode, encode};

/// The port.
#[derive(Debug)]
pub(crate) struct FirmwarePort;

impl Device for FirmwarePort {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::MAX
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        ctx.event(BoardEvent::FirmwareCall(data(value)));
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {}

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&())
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        decode(bytes)
    }
}
