//! The lockstep engine: every block runs in the interpreter and as host code, and the first
//! difference ends the run with a report.
//!
//! A block is first run *dry* by the interpreter, with a journal of the RAM bytes it overwrites; then
//! memory and state are put back and the host code runs for real. What is compared: all registers,
//! flags, segment and system registers, the FPU image, where both stopped, and the bytes that the
//! dry run wrote. Instructions that touch a device cannot be run twice; they, and the callouts
//! between blocks, run once, by the interpreter, which is both engines' last word on them anyway.
//! Accessed and dirty flags that the dry run set are put back with the rest, and no translation is kept that was
//! made with them. No access of the host code's sets one: it traps there, what comes before is compared, and the interpreter does
//! that instruction. Where flags are set is compared no further: a window may hold a translation for longer than the software TLB. One instruction may leave other memory (`aliased_move.rs`): the
//! interpreter does it then.

use crate::aliased_move::is_aliased_move;
use crate::config::MonitorError;
use crate::difference::DryRun;
use crate::dispatch::Found;
use crate::events::Happening;
use crate::journal::{Bytes, Entry, FlagsSet, Journal};
use crate::slices::Slice;
use crate::stop::{Next, RunEnd};
use crate::system_bus::PagingEvent;
use crate::vcpu::{Chassis, Vcpu};
use ringer_cpu::interp::fpu;
use ringer_cpu::{CpuState, Eflags, Gpr, Lin, Outcome, Pc};
use ringer_translator::context::{ExitReason, TRAP_KICK};
use ringer_translator::runtime::blocks::BlockId;
use std::sync::atomic::Ordering;

/// Comparisons between two looks of the run loop: it tells how far the guest is.
const PROGRESS: u64 = 1 << 16;

/// Where the host code stopped.
#[derive(Debug)]
pub(crate) enum WetRun {
    /// At the end of the block.
    End,
    /// Before guest instruction number `.0` of the block, by a trap that the interpreter must judge.
    Trap(u32),
    /// The same, by a check of its own: nothing of that instruction was done.
    Left(u32),
    /// A kick came before anything ran.
    NotEntered,
    /// Outside its window; the report.
    BrokeOut(String),
}

/// What the host code's run left to be told, beside its state.
struct Wet {
    /// A trap stopped it where the dry run stopped too.
    trapped: bool,
    /// Flags that its walks set.
    flags: Vec<(FlagsSet, u32)>,
    /// What was counted before it: instructions translated, retired.
    counted: (u64, u64),
    /// It was a move that may leave other memory than the interpreter's.
    aliased: bool,
}

/// What one comparison came to.
enum Compared {
    /// Both engines ran as far as they can; the interpreter goes on.
    Whole,
    /// The block is through.
    Through,
    /// Again, with so many instructions at most, and to that ECX in a string instruction.
    Again(u32, Option<u32>),
    /// The run is over.
    Over(Next),
}

impl Vcpu {
    /// Runs guest code in both engines until the run loop wants the floor.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn lockstep_slice(&mut self, chassis: &mut Chassis) -> Result<Next, MonitorError> {
        while !self.must_service(chassis) {
            self.spaces.sync(&mut chassis.bus);
            if self.looks_after_memory() {
                return Ok(Next::Service);
            }
            let next = match self.find(chassis)? {
                Found::Block(pc) => {
                    let offset = pc.wrapping_sub(chassis.code.cache.base()) as u32;
                    self.trace_place(chassis, Happening::Block { offset });
                    self.compare_at(chassis, pc)?
                }
                Found::Interpret(_) => self.step_or_stop(chassis),
                Found::Refused(report) => Next::refused(report),
            };
            match next {
                Next::Resume | Next::Dispatch => {}
                last @ (Next::Service | Next::Stop(_)) => return Ok(last),
            }
        }
        Ok(Next::Service)
    }

    fn compare_at(&mut self, chassis: &mut Chassis, pc: u64) -> Result<Next, MonitorError> {
        let code = &mut chassis.code;
        let id = code.verification.block_at(&code.cache, pc);
        let budget = self.schedule.budget(&chassis.bus.io.clock);
        match id {
            Some(id) if u64::from(code.cache.block(id).instrs) <= budget => {
                self.compare_block(chassis, id, pc)
            }
            // The next deadline comes inside the block.
            _ => Ok(self.step_or_stop(chassis)),
        }
    }

    /// Runs block `id` both ways, as far as both can go, then the instruction that stopped them.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn compare_block(
        &mut self,
        chassis: &mut Chassis,
        id: BlockId,
        pc: u64,
    ) -> Result<Next, MonitorError> {
        let limit = chassis.code.cache.block(id).instrs;
        if limit == 0 {
            chassis.bus.io.counters.callout_exits += 1;
            return Ok(self.callout(chassis));
        }
        let slice = self.begin_slice(chassis, id);
        let compared = self.compare_up_to(chassis, id, pc, limit)?;
        if let Some(slice) = slice
            && slice.end(&mut self.context.cpu)
        {
            // It will retire at the end of its last slice.
            self.translated = self.translated.wrapping_sub(1);
            let clock = &mut chassis.bus.io.clock;
            clock.retired = clock.retired.wrapping_sub(1);
        }
        match compared {
            Compared::Through => return Ok(self.progress(chassis)),
            Compared::Over(next) => return Ok(next),
            Compared::Whole | Compared::Again(..) => {}
        }
        if let Some(end) = self.stops_here(chassis) {
            return Ok(Next::stop(end));
        }
        self.step_left(chassis);
        Ok(self.progress(chassis))
    }

    /// Compares as many of the first `limit` instructions of block `id` as both engines run.
    ///
    /// # Errors
    /// When the host fails us.
    fn compare_up_to(
        &mut self,
        chassis: &mut Chassis,
        id: BlockId,
        pc: u64,
        mut limit: u32,
    ) -> Result<Compared, MonitorError> {
        // ECX where the host code stopped, for a string instruction that had got some way.
        let mut stopped_ecx = None;
        while limit > 0 {
            match self.compare_once(chassis, id, pc, limit, stopped_ecx)? {
                Compared::Again(at, ecx) => (limit, stopped_ecx) = (at, ecx),
                other => return Ok(other),
            }
        }
        Ok(Compared::Whole)
    }

    /// Cuts the string instruction that block `id` is, if it is one that repeats long.
    fn begin_slice(&mut self, chassis: &Chassis, id: BlockId) -> Option<Slice> {
        let block = chassis.code.cache.block(id);
        if !Slice::may_be(block.instrs, &self.context.cpu) {
            return None;
        }
        let bytes = chassis.code.guest_bytes(&chassis.bus.memory, id, block.key.eip);
        Slice::begin(&bytes, block.key.mode.bitness(), &mut self.context.cpu)
    }

    /// Lets other threads know how far the guest is, now and then.
    fn progress(&self, chassis: &Chassis) -> Next {
        let compared = chassis.code.verification.checks.blocks_compared;
        if compared.is_multiple_of(PROGRESS) { Next::Service } else { Next::Dispatch }
    }

    fn compare_once(
        &mut self,
        chassis: &mut Chassis,
        id: BlockId,
        pc: u64,
        limit: u32,
        ecx: Option<u32>,
    ) -> Result<Compared, MonitorError> {
        let before = self.snapshot();
        let counted = (self.translated, chassis.bus.io.clock.retired);
        let aliased = self.is_aliased_move(chassis, id, &before);
        let dry = self.dry_run(chassis, id, limit, &before, ecx);
        if dry.journal.device {
            return Ok(Compared::Whole);
        }
        chassis.bus.io.flags_set = Some(Vec::new());
        let wet = self.wet_run(chassis, id, pc);
        let flags = chassis.bus.io.flags_set.take().unwrap_or_default();
        let wet = wet?;
        let trapped = matches!(wet, WetRun::Trap(at) if at == dry.ran && at < limit);
        let again = match wet {
            WetRun::BrokeOut(report) => return Ok(Compared::Over(Next::refused(report))),
            WetRun::NotEntered => {
                self.context.cpu = before;
                return Ok(Compared::Again(limit, ecx));
            }
            // The host code stopped where the interpreter did not (a write to a code page, say):
            // compare what comes before, then let the interpreter do it.
            WetRun::Trap(at) if at < dry.ran => Some((at, Some(self.context.cpu.reg32(Gpr::Ecx)))),
            // A string instruction may have got some way in the interpreter before it faulted:
            // compare what comes before it.
            WetRun::Left(at) if at < dry.ran || (at == dry.ran && at < limit) => Some((at, None)),
            WetRun::Trap(_) | WetRun::Left(_) | WetRun::End => None,
        };
        if let Some((at, ecx)) = again {
            self.undo(chassis, &before, &dry, &Wet { trapped, flags, counted, aliased });
            return Ok(Compared::Again(at, ecx));
        }
        Ok(self.judge(chassis, id, &before, &dry, Wet { trapped, flags, counted, aliased }))
    }

    /// Takes back the host code's run, which wrote where the dry run did, and counts nothing of it.
    fn undo(&mut self, chassis: &mut Chassis, before: &CpuState, dry: &DryRun, wet: &Wet) {
        let memory = &mut chassis.bus.memory;
        wet.flags
            .iter()
            .rev()
            .for_each(|(f, old)| memory.write_offset(f.offset, &old.to_le_bytes()));
        self.put_back(chassis, &dry.journal);
        self.forget_walks(chassis, wet.flags.iter().map(|(f, _)| f.lin));
        self.context.cpu.clone_from(before);
        (self.translated, chassis.bus.io.clock.retired) = wet.counted;
    }

    /// Whether block `id` is a move that translated code may do in an order of its own. It is a lone instruction then.
    fn is_aliased_move(&self, chassis: &Chassis, id: BlockId, before: &CpuState) -> bool {
        let block = chassis.code.cache.block(id);
        if block.instrs != 1 {
            return false;
        }
        let bus = &chassis.bus;
        let bytes = chassis.code.guest_bytes(&bus.memory, id, block.key.eip);
        is_aliased_move(before, &bytes, |lin| bus.mmu.paging().peek_pa(&bus.memory, lin))
    }

    /// Compares what the two engines made of `before`.
    fn judge(
        &mut self,
        chassis: &mut Chassis,
        id: BlockId,
        before: &CpuState,
        dry: &DryRun,
        mut wet: Wet,
    ) -> Compared {
        let checks = &mut chassis.code.verification.checks;
        checks.compared += u64::from(dry.ran);
        checks.blocks_compared += 1;
        let mut what = dry.difference(&self.context.cpu, &chassis.bus.memory, &wet.flags);
        if what.is_some() && wet.trapped {
            chassis.bus.io.flags_set = Some(std::mem::take(&mut wet.flags));
            self.finish_trapped(chassis);
            wet.flags = chassis.bus.io.flags_set.take().unwrap_or_default();
            what = dry.difference(&self.context.cpu, &chassis.bus.memory, &wet.flags);
        }
        let memory_alone = || dry.state_difference(&self.context.cpu).is_none();
        if what.is_some() && wet.aliased && memory_alone() {
            // The interpreter, which goes on from here, has the last word.
            self.undo(chassis, before, dry, &wet);
            return Compared::Whole;
        }
        if let Some(what) = what {
            let (cache, memory) = (&chassis.code.cache, &chassis.bus.memory);
            let report = dry.report(cache, memory, id, before, &self.context.cpu, &what);
            return Compared::Over(Next::stop(RunEnd::Difference(report)));
        }
        let interrupted = self.context.exit_reason == ExitReason::Check as u32;
        if dry.ran == chassis.code.cache.block(id).instrs || dry.left || interrupted {
            return Compared::Through;
        }
        Compared::Whole
    }

    /// A string instruction that both engines stopped in, the host's earlier (by a write to a code
    /// page, where the interpreter went on to its fault): the interpreter takes it as far.
    fn finish_trapped(&mut self, chassis: &mut Chassis) {
        let cpu = &mut self.context.cpu;
        while matches!(self.interp.execute(cpu, &mut chassis.bus), Ok(Outcome::Partial)) {}
        fpu::claim(cpu);
    }

    fn snapshot(&mut self) -> CpuState {
        fpu::claim(&mut self.context.cpu);
        self.context.cpu
    }

    /// Runs `limit` instructions of block `id` by the interpreter, or up to the branch that leaves
    /// it, then the iterations of a string instruction that it takes to come to `ecx`; all that
    /// they wrote is taken back.
    fn dry_run(
        &mut self,
        chassis: &mut Chassis,
        id: BlockId,
        limit: u32,
        before: &CpuState,
        ecx: Option<u32>,
    ) -> DryRun {
        chassis.bus.io.journal = Some(Journal::default());
        chassis.bus.mmu.set_journal(true);
        let (mut ran, mut left) = (0, false);
        while ran < limit {
            match self.interp.execute(&mut self.context.cpu, &mut chassis.bus) {
                Ok(Outcome::Partial) => {}
                Ok(_) => {
                    ran += 1;
                    left = ran < limit && self.leaves(chassis, id, ran);
                }
                Err(_) => break,
            }
            if left || chassis.bus.io.journal.as_ref().is_some_and(|j| j.device) {
                break;
            }
        }
        if let Some(ecx) = ecx.filter(|_| ran == limit) {
            self.iterate_to(chassis, ecx);
        }
        chassis.bus.mmu.set_journal(false);
        let journal = chassis.bus.io.journal.take().unwrap_or_default();
        fpu::claim(&mut self.context.cpu);
        let state = self.context.cpu;
        let memory = &mut chassis.bus.memory;
        let now = |w: &Entry| Bytes::of(memory, w.offset, w.old.as_slice().len());
        let written = journal.writes.iter().map(now).collect();
        self.put_back(chassis, &journal);
        self.context.cpu.clone_from(before);
        DryRun { state, journal, written, ran, left }
    }

    /// Whether the host code leaves block `id` after `ran` instructions: EIP is not that of the next
    /// one, or a thunk that the block takes for granted is there no more.
    fn leaves(&self, chassis: &Chassis, id: BlockId, ran: u32) -> bool {
        let block = chassis.code.cache.block(id);
        let table = self.spaces.current_table();
        let at = |eip: Pc| table.map_or(0, |table| self.spaces.targets.known(table, eip));
        block.map.get(ran as usize).is_some_and(|entry| entry.eip != self.context.cpu.rip)
            || block.guards.iter().any(|g| g.done == ran && at(g.eip) != g.thunk.offset)
    }

    /// Runs the string instruction at CS:EIP iteration by iteration until ECX is as given.
    fn iterate_to(&mut self, chassis: &mut Chassis, ecx: u32) {
        // Between two iterations the flags are those of before (SDM volume 2, REP).
        let eflags = self.context.cpu.eflags & !(Eflags::TF | Eflags::RF).bits();
        while self.context.cpu.reg32(Gpr::Ecx) != ecx {
            // With TF set an instruction stops after each iteration.
            self.context.cpu.eflags |= Eflags::TF.bits();
            let outcome = self.interp.execute(&mut self.context.cpu, &mut chassis.bus);
            self.context.cpu.eflags &= !(Eflags::TF | Eflags::RF).bits();
            self.context.cpu.pending_debug = 0;
            if !matches!(outcome, Ok(Outcome::Partial)) {
                return;
            }
            self.context.cpu.eflags = eflags;
        }
    }

    /// Takes back what the dry run wrote, and what was remembered of translations in which it set flags.
    fn put_back(&mut self, chassis: &mut Chassis, journal: &Journal) {
        for w in journal.writes.iter().rev() {
            chassis.bus.memory.write_offset(w.offset, w.old.as_slice());
        }
        self.forget_walks(chassis, journal.flags_set.iter().map(|flags| flags.lin));
    }

    /// Nothing remembers the translations of `addresses`: flags that their walks set are no longer set.
    fn forget_walks(&mut self, chassis: &mut Chassis, addresses: impl Iterator<Item = Lin>) {
        let bus = &mut chassis.bus;
        bus.paging.extend(addresses.map(|lin| PagingEvent::Page(lin.low())));
        if !bus.paging.is_empty() {
            bus.mmu.flush_tlb();
            self.spaces.sync(bus);
        }
    }

    /// Runs the host code of block `id`, at `pc`, for real.
    ///
    /// # Errors
    /// When the host refuses GS base.
    pub fn wet_run(
        &mut self,
        chassis: &mut Chassis,
        id: BlockId,
        pc: u64,
    ) -> Result<WetRun, MonitorError> {
        // A kick from before must not keep the block from running; it is served after it.
        let mut kicked = self.context.doorbell().kick.swap(0, Ordering::Relaxed);
        self.context.fault_rip = 0;
        let eip = self.context.cpu.eip();
        // Loading and saving the FPU's state takes longer than most blocks.
        let fpu = !chassis.code.verification.is_integer(id);
        self.enter(chassis, pc, fpu)?;
        let mut trapped = false;
        let mut broke_out = None;
        while self.context.exit_reason == ExitReason::Signal as u32 {
            if self.context.fault_trap != TRAP_KICK {
                match self.fill_window(chassis) {
                    Ok(true) => {}
                    Ok(false) => trapped = true,
                    Err(report) => broke_out = Some(report),
                }
                if trapped || broke_out.is_some() {
                    break;
                }
            }
            kicked |= self.context.doorbell().kick.swap(0, Ordering::Relaxed);
            self.note_stack();
            self.resume(chassis);
        }
        self.context.doorbell().kick.fetch_or(kicked, Ordering::Relaxed);
        if let Some(report) = broke_out {
            return Ok(WetRun::BrokeOut(report));
        }
        if trapped {
            return Ok(self.trapped_run(chassis, id));
        }
        Ok(self.ended_run(chassis, id, eip))
    }

    /// A trap stopped block `id` for good.
    fn trapped_run(&mut self, chassis: &mut Chassis, id: BlockId) -> WetRun {
        let cache = &chassis.code.cache;
        let at = cache.locate(self.context.fault_rip);
        let index = at.and_then(|(_, off)| cache.block(id).entry_at(off));
        let index = index.map_or(0, |(i, _)| i as u32);
        self.settle(chassis);
        fpu::claim(&mut self.context.cpu);
        WetRun::Trap(index)
    }

    /// Block `id`, entered at `eip`, left by itself.
    fn ended_run(&mut self, chassis: &mut Chassis, id: BlockId, eip: u32) -> WetRun {
        if self.context.exit_reason == ExitReason::Miss as u32 {
            chassis.bus.io.counters.miss_exits += 1;
        }
        let early = self.left_early(chassis, id);
        let not_entered = self.context.exit_reason == ExitReason::Check as u32
            && self.context.retired == 0
            && self.context.cpu.eip() == eip;
        self.leave_translated(chassis);
        fpu::claim(&mut self.context.cpu);
        match early {
            _ if not_entered => WetRun::NotEntered,
            Some(index) => WetRun::Left(index),
            None => WetRun::End,
        }
    }

    /// A block can leave in its middle for the interpreter (a POPF of system flags, say): before
    /// which instruction it did.
    fn left_early(&self, chassis: &Chassis, id: BlockId) -> Option<u32> {
        let reason = self.context.exit_reason;
        let block = chassis.code.cache.block(id);
        let middle = &block.map[..block.map.len().min(block.instrs as usize)];
        let eip = self.context.cpu.rip;
        let index = middle.iter().position(|e| e.eip == eip)?;
        let left = reason == ExitReason::Callout as u32
            || (reason == ExitReason::Check as u32 && index > 0);
        left.then_some(index as u32)
    }
}
