//! The architecture as gdbstub wants it: register file, register numbers, target description.

use crate::registers;
use gdbstub::arch::{Arch, RegId, Registers};
use std::num::NonZeroUsize;
use std::sync::OnceLock;

/// A 32-bit x86 with its system registers.
#[derive(Debug)]
pub enum I386 {}

/// Where EIP is in the register file.
const EIP: usize = 32;

/// The values of all registers, in the order of the target description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisterFile(pub Vec<u8>);

impl Registers for RegisterFile {
    type ProgramCounter = u32;

    fn pc(&self) -> u32 {
        let eip = self.0.get(EIP..EIP + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(eip.unwrap_or_default())
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for byte in &self.0 {
            write_byte(Some(*byte));
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let size: usize = registers::all().iter().map(|(_, size)| size).sum();
        if bytes.len() != size {
            return Err(());
        }
        self.0 = bytes.to_vec();
        Ok(())
    }
}

/// A register by gdb's number.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub registers::Register);

impl RegId for Number {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        let (register, size) = registers::by_number(id)?;
        Some((Self(register), NonZeroUsize::new(size)))
    }
}

impl Arch for I386 {
    type Usize = u32;
    type Registers = RegisterFile;
    type BreakpointKind = usize;
    type RegId = Number;

    fn target_description_xml() -> Option<&'static str> {
        static TEXT: OnceLock<String> = OnceLock::new();
        Some(TEXT.get_or_init(registers::description))
    }
}
