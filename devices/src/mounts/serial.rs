//! A 16550A as a serial port, with IRQ 4 for COM1. What it sends goes to the host at once.

use super::byte::{data, register};
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::row::{BYTES, DmaKind, Fuzz, Line, Region, Row};
use crate::state::{StateError, decode, encode};
use crate::uart::Uart;

/// The ports behind the first.
pub(crate) const MORE: [Row; 3] = [
    row(
        "com2",
        "Second serial port",
        &[Region::ports("registers", 0x2f8, 8, BYTES)],
        &[Line::edge(3)],
    ),
    row(
        "com3",
        "Third serial port",
        &[Region::ports("registers", 0x3e8, 8, BYTES)],
        &[Line::edge(4)],
    ),
    row(
        "com4",
        "Fourth serial port",
        &[Region::ports("registers", 0x2e8, 8, BYTES)],
        &[Line::edge(3)],
    ),
];

const fn row(
    id: &'static str,
    title: &'static str,
    regions: &'static [Region],
    lines: &'static [Line],
) -> Row {
    Row {
        id,
        title,
        spec: "National PC16550D",
        regions,
        pci: None,
        lines,
        clocked: false,
        dma: DmaKind::None,
        version: 1,
        loads: &[],
        fuzz: Fuzz { read: 1, write: 1, time: 0 },
    }
}

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
