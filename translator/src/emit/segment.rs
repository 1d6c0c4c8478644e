//! Reading segment registers: the guest's selectors, from the context. (Run as itself, `mov eax, cs`
//! would show the host's.) Loading them is the interpreter's.

use super::{Emitter, Refused, at};
use super::{identity::rename, memory::segment_index, stack::stack_size};
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, OpKind, Register};

impl Emitter {
    pub(super) fn push_segment(&mut self, i: &Instruction) -> Result<(), Refused> {
        let k = segment_index(i.op0_register())?;
        dynasm!(self.asm ; .arch x64 ; movzx r8d, WORD [r15 + at::selector(k)]);
        self.push_r8d(stack_size(i))
    }

    /// A 32-bit register gets the selector zero-extended; memory gets 16 bits whatever the operand
    /// size.
    pub(super) fn read_segment(&mut self, i: &Instruction) -> Result<(), Refused> {
        let k = segment_index(i.op1_register())?;
        if i.op0_kind() == OpKind::Register {
            let reg = rename(i.op0_register());
            let n = reg.number() as u8;
            if reg.size() == 4 {
                dynasm!(self.asm ; .arch x64 ; movzx Rd(n), WORD [r15 + at::selector(k)]);
            } else {
                dynasm!(self.asm ; .arch x64 ; mov Rw(n), [r15 + at::selector(k)]);
            }
            return Ok(());
        }
        dynasm!(self.asm ; .arch x64 ; movzx r8d, WORD [r15 + at::selector(k)]);
        let operand = self.address(i, Register::R12D)?.operand();
        let store = Instruction::with2(Code::Mov_rm16_r16, operand, Register::R8W);
        self.encode(&store.map_err(|_| Refused)?)
    }
}
