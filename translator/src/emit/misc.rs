//! XCHG with memory.

use super::emitter::{Emitter, Refused};
use super::scheme::{RegisterMap, Registers};
use crate::mode::Mode;
use iced_x86::{Code, Instruction, OpKind, Register};

impl Emitter {
    /// XCHG: between registers as itself; with memory as a load, a store, and the commit, without
    /// the lock that the processor would assert (SDM volume 3A, 9.1.2.1), unless others can touch that memory.
    pub(super) fn exchange(&mut self, i: &Instruction) -> Result<(), Refused> {
        if i.op0_kind() == OpKind::Register || self.mode.contains(Mode::SHARED) {
            return self.identity(i);
        }
        let reg = Registers::host(i.op1_register());
        let (load, store, scratch) = match i.code() {
            Code::Xchg_rm8_r8 => (Code::Mov_r8_rm8, Code::Mov_rm8_r8, Register::R8L),
            Code::Xchg_rm16_r16 => (Code::Mov_r16_rm16, Code::Mov_rm16_r16, Register::R8W),
            Code::Xchg_rm32_r32 => (Code::Mov_r32_rm32, Code::Mov_rm32_r32, Register::R8D),
            _ => return Err(Refused),
        };
        let operand = self.address(i, Registers::ESP)?.operand();
        let steps = [
            Instruction::with2(load, scratch, operand),
            Instruction::with2(store, operand, reg),
            Instruction::with2(load, reg, scratch),
        ];
        for step in steps {
            self.encode(&step.map_err(|_| Refused)?)?;
        }
        Ok(())
    }
}
