//! What differs between two results of one case.
//!
//! Invariants: Ringer's engines are compared in everything, undefined flags included; what is left
//! out against the peer is either undefined by the SDM (here) or a fault of the peer's that
//! `peer_faults.rs` names.

use crate::bench::Bench;
use crate::case::{FIELDS, Kind, Outcome};
use crate::generate::{ARITH, Sequence};
use crate::layout::*;
use crate::peer_faults;
use ringer_casegen::undefined_x87;
use std::fmt;

/// Where results differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
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
    pub place: Place,
    /// Ringer's (the interpreter's, where both engines are compared).
    pub ours: u32,
    /// The other's.
    pub theirs: u32,
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Word(at) => match FIELDS.iter().find(|(a, _)| *a == at) {
                Some((_, name)) => write!(f, "{name}")?,
                None if at < 0x130 => write!(f, "descriptor slots +{:#x}", at - 0xf0)?,
                None => write!(f, "code +{:#x}", at - 0x130)?,
            },
            Place::Fpu(at) => write!(f, "FXSAVE+{at:#x} ({})", fpu_name(at))?,
            Place::Data(at) => write!(f, "data+{at:#06x}")?,
            Place::Death => return write!(f, "one machine stops, the other does not"),
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
        list.push(Diff { place: Place::Death, ours: 0, theirs: 0 });
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
            list.push(Diff { place: Place::Data(at * 4), ours: value(x), theirs: value(y) });
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
            let place = if at >= 0x200 { Place::Fpu(at - 0x200) } else { Place::Word(at) };
            list.push(Diff { place, ours: ours & mask, theirs: theirs & mask });
        }
    }
}

/// Where the exception that ended a case left EFLAGS, EIP and the error code.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// EIP of the frame.
    pub eip: u32,
    /// Where EFLAGS is.
    pub flags: Spot,
    /// Where the error code is.
    pub error: Option<Spot>,
}

/// A doubleword of a result, at any byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// In the result slot.
    Slot(usize),
    /// In the data pages.
    Data(usize),
}

/// The bits of `mask` at `spot` become the same in both results.
pub fn ignore(list: &mut Vec<Diff>, spot: Spot, mask: u32) {
    for d in list.iter_mut() {
        let (at, wanted) = match (d.place, spot) {
            (Place::Word(at), Spot::Slot(wanted)) | (Place::Data(at), Spot::Data(wanted)) => {
                (at, wanted)
            }
            _ => continue,
        };
        let here = if wanted >= at && wanted - at < 4 {
            mask << (8 * (wanted - at))
        } else if at > wanted && at - wanted < 4 {
            mask >> (8 * (at - wanted))
        } else {
            0
        };
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
        let error = outcome.has_error_code().then_some(Spot::Slot(first - 4));
        return Some(Frame { eip: outcome.word(first), flags: Spot::Slot(first + 8), error });
    }
    // At CPL 0 the frame is in the case's own pages.
    let data = bench.data(k);
    let esp = outcome.word(0x14);
    if seq.case.kind == Kind::Real {
        let at = (esp & 0xffff) as usize;
        let eip = data.get(at..at + 2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]])))?;
        return Some(Frame { eip, flags: Spot::Data(at + 4), error: None });
    }
    let (base, big) = stack_segment(seq, &outcome);
    let skip = if outcome.has_error_code() { 4 } else { 0 };
    let place = |above: u32| {
        let offset = esp.wrapping_add(above) & if big { u32::MAX } else { 0xffff };
        data_place(seq, base.wrapping_add(offset))
    };
    let at = place(skip)?;
    let word = data.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))?;
    let error = if skip == 4 { place(0).map(Spot::Data) } else { None };
    Some(Frame { eip: word, flags: Spot::Data(place(skip + 8)?), error })
}

/// Base and B flag of the stack segment that the case ended with.
fn stack_segment(seq: &Sequence, outcome: &Outcome<'_>) -> (u32, bool) {
    let selector = outcome.word(0x28) as u16;
    let own = usize::from(selector.wrapping_sub(CASE_SLOTS) / 8);
    let odd = crate::tables::ODD.iter().find(|(s, _)| *s == selector & !7).map(|(_, d)| *d);
    let d = match seq.setting.slots.get(own) {
        Some(d) if selector >= CASE_SLOTS => *d,
        _ => odd.unwrap_or(1 << 54),
    };
    ((d >> 16 & 0xff_ffff | d >> 56 << 24) as u32, d >> 54 & 1 != 0)
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
    let all = seq.items.iter().fold(seq.undefined, |all, i| all | i.undefined);
    let Some(frame) = frame else { return all };
    let here = seq.items.iter().find(|i| i.instruction.ip32() == frame.eip);
    match here {
        Some(item) => item.undefined,
        None if frame.eip.wrapping_sub(seq.case.eip) <= CODE_LEN as u32 => all,
        // Data run as code: nobody followed the flags.
        None => ARITH,
    }
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
    // Condition codes of the x87 status word.
    let codes = seq.items.iter().fold(0, |all, i| all | undefined_x87(i.instruction.mnemonic()));
    let codes = if peer_faults::uses_x87(seq) { u32::from(codes) << 16 } else { 0 };
    for d in list.iter_mut().filter(|d| d.place == Place::Fpu(0)) {
        d.theirs = d.theirs & !codes | d.ours & codes;
    }
    list.retain(|d| d.ours != d.theirs);
}
