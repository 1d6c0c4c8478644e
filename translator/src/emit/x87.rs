//! The x87 unit's pointers, where a segment register becomes another.
//!
//! A block notes the EIP of its last x87 instruction, and what else there is to know of it is found out when translated
//! code is left: CS as it is then, and, when an unmasked exception waits, the segment of its operand. So before
//! a segment register changes in translated code, it is left for the interpreter wherever that would come out wrong.

use super::emitter::{Emitter, Refused};
use crate::mode::Mode;
use crate::slots as at;
use dynasmrt::{DynasmApi, dynasm};

impl Emitter {
    /// For a change of CS: leaves when an x87 instruction has run since translated code was entered.
    pub(super) fn leave_unless_x87_settled(&mut self) -> Result<(), Refused> {
        if self.has_x87() {
            return Err(Refused);
        }
        if self.mode.contains(Mode::FPU_OFF) {
            return Ok(());
        }
        dynasm!(self.asm ; .arch x64
            ; mov r9d, ecx
            ; mov ecx, [r15 + at::X87_EIP]
            ; lea ecx, [rcx + 1]
        );
        self.leave_unless_zero();
        dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
        Ok(())
    }

    /// For a change of another segment register: leaves when, besides, an exception of that instruction waits.
    pub(super) fn leave_if_x87_waits(&mut self) {
        if self.mode.contains(Mode::FPU_OFF) {
            return;
        }
        dynasm!(self.asm ; .arch x64
            ; mov r9d, ecx
            ; mov ecx, [r15 + at::X87_EIP]
            ; lea ecx, [rcx + 1]
        );
        self.asm.ops.extend_from_slice(&[0xe3, 0]);
        let short = self.offset();
        // Bit 7 is ES: an exception that is not masked.
        dynasm!(self.asm ; .arch x64
            ; fnstsw WORD [r15 + at::X87_STATUS]
            ; movsx ecx, BYTE [r15 + at::X87_STATUS]
            ; bswap ecx
            ; movzx ecx, cl
        );
        self.leave_unless_zero();
        self.patch_short(short);
        dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
    }
}
