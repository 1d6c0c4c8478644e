//! What can become of an instruction.

use crate::options::TranslatorOptions;

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
    /// CLAC.
    ClearAc,
    /// STAC.
    SetAc,
}

impl Rewrite {
    /// The option that this sequence needs.
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
            Rewrite::Sysenter | Rewrite::Sysexit => O::INLINE_TRANSFER,
            Rewrite::TimeStamp | Rewrite::PortOut => O::INLINE_TRANSFER,
            Rewrite::ClearAc | Rewrite::SetAc => O::INLINE_TRANSFER,
            Rewrite::VerifyWrite => O::INLINE_SEGLOAD,
        }
    }
}

/// The execution unit whose availability an instruction depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionUnit {
    /// Always available.
    Integer,
    /// x87 and MMX: traps while CR0.EM or CR0.TS is set.
    Fpu,
    /// SSE and its successors: also needs CR4.OSFXSR.
    Sse,
    /// AVX and its successors: needs CR4.OSXSAVE and XCR0, traps while CR0.TS is set.
    Avx,
}
