//! PUSH, POP and their kin. The store or load comes first, r12 (guest ESP) is committed last.
//!
//! Each move of r12 depends on the one before it, which costs a call-heavy program more than the
//! accesses do. So the moves of a block are added up at translation time (`FOLD_ESP`), offsets take
//! them into account, and r12 is brought up to date where somebody asks for ESP and at every exit. The
//! block's map tells the monitor what is missing at each boundary.

use super::{Emitter, Refused, identity::rename};
use crate::TranslatorOptions;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, OpKind, Register};

impl Emitter {
    /// Makes r12 guest ESP.
    pub fn settle_esp(&mut self) {
        let by = self.esp as i32;
        self.esp = 0;
        match i8::try_from(by) {
            Ok(0) => {}
            Ok(by) => dynasm!(self.asm ; .arch x64 ; lea r12d, [BYTE r12 + by]),
            Err(_) => dynasm!(self.asm ; .arch x64 ; lea r12d, [r12 + by]),
        }
    }

    /// Guest ESP moves by `by`, now or together with what follows.
    fn move_esp(&mut self, by: i32) {
        self.esp = self.esp.wrapping_add(by as u32);
        if !self.opts.contains(TranslatorOptions::FOLD_ESP) {
            self.settle_esp();
        }
    }

    /// Stores the low dword of register `reg` below the top of the guest's stack, and commits ESP.
    fn push_register(&mut self, reg: Register) {
        let n = reg.number() as u8;
        let at = self.esp.wrapping_sub(4) as i32;
        match i8::try_from(at) {
            Ok(at) => dynasm!(self.asm ; .arch x64 ; gs mov [BYTE r12d + at], Rd(n)),
            Err(_) => dynasm!(self.asm ; .arch x64 ; gs mov [r12d + at], Rd(n)),
        }
        self.move_esp(-4);
    }

    /// The same with r8d.
    pub(super) fn push_r8d(&mut self) {
        self.push_register(Register::R8D);
    }

    /// Stores `value` on the guest's stack and commits ESP.
    pub(super) fn push_value(&mut self, value: u32) {
        let value = value as i32;
        let at = self.esp.wrapping_sub(4) as i32;
        match i8::try_from(at) {
            Ok(at) => dynasm!(self.asm ; .arch x64 ; gs mov DWORD [BYTE r12d + at], value),
            Err(_) => dynasm!(self.asm ; .arch x64 ; gs mov DWORD [r12d + at], value),
        }
        self.move_esp(-4);
    }

    /// Loads the top of the guest's stack; ESP stays.
    pub(super) fn load_top(&mut self, reg: Register) {
        let n = reg.number() as u8;
        match i8::try_from(self.esp as i32) {
            Ok(0) => dynasm!(self.asm ; .arch x64 ; gs mov Rd(n), [r12]),
            Ok(at) => dynasm!(self.asm ; .arch x64 ; gs mov Rd(n), [BYTE r12d + at]),
            Err(_) => dynasm!(self.asm ; .arch x64 ; gs mov Rd(n), [r12d + self.esp as i32]),
        }
    }

    pub(super) fn push(&mut self, i: &Instruction) -> Result<(), Refused> {
        match i.op0_kind() {
            OpKind::Register => self.push_register(rename(i.op0_register())),
            OpKind::Immediate32 => self.push_value(i.immediate32()),
            OpKind::Immediate8to32 => self.push_value(i.immediate8to32() as u32),
            _ => {
                self.load_r8d(i)?;
                self.push_r8d();
            }
        }
        Ok(())
    }

    /// POP: a memory operand is addressed with ESP already incremented; POP ESP loads the value.
    pub(super) fn pop(&mut self, i: &Instruction) -> Result<(), Refused> {
        if i.op0_kind() == OpKind::Register {
            let reg = rename(i.op0_register());
            self.load_top(reg);
            if reg != Register::R12D {
                self.move_esp(4);
            }
            return Ok(());
        }
        dynasm!(self.asm ; .arch x64
            ; gs mov r8d, [r12]
            ; lea r9d, [r12 + 4]
        );
        let operand = self.address(i, Register::R9D)?.operand();
        let store = Instruction::with2(Code::Mov_rm32_r32, operand, Register::R8D);
        self.encode(&store.map_err(|_| Refused)?)?;
        dynasm!(self.asm ; .arch x64 ; mov r12d, r9d);
        Ok(())
    }

    /// Takes `bytes` off the guest's stack.
    pub(super) fn release(&mut self, bytes: i32) {
        self.move_esp(bytes);
    }

    pub(super) fn leave(&mut self) -> Result<(), Refused> {
        dynasm!(self.asm ; .arch x64
            ; gs mov r8d, [rbp]
            ; lea r12d, [rbp + 4]
            ; mov ebp, r8d
        );
        Ok(())
    }

    /// PUSHAD. The lowest slot goes first: when the stack reaches into an absent page, nothing was
    /// written above it.
    pub(super) fn push_all(&mut self) -> Result<(), Refused> {
        dynasm!(self.asm ; .arch x64
            ; gs mov [r12d - 32], edi
            ; gs mov [r12d - 4], eax
            ; gs mov [r12d - 8], ecx
            ; gs mov [r12d - 12], edx
            ; gs mov [r12d - 16], ebx
            ; gs mov [r12d - 20], r12d
            ; gs mov [r12d - 24], ebp
            ; gs mov [r12d - 28], esi
            ; lea r12d, [r12 - 32]
        );
        Ok(())
    }

    /// POPAD. The highest slot is read first, the lowest second: between them they touch every page
    /// involved before a register changes.
    pub(super) fn pop_all(&mut self) -> Result<(), Refused> {
        dynasm!(self.asm ; .arch x64
            ; gs mov r8d, [r12d + 28]
            ; gs mov edi, [r12]
            ; gs mov esi, [r12d + 4]
            ; gs mov ebp, [r12d + 8]
            ; gs mov ebx, [r12d + 16]
            ; gs mov edx, [r12d + 20]
            ; gs mov ecx, [r12d + 24]
            ; mov eax, r8d
            ; lea r12d, [r12 + 32]
        );
        Ok(())
    }
}
