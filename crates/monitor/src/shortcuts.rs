//! What translated code does for the machine itself, in real time: it reads the time-stamp counter, and writes the masks
//! of the interrupt controllers. The numbers for both stand in the context.

use crate::clock::Clock;
use crate::system_bus::Io;
use ringer_cpu::state::cr4;
use ringer_devices::Mask;
use ringer_translator::context::{ExecContext, NO_MASK};

/// The numbers for RDTSC.
#[inline]
pub(crate) fn refresh_tsc(context: &mut ExecContext, clock: &Clock) {
    let Some(tsc) = clock.tsc_scale() else { return };
    let cpu = &context.cpu;
    let forbidden = cpu.cr4 & cr4::TSD != 0;
    context.tsc_guest = tsc.guest.wrapping_add(cpu.msr.tsc_offset);
    context.tsc_host = tsc.host;
    context.tsc_scale = if forbidden { 0 } else { tsc.scale };
}

/// What it may do to the masks. In virtual time an access to a device has its price.
#[inline]
pub(crate) fn refresh_masks(context: &mut ExecContext, io: &mut Io) {
    if io.board.take_masks_changed() {
        let masks = if io.clock.is_virtual() { None } else { io.board.masks() };
        let masks = masks.unwrap_or([Mask { mask: 0, requests: None }; 2]);
        context.requests = masks.map(|m| m.requests.map_or(NO_MASK, u32::from));
        context.masks = masks.map(|m| u32::from(m.mask));
    }
}

/// Tells the board what it did to the masks.
#[inline]
pub(crate) fn take_masks(context: &mut ExecContext, io: &mut Io) {
    let writes = std::mem::take(&mut context.mask_writes);
    if writes != 0 {
        io.counters.port_io += writes;
        let masks = context.masks.map(|mask| mask as u8);
        io.board.set_masks(masks, writes);
    }
}
