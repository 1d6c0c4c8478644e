//! After a page fault of the guest's, its handler returns to the access that faulted. That access would
//! find nothing mapped in the window yet, and take a second host trap; the page is mapped before.
//!
//! Only what the handler's own entries permit, flags and all, is mapped: no accessed or dirty flag is
//! set for an access that did not happen yet.

use crate::profile::Row;
use crate::run::Monitor;
use ringer_cpu::Outcome;
use ringer_mmu::Fill;

/// The access that faulted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refill {
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
    pub(crate) fn expect_refill(&mut self, outcome: Outcome) {
        let lin = self.context.fault_addr.wrapping_sub(self.context.window_base);
        let write = self.context.fault_error & WRITE != 0;
        let (Outcome::Delivered(_), Ok(lin)) = (outcome, u32::try_from(lin)) else { return };
        let Some((id, off)) = self.bt.cache.locate(self.context.fault_rip) else { return };
        let block = self.bt.cache.block(id);
        let Some((_, entry)) = block.entry_at(off) else { return };
        let cpl = if block.key.mode.contains(ringer_translator::Mode::USER) { 3 } else { 0 };
        self.bt.refill = Some(Refill { eip: entry.eip, cpl, lin, write });
    }

    /// Before translated code is entered, with its window selected. False: it is selected no more.
    #[inline]
    pub(crate) fn refill(&mut self) -> bool {
        self.bt.refill.is_none_or(|refill| self.refill_at(refill))
    }

    fn refill_at(&mut self, refill: Refill) -> bool {
        let cpu = &self.context.cpu;
        if cpu.eip != refill.eip || cpu.cpl != refill.cpl {
            return true;
        }
        self.bt.refill = None;
        if !self.env.mmu.permits_as_it_is(refill.lin, refill.write, refill.cpl == 3) {
            return true;
        }
        let row = self.env.io.ledger.switch(Row::HiddenFaults);
        let selected = self.bt.selections.current();
        let (windows, mut sink) = self.bt.windows_and_sink();
        let (lin, write) = (refill.lin, refill.write);
        if !windows.maps(lin, write) {
            let fill = windows.fault(&mut self.env.mmu, &mut self.env.io, lin, write, &mut sink);
            self.env.io.counters.prefills += u64::from(fill == Fill::Mapped);
        }
        self.env.io.ledger.switch(row);
        selected == self.bt.selections.current()
    }
}
