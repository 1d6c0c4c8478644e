//! Operand sizes: which a code's operands have, and the instance of a handler for one.

use iced_x86::{Code, OpCodeOperandKind};

/// The bytes of operand `n` of `code`: 1, 2, 4 or 8; none for other kinds and for memory without a
/// register form.
pub(super) fn operand_size(code: Code, n: u32) -> Option<u32> {
    use OpCodeOperandKind as K;
    match code.op_code().op_kind(n) {
        K::r8_or_mem | K::r8_reg | K::r8_opcode | K::al => Some(1),
        K::r16_or_mem | K::r16_reg | K::r16_rm | K::r16_opcode | K::ax => Some(2),
        K::r32_or_mem | K::r32_reg | K::r32_rm | K::r32_opcode | K::r32_vvvv | K::eax => Some(4),
        K::r64_or_mem | K::r64_reg | K::r64_rm | K::r64_opcode | K::r64_vvvv | K::rax => Some(8),
        _ => None,
    }
}

/// Picks the instance of a handler for operand 0's size.
macro_rules! by_size {
    ($size:expr, $handler:ident $(, $op:ty)*) => {
        match $size {
            Some(1) => Some($handler::<B, $($op,)* 1> as $crate::interp::Handler<B>),
            Some(2) => Some($handler::<B, $($op,)* 2> as $crate::interp::Handler<B>),
            Some(4) => Some($handler::<B, $($op,)* 4> as $crate::interp::Handler<B>),
            Some(8) => Some($handler::<B, $($op,)* 8> as $crate::interp::Handler<B>),
            _ => None,
        }
    };
}
pub(super) use by_size;
