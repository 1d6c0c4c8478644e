//! The two 8259As and their edge/level control registers, at 20h, A0h and 4D0h.
//!
//! The chips themselves are on the backplane, where every device's lines reach them; these are their ports.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::irq::Chip;
use crate::state::{StateError, decode, encode};

const MASTER: usize = 0;
const SLAVE: usize = 1;

/// The ports of the backplane's interrupt controllers.
#[derive(Debug)]
pub(crate) struct PicPorts;

/// The chip whose edge/level control register is at `offset`.
fn elcr(offset: u64) -> Chip {
    if offset == 0 { Chip::Master } else { Chip::Slave }
}

impl Device for PicPorts {
    fn read(&mut self, region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let irqs = &mut ctx.plane.irqs;
        u64::from(match region {
            MASTER => irqs.read(Chip::Master, offset != 0),
            SLAVE => irqs.read(Chip::Slave, offset != 0),
            _ => irqs.elcr(elcr(offset)),
        })
    }

    fn write(&mut self, region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let irqs = &mut ctx.plane.irqs;
        match region {
            MASTER => irqs.write(Chip::Master, offset != 0, data(value)),
            SLAVE => irqs.write(Chip::Slave, offset != 0, data(value)),
            _ => irqs.set_elcr(elcr(offset), data(value)),
        }
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        ctx.plane.irqs.reset();
    }

    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(ctx.plane.irqs.chips())
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        ctx.plane.irqs.set_chips(decode(bytes)?)
    }
}
