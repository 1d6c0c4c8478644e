//! What is known to be wrong in the peer, or out of its reach: each entry of [`faults`] matches
//! narrowly, says why the SDM is on our side, and is counted. Here is what the entries look at.

mod list;

pub use list::faults;

use crate::bench::Bench;
use crate::case::Outcome;
use crate::compare::{self, Diff, Frame, Part};
use crate::sequence::Sequence;
use crate::units::{is_sse, is_x87, uses_x87};
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind};

/// What the entries look at.
#[derive(Debug)]
pub struct Look<'a> {
    /// The case.
    pub seq: &'a Sequence,
    /// Ringer's result.
    pub ours: Outcome<'a>,
    /// The peer's result.
    pub theirs: Outcome<'a>,
    /// Ringer's frame.
    pub frame: Option<Frame>,
    /// The peer's frame.
    pub their_frame: Option<Frame>,
    /// The instruction at which Ringer raised the exception.
    pub fault: Option<Instruction>,
    /// The instruction at which the peer did.
    pub their_fault: Option<Instruction>,
}

impl<'a> Look<'a> {
    /// The looks of case `k` of a batch, on the bench of the reference and on another.
    pub fn new(seq: &'a Sequence, a: &'a Bench, b: &'a Bench, k: usize) -> Self {
        let (frame, their_frame) = (compare::frame(seq, a, k), compare::frame(seq, b, k));
        Self {
            seq,
            ours: a.outcome(k),
            theirs: b.outcome(k),
            frame,
            their_frame,
            fault: compare::instruction(seq, frame, a.data(k)),
            their_fault: compare::instruction(seq, their_frame, b.data(k)),
        }
    }

    /// The instruction at which Ringer raised the exception.
    pub(super) fn at(&self) -> Option<&Instruction> {
        self.fault.as_ref()
    }

    /// The case ended in data that it ran, or in the middle of an instruction: nobody knows which
    /// instructions were there.
    pub(super) fn ran_data(&self) -> bool {
        self.frame.is_some_and(|frame| !compare::followed(self.seq, frame))
    }

    /// An x87 instruction can have run.
    pub(super) fn x87(&self) -> bool {
        uses_x87(self.seq) || self.ran_data()
    }

    pub(super) fn has(&self, list: &[M]) -> bool {
        self.seq.items.iter().any(|i| list.contains(&i.instruction.mnemonic()))
    }

    pub(super) fn fsw(&self) -> u32 {
        self.ours.word(0x200) >> 16
    }

    pub(super) fn mxcsr(&self) -> u32 {
        self.ours.word(0x218)
    }

    /// A segment has a limit or may not be written, or can have come to be so by a load.
    pub(super) fn limited(&self) -> bool {
        self.seq.setting.bits == 16
            || self.seq.setting.segs.iter().any(|s| !s.plain)
            || self.seq.items.iter().any(|i| loads_segment(&i.instruction))
    }
}

fn loads_segment(i: &Instruction) -> bool {
    (i.op_count() > 0 && i.op0_kind() == OpKind::Register && i.op0_register().is_segment_register())
        || matches!(i.mnemonic(), M::Lds | M::Les | M::Lfs | M::Lgs | M::Lss)
}

/// One entry.
pub struct Fault {
    /// What reports and counts call it.
    pub name: &'static str,
    /// Why we are right.
    pub reason: &'static str,
    /// Takes the differences that it explains out of the list.
    pub explains: fn(&Look<'_>, &mut Vec<Diff>),
}

/// What may differ between Ringer's engines, and only that; see "From the architecture" in
/// docs/departures.md. Returns its name when it took a difference out.
pub fn between_engines(look: &Look<'_>, list: &mut Vec<Diff>) -> Option<&'static str> {
    let cmps = |i: &Instruction| matches!(i.mnemonic(), M::Cmpsb | M::Cmpsw | M::Cmpsd);
    if matches!(look.ours.vector(), 8 | 14) && look.at().is_some_and(cmps) {
        let before = list.len();
        ignore_accessed(list);
        return (list.len() < before).then_some("accessed flag of CMPS's other operand");
    }
    None
}

/// Settings and instructions with which the case is not given to the peer at all.
pub fn out_of_reach(seq: &Sequence) -> Option<&'static str> {
    if seq.undefined_value {
        return Some("an undefined value");
    }
    for item in &seq.items {
        let i = &item.instruction;
        if item.illegal_lock {
            return Some("LOCK where it is illegal");
        }
        if APPROXIMATE.contains(&i.mnemonic()) {
            return Some("an approximation: the last bits are the processor's own");
        }
        let stores = matches!(i.mnemonic(), M::Maskmovq | M::Maskmovdqu);
        if stores && i.op0_kind() == OpKind::MemorySegDI {
            return Some("MASKMOVQ with 16-bit addresses, which can wrap");
        }
        if matches!(i.mnemonic(), M::Iret | M::Iretd) && !after_push(seq, i) {
            return Some("IRET of an arbitrary frame");
        }
        if i.mnemonic() == M::Fnstsw && uses_x87(seq) {
            return Some("FNSTSW: condition codes that are undefined");
        }
        if UNDOCUMENTED.contains(&i.code()) {
            return Some("an encoding that the SDM does not list");
        }
        if matches!(i.mnemonic(), M::Cmpxchg8b) {
            return Some("CMPXCHG8B, after which TCG's EFLAGS are garbage, VM and VIP among them");
        }
        if matches!(i.mnemonic(), M::Cpuid) {
            return Some("CPUID");
        }
    }
    if seq.case.fpu[2] & 0x40 != 0 && uses_x87(seq) {
        return Some("SF set from the start would hide x87 stack faults");
    }
    None
}

/// The IRET has a frame made for it. (At CPL 3, TCG enters V86 mode when the frame says so, and then
/// keeps VIP for ever; SDM volume 2, IRET: only CPL 0 may.)
fn after_push(seq: &Sequence, iret: &Instruction) -> bool {
    let before = seq.items.iter().map(|i| &i.instruction).find(|i| i.next_ip() == iret.ip());
    before.is_some_and(|i| i.mnemonic() == M::Push && i.op0_kind() != OpKind::Register)
}

/// They run here as on processors, and raise #UD or do something else on the peer.
const UNDOCUMENTED: &[Code] = &[
    Code::Test_rm8_imm8_F6r1,
    Code::Test_rm16_imm16_F7r1,
    Code::Test_rm32_imm32_F7r1,
    Code::Fstpnce_sti,
    Code::Ffreep_sti,
    Code::Reservednop_rm16_r16_0F0D,
    Code::Reservednop_rm32_r32_0F0D,
    Code::Reservednop_rm16_r16_0F18,
    Code::Reservednop_rm32_r32_0F18,
    Code::Reservednop_rm16_r16_0F19,
    Code::Reservednop_rm32_r32_0F19,
];

/// SDM volume 1, 8.3.10 and 10.4: results within an error bound.
const APPROXIMATE: &[M] = &[
    M::Fsin,
    M::Fcos,
    M::Fsincos,
    M::Fptan,
    M::Fpatan,
    M::F2xm1,
    M::Fyl2x,
    M::Fyl2xp1,
    M::Rcpps,
    M::Rcpss,
    M::Rsqrtps,
    M::Rsqrtss,
];

/// The lane at `place`, or one that it is part of, is a NaN in both results.
pub(super) fn near_nan(look: &Look<'_>, place: Part) -> bool {
    let Part::Fpu(at) = place else { return false };
    let at = 0x200 + at;
    let single = |o: &Outcome<'_>, at| o.word(at) & 0x7fff_ffff > 0x7f80_0000;
    let double = |o: &Outcome<'_>, at: usize| {
        let high = o.word((at & !7) + 4) & 0x7fff_ffff;
        high >= 0x7ff8_0000
    };
    [&look.ours, &look.theirs].iter().all(|o| single(o, at) || double(o, at))
}

/// A NaN was in an XMM register at the start, or can have come from memory, and after arithmetic on it an operation on
/// integers (or on bits) can have hidden what became of it.
pub(super) fn hides_nan(look: &Look<'_>) -> bool {
    let lanes = look.seq.case.fpu[160..288].chunks_exact(4);
    let word = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let integer = |i: &Instruction| {
        let name = format!("{:?}", i.mnemonic());
        name.starts_with('P') || BITWISE.contains(&i.mnemonic())
    };
    let reads = |i: &Instruction| (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Memory);
    let sse = || look.seq.items.iter().map(|i| &i.instruction).filter(|i| is_sse(i));
    sse().any(integer)
        && (sse().any(|i| !integer(i) && reads(i))
            || lanes.map(word).any(|w| w & 0x7fff_ffff > 0x7f80_0000))
}

const BITWISE: &[M] =
    &[M::Andps, M::Andpd, M::Andnps, M::Andnpd, M::Orps, M::Orpd, M::Xorps, M::Xorpd];

/// Between MMX and SSE registers.
pub(super) const CONVERSIONS: &[M] = &[
    M::Cvtpi2ps,
    M::Cvtps2pi,
    M::Cvttps2pi,
    M::Cvtpi2pd,
    M::Cvtpd2pi,
    M::Cvttpd2pi,
    M::Movq2dq,
    M::Movdq2q,
];

/// Operations to which TCG applies precision control though only the basic arithmetic has it.
pub(super) fn widens(i: &Instruction) -> bool {
    let memory = (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Memory);
    is_x87(i)
        && (memory
            || matches!(i.mnemonic(), M::Frndint | M::Fprem | M::Fprem1 | M::Fscale | M::Fxtract))
}

pub(super) const MIN_MAX: &[M] =
    &[M::Minps, M::Minss, M::Minpd, M::Minsd, M::Maxps, M::Maxss, M::Maxpd, M::Maxsd];

pub(super) fn ignore_fpu(list: &mut Vec<Diff>, at: usize, mask: u32) {
    for d in list.iter_mut().filter(|d| d.place == Part::Fpu(at)) {
        d.theirs = d.theirs & !mask | d.ours & mask;
    }
    list.retain(|d| d.ours != d.theirs);
}

/// A or D was set in one and not in the other.
pub(super) fn ignore_accessed(list: &mut Vec<Diff>) {
    for d in list.iter_mut().filter(|d| matches!(d.place, Part::Word(0xb0..=0xe8))) {
        d.theirs = d.theirs & !0x60 | d.ours & 0x60;
    }
    list.retain(|d| d.ours != d.theirs);
}
