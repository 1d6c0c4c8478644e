//! What differs between two results of one case.
//!
//! Invariants: Ringer's engines are compared in everything, undefined flags included; what is left
//! out against the peer is either undefined by the SDM (here) or a fault of the peer's that
//! `peer_faults.rs` names.

use crate::bench::Bench;
use crate::case::{FIELDS, Kind, Outcome};
use crate::generate::{ARITH, Sequence};
use crate::layout::*;
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

/// Where the exception that ended a case left EFLAGS and EIP.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// EIP of the frame.
    pub eip: u32,
    /// Where EFLAGS is.
    pub flags: Place,
    /// EFLAGS.
    pub eflags: u32,
}

/// Finds the frame of case `k` in the results of `bench`.
pub fn frame(seq: &Sequence, bench: &Bench, k: usize) -> Option<Frame> {
    let outcome = bench.outcome(k);
    let user = matches!(seq.case.kind, Kind::User | Kind::V86);
    if user || outcome.vector() == 8 {
        let first = if seq.case.kind == Kind::V86 { 0x8c } else { 0x9c };
        let flags = first + 8;
        let (eip, eflags) = (outcome.word(first), outcome.word(flags));
        return Some(Frame { eip, flags: Place::Word(flags), eflags });
    }
    let data = bench.data(k);
    // At CPL 0 the frame is in the case's own pages: its place within a page is what the stack
    // pointer says, its page is found by the mapping.
    let mut esp = outcome.word(0x14);
    if seq.case.kind == Kind::Real {
        let at = (esp & 0xffff) as usize;
        let word = |at: usize| data.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let flags = u32::from(word(at + 4)?);
        let place = Place::Data((at + 4) & !3);
        return Some(Frame { eip: u32::from(word(at)?), flags: place, eflags: flags });
    }
    if seq.setting.slots[3] >> 54 & 1 == 0 {
        esp &= 0xffff;
    }
    let base = (seq.setting.slots[3] >> 16 & 0xff_ffff | seq.setting.slots[3] >> 56 << 24) as u32;
    let skip = if outcome.has_error_code() { 4 } else { 0 };
    let linear = base.wrapping_add(esp).wrapping_add(skip);
    let at = data_place(seq, linear)?;
    let word = |at: usize| {
        data.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let flags = data_place(seq, linear.wrapping_add(8))?;
    Some(Frame { eip: word(at)?, flags: Place::Data(flags & !3), eflags: word(flags)? })
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
        None => all,
    }
}

/// Takes out what the SDM leaves undefined.
pub fn drop_undefined(seq: &Sequence, list: &mut Vec<Diff>, frame: Option<Frame>) {
    let mask = undefined_at(seq, frame) & ARITH;
    if mask == 0 {
        return;
    }
    let Some(frame) = frame else { return };
    list.retain(|d| {
        let differ = d.ours ^ d.theirs;
        let shift = if seq.case.kind == Kind::Real { !(mask | mask << 16) } else { !mask };
        !(d.place == frame.flags && differ & shift == 0)
    });
}
