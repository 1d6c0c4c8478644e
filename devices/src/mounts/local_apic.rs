//! The local APIC's page of registers, where IA32_APIC_BASE puts it.
//!
//! The chip is on the backplane, where interrupt lines and messages reach it; these are its registers and its clock.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::BoardEvent;
use crate::lapic::LocalApic;
use crate::state::{StateError, check, decode, encode};

/// The page of registers.
#[derive(Debug, Default)]
pub(crate) struct LocalApicPage {
    /// When the timer of the chip is due.
    due: Option<u64>,
}

impl LocalApicPage {
    fn follow(&mut self, ctx: &mut Ctx<'_>) {
        let Some(apics) = &mut ctx.plane.irqs.apics else { return };
        self.due = apics.local().deadline();
        if apics.take_init() {
            // What INIT leaves of the only processor is what the machine's reset leaves of it.
            ctx.event(BoardEvent::Reset);
        }
    }
}

impl Device for LocalApicPage {
    fn read(&mut self, _region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let now = ctx.now();
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        let Some(apics) = &mut ctx.plane.irqs.apics else { return u64::MAX };
        let value = apics.local_mut().read(offset, now);
        self.follow(ctx);
        u64::from(value)
    }

    fn write(&mut self, _region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let now = ctx.now();
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        ctx.plane.irqs.touch();
        if let Some(apics) = &mut ctx.plane.irqs.apics {
            apics.write_local(offset, value, now);
        }
        self.follow(ctx);
    }

    /// The processor's own accesses: IA32_APIC_BASE and IA32_TSC_DEADLINE were written.
    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now();
        if let Some(apics) = &mut ctx.plane.irqs.apics {
            apics.local_mut().advance(now);
        }
        self.follow(ctx);
    }

    fn deadline(&self) -> Option<u64> {
        self.due
    }

    fn reset(&mut self, _kind: Reset, ctx: &mut Ctx<'_>) {
        ctx.plane.irqs.reset_local_apic();
        self.due = None;
    }

    fn save(&self, ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&ctx.plane.irqs.apics.as_ref().map(|apics| apics.local()))
    }

    fn load(&mut self, _version: u32, bytes: &[u8], ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let (now, saved): (u64, Option<LocalApic>) = (ctx.now(), decode(bytes)?);
        match (&mut ctx.plane.irqs.apics, saved) {
            (Some(apics), Some(local)) => apics.load_local(local, now)?,
            (apics, saved) => check(apics.is_none() && saved.is_none(), "no local APIC")?,
        }
        self.follow(ctx);
        Ok(())
    }
}
