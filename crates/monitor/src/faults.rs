//! Exits that a host trap or a kick caused, seen as ordinary code after the signal handler.
//!
//! A page fault in the window is *hidden* when the guest's own page tables permit the access: the
//! page is mapped and the host instruction runs again. Otherwise, and for any other trap, the guest
//! instruction is given to the interpreter (invariant 10), which raises what the architecture says, reaches the
//! device, or performs the write to a code page. A kick is let in at an instruction boundary; in the
//! middle of an instruction's sequence the host instructions are single-stepped up to one.

use crate::profile::Row;
use crate::run::Monitor;
use iced_x86::{Code, Decoder};
use ringer_cpu::addr::Lin;
use ringer_cpu::{Eflags, Gpr, Outcome, SegReg};
use ringer_mmu::{Fill, Reason};
use ringer_translator::X87;
use ringer_translator::context::TRAP_KICK;
use ringer_translator::runtime::blocks::BlockId;

const TRAP_PAGE_FAULT: u64 = 14;
const ERROR_WRITE: u64 = 2;
const TF: u64 = 0x100;

impl Monitor {
    /// Handles a Signal exit. True: resume translated code at `fault_rip`; false: the guest state is
    /// whole and the dispatcher goes on.
    pub(crate) fn signal_exit(&mut self) -> bool {
        self.context.host_flags &= !TF;
        self.note_stack();
        match self.context.fault_trap {
            TRAP_PAGE_FAULT => self.page_fault(),
            TRAP_KICK => self.kicked(),
            _ => {
                self.bus.io.counters.other_faults += 1;
                let site = self.bt.cache.locate(self.context.fault_rip);
                let outcome = self.reexecute(Row::TrueFaults);
                if let (Some((id, off)), Outcome::Delivered(_)) = (site, outcome) {
                    self.note_trap(id, off);
                }
                false
            }
        }
    }

    /// Notes what the interrupted sequence has on the host's stack, for resuming it.
    pub(crate) fn note_stack(&mut self) {
        self.context.stack_depth = self.context.host_rsp.wrapping_sub(self.context.wide[4]);
    }

    fn page_fault(&mut self) -> bool {
        let row = self.bus.io.ledger.switch(Row::HiddenFaults);
        let fill = self.try_fill();
        self.bus.io.ledger.switch(row);
        let counters = &mut self.bus.io.counters;
        match fill {
            Fill::Mapped => {
                counters.hidden_faults += 1;
                return true;
            }
            Fill::Interpret(Reason::TrueFault) => counters.true_faults += 1,
            Fill::Interpret(Reason::Mmio) => counters.mmio_faults += 1,
            Fill::Interpret(Reason::CodeWrite) => counters.code_write_faults += 1,
            Fill::Interpret(Reason::NoHostMapping) => counters.other_faults += 1,
        }
        let site = self.bt.cache.locate(self.context.fault_rip);
        let outcome = self.reexecute(Row::TrueFaults);
        if fill == Fill::Interpret(Reason::TrueFault) {
            self.expect_prefill(outcome);
        }
        let (Some((id, off)), Fill::Interpret(Reason::TrueFault | Reason::Mmio)) = (site, fill)
        else {
            return false;
        };
        self.note_trap(id, off);
        false
    }

    /// The same for lockstep: true when the trap was a hidden fault and the window is filled.
    pub(crate) fn fill_window(&mut self) -> bool {
        self.context.host_flags &= !TF;
        let filled = self.context.fault_trap == TRAP_PAGE_FAULT && self.try_fill() == Fill::Mapped;
        self.bus.io.counters.hidden_faults += u64::from(filled);
        filled
    }

    fn try_fill(&mut self) -> Fill {
        let write = self.context.fault_error & ERROR_WRITE != 0 || self.reads_to_write();
        let lin = self.context.fault_addr.wrapping_sub(self.context.window_base);
        let Ok(lin) = u32::try_from(lin) else {
            // In the guard: the access wraps at 4 GiB.
            self.outside_the_window(lin);
            return Fill::Interpret(Reason::NoHostMapping);
        };
        self.bt.verification.checks.faults_inside += 1;
        let selected = self.bt.selected_window();
        let (windows, mut sink) = self.bt.windows_and_sink();
        let fill = windows.fault(
            self.bus.mmu.paging(),
            &mut self.bus.memory,
            &mut self.bus.io,
            Lin::from(lin),
            write,
            &mut sink,
        );
        // The window may have been given up for room: then nothing can be resumed in it.
        if fill == Fill::Mapped && self.bt.selected_window() != selected {
            return Fill::Interpret(Reason::NoHostMapping);
        }
        fill
    }

    /// The host read that faulted belongs to an XCHG with memory, which is one access for writing: on
    /// a page that may not be written not even the accessed flag changes.
    fn reads_to_write(&self) -> bool {
        let Some((id, off)) = self.bt.cache.locate(self.context.fault_rip) else { return false };
        let block = self.bt.cache.block(id);
        let Some((_, entry)) = block.entry_at(off) else { return false };
        let bytes = self.guest_bytes(id, entry.eip);
        let i = Decoder::new(block.key.mode.bitness(), &bytes, 0).decode();
        matches!(i.code(), Code::Xchg_rm8_r8 | Code::Xchg_rm16_r16 | Code::Xchg_rm32_r32)
    }

    /// Gives the guest instruction at `fault_rip` to the interpreter.
    fn reexecute(&mut self, row: Row) -> Outcome {
        self.settle();
        let before = self.bus.io.ledger.switch(row);
        let outcome = self.step();
        self.bus.io.ledger.switch(before);
        outcome
    }

    /// Makes the state that of the guest instruction whose host sequence holds `fault_rip`.
    ///
    /// By the emission rule all guest registers are as before that instruction; EIP comes from the
    /// block's map, and the instructions that the block's head counted but that did not run are
    /// taken back.
    pub(crate) fn settle(&mut self) {
        if let Some((id, off)) = self.bt.cache.locate(self.context.fault_rip) {
            self.restore_string_flags(id, off);
            self.restore_string_registers(id, off);
            let block = self.bt.cache.block(id);
            if let Some((index, entry)) = block.entry_at(off) {
                self.context.cpu.set_eip(entry.eip);
                let esp = self.context.cpu.reg32(Gpr::Esp).wrapping_add(entry.esp);
                self.context.cpu.set_reg32(Gpr::Esp, esp);
                let before = &block.map[..index];
                if let Some(last) = before.iter().rev().find(|e| e.x87 == X87::Computes) {
                    self.context.x87_eip = last.eip;
                    self.context.x87_fldcw = 0;
                }
                let last = before.iter().rev().find(|e| e.x87 != X87::Other);
                if last.is_some_and(|e| e.x87 == X87::ControlWord) {
                    self.context.x87_fldcw = 1;
                }
                if self.bt.counts() && off > 0 {
                    let missing = u64::from(block.instrs).saturating_sub(index as u64);
                    self.context.retired = self.context.retired.wrapping_sub(missing);
                }
            }
        }
        self.leave_translated();
    }

    /// A repeated CMPS or SCAS that stops in its middle has the flags from before it: they are in
    /// r10.
    fn restore_string_flags(&mut self, id: BlockId, off: u32) {
        let at = self.bt.cache.block(id).host_off + off;
        let repeated = matches!(self.host_bytes(at)[0], 0xf2 | 0xf3);
        if repeated && matches!(self.string_opcode(at), Some(0xa6 | 0xa7 | 0xae | 0xaf)) {
            let arith = u64::from(Eflags::ARITH.bits());
            let saved = self.context.wide[10] & arith;
            self.context.host_flags = self.context.host_flags & !arith | saved;
        }
    }

    /// A string instruction on other pointers than the guest's: see [`StringSite`].
    ///
    /// [`StringSite`]: ringer_translator::StringSite
    fn restore_string_registers(&mut self, id: BlockId, off: u32) {
        let strings = &self.bt.cache.block(id).strings;
        let Some(site) = strings.iter().find(|site| site.host_off == off).copied() else { return };
        let (wide, cpu) = (self.context.wide, &mut self.context.cpu);
        let merge = |saved: u64, now: u32| {
            if site.short { saved as u32 & 0xffff_0000 | now & 0xffff } else { now }
        };
        if let Some(source) = site.source {
            let base = cpu.seg[usize::from(source)].base;
            let esi = merge(wide[9], cpu.reg32(Gpr::Esi).wrapping_sub(base.low()));
            cpu.set_reg32(Gpr::Esi, esi);
        }
        if site.destination {
            let base = cpu.seg[SegReg::Es as usize].base;
            let edi = merge(wide[11], cpu.reg32(Gpr::Edi).wrapping_sub(base.low()));
            cpu.set_reg32(Gpr::Edi, edi);
        }
        if site.repeated && site.short {
            let ecx = merge(wide[8], cpu.reg32(Gpr::Ecx));
            cpu.set_reg32(Gpr::Ecx, ecx);
        }
    }

    fn kicked(&mut self) -> bool {
        let rip = self.context.fault_rip;
        let located = self.bt.cache.locate(rip);
        if located.is_some_and(|(id, off)| self.at_boundary(id, off)) {
            self.bus.io.counters.kicks += 1;
            let between = located.is_some_and(|(id, off)| !self.at_start(id, off));
            self.settle();
            if between {
                // What interrupts a REP between iterations pushes RF set (SDM volume 3B, 17.3.1.1).
                self.context.cpu.eflags |= Eflags::RF.bits();
            }
            return false;
        }
        self.bus.io.counters.steps += 1;
        self.context.host_flags |= TF;
        self.context.step_skip = 1;
        true
    }

    /// Whether the host instruction at `off` starts a guest instruction's sequence.
    fn at_start(&self, id: BlockId, off: u32) -> bool {
        self.bt.cache.block(id).entry_at(off).is_some_and(|(_, e)| e.host_off == off)
    }

    /// Whether the host instruction at `off` starts a guest instruction's sequence, or is a string
    /// instruction: those keep the guest's registers right from one iteration to the next.
    fn at_boundary(&self, id: BlockId, off: u32) -> bool {
        let block = self.bt.cache.block(id);
        let Some((_, entry)) = block.entry_at(off).filter(|(_, e)| !e.shadow) else {
            return false;
        };
        entry.host_off == off || self.at_string(block.host_off + off)
    }

    fn at_string(&self, cache_off: u32) -> bool {
        self.string_opcode(cache_off).is_some()
    }

    /// The opcode of the string instruction at `cache_off`, if there is one.
    fn string_opcode(&self, cache_off: u32) -> Option<u8> {
        let bytes = self.host_bytes(cache_off);
        let opcode = bytes.into_iter().find(|b| !matches!(b, 0xf2 | 0xf3 | 0x66))?;
        matches!(opcode, 0xa4..=0xa7 | 0xaa..=0xaf).then_some(opcode)
    }

    fn host_bytes(&self, cache_off: u32) -> [u8; 4] {
        let mut bytes = [0; 4];
        self.bt.cache.read_host(cache_off, &mut bytes);
        bytes
    }
}
