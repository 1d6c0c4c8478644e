//! A parallel port with IRQ 7. What its printer takes goes to the host.

use super::byte::{data, register};
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::parallel::Parallel;
use crate::row::{BYTES, DmaKind, Fuzz, Line, Region, Row};
use crate::state::{StateError, decode, encode};

/// The port.
pub(crate) const ROW: Row = Row {
    id: "lpt1",
    title: "Parallel port",
    spec: "IBM PC/AT",
    regions: &[Region::ports("registers", 0x378, 3, BYTES)],
    pci: None,
    lines: &[Line::edge(7)],
    clocked: false,
    dma: DmaKind::None,
    version: 1,
    loads: &[],
    fuzz: Fuzz { read: 1, write: 1, time: 0 },
};

/// A parallel port.
#[derive(Debug)]
pub(crate) struct ParallelPort(Parallel);

impl ParallelPort {
    /// As at power-on.
    pub(crate) fn new() -> Self {
        ParallelPort(Parallel::new())
    }
}

impl Device for ParallelPort {
    fn read(&mut self, _region: usize, offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::from(self.0.read(register(offset)))
    }

    fn write(&mut self, _region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if let Some(byte) = self.0.write(register(offset), data(value)) {
            ctx.send(&[byte]);
            if self.0.interrupts() {
                // The acknowledgement is a pulse.
                ctx.pulse(0, false);
            }
        }
    }

    fn backed_up(&mut self, full: bool, _ctx: &mut Ctx<'_>) {
        self.0.hold_back(full);
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.0 = Parallel::new();
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: Parallel = decode(bytes)?;
        state.check()?;
        self.0 = state;
        ctx.ask_output();
        Ok(())
    }
}
