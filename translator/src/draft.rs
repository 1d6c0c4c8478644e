//! A block in the making: what is known of it beside its host code.

use crate::classify::ExecutionUnit;
use crate::emit::Emitter;
use crate::thunk::{LEN, ThunkGuard};
use crate::translation::{ClassCounts, MapEntry, X87};
use iced_x86::{Instruction, OpKind};
use ringer_cpu::Pc;

/// A block in the making.
pub(crate) struct BlockDraft {
    pub(crate) instrs: u32,
    pub(crate) guest_len: u32,
    pub(crate) classes: ClassCounts,
    pub(crate) map: Vec<MapEntry>,
    pub(crate) crosses_page: bool,
    pub(crate) side_exits: u32,
    pub(crate) guards: Vec<ThunkGuard>,
    /// The last instruction of the x87 unit was one of MMX, in this block: the tags are all valid, and TOP is 0.
    pub(crate) in_mmx: bool,
}

/// Whether `i` has an operand in an MMX register.
fn uses_mmx(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_mm())
}

impl BlockDraft {
    /// Whether `i`'s fault could show: some processors (Intel's) go over from x87 to MMX before a store of an MMX register faults,
    /// where the SDM has a fault leave all as it was (volume 3A, 6.5). It cannot where that has happened before.
    pub(crate) fn faults_in_mmx(&self, i: &Instruction) -> bool {
        uses_mmx(i) && i.op0_kind() != OpKind::Register && !self.in_mmx
    }

    /// `i` has been emitted, which runs on `unit`.
    pub(crate) fn note_unit(&mut self, i: &Instruction, unit: ExecutionUnit) {
        if uses_mmx(i) {
            self.in_mmx = true;
        } else if unit == ExecutionUnit::Fpu {
            self.in_mmx = false;
        }
    }

    /// The last instruction's sequence turned out to be nothing, from `host_off` on.
    #[cfg(feature = "planted-fault")]
    pub(crate) fn unmark(&mut self, host_off: usize, esp: u32) {
        if let Some(last) = self.map.last_mut() {
            (last.host_off, last.esp) = (host_off as u32, esp);
        }
    }

    pub(crate) fn mark(&mut self, host_off: usize, eip: u32, esp: u32) {
        self.map.push(MapEntry {
            host_off: host_off as u32,
            eip: Pc::from(eip),
            esp,
            x87: X87::Other,
            shadow: false,
        });
    }

    /// The thunk's two instructions, when the CALL just emitted, `i`, does their work.
    pub(crate) fn thunk(&mut self, i: &Instruction, emitter: &mut Emitter) {
        let Some((thunk, at)) = emitter.inlined.take() else { return };
        let (eip, esp) = (i.near_branch32(), emitter.esp);
        self.guards.push(ThunkGuard { done: self.instrs, eip: Pc::from(eip), thunk });
        self.mark(at, eip, esp);
        self.mark(emitter.offset(), eip + LEN - 1, esp);
        emitter.release(4);
        self.instrs += 2;
        self.side_exits += 1;
        self.classes.rewritten += 2;
    }
}
