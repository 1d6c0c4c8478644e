//! 16-bit addresses, and segments with a limit.
//!
//! The offset is computed into r11d and cut to its address size there. The limit is checked without
//! touching a flag, as JRCXZ is the one branch that needs none: guest ECX waits in r9 meanwhile. An
//! access beyond the limit leaves for the interpreter, which raises what the architecture says.

use super::cold::Cold;
use super::emitter::{Emitter, Refused};
use super::operand::{reaches_far, segment_index};
use super::scheme::{Address, RegisterMap, Registers};
use crate::mode::{Mode, SegmentClass};
use crate::options::TranslatorOptions;
use crate::slots as at;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, MemoryOperand, OpAccess, OpKind, Register};
use ringer_cpu::interp::operand::is_address_16;

/// Encoding indices.
const CS: usize = 1;
const SS: usize = 2;
/// The last offset of a 64 KiB segment.
const LAST: u32 = 0xffff;

impl Emitter {
    /// The host operand for a memory operand that has a 16-bit address, a limit, or both.
    pub(super) fn checked_address(
        &mut self,
        i: &Instruction,
        esp: Register,
    ) -> Result<Address, Refused> {
        let class = self.mode.class(i.memory_segment());
        let size = i.memory_size().size() as u32;
        let inline = self.opts.contains(TranslatorOptions::INLINE_LIMITED);
        if !inline || class == SegmentClass::Other || size == 0 || reaches_far(i.code()) {
            return Err(Refused);
        }
        if class == SegmentClass::ReadOnly && !self.reads_only(i) {
            return Err(Refused);
        }
        let short = is_address_16(i);
        let mut a = self.parts(i, esp)?;
        let k = segment_index(i.memory_segment())?;
        if i.memory_base() == Register::None && i.memory_index() == Register::None {
            if short {
                a.disp &= LAST;
            }
            return self.fixed_address(a.disp, class, k, size);
        }
        if a.index == Register::AL {
            dynasm!(self.asm ; .arch x64 ; movzx r11d, al);
            a.index = Register::R11;
        }
        self.offset_to_r11(a, short)?;
        self.check_limit(class, k, size, short);
        Ok(self.with_base(class, k))
    }

    /// Whether `i` does not write its memory operand.
    fn reads_only(&mut self, i: &Instruction) -> bool {
        let info = self.info.info(i);
        let mut operands = (0..i.op_count()).filter(|k| i.op_kind(*k) == OpKind::Memory);
        operands.all(|k| matches!(info.op_access(k), OpAccess::Read | OpAccess::CondRead))
    }

    /// Leaves for the interpreter, which faults, when r8d is beyond CS's limit.
    pub(super) fn check_target(&mut self) {
        if self.mode.contains(Mode::CS_LIMITED) {
            dynasm!(self.asm ; .arch x64 ; mov r11d, r8d);
            self.check_limit(SegmentClass::Limited, CS, 1, false);
        }
    }

    /// The same for a known target.
    pub(super) fn check_known_target(&mut self, target: u32) {
        if self.mode.contains(Mode::CS_LIMITED) {
            dynasm!(self.asm ; .arch x64 ; mov r11d, target as i32);
            self.check_limit(SegmentClass::Limited, CS, 1, false);
        }
    }

    /// At a block's head: leaves for the interpreter unless the last of the block's bytes is inside
    /// CS. Which offset that has is filled in at the end.
    pub(super) fn check_block_end(&mut self) {
        if self.mode.contains(Mode::CS_LIMITED) {
            dynasm!(self.asm ; .arch x64 ; mov r11d, i32::MAX);
            self.ends.push(self.offset() - 4);
            self.check_limit(SegmentClass::Limited, CS, 1, false);
        }
    }

    /// An operand at a known offset: against 64 KiB it is checked here and now.
    fn fixed_address(
        &mut self,
        offset: u32,
        class: SegmentClass,
        k: usize,
        size: u32,
    ) -> Result<Address, Refused> {
        let last = u64::from(offset) + u64::from(size) - 1;
        match class {
            SegmentClass::Flat => return Ok(Address::fixed(offset)),
            SegmentClass::Limited64K if last > u64::from(LAST) => return Err(Refused),
            SegmentClass::Limited | SegmentClass::ReadOnly => {
                dynasm!(self.asm ; .arch x64 ; mov r11d, offset as i32);
                self.check_limit(class, k, size, false);
                return Ok(self.with_base(class, k));
            }
            _ => {}
        }
        dynasm!(self.asm ; .arch x64 ; mov r10d, [r15 + at::base(k)]);
        Ok(Address { base: Register::R10D, ..Address::fixed(offset) })
    }

    /// `a`, cut to 32 or 16 bits, into r11d.
    fn offset_to_r11(&mut self, mut a: Address, short: bool) -> Result<(), Refused> {
        if a.base == Register::None && a.scale == 1 {
            (a.base, a.index) = (a.index, Register::None);
        }
        let alone = a.index == Register::None && a.disp == 0 && a.base != Register::None;
        let (code, from) = match (alone, short) {
            (true, true) => (Code::Movzx_r32_rm16, sixteen(a.base)),
            (true, false) => (Code::Mov_r32_rm32, a.base),
            (false, _) => {
                self.encode_lea(Register::R11D, a)?;
                (Code::Movzx_r32_rm16, Register::R11W)
            }
        };
        if !alone && !short {
            return Ok(());
        }
        let cut = Instruction::with2(code, Register::R11D, from);
        self.encode(&cut.map_err(|_| Refused)?)
    }

    /// The operand at offset r11d of segment `k`.
    fn with_base(&mut self, class: SegmentClass, k: usize) -> Address {
        if class == SegmentClass::Flat {
            // r11d is zero-extended, so the short form will do.
            return Address::at(Register::R11);
        }
        dynasm!(self.asm ; .arch x64 ; mov r10d, [r15 + at::base(k)]);
        Address { index: Register::R11D, ..Address::at(Register::R10D) }
    }

    /// Leaves for the interpreter unless `size` bytes at offset r11d are inside segment `k`.
    /// `short`: the offset is known to be below 64 KiB.
    pub(super) fn check_limit(&mut self, class: SegmentClass, k: usize, size: u32, short: bool) {
        let more = size as i32 - 1;
        match class {
            SegmentClass::Limited64K if short && more == 0 => {}
            SegmentClass::Limited64K => {
                dynasm!(self.asm ; .arch x64 ; mov r9d, ecx);
                if !short {
                    dynasm!(self.asm ; .arch x64 ; mov ecx, r11d);
                    self.leave_above_64k();
                }
                if more > 0 {
                    dynasm!(self.asm ; .arch x64 ; lea ecx, [r11 + more]);
                    self.leave_above_64k();
                }
                dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
            }
            SegmentClass::Limited | SegmentClass::ReadOnly => {
                // offset + size - 1 + (2^32 - 1 - limit) is 2^32 or more when that is too much.
                dynasm!(self.asm ; .arch x64
                    ; mov r9d, ecx
                    ; mov r10d, [r15 + at::limit(k)]
                    ; not r10d
                    ; lea r10, [r10 + r11 + more]
                    ; bswap r10
                    ; mov ecx, r10d
                );
                self.leave_unless_zero();
                dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
            }
            SegmentClass::Flat | SegmentClass::Based | SegmentClass::Other => {}
        }
    }

    /// Leaves when ecx is above FFFFh.
    fn leave_above_64k(&mut self) {
        dynasm!(self.asm ; .arch x64 ; bswap ecx ; movzx ecx, cx);
        self.leave_unless_zero();
    }

    pub(super) fn leave_unless_zero(&mut self) {
        const JMP_REL32_LEN: u8 = 5;
        self.asm.ops.extend_from_slice(&[0xe3, JMP_REL32_LEN]);
        let patch = self.jmp_rel32();
        let (eip, esp, done) = (self.here, self.esp, self.done);
        self.cold.push(Cold::Limit { patch, eip, esp, done });
    }

    /// Whether the stack is flat and 32-bit: r12 is its address.
    pub(super) fn plain_stack(&self) -> bool {
        let flat = self.mode.class(Register::SS) == SegmentClass::Flat;
        flat && !self.mode.contains(Mode::STACK16)
    }

    /// The `size` bytes of the guest's stack at `above` guest ESP or SP; the offset (for a stack that
    /// is not plain) is in r11d.
    pub(super) fn slot(&mut self, above: i32, size: u32) -> Result<Address, Refused> {
        let disp = self.esp.wrapping_add(above as u32);
        let stack = Address { disp, ..Address::at(Registers::ESP) };
        if self.plain_stack() {
            return Ok(stack);
        }
        self.slot_at(stack, size)
    }

    /// The `size` bytes of the guest's stack that EBP or BP points to.
    pub(super) fn frame_slot(&mut self, size: u32) -> Result<Address, Refused> {
        if self.plain_stack() {
            return Ok(Address::at(Register::EBP));
        }
        self.slot_at(Address::at(Register::EBP), size)
    }

    fn slot_at(&mut self, offset: Address, size: u32) -> Result<Address, Refused> {
        let class = self.mode.class(Register::SS);
        let inline = self.opts.contains(TranslatorOptions::INLINE_LIMITED);
        if !inline || matches!(class, SegmentClass::Other | SegmentClass::ReadOnly) {
            return Err(Refused);
        }
        let short = self.mode.contains(Mode::STACK16);
        self.offset_to_r11(offset, short)?;
        self.check_limit(class, SS, size, short);
        Ok(self.with_base(class, SS))
    }

    /// `code reg, operand` or `code operand, reg`, whichever `code` is.
    pub(super) fn move_sized(
        &mut self,
        code: Code,
        reg: Register,
        operand: MemoryOperand,
    ) -> Result<(), Refused> {
        let i = match code {
            Code::Mov_rm16_r16 | Code::Mov_rm32_r32 => Instruction::with2(code, operand, reg),
            _ => Instruction::with2(code, reg, operand),
        };
        self.encode(&i.map_err(|_| Refused)?)
    }
}

/// The low word of a register of an address.
fn sixteen(reg: Register) -> Register {
    match reg.full_register32() {
        Register::EAX => Register::AX,
        Register::ECX => Register::CX,
        Register::EDX => Register::DX,
        Register::EBX => Register::BX,
        Register::EBP => Register::BP,
        Register::ESI => Register::SI,
        Register::EDI => Register::DI,
        _ => Registers::SP,
    }
}
