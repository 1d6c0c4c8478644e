//! What differs between two results of one case.
//!
//! Invariants: Ringer's engines are compared in everything, undefined flags included; what is left
//! out against the peer is either undefined by the SDM (here) or a fault of the peer's that
//! `peer_faults.rs` names.

use crate::bench::Bench;
use crate::case::{FIELDS, Kind, Outcome};
use crate::layout::*;
use crate::sequence::{ARITH, Item, Sequence};
use crate::units::uses_x87;
use iced_x86::{Decoder, FlowControl, Instruction};
use ringer_casegen::undefined_x87;
use std::fmt;

/// DR6 in a result slot.
const DR6: usize = 0x44;

/// Where results differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A doubleword of the result slot.
    Word(usize),
    /// A doubleword of the FXSAVE image.
    Fpu(usize),
    /// A doubleword of the data pages.
    Data(usize),
    /// A machine stopped in the case, the other did not.
    Death,
}

/// One difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diff {
    /// Where.
    pub place: Part,
    /// Ringer's (the interpreter's, where both engines are compared).
    pub ours: u32,
    /// The other's.
    pub theirs: u32,
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Part::Word(at) => match FIELDS.iter().find(|(a, _)| *a == at) {
                Some((_, name)) => write!(f, "{name}")?,
                None if at < 0x130 => write!(f, "descriptor slots +{:#x}", at - 0xf0)?,
                None => write!(f, "code +{:#x}", at - 0x130)?,
            },
            Part::Fpu(at) => write!(f, "FXSAVE+{at:#x} ({})", fpu_name(at))?,
            Part::Data(at) => write!(f, "data+{at:#06x}")?,
            Part::Death => return write!(f, "one machine stops, the other does not"),
        }
        write!(f, ": {:08x} / {:08x}", self.ours, self.theirs)
    }
}

fn fpu_name(at: usize) -> String {
    match at {
        0 => "FSW:FCW".to_owned(),
        4 => "FOP, tags".to_owned(),
        8..=23 => "pointers".to_owned(),
        24 => "MXCSR".to_owned(),
        32..=159 => format!("ST{}", (at - 32) / 16),
        160..=287 => format!("XMM{}", (at - 160) / 16),
        _ => "reserved".to_owned(),
    }
}

/// All that differs between the results of case `k`.
pub fn differences(a: &Bench, b: &Bench, k: usize) -> Vec<Diff> {
    let mut list = Vec::new();
    let (ours, theirs) = (a.outcome(k), b.outcome(k));
    if ours.is_complete() != theirs.is_complete() {
        list.push(Diff { place: Part::Death, ours: 0, theirs: 0 });
        return list;
    }
    if !ours.is_complete() {
        return list;
    }
    if ours.0 != theirs.0 {
        words(&ours, &theirs, &mut list);
    }
    if a.data(k) != b.data(k) {
        let pairs = a.data(k).chunks_exact(4).zip(b.data(k).chunks_exact(4));
        for (at, (x, y)) in pairs.enumerate().filter(|(_, (x, y))| x != y) {
            let value = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            list.push(Diff { place: Part::Data(at * 4), ours: value(x), theirs: value(y) });
        }
    }
    list
}

fn words(a: &Outcome<'_>, b: &Outcome<'_>, list: &mut Vec<Diff>) {
    for at in (0..SLOT).step_by(4) {
        let (ours, theirs) = (a.word(at), b.word(at));
        // FOP and the x87 pointers; the bytes that FXSAVE does not define.
        let mask = match at {
            0x204 => 0x0000_ffff,
            0x208..0x218 => 0,
            0x21c => 0,
            0x220..0x2a0 if at % 16 == 8 => 0xffff,
            0x220..0x2a0 if at % 16 == 12 => 0,
            0x320.. => 0,
            _ => !0,
        };
        if (ours ^ theirs) & mask != 0 {
            let place = if at >= 0x200 { Part::Fpu(at - 0x200) } else { Part::Word(at) };
            list.push(Diff { place, ours: ours & mask, theirs: theirs & mask });
        }
    }
}

/// Where the exception that ended a case left EFLAGS, CS:EIP and the error code.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// EIP of the frame.
    pub eip: u32,
    /// CS of the frame.
    pub cs: u16,
    /// Where EFLAGS is.
    pub flags: Spot,
    /// Where the error code is.
    pub error: Option<Spot>,
}

/// A byte of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Byte {
    /// In the result slot.
    Slot(usize),
    /// In the data pages.
    Data(usize),
}

/// A doubleword of a result, at any byte; in the data pages it can lie across two that are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot([Option<Byte>; 4]);

impl Spot {
    fn slot(at: usize) -> Self {
        Self(std::array::from_fn(|k| Some(Byte::Slot(at + k))))
    }

    /// Its value; bytes that are nowhere make it `None`.
    fn value(&self, slot: &Outcome<'_>, data: &[u8]) -> Option<u32> {
        let mut bytes = [0; 4];
        for (byte, place) in bytes.iter_mut().zip(self.0) {
            *byte = match place? {
                Byte::Slot(at) => *slot.0.get(at)?,
                Byte::Data(at) => *data.get(at)?,
            };
        }
        Some(u32::from_le_bytes(bytes))
    }
}

/// The bits of `mask` at `spot` become the same in both results.
pub fn ignore(list: &mut Vec<Diff>, spot: Spot, mask: u32) {
    for d in list.iter_mut() {
        let mut here = 0;
        for (k, byte) in spot.0.iter().enumerate() {
            let offset = match (d.place, byte) {
                (Part::Word(at), Some(Byte::Slot(b))) | (Part::Data(at), Some(Byte::Data(b))) => {
                    b.wrapping_sub(at)
                }
                _ => continue,
            };
            if offset < 4 {
                here |= (mask >> (8 * k) & 0xff) << (8 * offset);
            }
        }
        d.theirs = d.theirs & !here | d.ours & here;
    }
    list.retain(|d| d.ours != d.theirs);
}

/// Finds the frame of case `k` in the results of `bench`.
pub fn frame(seq: &Sequence, bench: &Bench, k: usize) -> Option<Frame> {
    let outcome = bench.outcome(k);
    let user = matches!(seq.case.kind, Kind::User | Kind::V86);
    if user || outcome.vector() == 8 {
        let first = if seq.case.kind == Kind::V86 { 0x8c } else { 0x9c };
        let error = outcome.has_error_code().then_some(Spot::slot(first - 4));
        let (eip, cs) = (outcome.word(first), outcome.word(first + 4) as u16);
        return Some(Frame { eip, cs, flags: Spot::slot(first + 8), error });
    }
    // At CPL 0 the frame is in the case's own pages.
    let data = bench.data(k);
    let esp = outcome.word(0x14);
    let real = seq.case.kind == Kind::Real;
    let (base, big) = if real { (0x1_0000, false) } else { stack_segment(seq, &outcome) };
    let spot = |above: u32| {
        Spot(std::array::from_fn(|k| {
            let offset = esp.wrapping_add(above + k as u32) & if big { u32::MAX } else { 0xffff };
            data_place(seq, base.wrapping_add(offset)).map(Byte::Data)
        }))
    };
    let value = |above| spot(above).value(&outcome, data);
    if real {
        let (ip, cs) = (value(0)? & 0xffff, value(2)? as u16);
        return Some(Frame { eip: ip, cs, flags: spot(4), error: None });
    }
    let skip = if outcome.has_error_code() { 4 } else { 0 };
    let (eip, cs) = (value(skip)?, value(skip + 4)? as u16);
    let error = (skip == 4).then(|| spot(0));
    Some(Frame { eip, cs, flags: spot(skip + 8), error })
}

/// Base and B flag of the stack segment that the case ended with.
fn stack_segment(seq: &Sequence, outcome: &Outcome<'_>) -> (u32, bool) {
    let d = descriptor(seq, outcome.word(0x28) as u16).unwrap_or(1 << 54);
    (base(d), d >> 54 & 1 != 0)
}

/// The descriptor that a selector of a case in protected mode names.
fn descriptor(seq: &Sequence, selector: u16) -> Option<u64> {
    let own = usize::from(selector.wrapping_sub(CASE_SLOTS) / 8);
    let odd = || crate::tables::ODD.iter().find(|(s, _)| *s == selector & !7).map(|(_, d)| *d);
    if selector >= CASE_SLOTS { seq.setting.slots.get(own).copied() } else { odd() }
}

fn base(d: u64) -> u32 {
    (d >> 16 & 0xff_ffff | d >> 56 << 24) as u32
}

/// The instruction at which `frame` says that a case stopped: one of the case's own, or what the data
/// pages hold there (at the end; the instruction may have written over itself).
pub fn instruction(seq: &Sequence, frame: Option<Frame>, data: &[u8]) -> Option<Instruction> {
    let frame = frame?;
    if in_own_code(seq, frame) {
        let own = seq.items.iter().map(|i| &i.instruction).find(|i| i.ip32() == frame.eip);
        if own.is_some() {
            return own.copied();
        }
    }
    let (base, bits) = match seq.case.kind {
        Kind::V86 | Kind::Real => (u32::from(frame.cs) << 4, 16),
        Kind::User | Kind::Supervisor => {
            let d = descriptor(seq, frame.cs)?;
            (base(d), if d >> 54 & 1 != 0 { 32 } else { 16 })
        }
    };
    let byte = |k: u32| {
        let place = data_place(seq, base.wrapping_add(frame.eip).wrapping_add(k))?;
        data.get(place).copied()
    };
    let bytes: Vec<u8> = (0..15).map_while(byte).collect();
    let ip = u64::from(frame.eip);
    (!bytes.is_empty()).then(|| Decoder::with_ip(bits, &bytes, ip, 0).decode())
}

/// CS:EIP of `frame` is in the case's own code: by its own selector, or by one to a segment alike.
pub fn in_own_code(seq: &Sequence, frame: Frame) -> bool {
    let own = seq.case.selectors[1];
    let protected = matches!(seq.case.kind, Kind::User | Kind::Supervisor);
    let alike = |a: u64, b: u64| base(a) == base(b) && (a ^ b) >> 54 & 1 == 0;
    let segments = descriptor(seq, own).zip(descriptor(seq, frame.cs));
    let same = frame.cs == own || (protected && segments.is_some_and(|(a, b)| alike(a, b)));
    same && frame.eip.wrapping_sub(seq.case.eip) <= CODE_LEN as u32
}

/// The case ended at one of the instructions that the generator made, or behind the last. Elsewhere it
/// ran data, or its own code from the middle of an instruction.
pub fn followed(seq: &Sequence, frame: Frame) -> bool {
    let starts = |i: &Item| i.instruction.ip32() == frame.eip;
    let end = seq.items.last().map_or(seq.case.eip, |i| i.instruction.next_ip32());
    in_own_code(seq, frame)
        && (seq.items.iter().any(starts) || frame.eip.wrapping_sub(end) <= CODE_LEN as u32)
}

/// Offset in the data pages of linear address `at`.
pub fn data_place(seq: &Sequence, at: u32) -> Option<usize> {
    let origin = crate::setting::ORIGINS.iter().find(|o| at.wrapping_sub(**o) < 0x4000)?;
    let offset = at.wrapping_sub(*origin);
    let frame = seq.case.frames[(offset >> 12) as usize];
    Some((frame << 12 | offset & 0xfff) as usize)
}

/// Arithmetic flags that are undefined where the case ended.
pub fn undefined_at(seq: &Sequence, frame: Option<Frame>) -> u32 {
    let all = undefined_anywhere(seq);
    let Some(frame) = frame else { return all };
    if !followed(seq, frame) {
        return ARITH;
    }
    if goes_back(seq) {
        return all;
    }
    let here = seq.items.iter().find(|i| i.instruction.ip32() == frame.eip);
    here.map_or(all, |item| item.undefined)
}

fn undefined_anywhere(seq: &Sequence) -> u32 {
    seq.items.iter().fold(seq.undefined, |all, i| all | i.undefined)
}

/// A return or a computed branch can lead back to where the generator did not follow the flags again.
fn goes_back(seq: &Sequence) -> bool {
    use FlowControl as F;
    let back = |f| matches!(f, F::Return | F::IndirectBranch | F::IndirectCall | F::Interrupt);
    seq.items.iter().any(|i| back(i.instruction.flow_control()))
}

/// Flags that are undefined, in images of EFLAGS that the case stored after it had gone back.
fn drop_stored_flags(list: &mut Vec<Diff>, mask: u32) {
    const FIXED: u32 = 0x2;
    const CLEAR: u32 = 0x28;
    list.retain(|d| {
        let image = |shift: u32| {
            let (ours, theirs) = (d.ours >> shift, d.theirs >> shift);
            (ours ^ theirs) & !mask == 0
                && (d.ours ^ d.theirs) & ((1 << shift) - 1) == 0
                && ours & (FIXED | CLEAR) == FIXED
        };
        !(matches!(d.place, Part::Data(_)) && [0, 8, 16, 24].into_iter().any(image))
    });
}

/// The case's code is as it was, and so are the INT3s behind it.
pub fn code_is_unchanged(seq: &Sequence, outcome: &Outcome<'_>) -> bool {
    let (code, rest) = outcome.0[0x130..0x130 + CODE_LEN].split_at(seq.case.code.len());
    !outcome.is_complete() || (code == seq.case.code && rest.iter().all(|b| *b == 0xcc))
}

/// Takes out what the SDM leaves undefined.
pub fn drop_undefined(seq: &Sequence, list: &mut Vec<Diff>, frame: Option<Frame>) {
    if let Some(frame) = frame {
        ignore(list, frame.flags, undefined_at(seq, Some(frame)) & ARITH);
    }
    if goes_back(seq) {
        drop_stored_flags(list, undefined_anywhere(seq) & ARITH);
    }
    // B0 to B3 of DR6 may be set for breakpoints that are not enabled (SDM volume 3, 17.2.3).
    for d in list.iter_mut().filter(|d| d.place == Part::Word(DR6)) {
        d.theirs = d.theirs & !0xf | d.ours & 0xf;
    }
    // Condition codes of the x87 status word.
    let codes = seq.items.iter().fold(0, |all, i| all | undefined_x87(i.instruction.mnemonic()));
    let codes = if uses_x87(seq) { u32::from(codes) << 16 } else { 0 };
    for d in list.iter_mut().filter(|d| d.place == Part::Fpu(0)) {
        d.theirs = d.theirs & !codes | d.ours & codes;
    }
    list.retain(|d| d.ours != d.theirs);
}
