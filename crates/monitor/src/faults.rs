//! Exits that a host trap or a kick caused, seen as ordinary code after the signal handler.
//!
//! A page fault in the window is *hidden* when the guest's own page tables permit the access: the
//! page is mapped and the host instruction runs again. Otherwise, and for any other trap, the guest
//! instruction is given to the interpreter (invariant 10), which raises what the architecture says, reaches the
//! device, or performs the write to a code page. A kick is let in at an instruction boundary; in the
//! middle of an instruction's sequence the host instructions are single-stepped up to one.

use crate::events::Happening;
use crate::profile::Row;
use crate::recording::FaultKind;
use crate::space_selection::Spaces;
use crate::stop::Next;
use crate::system_bus::SystemBus;
use crate::vcpu::{Chassis, Vcpu};
use iced_x86::{Code as Form, Decoder};
use ringer_cpu::{Eflags, Gpr, Outcome, SegReg};
use ringer_mmu::{Fill, Reason};
use ringer_translator::X87;
use ringer_translator::context::TRAP_KICK;
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::BlockId;

const TRAP_PAGE_FAULT: u64 = 14;
const ERROR_WRITE: u64 = 2;
const TF: u64 = 0x100;

impl Vcpu {
    /// Handles a Signal exit. [`Next::Resume`]: translated code goes on at `fault_rip`; else the guest
    /// state is whole.
    pub fn signal_exit(&mut self, chassis: &mut Chassis) -> Next {
        self.context.host_flags &= !TF;
        self.note_stack();
        match self.context.fault_trap {
            TRAP_PAGE_FAULT => self.page_fault(chassis),
            TRAP_KICK => self.kicked(chassis),
            _ => {
                chassis.bus.io.counters.other_faults += 1;
                self.record_fault(chassis, FaultKind::Other);
                let site = chassis.code.cache.locate(self.context.fault_rip);
                let outcome = self.reexecute(chassis);
                if let (Some((id, off)), Outcome::Delivered(_)) = (site, outcome) {
                    let Chassis { bus, code } = chassis;
                    code.note_trap(bus, &mut self.spaces.targets, id, off);
                }
                Next::Dispatch
            }
        }
    }

    /// Notes what the interrupted sequence has on the host's stack, for resuming it.
    pub fn note_stack(&mut self) {
        self.context.stack_depth = self.context.host_rsp.wrapping_sub(self.context.wide[4]);
    }

    fn page_fault(&mut self, chassis: &mut Chassis) -> Next {
        let row = chassis.bus.io.ledger.switch(Row::HiddenFaults);
        let fill = self.try_fill(chassis, Spaces::fault);
        chassis.bus.io.ledger.switch(row);
        let counters = &mut chassis.bus.io.counters;
        let fill = match fill {
            Ok(fill) => fill,
            Err(report) => {
                self.settle(chassis);
                return Next::refused(report);
            }
        };
        let (counter, kind) = match fill {
            Fill::Mapped | Fill::Interpret(Reason::NoticedWalk) => {
                (&mut counters.hidden_faults, FaultKind::Hidden)
            }
            Fill::Interpret(Reason::TrueFault) => (&mut counters.true_faults, FaultKind::True),
            Fill::Interpret(Reason::Mmio) => (&mut counters.mmio_faults, FaultKind::Mmio),
            Fill::Interpret(Reason::CodeWrite) => {
                (&mut counters.code_write_faults, FaultKind::CodeWrite)
            }
            Fill::Interpret(Reason::Churn) => (&mut counters.churn_faults, FaultKind::Churn),
            Fill::Interpret(Reason::NoHostMapping | Reason::Watched) => {
                (&mut counters.other_faults, FaultKind::Other)
            }
        };
        *counter += 1;
        self.record_fault(chassis, kind);
        if fill == Fill::Mapped {
            return Next::Resume;
        }
        let site = chassis.code.cache.locate(self.context.fault_rip);
        let outcome = self.reexecute(chassis);
        if fill == Fill::Interpret(Reason::NoticedWalk) {
            self.fill_behind(chassis, outcome);
        }
        let Chassis { bus, code } = chassis;
        let true_fault = fill == Fill::Interpret(Reason::TrueFault);
        if true_fault && matches!(outcome, Outcome::Delivered(_)) {
            self.prefill.expect(&self.context, &code.cache);
        }
        let comes_again = match fill {
            Fill::Interpret(Reason::CodeWrite | Reason::NoHostMapping) | Fill::Mapped => false,
            Fill::Interpret(_) => true,
        };
        if let (Some((id, off)), true) = (site, comes_again) {
            code.note_trap(bus, &mut self.spaces.targets, id, off);
        }
        Next::Dispatch
    }

    /// The interpreter made an access that set flags in the guest's tables, if the instruction came to it: now the page can be
    /// mapped for the next one.
    fn fill_behind(&mut self, chassis: &mut Chassis, outcome: Outcome) {
        let undisturbed = self.spaces.current().is_some() && chassis.bus.paging.is_empty();
        if undisturbed && !matches!(outcome, Outcome::Delivered(_)) {
            let lin = self.context.fault_addr.wrapping_sub(self.context.window_base) as u32;
            let write = self.context.fault_error & ERROR_WRITE != 0;
            self.spaces.fault(&mut chassis.bus, lin, write);
        }
    }

    /// The same for lockstep: whether the trap was a hidden fault and the window is filled. Block by block is run twice, and
    /// stops at the same places both times: whatever can be mapped is.
    ///
    /// # Errors
    /// The report: the block broke out.
    pub fn fill_window(&mut self, chassis: &mut Chassis) -> Result<bool, String> {
        self.context.host_flags &= !TF;
        let page_fault = self.context.fault_trap == TRAP_PAGE_FAULT;
        let filled = page_fault && self.try_fill(chassis, Spaces::prefill)? == Fill::Mapped;
        chassis.bus.io.counters.hidden_faults += u64::from(filled);
        if filled {
            self.record_fault(chassis, FaultKind::Hidden);
        }
        Ok(filled)
    }

    fn try_fill(
        &mut self,
        chassis: &mut Chassis,
        fill: fn(&mut Spaces, &mut SystemBus, u32, bool) -> Fill,
    ) -> Result<Fill, String> {
        let code = &mut chassis.code;
        let lin = self.context.fault_addr.wrapping_sub(self.context.window_base);
        let Ok(lin) = u32::try_from(lin) else {
            // Beside the window: the access wraps at 4 GiB.
            code.verification.pass_fault(&code.cache, &self.context, lin)?;
            return Ok(Fill::Interpret(Reason::NoHostMapping));
        };
        code.verification.checks.faults_inside += 1;
        let write = self.context.fault_error & ERROR_WRITE != 0 || self.reads_to_write(chassis);
        let fill = fill(&mut self.spaces, &mut chassis.bus, lin, write);
        if fill == Fill::Mapped {
            let what = Happening::PageMapped { linear: u64::from(lin), write };
            chassis.bus.io.trace(what, chassis.bus.io.events.at);
        }
        Ok(fill)
    }

    /// The host read that faulted belongs to an XCHG with memory, which is one access for writing: on
    /// a page that may not be written not even the accessed flag changes.
    fn reads_to_write(&self, chassis: &Chassis) -> bool {
        let (bus, code) = (&chassis.bus, &chassis.code);
        let Some((id, off)) = code.cache.locate(self.context.fault_rip) else { return false };
        let block = code.cache.block(id);
        let Some((_, entry)) = block.entry_at(off) else { return false };
        let bytes = code.guest_bytes(&bus.memory, id, entry.eip);
        let i = Decoder::new(block.key.mode.bitness(), &bytes, 0).decode();
        matches!(i.code(), Form::Xchg_rm8_r8 | Form::Xchg_rm16_r16 | Form::Xchg_rm32_r32)
    }

    /// Gives the guest instruction at `fault_rip` to the interpreter.
    fn reexecute(&mut self, chassis: &mut Chassis) -> Outcome {
        self.settle(chassis);
        let before = chassis.bus.io.ledger.switch(Row::TrueFaults);
        let outcome = self.step(chassis);
        chassis.bus.io.ledger.switch(before);
        outcome
    }

    /// Makes the state that of the guest instruction whose host sequence holds `fault_rip`.
    ///
    /// By the emission rule all guest registers are as before that instruction; EIP comes from the
    /// block's map, and the instructions that the block's head counted but that did not run are
    /// taken back.
    pub fn settle(&mut self, chassis: &mut Chassis) {
        let code = &chassis.code;
        if let Some((id, off)) = code.cache.locate(self.context.fault_rip) {
            self.restore_string_flags(&code.cache, id, off);
            self.restore_string_registers(&code.cache, id, off);
            self.restore_position(&code.cache, id, off, code.counts());
        }
        self.leave_translated(chassis);
    }

    /// EIP, ESP, the x87 unit's last instruction and the count of instructions, at host code `off` of
    /// block `id`.
    fn restore_position(&mut self, cache: &CodeCache, id: BlockId, off: u32, counts: bool) {
        let block = cache.block(id);
        let Some((index, entry)) = block.entry_at(off) else { return };
        self.context.cpu.set_eip(entry.eip.low());
        let esp = self.context.cpu.reg32(Gpr::Esp).wrapping_add(entry.esp);
        self.context.cpu.set_reg32(Gpr::Esp, esp);
        let before = &block.map[..index];
        if let Some(last) = before.iter().rev().find(|e| e.x87 == X87::Computes) {
            self.context.x87_eip = last.eip.low();
            self.context.x87_fldcw = 0;
        }
        let last = before.iter().rev().find(|e| e.x87 != X87::Other);
        if last.is_some_and(|e| e.x87 == X87::ControlWord) {
            self.context.x87_fldcw = 1;
        }
        if counts && off > 0 {
            let missing = u64::from(block.instrs).saturating_sub(index as u64);
            self.context.retired = self.context.retired.wrapping_sub(missing);
        }
    }

    /// A repeated CMPS or SCAS that stops in its middle has the flags from before it: they are in
    /// r10.
    fn restore_string_flags(&mut self, cache: &CodeCache, id: BlockId, off: u32) {
        let at = cache.block(id).host_off + off;
        let repeated = matches!(host_bytes(cache, at)[0], 0xf2 | 0xf3);
        if repeated && matches!(string_opcode(cache, at), Some(0xa6 | 0xa7 | 0xae | 0xaf)) {
            let arith = u64::from(Eflags::ARITH.bits());
            let saved = self.context.wide[10] & arith;
            self.context.host_flags = self.context.host_flags & !arith | saved;
        }
    }

    /// A string instruction on other pointers than the guest's: see [`StringSite`].
    ///
    /// [`StringSite`]: ringer_translator::StringSite
    fn restore_string_registers(&mut self, cache: &CodeCache, id: BlockId, off: u32) {
        let strings = &cache.block(id).strings;
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

    /// A kick is let in at an instruction boundary, and stepped to one otherwise.
    fn kicked(&mut self, chassis: &mut Chassis) -> Next {
        let cache = &chassis.code.cache;
        let located = cache.locate(self.context.fault_rip);
        if let Some((id, off)) = located.filter(|(id, off)| at_boundary(cache, *id, *off)) {
            let between = !at_start(cache, id, off);
            chassis.bus.io.counters.kicks += 1;
            self.settle(chassis);
            if between {
                // What interrupts a REP between iterations pushes RF set (SDM volume 3B, 17.3.1.1).
                self.context.cpu.eflags |= Eflags::RF.bits();
            }
            return Next::Dispatch;
        }
        chassis.bus.io.counters.steps += 1;
        self.context.host_flags |= TF;
        self.context.step_skip = 1;
        Next::Resume
    }
}

/// Whether the host instruction at `off` starts a guest instruction's sequence.
fn at_start(cache: &CodeCache, id: BlockId, off: u32) -> bool {
    cache.block(id).entry_at(off).is_some_and(|(_, e)| e.host_off == off)
}

/// Whether the host instruction at `off` starts a guest instruction's sequence, or is a string
/// instruction: those keep the guest's registers right from one iteration to the next.
fn at_boundary(cache: &CodeCache, id: BlockId, off: u32) -> bool {
    let block = cache.block(id);
    let Some((_, entry)) = block.entry_at(off).filter(|(_, e)| !e.shadow) else {
        return false;
    };
    entry.host_off == off || string_opcode(cache, block.host_off + off).is_some()
}

/// The opcode of the string instruction at `cache_off`, if there is one.
fn string_opcode(cache: &CodeCache, cache_off: u32) -> Option<u8> {
    let bytes = host_bytes(cache, cache_off);
    let opcode = bytes.into_iter().find(|b| !matches!(b, 0xf2 | 0xf3 | 0x66))?;
    matches!(opcode, 0xa4..=0xa7 | 0xaa..=0xaf).then_some(opcode)
}

fn host_bytes(cache: &CodeCache, cache_off: u32) -> [u8; 4] {
    let mut bytes = [0; 4];
    cache.read_host(cache_off, &mut bytes);
    bytes
}
