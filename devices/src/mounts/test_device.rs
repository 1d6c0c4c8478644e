//! The device that kvm-unit-tests expect of a machine (`pc-testdev` of others): memory whose accesses reach a device, ports that
//! keep a value, and a port for each interrupt line.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::row::Line;
use crate::state::{StateError, check, decode, encode};

const VALUE: usize = 0;
const BYTES: usize = 1;
const LINES: usize = 2;
/// Bytes of the memory.
pub(crate) const MEMORY: usize = 64 << 10;
/// Interrupt lines: the PC's sixteen, and the other pins of the I/O APIC.
pub(crate) const COUNT: u64 = 24;

/// The lines that it drives by [`Ctx::line`]'s numbers: all but IRQ 2, which is the cascade's.
pub(crate) const DRIVEN: [Line; 15] = [
    Line::edge(0),
    Line::edge(1),
    Line::edge(3),
    Line::edge(4),
    Line::edge(5),
    Line::edge(6),
    Line::edge(7),
    Line::edge(8),
    Line::edge(9),
    Line::edge(10),
    Line::edge(11),
    Line::edge(12),
    Line::edge(13),
    Line::edge(14),
    Line::edge(15),
];

/// The device.
#[derive(Debug)]
pub(crate) struct TestDevice {
    /// What ports E0h and E8h keep.
    value: [u8; 4],
    memory: Box<[u8]>,
}

impl TestDevice {
    /// As at power-on: all zeros.
    pub(crate) fn new() -> Self {
        TestDevice { value: [0; 4], memory: vec![0; MEMORY].into_boxed_slice() }
    }

    /// The bytes that an access reaches.
    fn place(&mut self, region: usize, offset: u64, size: u8) -> &mut [u8] {
        let all = match region {
            VALUE | BYTES => &mut self.value[..],
            _ => &mut *self.memory,
        };
        let first = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
        let end = first.saturating_add(usize::from(size)).min(all.len());
        &mut all[first..end]
    }
}

impl Device for TestDevice {
    fn read(&mut self, region: usize, offset: u64, size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        if region == LINES {
            return u64::MAX;
        }
        let place = self.place(region, offset, size);
        place.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if region == LINES {
            let level = value != 0;
            match offset {
                0 | 1 => ctx.line(usize::from(offset != 0), level),
                3..=15 => ctx.line(usize::try_from(offset - 1).unwrap_or(0), level),
                16..COUNT => ctx.io_apic_pin(u8::try_from(offset).unwrap_or(0), level),
                _ => {}
            }
            return;
        }
        for (place, byte) in self.place(region, offset, size).iter_mut().zip(value.to_le_bytes()) {
            *place = byte;
        }
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        *self = TestDevice::new();
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&(self.value, &self.memory[..]))
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let (value, memory): ([u8; 4], Vec<u8>) = decode(bytes)?;
        check(memory.len() == MEMORY, "length of the memory")?;
        *self = TestDevice { value, memory: memory.into_boxed_slice() };
        Ok(())
    }
}
