//! Operands: registers, effective addresses, immediates.
//!
//! Sizes are const parameters in bytes (1, 2, 4 or 8), so that each handler is compiled for its size;
//! values travel zero-extended in a `u64`. Outside 64-bit mode no instruction has operands of 8.

use super::Ctx;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::state::{CpuState, Gpr, SegReg};
use iced_x86::{Instruction, OpKind, Register};

/// All ones in the low `size` bytes.
#[must_use]
#[inline]
pub const fn mask(size: u32) -> u64 {
    match size {
        1 => 0xff,
        2 => 0xffff,
        4 => 0xffff_ffff,
        _ => u64::MAX,
    }
}

/// The index of a 16-, 32- or 64-bit general register; other registers give nonsense below 16.
#[inline]
fn index(r: Register, first: Register) -> usize {
    ((r as usize).wrapping_sub(first as usize)) & 15
}

/// The index of the register that the byte register `r` is part of, and by how much it is shifted there: AL to BL, AH to BH, SPL to
/// DIL, R8L to R15L, in the decoder's order. Other registers give nonsense below 16.
#[inline]
fn byte_of(r: Register) -> (usize, u32) {
    match (r as usize).wrapping_sub(Register::AL as usize) {
        n @ 0..4 => (n, 0),
        n @ 4..8 => (n - 4, 8),
        n => (n.wrapping_sub(4) & 15, 0),
    }
}

/// The segment register that `r` names. `r` is one (the decoder never yields another here).
#[must_use]
#[inline]
pub fn seg_of(r: Register) -> SegReg {
    SegReg::named(r).unwrap_or(SegReg::Gs)
}

/// The general register of `size` bytes that `r` names, zero-extended.
#[must_use]
#[inline]
pub fn read_gpr(s: &CpuState, r: Register, size: u32) -> u64 {
    match size {
        1 => {
            let (n, shift) = byte_of(r);
            s.gpr[n] >> shift & 0xff
        }
        2 => s.gpr[index(r, Register::AX)] & 0xffff,
        4 => s.gpr[index(r, Register::EAX)] & 0xffff_ffff,
        _ => s.gpr[index(r, Register::RAX)],
    }
}

/// Writes the low `size` bytes of `value` to the general register that `r` names; the rest of the
/// register stays, but that a write of 4 bytes clears the upper half.
#[inline]
pub fn write_gpr(s: &mut CpuState, r: Register, size: u32, value: u64) {
    match size {
        1 => {
            let (n, shift) = byte_of(r);
            let g = &mut s.gpr[n];
            *g = (*g & !(0xff << shift)) | ((value & 0xff) << shift);
        }
        2 => write_gpr_low(&mut s.gpr[index(r, Register::AX)], 2, value),
        4 => s.gpr[index(r, Register::EAX)] = value & 0xffff_ffff,
        _ => s.gpr[index(r, Register::RAX)] = value,
    }
}

/// Replaces the low `size` (1, 2, 4 or 8) bytes of the general register `reg`; a write of 4 clears the upper half.
#[inline]
pub fn write_gpr_low(reg: &mut u64, size: u32, value: u64) {
    let m = mask(size);
    let kept = if size == 4 { 0 } else { *reg & !m };
    *reg = kept | (value & m);
}

/// A base or index register of an effective address: none, 16, 32 or 64 bits. (RIP and EIP count for nothing: the decoder has
/// added them to the displacement.)
#[inline]
fn address_part(s: &CpuState, r: Register) -> u64 {
    let n = r as u32;
    if n.wrapping_sub(Register::EAX as u32) < 16 {
        s.gpr[(n - Register::EAX as u32) as usize] & 0xffff_ffff
    } else if n.wrapping_sub(Register::AX as u32) < 16 {
        s.gpr[(n - Register::AX as u32) as usize] & 0xffff
    } else if n.wrapping_sub(Register::RAX as u32) < 16 {
        s.gpr[(n - Register::RAX as u32) as usize]
    } else {
        0
    }
}

/// The bits that offsets of `i`'s ModRM memory operand have, by its address size: 16, 32 or 64.
#[must_use]
#[inline]
pub fn offset_mask(i: &Instruction) -> u64 {
    let reg = match i.memory_base() {
        Register::None => i.memory_index(),
        base => base,
    };
    if reg == Register::None {
        return mask(i.memory_displ_size().clamp(2, 8));
    }
    let n = reg as u32;
    if n.wrapping_sub(Register::EAX as u32) < 16 || reg == Register::EIP {
        mask(4)
    } else if n.wrapping_sub(Register::AX as u32) < 16 {
        mask(2)
    } else {
        mask(8)
    }
}

/// Whether `i`'s ModRM memory operand uses 16-bit addressing.
#[must_use]
#[inline]
pub fn is_address_16(i: &Instruction) -> bool {
    offset_mask(i) == mask(2)
}

/// Where an operand that is read and then written back stands.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A general register.
    Reg(Register),
    /// Memory that has been checked for writing.
    Mem(SegReg, u64),
}

impl<B: Bus> Ctx<'_, B> {
    /// The operand size of `i` in bytes, 2, 4 or 8, as its opcode form and prefixes make it; forms
    /// without one get the code segment's default. (Slow: for handlers of many sizes.)
    #[must_use]
    pub fn operand_size(&self, i: &Instruction) -> u32 {
        match i.code().op_code().operand_size() {
            16 => 2,
            32 => 4,
            64 => 8,
            _ if self.s.cs().is_32() && !self.s.v86() => 4,
            _ => 2,
        }
    }

    /// Segment and offset of `i`'s memory operand. It wraps at the address size.
    #[must_use]
    #[inline]
    pub fn ea(&self, i: &Instruction) -> (SegReg, u64) {
        (self.data_segment(i), self.ea_offset(i))
    }

    /// The segment of `i`'s memory operand. In 64-bit mode the prefixes of ES, CS, SS and DS mean nothing (SDM volume 1, 3.3.4).
    #[must_use]
    #[inline]
    pub fn data_segment(&self, i: &Instruction) -> SegReg {
        match i.segment_prefix() {
            Register::ES | Register::CS | Register::SS | Register::DS
                if self.s.in_64_bit_mode() =>
            {
                match i.memory_base() {
                    Register::RSP | Register::ESP | Register::RBP | Register::EBP => SegReg::Ss,
                    _ => SegReg::Ds,
                }
            }
            _ => seg_of(i.memory_segment()),
        }
    }

    /// The offset alone (LEA).
    #[must_use]
    #[inline]
    pub fn ea_offset(&self, i: &Instruction) -> u64 {
        let base = address_part(self.s, i.memory_base());
        let index = address_part(self.s, i.memory_index());
        let sum = base
            .wrapping_add(index.wrapping_mul(u64::from(i.memory_index_scale())))
            .wrapping_add(i.memory_displacement64());
        sum & offset_mask(i)
    }

    /// A general register of `size` bytes.
    #[must_use]
    #[inline]
    pub fn reg(&self, r: Register, size: u32) -> u64 {
        read_gpr(self.s, r, size)
    }

    /// Sets a general register of `size` bytes.
    #[inline]
    pub fn set_reg(&mut self, r: Register, size: u32, value: impl Into<u64>) {
        write_gpr(self.s, r, size, value.into());
    }

    /// The low `size` bytes of register `r`, zero-extended.
    #[must_use]
    #[inline]
    pub fn gpr_low(&self, r: Gpr, size: u32) -> u64 {
        self.s.gpr[r as usize] & mask(size)
    }

    /// Replaces the low `size` bytes of register `r`.
    #[inline]
    pub fn set_gpr_low(&mut self, r: Gpr, size: u32, value: impl Into<u64>) {
        write_gpr_low(&mut self.s.gpr[r as usize], size, value.into());
    }

    /// Reads operand `n` of `size` bytes: a general register, memory or an immediate (sign-extended
    /// as its kind says, then cut to `size`).
    ///
    /// # Errors
    /// As [`Ctx::read_mem`].
    #[inline]
    pub fn read_op(&mut self, i: &Instruction, n: u32, size: u32) -> Result<u64, Exception> {
        match i.op_kind(n) {
            OpKind::Register => Ok(self.reg(i.op_register(n), size)),
            OpKind::Memory => {
                let (seg, off) = self.ea(i);
                self.read_sized(seg, off, size)
            }
            _ => Ok(i.immediate(n) & mask(size)),
        }
    }

    /// Writes operand `n` of `size` bytes: a general register or memory.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`]; nothing was written then.
    #[inline]
    pub fn write_op(
        &mut self,
        i: &Instruction,
        n: u32,
        size: u32,
        value: impl Into<u64>,
    ) -> Result<(), Exception> {
        if i.op_kind(n) == OpKind::Register {
            self.set_reg(i.op_register(n), size, value);
            return Ok(());
        }
        let (seg, off) = self.ea(i);
        self.write_sized(seg, off, size, value.into())
    }

    /// Opens operand 0 for a read-modify-write: memory is checked for writing first, so that the
    /// instruction faults as a write before it has read. Returns the place and the old value.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`].
    #[inline]
    pub fn open(&mut self, i: &Instruction, size: u32) -> Result<(Place, u64), Exception> {
        if i.op0_kind() == OpKind::Register {
            let r = i.op0_register();
            return Ok((Place::Reg(r), self.reg(r, size)));
        }
        let (seg, off) = self.ea(i);
        self.open_at(seg, off, size)
    }

    /// [`Ctx::open`] for memory at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`].
    #[inline]
    pub fn open_at(&mut self, seg: SegReg, off: u64, size: u32) -> Result<(Place, u64), Exception> {
        self.probe_write(seg, off, size)?;
        Ok((Place::Mem(seg, off), self.read_sized(seg, off, size)?))
    }

    /// Writes back to a place that [`Ctx::open`] gave.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`]; after `open` only a bus whose rights change in between raises any.
    #[inline]
    pub fn close(&mut self, place: Place, size: u32, value: u64) -> Result<(), Exception> {
        match place {
            Place::Reg(r) => {
                self.set_reg(r, size, value);
                Ok(())
            }
            Place::Mem(seg, off) => self.write_sized(seg, off, size, value),
        }
    }
}
