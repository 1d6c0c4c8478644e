//! One case: an instruction and the state that it runs with, from the seed and the case's number.

use super::{CODE, FAR, Input, MOST, NEAR, PAGE, SLOT, STACK, TARGETS};
use iced_x86::{
    Code, CpuidFeature, Decoder, DecoderOptions, EncodingKind, Mnemonic, OpCodeOperandKind as K,
};
use ringer_casegen::{
    Case, Class, Rng, Row, Shape, aim::uses_stack, aim_64, generate, rows, values,
};
use ringer_cpu::{Eflags, Features};

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

/// Features whose instructions work on registers beside the general ones.
const OTHER_UNITS: [CpuidFeature; 7] = [
    CpuidFeature::FPU,
    CpuidFeature::FPU287,
    CpuidFeature::FPU387,
    CpuidFeature::MMX,
    CpuidFeature::FXSR,
    CpuidFeature::XSAVE,
    CpuidFeature::XSAVEOPT,
];

/// The rows that run: of class user, with general registers and memory alone.
#[must_use]
pub fn long_rows(features: Features) -> Vec<Row> {
    rows(features, 64)
        .into_iter()
        .filter(|row| row.class == Class::User && is_run(row.code))
        .collect()
}

fn is_run(code: Code) -> bool {
    const VECTORS: &[K] =
        &[K::xmm_reg, K::xmm_rm, K::xmm_or_mem, K::mm_reg, K::mm_rm, K::mm_or_mem, K::seg_rSI];
    let op = code.op_code();
    // (What has a VEX prefix is judged in 32-bit code.)
    if op.encoding() != EncodingKind::Legacy {
        return false;
    }
    let general = !op.op_kinds().iter().any(|kind| VECTORS.contains(kind));
    let of_sse = [CpuidFeature::SSE, CpuidFeature::SSE2, CpuidFeature::SSE3];
    let features = code.cpuid_features();
    let other = |f: &CpuidFeature| OTHER_UNITS.contains(f) || of_sse.contains(f);
    // A string's source is one of these kinds, too.
    let string = op.can_use_rep_prefix();
    let left_out = code.mnemonic() == Mnemonic::Wait;
    // Intel's processors, and the decoder, know no 16-bit near branches in 64-bit code; AMD's do.
    let branches = [K::br16_1, K::br16_2].iter().any(|kind| op.op_kinds().contains(kind))
        || matches!(code, Code::Retnw | Code::Retnw_imm16 | Code::Jmp_rm16 | Code::Call_rm16);
    // With a register some hosts raise #UD, others do nothing.
    let hint = matches!(
        code,
        Code::Reservednop_rm16_r16_0F0D
            | Code::Reservednop_rm32_r32_0F0D
            | Code::Reservednop_rm64_r64_0F0D
    );
    (general || string) && !features.iter().any(other) && !left_out && !hint && !branches
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
        // (Whether what comes behind the opcode of UD0 and UD1 counts for their length is the host's own.)
        if case.overlong && matches!(case.instruction.mnemonic(), Mnemonic::Ud0 | Mnemonic::Ud1) {
            return None;
        }
        // (AMD's processors take F2 and F3 for the condition of LOOPE and LOOPNE.)
        let repeated = case.instruction.is_loopcc()
            && case.bytes.iter().any(|byte| matches!(byte, 0xf2 | 0xf3));
        if repeated {
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

fn state(rng: &mut Rng, case: &Case, rip: u64) -> Input {
    let i = &case.instruction;
    let mut gpr = std::array::from_fn(|_| values::integer_64(rng));
    gpr[4] = stack_pointer(rng);
    if (i.has_rep_prefix() || i.has_repne_prefix()) && !rng.one_in(4) {
        gpr[1] = u64::from(rng.below(3));
    }
    if rng.below(16) != 0 {
        let target = target(rng);
        aim_64(rng, i, &mut gpr, target);
    }
    if uses_stack(i) && rng.below(16) != 0 {
        gpr[4] = stack_pointer(rng);
        if matches!(i.mnemonic(), Mnemonic::Leave | Mnemonic::Enter) {
            gpr[5] = stack_pointer(rng);
        }
    }
    let rflags = u64::from(values::eflags(rng) | Eflags::IF.bits() | Eflags::FIXED_ONE);
    Input { gpr, rflags: rflags & !u64::from(Eflags::TF.bits()), rip }
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
