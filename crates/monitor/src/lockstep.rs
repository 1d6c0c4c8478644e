//! The lockstep engine: every block runs in the interpreter and as host code, and the first
//! difference ends the run with a report.
//!
//! A block is first run *dry* by the interpreter, with a journal of the RAM bytes it overwrites; then
//! memory and state are put back and the host code runs for real. What is compared: all registers,
//! flags, segment and system registers, the FPU image, where both stopped, and the bytes that the
//! dry run wrote. Instructions that touch a device cannot be run twice; they, and the callouts
//! between blocks, run once, by the interpreter, which is both engines' last word on them anyway.
//! Accessed and dirty bits that the dry run set stay set: they are no data.

use crate::bt::Found;
use crate::config::{MonitorError, RunEnd};
use crate::journal::{Bytes, Entry, Journal};
use crate::run::Monitor;
use ringer_cpu::addr::Pa;
use ringer_cpu::interp::fpu;
use ringer_cpu::{CpuState, Eflags, Gpr, Outcome};
use ringer_translator::context::{ExitReason, TRAP_KICK};
use ringer_translator::runtime::blocks::BlockId;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

/// Comparisons between two looks at how far the guest is.
const PROGRESS: u64 = 1 << 16;

/// What the interpreter's dry run of a block came to.
struct DryRun {
    state: CpuState,
    journal: Journal,
    /// Final bytes of each journal entry.
    written: Vec<Bytes>,
    /// Instructions that retired.
    ran: u32,
    /// A conditional branch in the middle of the block was taken behind the last of them.
    left: bool,
}

/// Where the host code stopped.
pub(crate) enum Stop {
    /// At the end of the block.
    End,
    /// Before guest instruction number `.0` of the block, by a trap that the interpreter must judge.
    Trap(u32),
    /// The same, by a check of its own: nothing of that instruction was done.
    Left(u32),
    /// A kick came before anything ran.
    NotEntered,
}

impl Monitor {
    /// Runs guest code in both engines until the run loop wants the floor.
    pub(crate) fn lockstep_slice(&mut self) -> Result<(), MonitorError> {
        while !self.must_service() {
            self.sync_paging();
            let Some(mode) = self.mode() else {
                self.step();
                continue;
            };
            let Found::Block(pc) = self.find(mode)? else {
                self.step();
                continue;
            };
            let Some(id) = self.block_at(pc) else {
                self.step();
                continue;
            };
            if u64::from(self.bt.cache.block(id).instrs) > self.virtual_budget() {
                // The next deadline comes inside the block.
                self.step();
                continue;
            }
            self.compare_block(id, pc)?;
        }
        Ok(())
    }

    /// Runs block `id` both ways, as far as both can go, then the instruction that stopped them.
    pub(crate) fn compare_block(&mut self, id: BlockId, pc: u64) -> Result<(), MonitorError> {
        let mut limit = self.bt.cache.block(id).instrs;
        // ECX where the host code stopped, for a string instruction that had got some way.
        let mut stopped_ecx = None;
        if limit == 0 {
            self.bus.io.counters.callout_exits += 1;
            self.callout();
            return Ok(());
        }
        while limit > 0 {
            let before = self.snapshot();
            let counted = (self.bt.retired, self.bus.io.clock.retired);
            let dry = self.dry_run(id, limit, &before, stopped_ecx);
            if dry.journal.device {
                break;
            }
            let stop = self.wet_run(id, pc)?;
            match stop {
                Stop::NotEntered => {
                    self.context.cpu = before;
                    continue;
                }
                Stop::Trap(at) if at < dry.ran => {
                    // The host code stopped where the interpreter did not (a write to a code page,
                    // say): compare what comes before, then let the interpreter do it.
                    stopped_ecx = Some(self.context.cpu.reg32(Gpr::Ecx));
                    self.put_back(&dry.journal);
                    self.context.cpu = before;
                    (self.bt.retired, self.bus.io.clock.retired) = counted;
                    limit = at;
                    continue;
                }
                Stop::Left(at) if at < dry.ran || (at == dry.ran && at < limit) => {
                    // A string instruction may have got some way in the interpreter before it
                    // faulted: compare what comes before it.
                    stopped_ecx = None;
                    self.put_back(&dry.journal);
                    self.context.cpu = before;
                    (self.bt.retired, self.bus.io.clock.retired) = counted;
                    limit = at;
                    continue;
                }
                Stop::Trap(_) | Stop::Left(_) | Stop::End => {}
            }
            self.bt.verification.checks.compared += u64::from(dry.ran);
            self.bt.verification.checks.blocks_compared += 1;
            if self.bt.verification.checks.blocks_compared.is_multiple_of(PROGRESS) {
                self.tell_progress();
            }
            let mut what = self.difference(&dry);
            if what.is_some() && matches!(stop, Stop::Trap(at) if at == dry.ran && at < limit) {
                self.finish_trapped();
                what = self.difference(&dry);
            }
            if let Some(what) = what {
                self.end = Some(RunEnd::Difference(self.report(id, &before, &dry, &what)));
                return Ok(());
            }
            let interrupted = self.context.exit_reason == ExitReason::Check as u32;
            if dry.ran == self.bt.cache.block(id).instrs || dry.left || interrupted {
                return Ok(());
            }
            break;
        }
        self.step_left();
        Ok(())
    }

    /// A string instruction that both engines stopped in, the host's earlier (by a write to a code
    /// page, where the interpreter went on to its fault): the interpreter takes it as far.
    fn finish_trapped(&mut self) {
        let cpu = &mut self.context.cpu;
        while matches!(self.interp.execute(cpu, &mut self.bus), Ok(Outcome::Partial)) {}
        fpu::claim(cpu);
    }

    fn snapshot(&mut self) -> CpuState {
        fpu::claim(&mut self.context.cpu);
        self.context.cpu.eflags &= !Eflags::RF.bits();
        self.context.cpu
    }

    /// Runs `limit` instructions of block `id` by the interpreter, or up to the branch that leaves
    /// it, then the iterations of a string instruction that it takes to come to `ecx`; all that
    /// they wrote is taken back.
    fn dry_run(&mut self, id: BlockId, limit: u32, before: &CpuState, ecx: Option<u32>) -> DryRun {
        self.bus.io.journal = Some(Journal::default());
        self.bus.mmu.set_journal(true);
        let (mut ran, mut left) = (0, false);
        while ran < limit {
            match self.interp.execute(&mut self.context.cpu, &mut self.bus) {
                Ok(Outcome::Partial) => {}
                Ok(_) => {
                    ran += 1;
                    left = ran < limit && self.leaves(id, ran);
                }
                Err(_) => break,
            }
            if left || self.bus.io.journal.as_ref().is_some_and(|j| j.device) {
                break;
            }
        }
        if let Some(ecx) = ecx.filter(|_| ran == limit) {
            self.iterate_to(ecx);
        }
        self.bus.mmu.set_journal(false);
        let journal = self.bus.io.journal.take().unwrap_or_default();
        fpu::claim(&mut self.context.cpu);
        let state = self.context.cpu;
        let now = |w: &Entry| self.bytes_at(w.offset, w.old.as_slice().len());
        let written = journal.writes.iter().map(now).collect();
        self.put_back(&journal);
        self.context.cpu.clone_from(before);
        DryRun { state, journal, written, ran, left }
    }

    /// Whether the host code leaves block `id` after `ran` instructions: EIP is not that of the next
    /// one, or a thunk that the block takes for granted is there no more.
    fn leaves(&self, id: BlockId, ran: u32) -> bool {
        let block = self.bt.cache.block(id);
        let table = self.bt.selections.current().map(|selected| selected.table);
        let at = |eip| table.map_or(0, |table| self.bt.targets.get(table, eip));
        block.map.get(ran as usize).is_some_and(|entry| entry.eip != self.context.cpu.eip())
            || block.guards.iter().any(|g| g.done == ran && at(g.eip) != g.thunk.offset)
    }

    /// Runs the string instruction at CS:EIP iteration by iteration until ECX is as given.
    fn iterate_to(&mut self, ecx: u32) {
        while self.context.cpu.reg32(Gpr::Ecx) != ecx {
            // With TF set an instruction stops after each iteration.
            self.context.cpu.eflags |= Eflags::TF.bits();
            let outcome = self.interp.execute(&mut self.context.cpu, &mut self.bus);
            self.context.cpu.eflags &= !(Eflags::TF | Eflags::RF).bits();
            self.context.cpu.pending_debug = 0;
            if !matches!(outcome, Ok(Outcome::Partial)) {
                return;
            }
        }
    }

    fn bytes_at(&self, offset: u64, len: usize) -> Bytes {
        Bytes::fill(len, |out| self.bus.memory.read_offset(offset, out))
    }

    fn put_back(&mut self, journal: &Journal) {
        for w in journal.writes.iter().rev() {
            self.bus.memory.write_offset(w.offset, w.old.as_slice());
        }
    }

    /// Runs the host code for real.
    pub(crate) fn wet_run(&mut self, id: BlockId, pc: u64) -> Result<Stop, MonitorError> {
        // A kick from before must not keep the block from running; it is served after it.
        let mut kicked = self.context.doorbell().kick.swap(0, Ordering::Relaxed);
        self.context.fault_rip = 0;
        // Loading and saving the FPU's state takes longer than most blocks.
        self.prepare_entry(!self.bt.verification.is_integer(id))?;
        self.bt.dispatched += 1;
        let eip = self.context.cpu.eip();
        let entry = self.bt.cache.entry();
        let table = self.context.target_table;
        // SAFETY: `pc` is the entry of block `id`, valid since nothing ran in between; `find` made
        // window, table and cache belong together.
        unsafe { entry.enter(&mut self.context, pc) };
        self.follow_transfers(table);
        while self.context.exit_reason == ExitReason::Signal as u32 {
            let kick = self.context.fault_trap == TRAP_KICK;
            if !kick && !self.fill_window() {
                let at = self.bt.cache.locate(self.context.fault_rip);
                let index = at.and_then(|(_, off)| self.bt.cache.block(id).entry_at(off));
                self.settle();
                fpu::claim(&mut self.context.cpu);
                self.context.doorbell().kick.fetch_or(kicked, Ordering::Relaxed);
                return Ok(Stop::Trap(index.map_or(0, |(i, _)| i as u32)));
            }
            kicked |= self.context.doorbell().kick.swap(0, Ordering::Relaxed);
            self.note_stack();
            let table = self.context.target_table;
            // SAFETY: the block at `fault_rip` is still valid: a filled window changes no code.
            unsafe { entry.resume(&mut self.context) };
            self.follow_transfers(table);
        }
        self.context.doorbell().kick.fetch_or(kicked, Ordering::Relaxed);
        if self.context.exit_reason == ExitReason::Miss as u32 {
            self.bus.io.counters.miss_exits += 1;
        }
        let early = self.left_early(id);
        let not_entered = self.context.exit_reason == ExitReason::Check as u32
            && self.context.retired == 0
            && self.context.cpu.eip() == eip;
        self.leave_translated();
        fpu::claim(&mut self.context.cpu);
        Ok(match early {
            _ if not_entered => Stop::NotEntered,
            Some(index) => Stop::Left(index),
            None => Stop::End,
        })
    }

    /// A block can leave in its middle for the interpreter (a POPF of system flags, say): before
    /// which instruction it did.
    fn left_early(&self, id: BlockId) -> Option<u32> {
        let reason = self.context.exit_reason;
        let block = self.bt.cache.block(id);
        let middle = &block.map[..block.map.len().min(block.instrs as usize)];
        let eip = self.context.cpu.eip();
        let index = middle.iter().position(|e| e.eip == eip)?;
        let left = reason == ExitReason::Callout as u32
            || (reason == ExitReason::Check as u32 && index > 0);
        left.then_some(index as u32)
    }

    /// The first thing in which the two engines differ.
    fn difference(&self, dry: &DryRun) -> Option<String> {
        let (a, b) = (&dry.state, &self.context.cpu);
        let names = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
        for (k, name) in names.iter().enumerate() {
            if a.gpr[k] != b.gpr[k] {
                return Some(format!("{name}: interp {:08x}, bt {:08x}", a.gpr[k], b.gpr[k]));
            }
        }
        if a.eip() != b.eip() {
            return Some(format!("eip: interp {:08x}, bt {:08x}", a.eip(), b.eip()));
        }
        // RF is set between the passes of a REP, for what may interrupt it there; a fault pushes it
        // set in any case (SDM volume 3, "Instruction-Breakpoint Exception Condition"), nothing else sees it.
        if (a.eflags ^ b.eflags) & !Eflags::RF.bits() != 0 {
            return Some(format!("eflags: interp {:08x}, bt {:08x}", a.eflags, b.eflags));
        }
        if a.seg != b.seg || a.cr0 != b.cr0 || a.cpl != b.cpl {
            return Some("segment or system registers".to_owned());
        }
        // The whole first: it is equal nearly always.
        if a.fpu.0 != b.fpu.0 {
            let k = (0..a.fpu.0.len()).find(|k| a.fpu.0[*k] != b.fpu.0[*k])?;
            let (x, y) = (a.fpu.0[k], b.fpu.0[k]);
            return Some(format!("fpu image byte {k}: interp {x:02x}, bt {y:02x}"));
        }
        self.memory_difference(dry)
    }

    /// Memory that the dry run wrote must be as it left it, but for accessed and dirty flags: a
    /// window may hold a translation for longer than the software TLB.
    fn memory_difference(&self, dry: &DryRun) -> Option<String> {
        dry.journal.writes.iter().zip(&dry.written).find_map(|(w, expected)| {
            let now = self.bytes_at(w.offset, expected.as_slice().len());
            if now.as_slice() == expected.as_slice() {
                return None;
            }
            let bytes = expected.as_slice().iter().zip(now.as_slice()).zip(w.offset..);
            let mut data = bytes.map(|((a, b), at)| (a ^ b) & dry.journal.data_bits(at));
            data.any(|d| d != 0).then(|| {
                let (a, b) = (expected.as_slice(), now.as_slice());
                format!("memory at {:#x}: interp {a:02x?}, bt {b:02x?}", w.offset)
            })
        })
    }

    fn report(&self, id: BlockId, before: &CpuState, dry: &DryRun, what: &str) -> String {
        let block = self.bt.cache.block(id);
        let mut bytes = vec![0; block.guest_len as usize];
        self.bus.memory.read(Pa(block.key.pa), &mut bytes);
        let mut out = format!("engines differ after {} instructions: {what}\n", dry.ran);
        let _ = writeln!(out, "guest block at {:08x}:", block.key.eip);
        out += &ringer_translator::disasm_guest(
            &bytes,
            block.key.eip,
            block.key.mode,
            block.map.len(),
        );
        for (name, s) in [("before", before), ("interp", &dry.state), ("bt", &self.context.cpu)] {
            let _ = writeln!(
                out,
                "{name:>7}: eip {:08x} eflags {:08x} eax {:08x} ecx {:08x} edx {:08x} ebx {:08x} \
                 esp {:08x} ebp {:08x} esi {:08x} edi {:08x}",
                s.eip(),
                s.eflags,
                s.gpr[0],
                s.gpr[1],
                s.gpr[2],
                s.gpr[3],
                s.gpr[4],
                s.gpr[5],
                s.gpr[6],
                s.gpr[7]
            );
        }
        out += "host code:\n";
        out += &ringer_translator::listing(&self.bt.cache.host_code(id), self.bt.cache.host_pc(id));
        out
    }
}
