//! From a row of the table to the sequence of its family.

use super::emitter::{Emitter, Refused, Step};
use crate::classify::Rewrite;
use iced_x86::Instruction;

impl Emitter {
    /// Emits the inline sequence `rewrite` for `i`.
    pub fn rewrite(&mut self, rewrite: Rewrite, i: &Instruction) -> Result<Step, Refused> {
        match rewrite {
            Rewrite::Nothing => Ok(()),
            Rewrite::Lea => self.lea(i),
            Rewrite::OtherForm => self.other_form(i),
            Rewrite::Exchange => self.exchange(i),
            Rewrite::Push => self.push(i),
            Rewrite::PushSegment => self.push_segment(i),
            Rewrite::Pop => self.pop(i),
            Rewrite::PushAll => self.push_all(i),
            Rewrite::PopAll => self.pop_all(i),
            Rewrite::Leave => self.leave(i),
            Rewrite::Enter => self.enter(i),
            Rewrite::LoadSegment => return self.load_segment(i),
            Rewrite::PopSegment => return self.pop_segment(i),
            Rewrite::LoadFar => self.load_far(i),
            Rewrite::String => self.string(i),
            Rewrite::ReadSegment => self.read_segment(i),
            Rewrite::ClearInterrupts => self.cli(),
            Rewrite::PushFlags => self.push_flags(i),
            Rewrite::PopFlags => self.pop_flags(i),
            Rewrite::VerifyWrite => self.verify_write(i),
            Rewrite::SetInterrupts => return self.may_change_if().map(|()| Step::Shadow),
            Rewrite::Jump => return self.jump_to(i),
            Rewrite::JumpIndirect => return self.jump_indirect(i),
            Rewrite::JumpIf => return self.jump_if(i),
            Rewrite::Loop => return self.loop_back(i),
            Rewrite::Call => return self.call(i),
            Rewrite::CallIndirect => return self.call_indirect(i),
            Rewrite::Return => return self.ret(i),
            Rewrite::FarJump => return self.far_jump(i),
            Rewrite::FarCall => return self.far_call(i),
            Rewrite::FarReturn => return self.far_return(i),
            Rewrite::TimeStamp => return self.time_stamp(i),
            Rewrite::PortOut => return self.port_out(i),
            Rewrite::Sysenter => return self.sysenter(i),
            Rewrite::Sysexit => return self.sysexit(i),
            Rewrite::ClearAc => return self.change_ac(i, false),
            Rewrite::SetAc => return self.change_ac(i, true),
        }
        .map(|()| Step::Next)
    }
}
