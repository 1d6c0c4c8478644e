//! What SYSENTER, SYSEXIT and supervisor code's loads of FS do, for translated code that does them again without the
//! dispatcher (`translator/src/runtime/transfer.rs`).
//!
//! A stub that does not know a switch leaves it to the interpreter, and says so; what the interpreter then made of it is
//! put into the context. That holds for the table that the code ran in (so for its window, its mode and CS) until windows
//! or tables may be others ([`SpaceSelections::epoch`]), or GDTR or an MSR of SYSENTER changes. What else could make a
//! difference the stub compares (invariant 12).
//!
//! [`SpaceSelections::epoch`]: crate::space_selection::SpaceSelections::epoch

use crate::run::Monitor;
use crate::space_selection::Selected;
use ringer_cpu::state::{TableReg, cr0, cr4};
use ringer_cpu::{Outcome, SegReg, Segment};
use ringer_devices::Mask;
use ringer_translator::Mode;
use ringer_translator::context::{FastCall, FsLoad, NO_MASK, TransferKind};
use ringer_translator::runtime::can_set_gs_base;

/// What all switches depend on.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    epoch: u64,
    gdtr: TableReg,
    sysenter: [u64; 3],
    /// CR0.AM: with EFLAGS.AC it decides whether user code can be translated at all.
    alignment: u64,
}

/// The switches in the context: what they were made under, and where they lead (SYSENTER, SYSEXIT, loads of FS).
#[derive(Debug, Default)]
pub(crate) struct TransferMemo {
    facts: Facts,
    ends: [Option<(u64, Selected)>; 4],
}

/// The state before a switch, as far as it is to be compared.
struct Before {
    selected: Selected,
    table: u64,
    sys_flags: u32,
    gs: Segment,
}

impl Monitor {
    fn switch_facts(&self) -> Facts {
        let cpu = &self.context.cpu;
        let msr = &cpu.msr;
        let sysenter = [msr.sysenter_cs, msr.sysenter_esp, msr.sysenter_eip];
        let alignment = cpu.cr0 & cr0::AM;
        Facts { epoch: self.bt.selections.epoch(), gdtr: cpu.gdtr, sysenter, alignment }
    }

    /// Forgets what holds no more, before translated code runs.
    #[inline]
    pub(crate) fn refresh_transfer_memo(&mut self) {
        // Field by field: a copy costs more than the comparison.
        let (cpu, known) = (&self.context.cpu, &self.bt.transfer_memo.facts);
        let same = known.epoch == self.bt.selections.epoch()
            && known.gdtr == cpu.gdtr
            && known.sysenter[0] == cpu.msr.sysenter_cs
            && known.sysenter[1] == cpu.msr.sysenter_esp
            && known.sysenter[2] == cpu.msr.sysenter_eip
            && known.alignment == cpu.cr0 & cr0::AM;
        if !same {
            let facts = self.switch_facts();
            self.bt.transfer_memo = TransferMemo { facts, ..TransferMemo::default() };
            self.context.sysenter.from = 0;
            self.context.sysexit.from = 0;
            self.context.fs_loads.iter_mut().for_each(|load| load.from = 0);
        }
    }

    /// The numbers for RDTSC in real time.
    #[inline]
    pub(crate) fn refresh_tsc(&mut self) {
        let Some(tsc) = self.bus.io.clock.tsc_scale() else { return };
        let cpu = &self.context.cpu;
        let forbidden = cpu.cr4 & cr4::TSD != 0;
        self.context.tsc_guest = tsc.guest.wrapping_add(cpu.msr.tsc_offset);
        self.context.tsc_host = tsc.host;
        self.context.tsc_scale = if forbidden { 0 } else { tsc.scale };
    }

    /// What translated code may do to the interrupt controllers' masks. In virtual time an access to a device has its price.
    #[inline]
    pub(crate) fn refresh_masks(&mut self) {
        let io = &mut self.bus.io;
        if io.board.take_masks_changed() {
            let masks = if io.clock.is_virtual() { None } else { io.board.masks() };
            let masks = masks.unwrap_or([Mask { mask: 0, requests: None }; 2]);
            self.context.requests = masks.map(|m| m.requests.map_or(NO_MASK, u32::from));
            self.context.masks = masks.map(|m| u32::from(m.mask));
        }
    }

    /// Tells the board what translated code did to the masks.
    #[inline]
    fn take_masks(&mut self) {
        let writes = std::mem::take(&mut self.context.mask_writes);
        if writes != 0 {
            self.bus.io.counters.port_io += writes;
            let masks = self.context.masks.map(|mask| mask as u8);
            self.bus.io.board.set_masks(masks, writes);
        }
    }

    /// Translated code came back; it was entered in `table`. Makes the selection that it came back in the current one.
    #[inline]
    pub(crate) fn follow_transfers(&mut self, table: u64) {
        self.take_masks();
        let now = self.context.target_table;
        if now == table {
            return;
        }
        let ends = self.bt.transfer_memo.ends.iter().flatten();
        let found = ends.copied().find(|(address, _)| *address == now);
        self.bt.followed(found.map(|(_, selected)| selected), self.context.window_base);
    }

    /// The instruction that translated code left to the interpreter, and perhaps what it can learn from that.
    pub(crate) fn step_left(&mut self) -> Outcome {
        let declined = std::mem::take(&mut self.context.declined);
        let kinds = [TransferKind::Sysenter, TransferKind::Sysexit, TransferKind::LoadFs];
        let kind = declined.checked_sub(1).and_then(|k| kinds.get(k as usize).copied());
        let before = kind.and_then(|_| self.before_switch());
        let outcome = self.step();
        if let (Some(kind), Some(before), Outcome::Retired) = (kind, before, outcome) {
            self.learn(kind, &before);
        }
        outcome
    }

    fn before_switch(&self) -> Option<Before> {
        let selected = self.bt.selections.current()?;
        Some(Before {
            selected,
            table: self.bt.targets.address(selected.table),
            sys_flags: self.context.sys_flags_of(),
            gs: self.context.cpu.seg[SegReg::Gs as usize],
        })
    }

    fn learn(&mut self, kind: TransferKind, before: &Before) {
        let flat = before.selected.selection.cs_base == 0;
        if !can_set_gs_base() || !flat || !self.bus.paging.is_empty() {
            return;
        }
        let Some(mode) = self.mode() else { return };
        let Ok(after) = self.select(mode) else { return };
        // Whatever making room took away with it.
        self.refresh_transfer_memo();
        if self.bt.targets.address(before.selected.table) != before.table
            || after.selection.cs_base != 0
            || self.context.sys_flags_of() != before.sys_flags
        {
            return;
        }
        let place = match kind {
            TransferKind::Sysenter => {
                self.context.sysenter = self.transfer(before);
                0
            }
            TransferKind::Sysexit => {
                self.context.sysexit = self.transfer(before);
                1
            }
            TransferKind::LoadFs => match self.fs_load(before, after) {
                Some(load) => {
                    let slot = usize::from(load.null == 0);
                    self.context.fs_loads[slot] = load;
                    2 + slot
                }
                None => return,
            },
            // It depends on nothing that was learnt.
            TransferKind::Rdtsc | TransferKind::PicMask => return,
        };
        self.bt.transfer_memo.ends[place] = Some((self.context.target_table, after));
    }

    /// The transfer that led here.
    fn transfer(&self, before: &Before) -> FastCall {
        let cpu = &self.context.cpu;
        FastCall {
            from: before.table,
            table: self.context.target_table,
            window: self.context.window_base,
            gs: before.gs,
            sys_flags: before.sys_flags,
            cs: *cpu.cs(),
            ss: *cpu.ss(),
            eip: cpu.eip(),
            esp: cpu.reg32(ringer_cpu::Gpr::Esp),
        }
    }

    /// The load of FS that was just made, unless it wrote to memory or the descriptor is not where it will be looked for.
    fn fs_load(&self, before: &Before, after: Selected) -> Option<FsLoad> {
        let segment = self.context.cpu.seg[SegReg::Fs as usize];
        let selection = before.selected.selection;
        let alike =
            selection.mode.contains(Mode::CPL0) && selection.window == after.selection.window;
        let load = FsLoad {
            from: before.table,
            table: self.context.target_table,
            segment,
            selector: u32::from(segment.selector),
            ..FsLoad::default()
        };
        if !alike {
            None
        } else if segment.selector & !3 == 0 {
            Some(FsLoad { null: 1, ..load })
        } else {
            let (linear, lo, hi) = self.descriptor_of(segment, self.context.cpu.gdtr)?;
            Some(FsLoad { linear, lo, hi, ..load })
        }
    }
}
