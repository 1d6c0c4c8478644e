//! Which window and which target table belong to the running code.
//!
//! Every exit of translated code asks, so the answers of the last few states are kept: a system call
//! goes through the same handful again and again. An answer holds until a flush or a change of the
//! paging mode, and until its window or its table is given up.

use crate::budget::MemoryBudget;
use crate::config::MonitorError;
use crate::system_bus::{PagingEvent, SystemBus};
use ringer_cpu::addr::{Frame, Lin, PAGE_SIZE, Page};
use ringer_cpu::refusal::refused;
use ringer_cpu::{CpuState, Eflags, Pc, Privilege, SegReg, Segment};
use ringer_mmu::{
    DropSink, Fill, GuestMemory, Paging, Reason, Stale, WindowId, WindowLimits, WindowStats,
    Windows,
};
use ringer_translator::Mode;
use ringer_translator::context::ExecContext;
use ringer_translator::runtime::blocks::BlockKey;
use ringer_translator::runtime::set_gs_base;
use ringer_translator::runtime::targets::{Selection, TableId, Targets};
use std::time::{Duration, Instant};

/// Shadow windows kept at once.
const MAX_WINDOWS: usize = 48;
/// Host mappings that the windows may use: half of vm.max_map_count.
const VMA_BUDGET: usize = 32_000;
/// Mappings of a process beside those in windows.
const OTHER_MAPPINGS: usize = 400;
/// Pages that a window may map beside as many as the guest has.
const ALIASED: u32 = 4096;
/// Time between looks at the resident set at least, however much could have come in.
pub(crate) const HURRY: Duration = Duration::from_millis(1);
/// Answers kept; a power of two.
const KEPT: usize = 8;
/// The flags that the mode depends on.
const FLAGS: u32 = Eflags::TF.union(Eflags::VM).union(Eflags::IOPL).union(Eflags::AC).bits();

/// A way to fill a window.
type FillBy = fn(&mut Windows, &Paging, &mut GuestMemory, Lin, bool, &mut dyn DropSink) -> Fill;

/// A selection and its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub selection: Selection,
    pub table: TableId,
    pub window: WindowId,
}

impl Selected {
    /// Whether it is in `space`, a window or what its code is known by.
    fn is_in(&self, space: WindowId) -> bool {
        self.window == space || self.selection.space == space
    }
}

/// The parts of the state that decide.
#[derive(Clone, Copy, Debug)]
struct Deciding {
    seg: [Segment; 6],
    cr0: u64,
    cr4: u64,
    dr7: u64,
    flags: u32,
    cpl: u8,
}

impl Deciding {
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
    deciding: Deciding,
    /// The last EIP that may run as host code.
    last: u32,
    selected: Selected,
    window_base: u64,
    table_address: u64,
}

/// The current selection and the known ones.
#[derive(Debug, Default)]
struct Selections {
    current: Option<Selected>,
    known: [Option<Known>; KEPT],
    epoch: u64,
}

impl Selections {
    fn forget_known(&mut self) {
        self.known = [None; KEPT];
        self.epoch += 1;
    }

    /// Where the answer for `s` is kept. A system call passes through user code, and kernel code with
    /// the user's and with the kernel's FS or GS, and with SMAP kernel code with EFLAGS.AC.
    #[inline]
    fn place(s: &CpuState) -> usize {
        let of = |reg: SegReg| usize::from(s.seg[reg as usize].selector >> 3);
        let ac = usize::from(s.eflags & Eflags::AC.bits() != 0);
        let code = usize::from(s.cpl & 1) + (of(SegReg::Fs) << 1);
        (code ^ ((of(SegReg::Gs) ^ ac) << 2)) % KEPT
    }
}

/// Passes dropped mappings on to the target tables.
struct Sink<'a> {
    targets: &'a mut Targets,
    selections: &'a mut Selections,
}

impl DropSink for Sink<'_> {
    fn dropped(&mut self, window: WindowId, first: Page, pages: u32) {
        self.targets.drop_pages(window, first, pages);
    }

    fn window_gone(&mut self, window: WindowId) {
        self.targets.drop_window(window);
        let current = &mut self.selections.current;
        if current.is_some_and(|s| s.is_in(window)) {
            *current = None;
        }
        self.selections.forget_known();
    }
}

/// A processor's address spaces as the host has them: windows and target tables, and which of them
/// the context names.
#[derive(Debug)]
pub(crate) struct Spaces {
    windows: Windows,
    /// Where each space's blocks are.
    pub targets: Targets,
    selections: Selections,
    /// Bytes that the target tables may hold.
    most_tables: usize,
    /// Pages that may become resident unseen before somebody looks.
    headroom: u64,
    /// When somebody looked last.
    looked_at: Instant,
    /// GS base as last set on this thread.
    gs_base: u64,
}

impl Spaces {
    /// None selected.
    ///
    /// # Errors
    /// When the host refuses address space.
    pub fn new() -> Result<Self, MonitorError> {
        let windows = Windows::new(MAX_WINDOWS, VMA_BUDGET)?;
        Ok(Self {
            windows,
            targets: Targets::default(),
            selections: Selections::default(),
            most_tables: usize::MAX,
            headroom: u64::MAX,
            looked_at: Instant::now(),
            gs_base: 0,
        })
    }

    /// From now on windows and target tables keep to their parts of `budget`.
    pub fn set_budget(&mut self, budget: &MemoryBudget) {
        let pages = budget.ram_pages();
        let pages = pages.saturating_add(pages / 4).saturating_add(ALIASED);
        self.windows.set_limits(WindowLimits { bytes: budget.windows(), pages });
        self.most_tables = budget.tables();
        self.headroom = if budget.whole_process() { 0 } else { u64::MAX };
    }

    /// Whether windows or target tables may hold more than their parts, so that [`Spaces::make_room`] is to be called.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.windows.is_over() || self.targets.is_over(self.most_tables)
    }

    /// Brings them under their parts. Not while translated code is to be resumed.
    #[cold]
    pub fn make_room(&mut self) {
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        self.windows.shed(&mut sink);
        self.trim_tables(self.most_tables);
        self.targets.empty_over(self.most_tables);
    }

    /// Gives all windows and target tables up.
    pub fn give_up(&mut self) {
        self.empty();
        self.targets.trim(0);
        self.targets.empty_over(0);
    }

    /// Whether so much guest memory may have become resident that somebody is to look.
    #[inline]
    pub fn wants_look(&self) -> bool {
        self.windows.unseen() > self.headroom
    }

    /// The same for the dispatcher: not so soon after the last look.
    #[cold]
    pub fn is_late(&self) -> bool {
        self.looked_at.elapsed() >= HURRY
    }

    /// Bytes that there is room for, if the running windows, the user's and the supervisor's (with SMAP two), may let more in.
    pub fn could_outgrow(&self) -> Option<u64> {
        let could = 3 * u64::from(self.windows.mapped_here()) > self.headroom;
        could.then(|| self.headroom.saturating_mul(PAGE_SIZE))
    }

    /// Somebody looked: there is room for `room` bytes.
    pub fn looked(&mut self, room: u64) {
        self.headroom = room / PAGE_SIZE;
        self.looked_at = Instant::now();
        self.windows.looked();
    }

    /// Bytes of the host's page tables for windows and target tables, at most.
    pub fn page_tables(&self) -> u64 {
        (self.windows.page_tables() + self.targets.page_tables()) as u64
    }

    /// The process's mappings, about.
    pub fn mappings(&self) -> u64 {
        (self.windows.mappings() + OTHER_MAPPINGS) as u64
    }

    /// The selection whose window and table are in the context.
    #[inline]
    pub fn current(&self) -> Option<Selected> {
        self.selections.current
    }

    /// The table of the current selection.
    pub fn current_table(&self) -> Option<TableId> {
        self.selections.current.map(|selected| selected.table)
    }

    /// Grows whenever answers stop to hold.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.selections.epoch
    }

    /// Address spaces changed, or what is known of them.
    pub fn forget(&mut self) {
        self.selections.current = None;
        self.selections.forget_known();
    }

    /// Empties all windows and tables: memory is not what it was.
    pub fn empty(&mut self) {
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        self.windows.forget_all(&mut sink);
        self.forget();
    }

    /// The answer for the state in `context`, if it is known; selects it.
    #[inline]
    pub fn known(&mut self, context: &mut ExecContext) -> Option<Selected> {
        let cpu = &context.cpu;
        let known = self.selections.known[Selections::place(cpu)].as_ref()?;
        if cpu.eip() > known.last || !known.deciding.hold(cpu) {
            return None;
        }
        let selected = known.selected;
        context.window_base = known.window_base;
        context.target_table = known.table_address;
        if self.selections.current != Some(selected) {
            self.windows.reactivate(selected.window);
            self.targets.reselect(selected.table);
            self.selections.current = Some(selected);
        }
        Some(selected)
    }

    /// Makes the window and the target table of the running (address space, privilege, `mode`, code
    /// segment) current.
    ///
    /// # Errors
    /// When the host refuses a target table.
    pub fn select(
        &mut self,
        context: &mut ExecContext,
        bus: &SystemBus,
        mode: Mode,
    ) -> Result<Selected, MonitorError> {
        let cs_base = context.cpu.cs().base;
        let same = |s: &Selected| s.selection.mode == mode && s.selection.cs_base == cs_base;
        let selected = match self.selections.current.filter(same) {
            Some(selected) => selected,
            None => self.select_anew(context, bus, mode, cs_base)?,
        };
        let cpu = &context.cpu;
        self.selections.known[Selections::place(cpu)] = Some(Known {
            deciding: Deciding::of(cpu),
            last: mode.last_eip().min(cpu.cs().limit),
            selected,
            window_base: context.window_base,
            table_address: context.target_table,
        });
        Ok(selected)
    }

    fn select_anew(
        &mut self,
        context: &mut ExecContext,
        bus: &SystemBus,
        mode: Mode,
        cs_base: Lin,
    ) -> Result<Selected, MonitorError> {
        let who = Privilege::explicit(context.cpu.cpl, context.cpu.eflags);
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        let active = self.windows.activate(bus.mmu.paging(), &bus.memory, who, &mut sink);
        let selection = Selection { space: active.code, mode, cs_base };
        let given_up = self.targets.given_up();
        let table = self
            .targets
            .select(selection)
            .map_err(refused("mmap"))
            .map_err(MonitorError::Targets)?;
        if self.targets.given_up() != given_up {
            self.selections.forget_known();
        }
        let selected = Selected { selection, table, window: active.id };
        context.window_base = active.base;
        context.target_table = self.targets.address(table);
        self.selections.current = Some(selected);
        Ok(selected)
    }

    /// Translated code went over to `selected` by itself, and set GS base to its window.
    pub fn follow(&mut self, selected: Option<Selected>, gs_base: u64) {
        self.gs_base = gs_base;
        self.selections.current = selected;
        if let Some(selected) = selected {
            self.windows.reactivate(selected.window);
            self.targets.reselect(selected.table);
        }
    }

    /// Points GS at the window at `base`, before translated code is entered.
    ///
    /// # Errors
    /// When the host refuses.
    #[inline]
    pub fn load_gs_base(&mut self, base: u64) -> Result<(), MonitorError> {
        if self.gs_base != base {
            self.gs_base = base;
            set_gs_base(base)
                .map_err(refused("arch_prctl"))
                .map_err(|source| MonitorError::Host { what: "GS base", source })?;
        }
        Ok(())
    }

    /// The next entry may be on another thread: its GS base is unknown.
    pub fn left_thread(&mut self) {
        self.gs_base = 0;
    }

    /// Tells the windows what happened to the paging registers.
    #[inline]
    pub fn sync(&mut self, bus: &mut SystemBus) {
        if !bus.paging.is_empty() {
            self.sync_events(bus);
        }
    }

    fn sync_events(&mut self, bus: &mut SystemBus) {
        if bus.paging.iter().any(|event| !matches!(event, PagingEvent::Page(_))) {
            self.forget();
        }
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        for event in bus.paging.drain(..) {
            match event {
                PagingEvent::Cr3 => self.windows.on_cr3_load(),
                PagingEvent::Mode => self.windows.on_mode_change(),
                PagingEvent::Memory => self.windows.forget_all(&mut sink),
                PagingEvent::Page(lin) => {
                    self.windows.on_invlpg(
                        bus.mmu.paging(),
                        &bus.memory,
                        Lin::from(lin),
                        &mut sink,
                    );
                }
            }
        }
    }

    /// Enters the block of `key`, at offset `off` in the cache, into the table of `selected`, the
    /// current selection. If it is the first one of its page, all of `beside` go with it: blocks that are mapped where it is.
    pub fn enter_block(
        &mut self,
        bus: &SystemBus,
        selected: Selected,
        (key, off): (BlockKey, u32),
        beside: &[(Pc, u32)],
    ) {
        let mask = key.mode.address_mask();
        let linear = selected.selection.cs_base.plus(key.eip.get()).masked(mask);
        let page = linear.page();
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        let (paging, code) = (bus.mmu.paging(), selected.selection.space);
        self.windows.note_fetch(code, paging, &bus.memory, page, &mut sink);
        if key.second.is_some() {
            let page = linear.plus(PAGE_SIZE).masked(mask).page();
            self.windows.note_fetch(code, paging, &bus.memory, page, &mut sink);
        }
        if self.targets.is_fresh(selected.table, key.eip) {
            beside.iter().for_each(|(eip, off)| self.targets.set(selected.table, *eip, *off));
        }
        self.targets.set(selected.table, key.eip, off);
    }

    /// Handles a host page fault at linear address `lin` of the running window.
    pub fn fault(&mut self, bus: &mut SystemBus, lin: u32, write: bool) -> Fill {
        self.fill(bus, lin, write, Windows::fault)
    }

    /// Maps the page of `lin` in the running window for an access that is to come.
    pub fn prefill(&mut self, bus: &mut SystemBus, lin: u32, write: bool) -> Fill {
        self.fill(bus, lin, write, Windows::prefill)
    }

    fn fill(&mut self, bus: &mut SystemBus, lin: u32, write: bool, fill: FillBy) -> Fill {
        let window = |spaces: &Self| spaces.current().map(|s| s.window);
        let before = window(self);
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        let (paging, memory) = (bus.mmu.paging(), &mut bus.memory);
        let fill = fill(&mut self.windows, paging, memory, Lin::from(lin), write, &mut sink);
        // The window may have been given up for room: then nothing can be resumed in it.
        if fill == Fill::Mapped && window(self) != before {
            return Fill::Interpret(Reason::NoHostMapping);
        }
        fill
    }

    /// The interpreter accessed `lin` for translated code that had asked the inline TLB in vain.
    pub fn enter_inline(&mut self, bus: &mut SystemBus, lin: Lin) {
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        let (paging, memory) = (bus.mmu.paging(), &mut bus.memory);
        self.windows.enter(paging, memory, lin, &mut sink);
    }

    /// Whether the running window maps `lin` so that it can be read, or written.
    pub fn maps(&self, lin: u32, write: bool) -> bool {
        self.windows.maps(Lin::from(lin), write)
    }

    /// Whether the interpreter accessed a page, by one of these addresses, that the running window does not map because it
    /// is taken away too often.
    pub fn stay_unmapped(&mut self, seen: [Lin; 2]) -> bool {
        let [last, before] = seen.map(|lin| self.windows.stays_unmapped(lin));
        last || before
    }

    /// Pages of the memory file are elsewhere, or must not be written unnoticed.
    pub fn forget_backing(&mut self, stale: &Stale) {
        let mut sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        stale.gone.iter().for_each(|frames| self.windows.drop_backing(frames, &mut sink));
        stale.clean.iter().for_each(|frames| self.windows.protect_backing(frames));
    }

    /// Code was made from `frame`: no window lets it be written any more.
    pub fn protect_code(&mut self, bus: &SystemBus, frame: u64) {
        self.windows.protect_frame(&bus.memory, Frame(frame));
    }

    /// Brings what the target tables hold under `limit` bytes.
    pub fn trim_tables(&mut self, limit: usize) {
        if self.targets.trim(limit) {
            self.forget();
        }
    }

    /// Gives the host's page-table entries of the windows back, the running one's only if `running`.
    pub fn release(&self, running: bool) {
        self.windows.release(running);
    }

    /// Counters of the windows.
    pub fn stats(&self) -> WindowStats {
        self.windows.stats()
    }
}
