//! Port E9h: what is written goes to the host; a read answers E9h, which says that it is there.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::state::{StateError, decode, encode};

/// The console.
#[derive(Debug)]
pub(crate) struct DebugConsole;

impl Device for DebugConsole {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        0xe9
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        ctx.send(&[data(value)]);
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {}

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&())
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        decode(bytes)
    }
}
