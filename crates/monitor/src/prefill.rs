//! After a page fault of the guest's, its handler returns to the access that faulted. That access would
//! find nothing mapped in the window yet, and take a second host trap; the page is mapped before.
//!
//! Only what the handler's own entries permit, flags and all, is mapped: no accessed or dirty flag is
//! set for an access that did not happen yet.

use crate::profile::Row;
use crate::space_selection::Spaces;
use crate::system_bus::SystemBus;
use ringer_cpu::addr::Lin;
use ringer_cpu::{CpuState, Privilege};
use ringer_mmu::Fill;
use ringer_translator::Mode;
use ringer_translator::context::ExecContext;
use ringer_translator::runtime::CodeCache;

/// The access that faulted.
#[derive(Clone, Copy, Debug)]
struct Access {
    eip: u32,
    cpl: u8,
    lin: u32,
    /// Whether it writes; not known of one that went by the inline TLB.
    write: Option<bool>,
}

/// An access that the guest's handler of its page fault may have made possible.
#[derive(Debug, Default)]
pub(crate) struct Prefill(Option<Access>);

/// Bits of a #PF's error code.
const WRITE: u64 = 2;

impl Prefill {
    /// The access that the host's page fault in `context` stopped raised an exception in the
    /// interpreter. That changed CPL and EIP: what they were, the block says.
    pub fn expect(&mut self, context: &ExecContext, cache: &CodeCache) {
        let lin = context.fault_addr.wrapping_sub(context.window_base);
        let write = context.fault_error & WRITE != 0;
        let Ok(lin) = u32::try_from(lin) else { return };
        let Some((id, off)) = cache.locate(context.fault_rip) else { return };
        let block = cache.block(id);
        let Some((_, entry)) = block.entry_at(off) else { return };
        let cpl = if block.key.mode.contains(Mode::USER) { 3 } else { 0 };
        self.0 = Some(Access { eip: entry.eip.low(), cpl, lin, write: Some(write) });
    }

    /// The same of an instruction at `eip` that had asked the inline TLB: it raised a page fault at `lin`.
    pub fn expect_inline(&mut self, eip: u32, cpl: u8, lin: u32) {
        self.0 = Some(Access { eip, cpl, lin, write: None });
    }

    /// Before translated code is entered at `cpu`, with its window selected. False: it is selected no
    /// more.
    #[inline]
    pub fn apply(&mut self, cpu: &CpuState, spaces: &mut Spaces, bus: &mut SystemBus) -> bool {
        match self.0 {
            Some(access) if cpu.eip() == access.eip && cpu.cpl == access.cpl => {
                self.0 = None;
                access.map(Privilege::explicit(cpu.cpl, cpu.eflags), spaces, bus)
            }
            _ => true,
        }
    }

    /// The processor was reset.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

impl Access {
    fn map(&self, who: Privilege, spaces: &mut Spaces, bus: &mut SystemBus) -> bool {
        let lin = self.lin;
        let permits =
            |write| bus.mmu.paging().permits_as_it_is(&bus.memory, Lin::from(lin), write, who);
        let write = self.write.unwrap_or_else(|| permits(true));
        if !permits(write) {
            return true;
        }
        let row = bus.io.ledger.switch(Row::HiddenFaults);
        let selected = spaces.current();
        if self.write.is_none() {
            spaces.enter_inline(bus, Lin::from(lin));
        } else if !spaces.maps(lin, write) {
            let fill = spaces.prefill(bus, lin, write);
            bus.io.counters.prefills += u64::from(fill == Fill::Mapped);
        }
        bus.io.ledger.switch(row);
        selected == spaces.current()
    }
}
