//! PUSH, POP and their kin. The store or load comes first, r12 (guest ESP) is committed last.

use super::{Emitter, Refused, identity::rename};
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, OpKind, Register};

impl Emitter {
    /// Stores r8d on the guest's stack and commits ESP.
    pub(super) fn push_r8d(&mut self) {
        dynasm!(self.asm ; .arch x64
            ; gs mov [r12d - 4], r8d
            ; lea r12d, [r12 - 4]
        );
    }

    /// Stores `value` on the guest's stack and commits ESP.
    pub(super) fn push_value(&mut self, value: u32) {
        dynasm!(self.asm ; .arch x64
            ; gs mov DWORD [r12d - 4], value as i32
            ; lea r12d, [r12 - 4]
        );
    }

    pub(super) fn push(&mut self, i: &Instruction) -> Result<(), Refused> {
        match i.op0_kind() {
            OpKind::Register => {
                let reg = rename(i.op0_register()).number() as u8;
                dynasm!(self.asm ; .arch x64
                    ; gs mov [r12d - 4], Rd(reg)
                    ; lea r12d, [r12 - 4]
                );
            }
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
            let n = reg.number() as u8;
            dynasm!(self.asm ; .arch x64 ; gs mov Rd(n), [r12]);
            if reg != Register::R12D {
                dynasm!(self.asm ; .arch x64 ; lea r12d, [r12 + 4]);
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
