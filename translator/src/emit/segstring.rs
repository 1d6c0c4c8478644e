//! String instructions with 16-bit addresses, or in segments that are not flat.
//!
//! The host's own instruction runs on host pointers, as in `string.rs`; the guest's ESI waits in r9,
//! EDI in r11, and for a 16-bit count ECX in r8. A [`StringSite`] tells the monitor how to find the
//! guest's registers when the instruction stops in its middle. Limits are checked for the whole run
//! before it begins: one that would wrap or leave its segment is the interpreter's.

use super::cold::Cold;
use super::emitter::{Emitter, Refused};
use super::operand::segment_index;
use super::scheme::{Memory, MemoryWay};
use super::string::Form;
use crate::mode::SegmentClass;
use crate::options::TranslatorOptions;
use crate::slots as at;
use crate::translation::StringSite;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Instruction, OpKind, Register};

/// Condition numbers.
const ABOVE: u8 = 7;
const BELOW: u8 = 2;
/// The last offset with a 16-bit address.
const LAST: i32 = 0xffff;
/// EFLAGS.DF.
const DF: i32 = 0x400;

/// One pointer's segment.
#[derive(Clone, Copy)]
struct Side {
    /// Encoding index.
    k: usize,
    class: SegmentClass,
}

/// What a run is made of.
struct StringRun {
    source: Option<Side>,
    destination: Option<Side>,
    /// SI, DI and CX instead of ESI, EDI and ECX.
    short: bool,
    repeated: bool,
    /// Bytes of one element.
    size: u32,
}

impl Emitter {
    pub(super) fn segmented_string(&mut self, i: &Instruction, f: &Form) -> Result<(), Refused> {
        let run = self.run_of(i, f)?;
        if run.repeated && run.short {
            self.check_run(&run);
        }
        self.take_pointers(&run);
        if run.repeated && run.short {
            dynasm!(self.asm ; .arch x64 ; mov r8d, ecx ; movzx ecx, cx);
        }
        if f.compares && run.repeated {
            // As in `string.rs`: the flags of before, for the monitor.
            dynasm!(self.asm ; .arch x64 ; pushfq ; pop r10);
        }
        self.strings.push(StringSite {
            host_off: self.offset() as u32,
            source: run.source.map(|side| side.k as u8),
            destination: run.destination.is_some(),
            short: run.short,
            repeated: run.repeated,
        });
        self.host_string(i, f);
        self.give_pointers_back(&run);
        Ok(())
    }

    fn run_of(&self, i: &Instruction, f: &Form) -> Result<StringRun, Refused> {
        let short = (0..i.op_count())
            .any(|k| matches!(i.op_kind(k), OpKind::MemorySegSI | OpKind::MemoryESDI));
        let side = |reg| -> Result<Side, Refused> {
            Ok(Side { k: segment_index(reg)?, class: self.mode.class(reg) })
        };
        let named = match i.segment_prefix() {
            Register::None => Register::DS,
            other => other,
        };
        let source = if f.esi { Some(side(named)?) } else { None };
        let destination = if f.edi { Some(side(Register::ES)?) } else { None };
        let repeated = i.has_repe_prefix() || i.has_repne_prefix();
        let wanted = |class| match class {
            SegmentClass::Other => false,
            // The sums of `check_run` have 32 bits, which 32-bit counts would overflow.
            SegmentClass::Limited | SegmentClass::Limited64K | SegmentClass::ReadOnly => {
                short || !repeated
            }
            SegmentClass::Flat | SegmentClass::Based => true,
        };
        let mut sides = [source, destination].into_iter().flatten();
        let written = destination.is_some_and(|side| side.class == SegmentClass::ReadOnly);
        if !self.opts.contains(TranslatorOptions::INLINE_LIMITED)
            || (written && !f.compares)
            || !sides.all(|side| wanted(side.class))
        {
            return Err(Refused);
        }
        let size = match (f.opcode & 1, f.word) {
            (0, _) => 1,
            (_, true) => 2,
            (_, false) => 4,
        };
        Ok(StringRun { source, destination, short, repeated, size })
    }

    /// Leaves for the interpreter when a run of CX elements would wrap or pass a limit. The flags wait
    /// in AX, EAX in r10.
    fn check_run(&mut self, run: &StringRun) {
        dynasm!(self.asm ; .arch x64
            ; mov r10d, eax
            ; lahf
            ; seto al
            ; pushfq
            ; pop r8
            ; test r8d, DF
        );
        const NOT_EQUAL: u8 = 5;
        let backward = self.jcc_rel32(NOT_EQUAL);
        self.check_sides(run, Self::check_forward);
        let done = self.jmp_rel32();
        self.arrive(backward);
        self.check_sides(run, Self::check_backward);
        self.arrive(done);
        self.restore_flags();
    }

    /// Flags from AX as LAHF and SETO left them; EAX from r10.
    pub(super) fn restore_flags(&mut self) {
        dynasm!(self.asm ; .arch x64 ; add al, 0x7f ; sahf ; mov eax, r10d);
    }

    /// The rel32 at `patch` leads here.
    fn arrive(&mut self, patch: usize) {
        let rel = (self.offset() - (patch + 4)) as i32;
        self.asm.ops[patch..patch + 4].copy_from_slice(&rel.to_le_bytes());
    }

    fn check_sides(&mut self, run: &StringRun, check: fn(&mut Self, Side, i32)) {
        let size = run.size as i32;
        if let Some(side) = run.source {
            dynasm!(self.asm ; .arch x64 ; movzx r11d, si);
            check(self, side, size);
        }
        if let Some(side) = run.destination {
            dynasm!(self.asm ; .arch x64 ; movzx r11d, di);
            check(self, side, size);
        }
    }

    /// The last byte: r11 + CX * size - 1.
    fn check_forward(&mut self, side: Side, size: i32) {
        dynasm!(self.asm ; .arch x64 ; movzx r9d, cx);
        match size {
            1 => dynasm!(self.asm ; .arch x64 ; lea r11d, [r11 + r9 - 1]),
            2 => dynasm!(self.asm ; .arch x64 ; lea r11d, [r11 + r9 * 2 - 1]),
            _ => dynasm!(self.asm ; .arch x64 ; lea r11d, [r11 + r9 * 4 - 1]),
        }
        self.leave_beyond(side);
    }

    /// The first element's last byte, and that the run ends at or above 0.
    fn check_backward(&mut self, side: Side, size: i32) {
        dynasm!(self.asm ; .arch x64 ; movzx r9d, cx ; lea r8d, [r11 + size]);
        match size {
            1 => {}
            2 => dynasm!(self.asm ; .arch x64 ; lea r9d, [r9 * 2]),
            _ => dynasm!(self.asm ; .arch x64 ; lea r9d, [r9 * 4]),
        }
        dynasm!(self.asm ; .arch x64 ; cmp r8d, r9d);
        self.leave_run(BELOW);
        dynasm!(self.asm ; .arch x64 ; lea r11d, [r8 - 1]);
        self.leave_beyond(side);
    }

    /// Leaves when r11d is beyond 64 KiB or the segment's limit.
    fn leave_beyond(&mut self, side: Side) {
        dynasm!(self.asm ; .arch x64 ; cmp r11d, LAST);
        self.leave_run(ABOVE);
        if matches!(side.class, SegmentClass::Limited | SegmentClass::ReadOnly) {
            dynasm!(self.asm ; .arch x64 ; cmp r11d, [r15 + at::limit(side.k)]);
            self.leave_run(ABOVE);
        }
    }

    fn leave_run(&mut self, condition: u8) {
        let patch = self.jcc_rel32(condition);
        let (eip, esp, done) = (self.here, self.esp, self.done);
        self.cold.push(Cold::RunLimit { patch, eip, esp, done });
    }

    /// Host pointers into RSI and RDI; the guest's registers into r9 and r11.
    fn take_pointers(&mut self, run: &StringRun) {
        if let Some(side) = run.source {
            if run.short {
                dynasm!(self.asm ; .arch x64 ; movzx r11d, si);
            } else {
                dynasm!(self.asm ; .arch x64 ; mov r11d, esi);
            }
            self.check_one(run, side);
            self.add_base(side);
            dynasm!(self.asm ; .arch x64 ; mov r8d, r11d);
        }
        if let Some(side) = run.destination {
            if run.short {
                dynasm!(self.asm ; .arch x64 ; movzx r11d, di);
            } else {
                dynasm!(self.asm ; .arch x64 ; mov r11d, edi);
            }
            self.check_one(run, side);
            self.add_base(side);
        }
        if run.source.is_some() {
            dynasm!(self.asm ; .arch x64 ; mov r9d, esi ; mov esi, r8d);
        }
        if run.destination.is_some() {
            dynasm!(self.asm ; .arch x64 ; mov r8d, edi ; mov edi, r11d ; mov r11d, r8d);
        }
        Memory::to_pointers(&mut self.asm, run.source.is_some(), run.destination.is_some());
    }

    fn check_one(&mut self, run: &StringRun, side: Side) {
        if !run.repeated {
            self.check_limit(side.class, side.k, run.size, run.short);
        }
    }

    fn add_base(&mut self, side: Side) {
        if side.class != SegmentClass::Flat {
            dynasm!(self.asm ; .arch x64
                ; mov r10d, [r15 + at::base(side.k)]
                ; lea r11d, [r10 + r11]
            );
        }
    }

    /// The guest's registers from where the host's instruction stopped. The window is 4 GiB aligned,
    /// so the low half of a host pointer is a linear address.
    fn give_pointers_back(&mut self, run: &StringRun) {
        if let Some(side) = run.source {
            if side.class == SegmentClass::Flat {
                Memory::to_addresses(&mut self.asm, true, false);
            } else {
                dynasm!(self.asm ; .arch x64
                    ; mov r10d, [r15 + at::base(side.k)]
                    ; not r10d
                    ; lea esi, [rsi + r10 + 1]
                );
            }
            if run.short {
                dynasm!(self.asm ; .arch x64 ; mov r9w, si ; mov esi, r9d);
            }
        }
        if let Some(side) = run.destination {
            if side.class == SegmentClass::Flat {
                Memory::to_addresses(&mut self.asm, false, true);
            } else {
                dynasm!(self.asm ; .arch x64
                    ; mov r10d, [r15 + at::base(side.k)]
                    ; not r10d
                    ; lea edi, [rdi + r10 + 1]
                );
            }
            if run.short {
                dynasm!(self.asm ; .arch x64 ; mov r11w, di ; mov edi, r11d);
            }
        }
        if run.repeated && run.short {
            dynasm!(self.asm ; .arch x64 ; mov r8w, cx ; mov ecx, r8d);
        }
    }
}
