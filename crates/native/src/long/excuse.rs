//! What is not compared of 64-bit code, and why: every exception to "the host's processor is right" is here.

use super::outcome::{self, shows_pointers};
use super::{COMPLETED, Input, Output};
use iced_x86::{
    Code, CpuidFeature, Instruction, Mnemonic as M, OpCodeOperandKind as K, OpKind, Register,
};
use ringer_casegen::Case;
use ringer_cpu::Eflags;
use std::ops::Range;

/// FSW.ES: an unmasked x87 exception is pending.
const ES: u16 = 1 << 7;
const RF: u64 = Eflags::RF.bits() as u64;
/// MXCSR.PE.
const PRECISION: u32 = 1 << 5;
/// AMD's MXCSR.MM.
const MM: u32 = 1 << 17;
/// Status and tag word; MXCSR.
const TAGS: Range<usize> = 2..5;
const MXCSR: Range<usize> = 24..28;

/// Forms that are not run.
#[must_use]
pub fn left_out(code: Code) -> bool {
    let op = code.op_code();
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
    branches || hint
}

/// Cases whose meaning depends on the maker of the processor.
#[must_use]
pub fn is_own(case: &Case) -> bool {
    let (i, bytes) = (&case.instruction, &case.bytes);
    // Whether what comes behind the opcode of UD0 and UD1 counts for their length.
    let undefined = case.overlong && matches!(i.mnemonic(), M::Ud0 | M::Ud1);
    // AMD's take F2 and F3 for the condition of LOOPE and LOOPNE.
    let repeated = i.is_loopcc() && bytes.iter().any(|byte| matches!(byte, 0xf2 | 0xf3));
    // With REX.B AMD's exchange R8 and the accumulator, Intel's pause.
    let pause = i.mnemonic() == M::Pause && bytes.iter().any(|byte| byte & 0xf1 == 0x41);
    undefined || repeated || pause
}

/// A difference that is not the guest's fault.
#[derive(Debug)]
pub struct Excuse {
    /// What it is, in a word, for the summary.
    pub name: &'static str,
    /// Why the guest is right all the same.
    pub why: &'static str,
    /// Whether it covers this case.
    covers: fn(&Instruction, &Input, &Output, &Output) -> bool,
}

/// Every excuse; the first that covers a difference is taken.
pub const EXCUSES: &[Excuse] = &[
    Excuse {
        name: "order of faults",
        why: "the SDM does not order the two reads of CMPS, nor the look at the target and the push of CALL; AMD's processors look at an \
              offset before its segment's base is added",
        covers: |i, _, host, guest| {
            let both = host.trap != COMPLETED && guest.trap != COMPLETED;
            let two = compares(i) || i.mnemonic() == M::Call;
            let ordered = i.segment_prefix() == Register::GS || two;
            both && ordered && same_registers(host, guest)
        },
    },
    Excuse {
        name: "flags of an unfinished REP",
        why: "between two iterations Intel's processors show the flags of before the instruction, and with a fault AMD's those of the \
              last iteration (SDM 2, REP)",
        covers: |i, _, host, guest| {
            let repeated = i.has_rep_prefix() || i.has_repne_prefix();
            let unfinished = host.trap != COMPLETED || host.rflags & RF != 0;
            let same = (host.trap, host.rip, host.cr2) == (guest.trap, guest.rip, guest.cr2);
            repeated
                && (compares(i) || scans(i))
                && unfinished
                && same
                && same_registers(host, guest)
        },
    },
    Excuse {
        name: "upper halves of a faulting REP",
        why: "with addresses of 32 bits Intel's processors clear the upper halves of RCX, RSI and RDI although no iteration \
              completes",
        covers: |i, input, host, guest| {
            let repeated = i.has_rep_prefix() || i.has_repne_prefix();
            let short = (0..i.op_count())
                .any(|k| matches!(i.op_kind(k), OpKind::MemorySegESI | OpKind::MemoryESEDI));
            let of_string = |k: usize| matches!(k, 1 | 6 | 7);
            let low = |k: usize| of_string(k) && host.gpr[k] == guest.gpr[k] & 0xffff_ffff;
            let same = (0..16).all(|k| host.gpr[k] == guest.gpr[k] || low(k));
            let nothing = host.trap != COMPLETED || input.gpr[1] as u32 == 0;
            let ending = match compares(i) {
                true => host.trap == guest.trap,
                false => same_ending(host, guest),
            };
            repeated && short && same && ending && nothing
        },
    },
    Excuse {
        name: "unfinished gather",
        why: "a gather may be stopped between two elements (SDM 2, VGATHERDPS): a single-step trap comes then; AMD's processors do not \
              fill the masks of the elements that are left",
        covers: |i, input, host, guest| {
            let stopped = same_ending(host, guest)
                || (host.trap == COMPLETED && host.rip == input.rip && guest.trap != COMPLETED);
            gathers(i) && stopped && same_but_mask(i, host, guest)
        },
    },
    Excuse {
        name: "place in a long operand",
        why: "the SDM does not say in which order the parts of an environment, an image or a masked move's bytes are accessed: CR2 is \
              somewhere in the operand, or an earlier part is not canonical",
        covers: |i, input, host, guest| {
            let (at, len) = (address(i, input), extent(i));
            // (With addresses of 32 bits the parts may wrap at 4 GiB.)
            let short = i.memory_base().is_gpr32() || i.memory_index().is_gpr32();
            let wrap = if short { u64::from(u32::MAX) } else { u64::MAX };
            let within = |o: &Output| o.trap != 14 || o.cr2.wrapping_sub(at) & wrap < len;
            let place = |o: &Output| matches!(o.trap, 12..=14 | 17) && within(o);
            (is_long(i) || masked_move(i))
                && place(host)
                && place(guest)
                && same_registers(host, guest)
        },
    },
    Excuse {
        name: "all of XRSTOR's operand",
        why: "which parts of an image XRSTOR reads beside those of the components that it loads, the SDM (1, 13.8) leaves to the processor",
        covers: |i, input, host, guest| {
            let within = host.cr2.wrapping_sub(address(i, input)) < extent(i);
            let reads = host.trap == 14 && within && guest.trap == COMPLETED;
            restores_components(i.mnemonic()) && reads
        },
    },
    Excuse {
        name: "MASKMOV of nothing",
        why: "with a mask of zeros page faults are implementation-dependent (SDM 2, MASKMOVQ), and bytes that are not selected may be \
              checked; MMX state may be entered before the fault",
        covers: |i, _, host, guest| {
            let faults = matches!(host.trap, 12..=14 | 17);
            masked_move(i) && faults && same_but_tags(host, guest)
        },
    },
    Excuse {
        name: "MMX before a fault",
        why: "Intel's processors go over to MMX before a store of an MMX register faults; the SDM (3A, 6.5) restores the state",
        covers: |i, _, host, guest| {
            let stores = i.op0_kind() == OpKind::Memory && i.op1_register().is_mm();
            let faults = matches!(host.trap, 12..=14 | 17) && same_ending(host, guest);
            stores && faults && same_but_tags(host, guest)
        },
    },
    Excuse {
        name: "store that is not made",
        why: "where an unmasked exception keeps an x87 store from being made, Intel's processors do not look at its memory; others, and \
              the guest, do",
        covers: |i, _, host, guest| {
            let name = i.mnemonic();
            let stores =
                matches!(name, M::Fst | M::Fstp | M::Fist | M::Fistp | M::Fisttp | M::Fbstp);
            let faults = matches!(guest.trap, 12..=14 | 17);
            stores && host.trap == COMPLETED && host.fpu.fsw() & ES != 0 && faults
        },
    },
    Excuse {
        name: "order of VCVTPS2PH",
        why: "a store that cannot be made and what the conversion raises are of one class of priority (SDM 3A, 6.9); Intel's processors \
              set the flags, or raise #XM, first",
        covers: |i, _, host, guest| {
            let both = host.trap != COMPLETED && matches!(guest.trap, 12..=14 | 17);
            i.mnemonic() == M::Vcvtps2ph && both && same_but_flags(host, guest)
        },
    },
    Excuse {
        name: "alignment checks",
        why: "unaligned operands of 16 bytes and more may or may not raise #AC (SDM 3A, 6.15, interrupt 17; SDM 2, FXSAVE), and AMD's \
              processors check those of VCVTPH2PS and VCVTPS2PH; an operand that lies across the end of the canonical addresses has \
              two faults",
        covers: |i, _, host, guest| {
            let half = matches!(i.mnemonic(), M::Vcvtph2ps | M::Vcvtps2ph);
            let wide = i.memory_size().size() >= 16 || is_long(i) || half;
            host.trap == 17 && (wide || matches!(guest.trap, 12 | 13))
        },
    },
    Excuse {
        name: "alignment or canonical",
        why: "the SDM does not order #GP for a misaligned operand and #SS for one at no canonical address",
        covers: |i, _, host, guest| {
            let wide = i.memory_size().size() >= 16 || is_long(i);
            wide && matches!((host.trap, guest.trap), (12, 13) | (13, 12))
        },
    },
    Excuse {
        name: "steps of DPPS",
        why: "the flags beside an unmasked exception of DPPS and DPPD tell how far its products and sums had come (SDM 2, DPPS); the \
              guest's are those of all of them",
        covers: |i, _, host, guest| {
            let products = matches!(i.mnemonic(), M::Dpps | M::Dppd | M::Vdpps | M::Vdppd);
            products && (host.trap, guest.trap) == (19, 19) && same_but_flags(host, guest)
        },
    },
    Excuse {
        name: "precision of VCVTPS2PH",
        why: "beside an unmasked #U of a denormal source Intel's processors flag #P for what is exact without bounds of the exponent; the \
              SDM (1, 4.9.1.5) and AMD's do not",
        covers: |i, _, host, guest| {
            let flags = host.fpu.mxcsr() ^ guest.fpu.mxcsr() == PRECISION;
            let raised = (host.trap, guest.trap) == (19, 19);
            i.mnemonic() == M::Vcvtps2ph && raised && flags && same_but_flags(host, guest)
        },
    },
    Excuse {
        name: "alignment of SHA's operand",
        why: "a misaligned 16-byte operand of the SHA extensions raises #GP (SDM 2, exception type 4); AMD does not check it",
        covers: |i, input, host, guest| {
            let sha = i.cpuid_features().contains(&CpuidFeature::SHA);
            let loose = host.trap == COMPLETED || matches!(host.trap, 12..=14 | 17);
            sha && loose && guest.trap == 13 && address(i, input) & 15 != 0
        },
    },
    Excuse {
        name: "MXCSR.MM",
        why: "AMD's MXCSR has bit 17 (misaligned mode), which is reserved on the models: #GP",
        covers: |i, _, host, guest| {
            let restores = matches!(i.mnemonic(), M::Fxrstor | M::Fxrstor64);
            let loads = matches!(i.mnemonic(), M::Ldmxcsr | M::Vldmxcsr) || restores;
            loads && host.fpu.mxcsr() & MM != 0 && (guest.trap, guest.error) == (13, 0)
        },
    },
    Excuse {
        name: "FIP that is not canonical",
        why: "FXRSTOR with REX.W extends the sign of FIP from the highest bit that the processor's linear addresses have (SDM 1, 8.1.8 does \
              not say so)",
        covers: |i, _, host, guest| {
            let mut same = *guest;
            same.fpu.0[14..16].copy_from_slice(&host.fpu.0[14..16]);
            let restores = matches!(i.mnemonic(), M::Fxrstor64 | M::Xrstor64);
            restores && same_ending(host, guest) && same_registers(host, &same)
        },
    },
];

/// The excuse that covers a difference, if one does.
#[must_use]
pub fn excused(
    i: &Instruction,
    input: &Input,
    host: &Output,
    guest: &Output,
) -> Option<&'static Excuse> {
    EXCUSES.iter().find(|e| (e.covers)(i, input, host, guest))
}

fn same_registers(host: &Output, guest: &Output) -> bool {
    host.gpr == guest.gpr && outcome::vectors(host, guest).is_none()
}

fn same_ending(host: &Output, guest: &Output) -> bool {
    outcome::ending(host, guest).is_none()
}

/// But for a part of the x87 and SSE state.
fn same_but(part: Range<usize>, host: &Output, guest: &Output) -> bool {
    let mut without = *guest;
    without.fpu.0[part.clone()].copy_from_slice(&host.fpu.0[part]);
    same_registers(host, &without)
}

/// But for what shows that MMX state has been entered: TOP, the tags, and with TOP the order of the registers.
fn same_but_tags(host: &Output, guest: &Output) -> bool {
    let mut turned = *guest;
    let top = |o: &Output| usize::from(o.fpu.fsw() >> 11 & 7);
    let turn = 8 + top(host) - top(guest);
    for k in 0..8 {
        let (to, from) = (32 + 16 * k, 32 + 16 * ((k + turn) & 7));
        turned.fpu.0[to..to + 16].copy_from_slice(&guest.fpu.0[from..from + 16]);
    }
    let rest = (host.fpu.fsw() ^ guest.fpu.fsw()) & !(7 << 11) == 0;
    rest && same_but(TAGS, host, &turned)
}

/// But for SIMD exception flags.
fn same_but_flags(host: &Output, guest: &Output) -> bool {
    let flags = (host.fpu.mxcsr() ^ guest.fpu.mxcsr()) & !0x3f == 0;
    flags && same_but(MXCSR, host, guest)
}

/// But for the bits of the mask of a gather that do not count, and all that it has in its upper half.
fn same_but_mask(i: &Instruction, host: &Output, guest: &Output) -> bool {
    let (n, len) = (i.op2_register().number() & 15, i.memory_size().size());
    let signs = |o: &Output| {
        let low = o.fpu.0[160 + 16 * n..][..16].iter().skip(len - 1).step_by(len);
        low.map(|byte| byte & 0x80).collect::<Vec<_>>()
    };
    let (mut host_without, mut guest_without) = (*host, *guest);
    for o in [&mut host_without, &mut guest_without] {
        o.fpu.0[160 + 16 * n..][..16].fill(0);
        o.ymm[n].fill(0);
        // (Where a step stops it, Intel's processors have cleared the upper half of the destination.)
        o.ymm[i.op0_register().number() & 15].fill(0);
    }
    signs(host) == signs(guest) && same_registers(&host_without, &guest_without)
}

fn gathers(i: &Instruction) -> bool {
    i.memory_index().is_vector_register()
}

fn masked_move(i: &Instruction) -> bool {
    let bytes = matches!(i.mnemonic(), M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu);
    let store = i.op0_kind() == OpKind::Memory;
    let elements =
        matches!(i.mnemonic(), M::Vmaskmovps | M::Vmaskmovpd | M::Vpmaskmovd | M::Vpmaskmovq);
    bytes || (elements && store)
}

fn compares(i: &Instruction) -> bool {
    let string = i.is_string_instruction();
    string && matches!(i.mnemonic(), M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq)
}

fn scans(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Scasb | M::Scasw | M::Scasd | M::Scasq)
}

/// Its operand is an x87 environment or state, or an image of FXSAVE.
fn is_long(i: &Instruction) -> bool {
    is_xsave(i.mnemonic()) || is_image(i)
}

/// XSAVE, XRSTOR and their like.
#[must_use]
pub fn is_xsave(name: M) -> bool {
    let saves = matches!(name, M::Xsave | M::Xsave64 | M::Xsaveopt | M::Xsaveopt64);
    saves || restores_components(name)
}

/// XRSTOR.
#[must_use]
pub fn restores_components(name: M) -> bool {
    matches!(name, M::Xrstor | M::Xrstor64)
}

fn is_image(i: &Instruction) -> bool {
    let images = matches!(i.mnemonic(), M::Fxsave | M::Fxrstor | M::Fxsave64 | M::Fxrstor64);
    images || matches!(i.mnemonic(), M::Fnstenv | M::Fldenv | M::Fnsave | M::Frstor)
}

/// Cases of `i` may leave different memory behind: each runs alone, and what it stored before it faulted is the host's own
/// affair.
#[must_use]
pub fn runs_alone(i: &Instruction) -> bool {
    let parts = matches!(i.mnemonic(), M::Enter | M::Call) || i.memory_size().size() == 10;
    is_long(i) || masked_move(i) || parts
}

/// Whether the byte at `at` is one that `i` stores in the processor's own way: FCS and FDS, which are zero where they are deprecated
/// (CPUID leaf 7, EBX bit 13) and lost when the kernel switches threads; which components XSAVE finds in use; and AMD's processors store
/// zeros for the x87 pointers while no exception is pending.
#[must_use]
pub fn own_memory(i: &Instruction, input: &Input, at: u64) -> bool {
    if !is_long(i) {
        return false;
    }
    let short = matches!(i.code(), Code::Fnstenv_m14byte | Code::Fnsave_m94byte);
    let (pointers, selectors) = match i.mnemonic() {
        M::Fxsave | M::Xsave | M::Xsaveopt => (6..24, [12..14, 20..22]),
        M::Fxsave64 | M::Xsave64 | M::Xsaveopt64 => (6..24, [0..0, 0..0]),
        _ if short => (6..14, [8..10, 12..14]),
        _ => (12..26, [16..18, 24..26]),
    };
    let offset = at.wrapping_sub(address(i, input));
    let own = selectors.iter().any(|range| range.contains(&offset));
    let image = is_xsave(i.mnemonic()) || matches!(i.mnemonic(), M::Fxsave | M::Fxsave64);
    let mask = image && (28..32).contains(&offset);
    let in_use = is_xsave(i.mnemonic()) && offset == 512;
    own || mask || in_use || (!shows_pointers(&input.fpu) && pointers.contains(&offset))
}

/// Bytes of a long operand.
fn extent(i: &Instruction) -> u64 {
    match i.memory_size().size() {
        0 if is_xsave(i.mnemonic()) => 832,
        0 => 16,
        len => len as u64,
    }
}

/// The linear address of the memory operand.
#[must_use]
pub fn address(i: &Instruction, input: &Input) -> u64 {
    let value = |register: Register, _, _| match register {
        Register::GS => Some(super::GS),
        r if r.is_segment_register() => Some(0),
        r if r.is_gpr32() => Some(input.gpr[r.number()] & 0xffff_ffff),
        r => Some(input.gpr[r.number() & 15]),
    };
    let operand = (0..i.op_count()).find(|&k| i.op_kind(k) != OpKind::Register).unwrap_or(0);
    i.virtual_address(operand, 0, value).unwrap_or(0)
}
