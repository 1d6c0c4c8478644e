//! The I/O APIC at FEC00000h, and the interrupt mode configuration register at 22h.
//!
//! The chip is on the backplane, where interrupt lines reach it; these are its registers.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::ioapic::IoApic;
use crate::state::{StateError, check, decode, encode};
use serde::{Deserialize, Serialize};

const REGISTERS: usize = 0;
/// Offsets of the register select and of the window; what lies between reads as zero.
const SELECT: u64 = 0x00;
const WINDOW: u64 = 0x10;
/// The index of the interrupt mode configuration register.
const IMCR: u8 = 0x70;

/// The registers, and the index of 22h.
#[derive(Debug, Default)]
pub(crate) struct IoApicRegisters {
    index: u8,
}

/// What is saved.
#[derive(Debug, Serialize, Deserialize)]
struct Saved<C> {
    chip: Option<C>,
    index: u8,
    by_apic: bool,
}

impl Device for IoApicRegisters {
    fn read(&mut self, region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let Some(apics) = &ctx.plane.irqs.apics else { return u64::MAX };
        match (region, offset) {
            (REGISTERS, SELECT | WINDOW) => u64::from(apics.io().read(offset == WINDOW)),
            (REGISTERS, _) => 0,
            (_, 0) => u64::from(self.index),
            _ if self.index == IMCR => u64::from(apics.by_apic),
            _ => u64::MAX,
        }
    }

    fn write(&mut self, region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        ctx.plane.irqs.touch();
        let Some(apics) = &mut ctx.plane.irqs.apics else { return };
        match (region, offset) {
            (REGISTERS, SELECT | WINDOW) => {
                apics.write_io(offset == WINDOW, u32::try_from(value).unwrap_or(u32::MAX));
                if apics.take_init() {
                    ctx.event(BoardEvent::Reset);
                }
            }
            (REGISTERS, _) => {}
            (_, 0) => self.index = data(value),
            _ if self.index == IMCR => apics.by_apic = value & 1 != 0,
            _ => {}
        }
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        self.index = 0;
        if let Some(apics) = &mut ctx.plane.irqs.apics {
            apics.reset_io();
            apics.by_apic = true;
        }
    }

    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        let apics = ctx.plane.irqs.apics.as_ref();
        let by_apic = apics.is_some_and(|apics| apics.by_apic);
        encode(&Saved { chip: apics.map(|apics| apics.io()), index: self.index, by_apic })
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let saved: Saved<IoApic> = decode(bytes)?;
        match (&mut ctx.plane.irqs.apics, saved.chip) {
            (Some(apics), Some(chip)) => {
                apics.load_io(chip)?;
                apics.by_apic = saved.by_apic;
            }
            (apics, chip) => check(apics.is_none() && chip.is_none(), "no I/O APIC")?,
        }
        self.index = saved.index;
        Ok(())
    }
}
