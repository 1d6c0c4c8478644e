//! A 16550A as a serial port, with IRQ 4 for COM1. What it sends goes to the host at once.

use super::byte::{data, register};
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::state::{StateError, decode, encode};
use crate::uart::Uart;

/// A serial port.
#[derive(Debug)]
pub(crate) struct Serial(Uart);

impl Serial {
    /// As at power-on.
    pub(crate) fn new() -> Self {
        Serial(Uart::new())
    }

    fn lines(&mut self, ctx: &mut Ctx<'_>) {
        if self.0.take_dip() {
            ctx.line(0, false);
        }
        ctx.line(0, self.0.irq());
    }
}

impl Device for Serial {
    fn read(&mut self, _region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let value = self.0.read(register(offset));
        self.lines(ctx);
        u64::from(value)
    }

    fn write(&mut self, _region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if let Some(byte) = self.0.write(register(offset), data(value)) {
            ctx.plane.stats.serial_out += 1;
            ctx.send(&[byte]);
        }
        self.lines(ctx);
    }

    fn receive(&mut self, bytes: &[u8], ctx: &mut Ctx<'_>) -> usize {
        let taken = self.0.receive(bytes);
        self.lines(ctx);
        taken
    }

    fn backed_up(&mut self, full: bool, ctx: &mut Ctx<'_>) {
        self.0.hold_back(full);
        self.lines(ctx);
    }

    fn listens(&self) -> bool {
        self.0.listens()
    }

    /// What is still on the wire stays there.
    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        self.0.reset();
        self.lines(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: Uart = decode(bytes)?;
        state.check()?;
        self.0 = state;
        // The saved machine's other end may have been one that took nothing.
        ctx.ask_output();
        Ok(())
    }
}
