//! What is not compared, and why: every exception to "the host's processor is right" is here.

use crate::wire::{COMPLETED, Input, Output};
use Mnemonic as M;
use iced_x86::{
    Code, CpuidFeature, EncodingKind, FlowControl, Instruction, Mnemonic, OpKind, Register,
};
use ringer_casegen::{Case, Class};
use ringer_cpu::Features;
use ringer_cpu::exception::pf;
use ringer_cpu::interp::{offers, run_as};

/// Kinds of forms that are not run natively.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "prefixed scans",
        "a model without TZCNT or LZCNT runs the bytes as BSF or BSR, a host with them does not",
    ),
    ("what the host lacks", "its processor raises #UD where the guest's does not"),
];

/// Classes of forms that are not run natively.
pub const CLASSES_LEFT_OUT: &[(Class, &str)] = &[
    (Class::Sensitive, "they show the host's descriptor tables, identity and time"),
    (Class::Transfer, "they enter the host's kernel or load the host's descriptors"),
    (Class::System, "CPL 3 has no right to them; the guest's kernel mode is not the host's"),
];

/// Error-code bits of a page fault that are not compared. The host has NX on, so that its fetches set
/// the I/D bit; the guest has 32-bit paging, where it is 0 (SDM volume 3A, 4.7).
pub const PAGE_FAULT_ERROR: u32 = pf::FETCH;

/// EFLAGS bits that are not compared: RF, which a fault sets in the pushed image only, and which a
/// REP instruction sets between iterations (SDM volume 3B, 17.3.1.1).
pub const EFLAGS: u32 = ringer_cpu::Eflags::RF.bits();

/// Whether `code`, of a model with `features`, is not run natively ([`LEFT_OUT`]).
#[must_use]
pub fn left_out(code: Code, features: Features) -> bool {
    let host = Features::of_host();
    run_as(code, features) != run_as(code, host) || !offers(code, host | SYSTEMS)
}

fn is_dot_product(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Dpps | M::Dppd | M::Vdpps | M::Vdppd)
}

fn is_vex(i: &Instruction) -> bool {
    i.code().op_code().encoding() == EncodingKind::VEX
}

/// Features of instructions that are left out for their class.
const SYSTEMS: Features = Features::SEP.union(Features::MSR);

/// A difference that is not the guest's fault.
#[derive(Debug)]
pub struct Excuse {
    /// What it is, in a word, for the summary.
    pub name: &'static str,
    /// Why the guest is right all the same.
    pub why: &'static str,
    /// Whether it covers this case.
    covers: fn(&Instruction, &Input, &Output, &Output) -> bool,
    /// The host may have written memory that the guest did not.
    pub memory: bool,
}

/// Every excuse; the first that covers a difference is taken.
pub const EXCUSES: &[Excuse] = &[
    Excuse {
        name: "beyond 4 GiB",
        why: "an access goes on after offset FFFFFFFFh in a segment whose limit that is: the host \
              raises #SS or #GP, the guest wraps to pages that are not mapped, or finds it \
              misaligned; the SDM (3A, 5.3) leaves it to the processor",
        covers: beyond_4_gib,
        memory: false,
    },
    Excuse {
        name: "flags of a faulting REP",
        why: "the SDM (2, REP) restores the flags when a repeated CMPS or SCAS faults; AMD leaves \
              those of the last iteration",
        covers: |i, _, host, guest| {
            let repeated = i.has_rep_prefix() || i.has_repne_prefix();
            let scans = matches!(i.mnemonic(), M::Scasb | M::Scasw | M::Scasd) || compares(i);
            let place = host.trap != 14 || host.cr2 == guest.cr2;
            let only_flags = host.gpr == guest.gpr && place;
            repeated && scans && same_trap(host, guest) && only_flags && same_fpu(host, guest)
        },
        memory: false,
    },
    Excuse {
        name: "order of CMPS",
        why: "both operands fault; the SDM does not order the two reads, AMD reads ES:EDI first",
        covers: |i, _, host, guest| {
            let either = |o: &Output| matches!(o.trap, 12 | 13 | 14 | 17);
            let rest = host.gpr == guest.gpr && same_fpu(host, guest);
            compares(i) && either(host) && either(guest) && rest
        },
        memory: false,
    },
    Excuse {
        name: "partial POPA, PUSHA, ENTER",
        why: "the SDM (3A, 6.5) restores the state at a fault; AMD keeps the registers that POPA \
              has loaded, and what PUSHA and ENTER have stored below ESP",
        covers: |i, _, host, guest| {
            let pops = matches!(i.mnemonic(), M::Popa | M::Popad);
            let registers = pops || host.gpr == guest.gpr;
            stores_in_parts(i) && same_trap(host, guest) && registers && same_fpu(host, guest)
        },
        memory: true,
    },
    Excuse {
        name: "CR2 in a long operand",
        why: "the SDM does not say in which order the parts of an environment, an FXSAVE image or a \
              MASKMOV's bytes are accessed: CR2 is somewhere in the operand (AMD wraps each part \
              at 64 KiB with 16-bit addresses)",
        covers: |i, input, host, guest| {
            let at = address(i, input);
            let base = i.memory_base().is_gpr16() || i.memory_displ_size() == 2;
            let wrap = if base { 0xffff } else { u32::MAX };
            let len = i.memory_size().size() as u32;
            let within = |o: &Output| o.cr2.wrapping_sub(at) & wrap < len;
            let page_faults = host.trap == 14 && guest.trap == 14 && host.gpr == guest.gpr;
            let parts = is_long(i) || masked_move(i) || masked_elements(i);
            parts && page_faults && within(host) && within(guest)
        },
        memory: true,
    },
    Excuse {
        name: "limit in a long operand",
        why: "as 'beyond 4 GiB', where the guest meets an earlier part's page or alignment first",
        covers: |i, _, host, guest| {
            let limit = matches!(host.trap, 12 | 13) && host.error == 0;
            is_long(i) && limit && matches!(guest.trap, 13 | 14)
        },
        memory: true,
    },
    Excuse {
        name: "MASKMOV of nothing",
        why: "with a mask of zeros page faults are implementation-dependent (SDM 2, MASKMOVQ), and \
              bytes that are not selected may be checked; MMX state may be entered before the fault",
        covers: |i, _, host, guest| {
            let faults = matches!(host.trap, 12 | 13 | 14 | 17);
            masked_move(i) && faults && host.gpr == guest.gpr
        },
        memory: true,
    },
    Excuse {
        name: "#AC of MOVUPS",
        why: "unaligned 16-byte operands may or may not raise #AC (SDM 3A, 6.15, interrupt 17); those of VCVTPH2PS and VCVTPS2PH do not \
              (SDM 2, exception type 11), but on some hosts",
        covers: |i, input, host, _| {
            let strings =
                matches!(i.mnemonic(), M::Pcmpestri | M::Pcmpestrm | M::Pcmpistri | M::Pcmpistrm);
            let loose = matches!(i.mnemonic(), M::Movups | M::Movupd | M::Movdqu | M::Lddqu);
            let wide = is_vex(i) && i.memory_size().size() >= 16;
            let half = matches!(i.mnemonic(), M::Vcvtph2ps | M::Vcvtps2ph);
            (loose || strings || wide || half) && host.trap == 17 && address(i, input) & 15 != 0
        },
        memory: true,
    },
    Excuse {
        name: "steps of DPPS",
        why: "the flags beside an unmasked exception of DPPS and DPPD tell how far its products and sums had come \
              (SDM 2, DPPS); the guest's are those of all of them",
        covers: |i, _, host, guest| {
            let mut without = *guest;
            without.fpu.0[24..28].copy_from_slice(&host.fpu.0[24..28]);
            let flags = (host.fpu.mxcsr() ^ guest.fpu.mxcsr()) & !0x3f == 0;
            let raised = (host.trap, guest.trap) == (19, 19);
            is_dot_product(i) && raised && flags && same_fpu(host, &without)
        },
        memory: false,
    },
    Excuse {
        name: "W of VPEXTRD and VPINSRD",
        why: "outside 64-bit mode VEX.W is ignored (SDM 2, PEXTRD, PINSRD); AMD raises #UD where it is 1",
        covers: |i, _, host, _| matches!(i.mnemonic(), M::Vpextrd | M::Vpinsrd) && host.trap == 6,
        memory: true,
    },
    Excuse {
        name: "alignment of SHA's operand",
        why: "a misaligned 16-byte operand of the SHA extensions raises #GP (SDM 2, exception type 4); AMD does not check it",
        covers: |i, input, host, guest| {
            let sha = i.cpuid_features().contains(&CpuidFeature::SHA);
            let loose = host.trap == COMPLETED || matches!(host.trap, 12..=14 | 17);
            sha && loose && (guest.trap, guest.error) == (13, 0) && address(i, input) & 15 != 0
        },
        memory: false,
    },
    Excuse {
        name: "#AC of FXSAVE",
        why: "with alignment checks on, a misaligned FXSAVE image raises #AC or #GP, and the width of \
              the check may vary (SDM 2, FXSAVE, FXRSTOR)",
        covers: |i, input, host, guest| {
            let image = matches!(i.mnemonic(), M::Fxsave | M::Fxrstor);
            image && host.trap == 17 && guest.trap == 13 && address(i, input) & 15 != 0
        },
        memory: false,
    },
    Excuse {
        name: "MXCSR.MM",
        why: "AMD's MXCSR has bit 17 (misaligned mode), which is reserved on the models: #GP",
        covers: |i, _, host, guest| {
            let loads = matches!(i.mnemonic(), M::Ldmxcsr | M::Vldmxcsr | M::Fxrstor);
            loads && host.fpu.mxcsr() & MM != 0 && (guest.trap, guest.error) == (13, 0)
        },
        memory: false,
    },
    Excuse {
        name: "REP before LOOPcc",
        why: "repeat prefixes before other than string instructions are reserved and may do \
              anything (SDM 2, 2.1.1); AMD's LOOPE and LOOPNE take their condition from them",
        covers: |i, _, host, guest| {
            let conditional = matches!(i.mnemonic(), M::Loope | M::Loopne);
            let rest = host.gpr == guest.gpr && same_fpu(host, guest);
            conditional && (i.has_rep_prefix() || i.has_repne_prefix()) && rest
        },
        memory: false,
    },
    Excuse {
        name: "64 KiB in a long operand",
        why: "with 16-bit addresses AMD wraps each part of an operand of ten bytes or more, of an \
              environment or of an image, at 64 KiB; in \
              a segment that ends there the guest raises #GP (SDM 3A, 5.3)",
        covers: |i, input, _, guest| {
            let small = i.memory_base().is_gpr16() || i.memory_displ_size() == 2;
            let end = address(i, input) + i.memory_size().size() as u32;
            let in_parts = is_long(i) || i.memory_size().size() == 10;
            in_parts && small && end > 0x1_0000 && guest.trap == 13
        },
        memory: true,
    },
    Excuse {
        name: "order of CALL",
        why: "the target lies beyond CS's limit and the push faults too: the SDM (2, CALL) checks the \
              target first, AMD pushes first",
        covers: |i, _, host, guest| {
            let push = matches!(host.trap, 12 | 14 | 17);
            i.mnemonic() == M::Call && push && (guest.trap, guest.error) == (13, 0)
        },
        memory: false,
    },
    Excuse {
        name: "UD1 without its operand",
        why: "some processors decode UD0 and UD1 without a ModRM byte: #UD where the guest meets \
              the end of the page (SDM 2, UD)",
        covers: |i, _, host, guest| {
            let ud = matches!(i.mnemonic(), M::Ud0 | M::Ud1);
            // The ModRM byte or what follows it lies on the next page, or is the sixteenth byte.
            let fetch = (guest.trap == 14 && guest.cr2 & 0xfff == 0) || guest.trap == 13;
            ud && host.trap == 6 && fetch
        },
        memory: false,
    },
    Excuse {
        name: "0F 0D with a register",
        why: "AMD's PREFETCH has no register form and raises #UD; on Intel's processors it is a NOP",
        covers: |i, _, host, _| {
            let hint = matches!(
                i.code(),
                Code::Reservednop_rm16_r16_0F0D | Code::Reservednop_rm32_r32_0F0D
            );
            hint && host.trap == 6 && i.op0_kind() == OpKind::Register
        },
        memory: false,
    },
    Excuse {
        name: "mask of an unfinished gather",
        why: "where a gather faults Intel's processors, and the guest, have filled the masks of the elements that are left (SDM 2, \
              VGATHERDPS); AMD's have not. Intel's have cleared the upper half of a short destination with the first element, too",
        covers: |i, _, host, guest| {
            let mut without = *guest;
            let n = i.op2_register().number() & 7;
            let part = 160 + 16 * n..176 + 16 * n;
            without.fpu.0[part.clone()].copy_from_slice(&host.fpu.0[part]);
            let to = i.op0_register().number() & 7;
            (without.ymm[n], without.ymm[to]) = (host.ymm[n], host.ymm[to]);
            i.memory_index().is_vector_register()
                && same_fault(host, guest)
                && same_fpu(host, &without)
        },
        memory: false,
    },
    Excuse {
        name: "MMX before a fault",
        why: "Intel's processors go over to MMX before a store of an MMX register faults; the SDM (3A, 6.5) restores the state",
        covers: |i, _, host, guest| {
            let stores = i.op0_kind() == OpKind::Memory && i.op1_register().is_mm();
            stores && same_fault(host, guest)
        },
        memory: false,
    },
    Excuse {
        name: "store that is not made",
        why: "where an unmasked exception keeps an x87 store from being made, Intel's processors do not look at its memory; others, and \
              the guest, do",
        covers: |i, _, host, guest| {
            let faults = matches!(guest.trap, 12..=14 | 17);
            stores_by_x87(i) && host.trap == COMPLETED && host.fpu.fsw() & ES != 0 && faults
        },
        memory: false,
    },
    Excuse {
        name: "PUSH of a selector",
        why: "with 32-bit operands Intel's processors store 16 bits (SDM 2, PUSH), which may be aligned and within a page where the \
              dword that the guest stores is not",
        covers: |i, _, host, guest| {
            let completes = host.trap == COMPLETED && matches!(guest.trap, 12..=14);
            pushes_selector(i) && (completes || guest.trap == 17)
        },
        memory: true,
    },
    Excuse {
        name: "order of VCVTPS2PH",
        why: "a store that cannot be made and what the conversion raises are of one class of priority (SDM 3A, 6.9): Intel's processors \
              set the flags, or raise #XM, first. Beside an unmasked #U of a denormal source they flag #P for what is exact without \
              bounds of the exponent",
        covers: |i, _, host, guest| {
            let mut without = *guest;
            without.fpu.0[24..28].copy_from_slice(&host.fpu.0[24..28]);
            let flags = (host.fpu.mxcsr() ^ guest.fpu.mxcsr()) & !0x3f == 0;
            let both = host.trap != COMPLETED && matches!(guest.trap, 12..=14 | 17 | 19);
            i.mnemonic() == M::Vcvtps2ph && both && flags && same_fpu(host, &without)
        },
        memory: false,
    },
];

/// FSW.ES: an unmasked x87 exception is pending.
const ES: u16 = 1 << 7;
/// AMD's MXCSR.MM.
const MM: u32 = 1 << 17;

/// Whether the byte at linear address `at` is one that `i` stores in the processor's own way. MXCSR_MASK is the model's; AMD stores
/// zeros for the x87 pointers while no exception is pending. FCS and FDS are zero where they are deprecated (CPUID leaf 7, EBX bit
/// 13). A push of a selector with 32-bit operands may leave the upper half of the dword alone (SDM 2, PUSH).
#[must_use]
pub fn own_memory(i: &Instruction, input: &Input, at: u32) -> bool {
    let offset = at.wrapping_sub(address(i, input));
    let selectors = match i.code() {
        Code::Fxsave_m512byte => [12..14, 20..22],
        Code::Fnstenv_m14byte | Code::Fnsave_m94byte => [8..10, 12..14],
        Code::Fnstenv_m28byte | Code::Fnsave_m108byte => [16..18, 24..26],
        _ if pushes_selector(i) => return input.gpr[4].wrapping_sub(at) <= 2,
        _ => return false,
    };
    let pointers = input.fpu.fsw() & ES == 0 && (6..24).contains(&offset);
    let own = i.mnemonic() == M::Fxsave && ((28..32).contains(&offset) || pointers);
    own || selectors.iter().any(|part| part.contains(&offset))
}

/// PUSH of a segment register with operands of 32 bits.
fn pushes_selector(i: &Instruction) -> bool {
    let selector = i.op_count() == 1 && i.op0_register().is_segment_register();
    i.mnemonic() == M::Push && selector && i.stack_pointer_increment() == -4
}

/// A store by the x87 unit.
fn stores_by_x87(i: &Instruction) -> bool {
    let store =
        matches!(i.mnemonic(), M::Fst | M::Fstp | M::Fist | M::Fistp | M::Fisttp | M::Fbstp);
    store && i.op0_kind() == OpKind::Memory
}

/// A decimal adjustment: the flags that it leaves undefined are those of AMD's processors in the guest, since 64-bit mode has no such
/// instructions to ask the host by.
fn adjusts(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Daa | M::Das | M::Aaa | M::Aas | M::Aam | M::Aad)
}

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

/// Cases of `i` may leave different memory behind: each runs on fresh memory.
#[must_use]
pub fn runs_alone(i: &Instruction) -> bool {
    may_fault_behind(i)
        || is_long(i)
        || masked_move(i)
        || masked_elements(i)
        || pushes_selector(i)
        || i.mnemonic() == M::Movups
        || matches!(i.mnemonic(), M::Movupd | M::Movdqu)
}

fn beyond_4_gib(_: &Instruction, _: &Input, host: &Output, guest: &Output) -> bool {
    const NEAR: u32 = 0x200;
    let border = guest.cr2 < NEAR || guest.cr2 >= NEAR.wrapping_neg();
    let meets = (guest.trap == 14 && border) || guest.trap == 17;
    matches!(host.trap, 12 | 13) && host.error == 0 && meets
}

fn same_trap(host: &Output, guest: &Output) -> bool {
    (host.trap, host.eip) == (guest.trap, guest.eip) && host.trap != COMPLETED
}

/// The same memory fault, with the same registers.
fn same_fault(host: &Output, guest: &Output) -> bool {
    let place = (host.trap, host.eip) == (guest.trap, guest.eip) && host.gpr == guest.gpr;
    matches!(host.trap, 12..=14 | 17) && place && (host.trap != 14 || host.cr2 == guest.cr2)
}

fn same_fpu(host: &Output, guest: &Output) -> bool {
    crate::fpu::fpu(host, guest).is_none()
}

fn compares(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Cmpsb | M::Cmpsw)
        || (i.mnemonic() == M::Cmpsd && i.code() == Code::Cmpsd_m32_m32)
}

/// What it stored before it faulted may be in memory, on some processors.
#[must_use]
pub fn may_fault_behind(i: &Instruction) -> bool {
    // (AMD's and Intel's processors push before they look at a CALL's target.)
    stores_in_parts(i)
        || i.mnemonic() == M::Call
        || (stores_by_x87(i) && i.memory_size().size() == 10)
}

/// Touches the stack in several steps, of which a fault leaves traces on some processors.
#[must_use]
pub fn stores_in_parts(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Popa | M::Popad | M::Pusha | M::Pushad | M::Enter)
}

/// Its operand is an x87 environment or state, or an FXSAVE image.
#[must_use]
pub fn is_long(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Fnstenv | M::Fldenv | M::Fnsave | M::Frstor | M::Fxsave | M::Fxrstor)
}

fn masked_elements(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Vmaskmovps | M::Vmaskmovpd | M::Vpmaskmovd | M::Vpmaskmovq)
}

fn masked_move(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu)
}

/// The offset of the memory operand.
fn address(i: &Instruction, input: &Input) -> u32 {
    let value = |register: Register, _, _| {
        let full = register.full_register32();
        let value = if full.is_gpr32() { input.gpr[full.number()] } else { 0 };
        Some(u64::from(if register.is_gpr16() { value & 0xffff } else { value }))
    };
    let operand = (0..i.op_count()).find(|&k| i.op_kind(k) != OpKind::Register).unwrap_or(0);
    i.virtual_address(operand, 0, value).unwrap_or(0) as u32
}

/// Goes elsewhere: its EIP shows only by a single-step trap.
#[must_use]
pub fn branches(i: &Instruction) -> bool {
    !matches!(i.flow_control(), FlowControl::Next | FlowControl::Exception)
}

/// May stand among several: it goes on to the next, is excused for nothing that depends on the state
/// before it, and sets neither TF nor AC.
#[must_use]
pub fn in_a_row(case: &Case) -> bool {
    let i = &case.instruction;
    let flags = matches!(i.mnemonic(), M::Popf | M::Popfd | M::Ldmxcsr | M::Vldmxcsr);
    let steps = is_dot_product(i) || matches!(i.mnemonic(), M::Vpextrd | M::Vpinsrd);
    let hint =
        matches!(i.code(), Code::Reservednop_rm16_r16_0F0D | Code::Reservednop_rm32_r32_0F0D);
    let sha = i.cpuid_features().contains(&CpuidFeature::SHA) && i.memory_size().size() != 0;
    let plain = i.flow_control() == FlowControl::Next && !case.illegal_lock && !case.overlong;
    plain && !flags && !adjusts(i) && !hint && !sha && !steps && !runs_alone(i) && !stores_by_x87(i)
}

/// A single-step trap would show in the result, or come in its middle.
#[must_use]
pub fn not_steppable(i: &Instruction) -> bool {
    let flags = matches!(i.mnemonic(), M::Pushf | M::Pushfd | M::Popf | M::Popfd);
    // A gather may be stopped between two elements (SDM 2, VGATHERDPS).
    flags || i.has_rep_prefix() || i.has_repne_prefix() || i.memory_index().is_vector_register()
}
