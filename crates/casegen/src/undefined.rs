//! The one table of what an instruction leaves undefined. The authority is the SDM, volume 2, under
//! the heading "Flags Affected" of each instruction; the decoder's own opinion is checked against it
//! in the tests, no more.

use Mnemonic as M;
use When::{Always, CountNotOne, CountNotZero, CountOver, CountReaches, SourceZero};
use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};
use ringer_cpu::Eflags;

const CF: u32 = Eflags::CF.bits();
const PF: u32 = Eflags::PF.bits();
const AF: u32 = Eflags::AF.bits();
const ZF: u32 = Eflags::ZF.bits();
const SF: u32 = Eflags::SF.bits();
const OF: u32 = Eflags::OF.bits();
const ALL: u32 = CF | PF | AF | ZF | SF | OF;

/// When a row holds. Counts are masked as the instruction masks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// The count is neither 0 nor 1.
    CountNotOne,
    /// The count is not 0.
    CountNotZero,
    /// The count is the operand's size in bits, or more.
    CountReaches,
    /// The count is more than the operand's size in bits.
    CountOver,
    /// The source operand is 0.
    SourceZero,
}

/// What is undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undefined {
    /// These bits of EFLAGS.
    pub flags: u32,
    /// The destination operand too.
    pub destination: bool,
}

struct Entry {
    of: &'static [Mnemonic],
    when: When,
    flags: u32,
    destination: bool,
    /// Where the SDM, volume 2, says so.
    cite: &'static str,
}

const fn row(of: &'static [Mnemonic], when: When, flags: u32, cite: &'static str) -> Entry {
    Entry { of, when, flags, destination: false, cite }
}

const fn with_result(of: &'static [Mnemonic], when: When, flags: u32, cite: &'static str) -> Entry {
    Entry { of, when, flags, destination: true, cite }
}

const SCANS: &[Mnemonic] = &[M::Bsf, M::Bsr];

const TABLE: &[Entry] = &[
    row(&[M::Aaa, M::Aas], Always, OF | SF | ZF | PF, "AAA, AAS: OF, SF, ZF and PF"),
    row(&[M::Aad, M::Aam], Always, OF | AF | CF, "AAD, AAM: OF, AF and CF"),
    row(&[M::Daa, M::Das], Always, OF, "DAA, DAS: OF"),
    row(&[M::And, M::Or, M::Xor, M::Test], Always, AF, "AND, OR, XOR, TEST: AF"),
    row(&[M::Tzcnt, M::Lzcnt], Always, OF | SF | AF | PF, "TZCNT, LZCNT: OF, SF, AF and PF"),
    row(&[M::Bextr], Always, AF | SF | PF, "BEXTR: AF, SF and PF"),
    row(
        &[M::Andn, M::Blsi, M::Blsmsk, M::Blsr, M::Bzhi],
        Always,
        AF | PF,
        "ANDN, BZHI, BLSx: AF and PF",
    ),
    row(SCANS, Always, CF | OF | SF | AF | PF, "BSF, BSR: all but ZF"),
    with_result(SCANS, SourceZero, 0, "BSF, BSR: destination when the source is 0"),
    row(&[M::Bt, M::Bts, M::Btr, M::Btc], Always, OF | SF | AF | PF, "BT: OF, SF, AF and PF"),
    row(&[M::Div, M::Idiv], Always, ALL, "DIV, IDIV: all six"),
    row(&[M::Mul, M::Imul], Always, SF | ZF | AF | PF, "MUL, IMUL: SF, ZF, AF and PF"),
    row(&[M::Shl, M::Sal, M::Shr], CountReaches, CF, "SHL, SHR: CF from the operand's size on"),
    row(&[M::Shl, M::Sal, M::Shr, M::Sar], CountNotOne, OF, "SHL, SHR, SAR: OF but for count 1"),
    row(&[M::Shl, M::Sal, M::Shr, M::Sar], CountNotZero, AF, "SHL, SHR, SAR: AF but for count 0"),
    row(&[M::Rol, M::Ror, M::Rcl, M::Rcr], CountNotOne, OF, "ROL, ROR, RCL, RCR: OF, count over 1"),
    row(&[M::Shld, M::Shrd], CountNotOne, OF, "SHLD, SHRD: OF but for count 1"),
    row(&[M::Shld, M::Shrd], CountNotZero, AF, "SHLD, SHRD: AF but for count 0"),
    with_result(&[M::Shld, M::Shrd], CountOver, ALL, "SHLD, SHRD: all, count over the size"),
];

/// What `instruction` leaves undefined when it completes. `cl` is CL before it; `source_zero` says
/// that the source operand is 0 (it matters to BSF and BSR only).
#[must_use]
pub fn undefined(instruction: &Instruction, cl: u8, source_zero: bool) -> Undefined {
    let mnemonic = instruction.mnemonic();
    let mut all = Undefined::default();
    if instruction.code() == Code::Bswap_r16 {
        all.destination = true; // BSWAP: "the result is undefined" with a 16-bit register.
    }
    if matches!(
        instruction.code(),
        Code::Mov_r32_cr | Code::Mov_cr_r32 | Code::Mov_r32_dr | Code::Mov_dr_r32
    ) {
        all.flags = ALL; // MOV to and from control and debug registers: all six.
    }
    for entry in TABLE.iter().filter(|entry| entry.of.contains(&mnemonic)) {
        if holds(entry.when, instruction, cl, source_zero) {
            all.flags |= entry.flags;
            all.destination |= entry.destination;
        }
    }
    all
}

/// The citation of every row that concerns `mnemonic`, for reports.
pub fn citations(mnemonic: Mnemonic) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(move |entry| entry.of.contains(&mnemonic)).map(|entry| entry.cite)
}

fn holds(when: When, i: &Instruction, cl: u8, source_zero: bool) -> bool {
    let count = count(i, cl);
    match when {
        Always => true,
        CountNotOne => count > 1,
        CountNotZero => count > 0,
        CountReaches => count >= bits(i),
        CountOver => count > bits(i),
        SourceZero => source_zero,
    }
}

/// The count of a shift or rotate, masked to five bits, or six of a 64-bit operand.
fn count(i: &Instruction, cl: u8) -> u32 {
    let last = i.op_count().saturating_sub(1);
    let count =
        if i.op_count() > 0 && i.op_kind(last) == OpKind::Register { cl } else { i.immediate8() };
    u32::from(count & if bits(i) == 64 { 63 } else { 31 })
}

fn bits(i: &Instruction) -> u32 {
    if i.op0_kind() == OpKind::Register {
        i.op0_register().size() as u32 * 8
    } else {
        i.memory_size().size() as u32 * 8
    }
}

/// Whether BSF or BSR with these register values has a zero source; `memory` is the operand's value
/// when it lies in memory.
#[must_use]
pub fn source_zero(i: &Instruction, gpr: &[u32; 8], memory: u32) -> bool {
    if i.op_count() < 2 {
        return false;
    }
    let value = match i.op1_kind() {
        OpKind::Register => {
            let full = i.op1_register().full_register32();
            if full == Register::None || !full.is_gpr32() {
                return false;
            } else {
                gpr[full.number()]
            }
        }
        OpKind::Memory => memory,
        _ => return false,
    };
    let mask = if i.op0_kind() == OpKind::Register && i.op0_register().is_gpr16() {
        0xffff
    } else {
        u32::MAX
    };
    value & mask == 0
}

const C0: u16 = 1 << 8;
const C1: u16 = 1 << 9;
const C2: u16 = 1 << 10;
const C3: u16 = 1 << 14;

/// Condition codes of the x87 status word that are undefined after `mnemonic` (SDM volume 2, "FPU
/// Flags Affected"; volume 1, table 8-1), with C1 in the sense that it has when no stack fault and
/// no rounding is at stake.
#[must_use]
pub fn undefined_x87(mnemonic: Mnemonic) -> u16 {
    match mnemonic {
        M::Fcom | M::Fcomp | M::Fcompp | M::Fucom | M::Fucomp | M::Fucompp => 0,
        M::Ficom | M::Ficomp | M::Ftst | M::Fxam | M::Fprem | M::Fprem1 => 0,
        M::Fcomi | M::Fcomip | M::Fucomi | M::Fucomip => C0 | C2 | C3,
        M::Fsin | M::Fcos | M::Fsincos | M::Fptan => C0 | C3,
        M::Fnclex | M::Fldcw | M::Fnstcw | M::Fnstenv | M::Fnop | M::Ffree => C0 | C1 | C2 | C3,
        M::Wait => C0 | C1 | C2 | C3,
        M::Fnstsw | M::Fninit | M::Fldenv | M::Frstor | M::Fnsave => 0,
        _ => C0 | C2 | C3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Shape, generate};
    use crate::rng::Rng;
    use crate::rows::rows;
    use iced_x86::RflagsBits;
    use ringer_cpu::CpuModel;

    fn decoder_says(i: &Instruction) -> u32 {
        let bits = i.rflags_undefined();
        [
            (RflagsBits::CF, CF),
            (RflagsBits::PF, PF),
            (RflagsBits::AF, AF),
            (RflagsBits::ZF, ZF),
            (RflagsBits::SF, SF),
            (RflagsBits::OF, OF),
        ]
        .iter()
        .filter(|(theirs, _)| bits & theirs != 0)
        .fold(0, |all, (_, ours)| all | ours)
    }

    /// The decoder knows no register values; with a constant count both must agree.
    #[test]
    fn the_decoder_agrees() {
        let mut rng = Rng::new(7);
        let shape = Shape::new(32, 0x1000, vec![0x2000..0x3000, 0x5000..0x6000]);
        let mut differ = Vec::new();
        for row in rows(CpuModel::MAX.features(), 32) {
            for _ in 0..8 {
                let Some(case) = generate(&mut rng, row.code, &shape) else { continue };
                let i = &case.instruction;
                let by_cl = i.op_count() > 0
                    && i.op_kind(i.op_count() - 1) == OpKind::Register
                    && i.op_register(i.op_count() - 1) == Register::CL;
                let ours = undefined(i, 1, false).flags;
                // It calls less undefined when a count is over 1.
                let counted = TABLE.iter().any(|e| {
                    e.of.contains(&i.mnemonic()) && !matches!(e.when, Always | SourceZero)
                });
                let theirs = decoder_says(i);
                let agree = if counted { theirs & !ours == 0 } else { theirs == ours };
                if !by_cl && !agree {
                    differ.push((i.code(), ours, decoder_says(i)));
                }
            }
        }
        differ.dedup();
        assert_eq!(differ, []);
    }

    #[test]
    fn counts_decide() {
        let shl = |count: u8| {
            let bytes = [0xc1, 0xe0, count];
            let i = iced_x86::Decoder::new(32, &bytes, 0).decode();
            undefined(&i, 0, false).flags
        };
        assert_eq!([shl(0), shl(1), shl(2), shl(32)], [0, AF, AF | OF, 0]);
        assert!(citations(M::Shl).count() == 3);
    }
}
