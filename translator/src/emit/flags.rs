//! Instructions on the system flags. The arithmetic flags and DF are in the host's RFLAGS; IF is in
//! the context, and the others are too, in a sum that saves PUSHF an AND.

use super::cold::Cold;
use super::emitter::{Emitter, Refused};
use super::operand::stack_size;
use crate::mode::Mode;
use crate::slots as at;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::Instruction;
use ringer_cpu::Eflags;

const IF: i32 = Eflags::IF.bits() as i32;
/// The bits of an image that POPFD may bring in inline; DF only as zero.
const SWITCHED: i32 = (Eflags::ARITH.bits() | Eflags::IF.bits()) as i32;
/// IF and bit 1, which the host's flags always have: `sys_flags` is less by them.
const HOST_ONES: i32 = IF | Eflags::FIXED_ONE as i32;
const OVERFLOW_BIT: i8 = 11;
/// Condition number of JNE.
const NOT_EQUAL: u8 = 5;

impl Emitter {
    pub(super) fn cli(&mut self) -> Result<(), Refused> {
        self.may_change_if()?;
        dynasm!(self.asm ; .arch x64 ; mov DWORD [r15 + at::IF_FLAG], 0);
        Ok(())
    }

    /// CLI and STI below IOPL are the interpreter's.
    pub(super) fn may_change_if(&self) -> Result<(), Refused> {
        if self.mode.contains(Mode::IOPL_OK) { Ok(()) } else { Err(Refused) }
    }

    /// STI without its check, which comes after the next instruction.
    pub fn sti(&mut self) {
        dynasm!(self.asm ; .arch x64 ; mov DWORD [r15 + at::IF_FLAG], IF);
    }

    /// STI before a callout: the shadow is the interpreter's business, and there is one only when IF
    /// was clear. Returns the place of the branch that is taken then; guest ECX waits in r9.
    pub fn sti_with_shadow(&mut self) -> usize {
        dynasm!(self.asm ; .arch x64
            ; mov r9d, ecx
            ; mov ecx, [r15 + at::IF_FLAG]
        );
        self.asm.ops.extend_from_slice(&[0xe3, 0]);
        let short = self.offset();
        dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
        short
    }

    /// The other side of that branch.
    pub fn take_shadow(&mut self) {
        dynasm!(self.asm ; .arch x64
            ; mov ecx, r9d
            ; mov DWORD [r15 + at::IF_FLAG], IF
            ; mov BYTE [r15 + at::SHADOW_IRQ], 1
        );
    }

    /// Makes the short branch that ends at `short` lead here.
    pub fn patch_short(&mut self, short: usize) {
        self.asm.ops[short - 1] = (self.offset() - short) as u8;
    }

    /// PUSHFD. While the monitor steps the host to a boundary TF is set, and would be pushed: so
    /// PUSHFQ must stand where no step begins before it, at the very start of the sequence.
    ///
    /// V86 mode does not show VM, nor IF where IOPL guards it: the interpreter knows how.
    pub(super) fn push_flags(&mut self, i: &Instruction) -> Result<(), Refused> {
        let size = stack_size(i);
        self.may_touch_flags(size)?;
        if self.offset() > 0 && self.offset() == self.prologue_len {
            return Err(Refused);
        }
        dynasm!(self.asm ; .arch x64
            ; pushfq
            ; pop r8
            ; mov r9d, [r15 + at::SYS_FLAGS]
            ; lea r8d, [r8 + r9]
            ; mov r9d, [r15 + at::IF_FLAG]
            ; lea r8d, [r8 + r9]
        );
        self.push_r8d(size)
    }

    fn may_touch_flags(&self, size: u32) -> Result<(), Refused> {
        let plain = size == 2 && self.mode.contains(Mode::IOPL_OK);
        if self.mode.contains(Mode::V86) && !plain { Err(Refused) } else { Ok(()) }
    }

    /// POPFD, for values that change no system flag but IF, and with DF clear; any other is a
    /// callout. Where CPL > IOPL, IF does not change.
    ///
    /// The flags before it wait in r11 (r10: EAX), for the callout.
    pub(super) fn pop_flags(&mut self, i: &Instruction) -> Result<(), Refused> {
        let size = stack_size(i);
        self.may_touch_flags(size)?;
        self.load_top(size)?;
        dynasm!(self.asm ; .arch x64
            ; mov r10d, eax
            ; lahf
            ; seto al
            ; mov r11d, eax
            ; mov r9d, r8d
            ; and r9d, !SWITCHED
            ; sub r9d, HOST_ONES
        );
        if size == 2 {
            dynasm!(self.asm ; .arch x64 ; cmp r9w, [r15 + at::SYS_FLAGS]);
        } else {
            dynasm!(self.asm ; .arch x64 ; cmp r9d, [r15 + at::SYS_FLAGS]);
        }
        let patch = self.jcc_rel32(NOT_EQUAL);
        self.cold.push(Cold::PopFlagsCallout { patch, eip: i.ip32(), done: self.done });
        if self.may_change_if().is_ok() {
            dynasm!(self.asm ; .arch x64
                ; mov r9d, r8d
                ; and r9d, IF
                ; mov [r15 + at::IF_FLAG], r9d
                ; neg r9d
                ; sbb r9d, r9d
                ; test r9d, [r15 + at::IRQ_PENDING]
            );
            let patch = self.jcc_rel32(NOT_EQUAL);
            let (next, done) = (i.next_ip32(), self.done + 1);
            self.cold.push(Cold::PopFlagsCheck { patch, next, done, size });
        }
        self.commit_flags(size);
        Ok(())
    }

    /// EFLAGS from r8d, ESP, and EAX from r10d. POPFQ would do the flags in one instruction, but it
    /// takes longer, and clears the TF of a monitor that is stepping.
    pub(super) fn commit_flags(&mut self, size: u32) {
        dynasm!(self.asm ; .arch x64
            ; mov eax, r8d
            ; shr eax, OVERFLOW_BIT
            ; and al, 1
        );
        self.flags_from_al();
        dynasm!(self.asm ; .arch x64
            ; mov eax, r8d
            ; mov ah, al
            ; sahf
            ; mov eax, r10d
            ; cld
        );
        self.move_esp(size as i32);
        self.settle_esp();
    }

    /// The state before a POPFD whose sequence came as far as its comparison.
    pub(super) fn undo_pop_flags(&mut self) {
        dynasm!(self.asm ; .arch x64 ; mov eax, r11d);
        self.flags_from_al();
        dynasm!(self.asm ; .arch x64
            ; sahf
            ; mov eax, r10d
        );
    }

    /// OF from AL (0 or 1); SAHF, which follows, leaves it alone.
    pub(super) fn flags_from_al(&mut self) {
        dynasm!(self.asm ; .arch x64 ; add al, 0x7f);
    }
}
