//! The way into translated code and out of it: what it expects to find in the context, and the state
//! made whole behind it.

use crate::config::MonitorError;
use crate::profile::Row;
use crate::shortcuts;
use crate::vcpu::{Chassis, Vcpu};
use crate::x87;
use ringer_cpu::interp::fpu;
use ringer_cpu::state::StringInProgress;
use ringer_translator::context::NO_LOOKUP;

impl Vcpu {
    /// Everything that translated code expects to find; the guest's FPU state only when `fpu` says
    /// that it is used.
    fn prepare(&mut self, chassis: &mut Chassis, fpu: bool) -> Result<(), MonitorError> {
        let (context, bus) = (&mut *self.context, &mut chassis.bus);
        context.load_flags();
        context.cpu.string = StringInProgress::NONE;
        self.segments.refresh(context, bus);
        self.transfers.refresh(context, &self.spaces);
        shortcuts::refresh_tsc(context, &bus.io.clock);
        shortcuts::refresh_masks(context, &mut bus.io);
        context.declined = 0;
        context.avx = u32::from(context.cpu.avx_enabled());
        if fpu && !context.cpu.fpu_in_host {
            fpu::release(&mut context.cpu);
        }
        self.spaces.load_gs_base(context.window_base)?;
        if bus.io.clock.is_virtual() {
            context.budget = self.schedule.budget(&bus.io.clock).min(i64::MAX as u64) as i64;
        }
        Ok(())
    }

    /// Runs translated code from `pc` until it comes back. `fpu`: it may use the FPU.
    ///
    /// `pc` is the entry of a valid block: it came from the cache or from a target table, whose entries
    /// are cleared with their blocks.
    ///
    /// # Errors
    /// When the host refuses GS base.
    #[inline]
    pub fn enter(&mut self, chassis: &mut Chassis, pc: u64, fpu: bool) -> Result<(), MonitorError> {
        self.prepare(chassis, fpu)?;
        self.dispatched += 1;
        self.context.lookup_site = NO_LOOKUP;
        let entry = chassis.code.cache.entry();
        let row = chassis.bus.io.ledger.switch(Row::Translated);
        let table = self.context.target_table;
        // SAFETY: `pc` is the entry of a valid block, and selecting the space made window, table and
        // cache base belong together.
        unsafe { entry.enter(&mut self.context, pc) };
        self.came_back(chassis, table);
        chassis.bus.io.ledger.switch(row);
        Ok(())
    }

    /// Translated code goes on at the context's `fault_rip`, where a trap or a kick had stopped it and
    /// nothing was invalidated since.
    pub fn resume(&mut self, chassis: &mut Chassis) {
        shortcuts::refresh_masks(&mut self.context, &mut chassis.bus.io);
        let entry = chassis.code.cache.entry();
        let row = chassis.bus.io.ledger.switch(Row::Translated);
        let table = self.context.target_table;
        // SAFETY: the code at `fault_rip` is still valid, and window and table are as they were: what
        // says `Next::Resume` made sure of that.
        unsafe { entry.resume(&mut self.context) };
        self.came_back(chassis, table);
        chassis.bus.io.ledger.switch(row);
    }

    /// Translated code came back; it was entered in `table`.
    #[inline]
    fn came_back(&mut self, chassis: &mut Chassis, table: u64) {
        shortcuts::take_masks(&mut self.context, &mut chassis.bus.io);
        self.transfers.follow(&self.context, &mut self.spaces, table);
    }

    /// Makes the architectural state whole after translated code.
    pub fn leave_translated(&mut self, chassis: &mut Chassis) {
        // Where instructions are not counted RF counts as spent: while no breakpoint is armed it shows in nothing but the
        // frame of an interrupt that comes this soon.
        let none_retired = self.context.retired == 0 && chassis.code.counts();
        self.context.store_flags(none_retired);
        x87::settle(&mut self.context, &chassis.code, &chassis.bus.memory);
        let retired = std::mem::take(&mut self.context.retired);
        self.translated = self.translated.wrapping_add(retired);
        let clock = &mut chassis.bus.io.clock;
        clock.retired = clock.retired.wrapping_add(retired);
    }
}
