//! Far JMP, CALL and RET of 16-bit code in real and V86 mode, where a load of CS changes its selector
//! and base only.
//!
//! The block is left for the dispatcher: target tables belong to one base of CS. The new IP waits in
//! the context's EIP, which means nothing until then.

use super::emitter::{Emitter, Refused, Step};
use super::scheme::{RegisterMap, Registers};
use crate::mode::{Mode, SegmentClass};
use crate::slots as at;
use crate::translation::Terminator;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, Register};

/// Encoding index of CS.
const CS: usize = 1;

impl Emitter {
    /// Whether far transfers are as simple as that here.
    fn far_mode(&self) -> Result<(), Refused> {
        let simple = self.mode.contains(Mode::CODE16 | Mode::CS_64K);
        let loads = self.mode.intersects(Mode::REAL | Mode::V86);
        if simple && loads { Ok(()) } else { Err(Refused) }
    }

    /// As [`Emitter::far_mode`]; and the x87 unit's last instruction, whose CS would be another, is settled: else
    /// this one is the interpreter's.
    fn far_and_settled(&mut self) -> Result<(), Refused> {
        self.far_mode()?;
        self.leave_unless_x87_settled()
    }

    /// As [`Emitter::far_and_settled`]; and two words on the stack are one piece, or the limit is in the way.
    fn far_stack(&mut self) -> Result<(), Refused> {
        self.far_and_settled()?;
        let ends = self.mode.class(Register::SS) == SegmentClass::Limited64K;
        if ends && self.mode.contains(Mode::STACK16) { Ok(()) } else { Err(Refused) }
    }

    /// The new IP into the context, the new selector into r8d.
    fn load_far_target(&mut self, i: &Instruction) -> Result<(), Refused> {
        if matches!(i.code(), Code::Jmp_ptr1616 | Code::Call_ptr1616) {
            let (ip, selector) = (i32::from(i.far_branch16()), i32::from(i.far_branch_selector()));
            dynasm!(self.asm ; .arch x64
                ; mov DWORD [r15 + at::EIP], ip
                ; mov r8d, selector
            );
            return Ok(());
        }
        if self.mode.class(i.memory_segment()) == SegmentClass::Flat {
            return Err(Refused); // No segment is, in these modes.
        }
        let from = self.address(i, Registers::ESP)?;
        self.move_sized(Code::Movzx_r32_rm16, Register::R9D, from.operand())?;
        self.move_sized(Code::Movzx_r32_rm16, Register::R8D, from.plus(2).operand())?;
        dynasm!(self.asm ; .arch x64 ; mov [r15 + at::EIP], r9d);
        Ok(())
    }

    /// Commits the selector in r8d and goes where the context's EIP says.
    fn go_far(&mut self) -> Step {
        self.commit_selector(CS);
        dynasm!(self.asm ; .arch x64 ; mov r8d, [r15 + at::EIP]);
        self.leave_far();
        Step::End(Terminator::Indirect)
    }

    pub(super) fn far_jump(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.far_and_settled()?;
        self.load_far_target(i)?;
        Ok(self.go_far())
    }

    pub(super) fn far_call(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.far_stack()?;
        self.load_far_target(i)?;
        let slot = self.slot(-4, 4)?;
        // Both words at once: CS's must not stand there when IP's page cannot be written.
        let next = i.next_ip32() as i16;
        dynasm!(self.asm ; .arch x64
            ; mov r9d, [r15 + at::selector_above(CS)]
            ; mov r9w, next
        );
        self.move_sized(Code::Mov_rm32_r32, Register::R9D, slot.operand())?;
        self.move_esp(-4);
        Ok(self.go_far())
    }

    pub(super) fn far_return(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.far_stack()?;
        let extra = if i.op_count() == 0 { 0 } else { i32::from(i.immediate16()) };
        let slot = self.slot(0, 4)?;
        self.move_sized(Code::Movzx_r32_rm16, Register::R9D, slot.operand())?;
        self.move_sized(Code::Movzx_r32_rm16, Register::R8D, slot.plus(2).operand())?;
        dynasm!(self.asm ; .arch x64 ; mov [r15 + at::EIP], r9d);
        self.move_esp(4 + extra);
        Ok(self.go_far())
    }
}
