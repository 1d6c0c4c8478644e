//! The one table: what happens to every instruction that the decoder can yield. (16-bit code has the
//! same forms as 32-bit code.)
//!
//! In the terms of Popek and Goldberg, an instruction is *innocuous* (it runs as itself), it is
//! *rewritten* (a short inline sequence does its work), or it is a *callout* (translated code leaves
//! and the interpreter runs it). The table denies by default: what no row names is a callout.
//! `is_privileged` of a decoder is no help here, the dangerous ones are the sensitive unprivileged
//! instructions; so this is a list of what is allowed, in the manual's families.
//!
//! Rows are by mnemonic; where the forms of a mnemonic differ ([`FORMS`]), the form decides. Only
//! forms that exist in 32-bit code count, with a legacy encoding, or with a VEX prefix where [`VEX`] says so. What the host's
//! processor lacks is a callout, too.

use crate::options::TranslatorOptions;
use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic, Mnemonic as M};
use ringer_cpu::Features;
use ringer_cpu::interp::{offers, run_as};

mod rows;
#[cfg(test)]
mod tests;
mod treatment;

use rows::{FORMS, INNOCUOUS, VEX};
pub use treatment::{ExecutionUnit, Rewrite, Treatment};

/// The treatment of `code`, with every feature and every optimisation present.
#[must_use]
pub fn treatment(code: Code) -> Treatment {
    if let Some((rewrite, _)) = FORMS.iter().find(|(_, forms)| forms.contains(&code)) {
        return *rewrite;
    }
    let op = code.op_code();
    if !op.mode32() || !offers(code, Features::all()) {
        return Treatment::Callout;
    }
    let families = match op.encoding() {
        EncodingKind::Legacy => INNOCUOUS,
        EncodingKind::VEX => VEX,
        _ => return Treatment::Callout,
    };
    let mnemonic = code.mnemonic();
    if families.iter().any(|family| family.contains(&mnemonic)) {
        Treatment::Innocuous
    } else {
        Treatment::Callout
    }
}

/// The unit that `code` runs on.
#[must_use]
pub fn unit(code: Code) -> ExecutionUnit {
    use CpuidFeature as F;
    if UNITLESS.contains(&code.mnemonic()) {
        return ExecutionUnit::Integer;
    }
    let features = code.cpuid_features();
    if code == Code::Wait {
        return ExecutionUnit::Fpu; // The decoder counts it to the 8086.
    }
    let has = |list: &[F]| features.iter().any(|f| list.contains(f));
    if code.op_code().encoding() == EncodingKind::VEX {
        let vector = has(&[F::AVX, F::AVX2, F::F16C, F::FMA]);
        return if vector { ExecutionUnit::Avx } else { ExecutionUnit::Integer };
    }
    if has(&[F::FPU, F::FPU287, F::FPU387, F::MMX]) {
        ExecutionUnit::Fpu
    } else if has(SSE) {
        ExecutionUnit::Sse
    } else {
        ExecutionUnit::Integer
    }
}

/// The features of XMM registers.
const SSE: &[CpuidFeature] = &[
    CpuidFeature::SSE,
    CpuidFeature::SSE2,
    CpuidFeature::SSE3,
    CpuidFeature::SSSE3,
    CpuidFeature::SSE4_1,
    CpuidFeature::SSE4_2,
    CpuidFeature::AES,
    CpuidFeature::PCLMULQDQ,
    CpuidFeature::SHA,
];

/// Came with SSE and its successors but touch neither their registers nor their enables.
const UNITLESS: &[Mnemonic] = &[
    M::Prefetchnta,
    M::Prefetcht0,
    M::Prefetcht1,
    M::Prefetcht2,
    M::Sfence,
    M::Lfence,
    M::Mfence,
    M::Movnti,
    M::Pause,
    M::Clflush,
    M::Crc32,
];

/// [`treatment`] and [`unit`] of every code under `opts` and `features`, indexed by code.
#[derive(Debug)]
pub(crate) struct TreatmentTable(Box<[(Treatment, ExecutionUnit)]>);

impl TreatmentTable {
    pub(crate) fn new(opts: TranslatorOptions, features: Features) -> Self {
        let host = Features::of_host();
        let row = |code: Code| {
            // A scan whose prefix means nothing is emitted without.
            let runs = run_as(code, features);
            let t = if runs == code {
                treatment(code)
            } else {
                Treatment::Rewritten(Rewrite::OtherForm)
            };
            let itself =
                matches!(t, Treatment::Innocuous | Treatment::Rewritten(Rewrite::OtherForm));
            let needs = match t {
                Treatment::Innocuous => TranslatorOptions::IDENTITY,
                Treatment::Rewritten(rewrite) => rewrite.option(),
                Treatment::Callout => TranslatorOptions::empty(),
            };
            let on_host = !itself || (offers(runs, host) && run_as(runs, host) == runs);
            let allowed = opts.contains(needs) && offers(code, features) && on_host;
            (if allowed { t } else { Treatment::Callout }, unit(code))
        };
        Self(Code::values().map(row).collect())
    }

    #[inline]
    pub(crate) fn get(&self, code: Code) -> (Treatment, ExecutionUnit) {
        self.0[code as usize]
    }
}
