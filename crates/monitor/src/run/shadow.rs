//! Shadow RAM: memory behind ROMs that the chipset shows or hides, and what must be forgotten when it does.
//!
//! Code is kept by physical address, so all that was made from a switched range goes; software TLB and windows name places
//! in the memory file, so both are emptied.

use super::Monitor;
use crate::dma::Door;
use crate::system_bus::{PagingEvent, SystemBus};
use ringer_cpu::addr::Pa;
use ringer_devices::memory::Shadow as Wanted;
use ringer_mmu::{Flush, Shadow};

fn state(wanted: Wanted) -> Shadow {
    match (wanted.read, wanted.write) {
        (true, true) => Shadow::ReadWrite,
        (true, false) => Shadow::ReadOnly,
        (false, true) => Shadow::WriteOnly,
        (false, false) => Shadow::Rom,
    }
}

/// Memory is where it was not: nobody goes by what was known of it.
fn forget(bus: &mut SystemBus, flush: Flush) {
    if flush != Flush::Nothing {
        bus.mmu.flush_tlb();
        bus.paging.push(PagingEvent::Memory);
    }
}

impl Monitor {
    /// Switches the memory that the chipset wants switched.
    pub(super) fn take_shadows(&mut self) {
        let bus = &mut self.chassis.bus;
        for wanted in bus.io.board.take_shadows() {
            let (Wanted { pa, len, .. }, to) = (wanted, state(wanted));
            if !bus.memory.shadow_differs(Pa(pa), len, to) {
                continue;
            }
            self.chassis.code.forget(bus, &mut self.vcpu.spaces.targets, Pa(pa), len);
            // A bench's memory need not have any behind ROMs.
            let flush = bus.memory.switch_shadow(Pa(pa), len, to);
            forget(bus, flush.unwrap_or(Flush::Nothing));
        }
    }

    /// Pulls the reset line of everything but the processor: devices, and the chipset's view of memory.
    pub fn reset_board(&mut self) {
        let now = self.now();
        let bus = &mut self.chassis.bus;
        bus.io.board.over(&mut Door(&mut bus.memory)).reset(now);
        let shadowed: Vec<_> = bus.memory.map().shadowed().collect();
        for (pa, len) in shadowed {
            self.chassis.code.forget(bus, &mut self.vcpu.spaces.targets, pa, len);
        }
        let flush = bus.memory.reset();
        forget(bus, flush);
        self.take_shadows();
    }
}
