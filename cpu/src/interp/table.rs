//! From a decoded `Code` to the function that executes it, for one CPU model.
//!
//! Filled once an interpreter: every code is offered to the families in turn; a code that no family
//! knows, or that belongs to a feature the model lacks, gets the handler that raises #UD.

use super::handler::{Handler, Lookup};
use super::{Ctx, arith, bcd, bits, bmi, branch, data, flagops, fpu, logic, muldiv, shift};
use super::{stack, string, sys};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::model::Features;
use iced_x86::{Code, CpuidFeature, Instruction};

/// The handler of every code, indexed by `Code as usize`.
pub(super) fn build<B: Bus>(features: Features) -> Box<[Handler<B>]> {
    Code::values()
        .map(|code| if offers(code, features) { lookup(run_as(code, features)) } else { None })
        .map(|handler| handler.unwrap_or(undefined))
        .collect()
}

fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let families: [Lookup<B>; 14] = [
        data::lookup,
        arith::lookup,
        logic::lookup,
        shift::lookup,
        muldiv::lookup,
        bits::lookup,
        bmi::lookup,
        stack::lookup,
        branch::lookup,
        string::lookup,
        bcd::lookup,
        flagops::lookup,
        sys::lookup,
        fpu::lookup,
    ];
    families.iter().find_map(|family| family(code))
}

/// The prefixed scans are BSF and BSR on processors that do not know TZCNT and LZCNT: the prefix means nothing there. Any
/// other code is itself.
#[must_use]
pub fn run_as(code: Code, features: Features) -> Code {
    use Code as C;
    let (tzcnt, lzcnt) = (features.contains(Features::BMI1), features.contains(Features::LZCNT));
    match code {
        C::Tzcnt_r16_rm16 if !tzcnt => C::Bsf_r16_rm16,
        C::Tzcnt_r32_rm32 if !tzcnt => C::Bsf_r32_rm32,
        C::Tzcnt_r64_rm64 if !tzcnt => C::Bsf_r64_rm64,
        C::Lzcnt_r16_rm16 if !lzcnt => C::Bsr_r16_rm16,
        C::Lzcnt_r32_rm32 if !lzcnt => C::Bsr_r32_rm32,
        C::Lzcnt_r64_rm64 if !lzcnt => C::Bsr_r64_rm64,
        other => other,
    }
}

/// Whether a processor with `features` has the instruction at all.
#[must_use]
pub fn offers(code: Code, features: Features) -> bool {
    code.cpuid_features().iter().all(|&f| has(f, code, features))
}

/// Whether `features` covers what the decoder calls `feature`. Those of later processors, and of
/// other makers, are none of ours.
fn has(feature: CpuidFeature, code: Code, features: Features) -> bool {
    use CpuidFeature as F;
    let needed = match feature {
        F::INTEL8086 | F::INTEL186 | F::INTEL286 | F::INTEL386 | F::INTEL486 => Features::empty(),
        F::CPUID | F::SMM => Features::empty(),
        // F3 90 and the prefixed bit scans run as NOP, BSF and BSR on processors without them.
        F::PAUSE => Features::empty(),
        F::LZCNT | F::BMI1 if is_scan(code) => Features::empty(),
        F::LZCNT => Features::LZCNT,
        F::BMI1 => Features::BMI1,
        F::BMI2 => Features::BMI2,
        F::ADX => Features::ADX,
        F::MOVBE => Features::MOVBE,
        F::RDSEED => Features::RDSEED,
        F::FPU | F::FPU287 | F::FPU387 => Features::FPU,
        F::CX8 => Features::CX8,
        F::CMOV | F::MULTIBYTENOP | F::RDPMC => Features::CMOV,
        F::TSC => Features::TSC,
        F::MSR => Features::MSR,
        F::MMX => Features::MMX,
        F::FXSR => Features::FXSR,
        F::SEP => Features::SEP,
        F::SSE => Features::SSE,
        F::SSE2 => Features::SSE2,
        F::SSE3 => Features::SSE3,
        F::SSSE3 => Features::SSSE3,
        F::SSE4_1 => Features::SSE4_1,
        F::SSE4_2 => Features::SSE4_2,
        F::AES => Features::AES,
        F::PCLMULQDQ => Features::PCLMULQDQ,
        F::SHA => Features::SHA,
        F::XSAVE => Features::XSAVE,
        F::XSAVEOPT => Features::XSAVEOPT,
        F::AVX => Features::AVX,
        F::AVX2 => Features::AVX2,
        F::FMA => Features::FMA,
        F::F16C => Features::F16C,
        F::POPCNT => Features::POPCNT,
        F::X64 => Features::LM,
        F::CMPXCHG16B => Features::CX16,
        F::RDTSCP => Features::RDTSCP,
        F::SYSCALL => Features::SYSCALL,
        F::FSGSBASE => Features::FSGSBASE,
        F::PREFETCHW => Features::PREFETCHW,
        F::SMAP => Features::SMAP,
        F::CLFSH => Features::CLFSH,
        F::RDRAND => Features::RDRAND,
        // Hint space (0F 18 to 0F 1F) is NOP since the P6.
        F::CET_IBT | F::CET_SS | F::CLDEMOTE if is_hint(code) => Features::CMOV,
        _ => return false,
    };
    features.contains(needed)
}

/// The prefixed bit scans.
fn is_scan(code: Code) -> bool {
    run_as(code, Features::empty()) != code
}

/// Codes in the hint space that later processors gave a meaning.
fn is_hint(code: Code) -> bool {
    use Code as C;
    matches!(code, C::Endbr32 | C::Endbr64 | C::Rdsspd_r32 | C::Rdsspq_r64 | C::Cldemote_m8)
}

/// Raises #UD.
///
/// # Errors
/// #UD always.
pub(super) fn undefined<B: Bus>(_: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    Err(Exception::ud())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FlatBus;
    use iced_x86::EncodingKind;

    /// Codes without a handler on purpose.
    fn is_excused(code: Code) -> bool {
        use Code as C;
        // The encodings reserved for raising #UD, and RSM, which is one outside SMM.
        let undefined = matches!(
            code,
            C::Ud0
                | C::Ud0_r16_rm16
                | C::Ud0_r32_rm32
                | C::Ud0_r64_rm64
                | C::Ud1_r16_rm16
                | C::Ud1_r32_rm32
                | C::Ud1_r64_rm64
        );
        // The decoder never yields these: it gives WAIT and the instruction behind it.
        let with_wait = matches!(
            code,
            C::Fstenv_m14byte
                | C::Fstenv_m28byte
                | C::Fstcw_m2byte
                | C::Feni
                | C::Fdisi
                | C::Fclex
                | C::Finit
                | C::Fsetpm
                | C::Fsave_m94byte
                | C::Fsave_m108byte
                | C::Fstsw_m2byte
                | C::Fstsw_AX
        );
        // And the 16-bit branch that only AMD's processors know in 64-bit mode.
        undefined || with_wait || matches!(code, C::Ud2 | C::Rsm | C::Jrcxz_rel8_16)
    }

    #[test]
    fn every_instruction_of_the_largest_model_has_a_handler() {
        let features = Features::possible();
        let missing: Vec<Code> = Code::values()
            .filter(|code| {
                let info = code.op_code();
                info.is_instruction()
                    && matches!(info.encoding(), EncodingKind::Legacy | EncodingKind::VEX)
            })
            .filter(|&code| offers(code, features) && lookup::<FlatBus>(code).is_none())
            .filter(|&code| !is_excused(code))
            .collect();
        assert_eq!(missing, []);
    }
}
