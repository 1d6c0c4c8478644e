//! Tools to make a case of another one: other bytes at another start, another end.

use super::moo::{Case, State, reg};
use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, Register};

/// The vectors, by the names that the SDM has for them.
pub(super) mod vector {
    /// Divide error.
    pub const DE: u8 = 0;
    /// Invalid opcode.
    pub const UD: u8 = 6;
    /// Stack-segment fault.
    pub const SS: u8 = 12;
    /// General protection.
    pub const GP: u8 = 13;
}

/// One byte more than any processor takes.
pub(super) const TOO_LONG: usize = 16;
/// The instruction that ends each test.
pub(super) const HLT: u8 = 0xf4;
/// FLAGS bits that an interrupt in real mode clears: TF and IF.
const CLEARED: u32 = 0x300;

/// The case's instruction.
pub(super) fn decode(case: &Case) -> Instruction {
    Decoder::new(16, &case.bytes, DecoderOptions::NONE).decode()
}

/// How many of the case's first bytes are prefixes of a 286.
pub(super) fn prefixes(case: &Case) -> usize {
    let prefix = |b: &&u8| matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0xf0 | 0xf2 | 0xf3);
    case.bytes.iter().take_while(prefix).count()
}

/// The physical address of a real-mode one.
pub(super) fn linear(segment: u32, offset: u32) -> u32 {
    (segment << 4) + (offset & 0xffff)
}

/// Where interrupt `vector`'s entry of the real-mode table is.
pub(super) fn entry(vector: u8) -> u32 {
    4 * u32::from(vector)
}

/// Whether the case lists the byte at `at`, before or after.
pub(super) fn lists(case: &Case, at: u32) -> bool {
    case.before.byte(at).is_some() || case.after.byte(at).is_some()
}

/// Puts `bytes` where CS:IP of the case points.
pub(super) fn place(case: &mut Case, bytes: Vec<u8>) {
    for (at, byte) in (case.start(reg::EIP)..).zip(&bytes) {
        let at = linear(case.start(reg::CS), at);
        case.before.set_byte(at, *byte);
    }
    case.bytes = bytes;
}

/// The case with so many more of its first prefix that no processor takes it.
pub(super) fn longer(case: &Case) -> Case {
    let mut new = case.clone();
    let length = case.bytes.len() - 1;
    let mut bytes = vec![case.bytes[0]; TOO_LONG.saturating_sub(length)];
    bytes.extend(&case.bytes);
    place(&mut new, bytes);
    new
}

/// The case with `bytes` as its instruction, which ends where the captured one ends, so that a return address is the same.
pub(super) fn rewritten(case: &Case, bytes: Vec<u8>) -> Case {
    let mut new = case.clone();
    let old = case.start(reg::EIP);
    let shift = (case.bytes.len() as u32).wrapping_sub(bytes.len() as u32);
    let start = old.wrapping_add(shift) & 0xffff;
    new.before.regs[reg::EIP] = Some(start);
    new.after.regs[reg::EIP] = Some(case.end(reg::EIP));
    place(&mut new, bytes);
    if case.exception.is_some() {
        // A fault pushes the start of the instruction.
        let at = [0, 1].map(|k| linear(case.end(reg::SS), case.end(reg::ESP).wrapping_add(k)));
        let pushed = u16::from_le_bytes(at.map(|at| case.end_byte(at)));
        if u32::from(pushed) == old {
            for (at, byte) in at.into_iter().zip((start as u16).to_le_bytes()) {
                new.after.set_byte(at, byte);
            }
        }
    }
    new
}

/// The case as it must end when its instruction raises `vector` and, as a fault does, changes nothing else
/// (SDM volume 3A, 6.5): a frame, and the HLT where the vector leads.
pub(super) fn faulted(case: &Case, vector: u8) -> Option<Case> {
    let mut new = Case { after: State::default(), ..case.clone() };
    let sp = case.start(reg::ESP);
    let flags = case.start(reg::EFLAGS) & 0xffff;
    let frame = [case.start(reg::EIP), case.start(reg::CS), flags];
    for (above, word) in (0u32..).step_by(2).zip(frame) {
        let at = sp.wrapping_sub(6).wrapping_add(above);
        for (k, byte) in (0u32..).zip((word as u16).to_le_bytes()) {
            new.after.set_byte(linear(case.start(reg::SS), at.wrapping_add(k)), byte);
        }
    }
    let leads = (0..4).map(|k| case.before.byte(entry(vector) + k).map(u32::from));
    let leads = leads.collect::<Option<Vec<u32>>>()?;
    let (ip, cs) = (leads[0] | leads[1] << 8, leads[2] | leads[3] << 8);
    new.after.regs[reg::ESP] = Some(sp.wrapping_sub(6) & 0xffff);
    new.after.regs[reg::CS] = Some(cs);
    new.after.regs[reg::EIP] = Some((ip + 1) & 0xffff);
    new.after.regs[reg::EFLAGS] = Some(flags & !CLEARED);
    new.exception = Some((vector, linear(case.start(reg::SS), sp.wrapping_sub(2))));
    Some(new)
}

/// The case with interrupt `to` leading where `from` leads.
pub(super) fn redirected(mut case: Case, from: u8, to: u8) -> Case {
    for k in 0..4 {
        let byte = case.before.byte(entry(from) + k).unwrap_or(0);
        case.before.set_byte(entry(to) + k, byte);
    }
    case
}

/// The case with the FLAGS from before the instruction in its frame and at its end.
pub(super) fn flags_kept(mut case: Case) -> Case {
    let flags = case.start(reg::EFLAGS) & 0xffff;
    let top = case.end(reg::ESP).wrapping_add(4);
    for (k, byte) in (0u32..).zip((flags as u16).to_le_bytes()) {
        let at = linear(case.end(reg::SS), top.wrapping_add(k));
        case.after.set_byte(at, byte);
    }
    case.after.regs[reg::EFLAGS] = Some(flags & !CLEARED);
    case
}

/// The value before the instruction of the register `r`, a segment or one of 16 or 8 bits.
fn value(case: &Case, r: Register) -> Option<u32> {
    use Register as R;
    const WIDE: [(Register, usize); 14] = [
        (R::AX, 2),
        (R::BX, 3),
        (R::CX, 4),
        (R::DX, 5),
        (R::SI, 6),
        (R::DI, 7),
        (R::BP, 8),
        (R::SP, 9),
        (R::CS, 10),
        (R::DS, 11),
        (R::ES, 12),
        (R::FS, 13),
        (R::GS, 14),
        (R::SS, 15),
    ];
    const BYTES: [(Register, usize, u32); 8] = [
        (R::AL, 2, 0),
        (R::BL, 3, 0),
        (R::CL, 4, 0),
        (R::DL, 5, 0),
        (R::AH, 2, 8),
        (R::BH, 3, 8),
        (R::CH, 4, 8),
        (R::DH, 5, 8),
    ];
    let wide = WIDE.iter().find(|(wide, _)| *wide == r).map(|(_, n)| case.start(*n) & 0xffff);
    let byte = BYTES.iter().find(|(byte, ..)| *byte == r);
    wide.or(byte.map(|(_, n, shift)| case.start(*n) >> shift & 0xff))
}

/// Segment register and offset of the memory operand of `instruction`.
pub(super) fn address(case: &Case, instruction: &Instruction) -> Option<(Register, u32)> {
    let part = |r| if r == Register::None { Some(0) } else { value(case, r) };
    let base = part(instruction.memory_base())?;
    let index = part(instruction.memory_index())?;
    let offset = base.wrapping_add(index).wrapping_add(instruction.memory_displacement32());
    Some((instruction.memory_segment(), offset & 0xffff))
}

/// The physical address of byte `offset` in `segment`.
pub(super) fn physical(case: &Case, segment: Register, offset: u32) -> Option<u32> {
    value(case, segment).map(|segment| linear(segment, offset))
}

/// What the operand `n` of `instruction`, a byte, is before it.
pub(super) fn byte_operand(case: &Case, instruction: &Instruction, n: u32) -> Option<u8> {
    match instruction.op_kind(n) {
        OpKind::Register => value(case, instruction.op_register(n)).map(|v| v as u8),
        OpKind::Memory => {
            let (segment, offset) = address(case, instruction)?;
            case.before.byte(physical(case, segment, offset)?)
        }
        _ => None,
    }
}
