//! The bytes of one random instruction of a given form.
//!
//! Bytes are put together from the form's own description (opcode, prefixes, operand kinds), not by
//! an encoder, so that every encoding of an operand occurs: redundant prefixes, a SIB byte without
//! an index, wide displacements of small value, unused bits. What comes out is decoded again: a case
//! is always of the form that was asked for (or, by choice, that form with an illegal LOCK).

use crate::rng::Rng;
use crate::values::integer;
use OpCodeOperandKind as K;
use iced_x86::{
    Code, Decoder, DecoderOptions, EncodingKind, Instruction, InstructionInfoFactory,
    MandatoryPrefix, OpCodeInfo, OpCodeOperandKind, OpCodeTableKind, Register,
};
use std::ops::Range;

/// The longest instruction (SDM volume 2, 2.3.11).
const LONGEST: usize = 15;
/// Attempts before a form is given up: constraints can leave nothing over.
const ATTEMPTS: u32 = 64;

/// What instructions may look like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// 16, 32 or 64.
    pub bitness: u32,
    /// Offset of the instruction in CS; branch targets depend on it.
    pub eip: u32,
    /// Offsets that an address without registers may take, each range as likely as the others.
    /// With 16-bit addressing only what lies under 64 KiB counts.
    pub targets: Vec<Range<u32>>,
    /// Segment override prefixes that may occur (ES, CS, SS, DS, FS, GS as bits 0 to 5).
    pub segments: u8,
    /// General registers that must neither be read nor written, as bits 0 (EAX) to 7 (EDI).
    pub avoid: u8,
    /// Whether addresses of the other size (prefix 67h) may occur.
    pub other_address_size: bool,
    /// Whether LOCK may stand where it raises #UD.
    pub illegal_lock: bool,
    /// Whether instructions of 16 bytes may occur, by repeated prefixes: #GP. Those of just 15 may
    /// always.
    pub overlong: bool,
    /// Distances of branches, from the end of the instruction.
    pub branch: Range<i32>,
}

impl Shape {
    /// Everything allowed, in `bitness`-bit code at `eip`; addresses without registers in `targets`.
    #[must_use]
    pub fn new(bitness: u32, eip: u32, targets: Vec<Range<u32>>) -> Self {
        Self {
            bitness,
            eip,
            targets,
            segments: 0x3f,
            avoid: 0,
            other_address_size: true,
            illegal_lock: true,
            overlong: false,
            branch: -128..128,
        }
    }

    /// Whether addresses have more than 16 bits, with or without the prefix 67h.
    fn is_wide(&self, prefixed: bool) -> bool {
        self.bitness == 64 || (self.bitness == 32) != prefixed
    }

    fn target(&self, rng: &mut Rng, wide: bool) -> u32 {
        let end = if wide { u32::MAX } else { 0x1_0000 };
        let fits: Vec<_> = self.targets.iter().filter(|r| r.end <= end && !r.is_empty()).collect();
        if fits.is_empty() || rng.one_in(16) {
            return if wide { rng.word() } else { rng.word() & 0xffff };
        }
        let range = fits[rng.below(fits.len() as u32) as usize];
        range.start + rng.below(range.end - range.start)
    }
}

/// One instruction.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its bytes, at most 15, or 16 when it is overlong.
    pub bytes: Vec<u8>,
    /// As decoded; with an illegal LOCK or overlong, what it would be without.
    pub instruction: Instruction,
    /// It carries a LOCK that it may not: #UD.
    pub illegal_lock: bool,
    /// It has 16 bytes: #GP.
    pub overlong: bool,
}

/// A random instruction of the form `code`. `None` when `shape` allows none.
#[must_use]
pub fn generate(rng: &mut Rng, code: Code, shape: &Shape) -> Option<Case> {
    let mut factory = InstructionInfoFactory::new();
    (0..ATTEMPTS).find_map(|_| {
        let op = code.op_code();
        let mut bytes = Writer { rng: &mut *rng, op, shape, out: Vec::with_capacity(16) }.write();
        let overlong = rng.one_in(64) && lengthen(rng, &mut bytes, shape);
        let without = if overlong { bytes.len() - LONGEST } else { 0 };
        let mut case = judge(&bytes[without..], code, shape)?;
        (case.bytes, case.overlong) = (bytes, overlong);
        let used = factory.info(&case.instruction).used_registers();
        let touched = used.iter().fold(0, |bits, used| bits | bit_of(used.register()));
        (touched & u16::from(shape.avoid) == 0).then_some(case)
    })
}

/// Decodes `bytes` and accepts them when they are of the form `code`.
fn judge(bytes: &[u8], code: Code, shape: &Shape) -> Option<Case> {
    if bytes.len() > LONGEST {
        return None;
    }
    let decode =
        |options| Decoder::with_ip(shape.bitness, bytes, u64::from(shape.eip), options).decode();
    let strict = decode(DecoderOptions::NONE);
    let lenient = decode(DecoderOptions::NO_INVALID_CHECK);
    let illegal_lock = strict.is_invalid() && lenient.has_lock_prefix();
    let instruction = if illegal_lock { lenient } else { strict };
    let fits = instruction.code() == code && instruction.len() == bytes.len();
    (fits && (shape.illegal_lock || !illegal_lock)).then_some(Case {
        bytes: Vec::new(),
        instruction,
        illegal_lock,
        overlong: false,
    })
}

/// Repeats prefixes until there are 15 bytes, or 16 if `shape` allows; whether there are 16.
fn lengthen(rng: &mut Rng, bytes: &mut Vec<u8>, shape: &Shape) -> bool {
    let overlong = shape.overlong && rng.one_in(2);
    let len = LONGEST + usize::from(overlong);
    let first = bytes.first().copied().unwrap_or(0);
    let prefix = if matches!(first, 0x66 | 0x67 | 0xf2 | 0xf3) { first } else { 0x3e };
    let missing = len.saturating_sub(bytes.len());
    bytes.splice(0..0, std::iter::repeat_n(prefix, missing));
    overlong && bytes.len() == len
}

fn bit_of(register: Register) -> u16 {
    let full = register.full_register32();
    if full.is_gpr32() { 1 << full.number() } else { 0 }
}

/// Operands in a VEX prefix.
const SECOND: &[K] = &[K::r32_vvvv, K::r64_vvvv, K::xmm_vvvv, K::ymm_vvvv];
/// Addresses with a vector of indexes.
const VECTOR_INDEX: &[K] = &[K::mem_vsib32x, K::mem_vsib32y, K::mem_vsib64x, K::mem_vsib64y];

struct Writer<'a> {
    rng: &'a mut Rng,
    op: &'static OpCodeInfo,
    shape: &'a Shape,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn write(mut self) -> Vec<u8> {
        let wide = self.prefixes();
        self.rex();
        self.opcode(wide);
        self.immediates();
        self.out
    }

    fn has(&self, list: &[K]) -> bool {
        self.op.op_kinds().iter().any(|k| list.contains(k))
    }

    /// Writes prefixes in random order; whether addresses have 32 bits.
    fn prefixes(&mut self) -> bool {
        let (op, shape) = (self.op, self.shape);
        let mut list: Vec<u8> = Vec::new();
        // (In 64-bit code operands have 32 bits without a prefix, and 64 by REX.)
        let plain = shape.bitness.min(32);
        let other_size = !matches!(op.operand_size(), 0 | 64) && op.operand_size() != plain;
        let free = op.operand_size() == 0 && op.mandatory_prefix() == MandatoryPrefix::None;
        if other_size || (free && self.rng.one_in(16)) {
            list.push(0x66);
        }
        let other_address = match op.address_size() {
            0 => shape.other_address_size && self.rng.one_in(8),
            size => size != shape.bitness,
        };
        if other_address {
            list.push(0x67);
        }
        let vex = op.encoding() == EncodingKind::VEX;
        if vex {
            list.retain(|prefix| *prefix != 0x66);
        } else {
            self.repeats(&mut list);
        }
        let may_lock = op.can_use_lock_prefix();
        if (may_lock && self.rng.one_in(3)) || (shape.illegal_lock && self.rng.one_in(64)) {
            list.push(0xf0);
        }
        if shape.segments != 0 && self.rng.one_in(8) {
            let n = self.rng.below(6) as usize;
            if shape.segments >> n & 1 != 0 {
                list.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][n]);
            }
        }
        while !list.is_empty() {
            let k = self.rng.below(list.len() as u32) as usize;
            let prefix = list.swap_remove(k);
            self.out.push(prefix);
            if self.rng.one_in(64) && prefix != 0xf0 {
                self.out.push(prefix); // The same once more.
            }
        }
        shape.is_wide(other_address)
    }

    /// The REX prefix of 64-bit code, which stands right before the opcode.
    fn rex(&mut self) {
        if self.shape.bitness != 64 || self.op.encoding() == EncodingKind::VEX {
            return;
        }
        let implied = self.op.default_op_size64() || self.op.force_op_size64();
        let wide = (self.op.operand_size() == 64 && !implied) || self.op.w() == 1;
        let free = self.op.operand_size() == 0 && self.rng.one_in(16);
        if wide || free || self.rng.one_in(2) {
            let bits = self.rng.byte() & 7;
            self.out.push(0x40 | u8::from(wide || free) << 3 | bits);
        }
    }

    fn repeats(&mut self, list: &mut Vec<u8>) {
        let op = self.op;
        match op.mandatory_prefix() {
            MandatoryPrefix::P66 => list.push(0x66),
            MandatoryPrefix::PF2 => list.push(0xf2),
            MandatoryPrefix::PF3 => list.push(0xf3),
            MandatoryPrefix::PNP => {}
            MandatoryPrefix::None => {
                let string = op.can_use_rep_prefix();
                if (string && self.rng.one_in(2)) || self.rng.one_in(64) {
                    let prefix = self.rng.pick(&[0xf2, 0xf3]);
                    list.push(prefix);
                }
            }
        }
    }

    /// A VEX prefix: of two bytes where that can be, mostly. The bits that extend registers in 64-bit code are random there;
    /// else they are 1, or in three bytes, where 32-bit code ignores them, sometimes 0.
    fn vex(&mut self) {
        let op = self.op;
        let map = match op.table() {
            OpCodeTableKind::T0F38 => 2,
            OpCodeTableKind::T0F3A => 3,
            _ => 1,
        };
        let pp = match op.mandatory_prefix() {
            MandatoryPrefix::P66 => 1,
            MandatoryPrefix::PF3 => 2,
            MandatoryPrefix::PF2 => 3,
            _ => 0,
        };
        let length = if op.is_lig() { self.rng.byte() & 1 } else { op.l() as u8 };
        let second = op.op_kinds().iter().any(|kind| SECOND.contains(kind));
        let long = self.shape.bitness == 64;
        let any = if long { self.rng.byte() & 15 } else { 8 | self.rng.byte() & 7 };
        let third = if second { any } else { 15 };
        let low = third << 3 | length << 2 | pp;
        let free = op.is_wig() || (op.is_wig32() && !long);
        let wide = if free { self.rng.one_in(4) } else { op.w() != 0 };
        let extended = if long { self.rng.byte() & 0xe0 } else { 0xc0 };
        if map == 1 && !wide && !self.rng.one_in(4) {
            self.out.extend([0xc5, extended & 0x80 | low]);
        } else {
            let base = if self.rng.one_in(8) { 0 } else { 0x20 };
            let extended = if long { extended } else { extended | base };
            self.out.extend([0xc4, extended | map, u8::from(wide) << 7 | low]);
        }
    }

    fn opcode(&mut self, wide: bool) {
        let op = self.op;
        if op.encoding() == EncodingKind::VEX {
            self.vex();
            self.out.push(op.op_code() as u8);
            return self.modrm(wide);
        }
        match op.table() {
            OpCodeTableKind::T0F => self.out.push(0x0f),
            OpCodeTableKind::T0F38 => self.out.extend([0x0f, 0x38]),
            OpCodeTableKind::T0F3A => self.out.extend([0x0f, 0x3a]),
            _ => {}
        }
        const IN_OPCODE: &[K] =
            &[K::r8_opcode, K::r16_opcode, K::r32_opcode, K::r64_opcode, K::sti_opcode];
        let in_opcode = self.has(IN_OPCODE);
        let low = if in_opcode { self.rng.byte() & 7 } else { 0 };
        if op.op_code_len() == 2 {
            self.out.push((op.op_code() >> 8) as u8);
        }
        self.out.push(op.op_code() as u8 | low);
        self.modrm(wide);
    }

    fn modrm(&mut self, wide: bool) {
        const MEMORY: &[K] =
            &[K::mem, K::mem_vsib32x, K::mem_vsib32y, K::mem_vsib64x, K::mem_vsib64y];
        const EITHER: &[K] = &[
            K::r8_or_mem,
            K::r16_or_mem,
            K::r32_or_mem,
            K::r64_or_mem,
            K::mm_or_mem,
            K::xmm_or_mem,
            K::ymm_or_mem,
        ];
        const REGISTER: &[K] = &[K::r16_rm, K::r32_rm, K::r64_rm, K::mm_rm, K::xmm_rm, K::ymm_rm];
        const FIELD: &[K] =
            &[K::r8_reg, K::r16_reg, K::r32_reg, K::r64_reg, K::mm_reg, K::xmm_reg, K::ymm_reg];
        const SPECIAL: &[K] = &[K::seg_reg, K::cr_reg, K::dr_reg];
        let op = self.op;
        let two_bytes = op.op_code_len() == 2;
        let present = op.is_group() || [MEMORY, EITHER, REGISTER].iter().any(|l| self.has(l));
        if two_bytes || (!present && !self.has(FIELD) && !self.has(SPECIAL)) {
            return;
        }
        let random = self.rng.byte() & 7;
        let reg = if op.is_group() { op.group_index() as u8 } else { random };
        let memory = self.has(MEMORY) || (self.has(EITHER) && self.rng.below(8) < 5);
        if memory {
            self.memory(reg, wide);
        } else {
            let rm = if op.is_rm_group() { op.rm_group_index() as u8 } else { self.rng.byte() & 7 };
            // MOV to and from control registers ignores the mod field.
            let mode = if op.ignores_mod_bits() { self.rng.byte() & 3 } else { 3 };
            self.out.push(mode << 6 | reg << 3 | rm);
        }
    }

    fn memory(&mut self, reg: u8, wide: bool) {
        let mode = self.rng.pick(&[0, 1, 1, 2]);
        let vector_index = self.has(VECTOR_INDEX);
        let rm = if vector_index { 4 } else { self.rng.byte() & 7 };
        self.out.push(mode << 6 | reg << 3 | rm);
        let mut no_base = mode == 0 && rm == if wide { 5 } else { 6 };
        if wide && rm == 4 {
            let sib = self.rng.byte();
            self.out.push(sib);
            no_base = mode == 0 && sib & 7 == 5;
        }
        if no_base {
            let mut at = self.shape.target(self.rng, wide);
            if self.shape.bitness == 64 && rm == 5 {
                // From the end of the instruction, about.
                let behind = self.shape.eip + self.out.len() as u32 + 4;
                at = at.wrapping_sub(behind);
            }
            self.out.extend(&at.to_le_bytes()[..if wide { 4 } else { 2 }]);
        } else if mode == 1 {
            let at = integer(self.rng);
            self.out.push(at as u8);
        } else if mode == 2 {
            let at = if self.rng.one_in(2) { self.rng.below(64) } else { integer(self.rng) };
            self.out.extend(&at.to_le_bytes()[..if wide { 4 } else { 2 }]);
        }
    }

    fn immediates(&mut self) {
        for &kind in self.op.op_kinds() {
            let value = integer(self.rng).to_le_bytes();
            match kind {
                K::imm8 | K::imm8sex16 | K::imm8sex32 | K::imm8sex64 => {
                    let small = self.rng.one_in(2);
                    self.out.push(if small { value[0] & 0x3f } else { value[0] });
                }
                K::imm16 => self.out.extend(&value[..2]),
                K::imm32 | K::imm32sex64 => self.out.extend(value),
                K::imm64 => {
                    self.out.extend(value);
                    let high = integer(self.rng);
                    self.out.extend(high.to_le_bytes());
                }
                K::br16_1 | K::br32_1 | K::br64_1 => self.branch(1),
                K::br16_2 => self.branch(2),
                K::br32_4 | K::br64_4 => self.branch(4),
                K::farbr2_2 => {
                    self.out.extend(&value[..2]);
                    self.selector();
                }
                K::farbr4_2 => {
                    self.out.extend(value);
                    self.selector();
                }
                K::mem_offs => {
                    let prefixed = self.out.contains(&0x67);
                    let wide = self.shape.is_wide(prefixed);
                    let at = self.shape.target(self.rng, wide);
                    self.out.extend(&at.to_le_bytes()[..if wide { 4 } else { 2 }]);
                    if self.shape.bitness == 64 && !prefixed {
                        self.out.extend([0; 4]);
                    }
                }
                // The fourth operand, in the high half.
                K::xmm_is4 | K::ymm_is4 => {
                    let high = if self.shape.bitness == 64 { 0xf0 } else { 0x70 };
                    self.out.push(value[0] << 4 & high);
                }
                _ => {}
            }
        }
    }

    fn selector(&mut self) {
        let value = integer(self.rng).to_le_bytes();
        self.out.extend(&value[..2]);
    }

    fn branch(&mut self, size: usize) {
        let Range { start, end } = self.shape.branch;
        let (start, end) = if size == 1 { (start.max(-128), end.min(128)) } else { (start, end) };
        let span = (end.max(start) - start) as u32;
        let distance = start.wrapping_add(self.rng.below(span) as i32);
        self.out.extend(&distance.to_le_bytes()[..size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Class, rows};
    use ringer_cpu::CpuModel;

    #[test]
    fn every_row_can_be_generated_in_both_sizes() {
        let mut rng = Rng::new(3);
        let sizes = [16, 32].into_iter();
        for (bitness, model) in sizes.flat_map(|n| [(n, CpuModel::PENTIUM4), (n, CpuModel::MAX)]) {
            let shape = Shape::new(bitness, 0x1000, vec![0x2000..0x3000, 0x40_0000..0x41_0000]);
            let all = rows(model.features(), bitness);
            assert!(all.len() > 900, "{} rows", all.len());
            let none: Vec<Code> = all
                .iter()
                .map(|row| row.code)
                // (Constraints on operands leave few encodings of some.)
                .filter(|&code| (0..4).all(|_| generate(&mut rng, code, &shape).is_none()))
                .collect();
            assert_eq!(none, [], "rows without a case in {bitness}-bit code");
        }
    }

    #[test]
    fn every_kind_of_prefix_and_addressing_form_occurs() {
        let mut rng = Rng::new(4);
        let shape = Shape::new(32, 0x1000, vec![0x2000..0x3000, 0x5000..0x6000]);
        let mut seen = [0u32; 8];
        for _ in 0..4000 {
            let case = generate(&mut rng, Code::Add_rm32_r32, &shape).unwrap();
            let i = &case.instruction;
            let memory = i.op0_kind() == iced_x86::OpKind::Memory;
            let facts = [
                !memory,
                memory && i.memory_base() == Register::None,
                i.memory_index() != Register::None && i.memory_index_scale() == 8,
                i.memory_displ_size() == 1,
                i.memory_base().is_gpr16(),
                i.has_lock_prefix() && !case.illegal_lock,
                case.illegal_lock,
                i.segment_prefix() != Register::None,
            ];
            for (count, fact) in seen.iter_mut().zip(facts) {
                *count += u32::from(fact);
            }
        }
        assert!(seen.iter().all(|&n| n > 8), "{seen:?}");
    }

    #[test]
    fn the_longest_instructions_occur_and_longer_ones_by_choice() {
        let mut rng = Rng::new(8);
        let mut shape = Shape::new(32, 0x1000, vec![0x2000..0x3000, 0x5000..0x6000]);
        for overlong in [false, true] {
            shape.overlong = overlong;
            let mut seen = [0; 18];
            for _ in 0..4000 {
                let case = generate(&mut rng, Code::Add_rm32_r32, &shape).unwrap();
                assert_eq!(case.overlong, case.bytes.len() == 16);
                seen[case.bytes.len()] += 1;
            }
            assert!(seen[15] > 8 && (seen[16] > 8) == overlong && seen[17] == 0, "{seen:?}");
        }
    }

    #[test]
    fn avoided_registers_do_not_occur() {
        let mut rng = Rng::new(5);
        let mut shape = Shape::new(32, 0x1000, vec![0x2000..0x3000, 0x5000..0x6000]);
        shape.avoid = 1 << 4;
        let users = rows(CpuModel::PENTIUM4.features(), 32);
        let mut factory = InstructionInfoFactory::new();
        for row in users.iter().filter(|r| r.class == Class::User) {
            if let Some(case) = generate(&mut rng, row.code, &shape) {
                let info = factory.info(&case.instruction);
                assert!(info.used_registers().iter().all(|r| bit_of(r.register()) != 1 << 4));
            }
        }
    }
}
