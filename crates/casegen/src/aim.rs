//! Register values that make the memory operands of an instruction reach a wanted offset.

use crate::rng::Rng;
use iced_x86::{Instruction, Mnemonic, OpAccess, OpKind, Register};
use iced_x86::{InstructionInfoFactory, UsedMemory};

const ESP: usize = 4;

/// Changes `gpr` (in encoding order) so that the explicit memory operand of `instruction` has the
/// offset `target` in its segment, as nearly as its addressing form allows. The bit offset of BT and
/// its like counts: the byte that is touched lies at `target`, give or take three bytes.
///
/// Registers that no address needs stay as they are. An operand without registers stays where it is.
pub fn aim(rng: &mut Rng, instruction: &Instruction, gpr: &mut [u32; 8], target: u32) {
    let explicit = (0..instruction.op_count()).any(|k| instruction.op_kind(k) == OpKind::Memory);
    if explicit {
        let target = target.wrapping_sub(bit_string_offset(instruction, gpr));
        aim_explicit(rng, instruction, gpr, target);
        return;
    }
    for k in 0..instruction.op_count() {
        match instruction.op_kind(k) {
            OpKind::MemorySegSI | OpKind::MemoryESDI => {
                // Both ends of a string instruction get targets of their own.
                let which = if instruction.op_kind(k) == OpKind::MemorySegSI { 6 } else { 7 };
                set16(gpr, which, target);
            }
            OpKind::MemorySegESI => gpr[6] = target,
            OpKind::MemoryESEDI => gpr[7] = target.wrapping_add(rng.below(4)),
            OpKind::MemorySegDI => set16(gpr, 7, target),
            OpKind::MemorySegEDI => gpr[7] = target,
            _ => {}
        }
    }
}

fn set16(gpr: &mut [u32; 8], which: usize, low: u32) {
    gpr[which] = gpr[which] & 0xffff_0000 | low & 0xffff;
}

/// What a register bit offset adds to the address (BT, BTS, BTR, BTC with memory).
fn bit_string_offset(i: &Instruction, gpr: &[u32; 8]) -> u32 {
    let bits = matches!(i.mnemonic(), Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc);
    if !bits || i.op1_kind() != OpKind::Register {
        return 0;
    }
    let value = gpr[i.op1_register().number()];
    if i.op1_register().is_gpr16() {
        ((value as i16 >> 4) * 2) as u32
    } else {
        ((value as i32 >> 5) * 4) as u32
    }
}

fn aim_explicit(rng: &mut Rng, i: &Instruction, gpr: &mut [u32; 8], target: u32) {
    let (base, index) = (i.memory_base(), i.memory_index());
    let displacement = i.memory_displacement32();
    let scale = i.memory_index_scale();
    let left = target.wrapping_sub(displacement);
    if index.is_vector_register() {
        if base != Register::None {
            gpr[base.number()] = left;
        }
        return;
    }
    if base.is_gpr16() || index.is_gpr16() {
        let from = if index == Register::None || !base.is_gpr16() {
            0
        } else {
            gpr[index.number()] & 0xffff
        };
        let which = if base.is_gpr16() { base } else { index };
        set16(gpr, which.number(), left.wrapping_sub(from));
        return;
    }
    match (base, index) {
        (Register::None, Register::None) => {}
        (Register::None, _) if i.mnemonic() == Mnemonic::Xlatb => {}
        (_, Register::None) => gpr[base.number()] = left,
        (Register::None, _) => gpr[index.number()] = left / scale,
        (b, x) if i.mnemonic() == Mnemonic::Xlatb => {
            let _ = x;
            gpr[b.number()] = left.wrapping_sub(gpr[0] & 0xff);
        }
        (b, x) if b == x => gpr[b.number()] = solve(left, scale + 1),
        (b, x) => {
            if rng.one_in(2) {
                gpr[x.number()] = rng.below(256);
            }
            gpr[b.number()] = left.wrapping_sub(gpr[x.number()].wrapping_mul(scale));
        }
    }
}

/// The `r` with `r * factor = left` (modulo 2^32); for the even factor 2 the nearest.
fn solve(left: u32, factor: u32) -> u32 {
    if factor.is_multiple_of(2) {
        return left / factor;
    }
    // Newton's iteration for the inverse modulo 2^32.
    let mut inverse = factor;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(factor.wrapping_mul(inverse)));
    }
    left.wrapping_mul(inverse)
}

/// [`aim`] in 64-bit code: `gpr` are RAX to R15, and `target` a linear address where segments have no base.
pub fn aim_64(rng: &mut Rng, i: &Instruction, gpr: &mut [u64; 16], target: u64) {
    let explicit = (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Memory);
    for k in 0..i.op_count() {
        match i.op_kind(k) {
            OpKind::MemorySegESI | OpKind::MemorySegRSI => gpr[6] = target,
            OpKind::MemoryESEDI | OpKind::MemoryESRDI => {
                gpr[7] = target.wrapping_add(u64::from(rng.below(4)));
            }
            OpKind::MemorySegEDI | OpKind::MemorySegRDI => gpr[7] = target,
            _ => {}
        }
    }
    let (base, index) = (i.memory_base(), i.memory_index());
    if !explicit || matches!(base, Register::RIP | Register::EIP) {
        return;
    }
    let scale = u64::from(i.memory_index_scale());
    let bits = matches!(i.mnemonic(), Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc);
    let mut left = target.wrapping_sub(i.memory_displacement64());
    if bits && i.op1_kind() == OpKind::Register {
        // The bit offset counts as far as the register has bits.
        let size = i.op1_register().size();
        let value = gpr[i.op1_register().number()] << (64 - 8 * size);
        let offset = value as i64 >> (64 - 8 * size) >> (8 * size).ilog2();
        left = left.wrapping_sub((offset * size as i64) as u64);
    }
    match (base, index) {
        (Register::None, Register::None) => {}
        (Register::None, x) if x.is_vector_register() => {}
        (b, x) if x.is_vector_register() => gpr[b.number()] = left,
        (_, Register::None) => gpr[base.number()] = left,
        (Register::None, _) => gpr[index.number()] = left / scale,
        (_, Register::AL) => gpr[base.number()] = left.wrapping_sub(gpr[0] & 0xff),
        (b, x) if b == x => gpr[b.number()] = left / (scale + 1),
        (b, x) => {
            if rng.one_in(2) {
                gpr[x.number()] = u64::from(rng.below(256));
            }
            gpr[b.number()] = left.wrapping_sub(gpr[x.number()].wrapping_mul(scale));
        }
    }
}

/// One range of bytes that an instruction touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Segment register.
    pub segment: Register,
    /// Offset of the first byte, before wrapping to the address size.
    pub offset: u32,
    /// Bytes; 0 when the decoder does not know (FXSAVE, FNSAVE and strings with REP among them).
    pub len: usize,
    /// Whether it is written.
    pub write: bool,
}

/// The memory that `instruction` touches with the registers `gpr`: for one iteration, when it
/// repeats.
#[must_use]
pub fn touches(
    factory: &mut InstructionInfoFactory,
    instruction: &Instruction,
    gpr: &[u32; 8],
) -> Vec<Touch> {
    let mut list: Vec<Touch> =
        factory.info(instruction).used_memory().iter().map(|m| touch(m, gpr)).collect();
    let shift = bit_string_offset(instruction, gpr);
    if shift != 0 {
        for touch in &mut list {
            touch.offset = touch.offset.wrapping_add(shift);
        }
    }
    list
}

fn touch(m: &UsedMemory, gpr: &[u32; 8]) -> Touch {
    let value = |register: Register| {
        let full = register.full_register32();
        let value = if full.is_gpr32() { gpr[full.number()] } else { 0 };
        match register.size() {
            1 => value & 0xff,
            2 => value & 0xffff,
            _ => value,
        }
    };
    let small = m.base().is_gpr16() || m.index().is_gpr16();
    let sum = value(m.base())
        .wrapping_add(value(m.index()).wrapping_mul(m.scale()))
        .wrapping_add(m.displacement() as u32);
    let write = matches!(
        m.access(),
        OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite
    );
    Touch {
        segment: m.segment(),
        offset: if small { sum & 0xffff } else { sum },
        len: m.memory_size().size(),
        write,
    }
}

/// Whether `instruction` uses the stack: a push, pop, call, return, ENTER or LEAVE.
#[must_use]
pub fn uses_stack(instruction: &Instruction) -> bool {
    instruction.is_stack_instruction()
}

/// Puts ESP (and EBP, which LEAVE and ENTER use) at `target`.
pub fn aim_stack(instruction: &Instruction, gpr: &mut [u32; 8], target: u32) {
    gpr[ESP] = target;
    if matches!(instruction.mnemonic(), Mnemonic::Leave | Mnemonic::Enter) {
        gpr[5] = target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Shape, generate};
    use iced_x86::Code;

    #[test]
    fn aimed_operands_hit_their_target() {
        let mut rng = Rng::new(6);
        let mut factory = InstructionInfoFactory::new();
        let shape = Shape::new(32, 0x1000, vec![0x5000..0x5800, 0x5800..0x6000]);
        let (mut hits, mut all) = (0, 0);
        for code in [Code::Mov_r32_rm32, Code::Bts_rm32_r32, Code::Movsd_m32_m32, Code::Xlat_m8] {
            for _ in 0..1000 {
                let case = generate(&mut rng, code, &shape).unwrap();
                let mut gpr = std::array::from_fn(|_| rng.word());
                let target = 0x5000 + rng.below(0x1000);
                aim(&mut rng, &case.instruction, &mut gpr, target);
                let touched = touches(&mut factory, &case.instruction, &gpr);
                all += touched.len();
                let near = |t: &&Touch| t.offset >= 0x5000 - 8 && t.offset < 0x6000 + 8;
                hits += touched.iter().filter(near).count();
            }
        }
        assert!(all > 3000 && hits * 100 > all * 93, "{hits} of {all}");
    }

    #[test]
    fn odd_factors_are_inverted() {
        for factor in [3, 5, 9] {
            assert_eq!(solve(0x1234_5678, factor).wrapping_mul(factor), 0x1234_5678);
        }
    }
}
