//! The AHCI adapter as a PCI function: its registers in memory where BAR5 says, its pin or its message, and its drives.

use crate::config::BoardConfig;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::ide::ahci::{Ahci, AhciState};
use crate::ide::drive::Drive;
use crate::medium::Medium;
use crate::state::{StateError, decode, encode};

/// The capability for messages (PCI 2.2, 6.8.1), of 64-bit addresses: where it is, and what of it is where.
pub(crate) const MESSAGE: u8 = 0x80;
const CONTROL: u8 = MESSAGE + 2;
const ADDRESS: u8 = MESSAGE + 4;
const DATA: u8 = MESSAGE + 12;
/// Its control word: messages in the place of the pin.
const ON: u8 = 1;
/// The adapter's register of ports that interrupt.
const IS: u64 = 8;

/// The function.
#[derive(Debug)]
pub(crate) struct AhciFunction {
    adapter: Ahci,
}

impl AhciFunction {
    /// The function with the drives that `config` has, without media.
    pub(crate) fn new(config: &BoardConfig) -> Self {
        let mut unit = 0;
        let drives = config.ahci.map(|kind| {
            unit += 1;
            kind.map(|kind| Drive::new(kind, unit - 1))
        });
        AhciFunction { adapter: Ahci::new(drives) }
    }

    fn messages(ctx: &Ctx<'_>) -> bool {
        ctx.config(CONTROL) & ON != 0
    }

    /// Brings the pin to its level; one that messages stand for is low.
    fn settle(&self, ctx: &mut Ctx<'_>) {
        ctx.line(0, self.adapter.interrupt() && !Self::messages(ctx));
    }

    /// Sends the message.
    fn send(ctx: &mut Ctx<'_>) {
        let address = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|n| ctx.config(ADDRESS + n)));
        let data = u16::from_le_bytes([0, 1].map(|n| ctx.config(DATA + n)));
        ctx.message(address, data.into());
    }
}

impl Device for AhciFunction {
    fn read(&mut self, _region: usize, offset: u64, size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        // Only aligned doublewords are registers.
        match (size, offset % 4) {
            (4, 0) => u64::from(self.adapter.read(offset)),
            _ => u64::MAX,
        }
    }

    fn write(&mut self, _region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if let (4, 0, Ok(value)) = (size, offset % 4, u32::try_from(value)) {
            let before = self.adapter.interrupt();
            self.adapter.write(offset, value, ctx);
            // A message is an edge: there is one when the first cause comes, and one when the driver has acknowledged some and
            // there are others (AHCI 1.3.1, 10.7.2.1).
            if self.adapter.interrupt() && (!before || offset == IS) && Self::messages(ctx) {
                Self::send(ctx);
            }
            self.settle(ctx);
        }
    }

    fn configured(&mut self, register: u8, ctx: &mut Ctx<'_>) {
        if register == MESSAGE {
            self.settle(ctx);
        }
    }

    fn insert(&mut self, unit: usize, medium: Option<Box<dyn Medium>>, _ctx: &mut Ctx<'_>) -> bool {
        self.adapter.drive(unit).is_some_and(|drive| drive.insert(medium))
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.adapter.reset();
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.adapter.save())
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: AhciState = decode(bytes)?;
        self.adapter.load(state)
    }
}
