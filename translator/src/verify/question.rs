//! The question to the inline TLB, recognised instruction by instruction. Only the whole sequence, in this order and with these
//! registers, leads anywhere: that the tag which was compared is that of the distance which is added, and both those of the
//! page in which the operand ends and begins, follows from nothing less.

use iced_x86::{Code, Instruction, OpKind, Register};
use ringer_mmu::inline_tlb::{DISTANCES, READ_TAGS, WRITE_TAGS};

/// Steps of the sequence behind the one that has been done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Step {
    /// It has not begun.
    #[default]
    None,
    /// Guest ECX is in r9d.
    Saved,
    /// r8d is the number of bits in an offset.
    Shift,
    /// r10d is the number of the first byte's page: r11 is its address.
    First,
    /// ECX is the address of the last byte.
    End,
    /// ECX is the number of its page.
    Last,
    /// r10d is the place of the first one's.
    Place,
    /// r8d is the tag there.
    Tag,
    /// ECX is 0 if that is the tag of the last one's.
    Compared,
    /// It is.
    Hit,
    /// r8 is the distance there.
    Distance,
    /// Guest ECX is back.
    Restored,
    /// r11 leads to the operand.
    Answered,
}

/// How far the question has come, and what about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Question {
    step: Step,
    len: u8,
    write: bool,
}

/// Bytes of the largest operand.
const LARGEST: u64 = 16;

impl Question {
    /// After `i`; whether r11 is `narrow` in front of it.
    pub fn after(self, i: &Instruction, narrow: bool) -> Self {
        use Register as R;
        let to = |step| Self { step, ..self };
        let is_move = matches!(i.code(), Code::Mov_r32_rm32 | Code::Mov_rm32_r32);
        let moves = |a, b| is_move && registers(i, &[a, b]);
        let shifts =
            |a, b| i.code() == Code::VEX_Shrx_r32_rm32_r32 && registers(i, &[a, b, R::R8D]);
        match self.step {
            _ if moves(R::R9D, R::ECX) => Self { step: Step::Saved, ..Self::default() },
            Step::Saved if is_shift_count(i) => to(Step::Shift),
            Step::Shift if shifts(R::R10D, R::R11D) && narrow => to(Step::First),
            Step::First => match last_byte(i) {
                Some(more) if more < LARGEST => Self { len: more as u8 + 1, ..to(Step::End) },
                _ => Self::default(),
            },
            Step::End if shifts(R::ECX, R::ECX) => to(Step::Last),
            Step::Last if i.code() == Code::Movzx_r32_rm8 && registers(i, &[R::R10D, R::R10L]) => {
                to(Step::Place)
            }
            Step::Place if loads(i, Code::Mov_r32_rm32, R::R8D, READ_TAGS) => {
                Self { write: false, ..to(Step::Tag) }
            }
            Step::Place if loads(i, Code::Mov_r32_rm32, R::R8D, WRITE_TAGS) => {
                Self { write: true, ..to(Step::Tag) }
            }
            Step::Tag if adds(i, Code::Lea_r32_m, R::ECX, R::RCX, 1) => to(Step::Compared),
            Step::Compared if i.code() == Code::Jrcxz_rel8_64 => to(Step::Hit),
            Step::Hit if loads(i, Code::Mov_r64_rm64, R::R8, DISTANCES) => to(Step::Distance),
            Step::Distance if moves(R::ECX, R::R9D) => to(Step::Restored),
            Step::Restored if adds(i, Code::Lea_r64_m, R::R11, R::R11, 0) => to(Step::Answered),
            _ => Self::default(),
        }
    }

    /// The instruction that led here reads the inline TLB.
    pub fn reads(self) -> bool {
        matches!(self.step, Step::Tag | Step::Distance)
    }

    /// To how many bytes the instruction that led here made r11 lead, and whether they may be written.
    pub fn answer(self) -> Option<(u8, bool)> {
        (self.step == Step::Answered).then_some((self.len, self.write))
    }
}

fn registers(i: &Instruction, wanted: &[Register]) -> bool {
    let is = |(k, reg): (usize, &Register)| {
        i.op_kind(k as u32) == OpKind::Register && i.op_register(k as u32) == *reg
    };
    i.op_count() as usize == wanted.len() && wanted.iter().enumerate().all(is)
}

/// `mov r8d, 12`
fn is_shift_count(i: &Instruction) -> bool {
    matches!(i.code(), Code::Mov_r32_imm32 | Code::Mov_rm32_imm32)
        && i.op0_kind() == OpKind::Register
        && i.op0_register() == Register::R8D
        && i.immediate32() == 12
}

/// `lea ecx, [r11 + more]`: what is more.
fn last_byte(i: &Instruction) -> Option<u64> {
    let form = i.code() == Code::Lea_r32_m
        && i.op0_register() == Register::ECX
        && i.memory_base() == Register::R11
        && i.memory_index() == Register::None;
    form.then(|| i.memory_displacement64())
}

/// `lea to, [base + r8 + more]`
fn adds(i: &Instruction, code: Code, to: Register, base: Register, more: u64) -> bool {
    i.code() == code
        && i.op0_register() == to
        && i.memory_base() == base
        && i.memory_index() == Register::R8
        && i.memory_index_scale() == 1
        && i.memory_displacement64() == more
}

/// `mov to, gs:[r10 * size + from]`
fn loads(i: &Instruction, code: Code, to: Register, from: i32) -> bool {
    i.code() == code
        && i.op0_kind() == OpKind::Register
        && i.op0_register() == to
        && i.op1_kind() == OpKind::Memory
        && i.segment_prefix() == Register::GS
        && i.memory_base() == Register::None
        && i.memory_index() == Register::R10
        && i.memory_index_scale() as usize == to.size()
        && i.memory_displacement64() == i64::from(from) as u64
}
