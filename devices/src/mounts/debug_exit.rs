//! Ports F4h..F7h, or four others that were asked for: a write, of any width, ends the run with its value.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::state::{StateError, decode, encode};

/// The port.
#[derive(Debug)]
pub(crate) struct DebugExit;

impl Device for DebugExit {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::MAX
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let [a, b, c, d, ..] = value.to_le_bytes();
        ctx.event(BoardEvent::DebugExit(u32::from_le_bytes([a, b, c, d])));
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {}

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&())
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        decode(bytes)
    }
}
