//! The RTL8139 as a PCI function: its registers as ports where BAR0 says and in memory where BAR1 says, its pin.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::link::{Mac, NicModel};
use crate::row::{Bar, DmaKind, Function, Fuzz, Line, Region, Row, WHOLE};
use crate::rtl8139::{LEN, Rtl8139};
use crate::state::{StateError, decode, encode};

/// The function; of the chips with this identity the revision says that it is one without the descriptors in memory.
const FUNCTION: Function = Function {
    device: 4,
    vendor_id: 0x10ec,
    device_id: 0x8139,
    class: 0x0200,
    revision: 0x10,
    subsystem: (0x1af4, 0x1100),
    command_mask: Function::IO | Function::MEMORY | Function::MASTER | Function::INTX_OFF,
    pin: 1,
    bars: &[Bar::new(0, 0), Bar::new(1, 1)],
    ..Function::NONE
};

/// Its row.
pub(crate) const ROW: Row = Row {
    id: NicModel::Rtl8139.id(),
    title: "Fast Ethernet",
    spec: "Realtek RTL8139C(L)",
    regions: &[
        Region::movable_ports("registers", LEN, WHOLE),
        Region::movable_memory("registers", LEN, WHOLE),
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
pub(crate) struct Rtl8139Function {
    mac: Mac,
    chip: Rtl8139,
}

impl Rtl8139Function {
    /// An adapter of this address.
    pub(crate) fn new(mac: Option<Mac>) -> Self {
        let mac = mac.unwrap_or(Mac::DEFAULT);
        Rtl8139Function { mac, chip: Rtl8139::new(mac) }
    }

    fn settle(&self, ctx: &mut Ctx<'_>) {
        ctx.line(0, self.chip.interrupt());
    }
}

impl Device for Rtl8139Function {
    fn read(&mut self, _region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let Ok(offset) = u8::try_from(offset) else { return u64::MAX };
        self.chip.read(offset, size.min(4), ctx.now()).into()
    }

    fn write(&mut self, _region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if let (Ok(offset), Ok(value)) = (u8::try_from(offset), u32::try_from(value)) {
            self.chip.write(offset, size.min(4), value, ctx);
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

    fn takes_frames(&self) -> bool {
        self.chip.has_much_room()
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.chip.wake(ctx.now());
        self.settle(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.chip.deadline()
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        self.chip.reset(ctx.now());
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.chip)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let chip: Rtl8139 = decode(bytes)?;
        chip.check(self.mac)?;
        self.chip = chip;
        Ok(())
    }
}
