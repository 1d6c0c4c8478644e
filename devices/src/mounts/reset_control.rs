//! The ISA bridge: its reset control register, CF9h, where a rise of bit 2 resets, and the routes of the PIRQ wires.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::state::{StateError, check, decode, encode};

const RESET_CPU: u8 = 0x04;
const WRITABLE: u8 = 0x0e;

/// PIRQRC\[A:D\], the route registers of its configuration space (Intel 290550, 4.2.6).
const ROUTES: u8 = 0x60;
/// The wire leads nowhere.
const NOT_ROUTED: u8 = 0x80;
/// IRQs that a wire can be routed to; the others are reserved.
const ROUTABLE: u16 = 0xdef8;

/// The register as written.
#[derive(Debug)]
pub(crate) struct ResetControl(u8);

impl ResetControl {
    /// As at power-on.
    pub(crate) fn new() -> Self {
        ResetControl(0)
    }
}

impl Device for ResetControl {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::from(self.0)
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let value = data(value);
        if value & !self.0 & RESET_CPU != 0 {
            ctx.event(BoardEvent::Reset);
        }
        self.0 = value & WRITABLE;
    }

    fn configured(&mut self, register: u8, ctx: &mut Ctx<'_>) {
        if register == ROUTES {
            for (wire, offset) in (0..).zip(ROUTES..ROUTES + 4) {
                let route = ctx.config(offset);
                let irq = route & 0x0f;
                let on = route & NOT_ROUTED == 0 && ROUTABLE & 1 << irq != 0;
                ctx.route(wire, on.then_some(irq));
            }
        }
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.0 = 0;
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        self.0 = decode(bytes)?;
        check(self.0 & !WRITABLE == 0, "reset control")
    }
}
