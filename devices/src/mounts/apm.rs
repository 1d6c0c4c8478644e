//! The ports of advanced power management, which are two latches: a write to the first would interrupt the processor
//! into system management mode, which this machine has not.
//!
//! The machine is told of the write instead. Its own firmware calls the host so: who serves the call reads the guest's
//! registers, before the next instruction.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::state::{StateError, decode, encode};

const CONTROL: usize = 0;

/// Control and status.
#[derive(Debug, Default)]
pub(crate) struct Apm([u8; 2]);

impl Device for Apm {
    fn read(&mut self, region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        self.0.get(region).copied().map_or(u64::MAX, u64::from)
    }

    fn write(&mut self, region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if let Some(latch) = self.0.get_mut(region) {
            *latch = data(value);
        }
        if region == CONTROL {
            ctx.event(BoardEvent::FirmwareCall(data(value)));
        }
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.0 = [0; 2];
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        self.0 = decode(bytes)?;
        Ok(())
    }
}
