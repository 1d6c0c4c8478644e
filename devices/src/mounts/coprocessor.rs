//! The PC's way of telling floating-point errors: FERR# sets a latch behind IRQ 13, and a write to port F0h
//! clears it and asserts IGNNE# until FERR# falls.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::state::{StateError, decode, encode};

/// FERR# as last seen.
#[derive(Debug)]
pub(crate) struct Coprocessor {
    ferr: bool,
}

impl Coprocessor {
    /// As at power-on.
    pub(crate) fn new() -> Self {
        Coprocessor { ferr: false }
    }
}

impl Device for Coprocessor {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::MAX
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, _value: u64, ctx: &mut Ctx<'_>) {
        ctx.plane.ignne = self.ferr;
        ctx.line(0, false);
    }

    /// The FERR# pin.
    fn pin(&mut self, level: bool, ctx: &mut Ctx<'_>) {
        if level && !self.ferr {
            ctx.line(0, true);
        } else if !level {
            ctx.line(0, false);
            ctx.plane.ignne = false;
        }
        self.ferr = level;
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.ferr = false;
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.ferr)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        self.ferr = decode(bytes)?;
        Ok(())
    }
}
