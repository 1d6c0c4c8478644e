//! One slot: an instruction and the states it runs with, all from the seed and the slot's number.

use crate::excuse;
use crate::layout::{
    ALL_SLOTS, CODE, CS16, CS32, PAGE, SLOT, SLOTS, STACK, TARGETS, WRITABLE_LEN, slot_at, tail,
};
use crate::wire::{Input, POOL};
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpCodeOperandKind, Register};
use ringer_casegen::aim::{aim, aim_stack, uses_stack};
use ringer_casegen::{Case, Class, Rng, Row, Shape, generate, rows, values};
use ringer_cpu::{CpuModel, Eflags, Features, FpuImage};

/// An instruction in its place.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Number of the slot in the run.
    pub number: u64,
    /// Index of its row.
    pub row: usize,
    /// The instruction, or the first of several.
    pub case: Case,
    /// What follows it in the slot.
    pub rest: Vec<Case>,
    /// Its linear address.
    pub at: u32,
    /// 16 or 32.
    pub bits: u32,
    /// Where in the pool its memory starts.
    pub memory: u32,
    /// Bytes of it that lie behind the end of a lone page.
    past: Option<u32>,
}

/// The rows that run natively in `bits`-bit code.
#[must_use]
pub fn native_rows(model: CpuModel, bits: u32) -> Vec<Row> {
    rows(model.features(), bits)
        .into_iter()
        .filter(|r| r.class == Class::User && !excuse::left_out(r.code, model.features()))
        .collect()
}

/// The pool of memory contents of a run.
#[must_use]
pub fn pool(seed: u64) -> Box<[u8; POOL]> {
    let mut out = vec![0; POOL].into_boxed_slice();
    values::memory(&mut Rng::of_case(seed, u64::MAX), &mut out);
    out.try_into().unwrap_or_else(|_| unreachable!("its length is POOL"))
}

impl Prepared {
    /// Slot `number` of the run with `seed`, over `rows` of `bits`-bit code, with up to `length`
    /// instructions. `None` when the row does not fit there.
    #[must_use]
    pub fn new(seed: u64, number: u64, rows: &[Row], bits: u32, length: u32) -> Option<Self> {
        let mut rng = Rng::of_case(seed, number);
        let n = (number % u64::from(ALL_SLOTS)) as u32;
        // Consecutive slots have different rows, and a row does not always meet the same place.
        let row = (number % rows.len() as u64) as usize;
        let base = code_base(bits);
        let mut shape = Shape::new(bits, slot_at(n.min(SLOTS - 1), 0, 0) - base, TARGETS.to_vec());
        shape.overlong = true;
        let mut case = generate(&mut rng, rows[row].code, &shape)?;
        let len = case.bytes.len() as u32;
        let mut past = None;
        if n >= SLOTS && bits == 16 {
            return None; // The lone pages lie beyond the segment's limit.
        }
        if n >= SLOTS {
            let out = if rng.one_in(3) || len == 1 { 0 } else { 1 + rng.below(len - 1) };
            if out == 0 && excuse::not_steppable(&case.instruction) {
                return None;
            }
            past = Some(out);
        }
        let at = slot_at(n, len, past.unwrap_or(0));
        if !case.illegal_lock && !case.overlong {
            case.instruction =
                Decoder::with_ip(bits, &case.bytes, u64::from(at - base), DecoderOptions::NONE)
                    .decode();
        }
        let memory = rng.below((POOL - WRITABLE_LEN) as u32) & !15;
        let rest =
            if n < SLOTS { follow(&mut rng, rows, &mut shape, &case, length) } else { vec![] };
        Some(Self { number, row, case, rest, at, bits, memory, past })
    }

    /// The bytes at its offset: the instruction and what brings the thread back.
    #[must_use]
    pub fn code(&self) -> Vec<u8> {
        let mut out = self.case.bytes.clone();
        out.extend(self.rest.iter().flat_map(|case| &case.bytes));
        out.extend(tail(self.bits));
        out
    }

    /// Bytes of the instructions.
    fn len(&self) -> u32 {
        (self.case.bytes.len() + self.rest.iter().map(|case| case.bytes.len()).sum::<usize>())
            as u32
    }

    /// The instruction that ended a case at offset `eip`, for the judgement of what it left behind:
    /// of several that completed none.
    #[must_use]
    pub fn ended_by(&self, eip: u32, completed: bool) -> Instruction {
        if self.rest.is_empty() {
            return self.case.instruction;
        }
        let all = std::iter::once(&self.case).chain(&self.rest).map(|case| case.instruction);
        let mut here = all.filter(|i| !completed && i.ip32() == eip);
        here.next().unwrap_or_default()
    }

    /// The `n`th state that it runs with.
    #[must_use]
    pub fn state(&self, seed: u64, n: u32) -> Input {
        let mut rng = Rng::of_case(!seed, self.number << 8 | u64::from(n));
        let i = &self.case.instruction;
        let mut gpr = std::array::from_fn(|_| values::integer(&mut rng));
        gpr[4] = stack_pointer(&mut rng);
        if (i.has_rep_prefix() || i.has_repne_prefix()) && !rng.one_in(8) {
            gpr[1] = rng.below(24);
        }
        if !self.rest.is_empty() {
            for register in [0, 1, 2, 3, 5, 6, 7] {
                if rng.below(4) != 0 {
                    gpr[register] = target(&mut rng);
                }
            }
        }
        if rng.below(16) != 0 {
            let target = target(&mut rng);
            aim(&mut rng, i, &mut gpr, target);
            if i.mnemonic() == Mnemonic::Enter || i.mnemonic() == Mnemonic::Leave {
                let at = stack_pointer(&mut rng);
                aim_stack(i, &mut gpr, at);
            }
        }
        if uses_stack(i) && rng.below(16) != 0 {
            gpr[4] = stack_pointer(&mut rng);
        }
        let step = excuse::branches(i)
            || self.past == Some(0)
            || (self.rest.is_empty() && rng.one_in(32) && !excuse::not_steppable(i));
        let ac = if self.rest.is_empty() && rng.one_in(64) { Eflags::AC.bits() } else { 0 };
        let eip = self.at - code_base(self.bits);
        let mut fpu = values::fpu(&mut rng);
        pointers(&mut rng, &mut fpu);
        let mut ymm = [[0; 16]; 8];
        if Features::of_host().contains(Features::AVX) {
            ymm = ymm.map(|_| values::vector(&mut rng));
        }
        let index = i.memory_index();
        if index.is_vector_register() && rng.below(8) != 0 {
            near_indexes(&mut rng, i, &mut fpu.0[160 + 16 * index.number()..][..16]);
            near_indexes(&mut rng, i, &mut ymm[index.number()]);
        }
        Input {
            fpu,
            ymm,
            gpr,
            eflags: values::eflags(&mut rng) | ac,
            eip,
            step: u32::from(step),
            next: eip + self.len(),
            cs: u32::from(if self.bits == 16 { CS16 } else { CS32 }),
            count: 1 + self.rest.len() as u32,
        }
    }

    /// The instruction's form.
    #[must_use]
    pub fn code_of(&self) -> Code {
        self.case.instruction.code()
    }

    /// The instruction.
    #[must_use]
    pub fn instruction(&self) -> &Instruction {
        &self.case.instruction
    }
}

/// Up to `length` - 1 more instructions behind `first`, as many as the slot holds.
fn follow(rng: &mut Rng, rows: &[Row], shape: &mut Shape, first: &Case, length: u32) -> Vec<Case> {
    let mut rest = Vec::new();
    if length < 2 || !excuse::in_a_row(first) {
        return rest;
    }
    let mut room = SLOT as usize - tail(shape.bitness).len() - first.bytes.len();
    shape.eip += first.bytes.len() as u32;
    for _ in 1..length {
        let row = rows[rng.below(rows.len() as u32) as usize];
        let Some(case) = generate(rng, row.code, shape) else { continue };
        if excuse::in_a_row(&case) && case.bytes.len() <= room && is_near(&case.instruction) {
            room -= case.bytes.len();
            shape.eip += case.bytes.len() as u32;
            rest.push(case);
        }
    }
    rest
}

/// With registers that point into the data pages its memory operand mostly lies there.
fn is_near(i: &Instruction) -> bool {
    let distance = i.memory_displacement32() as i32;
    i.memory_base() == Register::None
        || (i.memory_index() == Register::None && distance.unsigned_abs() < 256)
}

/// The base of the code segment.
fn code_base(bits: u32) -> u32 {
    if bits == 16 { CODE } else { 0 }
}

/// Instruction and data pointers, opcode and selectors of an earlier x87 instruction.
fn pointers(rng: &mut Rng, fpu: &mut FpuImage) {
    rng.fill(&mut fpu.0[6..14]);
    rng.fill(&mut fpu.0[16..22]);
    fpu.0[7] &= 7;
}

/// Indexes of a gather's elements that lead near its base.
pub fn near_indexes(rng: &mut Rng, i: &Instruction, half: &mut [u8]) {
    use OpCodeOperandKind as K;
    let kinds = i.code().op_code().op_kinds();
    let long = kinds.iter().any(|kind| matches!(kind, K::mem_vsib64x | K::mem_vsib64y));
    for bytes in half.chunks_mut(if long { 8 } else { 4 }) {
        let index = rng.below(96) as i64 - 32;
        bytes.copy_from_slice(&index.to_le_bytes()[..bytes.len()]);
    }
}

/// Mostly in the middle of the stack, often across its pages' borders.
fn stack_pointer(rng: &mut Rng) -> u32 {
    let at = match rng.below(16) {
        0 => STACK.wrapping_add(rng.below(48)).wrapping_sub(16),
        1 => STACK + PAGE - 24 + rng.below(48),
        2 => STACK + 2 * PAGE - 32 + rng.below(40),
        3 => return values::integer(rng),
        _ => STACK + 1024 + rng.below(6144),
    };
    if rng.one_in(4) { at } else { at & !3 }
}

fn target(rng: &mut Rng) -> u32 {
    let range = &TARGETS[rng.below(TARGETS.len() as u32) as usize];
    let at = range.start + rng.below(range.end - range.start);
    if rng.one_in(2) { at & !15 } else { at }
}
