//! Near control transfers. A branch that faults (on its memory operand or on the stack) faults before
//! anything is committed; one whose target is beyond CS's limit is the interpreter's.
//!
//! 16-bit operands cut the target to 16 bits. A limit that a target can pass is checked at run time.

use super::cold::Cold;
use super::emitter::{Emitter, Refused, Step};
use super::operand::stack_size;
use crate::mode::Mode;
use crate::thunk::PcThunk;
use crate::translation::{FixupKind, Terminator};
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, OpKind};

/// Condition numbers.
const EQUAL: u8 = 4;
const NOT_EQUAL: u8 = 5;

impl Emitter {
    /// The target of a relative branch.
    fn target(&mut self, i: &Instruction) -> Result<u32, Refused> {
        self.fixed |= i.op0_kind() == OpKind::NearBranch16;
        let target = i.near_branch_target() as u32;
        if target <= self.mode.last_eip() { Ok(target) } else { Err(Refused) }
    }

    /// A 32-bit target that is only known at run time may be beyond a 16-bit segment's limit.
    fn any_target(&self, size: u32) -> Result<(), Refused> {
        if size == 4 && self.mode.contains(Mode::CODE16) { Err(Refused) } else { Ok(()) }
    }

    /// What has two ways out does not end an STI's shadow inline.
    fn outside_shadow(&self) -> Result<(), Refused> {
        if self.shadow { Err(Refused) } else { Ok(()) }
    }

    pub(super) fn jump_to(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let target = self.target(i)?;
        self.check_known_target(target);
        self.settle_esp();
        self.jump(target);
        Ok(Step::End(Terminator::Direct { target }))
    }

    pub(super) fn jump_indirect(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let size = stack_size(i);
        self.any_target(size)?;
        self.load_r8d(i, size)?;
        self.check_target();
        self.settle_esp();
        self.lookup();
        Ok(Step::End(Terminator::Indirect))
    }

    pub(super) fn jump_if(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.outside_shadow()?;
        // Condition codes count from 1 in the order of the opcodes.
        let cc = (i.condition_code() as u8).checked_sub(1).ok_or(Refused)?;
        let (taken, fallthrough) = (self.target(i)?, i.next_ip32());
        self.check_known_target(taken);
        self.settle_esp();
        let patch = self.jcc_rel32(cc);
        Ok(self.part(patch, taken, fallthrough))
    }

    /// Behind a conditional branch whose rel32 at `patch` leads to `taken`: the block ends, or goes on.
    fn part(&mut self, patch: usize, taken: u32, fallthrough: u32) -> Step {
        if self.goes_on {
            self.side_exit(patch, taken);
            return Step::Next;
        }
        self.exit_at(patch, taken);
        self.jump(fallthrough);
        Step::End(Terminator::Conditional { taken, fallthrough })
    }

    /// LOOPcc and JECXZ exist with 8-bit displacements only; 67h makes them use ECX.
    pub(super) fn loop_back(&mut self, i: &Instruction) -> Result<Step, Refused> {
        self.outside_shadow()?;
        let opcode = match i.code() {
            Code::Loopne_rel8_32_ECX | Code::Loopne_rel8_16_ECX => 0xe0,
            Code::Loope_rel8_32_ECX | Code::Loope_rel8_16_ECX => 0xe1,
            Code::Loop_rel8_32_ECX | Code::Loop_rel8_16_ECX => 0xe2,
            Code::Jecxz_rel8_32 | Code::Jecxz_rel8_16 => 0xe3,
            _ => return self.loop_cx(i),
        };
        let (taken, fallthrough) = (self.target(i)?, i.next_ip32());
        self.check_known_target(taken);
        self.settle_esp();
        const SHORT_JMP: u8 = 0xeb;
        const JMP_REL32_LEN: u8 = 5;
        // Taken: over the short jump to the long one.
        self.asm.ops.extend_from_slice(&[0x67, opcode, 2, SHORT_JMP, JMP_REL32_LEN]);
        let patch = self.jmp_rel32();
        Ok(self.part(patch, taken, fallthrough))
    }

    /// The forms that count CX, which 64-bit mode lacks. ECX waits in r8 while JRCXZ asks for CX.
    fn loop_cx(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let (counts, leaves_when) = match i.code() {
            Code::Loop_rel8_16_CX | Code::Loop_rel8_32_CX => (true, None),
            Code::Loope_rel8_16_CX | Code::Loope_rel8_32_CX => (true, Some(NOT_EQUAL)),
            Code::Loopne_rel8_16_CX | Code::Loopne_rel8_32_CX => (true, Some(EQUAL)),
            Code::Jcxz_rel8_16 | Code::Jcxz_rel8_32 => (false, None),
            _ => return Err(Refused),
        };
        let (taken, fallthrough) = (self.target(i)?, i.next_ip32());
        self.check_known_target(taken);
        self.settle_esp();
        if counts {
            dynasm!(self.asm ; .arch x64 ; lea cx, [rcx - 1]);
        }
        dynasm!(self.asm ; .arch x64 ; mov r8d, ecx ; movzx ecx, cx);
        self.asm.ops.extend_from_slice(&[0xe3, 0]);
        let short = self.offset();
        dynasm!(self.asm ; .arch x64 ; mov ecx, r8d);
        if let Some(cc) = leaves_when {
            let patch = self.jcc_rel32(cc);
            self.exit_at(patch, fallthrough);
        }
        let patch = self.jmp_rel32();
        self.exit_at(patch, if counts { taken } else { fallthrough });
        self.asm.ops[short - 1] = (self.offset() - short) as u8;
        dynasm!(self.asm ; .arch x64 ; mov ecx, r8d);
        self.jump(if counts { fallthrough } else { taken });
        Ok(Step::End(Terminator::Conditional { taken, fallthrough }))
    }

    pub(super) fn call(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let target = self.target(i)?;
        self.check_known_target(target);
        self.push_eip(i.next_ip32(), stack_size(i))?;
        let plain = stack_size(i) == 4 && self.plain_stack() && !self.mode.contains(Mode::CODE16);
        if let Some(thunk) = self.thunk.filter(|_| plain) {
            self.inline_thunk(thunk, target, i.next_ip32());
            return Ok(Step::Next);
        }
        self.settle_esp();
        self.jump(target);
        Ok(Step::End(Terminator::Direct { target }))
    }

    /// Does what `thunk` at `target` does for the CALL whose return address is `next`, if the target
    /// table says that it is there; no flag changes.
    fn inline_thunk(&mut self, thunk: PcThunk, target: u32, next: u32) {
        const ECX: u8 = 1;
        self.inlined = Some((thunk, self.offset()));
        self.name_target(target);
        dynasm!(self.asm ; .arch x64
            ; mov r9d, [r13 + r8 * 4]
            ; mov r8d, ecx
            ; lea ecx, [r9 - thunk.offset as i32]
        );
        self.fix_last(FixupKind::Thunk);
        self.asm.ops.extend_from_slice(&[0xe3, 0]);
        let short = self.offset();
        let patch = self.jmp_rel32();
        self.cold.push(Cold::Thunk { patch, target, esp: self.esp, done: self.done + 1 });
        self.patch_short(short);
        if thunk.register != ECX {
            dynasm!(self.asm ; .arch x64 ; mov ecx, r8d);
        }
        dynasm!(self.asm ; .arch x64 ; mov Rd(thunk.register), next as i32);
        self.ends_in_eip();
    }

    /// The target is read before the return address is pushed.
    pub(super) fn call_indirect(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let size = stack_size(i);
        self.any_target(size)?;
        self.load_r8d(i, size)?;
        self.check_target();
        self.push_eip(i.next_ip32(), size)?;
        self.settle_esp();
        self.lookup();
        Ok(Step::End(Terminator::Indirect))
    }

    pub(super) fn ret(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let size = stack_size(i);
        self.any_target(size)?;
        let extra = if i.op_count() == 0 { 0 } else { i32::from(i.immediate16()) };
        self.load_top(size)?;
        self.check_target();
        self.release(size as i32 + extra);
        self.settle_esp();
        self.lookup();
        Ok(Step::End(Terminator::Return))
    }
}
