//! What translated code does for the machine itself, in real time: it reads the time-stamp counter, and writes the masks
//! of the interrupt controllers. The numbers for both stand in the context.

use crate::clock::Clock;
use crate::events::TraceKinds;
use crate::system_bus::Io;
use ringer_cpu::state::cr4;
use ringer_translator::PicMasks;
use ringer_translator::context::ExecContext;

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

/// What it may do to the masks. In virtual time an access to a device has its price, and one that is traced must be seen.
#[inline]
pub(crate) fn refresh_masks(context: &mut ExecContext, io: &mut Io) {
    if io.board.take_masks_changed() {
        let ports = PicMasks::PORTS.map(u16::from);
        let left = io.clock.is_virtual() || io.events.traces(TraceKinds::IO);
        let masks = if left { None } else { io.board.masks(ports) };
        context.masks.set(masks.map_or([(0, None); 2], |both| both.map(|m| (m.mask, m.requests))));
    }
}

/// Tells the board what it did to the masks.
#[inline]
pub(crate) fn take_masks(context: &mut ExecContext, io: &mut Io) {
    if let Some((masks, writes)) = context.masks.take() {
        io.counters.port_io += writes;
        io.board.set_masks(masks, writes);
    }
}
