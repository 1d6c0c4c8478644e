//! The two 8237As at 0 and C0h, and the page registers at 81h.

use super::byte::{data, register};
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::dma::Dma;
use crate::state::{StateError, decode, encode};
use serde::{Deserialize, Serialize};

const FIRST: usize = 0;
const SECOND: usize = 1;
/// The page registers start at port 81h; register 0 is port 80h, which is not theirs.
const PAGES: usize = 15;

/// Both controllers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DmaPorts {
    /// Channels 0 to 3, and 4 to 7, which decode every other port.
    chips: [Dma; 2],
    pages: [u8; PAGES],
}

impl DmaPorts {
    /// As at power-on.
    pub(crate) fn new() -> Self {
        DmaPorts { chips: [Dma::new(), Dma::new()], pages: [0; PAGES] }
    }

    fn page(&mut self, offset: u64) -> &mut u8 {
        &mut self.pages[usize::from(register(offset)) % PAGES]
    }
}

impl Device for DmaPorts {
    fn read(&mut self, region: usize, offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::from(match region {
            FIRST => self.chips[0].read(register(offset)),
            SECOND => self.chips[1].read(register(offset) >> 1),
            _ => *self.page(offset),
        })
    }

    fn write(&mut self, region: usize, offset: u64, _size: u8, value: u64, _ctx: &mut Ctx<'_>) {
        match region {
            FIRST => self.chips[0].write(register(offset), data(value)),
            SECOND => self.chips[1].write(register(offset) >> 1, data(value)),
            _ => *self.page(offset) = data(value),
        }
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        *self = DmaPorts::new();
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(self)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: DmaPorts = decode(bytes)?;
        state.chips.iter().try_for_each(Dma::check)?;
        *self = state;
        Ok(())
    }
}
