//! The ACPI power-management block at 600h, with the SCI on IRQ 9.

use super::byte::register;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::pm::Pm;
use crate::state::{StateError, decode, encode};

/// The block in its ports.
#[derive(Debug)]
pub(crate) struct PmPorts(Pm);

impl PmPorts {
    /// As at power-on at time 0.
    pub(crate) fn new() -> Self {
        PmPorts(Pm::new(0))
    }
}

impl Device for PmPorts {
    fn read(&mut self, _region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let value = self.0.read(u16::from(register(offset)), size, ctx.now());
        u64::from(value)
    }

    fn write(&mut self, _region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let registers = register(offset)..;
        for (offset, byte) in registers.zip(value.to_le_bytes()).take(usize::from(size)) {
            if self.0.write(u16::from(offset), byte, ctx.now()) {
                ctx.event(BoardEvent::PowerOff);
            }
        }
        self.wake(ctx);
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.0.sync(ctx.now());
        ctx.line(0, self.0.sci());
    }

    fn deadline(&self) -> Option<u64> {
        self.0.deadline()
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        self.0 = Pm::new(ctx.now());
        self.wake(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: Pm = decode(bytes)?;
        state.check(ctx.now())?;
        self.0 = state;
        Ok(())
    }
}
