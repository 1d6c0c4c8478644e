//! What is verified, and what comes of it.

use crate::placement::StubAddresses;
use crate::translation::{DirectExit, MapEntry};
use std::fmt;
use thiserror::Error;

/// What is verified: a block as it lies in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its host code.
    pub host: &'a [u8],
    /// Host address of the first byte.
    pub base: u64,
    /// Where blocks may leave to.
    pub stubs: &'a StubAddresses,
    /// Where guest instructions begin.
    pub map: &'a [MapEntry],
    /// Exits that the cache may patch.
    pub exits: &'a [DirectExit],
    /// Whether it may lock: others can touch the guest's memory.
    pub locks: bool,
}

/// What a block broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rule {
    /// No instruction begins with these bytes.
    #[error("these bytes are no instruction")]
    Undecodable,
    /// The instruction is on no list.
    #[error("this instruction is not on the list")]
    Instruction,
    /// LOCK where nobody else is or on what it cannot lock, a repeat prefix or a redundant prefix where the emitter has none.
    #[error("a prefix that does not belong here")]
    Prefix,
    /// A register that blocks have no business with.
    #[error("names a register that blocks may not use")]
    Register,
    /// Writes a register on which addressing depends.
    #[error("writes RSP, r13, r14 or r15")]
    Anchor,
    /// 64 bits in a form that is none of the approved ones.
    #[error("a 64-bit operation that is not one of the approved patterns")]
    Wide,
    /// A memory operand that is not the guest's, the context's or the table's.
    #[error("a memory operand that is none of the approved forms")]
    Memory,
    /// Beyond the fields of the context that blocks use, or a write to one that they only read.
    #[error("reaches a part of the context that blocks may not touch so")]
    Context,
    /// The index of the target table, or a plain 64-bit address, might exceed 32 bits.
    #[error("the upper half of an address register is not known to be zero")]
    WideAddress,
    /// A string instruction on a pointer that is not known to lie in the window.
    #[error("a string instruction whose pointer or count is not known to be the guest's")]
    String,
    /// PUSHFQ, POP or POPFQ out of order.
    #[error("the host stack is not used as pushfq, pop or popfq in turn")]
    Stack,
    /// A branch that leads to no approved place.
    #[error("a branch to a place that is no exit, no block and no later instruction of this block")]
    Target,
    /// A branch into the middle of an instruction.
    #[error("a branch leads into the middle of this instruction")]
    Middle,
    /// An indirect jump to something that did not come from the target table.
    #[error("an indirect jump to an address that did not come from the target table")]
    Indirect,
    /// Leaves, or stands at a guest instruction, with a register wider than the guest's.
    #[error("the upper half of a guest register is not known to be zero at a boundary")]
    Boundary,
    /// The code runs off its end.
    #[error("runs past the end of the block")]
    End,
    /// The map or a patchable exit points elsewhere than at an instruction.
    #[error("the map or an exit names a place where no such instruction begins")]
    Map,
}

/// What a verified block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Host instructions in it.
    pub instructions: u32,
    /// None of them uses the x87, MMX or SSE state.
    pub integer: bool,
}

/// Why a block was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Refusal {
    /// Offset of the instruction in the block.
    pub offset: u32,
    /// What it broke.
    pub rule: Rule,
    /// The instruction, as NASM writes it.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at +{:04x}, `{}`: {}", self.offset, self.text, self.rule)
    }
}
