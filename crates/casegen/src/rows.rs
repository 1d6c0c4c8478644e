//! The rows: every instruction form that a processor model has, and what kind of test can run it.

use Mnemonic as M;
use iced_x86::{Code, EncodingKind, Mnemonic, OpCodeOperandKind};
use ringer_cpu::Features;
use ringer_cpu::interp::offers;

/// What an instruction needs around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Results depend on registers, flags and memory alone; CPL 3 may run it.
    User,
    /// CPL 3 may run it, and its result depends on the machine: descriptor tables, the model, time.
    Sensitive,
    /// Traps, gates, far transfers and segment loads: it enters other code or reads descriptors.
    Transfer,
    /// Needs CPL 0 or I/O rights.
    System,
}

/// One instruction form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The form.
    pub code: Code,
    /// What it needs.
    pub class: Class,
}

/// All instruction forms that exist in `bitness`-bit code (16, 32 or 64) on a processor with
/// `features`, in the decoder's order.
#[must_use]
pub fn rows(features: Features, bitness: u32) -> Vec<Row> {
    Code::values()
        .filter(|&code| {
            let op = code.op_code();
            // The decoder gives WAIT and the instruction behind it, never the two as one.
            op.is_instruction()
                && matches!(op.encoding(), EncodingKind::Legacy | EncodingKind::VEX)
                && op.is_available_in_mode(bitness)
                && !op.fwait()
                && !NEVER_DECODED.contains(&code)
                && offers(code, features)
        })
        .map(|code| Row { code, class: class(code) })
        .collect()
}

/// Forms that the decoder yields for no bytes: of early steppings, or for encoders only.
const NEVER_DECODED: &[Code] = &[
    Code::Cmpxchg486_rm8_r8,
    Code::Cmpxchg486_rm16_r16,
    Code::Cmpxchg486_rm32_r32,
    Code::Ud0,
    Code::Popw_CS,
    Code::Xbts_r16_rm16,
    Code::Xbts_r32_rm32,
    Code::Ibts_rm16_r16,
    Code::Ibts_rm32_r32,
    Code::Mov_r32_tr,
    Code::Mov_tr_r32,
    Code::Umov_rm8_r8,
    Code::Umov_rm16_r16,
    Code::Umov_rm32_r32,
    Code::Umov_r8_rm8,
    Code::Umov_r16_rm16,
    Code::Umov_r32_rm32,
    Code::Jmpe_rm16,
    Code::Jmpe_rm32,
    Code::Jmpe_disp16,
    Code::Jmpe_disp32,
    Code::Frstpm,
    Code::Fstdw_AX,
    Code::Fstsg_AX,
];

/// Runs at CPL 3 with a result that depends on more than registers, flags and memory.
const SENSITIVE: &[Mnemonic] = &[
    M::Sgdt,
    M::Sidt,
    M::Sldt,
    M::Str,
    M::Smsw,
    M::Lar,
    M::Lsl,
    M::Verr,
    M::Verw,
    M::Cpuid,
    M::Rdtsc,
    M::Rdtscp,
    M::Rdrand,
    M::Rdseed,
    M::Xgetbv,
    M::Xsave,
    M::Xsave64,
    M::Xsaveopt,
    M::Xsaveopt64,
    M::Xrstor,
    M::Xrstor64,
    M::Rdpmc,
];

/// Enters other code, or loads a segment register.
const TRANSFER: &[Mnemonic] = &[
    M::Int,
    M::Int3,
    M::Int1,
    M::Into,
    M::Iret,
    M::Iretd,
    M::Iretq,
    M::Retf,
    M::Lds,
    M::Les,
    M::Lfs,
    M::Lgs,
    M::Lss,
    M::Sysenter,
];

/// Needs rights that the decoder's table does not name.
const SYSTEM: &[Mnemonic] = &[M::Xsetbv, M::Cli, M::Sti, M::Sysexit, M::Rsm, M::Hlt];

fn class(code: Code) -> Class {
    use OpCodeOperandKind as K;
    let op = code.op_code();
    let mnemonic = code.mnemonic();
    let far = matches!(op.op0_kind(), K::farbr2_2 | K::farbr4_2) || is_far_indirect(code);
    let loads_segment = op.op0_kind() == K::seg_reg
        || (mnemonic == M::Pop && matches!(op.op0_kind(), K::es | K::ss | K::ds | K::fs | K::gs));
    if SYSTEM.contains(&mnemonic) || op.is_privileged() || op.is_input_output() {
        Class::System
    } else if far || loads_segment || TRANSFER.contains(&mnemonic) {
        Class::Transfer
    } else if SENSITIVE.contains(&mnemonic) {
        Class::Sensitive
    } else {
        Class::User
    }
}

fn is_far_indirect(code: Code) -> bool {
    use Code as C;
    matches!(
        code,
        C::Jmp_m1616 | C::Jmp_m1632 | C::Jmp_m1664 | C::Call_m1616 | C::Call_m1632 | C::Call_m1664
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_cpu::CpuModel;

    #[test]
    fn classes_are_as_the_manual_has_them() {
        let rows = rows(CpuModel::PENTIUM4.features(), 32);
        let of = |code| rows.iter().find(|r| r.code == code).map(|r| r.class);
        assert_eq!(of(Code::Add_rm32_r32), Some(Class::User));
        assert_eq!(of(Code::Fxsave_m512byte), Some(Class::User));
        assert_eq!(of(Code::Cpuid), Some(Class::Sensitive));
        assert_eq!(of(Code::Mov_Sreg_rm16), Some(Class::Transfer));
        assert_eq!(of(Code::Popd_FS), Some(Class::Transfer));
        assert_eq!(of(Code::Jmp_m1632), Some(Class::Transfer));
        assert_eq!(of(Code::In_AL_imm8), Some(Class::System));
        assert_eq!(of(Code::Lgdt_m1632), Some(Class::System));
        assert_eq!(of(Code::Pshufb_mm_mmm64), None);
        assert_eq!(of(Code::Finit), None);
    }
}
