//! Guest memory operands in host form.
//!
//! How an operand reaches memory is the scheme's; here is what its address is. A segment base is added by LEA: r10d holds it, r11d the sum of base and
//! index where both are there. 16-bit addresses and segments with a limit are in `limit.rs`; segments
//! whose checks are more than that are refused.

use super::emitter::{Emitter, Refused};
use super::operand::{reaches_far, segment_index};
use super::scheme::{Address, RegisterMap, Registers};
use crate::mode::SegmentClass;
use crate::options::TranslatorOptions;
use crate::slots as at;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, MemoryOperand, Register};
use ringer_cpu::interp::operand::is_address_16;

fn wide(reg: Register) -> Register {
    if reg == Register::None { reg } else { reg.full_register() }
}

impl Emitter {
    /// The host operand for the memory operand of `i`, with ESP found in `esp`. Emits what the
    /// segment's base needs, in r10 and r11, and what its limit needs, in r9.
    pub(super) fn address(&mut self, i: &Instruction, esp: Register) -> Result<Address, Refused> {
        if self.aside {
            return self.address_aside(i, esp);
        }
        if self.needs_sequence(i) {
            return self.checked_address(i, esp);
        }
        let a = self.parts(i, esp)?;
        match self.mode.class(i.memory_segment()) {
            SegmentClass::Flat => {
                let mut a = a;
                if self.opts.contains(TranslatorOptions::SHORT_ADDRESS) && is_short(&a, i.code()) {
                    a.base = wide(a.base);
                }
                Ok(a)
            }
            SegmentClass::Based if self.opts.contains(TranslatorOptions::INLINE_BASED) => {
                self.add_segment_base(a, segment_index(i.memory_segment())?)
            }
            _ => Err(Refused),
        }
    }

    /// Whether the memory operand of `i` takes more than a base: r9 and r11 are used then.
    pub(super) fn needs_sequence(&self, i: &Instruction) -> bool {
        let class = self.mode.class(i.memory_segment());
        is_address_16(i) || !matches!(class, SegmentClass::Flat | SegmentClass::Based)
    }

    /// The parts of the operand of `i`, with ESP as `esp` plus what it lags behind.
    pub(super) fn parts(&self, i: &Instruction, esp: Register) -> Result<Address, Refused> {
        let mut a = plain(i, esp)?;
        if a.base == Registers::ESP {
            a.disp = a.disp.wrapping_add(self.esp);
        }
        Ok(a)
    }

    fn add_segment_base(&mut self, a: Address, segment: usize) -> Result<Address, Refused> {
        if a.index.size() == 1 {
            return Err(Refused); // XLAT
        }
        dynasm!(self.asm ; .arch x64 ; mov r10d, [r15 + at::base(segment)]);
        if a.base == Register::None {
            return Ok(Address { base: Register::R10D, ..a });
        }
        if a.index == Register::None {
            return Ok(Address { index: Register::R10D, scale: 1, ..a });
        }
        self.encode_lea(Register::R11D, a)?;
        Ok(Address { base: Register::R10D, index: Register::R11D, scale: 1, disp: 0 })
    }

    /// `lea reg, [a]` in 64-bit arithmetic; a 32-bit `reg` gets the truncated sum.
    pub(super) fn encode_lea(&mut self, reg: Register, a: Address) -> Result<(), Refused> {
        let code = if reg.size() == 2 { Code::Lea_r16_m } else { Code::Lea_r32_m };
        let operand = MemoryOperand::new(
            wide(a.base),
            wide(a.index),
            a.scale,
            i64::from(a.disp as i32),
            // Four bytes of displacement count as eight with 64-bit registers.
            if a.displ_size() == 4 { 8 } else { a.displ_size() },
            false,
            Register::None,
        );
        let lea = Instruction::with2(code, reg, operand).map_err(|_| Refused)?;
        self.encode(&lea)
    }

    /// LEA: arithmetic, no access. A 16-bit address is cut to 16 bits.
    pub(super) fn lea(&mut self, i: &Instruction) -> Result<(), Refused> {
        let mut a = self.parts(i, Registers::ESP)?;
        let reg = Registers::host(i.op0_register());
        if a.base == Register::None && a.index != Register::None && a.scale == 1 {
            (a.base, a.index) = (a.index, Register::None);
        }
        if !is_address_16(i) || reg.size() == 2 {
            return self.encode_lea(reg, a);
        }
        self.encode_lea(Register::R11D, a)?;
        let cut = Instruction::with2(Code::Movzx_r32_rm16, reg, Register::R11W);
        self.encode(&cut.map_err(|_| Refused)?)
    }

    /// `mov r8d, operand 0 of i`, for a 16-bit (zero-extended) or 32-bit register or memory operand.
    pub(super) fn load_r8d(&mut self, i: &Instruction, size: u32) -> Result<(), Refused> {
        let code = if size == 2 { Code::Movzx_r32_rm16 } else { Code::Mov_r32_rm32 };
        let load = if i.op0_kind() == iced_x86::OpKind::Register {
            let reg = Registers::host(i.op0_register());
            Instruction::with2(code, Register::R8D, reg)
        } else {
            let operand = self.address(i, Registers::ESP)?.operand();
            Instruction::with2(code, Register::R8D, operand)
        };
        self.encode(&load.map_err(|_| Refused)?)
    }
}

/// The operand's parts with ESP in `esp`, no segment applied; nothing is cut to 16 bits.
fn plain(i: &Instruction, esp: Register) -> Result<Address, Refused> {
    let base = i.memory_base();
    if base == Register::EIP {
        return Err(Refused);
    }
    Ok(Address {
        base: if base == Register::ESP { esp } else { base },
        index: i.memory_index(),
        scale: i.memory_index_scale(),
        disp: i.memory_displacement32(),
    })
}

/// A register alone is zero-extended already, so the 67h prefix can go. Not where the processor adds
/// something itself: bit offsets and XLAT.
fn is_short(a: &Address, code: Code) -> bool {
    let alone = a.base != Register::None && a.index == Register::None && a.disp == 0;
    alone && !reaches_far(code) && code != Code::Xlat_m8
}
