//! Which instructions are the x87 unit's, MMX's or SSE's, and what they do to memory.

use crate::sequence::Sequence;
use iced_x86::{
    CpuidFeature, Instruction, InstructionInfoFactory, Mnemonic as M, OpAccess, OpKind,
};

/// An x87 instruction.
pub fn is_x87(i: &Instruction) -> bool {
    use CpuidFeature as F;
    i.code().cpuid_features().iter().any(|f| matches!(f, F::FPU | F::FPU287 | F::FPU387))
}

/// It writes memory.
pub fn writes_memory(i: &Instruction) -> bool {
    let mut factory = InstructionInfoFactory::new();
    factory
        .info(i)
        .used_memory()
        .iter()
        .any(|m| !matches!(m.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess))
}

/// An SSE or SSE2 instruction.
pub fn is_sse(i: &Instruction) -> bool {
    let list = i.code().cpuid_features();
    list.contains(&CpuidFeature::SSE) || list.contains(&CpuidFeature::SSE2)
}

/// An instruction with MMX registers.
pub fn is_mmx(i: &Instruction) -> bool {
    i.code().cpuid_features().contains(&CpuidFeature::MMX)
        || (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Register && i.op_register(k).is_mm())
}

/// It may read and write the same memory.
pub fn modifies_memory(i: &Instruction) -> bool {
    let mut factory = InstructionInfoFactory::new();
    i.mnemonic() == M::Xchg
        || factory.info(i).used_memory().iter().any(|m| {
            matches!(
                m.access(),
                OpAccess::ReadWrite | OpAccess::ReadCondWrite | OpAccess::CondWrite
            )
        })
}

fn uses_feature(seq: &Sequence, list: &[CpuidFeature]) -> bool {
    seq.items.iter().any(|i| i.instruction.code().cpuid_features().iter().any(|f| list.contains(f)))
}

/// Whether an MMX instruction is in the case.
pub fn uses_mmx(seq: &Sequence) -> bool {
    seq.items.iter().any(|i| is_mmx(&i.instruction))
}

/// Whether an SSE or SSE2 instruction is in the case.
pub fn uses_sse(seq: &Sequence) -> bool {
    uses_feature(seq, &[CpuidFeature::SSE, CpuidFeature::SSE2])
}

/// Whether an x87 instruction is in the case.
pub fn uses_x87(seq: &Sequence) -> bool {
    seq.items.iter().any(|i| is_x87(&i.instruction))
}
