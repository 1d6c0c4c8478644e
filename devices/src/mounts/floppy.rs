//! The floppy controller at 3F0h and 3F7h, with IRQ 6 and DMA channel 2, and its two drives.

use super::byte::data;
use crate::config::BoardConfig;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::floppy::controller::{Bus, Controller, DRIVES};
use crate::floppy::drive::{Drive, Mechanism};
use crate::medium::Medium;
use crate::state::{StateError, decode, encode};

const REGISTERS: usize = 0;

/// The controller and what hangs on it.
#[derive(Debug)]
pub(crate) struct FloppyPorts {
    chip: Controller,
    drives: [Drive; DRIVES],
}

/// Sectors go by the DMA channel of the row.
struct Channel<'a, 'b>(&'a mut Ctx<'b>);

impl Bus for Channel<'_, '_> {
    fn give(&mut self, data: &[u8]) -> (usize, bool) {
        let done = self.0.isa_dma_write(data);
        (done.moved, done.terminal)
    }

    fn take(&mut self, data: &mut [u8]) -> (usize, bool) {
        let done = self.0.isa_dma_read(data);
        (done.moved, done.terminal)
    }
}

impl FloppyPorts {
    /// With the configured drives, all empty.
    pub(crate) fn new(config: &BoardConfig) -> Self {
        FloppyPorts { chip: Controller::new(), drives: config.floppies.map(Drive::new) }
    }

    fn line(&mut self, ctx: &mut Ctx<'_>) {
        if self.chip.take_dip() {
            ctx.line(0, false);
        }
        ctx.line(0, self.chip.irq());
    }
}

impl Device for FloppyPorts {
    fn read(&mut self, region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let (chip, drives) = (&mut self.chip, &mut self.drives);
        let value = match (region, offset) {
            (REGISTERS, 0) => chip.status_a(drives),
            (REGISTERS, 1) => chip.status_b(),
            (REGISTERS, 2) => chip.output(),
            (REGISTERS, 3) => chip.tape(),
            (REGISTERS, 4) => chip.status(),
            (REGISTERS, _) => chip.read_data(ctx.now(), drives),
            _ => chip.input(drives),
        };
        self.line(ctx);
        u64::from(value)
    }

    fn write(&mut self, region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let (chip, value) = (&mut self.chip, data(value));
        match (region, offset) {
            (REGISTERS, 0 | 1) => {}
            (REGISTERS, 2) => chip.set_output(value, ctx.now()),
            (REGISTERS, 3) => chip.set_tape(value),
            (REGISTERS, 4) => chip.set_rate(value, ctx.now()),
            (REGISTERS, _) => chip.write_data(value, ctx.now(), &mut self.drives),
            _ => chip.set_control(value),
        }
        self.line(ctx);
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.chip.advance(ctx.now(), &mut self.drives, &mut Channel(ctx));
        self.line(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.chip.deadline()
    }

    fn insert(&mut self, unit: usize, medium: Option<Box<dyn Medium>>, _ctx: &mut Ctx<'_>) -> bool {
        self.drives.get_mut(unit).is_some_and(|drive| drive.insert(medium))
    }

    fn reset(&mut self, kind: Reset, ctx: &mut Ctx<'_>) {
        self.chip = Controller::new();
        self.drives.iter_mut().for_each(|drive| drive.reset(kind == Reset::Cold));
        self.line(ctx);
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&(&self.chip, self.drives.each_ref().map(Drive::mechanism)))
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let (chip, drives): (Controller, [Mechanism; DRIVES]) = decode(bytes)?;
        chip.check()?;
        for (drive, mechanism) in self.drives.iter_mut().zip(drives) {
            drive.set_mechanism(mechanism)?;
        }
        self.chip = chip;
        Ok(())
    }
}
