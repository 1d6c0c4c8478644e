//! The binary-translation engine: finds or makes the block at CS:EIP, runs it, and takes its exits.
//!
//! Cold code is interpreted; a block that was visited often enough is translated. All that can go
//! wrong in a block ends in the interpreter at the guest instruction concerned, which alone decides
//! what the architecture says.

use crate::code::Wanted;
use crate::config::MonitorError;
use crate::events::{Happening, TraceKinds};
use crate::profile::Row;
use crate::space_selection::Selected;
use crate::step::at;
use crate::stop::Next;
use crate::vcpu::{Chassis, Vcpu};
use ringer_cpu::addr::Lin;
use ringer_cpu::{Frame, Privilege};
use ringer_translator::context::ExitReason;
use ringer_translator::runtime::blocks::{BlockId, BlockKey};

/// Interpreted instructions between looks for a translated block.
const COLD_RUN: u32 = 64;

/// What the dispatcher found at CS:EIP.
#[derive(Debug)]
pub(crate) enum Found {
    /// Host code.
    Block(u64),
    /// Nothing that runs as host code: interpret so many instructions at most.
    Interpret(u32),
    /// Host code that must not run; the verifier's report.
    Refused(String),
}

impl Vcpu {
    /// Runs guest code until the run loop wants the floor: the last word is [`Next::Service`] or
    /// [`Next::Stop`].
    ///
    /// # Errors
    /// When the host fails us.
    pub fn slice(&mut self, chassis: &mut Chassis) -> Result<Next, MonitorError> {
        while !self.must_service(chassis) {
            self.spaces.sync(&mut chassis.bus);
            if self.looks_after_memory() {
                return Ok(Next::Service);
            }
            let next = match self.find(chassis)? {
                Found::Block(pc) => self.run_block(chassis, pc)?,
                Found::Interpret(most) => self.interpret(chassis, most),
                Found::Refused(report) => Next::refused(report),
            };
            match next {
                Next::Resume | Next::Dispatch => {}
                last @ (Next::Service | Next::Stop(_)) => return Ok(last),
            }
        }
        Ok(Next::Service)
    }

    /// Makes room where windows and tables hold too much: each block that is looked for comes by here. True: the run loop is
    /// to look at what the process holds.
    #[inline]
    pub fn looks_after_memory(&mut self) -> bool {
        if self.spaces.is_over() {
            self.spaces.make_room();
        }
        self.spaces.wants_look() && self.spaces.is_late()
    }

    /// Interprets up to `most` instructions, until the end of the guest's basic block.
    fn interpret(&mut self, chassis: &mut Chassis, most: u32) -> Next {
        self.link.forget();
        self.trace_place(chassis, Happening::Interpreted);
        let row = chassis.bus.io.ledger.switch(Row::Interpreter);
        let mut next = Next::Dispatch;
        for _ in 0..most {
            if let Some(end) = self.stops_here(chassis) {
                next = Next::stop(end);
                break;
            }
            let before = self.context.cpu.eip();
            self.step(chassis);
            let moved = self.context.cpu.eip().wrapping_sub(before);
            if moved > 15 || moved == 0 || self.must_service(chassis) {
                break;
            }
            if !chassis.bus.paging.is_empty() {
                break;
            }
        }
        chassis.bus.io.ledger.switch(row);
        next
    }

    /// Finds the block at EIP; translates it when it is hot.
    ///
    /// # Errors
    /// When the host refuses a target table.
    #[inline]
    pub fn find(&mut self, chassis: &mut Chassis) -> Result<Found, MonitorError> {
        let known = match self.context.cpu.shadow_irq {
            false => self.spaces.known(&mut self.context),
            true => None,
        };
        let selected = match known {
            Some(selected) => selected,
            None => match self.mode() {
                Some(mode) => self.spaces.select(&mut self.context, &chassis.bus, mode)?,
                None => return Ok(Found::Interpret(self.run_without_mode())),
            },
        };
        let off = self.spaces.targets.get(selected.table, self.context.cpu.rip);
        if !self.goes_on_as_decoded(chassis, off) {
            return Ok(Found::Interpret(1));
        }
        if off == 0 {
            self.spaces.targets.missed(selected.table, self.context.cpu.rip);
            return Ok(self.find_by_address(chassis, selected));
        }
        let cache = &chassis.code.cache;
        let pc = cache.base() + u64::from(off);
        if let Some(site) = self.link.take(chassis.code.flushes())
            && let Some(id) = cache.at_offset(off)
            && let Err(report) = chassis.code.link(site, id)
        {
            return Ok(Found::Refused(report));
        }
        Ok(Found::Block(pc))
    }

    /// Instructions to interpret where translated code has no mode: as many as come where that lasts.
    fn run_without_mode(&self) -> u32 {
        if self.context.cpu.in_long_mode() { COLD_RUN } else { 1 }
    }

    /// Whether the block at `off` (0: none) may go on with the string instruction that is in progress, if one is: it was
    /// made of the same bytes.
    #[inline]
    fn goes_on_as_decoded(&self, chassis: &Chassis, off: u32) -> bool {
        let Some(decoded) = self.context.cpu.string.bytes() else { return true };
        let code = &chassis.code;
        let Some(id) = code.cache.at_offset(off).filter(|_| off != 0) else { return false };
        let bytes = code.guest_bytes(&chassis.bus.memory, id, code.cache.block(id).key.eip);
        bytes.starts_with(decoded)
    }

    /// The same where the target table has nothing yet: by the physical address of the code. A page that was not accessed yet is
    /// the interpreter's: a run may end before the instruction is fetched, and nobody may have noticed that it was looked for.
    fn find_by_address(&mut self, chassis: &mut Chassis, selected: Selected) -> Found {
        let eip = self.context.cpu.rip;
        let mode = selected.selection.mode;
        let linear = selected.selection.cs_base.plus(eip.get()).masked(mode.address_mask());
        let who = self.privilege();
        let bus = &mut chassis.bus;
        let fetched = bus.mmu.paging().fetch_pa(&bus.memory, linear, who);
        let Some(pa) = fetched else { return Found::Interpret(COLD_RUN) };
        let second = self.second_frame(chassis, linear.low(), who).map(Frame);
        let key = BlockKey { pa, eip, mode, second: None };
        let wanted = Wanted { key, linear, second, selected };
        match self.known_or_new(chassis, &wanted) {
            Ok(Some(id)) => self.take_up(chassis, selected, id),
            Ok(None) => Found::Interpret(COLD_RUN),
            Err(report) => Found::Refused(report),
        }
    }

    /// The block that is `wanted`; `None`: it is cold, or cannot run as host code.
    fn known_or_new(
        &mut self,
        chassis: &mut Chassis,
        wanted: &Wanted,
    ) -> Result<Option<BlockId>, String> {
        let Chassis { bus, code } = chassis;
        let crossing = BlockKey { second: wanted.second, ..wanted.key };
        let across = || wanted.second.and_then(|_| code.cache.find(&crossing));
        match code.cache.find(&wanted.key).or_else(across) {
            Some(id) => Ok(Some(id)),
            None if !code.heat.visit(wanted.key.pa.get()) => Ok(None),
            None => code.translate(bus, &mut self.spaces, &mut self.context, wanted),
        }
    }

    /// From now on the target table leads to block `id`, and so does the exit that led here.
    fn take_up(&mut self, chassis: &mut Chassis, selected: Selected, id: BlockId) -> Found {
        let Chassis { bus, code } = chassis;
        let block = code.cache.block(id);
        let entry = (block.key, block.host_off);
        self.spaces.enter_block(bus, selected, entry, code.cache.beside(&block.key));
        if let Some(site) = self.link.take(code.flushes())
            && let Err(report) = code.link(site, id)
        {
            return Found::Refused(report);
        }
        Found::Block(code.cache.host_pc(id))
    }

    /// The frame of the page after `linear`'s, when an instruction there could reach into it. A page
    /// that was not accessed yet counts as absent: looking at it would set its accessed flag, perhaps
    /// for nothing, while the interpreter fetches from it only when the instruction does.
    fn second_frame(&self, chassis: &Chassis, linear: u32, who: Privilege) -> Option<u64> {
        if linear & 0xfff < 0xff1 {
            return None;
        }
        let next = Lin::from((linear | 0xfff).checked_add(1)?);
        let bus = &chassis.bus;
        let pa = bus.mmu.paging().fetch_pa(&bus.memory, next, who)?;
        Some(pa.frame().get())
    }

    /// Runs translated code from `pc` until it has to come back for good.
    ///
    /// # Errors
    /// When the host refuses GS base.
    pub fn run_block(&mut self, chassis: &mut Chassis, pc: u64) -> Result<Next, MonitorError> {
        if !self.prefill.apply(&self.context.cpu, &mut self.spaces, &mut chassis.bus) {
            return Ok(Next::Dispatch);
        }
        let offset = pc.wrapping_sub(chassis.code.cache.base()) as u32;
        self.trace_place(chassis, Happening::Block { offset });
        self.enter(chassis, pc, true)?;
        while self.context.exit_reason == ExitReason::Signal as u32 {
            match self.signal_exit(chassis) {
                Next::Resume => self.resume(chassis),
                next => return Ok(next),
            }
        }
        self.leave_translated(chassis);
        Ok(self.plain_exit(chassis))
    }

    /// Tells where the guest is now, if blocks are traced.
    #[inline]
    pub fn trace_place(&self, chassis: &Chassis, what: Happening) {
        if chassis.bus.io.events.traces(TraceKinds::BLOCKS) {
            chassis.bus.io.trace(what, at(&self.context.cpu));
        }
    }

    /// An exit that translated code took by itself.
    fn plain_exit(&mut self, chassis: &mut Chassis) -> Next {
        let reason = self.context.exit_reason;
        self.link.forget();
        if self.profile {
            self.record_exit(chassis);
        }
        let counters = &mut chassis.bus.io.counters;
        if reason == ExitReason::Link as u32 {
            counters.link_exits += 1;
            self.link.note(self.context.exit_arg, chassis.code.flushes());
        } else if reason == ExitReason::Miss as u32 {
            counters.miss_exits += 1;
        } else if reason == ExitReason::Callout as u32 {
            // What ran before it may have used up the time.
            if !self.schedule.out_of_time(&chassis.bus.io.clock) {
                return self.callout(chassis);
            }
        } else if reason == ExitReason::Budget as u32 {
            counters.budget_exits += 1;
            // Fewer instructions are left than the block has: one at a time up to the deadline.
            if !self.schedule.out_of_time(&chassis.bus.io.clock) {
                return self.interpret(chassis, 1);
            }
        } else {
            counters.check_exits += 1;
            return Next::Service;
        }
        Next::Dispatch
    }
}
