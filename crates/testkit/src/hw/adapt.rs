//! Where a later processor differs, rightly, from the 80286 that the cases were captured on: the one
//! table of the reasons, and for each the cases that are run *instead*.
//!
//! A case that ends as captured is never looked at here. Of the others each kind below says exactly
//! what the later processor must do: one or more cases derived from the captured one, which have to
//! end exactly as derived. So nothing is skipped: a case either passes, or passes as adapted, or fails.

use super::moo::{Case, State, reg};
use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register,
};

/// A difference between the 286 and its successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The limit of an instruction's length.
    Length,
    /// LOCK before an instruction that may not carry it.
    Lock,
    /// The vector of a stack-segment overrun.
    StackVector,
    /// Registers of a string instruction that faults.
    StringPointers,
    /// FS and GS.
    NewSegments,
}

/// A kind and its reason.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// The kind.
    pub kind: Kind,
    /// One word for reports.
    pub name: &'static str,
    /// What differs, by which manual, and what is checked instead.
    pub why: &'static str,
}

/// Every kind once.
pub const REASONS: [Reason; 5] = [
    Reason {
        kind: Kind::Length,
        name: "length",
        why: "a 286 raises interrupt 13 for instructions over 10 bytes, later processors for those over \
              15 (iAPX 286 manual, interrupt 13 in real mode; SDM volume 3, #GP). Checked: the \
              instruction with redundant prefixes up to 16 bytes ends as captured",
    },
    Reason {
        kind: Kind::Lock,
        name: "lock",
        why: "a 286 in real mode takes LOCK before any instruction; since the 386 it is #UD where the \
              instruction may not carry it (SDM volume 2, LOCK). Checked: #UD with its frame and \
              nothing else changed, and without the prefix the captured result",
    },
    Reason {
        kind: Kind::StackVector,
        name: "stack-vector",
        why: "an operand beyond the limit of SS is interrupt 13 on a 286 in real mode, 12 since the \
              386 (SDM volume 3, #SS; 8086 emulation). Checked: the captured result, with interrupt \
              12 leading where 13 does",
    },
    Reason {
        kind: Kind::StringPointers,
        name: "string-pointers",
        why: "a string instruction that faults has moved SI, DI and CX on a 286; later processors leave \
              them as before the iteration that faults (SDM volume 2, REP). Checked: all else as \
              captured, and SI, DI and CX as computed from the first element that straddles FFFFh",
    },
    Reason {
        kind: Kind::NewSegments,
        name: "fs-gs",
        why: "FS and GS came with the 386; a 286 answers #UD (SDM volume 3, architecture \
              compatibility). Checked: with the segment number 6, which no processor has, the \
              captured #UD",
    },
];

/// A case to run instead, and whether the file's masks (undefined flags) hold for it.
#[derive(Debug)]
pub struct Derived {
    /// The case.
    pub case: Case,
    /// False: compare every bit.
    pub masked: bool,
}

const GP: u8 = 13;
const SS_FAULT: u8 = 12;
const UD: u8 = 6;
const HLT: u8 = 0xf4;
/// A 286's longest instruction.
const LONGEST_286: usize = 10;
/// One byte more than any processor takes.
const TOO_LONG: usize = 16;

/// The vectors that a later processor may raise where the 286 did not.
const HANDLED: [u8; 6] = [0, 5, UD, 7, SS_FAULT, GP];

/// The case with a HLT where each of its unused exception vectors leads: a machine that raises
/// another exception than the hardware stops at once, and the frame can be looked at.
#[must_use]
pub fn guarded(case: &Case) -> Case {
    let mut new = case.clone();
    let listed = |at: &u32| case.before.byte(*at).is_some() || case.after.byte(*at).is_some();
    let Some(handler) = (0x400..0x1000).step_by(16).find(|at| !listed(at)) else { return new };
    let segment = ((handler >> 4) as u16).to_le_bytes();
    for vector in HANDLED {
        let mut bytes = entry(vector)..entry(vector) + 4;
        if !bytes.any(|at| listed(&at)) {
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
    let overrun = case.exception.is_some_and(|(vector, _)| vector == GP);
    // (The last of the bytes is the HLT behind the instruction.)
    if overrun && case.bytes.len() > LONGEST_286 + 1 {
        return Some((Kind::Length, vec![masked(longer(case))]));
    }
    let mut kind = None;
    let mut derived = Vec::new();
    let mut now = case.clone();
    if decode(case).is_invalid() && locks(case) > 0 {
        kind = Some(Kind::Lock);
        derived.push(Derived { case: refused(case)?, masked: false });
        now = unlocked(case);
    }
    if overrun {
        let instruction = decode(&now);
        if instruction.is_string_instruction() {
            now = pointers_kept(now, &instruction)?;
            kind = kind.or(Some(Kind::StringPointers));
        }
        if uses_stack(&instruction) {
            now = redirected(now);
            kind = kind.or(Some(Kind::StackVector));
        }
    }
    if case.exception.is_some_and(|(vector, _)| vector == UD)
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

fn decode(case: &Case) -> Instruction {
    Decoder::new(16, &case.bytes, DecoderOptions::NONE).decode()
}

/// The 286's prefixes at the head of the case.
fn prefixes(case: &Case) -> usize {
    let prefix = |b: &&u8| matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0xf0 | 0xf2 | 0xf3);
    case.bytes.iter().take_while(prefix).count()
}

fn locks(case: &Case) -> usize {
    case.bytes[..prefixes(case)].iter().filter(|b| **b == 0xf0).count()
}

fn linear(segment: u32, offset: u32) -> u32 {
    (segment << 4) + (offset & 0xffff)
}

/// Puts `bytes` where CS:IP of the case points.
fn place(case: &mut Case, bytes: Vec<u8>) {
    for (at, byte) in (case.start(reg::EIP)..).zip(&bytes) {
        let at = linear(case.start(reg::CS), at);
        case.before.set_byte(at, *byte);
    }
    case.bytes = bytes;
}

/// The case with so many more of its first prefix that no processor takes it.
fn longer(case: &Case) -> Case {
    let mut new = case.clone();
    let length = case.bytes.len() - 1;
    let mut bytes = vec![case.bytes[0]; TOO_LONG.saturating_sub(length)];
    bytes.extend(&case.bytes);
    place(&mut new, bytes);
    new
}

/// Where interrupt `vector`'s entry of the real-mode table is.
fn entry(vector: u8) -> u32 {
    4 * u32::from(vector)
}

/// The case as it must end since the 386: #UD, its frame, and a HLT where interrupt 6 leads.
fn refused(case: &Case) -> Option<Case> {
    let mut new = Case { after: State::default(), ..case.clone() };
    let sp = case.start(reg::ESP);
    let flags = case.start(reg::EFLAGS) & 0xffff;
    let frame = [case.start(reg::EIP), case.start(reg::CS), flags];
    for (above, word) in (0u32..).step_by(2).zip(frame) {
        let at = sp.wrapping_sub(6).wrapping_add(above);
        for (k, byte) in (0u32..).zip((word as u16).to_le_bytes()) {
            new.after.set_byte(linear(case.start(reg::SS), at.wrapping_add(k)), byte);
        }
    }
    let vector: Vec<u32> =
        (0..4).map(|k| case.before.byte(entry(UD) + k).map(u32::from)).collect::<Option<_>>()?;
    let (ip, cs) = (vector[0] | vector[1] << 8, vector[2] | vector[3] << 8);
    new.after.regs[reg::ESP] = Some(sp.wrapping_sub(6) & 0xffff);
    new.after.regs[reg::CS] = Some(cs);
    new.after.regs[reg::EIP] = Some((ip + 1) & 0xffff);
    new.after.regs[reg::EFLAGS] = Some(flags & !0x300);
    new.exception = Some((UD, linear(case.start(reg::SS), sp.wrapping_sub(2))));
    Some(new)
}

/// The case without its LOCK prefixes, ending where it ended: it starts so many bytes later.
fn unlocked(case: &Case) -> Case {
    let (head, count) = (prefixes(case), locks(case));
    let kept = case.bytes[..head].iter().filter(|b| **b != 0xf0).chain(&case.bytes[head..]);
    let bytes = kept.copied().collect();
    let mut new = case.clone();
    let start = case.start(reg::EIP);
    let later = start.wrapping_add(count as u32) & 0xffff;
    new.before.regs[reg::EIP] = Some(later);
    new.after.regs[reg::EIP] = Some(case.end(reg::EIP));
    place(&mut new, bytes);
    if case.exception.is_some() {
        // A fault pushes the start of the instruction.
        let at = [0, 1].map(|k| linear(case.end(reg::SS), case.end(reg::ESP).wrapping_add(k)));
        let pushed = u16::from_le_bytes(at.map(|at| case.end_byte(at)));
        if u32::from(pushed) == start {
            for (at, byte) in at.into_iter().zip((later as u16).to_le_bytes()) {
                new.after.set_byte(at, byte);
            }
        }
    }
    new
}

/// Whether an operand of `instruction` is addressed through SS.
fn uses_stack(instruction: &Instruction) -> bool {
    let mut factory = InstructionInfoFactory::new();
    factory.info(instruction).used_memory().iter().any(|m| m.segment() == Register::SS)
}

/// The case with interrupt 12 leading where 13 leads.
fn redirected(mut case: Case) -> Case {
    for k in 0..4 {
        let byte = case.before.byte(entry(GP) + k).unwrap_or(0);
        case.before.set_byte(entry(SS_FAULT) + k, byte);
    }
    case
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
