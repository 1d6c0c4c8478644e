//! AND OR XOR TEST NOT.

use super::arith::{binary, compare, unary};
use super::size::{by_size, operand_size};
use super::{Handler, alu};
use crate::bus::Bus;
use iced_x86::{Code, Mnemonic as M};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let size = operand_size(code, 0);
    match code.mnemonic() {
        M::And => by_size!(size, binary, alu::And),
        M::Or => by_size!(size, binary, alu::Or),
        M::Xor => by_size!(size, binary, alu::Xor),
        M::Test => by_size!(size, compare, alu::And),
        M::Not => by_size!(size, unary, alu::Not),
        _ => None,
    }
}
