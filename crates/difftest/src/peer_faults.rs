//! What is known to be wrong in the peer, or out of its reach: each entry matches narrowly, says why
//! the SDM is on our side, and is counted.

use crate::case::Kind;
use crate::compare::{Diff, Frame, Place};
use crate::generate::Sequence;
use iced_x86::{Mnemonic as M, OpKind};

/// What the entries look at.
#[derive(Debug)]
pub struct Look<'a> {
    /// The case.
    pub seq: &'a Sequence,
    /// Ringer's vector.
    pub ours: u32,
    /// The peer's vector.
    pub theirs: u32,
    /// Ringer's frame.
    pub frame: Option<Frame>,
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
        if matches!(i.mnemonic(), M::Cpuid) {
            return Some("CPUID");
        }
    }
    None
}

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

/// The list.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "RF in pushed EFLAGS",
        reason: "SDM volume 3, 17.3.1.1: a fault pushes EFLAGS with RF set; TCG never does",
        explains: |look, list| {
            let Some(frame) = look.frame else { return };
            for d in list.iter_mut().filter(|d| d.place == frame.flags) {
                d.theirs |= d.ours & 0x1_0000;
            }
            list.retain(|d| d.ours != d.theirs);
        },
    },
];

/// Whether an x87 instruction is in the case.
pub fn uses_x87(seq: &Sequence) -> bool {
    seq.items.iter().any(|i| {
        let r = |k| i.instruction.op_kind(k) == OpKind::Register && i.instruction.op_register(k).is_st();
        (0..i.instruction.op_count()).any(r)
            || i.instruction.code().cpuid_features().iter().any(|f| {
                use iced_x86::CpuidFeature as F;
                matches!(f, F::FPU | F::FPU287 | F::FPU387)
            })
    })
}

/// A place in the x87 part of the state.
pub fn is_x87(place: Place) -> bool {
    matches!(place, Place::Fpu(0..=23 | 32..=159))
}

/// V86 or real mode.
pub fn is_real_style(seq: &Sequence) -> bool {
    matches!(seq.case.kind, Kind::V86 | Kind::Real)
}
