//! The processor's registers that are the board's to keep, reset and save: see [`crate::msrs`].

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::msrs::Msrs;
use crate::state::{StateError, decode, encode};

/// The registers' place on the board.
#[derive(Debug)]
pub(crate) struct ProcessorRegisters;

impl Device for ProcessorRegisters {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::MAX
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, _value: u64, _ctx: &mut Ctx<'_>) {}

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        ctx.plane.msrs = Some(Box::default());
    }

    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&ctx.plane.msrs)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let msrs: Msrs = decode::<Option<Msrs>>(bytes)?.unwrap_or_default();
        msrs.check()?;
        ctx.plane.msrs = Some(Box::new(msrs));
        Ok(())
    }
}
