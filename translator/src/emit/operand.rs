//! What the operands of guest instructions are.

use super::emitter::Refused;
use iced_x86::{Code, Instruction, Register};
use ringer_cpu::SegReg;

/// Encoding index of a segment register.
pub(super) fn segment_index(reg: Register) -> Result<usize, Refused> {
    SegReg::named(reg).map(|reg| reg as usize).ok_or(Refused)
}

/// Whether the operand's address is only where a bit string begins.
pub(super) fn reaches_far(code: Code) -> bool {
    matches!(
        code,
        Code::Bt_rm16_r16
            | Code::Bt_rm32_r32
            | Code::Bts_rm16_r16
            | Code::Bts_rm32_r32
            | Code::Btr_rm16_r16
            | Code::Btr_rm32_r32
            | Code::Btc_rm16_r16
            | Code::Btc_rm32_r32
    )
}

/// What `i` moves to or from the stack: 2 or 4 bytes.
pub(super) fn stack_size(i: &Instruction) -> u32 {
    if i.code().op_code().operand_size() == 16 { 2 } else { 4 }
}
