//! After a page fault of the guest's, its handler returns to the access that faulted. That access would
//! find nothing mapped in the window yet, and take a second host trap; the page is mapped before.
//!
//! Only what the handler's own entries permit, flags and all, is mapped: no accessed or dirty flag is
//! set for an access that did not happen yet.

use crate::profile::Row;
use crate::run::Monitor;
use ringer_cpu::Outcome;
use ringer_cpu::addr::Lin;
use ringer_mmu::Fill;

/// The access that faulted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefill {
    eip: u32,
    cpl: u8,
    lin: u32,
    write: bool,
}

/// Bits of a #PF's error code.
const WRITE: u64 = 2;

impl Monitor {
    /// The instruction that the host's page fault stopped came to `outcome` in the interpreter. An
    /// exception has changed CPL and EIP: what they were is in the context's note of the fault.
    pub(crate) fn expect_prefill(&mut self, outcome: Outcome) {
        let lin = self.context.fault_addr.wrapping_sub(self.context.window_base);
        let write = self.context.fault_error & WRITE != 0;
        let (Outcome::Delivered(_), Ok(lin)) = (outcome, u32::try_from(lin)) else { return };
        let Some((id, off)) = self.bt.cache.locate(self.context.fault_rip) else { return };
        let block = self.bt.cache.block(id);
        let Some((_, entry)) = block.entry_at(off) else { return };
        let cpl = if block.key.mode.contains(ringer_translator::Mode::USER) { 3 } else { 0 };
        self.bt.prefill = Some(Prefill { eip: entry.eip, cpl, lin, write });
    }

    /// Before translated code is entered, with its window selected. False: it is selected no more.
    #[inline]
    pub(crate) fn prefill(&mut self) -> bool {
        self.bt.prefill.is_none_or(|prefill| self.prefill_at(prefill))
    }

    fn prefill_at(&mut self, prefill: Prefill) -> bool {
        let cpu = &self.context.cpu;
        if cpu.eip() != prefill.eip || cpu.cpl != prefill.cpl {
            return true;
        }
        self.bt.prefill = None;
        if !self.bus.mmu.paging().permits_as_it_is(
            &self.bus.memory,
            Lin::from(prefill.lin),
            prefill.write,
            prefill.cpl == 3,
        ) {
            return true;
        }
        let row = self.bus.io.ledger.switch(Row::HiddenFaults);
        let selected = self.bt.selections.current();
        let (windows, mut sink) = self.bt.windows_and_sink();
        let (lin, write) = (Lin::from(prefill.lin), prefill.write);
        if !windows.maps(lin, write) {
            let fill = windows.fault(
                self.bus.mmu.paging(),
                &mut self.bus.memory,
                &mut self.bus.io,
                lin,
                write,
                &mut sink,
            );
            self.bus.io.counters.prefills += u64::from(fill == Fill::Mapped);
        }
        self.bus.io.ledger.switch(row);
        selected == self.bt.selections.current()
    }
}
