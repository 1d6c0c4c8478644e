//! The ports of the two 8237As at 0 and C0h, and of the page registers at 81h.
//!
//! The controllers themselves are on the backplane, where devices' transfers reach them.

use super::byte::{data, register};
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::isa_dma::{IsaDma, PAGES};
use crate::state::{StateError, decode, encode};

const FIRST: usize = 0;
const SECOND: usize = 1;

/// The ports of the backplane's DMA controllers.
#[derive(Debug)]
pub(crate) struct DmaPorts;

/// The page register at `offset`.
fn page(offset: u64) -> usize {
    usize::from(register(offset)) % PAGES
}

impl Device for DmaPorts {
    fn read(&mut self, region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let dma = &mut ctx.plane.dma;
        u64::from(match region {
            FIRST => dma.chips[0].read(register(offset)),
            // Its registers are at every other port.
            SECOND => dma.chips[1].read(register(offset) >> 1),
            _ => dma.pages[page(offset)],
        })
    }

    fn write(&mut self, region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let dma = &mut ctx.plane.dma;
        match region {
            FIRST => dma.chips[0].write(register(offset), data(value)),
            SECOND => dma.chips[1].write(register(offset) >> 1, data(value)),
            _ => dma.pages[page(offset)] = data(value),
        }
        if region <= SECOND {
            dma.serve(region, ctx.memory);
        }
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        ctx.plane.dma = IsaDma::new();
    }

    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&ctx.plane.dma)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: IsaDma = decode(bytes)?;
        state.check()?;
        ctx.plane.dma = state;
        Ok(())
    }
}
