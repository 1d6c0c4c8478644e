//! The processor and its machine, in the hands of a test.

use crate::config::{Engine, MonitorError};
use crate::dispatch::Found;
use crate::stop::{Next, RunEnd};
use crate::vcpu::{Chassis, Vcpu};
use ringer_cpu::{Bus, PagingChange, PagingRegs};

/// One look at a processor between two runs; what runs guest code is to be called inside
/// [`crate::Monitor::as_vcpu`].
#[derive(Debug)]
pub struct Harness<'a> {
    pub(super) vcpu: &'a mut Vcpu,
    pub(super) chassis: &'a mut Chassis,
    pub(super) engine: Engine,
}

impl<'a> Harness<'a> {
    pub(crate) fn new(vcpu: &'a mut Vcpu, chassis: &'a mut Chassis, engine: Engine) -> Self {
        // All that is known of GS counts: a case has no history from which to learn that.
        vcpu.gs_use.always();
        Self { vcpu, chassis, engine }
    }

    /// Translates code at its `visit`-th visit from now on (1: at once), instead of leaving rarely
    /// run code to the interpreter.
    pub fn translate_at_visit(&mut self, visit: u8) {
        self.chassis.code.heat.set_threshold(visit);
    }

    /// Sets CR0, CR3, CR4 and EFER as the guest's own MOVs would, without their checks; PDPTEs that no MOV would
    /// load stay as they are.
    pub fn set_paging(&mut self, regs: PagingRegs) {
        let cpu = &mut self.vcpu.context.cpu;
        (cpu.cr0, cpu.cr3, cpu.cr4, cpu.msr.efer) = (regs.cr0, regs.cr3, regs.cr4, regs.efer);
        let _ = self.chassis.bus.load_pdptes(&regs);
        self.chassis.bus.paging_changed(&regs, PagingChange::Mode);
    }

    /// Runs the block at CS:EIP in both engines once and returns the report of the first difference.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn compare_here(&mut self) -> Result<Option<String>, MonitorError> {
        self.vcpu.spaces.sync(&mut self.chassis.bus);
        let next = match self.vcpu.find(self.chassis)? {
            Found::Block(pc) => match self.chassis.code.cache.locate(pc) {
                Some((id, _)) => self.vcpu.compare_block(self.chassis, id, pc)?,
                None => Next::Dispatch,
            },
            Found::Interpret(_) => Next::Dispatch,
            Found::Refused(report) => Next::refused(report),
        };
        Ok(match next {
            Next::Stop(end) => match *end {
                RunEnd::Difference(report) | RunEnd::Refused(report) => Some(report),
                _ => None,
            },
            _ => None,
        })
    }
}
