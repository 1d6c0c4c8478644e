//! The PCI host bridge: the configuration address at CF8h, which takes doublewords only, and the data window
//! at CFCh; and the attribute registers that open shadow RAM.
//!
//! The configuration spaces themselves are on the backplane, with every row's function in it.

use super::byte::register;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::pam;
use crate::state::{StateError, decode, encode};

const ADDRESS: usize = 0;

/// The ports of the backplane's configuration mechanism.
#[derive(Debug)]
pub(crate) struct PciHost;

impl Device for PciHost {
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let pci = &mut ctx.plane.pci;
        if region == ADDRESS {
            return if size == 4 { u64::from(pci.address()) } else { u64::MAX };
        }
        let first = register(offset);
        pci.ask(first);
        (first..first.saturating_add(size))
            .rev()
            .fold(0, |value, window| value << 8 | u64::from(pci.read(window)))
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let pci = &mut ctx.plane.pci;
        let bytes = value.to_le_bytes();
        if region == ADDRESS {
            if size == 4 {
                pci.set_address(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            }
            return;
        }
        for (window, byte) in (register(offset)..).zip(bytes).take(usize::from(size)) {
            pci.write(window, byte);
        }
    }

    fn configured(&mut self, register: u8, ctx: &mut Ctx<'_>) {
        for offset in pam::REGISTERS.filter(|offset| offset & !3 == register) {
            pam::shadows(offset, ctx.config(offset)).for_each(|shadow| ctx.shadow(shadow));
        }
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        ctx.plane.pci.reset();
    }

    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&ctx.plane.pci.state())
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        ctx.plane.pci.set_state(decode(bytes)?)
    }
}
