//! The high precision event timers at FED00000h. With the legacy routes the first two drive IRQ 0 and IRQ 8 in place of the
//! 8254 and the real-time clock.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::hpet::{Fired, Hpet, Route, TIMERS};
use crate::state::{StateError, decode, encode};

/// The registers.
#[derive(Debug)]
pub(crate) struct HpetRegisters(Hpet);

/// The row's line for an interrupt line of the PC.
fn line(irq: u8) -> usize {
    usize::from(irq != 0)
}

impl HpetRegisters {
    /// As at power-on at time 0.
    pub(crate) fn new() -> Self {
        HpetRegisters(Hpet::new(0))
    }

    fn settle(&mut self, ctx: &mut Ctx<'_>) {
        for fired in self.0.advance(ctx.now()).into_iter().flatten() {
            fire(fired, ctx);
        }
    }

    /// Brings lines and pins to what the chip says now, and drops those of comparator routes `before`.
    fn follow(&mut self, before: [Route; TIMERS], ctx: &mut Ctx<'_>) {
        ctx.replace_legacy(self.0.is_legacy());
        for (n, before) in before.into_iter().enumerate() {
            let route = self.0.route(n);
            if route != before {
                set(before, false, ctx);
            }
            set(route, self.0.asks(n), ctx);
        }
    }

    fn routes(&self) -> [Route; TIMERS] {
        std::array::from_fn(|n| self.0.route(n))
    }
}

fn set(route: Route, level: bool, ctx: &mut Ctx<'_>) {
    match route {
        Route::Legacy(irq) => ctx.line(line(irq), level),
        Route::Pin(pin) => ctx.io_apic_pin(pin, level),
        Route::Message(..) => {}
    }
}

fn fire(fired: Fired, ctx: &mut Ctx<'_>) {
    match (fired.route, fired.level) {
        (Route::Message(address, data), _) => ctx.message(u64::from(address), data),
        (route, true) => set(route, true, ctx),
        (Route::Legacy(irq), false) => ctx.pulse(line(irq), false),
        (route, false) => {
            set(route, true, ctx);
            set(route, false, ctx);
        }
    }
}

impl Device for HpetRegisters {
    fn read(&mut self, _region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        self.settle(ctx);
        self.0.read(offset, ctx.now()) >> (8 * (offset & 7))
    }

    fn write(&mut self, _region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        self.settle(ctx);
        let (before, shift) = (self.routes(), 8 * (offset & 7));
        let ones = if size >= 8 { u64::MAX } else { (1 << (8 * u32::from(size))) - 1 };
        self.0.write(offset, value << shift, ones << shift, ctx.now());
        self.follow(before, ctx);
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.settle(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.0.deadline()
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        let before = self.routes();
        self.0 = Hpet::new(ctx.now());
        self.follow(before, ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: Hpet = decode(bytes)?;
        state.check(ctx.now())?;
        self.0 = state;
        ctx.replace_legacy(self.0.is_legacy());
        Ok(())
    }
}
