//! The i8042 at 60h and 64h with IRQ 1 and 12, keyboard and mouse; its output port holds the A20 gate and the reset line.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::i8042::{I8042, Signal};
use crate::state::{StateError, decode, encode};

const DATA: usize = 0;
const KEYBOARD: usize = 0;
const AUX: usize = 1;

/// The keyboard controller in its two ports.
#[derive(Debug)]
pub(crate) struct KeyboardPorts(I8042);

impl KeyboardPorts {
    /// As firmware leaves it.
    pub(crate) fn new() -> Self {
        KeyboardPorts(I8042::new())
    }

    fn lines(&mut self, ctx: &mut Ctx<'_>) {
        if self.0.take_dip() {
            ctx.line(KEYBOARD, false);
            ctx.line(AUX, false);
        }
        ctx.line(KEYBOARD, self.0.irq());
        ctx.line(AUX, self.0.aux_irq());
        ctx.plane.leds = self.0.leds();
    }
}

impl Device for KeyboardPorts {
    fn read(&mut self, region: usize, _offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        if region != DATA {
            return u64::from(self.0.status());
        }
        let value = self.0.read_data(ctx.now());
        self.lines(ctx);
        u64::from(value)
    }

    fn write(&mut self, region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let signal = match region {
            DATA => self.0.write_data(data(value)),
            _ => self.0.write_command(data(value), ctx.a20()),
        };
        match signal {
            Some(Signal::A20(open)) => ctx.set_a20(open),
            Some(Signal::Reset) => ctx.event(BoardEvent::Reset),
            None => {}
        }
        self.lines(ctx);
    }

    /// Keys and the mouse, as [`crate::input`] has them.
    fn receive(&mut self, bytes: &[u8], ctx: &mut Ctx<'_>) -> usize {
        let taken = self.0.press(bytes, ctx.now());
        self.lines(ctx);
        taken
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.0.settle(ctx.now());
        self.lines(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.0.deadline()
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        self.0 = I8042::new();
        self.lines(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: I8042 = decode(bytes)?;
        state.check()?;
        self.0 = state;
        ctx.plane.leds = self.0.leds();
        Ok(())
    }
}
