//! What SYSENTER, SYSEXIT, CLAC, STAC and supervisor code's loads of FS do, for translated code that does them again without the
//! dispatcher (`translator/src/runtime/transfer.rs`).
//!
//! A stub that does not know a transfer leaves it to the interpreter, and says so; what the interpreter then made of it is
//! put into the context. That holds for the table that the code ran in (so for its window, its mode and CS) until windows
//! or tables may be others ([`Spaces::epoch`]), or GDTR or an MSR of SYSENTER changes. What else could make a
//! difference the stub compares (invariant 12).
//!
//! [`Spaces::epoch`]: crate::space_selection::Spaces::epoch

use crate::segment_memo::descriptor_of;
use crate::space_selection::{Selected, Spaces};
use crate::system_bus::SystemBus;
use ringer_cpu::state::{TableReg, cr0};
use ringer_cpu::{CpuState, Eflags, Gpr, Lin, SegReg, Segment};
use ringer_translator::Mode;
use ringer_translator::context::{AcChange, ExecContext, FastCall, FsLoad, TransferKind};
use ringer_translator::runtime::can_set_gs_base;

/// What of what stubs leave to the interpreter can be learnt.
const LEARNT: [TransferKind; 5] = [
    TransferKind::Sysenter,
    TransferKind::Sysexit,
    TransferKind::LoadFs,
    TransferKind::ClearAc,
    TransferKind::SetAc,
];

/// What all transfers depend on.
#[derive(Clone, Copy, Debug, Default)]
struct Premises {
    epoch: u64,
    gdtr: TableReg,
    sysenter: [u64; 3],
    /// CR0.AM: with EFLAGS.AC it decides whether user code can be translated at all.
    alignment: u64,
}

/// The transfers in the context: what they were made under, and where they lead (SYSENTER, SYSEXIT, loads of FS, CLAC, STAC).
#[derive(Debug, Default)]
pub(crate) struct TransferMemo {
    premises: Premises,
    ends: [Option<(u64, Selected)>; 6],
}

/// The state before a transfer that a stub left to the interpreter, as far as it is to be compared.
pub(crate) struct Before {
    kind: TransferKind,
    selected: Selected,
    table: u64,
    sys_flags: u32,
    gs: Segment,
}

impl Before {
    /// Takes the stub's word from `context`. `None`: no stub left anything, or nothing can be learnt.
    pub fn take(context: &mut ExecContext, spaces: &Spaces) -> Option<Self> {
        let declined = std::mem::take(&mut context.declined);
        let kind = LEARNT.into_iter().find(|kind| *kind as u32 + 1 == declined)?;
        let selected = spaces.current()?;
        Some(Self {
            kind,
            selected,
            table: spaces.targets.address(selected.table),
            sys_flags: context.sys_flags_of(),
            gs: context.cpu.seg[SegReg::Gs as usize],
        })
    }

    /// What the system flags are when it is done.
    fn flags_behind(&self) -> u32 {
        match self.kind {
            TransferKind::ClearAc => self.sys_flags.wrapping_sub(Eflags::AC.bits()),
            TransferKind::SetAc => self.sys_flags.wrapping_add(Eflags::AC.bits()),
            _ => self.sys_flags,
        }
    }

    /// Whether what was made of it can be learnt at all.
    pub fn can_be_learnt(&self, bus: &SystemBus) -> bool {
        can_set_gs_base() && self.selected.selection.cs_base == Lin(0) && bus.paging.is_empty()
    }
}

impl Premises {
    fn of(cpu: &CpuState, spaces: &Spaces) -> Self {
        let msr = &cpu.msr;
        let sysenter = [msr.sysenter_cs, msr.sysenter_esp, msr.sysenter_eip];
        let alignment = cpu.cr0 & cr0::AM;
        Self { epoch: spaces.epoch(), gdtr: cpu.gdtr, sysenter, alignment }
    }
}

impl TransferMemo {
    /// Forgets what holds no more, before translated code runs.
    #[inline]
    pub fn refresh(&mut self, context: &mut ExecContext, spaces: &Spaces) {
        // Field by field: a copy costs more than the comparison.
        let (cpu, known) = (&context.cpu, &self.premises);
        let same = known.epoch == spaces.epoch()
            && known.gdtr == cpu.gdtr
            && known.sysenter[0] == cpu.msr.sysenter_cs
            && known.sysenter[1] == cpu.msr.sysenter_esp
            && known.sysenter[2] == cpu.msr.sysenter_eip
            && known.alignment == cpu.cr0 & cr0::AM;
        if !same {
            let premises = Premises::of(cpu, spaces);
            *self = Self { premises, ..Self::default() };
            context.sysenter.from = 0;
            context.sysexit.from = 0;
            context.fs_loads.iter_mut().for_each(|load| load.from = 0);
            context.ac_changes.iter_mut().for_each(|change| change.from = 0);
        }
    }

    /// Translated code came back; it was entered in `table`. Makes the selection that it came back in the current one.
    #[inline]
    pub fn follow(&self, context: &ExecContext, spaces: &mut Spaces, table: u64) {
        let now = context.target_table;
        if now != table {
            let found = self.ends.iter().flatten().copied().find(|(address, _)| *address == now);
            spaces.follow(found.map(|(_, selected)| selected), context.window_base);
        }
    }

    /// The interpreter made a transfer, from the state `before` to the one in `context`, in which `after` is selected.
    pub fn learn(
        &mut self,
        context: &mut ExecContext,
        spaces: &Spaces,
        bus: &SystemBus,
        before: &Before,
        after: Selected,
    ) {
        // Whatever making room took away with it.
        self.refresh(context, spaces);
        if spaces.targets.address(before.selected.table) != before.table
            || after.selection.cs_base != Lin(0)
            || context.sys_flags_of() != before.flags_behind()
        {
            return;
        }
        let place = match before.kind {
            TransferKind::Sysenter => {
                context.sysenter = transfer(context, before);
                0
            }
            TransferKind::Sysexit => {
                context.sysexit = transfer(context, before);
                1
            }
            TransferKind::LoadFs => match fs_load(context, bus, before, after) {
                Some(load) => {
                    let slot = usize::from(load.null == 0);
                    context.fs_loads[slot] = load;
                    2 + slot
                }
                None => return,
            },
            TransferKind::ClearAc | TransferKind::SetAc => {
                let set = usize::from(before.kind == TransferKind::SetAc);
                context.ac_changes[set] = AcChange {
                    from: before.table,
                    table: context.target_table,
                    window: context.window_base,
                };
                4 + set
            }
            // It depends on nothing that was learnt.
            TransferKind::Rdtsc | TransferKind::PicMask => return,
        };
        self.ends[place] = Some((context.target_table, after));
    }
}

/// The transfer that led to the state in `context`.
fn transfer(context: &ExecContext, before: &Before) -> FastCall {
    let cpu = &context.cpu;
    FastCall {
        from: before.table,
        table: context.target_table,
        window: context.window_base,
        gs: before.gs,
        sys_flags: before.sys_flags,
        cs: *cpu.cs(),
        ss: *cpu.ss(),
        eip: cpu.eip(),
        esp: cpu.reg32(Gpr::Esp),
    }
}

/// The load of FS that was just made, unless it wrote to memory or the descriptor is not where it will be looked for.
fn fs_load(
    context: &ExecContext,
    bus: &SystemBus,
    before: &Before,
    after: Selected,
) -> Option<FsLoad> {
    let segment = context.cpu.seg[SegReg::Fs as usize];
    let selection = before.selected.selection;
    let alike = selection.mode.contains(Mode::CPL0) && before.selected.window == after.window;
    let load = FsLoad {
        from: before.table,
        table: context.target_table,
        segment,
        selector: u32::from(segment.selector),
        ..FsLoad::default()
    };
    if !alike {
        None
    } else if segment.selector & !3 == 0 {
        Some(FsLoad { null: 1, ..load })
    } else {
        let (linear, lo, hi) = descriptor_of(&context.cpu, bus, segment)?;
        Some(FsLoad { linear, lo, hi, ..load })
    }
}
