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
//! forms with a legacy encoding that exist in 32-bit code count.

use crate::options::TranslatorOptions;
use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic, Mnemonic as M};
use ringer_cpu::Features;
use ringer_cpu::interp::offers;

mod rows;
#[cfg(test)]
mod tests;
mod treatment;

use rows::{FORMS, INNOCUOUS};
pub use treatment::{ExecutionUnit, Rewrite, Treatment};

/// The treatment of `code`, with every feature and every optimisation present.
#[must_use]
pub fn treatment(code: Code) -> Treatment {
    if let Some((rewrite, _)) = FORMS.iter().find(|(_, forms)| forms.contains(&code)) {
        return *rewrite;
    }
    let op = code.op_code();
    let modelled = op.encoding() == EncodingKind::Legacy && offers(code, Features::all());
    if !op.mode32() || !modelled {
        return Treatment::Callout;
    }
    let mnemonic = code.mnemonic();
    if INNOCUOUS.iter().any(|family| family.contains(&mnemonic)) {
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
    if has(&[F::SSE, F::SSE2]) {
        ExecutionUnit::Sse
    } else if has(&[F::FPU, F::FPU287, F::FPU387, F::MMX]) {
        ExecutionUnit::Fpu
    } else {
        ExecutionUnit::Integer
    }
}

/// Came with SSE and SSE2 but touch neither their registers nor their enables.
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
];

/// [`treatment`] and [`unit`] of every code under `opts` and `features`, indexed by code.
#[derive(Debug)]
pub(crate) struct TreatmentTable(Box<[(Treatment, ExecutionUnit)]>);

impl TreatmentTable {
    pub(crate) fn new(opts: TranslatorOptions, features: Features) -> Self {
        let row = |code: Code| {
            let t = treatment(code);
            let needs = match t {
                Treatment::Innocuous => TranslatorOptions::IDENTITY,
                Treatment::Rewritten(rewrite) => rewrite.option(),
                Treatment::Callout => TranslatorOptions::empty(),
            };
            let allowed = opts.contains(needs) && offers(code, features);
            (if allowed { t } else { Treatment::Callout }, unit(code))
        };
        Self(Code::values().map(row).collect())
    }

    #[inline]
    pub(crate) fn get(&self, code: Code) -> (Treatment, ExecutionUnit) {
        self.0[code as usize]
    }
}
