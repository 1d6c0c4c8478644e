//! Port 92h: fast A20 and reset.
//!
//! The gate is a wire of the board that the keyboard controller moves too, so the port keeps nothing.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::state::{StateError, decode, encode};

const RESET: u64 = 0x01;
const A20: u64 = 0x02;

/// The port.
#[derive(Debug)]
pub(crate) struct FastA20;

impl Device for FastA20 {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        u64::from(ctx.a20()) << 1
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        ctx.set_a20(value & A20 != 0);
        // A one pulses the processor's reset line.
        if value & RESET != 0 {
            ctx.event(BoardEvent::Reset);
        }
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {}

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&())
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        decode(bytes)
    }
}
