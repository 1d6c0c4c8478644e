//! Where a later processor differs, rightly, from the 80286 that the cases were captured on: for each of the
//! [reasons](super::reasons) the cases that are run *instead*.
//!
//! A case that ends as captured is never looked at here. Of the others each kind says exactly
//! what the later processor must do: one or more cases derived from the captured one, which have to
//! end exactly as derived. So nothing is skipped: a case either passes, or passes as adapted, or fails.

use super::derive::{
    HLT, decode, entry, faulted, lists, place, prefixes, redirected, rewritten, vector,
};
use super::moo::{Case, reg};
use super::quirks;
use super::reasons::{Derived, Kind};
use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register};

/// The vectors that a later processor may raise where the 286 did not.
const HANDLED: [u8; 6] = [vector::DE, 5, vector::UD, 7, vector::SS, vector::GP];

/// The case with a HLT where each of its unused exception vectors leads: a machine that raises
/// another exception than the hardware stops at once, and the frame can be looked at.
#[must_use]
pub fn guarded(case: &Case) -> Case {
    let mut new = case.clone();
    let Some(handler) = (0x400..0x1000).step_by(16).find(|at| !lists(case, *at)) else {
        return new;
    };
    let segment = ((handler >> 4) as u16).to_le_bytes();
    for vector in HANDLED {
        let mut bytes = entry(vector)..entry(vector) + 4;
        if !bytes.any(|at| lists(case, at)) {
            for (k, byte) in (0..).zip([0, 0, segment[0], segment[1]]) {
                new.before.set_byte(entry(vector) + k, byte);
            }
        }
    }
    new.before.set_byte(handler, HLT);
    new
}

/// What to run instead of `case` (a [`guarded`] one), which ended otherwise than captured; `None`: nothing excuses it.
#[must_use]
pub fn adapt(case: &Case) -> Option<(Kind, Vec<Derived>)> {
    if let Some((kind, longer)) = quirks::too_long(case) {
        return Some((kind, vec![longer]));
    }
    let mut kind = None;
    let mut derived = Vec::new();
    let mut now = case.clone();
    if decode(case).is_invalid() && locks(case) > 0 {
        kind = Some(Kind::Lock);
        derived.push(Derived { case: faulted(case, vector::UD)?, masked: false });
        now = unlocked(case);
    }
    if let Some((own, cases)) = quirks::own_way(&now) {
        derived.extend(cases);
        return Some((kind.unwrap_or(own), derived));
    }
    if case.raises(vector::GP) {
        let instruction = decode(&now);
        if instruction.is_string_instruction() {
            now = pointers_kept(now, &instruction)?;
            let flags = quirks::compare_flags(&now, &instruction);
            let own = flags.as_ref().map_or(Kind::StringPointers, |_| Kind::CompareFlags);
            now = flags.unwrap_or(now);
            kind = kind.or(Some(own));
        }
        if uses_stack(&instruction) {
            now = redirected(now, vector::GP, vector::SS);
            kind = kind.or(Some(Kind::StackVector));
        }
    }
    if case.raises(vector::UD)
        && let Some(other) = other_segment(&now)
    {
        now = other;
        kind = kind.or(Some(Kind::NewSegments));
    }
    derived.push(masked(now));
    kind.map(|kind| (kind, derived))
}

fn masked(case: Case) -> Derived {
    Derived { case, masked: true }
}

fn locks(case: &Case) -> usize {
    case.bytes[..prefixes(case)].iter().filter(|b| **b == 0xf0).count()
}

/// The case without its LOCK prefixes, ending where it ended: it starts so many bytes later.
fn unlocked(case: &Case) -> Case {
    let head = prefixes(case);
    let kept = case.bytes[..head].iter().filter(|b| **b != 0xf0).chain(&case.bytes[head..]);
    rewritten(case, kept.copied().collect())
}

/// Whether an operand of `instruction` is addressed through SS.
fn uses_stack(instruction: &Instruction) -> bool {
    let mut factory = InstructionInfoFactory::new();
    factory.info(instruction).used_memory().iter().any(|m| m.segment() == Register::SS)
}

/// The case with SI, DI and CX at the end as they were before the iteration that faults.
fn pointers_kept(mut case: Case, instruction: &Instruction) -> Option<Case> {
    let step = if case.start(reg::EFLAGS) & 0x400 == 0 { 2u32 } else { 2u32.wrapping_neg() };
    let kinds = [instruction.op0_kind(), instruction.op1_kind()];
    let moves: Vec<usize> = kinds.into_iter().filter_map(pointer).collect();
    let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    let most = if repeated { case.start(reg::ECX) & 0xffff } else { 1 };
    // A word at FFFFh does not fit.
    let at = |r: usize, k: u32| case.start(r).wrapping_add(k.wrapping_mul(step)) & 0xffff;
    let done = (0..most).find(|k| moves.iter().any(|r| at(*r, *k) == 0xffff))?;
    let ends: Vec<(usize, u32)> = moves.iter().map(|r| (*r, at(*r, done))).collect();
    for r in [reg::ESI, reg::EDI, reg::ECX] {
        case.after.regs[r] = Some(case.start(r));
    }
    for (r, value) in ends {
        case.after.regs[r] = Some(value);
    }
    if repeated {
        case.after.regs[reg::ECX] = Some(case.start(reg::ECX).wrapping_sub(done) & 0xffff);
    }
    Some(case)
}

/// The register that points at a string operand.
fn pointer(kind: OpKind) -> Option<usize> {
    match kind {
        OpKind::MemorySegSI => Some(reg::ESI),
        OpKind::MemorySegDI | OpKind::MemoryESDI => Some(reg::EDI),
        _ => None,
    }
}

/// A MOV to or from FS or GS, with segment number 6 instead.
fn other_segment(case: &Case) -> Option<Case> {
    let instruction = decode(case);
    let moves = instruction.mnemonic() == Mnemonic::Mov && instruction.code() != Code::INVALID;
    let mut operands = [instruction.op0_register(), instruction.op1_register()].into_iter();
    if !moves || !operands.any(|r| matches!(r, Register::FS | Register::GS)) {
        return None;
    }
    let mut bytes = case.bytes.clone();
    let modrm = bytes.get_mut(prefixes(case) + 1)?;
    *modrm = *modrm & 0xc7 | 6 << 3;
    let mut new = case.clone();
    place(&mut new, bytes);
    Some(new)
}

#[cfg(test)]
#[path = "adapt_tests.rs"]
mod tests;
