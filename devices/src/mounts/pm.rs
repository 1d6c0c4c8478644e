//! Power management as a function of the PIIX4 has it: the ACPI block with the SCI on IRQ 9, and the SMBus controller.
//!
//! Registers of the configuration space say where both are and whether they are there. After reset the block is at 600h
//! already, where guests without firmware look for it.

use super::byte::{data, register};
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::pm::Pm;
use crate::smbus::SmBus;
use crate::state::{StateError, decode, encode};
use serde::{Deserialize, Serialize};

/// Regions.
const BLOCK: usize = 0;
const SMBUS: usize = 1;

/// Registers of the configuration space (Intel 290562, 7.1): bases, and what switches them on.
pub(crate) mod config {
    pub(crate) const BLOCK_BASE: u8 = 0x40;
    pub(crate) const DEVICE_ACTIVITY_B: u8 = 0x58;
    pub(crate) const BLOCK_ON: u8 = 0x80;
    pub(crate) const SMBUS_BASE: u8 = 0x90;
    pub(crate) const SMBUS_ON: u8 = 0xd2;
}
/// The bit that does so, in both.
const ON: u8 = 1;
/// Bits of the low byte of a base that are no address.
const BLOCK_LOW: u8 = 0xc0;
const SMBUS_LOW: u8 = 0xf0;

/// The chips in their ports.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PmPorts {
    pm: Pm,
    smbus: SmBus,
    /// The power button has been pressed, and the guest has been told.
    pressed: bool,
}

impl PmPorts {
    /// As at power-on at time 0.
    pub(crate) fn new() -> Self {
        PmPorts { pm: Pm::new(0), smbus: SmBus::default(), pressed: false }
    }
}

/// Where the base register at `offset` places a region that `on` switches on.
fn base(ctx: &Ctx<'_>, offset: u8, low: u8, on: u8) -> Option<u64> {
    let address = u16::from_le_bytes([ctx.config(offset) & low, ctx.config(offset + 1)]);
    (ctx.config(on) & ON != 0).then_some(u64::from(address))
}

impl Device for PmPorts {
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        if region == SMBUS {
            return u64::from(self.smbus.read(usize::from(register(offset))));
        }
        u64::from(self.pm.read(u16::from(register(offset)), size, ctx.now()))
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if region == SMBUS {
            return self.smbus.write(usize::from(register(offset)), data(value));
        }
        let registers = register(offset)..;
        for (offset, byte) in registers.zip(value.to_le_bytes()).take(usize::from(size)) {
            if self.pm.write(u16::from(offset), byte, ctx.now()) {
                ctx.event(BoardEvent::PowerOff);
            }
        }
        self.wake(ctx);
    }

    fn configured(&mut self, register: u8, ctx: &mut Ctx<'_>) {
        if matches!(register, config::BLOCK_BASE | config::BLOCK_ON) {
            ctx.remap(BLOCK, base(ctx, config::BLOCK_BASE, BLOCK_LOW, config::BLOCK_ON));
        }
        if register == config::SMBUS_BASE || register == config::SMBUS_ON & !3 {
            ctx.remap(SMBUS, base(ctx, config::SMBUS_BASE, SMBUS_LOW, config::SMBUS_ON));
        }
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.pm.sync(ctx.now());
        ctx.line(0, self.pm.sci());
    }

    /// The power button. Whoever does not listen, or has been told already and is still on, is switched off as by a
    /// button that is held.
    fn pin(&mut self, _level: bool, ctx: &mut Ctx<'_>) {
        if self.pressed || !self.pm.press() {
            ctx.event(BoardEvent::PowerOff);
        }
        self.pressed = true;
        self.wake(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.pm.deadline()
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        *self = PmPorts { pm: Pm::new(ctx.now()), ..PmPorts::new() };
        self.wake(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(self)
    }

    fn load(&mut self, version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        // Version 2 had no button.
        let more: &[u8] = if version < 3 { &[0] } else { &[] };
        let state: Self = decode(&[bytes, more].concat())?;
        state.pm.check(ctx.now())?;
        *self = state;
        Ok(())
    }
}
