//! A fault planted in the translation of one row, for testing the tests: the differential fuzzer
//! must find it. Only with the cargo feature `planted-fault`, which no product is built with.

use iced_x86::{Code, Instruction, OpKind};

/// Which row is spoilt, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedFault {
    /// The row.
    pub code: Code,
    /// What is wrong with it.
    pub kind: PlantedKind,
}

/// Ways to be wrong. One that a form does not have counts as [`PlantedKind::Skip`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedKind {
    /// Nothing is emitted.
    Skip,
    /// CF is complemented afterwards.
    Carry,
    /// The displacement is one too large.
    Displacement,
    /// The lowest bit of the immediate is flipped.
    Immediate,
    /// The first operand is another register.
    Register,
    /// These bytes stand in its place, whatever they are: what somebody would want who has broken the translator.
    HostCode(&'static [u8]),
}

/// `i` with an operand that is wrong. `None`: the fault is not in an operand.
pub(crate) fn change(i: &Instruction, kind: PlantedKind) -> Option<Instruction> {
    let mut changed = *i;
    let memory = (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Memory);
    match kind {
        PlantedKind::Displacement if memory => {
            let at = u64::from(i.memory_displacement32().wrapping_add(1));
            changed.set_memory_displacement64(at);
            if i.memory_displ_size() == 0 {
                changed.set_memory_displ_size(1);
            }
        }
        PlantedKind::Immediate => {
            let last = i.op_count().checked_sub(1)?;
            match i.op_kind(last) {
                OpKind::Immediate8 => changed.set_immediate8(i.immediate8() ^ 1),
                OpKind::Immediate16 => changed.set_immediate16(i.immediate16() ^ 1),
                OpKind::Immediate32 => changed.set_immediate32(i.immediate32() ^ 1),
                OpKind::Immediate8to16 => changed.set_immediate8to16(i.immediate8to16() ^ 1),
                OpKind::Immediate8to32 => changed.set_immediate8to32(i.immediate8to32() ^ 1),
                _ => return None,
            }
        }
        PlantedKind::Register if i.op_count() > 0 && i.op0_kind() == OpKind::Register => {
            let register = i.op0_register();
            // EAX for ECX, XMM6 for XMM7 and so on: the lowest bit of the number.
            let first = register - register.number() as u32;
            let other = first + (register.number() as u32 ^ 1);
            let fixed = register.is_st() || register.is_segment_register();
            if fixed || other.size() != register.size() {
                return None;
            }
            changed.set_op0_register(other);
        }
        _ => return None,
    }
    Some(changed)
}
