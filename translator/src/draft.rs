//! A block in the making: what is known of it beside its host code.

use crate::emit::Emitter;
use crate::thunk::{LEN, ThunkGuard};
use crate::translation::{ClassCounts, MapEntry, X87};
use iced_x86::Instruction;
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
}

impl BlockDraft {
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
