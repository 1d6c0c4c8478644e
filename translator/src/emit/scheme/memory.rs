//! How an operand reaches the guest's memory.

use crate::slots as at;
use dynasmrt::{DynasmApi, SimpleAssembler, dynasm};
use iced_x86::{Instruction, MemoryOperand, Register};

/// An operand of the guest's memory at `base + index*scale + disp`, in host registers.
#[derive(Clone, Copy, Debug)]
pub(in crate::emit) struct Address {
    pub base: Register,
    pub index: Register,
    pub scale: u32,
    pub disp: u32,
}

impl Address {
    /// The operand at a fixed offset.
    pub fn fixed(disp: u32) -> Self {
        Self { base: Register::None, index: Register::None, scale: 1, disp }
    }

    /// The operand at `reg`.
    pub fn at(reg: Register) -> Self {
        Self { base: reg, ..Self::fixed(0) }
    }

    /// The operand `by` bytes further on.
    pub fn plus(self, by: u32) -> Self {
        Self { disp: self.disp.wrapping_add(by), ..self }
    }

    /// Bytes of displacement to encode. Without a base the only form has four.
    pub fn displ_size(&self) -> u32 {
        match self.disp as i32 {
            _ if self.base == Register::None => 4,
            0 => 0,
            -128..=127 => 1,
            _ => 4,
        }
    }

    /// For building host instructions.
    pub fn operand(&self) -> MemoryOperand {
        Window::operand(self)
    }

    /// Replaces the memory operand of `host`.
    pub fn apply(&self, host: &mut Instruction) {
        Window::apply(self, host);
    }

    fn displ(&self) -> i64 {
        if self.base == Register::None && self.index == Register::None {
            i64::from(self.disp)
        } else {
            i64::from(self.disp as i32)
        }
    }
}

/// A way to memory. Its sequences change no flag, and use no scratch register but those that they name.
pub(in crate::emit) trait MemoryWay {
    /// The host operand of `address`, for building host instructions.
    fn operand(address: &Address) -> MemoryOperand;

    /// Makes `address` the memory operand of `host`.
    fn apply(address: &Address, host: &mut Instruction);

    /// Host register `reg` to the dword at guest ESP plus `at`, in a flat stack segment.
    fn store_at_esp(asm: &mut SimpleAssembler, at: i32, reg: u8);

    /// The same with a number.
    fn store_value_at_esp(asm: &mut SimpleAssembler, at: i32, value: i32);

    /// Host register `reg` gets the dword there.
    fn load_at_esp(asm: &mut SimpleAssembler, reg: u8, at: i32);

    /// The dword there is complemented.
    fn complement_at_esp(asm: &mut SimpleAssembler, at: i8);

    /// r8d gets the dword at EBP, in a flat stack segment.
    fn load_frame(asm: &mut SimpleAssembler);

    /// r11d and r10d get the dwords at linear address r10d.
    fn load_descriptor(asm: &mut SimpleAssembler);

    /// ESI and EDI, of those that are named, become host pointers to these linear addresses; r8 is lost.
    fn to_pointers(asm: &mut SimpleAssembler, esi: bool, edi: bool);

    /// They become linear addresses again, wherever in the 4 GiB they are.
    fn to_addresses(asm: &mut SimpleAssembler, esi: bool, edi: bool);
}

/// The window that GS base leads to: 32-bit addressing cuts a sum, and GS adds the base.
pub(in crate::emit) struct Window;

impl MemoryWay for Window {
    fn operand(address: &Address) -> MemoryOperand {
        MemoryOperand::new(
            address.base,
            address.index,
            address.scale,
            address.displ(),
            address.displ_size(),
            false,
            Register::GS,
        )
    }

    fn apply(address: &Address, host: &mut Instruction) {
        host.set_memory_base(address.base);
        host.set_memory_index(address.index);
        host.set_memory_index_scale(address.scale);
        host.set_memory_displacement64(address.displ() as u64);
        host.set_memory_displ_size(address.displ_size());
        host.set_segment_prefix(Register::GS);
    }

    fn store_at_esp(asm: &mut SimpleAssembler, at: i32, reg: u8) {
        match i8::try_from(at) {
            Ok(at) => dynasm!(asm ; .arch x64 ; gs mov [BYTE r12d + at], Rd(reg)),
            Err(_) => dynasm!(asm ; .arch x64 ; gs mov [r12d + at], Rd(reg)),
        }
    }

    fn store_value_at_esp(asm: &mut SimpleAssembler, at: i32, value: i32) {
        match i8::try_from(at) {
            Ok(at) => dynasm!(asm ; .arch x64 ; gs mov DWORD [BYTE r12d + at], value),
            Err(_) => dynasm!(asm ; .arch x64 ; gs mov DWORD [r12d + at], value),
        }
    }

    fn load_at_esp(asm: &mut SimpleAssembler, reg: u8, at: i32) {
        match i8::try_from(at) {
            Ok(0) => dynasm!(asm ; .arch x64 ; gs mov Rd(reg), [r12]),
            Ok(at) => dynasm!(asm ; .arch x64 ; gs mov Rd(reg), [BYTE r12d + at]),
            Err(_) => dynasm!(asm ; .arch x64 ; gs mov Rd(reg), [r12d + at]),
        }
    }

    fn complement_at_esp(asm: &mut SimpleAssembler, at: i8) {
        dynasm!(asm ; .arch x64 ; gs not DWORD [BYTE r12d + at]);
    }

    fn load_frame(asm: &mut SimpleAssembler) {
        dynasm!(asm ; .arch x64 ; gs mov r8d, [rbp]);
    }

    fn load_descriptor(asm: &mut SimpleAssembler) {
        dynasm!(asm ; .arch x64
            ; gs mov r11d, [r10d]
            ; gs mov r10d, [r10d + 4]
        );
    }

    fn to_pointers(asm: &mut SimpleAssembler, esi: bool, edi: bool) {
        dynasm!(asm ; .arch x64 ; mov r8, [r15 + at::WINDOW_BASE]);
        if esi {
            dynasm!(asm ; .arch x64 ; lea rsi, [rsi + r8]);
        }
        if edi {
            dynasm!(asm ; .arch x64 ; lea rdi, [rdi + r8]);
        }
    }

    /// The window is 4 GiB aligned.
    fn to_addresses(asm: &mut SimpleAssembler, esi: bool, edi: bool) {
        if esi {
            dynasm!(asm ; .arch x64 ; mov esi, esi);
        }
        if edi {
            dynasm!(asm ; .arch x64 ; mov edi, edi);
        }
    }
}
