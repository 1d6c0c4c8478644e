//! A case with what comparison and reports need to know of it.

use crate::case::Case;
use crate::setting::Setting;
use iced_x86::Instruction;
use ringer_cpu::Eflags;

/// Arithmetic flags.
pub const ARITH: u32 = Eflags::ARITH.bits();
/// One instruction of a sequence.
#[derive(Clone, Debug)]
pub struct Item {
    /// Offset in the case's code.
    pub at: usize,
    /// Its length.
    pub len: usize,
    /// As decoded, with the offset as its address.
    pub instruction: Instruction,
    /// It carries a LOCK that it may not.
    pub illegal_lock: bool,
    /// Arithmetic flags that can be undefined before it.
    pub undefined: u32,
}

/// A case with what comparison and reports need to know.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// What the runner gets.
    pub case: Case,
    /// Its surroundings.
    pub setting: Setting,
    /// Its instructions.
    pub items: Vec<Item>,
    /// Arithmetic flags that can be undefined at the end.
    pub undefined: u32,
    /// A register or memory can hold an undefined value: Ringer's engines alone are compared.
    pub undefined_value: bool,
}
