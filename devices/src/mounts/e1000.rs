//! The 82540EM as a PCI function: its registers in memory where BAR0 says, a window of ports on them where BAR1 says, its pin.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::e1000::E1000;
use crate::link::{Mac, NicModel};
use crate::row::{Bar, DmaKind, Function, Fuzz, Line, Region, Row};
use crate::state::{StateError, check, decode, encode};

/// Region 1 of the row: the offset of a register, and that register (13.2.2 of the manual).
const PORTS: usize = 1;
const ADDRESS: u64 = 0;
const DATA: u64 = 4;
/// Bytes of the registers' region.
const MEMORY: u32 = 0x2_0000;

/// An 82540EM, where drivers expect the first network adapter of such a machine.
const FUNCTION: Function = Function {
    device: 3,
    vendor_id: 0x8086,
    device_id: 0x100e,
    class: 0x0200,
    revision: 3,
    subsystem: (0x1af4, 0x1100),
    command_mask: Function::IO | Function::MEMORY | Function::MASTER | Function::INTX_OFF,
    pin: 1,
    bars: &[Bar::new(0, 0), Bar::new(1, 1)],
    ..Function::NONE
};

/// Its row.
pub(crate) const ROW: Row = Row {
    id: NicModel::E1000.id(),
    title: "Gigabit Ethernet",
    spec: "Intel 82540EM (317453)",
    regions: &[
        Region::movable_memory("registers", MEMORY as u64, 4),
        Region::movable_ports("window", 64, 4),
    ],
    pci: Some(FUNCTION),
    lines: &[Line::INTX],
    clocked: true,
    dma: DmaKind::Master,
    version: 1,
    loads: &[],
    fuzz: Fuzz { read: 2, write: 2, time: 1 },
};

/// The function.
#[derive(Debug)]
pub(crate) struct E1000Function {
    mac: Mac,
    chip: E1000,
    /// Which register the window is on.
    window: u32,
}

impl E1000Function {
    /// An adapter of this address.
    pub(crate) fn new(mac: Option<Mac>) -> Self {
        let mac = mac.unwrap_or(Mac::DEFAULT);
        E1000Function { mac, chip: E1000::new(mac), window: 0 }
    }

    fn settle(&self, ctx: &mut Ctx<'_>) {
        ctx.line(0, self.chip.interrupt());
    }

    /// The register that an access of this size to a region's offset reaches: only aligned doublewords are registers.
    fn register(&self, region: usize, offset: u64, size: u8) -> Option<u32> {
        match (region, offset, size) {
            (PORTS, DATA, 4) => Some(self.window),
            (0, _, 4) if offset.is_multiple_of(4) => u32::try_from(offset).ok(),
            _ => None,
        }
    }
}

impl Device for E1000Function {
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        if let (PORTS, ADDRESS, 4) = (region, offset, size) {
            return u64::from(self.window);
        }
        let Some(register) = self.register(region, offset, size) else { return u64::MAX };
        let value = self.chip.read(register);
        self.settle(ctx);
        u64::from(value)
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let Ok(value) = u32::try_from(value) else { return };
        if let (PORTS, ADDRESS, 4) = (region, offset, size) {
            self.window = value & (MEMORY - 4);
        } else if let Some(register) = self.register(region, offset, size) {
            self.chip.write(register, value, ctx);
            self.settle(ctx);
        }
    }

    fn frame(&mut self, frame: &[u8], ctx: &mut Ctx<'_>) -> bool {
        let taken = self.chip.frame(frame, ctx);
        self.settle(ctx);
        taken
    }

    fn listens(&self) -> bool {
        self.chip.listens()
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.chip.wake(ctx);
        self.settle(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.chip.deadline()
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.chip.reset();
        self.window = 0;
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&(&self.chip, self.window))
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let (chip, window): (E1000, u32) = decode(bytes)?;
        chip.check(self.mac)?;
        check(window & !(MEMORY - 4) == 0, "window of the network adapter")?;
        (self.chip, self.window) = (chip, window);
        Ok(())
    }
}
