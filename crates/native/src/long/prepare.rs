//! One case: an instruction and the state that it runs with, from the seed and the case's number.

use super::excuse::{self, is_xsave, restores_components};
use super::{CODE, FAR, Input, MOST, NEAR, PAGE, SLOT, STACK, TARGETS};
use crate::prepare::near_indexes;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};
use ringer_casegen::{
    Case, Class, Rng, Row, Shape, aim::uses_stack, aim_64, generate, rows, values,
};
use ringer_cpu::{Eflags, Features, FpuImage};

/// A case.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its number in the run.
    pub number: u64,
    /// Index of its row.
    pub row: usize,
    /// The instruction.
    pub case: Case,
    /// The state before it.
    pub input: Input,
}

/// The rows that run: of class user, but for those that [`excuse`] leaves out, and XSAVE and its like, of which each case asks for
/// components that the guest has.
#[must_use]
pub fn long_rows(features: Features) -> Vec<Row> {
    let runs = |row: &Row| row.class == Class::User || is_xsave(row.code.mnemonic());
    let all = rows(features, 64).into_iter();
    all.filter(|row| runs(row) && !excuse::left_out(row.code)).collect()
}

impl Prepared {
    /// Case `number` of the run with `seed` over `rows`. `None` when the row allows none.
    #[must_use]
    pub fn new(seed: u64, number: u64, rows: &[Row]) -> Option<Self> {
        let mut rng = Rng::of_case(seed, number);
        let row = (number % rows.len() as u64) as usize;
        let rip = CODE + number % MOST as u64 * SLOT;
        let mut shape = Shape::new(64, rip as u32, TARGETS.to_vec());
        // (FS is the host's own; GS has a base that the cases know.)
        (shape.segments, shape.overlong) = (0b10_1111, true);
        let mut case = generate(&mut rng, rows[row].code, &shape)?;
        let masked = registers_of_address(&case.instruction, &[Register::RAX, Register::RDX]);
        if excuse::is_own(&case) || (is_xsave(case.instruction.mnemonic()) && masked) {
            return None;
        }
        if !case.illegal_lock && !case.overlong {
            case.instruction =
                Decoder::with_ip(64, &case.bytes, rip, DecoderOptions::NONE).decode();
        }
        let input = state(&mut rng, &case, rip);
        Some(Self { number, row, case, input })
    }
}

impl Prepared {
    /// Makes of what lies at the operand of an XRSTOR an image, mostly a good one; `set` sets a byte of memory.
    pub fn lay_out(&self, seed: u64, mut set: impl FnMut(u64, u8)) {
        let i = &self.case.instruction;
        if !restores_components(i.mnemonic()) {
            return;
        }
        let mut rng = Rng::of_case(seed, self.number);
        let mut header = [0; 64];
        header[0] = rng.byte() & 7;
        if rng.one_in(8) {
            let k = rng.below(64) as usize;
            // (0x20 and above may be components that the host has.)
            header[k] |= rng.pick(&[0x08, 0x10]);
        }
        let mxcsr = values::mxcsr(&mut rng).to_le_bytes();
        let at = excuse::address(i, &self.input);
        let parts = [(24, &mxcsr[..]), (512, &header[..])];
        for (k, value) in parts.into_iter().flat_map(|(from, part)| (from..).zip(part)) {
            set(at.wrapping_add(k), *value);
        }
    }
}

fn state(rng: &mut Rng, case: &Case, rip: u64) -> Input {
    let i = &case.instruction;
    let mut gpr = std::array::from_fn(|_| values::integer_64(rng));
    gpr[4] = stack_pointer(rng);
    if (i.has_rep_prefix() || i.has_repne_prefix()) && !rng.one_in(4) {
        gpr[1] = u64::from(rng.below(3));
    }
    let xsave = is_xsave(i.mnemonic());
    if rng.below(16) != 0 {
        let target = target(rng);
        let target = if xsave && rng.below(8) != 0 { target & !63 } else { target };
        aim_64(rng, i, &mut gpr, target);
    }
    if xsave {
        (gpr[0], gpr[2]) = (u64::from(rng.byte() & 7), 0);
    }
    if uses_stack(i) && rng.below(16) != 0 {
        gpr[4] = stack_pointer(rng);
        if matches!(i.mnemonic(), Mnemonic::Leave | Mnemonic::Enter) {
            gpr[5] = stack_pointer(rng);
        }
    }
    let ac = if rng.one_in(64) { Eflags::AC.bits() } else { 0 };
    let rflags = u64::from(values::eflags(rng) | ac | Eflags::IF.bits() | Eflags::FIXED_ONE);
    let mut fpu = values::fpu(rng);
    fill_wide(rng, &mut fpu);
    let mut ymm = [[0; 16]; 16];
    if Features::of_host().contains(Features::AVX) {
        ymm = ymm.map(|_| values::vector(rng));
    }
    let index = i.memory_index();
    if index.is_vector_register() && rng.below(8) != 0 {
        near_indexes(rng, i, &mut fpu.0[160 + 16 * index.number()..][..16]);
        near_indexes(rng, i, &mut ymm[index.number()]);
    }
    Input { fpu, ymm, gpr, rflags: rflags & !u64::from(Eflags::TF.bits()), rip }
}

/// Whether one of `registers` is part of the address of `i`'s memory operand.
fn registers_of_address(i: &Instruction, registers: &[Register]) -> bool {
    [i.memory_base(), i.memory_index()].iter().any(|r| registers.contains(&r.full_register()))
}

/// XMM8 to XMM15, and instruction and data pointers of an earlier x87 instruction, as FXSAVE with REX.W lays them out.
fn fill_wide(rng: &mut Rng, fpu: &mut FpuImage) {
    for k in 0..8 {
        let at = 288 + 16 * k;
        fpu.0[at..at + 16].copy_from_slice(&values::vector(rng));
    }
    rng.fill(&mut fpu.0[6..8]);
    fpu.0[7] &= 7;
    for at in [8, 16] {
        let canonical = (rng.bits() as i64 >> 17) as u64;
        fpu.0[at..at + 8].copy_from_slice(&canonical.to_le_bytes());
    }
}

/// Mostly in the middle of the stack, often across its pages' borders.
fn stack_pointer(rng: &mut Rng) -> u64 {
    let small = |rng: &mut Rng, n| u64::from(rng.below(n));
    let at = match rng.below(16) {
        0 => STACK - 16 + small(rng, 48),
        1 => STACK + PAGE - 24 + small(rng, 48),
        2 => STACK + 2 * PAGE - 32 + small(rng, 40),
        3 => return values::integer_64(rng),
        _ => STACK + 1024 + small(rng, 6144),
    };
    if rng.one_in(4) { at } else { at & !7 }
}

fn target(rng: &mut Rng) -> u64 {
    let pages = rng.pick(&[NEAR, FAR]);
    let (from, len) =
        rng.pick(&[(-24, 64), (0x100, 0x600), (0xfd8, 0x50), (0x1100, 0x600), (0x1fd8, 0x40)]);
    let at = pages.wrapping_add_signed(from) + u64::from(rng.below(len));
    if rng.one_in(2) { at & !15 } else { at }
}
