//! Control transfers within the flat code segment. A branch that faults (on its memory operand or on
//! the stack) faults before anything is committed.

use super::{Emitter, Refused};
use crate::Terminator;
use crate::translate::Step;
use iced_x86::{Code, Instruction, Register};

impl Emitter {
    pub(super) fn jump_to(&mut self, i: &Instruction) -> Step {
        let target = i.near_branch32();
        self.settle_esp();
        self.jump(target);
        Step::End(Terminator::Direct { target })
    }

    pub(super) fn jump_indirect(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.load_r8d(i)?;
        self.settle_esp();
        self.lookup();
        Ok(Step::End(Terminator::Indirect))
    }

    pub(super) fn jump_if(&mut self, i: &Instruction) -> Result<Step, Refused> {
        // Condition codes count from 1 in the order of the opcodes.
        let cc = (i.condition_code() as u8).checked_sub(1).ok_or(Refused)?;
        let (taken, fallthrough) = (i.near_branch32(), i.next_ip32());
        self.settle_esp();
        let patch = self.jcc_rel32(cc);
        self.exit_at(patch, taken);
        self.jump(fallthrough);
        Ok(Step::End(Terminator::Conditional { taken, fallthrough }))
    }

    /// LOOPcc and JECXZ exist with 8-bit displacements only; 67h makes them use ECX.
    pub(super) fn loop_back(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let opcode = match i.code() {
            Code::Loopne_rel8_32_ECX => 0xe0,
            Code::Loope_rel8_32_ECX => 0xe1,
            Code::Loop_rel8_32_ECX => 0xe2,
            Code::Jecxz_rel8_32 => 0xe3,
            _ => return Err(Refused),
        };
        let (taken, fallthrough) = (i.near_branch32(), i.next_ip32());
        self.settle_esp();
        const SHORT_JMP: u8 = 0xeb;
        const JMP_REL32_LEN: u8 = 5;
        // Taken: over the short jump to the long one.
        self.asm.ops.extend_from_slice(&[0x67, opcode, 2, SHORT_JMP, JMP_REL32_LEN]);
        let patch = self.jmp_rel32();
        self.exit_at(patch, taken);
        self.jump(fallthrough);
        Ok(Step::End(Terminator::Conditional { taken, fallthrough }))
    }

    pub(super) fn call(&mut self, i: &Instruction) -> Step {
        let target = i.near_branch32();
        self.push_value(i.next_ip32());
        self.settle_esp();
        self.jump(target);
        Step::End(Terminator::Direct { target })
    }

    /// The target is read before the return address is pushed.
    pub(super) fn call_indirect(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.load_r8d(i)?;
        self.push_value(i.next_ip32());
        self.settle_esp();
        self.lookup();
        Ok(Step::End(Terminator::Indirect))
    }

    pub(super) fn ret(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let extra = match i.code() {
            Code::Retnd => 0,
            Code::Retnd_imm16 => i32::from(i.immediate16()),
            _ => return Err(Refused),
        };
        self.load_top(Register::R8D);
        self.release(4 + extra);
        self.settle_esp();
        self.lookup();
        Ok(Step::End(Terminator::Return))
    }
}
