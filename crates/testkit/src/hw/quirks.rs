//! The 80286's own ways at the edges, each as a rule: which cases it is of, and how a later processor must end them.
//! They were found by holding a million captures against the interpreter.

use super::derive::{
    address, byte_operand, decode, faulted, flags_kept, linear, lists, longer, physical, prefixes,
    redirected, rewritten, vector,
};
use super::moo::{Case, reg};
use super::reasons::{Derived, Kind};
use iced_x86::{Code, Instruction, MemorySize, Mnemonic, OpKind, Register};

/// A 286's longest instruction.
const LONGEST_286: usize = 10;
/// Where a far pointer's second word lies beyond FFFFh, and the first does not.
const LAST_WORD: u32 = 0xfffe;
/// Nothing is put so near to the code, in bytes.
const ROOM: u32 = 16;
/// The quotient of a byte that a 286 does not see to be too large.
const UNDETECTED: i32 = 0x80;
/// A 286's prefix for the stack segment.
const SS_PREFIX: u8 = 0x36;

/// An instruction of more than ten bytes, which a 286 refuses as one beyond a limit, and now and then as an invalid one.
pub(super) fn too_long(case: &Case) -> Option<(Kind, Derived)> {
    // (The last of the bytes is the HLT behind it.)
    if case.bytes.len() <= LONGEST_286 + 1 {
        return None;
    }
    if case.raises(vector::GP) {
        return Some((Kind::Length, Derived { case: longer(case), masked: true }));
    }
    let new = || redirected(longer(case), vector::UD, vector::GP);
    let own = case.raises(vector::UD);
    own.then(|| (Kind::LengthInvalid, Derived { case: new(), masked: true }))
}

/// What is run instead of a case, if it is one of a rule's.
type Rule = fn(&Case, &Instruction) -> Option<(Kind, Vec<Derived>)>;

/// The rules whose derived cases are complete: nothing else differs.
const RULES: [Rule; 4] = [pop_to_memory, wrapped_pointer, adjustment_by_zero, quotient_of_80h];

/// What to run instead of `case`, by the first rule that it is a case of.
pub(super) fn own_way(case: &Case) -> Option<(Kind, Vec<Derived>)> {
    let instruction = decode(case);
    RULES.iter().find_map(|rule| rule(case, &instruction))
}

/// The vector of a limit violation in `segment` (SDM volume 3A, 6.15, #SS and #GP).
fn violation(segment: Register) -> u8 {
    if segment == Register::SS { vector::SS } else { vector::GP }
}

/// POP of a word to memory that faults: SP has moved, so the frame lies two bytes higher.
fn pop_to_memory(case: &Case, instruction: &Instruction) -> Option<(Kind, Vec<Derived>)> {
    let pops = instruction.mnemonic() == Mnemonic::Pop && instruction.op0_kind() == OpKind::Memory;
    if !pops || !case.raises(vector::GP) {
        return None;
    }
    // The stack is read before the operand is written.
    let unreadable = case.start(reg::ESP) & 0xffff == 0xffff;
    let segment = if unreadable { Register::SS } else { instruction.memory_segment() };
    let new = faulted(case, violation(segment))?;
    Some((Kind::PopToMemory, vec![Derived { case: new, masked: false }]))
}

/// A far pointer at FFFEh: a 286 reads two words, each of which fits; later it is an operand of four bytes.
fn wrapped_pointer(case: &Case, instruction: &Instruction) -> Option<(Kind, Vec<Derived>)> {
    if instruction.memory_size() != MemorySize::SegPtr16 {
        return None;
    }
    let (segment, offset) = address(case, instruction)?;
    if offset != LAST_WORD || case.raises(violation(segment)) {
        return None;
    }
    let refused = Derived { case: faulted(case, violation(segment))?, masked: false };
    let elsewhere = elsewhere(case, segment)?;
    Some((Kind::WrappedPointer, vec![refused, Derived { case: elsewhere, masked: true }]))
}

/// The case with the far pointer of its operand at a lower offset of `segment`, which the instruction names directly.
fn elsewhere(case: &Case, segment: Register) -> Option<Case> {
    let head = prefixes(case);
    let overridden = case.bytes[..head].iter().any(|b| matches!(b, 0x26 | 0x2e | 0x36 | 0x3e));
    let opcode = *case.bytes.get(head)?;
    let modrm = *case.bytes.get(head + 1)?;
    let code = linear(case.start(reg::CS), case.start(reg::EIP));
    let free = |offset: &u32| {
        let mut bytes = (0..4).filter_map(|k| physical(case, segment, offset + k));
        bytes.all(|at| !lists(case, at) && at.abs_diff(code) > ROOM)
    };
    let offset = (0..LAST_WORD - 2).step_by(2).find(free)?;
    let mut bytes = case.bytes[..head].to_vec();
    bytes.extend((segment == Register::SS && !overridden).then_some(SS_PREFIX));
    // mod 0, r/m 6: the offset follows.
    bytes.extend([opcode, modrm & 0x38 | 6, offset as u8, (offset >> 8) as u8]);
    bytes.extend(case.bytes.last());
    let mut new = rewritten(case, bytes);
    for k in 0..4 {
        let from = physical(case, segment, (LAST_WORD + k) & 0xffff)?;
        new.before.set_byte(physical(case, segment, offset + k)?, case.before.byte(from)?);
    }
    Some(new)
}

/// AAM by 0: a 286 pushes flags of a division that did not take place.
fn adjustment_by_zero(case: &Case, instruction: &Instruction) -> Option<(Kind, Vec<Derived>)> {
    let own = instruction.code() == Code::Aam_imm8 && instruction.immediate8() == 0;
    if !own || !case.raises(vector::DE) {
        return None;
    }
    Some((Kind::AamByZero, vec![Derived { case: faulted(case, vector::DE)?, masked: false }]))
}

/// IDIV of a byte whose quotient is +128: AL is 80h on a 286.
fn quotient_of_80h(case: &Case, instruction: &Instruction) -> Option<(Kind, Vec<Derived>)> {
    if instruction.code() != Code::Idiv_rm8 || case.exception.is_some() {
        return None;
    }
    let divisor = byte_operand(case, instruction, 0)? as i8;
    let dividend = case.start(reg::EAX) as i16;
    if i32::from(dividend).checked_div(i32::from(divisor)) != Some(UNDETECTED) {
        return None;
    }
    // The SDM leaves the flags of #DE undefined for it.
    Some((Kind::Quotient80h, vec![Derived { case: faulted(case, vector::DE)?, masked: true }]))
}

/// REP CMPS or SCAS that faults: a 286 keeps the flags of the last iteration that did not, later processors restore those
/// from before the instruction. `case` with these, if the captured ones are others.
pub(super) fn compare_flags(case: &Case, instruction: &Instruction) -> Option<Case> {
    use Mnemonic as M;
    let compares = matches!(instruction.mnemonic(), M::Cmpsb | M::Cmpsw | M::Scasb | M::Scasw);
    let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    let kept = flags_kept(case.clone());
    let differ = |n: usize| case.end(n) != kept.end(n);
    (compares && repeated && differ(reg::EFLAGS)).then_some(kept)
}
