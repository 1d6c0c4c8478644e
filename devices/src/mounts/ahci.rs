//! The AHCI adapter as a PCI function: its registers in memory where BAR5 says, its pin, and its drives.

use crate::config::BoardConfig;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::ide::ahci::{Ahci, AhciState};
use crate::ide::drive::Drive;
use crate::medium::Medium;
use crate::state::{StateError, decode, encode};

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

    fn settle(&self, ctx: &mut Ctx<'_>) {
        ctx.line(0, self.adapter.interrupt());
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
            self.adapter.write(offset, value, ctx);
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
