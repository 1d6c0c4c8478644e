//! The binary-translation engine: finds or makes the block at CS:EIP, runs it, and takes its exits.
//!
//! Cold code is interpreted; a block that was visited often enough is translated. All that can go
//! wrong in a block ends in the interpreter at the guest instruction concerned, which alone decides
//! what the architecture says.

use crate::config::{MonitorConfig, MonitorError};
use crate::gs::GsUse;
use crate::heat::Heat;
use crate::jitdump::SharedJitDump;
use crate::prefill::Prefill;
use crate::profile::{Counters, HotCallout, Profile, Row};
use crate::retranslation::Retranslation;
use crate::run::Monitor;
use crate::segment_memo::SegmentMemo;
use crate::space_selection::{Selected, SpaceSelections};
use crate::system_bus::PagingEvent;
use crate::transfer_memo::TransferMemo;
use crate::verification::Verification;
use hashbrown::HashMap;
use iced_x86::Code;
use ringer_cpu::addr::{Lin, Page};
use ringer_cpu::state::cr0;
use ringer_cpu::{Outcome, Privilege, interp::fpu};
use ringer_mmu::{DropSink, WindowId, Windows};
use ringer_translator::context::{ExecContext, ExitReason};
use ringer_translator::runtime::blocks::{BlockId, BlockKey};
use ringer_translator::runtime::targets::Targets;
use ringer_translator::runtime::{CodeCache, set_gs_base};
use ringer_translator::{Mode, Translator, TranslatorOptions};
use std::ops::Range;

/// Visits after which a block is translated.
const HOT: u8 = 2;
/// Interpreted instructions between looks for a translated block.
const COLD_RUN: u32 = 64;
/// Shadow windows kept at once.
const MAX_WINDOWS: usize = 48;
/// Host mappings that the windows may use: half of vm.max_map_count.
const VMA_BUDGET: usize = 32_000;

/// The translation engine's own state.
#[derive(Debug)]
pub(crate) struct Bt {
    pub(crate) cache: CodeCache,
    pub(crate) targets: Targets,
    pub(crate) windows: Windows,
    pub(crate) translator: Translator,
    pub(crate) options: TranslatorOptions,
    pub(crate) heat: Heat,
    /// Instructions that keep trapping.
    pub(crate) retranslation: Retranslation,
    /// An access that the guest's handler of its page fault may have made possible.
    pub(crate) prefill: Option<Prefill>,
    /// What the context's reloads were made from.
    pub(crate) segment_memo: SegmentMemo,
    /// What the context's switches were made from.
    pub(crate) transfer_memo: TransferMemo,
    /// Whose window base and table are loaded in the context, and others that are known.
    pub(crate) selections: SpaceSelections,
    /// Whether supervisor code uses the guest's GS.
    pub(crate) gs_use: GsUse,
    /// GS base as last set on this thread.
    gs_base: u64,
    /// A direct exit that wants to be linked to the next block.
    pub(crate) pending_link: Option<u32>,
    /// Writes to code pages by page frame: pages that hold data too are worth leaving alone.
    pub(crate) code_writes: HashMap<u64, u32>,
    /// Callouts by instruction form, when profiling.
    callouts: HashMap<Code, u64>,
    pub(crate) retired: u64,
    /// Where perf is told of new blocks.
    pub(crate) jitdump: Option<SharedJitDump>,
    /// Blocks entered from the dispatcher.
    pub(crate) dispatched: u64,
    /// The verifier and what it needs.
    pub(crate) verification: Verification,
}

/// Passes dropped mappings on to the target tables.
pub(crate) struct Sink<'a> {
    targets: &'a mut Targets,
    selections: &'a mut SpaceSelections,
}

impl DropSink for Sink<'_> {
    fn dropped(&mut self, window: WindowId, first: Page, pages: u32) {
        self.targets.drop_pages(window, first.low(), pages);
    }

    fn window_gone(&mut self, window: WindowId) {
        self.targets.drop_window(window);
        self.selections.window_gone(window);
    }
}

/// What the dispatcher found at CS:EIP.
pub(crate) enum Found {
    /// Host code.
    Block(u64),
    /// Nothing hot, or nothing that can be fetched: interpret.
    Cold,
}

impl Bt {
    pub(crate) fn new(cfg: &MonitorConfig) -> Result<Self, MonitorError> {
        let options = options_of(cfg);
        let features = cfg.model.features();
        let windows = Windows::new(MAX_WINDOWS, VMA_BUDGET)
            .map_err(|e| MonitorError::Windows(e.to_string()))?;
        Ok(Self {
            cache: CodeCache::new(cfg.tc_size)?,
            targets: Targets::default(),
            windows,
            translator: Translator::new(options, features),
            options,
            heat: heat_of(cfg),
            retranslation: Retranslation::default(),
            prefill: None,
            segment_memo: SegmentMemo::default(),
            transfer_memo: TransferMemo::default(),
            selections: SpaceSelections::default(),
            gs_use: GsUse::default(),
            gs_base: 0,
            pending_link: None,
            code_writes: HashMap::new(),
            callouts: HashMap::new(),
            retired: 0,
            jitdump: None,
            dispatched: 0,
            verification: Verification::new(options, cfg, features),
        })
    }

    /// From now on blocks are made for `cfg`'s engine; the cache was flushed.
    pub(crate) fn change_engine(&mut self, cfg: &MonitorConfig) {
        self.options = options_of(cfg);
        self.translator = Translator::new(self.options, cfg.model.features());
        self.heat = heat_of(cfg);
        let checks = self.verification.checks;
        self.verification = Verification::new(self.options, cfg, cfg.model.features());
        self.verification.checks = checks;
    }

    pub(crate) fn cache_base(&self) -> u64 {
        self.cache.base()
    }

    pub(crate) fn cache_range(&self) -> Range<u64> {
        self.cache.range()
    }

    pub(crate) fn stubs_end(&self) -> u64 {
        self.cache.stub_range().end
    }

    pub(crate) fn exit_signal(&self) -> u64 {
        self.cache.exit_signal()
    }

    /// Translated code went over to `selected`, and set GS base to its window.
    pub(crate) fn followed(&mut self, selected: Option<Selected>, gs_base: u64) {
        self.gs_base = gs_base;
        self.selections.follow(selected);
        if let Some(selected) = selected {
            self.windows.reactivate(selected.selection.window);
        }
    }

    pub(crate) fn selected_window(&self) -> Option<WindowId> {
        self.selections.current().map(|s| s.selection.window)
    }

    /// The next entry may be on another thread: its GS base is unknown.
    pub(crate) fn left_thread(&mut self) {
        self.gs_base = 0;
    }

    pub(crate) fn counts(&self) -> bool {
        self.options.contains(TranslatorOptions::COUNT)
    }

    /// Splits the borrow: the windows, and where they report what they drop.
    pub(crate) fn windows_and_sink(&mut self) -> (&mut Windows, Sink<'_>) {
        let sink = Sink { targets: &mut self.targets, selections: &mut self.selections };
        (&mut self.windows, sink)
    }

    pub(crate) fn fill_profile(&self, p: &mut Profile, c: &Counters, context: &ExecContext) {
        let s = self.cache.stats();
        p.instructions_translated = self.retired;
        let total = self.retired + p.instructions_interpreted;
        p.translated_percent = percent(self.retired, total);
        p.block_entries = context.blocks;
        p.inline_lookups = context.lookups.saturating_sub(c.miss_exits);
        p.dispatched = self.dispatched;
        p.direct_links =
            context.blocks.saturating_sub(p.inline_lookups).saturating_sub(p.dispatched);
        p.undispatched_percent = percent(p.direct_links + p.inline_lookups, context.blocks.max(1));
        p.blocks_translated = s.translated;
        p.guest_bytes = s.guest_bytes;
        p.host_bytes = s.host_bytes;
        p.expansion = s.host_bytes as f64 / s.guest_bytes.max(1) as f64;
        p.cache_used = self.cache.used() as u64;
        p.evictions = s.flushes;
        p.invalidations = s.invalidated;
        let mut callouts: Vec<_> = self.callouts.iter().collect();
        callouts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        p.hot_callouts = callouts
            .iter()
            .take(HOT_CALLOUTS)
            .map(|(code, count)| HotCallout {
                instruction: code.op_code().instruction_string().to_owned(),
                count: **count,
            })
            .collect();
        let w = self.windows.stats();
        p.window_pages = w.pages_mapped;
        p.windows_created = w.windows_created;
        p.windows_evicted = w.windows_evicted;
    }
}

fn options_of(cfg: &MonitorConfig) -> TranslatorOptions {
    let mut options = cfg.options;
    if cfg.profile {
        options |= TranslatorOptions::COUNT | TranslatorOptions::PROFILE;
    }
    let lockstep = cfg.engine == crate::Engine::Lockstep;
    if cfg.clock == crate::ClockKind::Virtual {
        options |= TranslatorOptions::COUNT;
        if !lockstep {
            options |= TranslatorOptions::BUDGET;
        }
    }
    if lockstep {
        // Every block must come back, to be compared.
        options -= TranslatorOptions::LINK | TranslatorOptions::INDIRECT;
    }
    options
}

fn heat_of(cfg: &MonitorConfig) -> Heat {
    Heat::new(if cfg.engine == crate::Engine::Lockstep { 1 } else { HOT })
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

impl Monitor {
    /// Spoils one row of the translator.
    #[cfg(feature = "planted-fault")]
    pub fn plant(&mut self, fault: ringer_translator::PlantedFault) {
        self.bt.translator.plant(fault);
    }

    /// Runs guest code until the run loop wants the floor.
    pub(crate) fn bt_slice(&mut self) -> Result<(), MonitorError> {
        while !self.must_service() {
            self.sync_paging();
            if let Some(pc) = self.known_block() {
                self.run_block(pc)?;
                continue;
            }
            let Some(mode) = self.mode() else {
                self.interpret(1);
                continue;
            };
            match self.find(mode)? {
                Found::Block(pc) => self.run_block(pc)?,
                Found::Cold => self.interpret(COLD_RUN),
            }
        }
        Ok(())
    }

    /// Interprets up to `max` instructions, until the end of the guest's basic block.
    fn interpret(&mut self, max: u32) {
        self.bt.pending_link = None;
        let row = self.bus.io.ledger.switch(Row::Interpreter);
        for _ in 0..max {
            let before = self.context.cpu.eip();
            self.step();
            let moved = self.context.cpu.eip().wrapping_sub(before);
            if moved > 15 || moved == 0 || self.must_service() || !self.bus.paging.is_empty() {
                break;
            }
        }
        self.bus.io.ledger.switch(row);
    }

    /// Tells the windows what happened to the paging registers.
    pub(crate) fn sync_paging(&mut self) {
        if self.bus.paging.is_empty() {
            return;
        }
        if self.bus.paging.iter().any(|event| !matches!(event, PagingEvent::Page(_))) {
            self.bt.selections.forget();
        }
        let (windows, mut sink) = self.bt.windows_and_sink();
        for event in self.bus.paging.drain(..) {
            match event {
                PagingEvent::Cr3 => windows.on_cr3_load(),
                PagingEvent::Mode => windows.on_mode_change(),
                PagingEvent::Page(lin) => windows.on_invlpg(
                    self.bus.mmu.paging(),
                    &self.bus.memory,
                    Lin::from(lin),
                    &mut sink,
                ),
            }
        }
    }

    /// Finds the block at EIP; translates it when it is hot.
    pub(crate) fn find(&mut self, mode: Mode) -> Result<Found, MonitorError> {
        let selected = self.select(mode)?;
        let eip = self.context.cpu.eip();
        let linear = selected.selection.cs_base.wrapping_add(eip);
        let off = self.bt.targets.get(selected.table, eip);
        if off != 0 {
            if let Some(site) = self.bt.pending_link.take()
                && let Some(id) = self.bt.cache.at_offset(off)
            {
                self.link(site, id);
            }
            return Ok(Found::Block(self.bt.cache.base() + u64::from(off)));
        }
        let who = privilege(&self.context);
        let Ok(pa) = self.bus.mmu.paging().fetch_pa(
            &mut self.bus.memory,
            &mut self.bus.io,
            Lin::from(linear),
            who,
        ) else {
            return Ok(Found::Cold);
        };
        let pa = pa.get();
        let second = self.second_frame(linear, who);
        let cache = &self.bt.cache;
        let whole = BlockKey { pa, eip, mode, second: None };
        let crossing = BlockKey { second, ..whole };
        let found = cache.find(&whole).or_else(|| second.and_then(|_| cache.find(&crossing)));
        let id = match found {
            Some(id) => id,
            None if !self.bt.heat.visit(pa) => return Ok(Found::Cold),
            None => match self.translate(whole, linear, second)? {
                Some(id) => id,
                None => return Ok(Found::Cold),
            },
        };
        self.enter_target(selected, id);
        if let Some(site) = self.bt.pending_link.take() {
            self.link(site, id);
        }
        Ok(Found::Block(self.bt.cache.host_pc(id)))
    }

    fn link(&mut self, site: u32, id: BlockId) {
        if !self.bt.options.contains(TranslatorOptions::LINK) {
            return;
        }
        if self.bt.cache.link(site, id) {
            self.link_verified(site);
        } else if self.bt.options.contains(TranslatorOptions::INDIRECT) {
            self.bt.cache.look_up_instead(site, id);
            self.link_verified(site);
        }
    }

    /// The frame of the page after `linear`'s, when an instruction there could reach into it. A page
    /// that was not accessed yet counts as absent: looking at it would set its accessed flag, perhaps
    /// for nothing, while the interpreter fetches from it only when the instruction does.
    fn second_frame(&mut self, linear: u32, who: Privilege) -> Option<u64> {
        if linear & 0xfff < 0xff1 {
            return None;
        }
        let next = Lin::from((linear | 0xfff).checked_add(1)?);
        let paging = self.context.cpu.cr0 & cr0::PG != 0;
        if paging
            && !self
                .bus
                .mmu
                .paging()
                .peek(&self.bus.memory, next)
                .is_some_and(|path| path.accessed())
        {
            return None;
        }
        self.bus
            .mmu
            .paging()
            .fetch_pa(&mut self.bus.memory, &mut self.bus.io, next, who)
            .ok()
            .map(|pa| pa.frame().get())
    }

    /// Enters a block into the running window's target table.
    fn enter_target(&mut self, selected: Selected, id: BlockId) {
        let block = self.bt.cache.block(id);
        let (key, off) = (block.key, block.host_off);
        let page = selected.selection.cs_base.wrapping_add(key.eip) >> 12;
        let (windows, mut sink) = self.bt.windows_and_sink();
        windows.note_fetch(self.bus.mmu.paging(), &self.bus.memory, Page::from(page), &mut sink);
        if key.second.is_some() {
            windows.note_fetch(
                self.bus.mmu.paging(),
                &self.bus.memory,
                Page::from(page.wrapping_add(1)),
                &mut sink,
            );
        }
        self.bt.targets.set(selected.table, key.eip, off);
    }

    /// Runs translated code from `pc` until it has to come back for good.
    pub(crate) fn run_block(&mut self, pc: u64) -> Result<(), MonitorError> {
        if !self.prefill() {
            return Ok(());
        }
        self.prepare_entry(true)?;
        self.bt.dispatched += 1;
        let entry = self.bt.cache.entry();
        let row = self.bus.io.ledger.switch(Row::Translated);
        let table = self.context.target_table;
        // SAFETY: `pc` is the entry of a valid block (it came from the registry or from a target
        // table, whose entries are cleared with their blocks); `select` made window, table and
        // cache base belong together.
        unsafe { entry.enter(&mut self.context, pc) };
        self.follow_transfers(table);
        self.bus.io.ledger.switch(row);
        self.take_exits()
    }

    /// Everything that translated code expects to find; the guest's FPU state only when `fpu` says
    /// that it is used.
    pub(crate) fn prepare_entry(&mut self, fpu: bool) -> Result<(), MonitorError> {
        self.context.load_flags();
        self.refresh_segment_memo();
        self.refresh_transfer_memo();
        self.refresh_tsc();
        self.refresh_masks();
        self.context.declined = 0;
        if fpu && !self.context.cpu.fpu_in_host {
            fpu::release(&mut self.context.cpu);
        }
        if self.bt.gs_base != self.context.window_base {
            self.bt.gs_base = self.context.window_base;
            set_gs_base(self.bt.gs_base)
                .map_err(|source| MonitorError::Host { what: "GS base", source })?;
        }
        if self.bus.io.clock.is_virtual() {
            self.context.budget = self.virtual_budget().min(i64::MAX as u64) as i64;
        }
        Ok(())
    }

    fn take_exits(&mut self) -> Result<(), MonitorError> {
        while self.context.exit_reason == ExitReason::Signal as u32 {
            if !self.signal_exit() {
                return Ok(());
            }
            self.refresh_masks();
            let entry = self.bt.cache.entry();
            let row = self.bus.io.ledger.switch(Row::Translated);
            let table = self.context.target_table;
            // SAFETY: `signal_exit` said that the code at `fault_rip` is still valid and that window
            // and table are as they were.
            unsafe { entry.resume(&mut self.context) };
            self.follow_transfers(table);
            self.bus.io.ledger.switch(row);
        }
        self.leave_translated();
        self.plain_exit();
        Ok(())
    }

    /// Makes the architectural state whole after translated code.
    pub(crate) fn leave_translated(&mut self) {
        self.context.store_flags();
        self.settle_x87();
        let retired = std::mem::take(&mut self.context.retired);
        self.bt.retired = self.bt.retired.wrapping_add(retired);
        self.bus.io.clock.retired = self.bus.io.clock.retired.wrapping_add(retired);
    }

    fn plain_exit(&mut self) {
        let counters = &mut self.bus.io.counters;
        let reason = self.context.exit_reason;
        self.bt.pending_link = None;
        if reason == ExitReason::Link as u32 {
            counters.link_exits += 1;
            self.bt.pending_link = Some(self.context.exit_arg);
        } else if reason == ExitReason::Miss as u32 {
            counters.miss_exits += 1;
        } else if reason == ExitReason::Callout as u32 {
            counters.callout_exits += 1;
            // What ran before it may have used up the time.
            if !self.out_of_time() {
                self.callout();
            }
        } else if reason == ExitReason::Budget as u32 {
            counters.budget_exits += 1;
            // Fewer instructions are left than the block has: one at a time up to the deadline.
            if !self.out_of_time() {
                self.interpret(1);
            }
        } else {
            counters.check_exits += 1;
            self.bus.io.touched = true;
        }
    }

    /// Runs the instruction that translated code left to the interpreter.
    pub(crate) fn callout(&mut self) {
        let row = if self.cfg.profile { self.callout_row() } else { Row::CalloutOther };
        let before = self.bus.io.ledger.switch(row);
        self.sample_gs();
        let eip = self.context.cpu.eip();
        let accesses = self.bus.io.accesses;
        let outcome = self.step_left();
        let needed = matches!(outcome, Outcome::Delivered(_)) || self.bus.io.accesses != accesses;
        self.note_callout(eip, needed);
        self.bus.io.ledger.switch(before);
    }

    fn callout_row(&mut self) -> Row {
        let Ok(i) = self.interp.decode(&self.context.cpu, &mut self.bus) else {
            return Row::CalloutOther;
        };
        *self.bt.callouts.entry(i.code()).or_insert(0) += 1;
        crate::callouts::row(&i)
    }
}

/// Instruction forms that a profile lists.
const HOT_CALLOUTS: usize = 12;

/// Whose rights explicit accesses have.
pub(crate) fn privilege(context: &ExecContext) -> Privilege {
    if context.cpu.cpl == 3 { Privilege::User } else { Privilege::Supervisor }
}
