//! Which window and which target table belong to the running code.
//!
//! Every exit of translated code asks, so the answers of the last few states are kept: a system call
//! goes through the same handful again and again. An answer holds until a flush or a change of the
//! paging mode, and until its window or its table is given up.

use crate::config::MonitorError;
use crate::run::Monitor;
use ringer_cpu::{CpuState, Eflags, SegReg, Segment};
use ringer_mmu::WindowId;
use ringer_translator::Mode;
use ringer_translator::runtime::targets::{Selection, TableId};

/// Answers kept; a power of two.
const KEPT: usize = 8;
/// The flags that the mode depends on.
const FLAGS: u32 = Eflags::TF.union(Eflags::VM).union(Eflags::IOPL).union(Eflags::AC).bits();

/// A selection and its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub selection: Selection,
    pub table: TableId,
}

/// The parts of the state that decide.
#[derive(Clone, Copy, Debug)]
struct Facts {
    seg: [Segment; 6],
    cr0: u64,
    cr4: u64,
    dr7: u64,
    flags: u32,
    cpl: u8,
}

impl Facts {
    fn of(s: &CpuState) -> Self {
        let (cr0, cr4, dr7, flags) = (s.cr0, s.cr4, s.dr[7], s.eflags & FLAGS);
        Self { seg: s.seg, cr0, cr4, dr7, flags, cpl: s.cpl }
    }

    /// Whether `s` has them. Without a branch: they nearly always agree.
    #[inline]
    fn hold(&self, s: &CpuState) -> bool {
        let mut wide = (self.cr0 ^ s.cr0) | (self.cr4 ^ s.cr4) | (self.dr7 ^ s.dr[7]);
        let mut differ = (self.flags ^ (s.eflags & FLAGS)) | u32::from(self.cpl ^ s.cpl);
        for (a, b) in self.seg.iter().zip(&s.seg) {
            differ |= u32::from(a.selector ^ b.selector) | u32::from((a.attr ^ b.attr).bits());
            differ |= a.limit ^ b.limit;
            wide |= a.base.get() ^ b.base.get();
        }
        wide | u64::from(differ) == 0
    }
}

/// An answer.
#[derive(Clone, Copy, Debug)]
struct Known {
    facts: Facts,
    /// The last EIP that may run as host code.
    last: u32,
    selected: Selected,
    window_base: u64,
    table_address: u64,
}

/// The current selection and the known ones.
#[derive(Debug, Default)]
pub(crate) struct SpaceSelections {
    current: Option<Selected>,
    known: [Option<Known>; KEPT],
    epoch: u64,
}

impl SpaceSelections {
    /// The selection whose window and table are in the context.
    pub fn current(&self) -> Option<Selected> {
        self.current
    }

    /// Grows whenever answers stop to hold.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Translated code went over to `selected` by itself.
    pub fn follow(&mut self, selected: Option<Selected>) {
        self.current = selected;
    }

    fn forget_known(&mut self) {
        self.known = [None; KEPT];
        self.epoch += 1;
    }

    /// Address spaces changed, or what is known of them.
    pub fn forget(&mut self) {
        self.current = None;
        self.forget_known();
    }

    /// `window` is given up.
    pub fn window_gone(&mut self, window: WindowId) {
        if self.current.is_some_and(|s| s.selection.window == window) {
            self.current = None;
        }
        self.forget_known();
    }

    /// Where the answer for `s` is kept. A system call passes through user code, and kernel code with
    /// the user's and with the kernel's FS or GS.
    fn place(s: &CpuState) -> usize {
        let of = |reg: SegReg| usize::from(s.seg[reg as usize].selector >> 3);
        ((usize::from(s.cpl & 1) + (of(SegReg::Fs) << 1)) ^ (of(SegReg::Gs) << 2)) % KEPT
    }
}

impl Monitor {
    /// The host code at CS:EIP, if the selection is known and the target table has it; selects it.
    #[inline]
    pub(crate) fn known_block(&mut self) -> Option<u64> {
        let cpu = &self.context.cpu;
        if cpu.shadow_irq || self.bt.pending_link.is_some() {
            return None;
        }
        let known = self.bt.selections.known[SpaceSelections::place(cpu)].as_ref()?;
        if cpu.eip() > known.last || !known.facts.hold(cpu) {
            return None;
        }
        let off = self.bt.targets.get(known.selected.table, cpu.eip());
        if off == 0 {
            return None;
        }
        self.context.window_base = known.window_base;
        self.context.target_table = known.table_address;
        if self.bt.selections.current != Some(known.selected) {
            let selected = known.selected;
            self.bt.windows.reactivate(selected.selection.window);
            self.bt.selections.current = Some(selected);
        }
        Some(self.bt.cache.base() + u64::from(off))
    }

    /// Makes the window and the target table of the running (address space, privilege, mode, code
    /// segment) current.
    pub(crate) fn select(&mut self, mode: Mode) -> Result<Selected, MonitorError> {
        let cs_base = self.context.cpu.cs().base;
        let current = self.bt.selections.current;
        let same = |s: &Selected| s.selection.mode == mode && s.selection.cs_base == cs_base.low();
        let selected = match current.filter(same) {
            Some(selected) => selected,
            None => self.select_anew(mode, cs_base.low())?,
        };
        let cpu = &self.context.cpu;
        self.bt.selections.known[SpaceSelections::place(cpu)] = Some(Known {
            facts: Facts::of(cpu),
            last: mode.last_eip().min(cpu.cs().limit),
            selected,
            window_base: self.context.window_base,
            table_address: self.context.target_table,
        });
        Ok(selected)
    }

    fn select_anew(&mut self, mode: Mode, cs_base: u32) -> Result<Selected, MonitorError> {
        let user = self.context.cpu.cpl == 3;
        let (windows, mut sink) = self.bt.windows_and_sink();
        let active = windows.activate(self.bus.mmu.paging(), &self.bus.memory, user, &mut sink);
        let selection = Selection { window: active.id, mode, cs_base };
        let targets = &mut self.bt.targets;
        let given_up = targets.given_up();
        let table = targets.select(selection).map_err(MonitorError::Targets)?;
        if targets.given_up() != given_up {
            self.bt.selections.forget_known();
        }
        let selected = Selected { selection, table };
        self.context.window_base = active.base;
        self.context.target_table = self.bt.targets.address(table);
        self.bt.selections.current = Some(selected);
        Ok(selected)
    }
}
