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

use crate::TranslatorOptions;
use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic, Mnemonic as M};
use ringer_cpu::Features;

mod rows;
#[cfg(test)]
mod tests;

use rows::{FORMS, INNOCUOUS};

/// What the translator does with an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// Re-emitted as itself, operands renamed, memory operand re-based.
    Innocuous,
    /// Replaced by an inline sequence.
    Rewritten(Rewrite),
    /// Leaves translated code; the interpreter runs it.
    Callout,
}

/// The inline sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rewrite {
    /// Nothing is emitted.
    Nothing,
    /// Address arithmetic without an access.
    Lea,
    /// The same operation in a form that 64-bit mode has.
    OtherForm,
    /// XCHG with memory.
    Exchange,
    /// PUSH of a register, an immediate or memory.
    Push,
    /// PUSH of a segment register.
    PushSegment,
    /// POP to a register or memory.
    Pop,
    /// PUSHAD.
    PushAll,
    /// POPAD.
    PopAll,
    /// LEAVE.
    Leave,
    /// ENTER without nesting levels.
    Enter,
    /// MOV to a segment register.
    LoadSegment,
    /// POP to a segment register.
    PopSegment,
    /// LDS, LES, LFS, LGS, LSS, in real and V86 mode.
    LoadFar,
    /// JMP rel.
    Jump,
    /// JMP r/m.
    JumpIndirect,
    /// Jcc.
    JumpIf,
    /// LOOP, LOOPE, LOOPNE, JECXZ.
    Loop,
    /// CALL rel.
    Call,
    /// CALL r/m.
    CallIndirect,
    /// RET, RET n.
    Return,
    /// Far JMP, in real and V86 mode.
    FarJump,
    /// Far CALL, in real and V86 mode.
    FarCall,
    /// Far RET, in real and V86 mode.
    FarReturn,
    /// MOVS, CMPS, STOS, LODS, SCAS, with or without REP.
    String,
    /// MOV from a segment register.
    ReadSegment,
    /// CLI.
    ClearInterrupts,
    /// STI.
    SetInterrupts,
    /// PUSHFD.
    PushFlags,
    /// POPFD.
    PopFlags,
    /// RDTSC.
    TimeStamp,
    /// OUT of AL to a port in the instruction: those of the interrupt controllers' masks.
    PortOut,
    /// VERW.
    VerifyWrite,
    /// SYSENTER.
    Sysenter,
    /// SYSEXIT.
    Sysexit,
}

impl Rewrite {
    /// The switch that this sequence needs.
    #[must_use]
    pub fn option(self) -> TranslatorOptions {
        use TranslatorOptions as O;
        match self {
            Rewrite::Nothing | Rewrite::Lea | Rewrite::OtherForm => O::IDENTITY,
            Rewrite::Exchange => O::INLINE_XCHG,
            Rewrite::Push | Rewrite::Pop | Rewrite::Leave => O::INLINE_STACK,
            Rewrite::PushAll | Rewrite::PopAll | Rewrite::Enter => O::INLINE_STACK,
            Rewrite::LoadSegment | Rewrite::PopSegment | Rewrite::LoadFar => O::INLINE_SEGLOAD,
            Rewrite::Jump | Rewrite::JumpIndirect | Rewrite::JumpIf | Rewrite::Loop => {
                O::INLINE_BRANCH
            }
            Rewrite::Call | Rewrite::CallIndirect | Rewrite::Return => O::INLINE_BRANCH,
            Rewrite::FarJump | Rewrite::FarCall | Rewrite::FarReturn => O::INLINE_BRANCH,
            Rewrite::String => O::INLINE_STRINGS,
            Rewrite::ReadSegment | Rewrite::PushSegment => O::INLINE_SEGREAD,
            Rewrite::ClearInterrupts | Rewrite::SetInterrupts => O::INLINE_FLAGS,
            Rewrite::PushFlags | Rewrite::PopFlags => O::INLINE_FLAGS,
            Rewrite::Sysenter | Rewrite::Sysexit => O::INLINE_SWITCH,
            Rewrite::TimeStamp | Rewrite::PortOut => O::INLINE_SWITCH,
            Rewrite::VerifyWrite => O::INLINE_SEGLOAD,
        }
    }
}

/// The execution unit whose availability an instruction depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Always available.
    Integer,
    /// x87 and MMX: traps while CR0.EM or CR0.TS is set.
    Fpu,
    /// SSE and SSE2: also needs CR4.OSFXSR.
    Sse,
}

/// The treatment of `code`, with every feature and every optimisation present.
#[must_use]
pub fn treatment(code: Code) -> Treatment {
    if let Some((rewrite, _)) = FORMS.iter().find(|(_, forms)| forms.contains(&code)) {
        return *rewrite;
    }
    let op = code.op_code();
    let modelled = op.encoding() == EncodingKind::Legacy && offered(code, Features::all());
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
pub fn unit(code: Code) -> Unit {
    use CpuidFeature as F;
    if UNITLESS.contains(&code.mnemonic()) {
        return Unit::Integer;
    }
    let features = code.cpuid_features();
    if code == Code::Wait {
        return Unit::Fpu; // The decoder counts it to the 8086.
    }
    let has = |list: &[F]| features.iter().any(|f| list.contains(f));
    if has(&[F::SSE, F::SSE2]) {
        Unit::Sse
    } else if has(&[F::FPU, F::FPU287, F::FPU387, F::MMX]) {
        Unit::Fpu
    } else {
        Unit::Integer
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

/// Whether a processor with `features` has `code`: one that lacks it raises #UD, by a callout.
#[must_use]
pub fn offered(code: Code, features: Features) -> bool {
    use CpuidFeature as F;
    code.cpuid_features().iter().all(|feature| {
        let needed = match feature {
            F::INTEL8086 | F::INTEL186 | F::INTEL286 | F::INTEL386 | F::INTEL486 | F::PAUSE => {
                Features::empty()
            }
            // Their stubs do nothing that the interpreter has not done before.
            F::SEP => Features::empty(),
            F::TSC => Features::TSC,
            F::FPU | F::FPU287 | F::FPU387 => Features::FPU,
            F::CX8 => Features::CX8,
            // The hint space 0F 18 to 0F 1F executes as NOP since the P6, which brought CMOV.
            F::CMOV | F::MULTIBYTENOP | F::CET_IBT => Features::CMOV,
            F::MMX => Features::MMX,
            F::SSE => Features::SSE,
            F::SSE2 => Features::SSE2,
            F::CLFSH => Features::CLFSH,
            _ => return false,
        };
        features.contains(needed)
    })
}

/// [`treatment`] and [`unit`] of every code under `opts` and `features`, indexed by code.
#[derive(Debug)]
pub(crate) struct Table(Box<[(Treatment, Unit)]>);

impl Table {
    pub(crate) fn new(opts: TranslatorOptions, features: Features) -> Self {
        let row = |code: Code| {
            let t = treatment(code);
            let needs = match t {
                Treatment::Innocuous => TranslatorOptions::IDENTITY,
                Treatment::Rewritten(rewrite) => rewrite.option(),
                Treatment::Callout => TranslatorOptions::empty(),
            };
            let allowed = opts.contains(needs) && offered(code, features);
            (if allowed { t } else { Treatment::Callout }, unit(code))
        };
        Self(Code::values().map(row).collect())
    }

    #[inline]
    pub(crate) fn get(&self, code: Code) -> (Treatment, Unit) {
        self.0[code as usize]
    }
}
