//! Shadow windows: host address ranges through which translated code reaches guest memory.
//!
//! A window is a shadow page table built from mmap: guest linear page L of one (address space,
//! privilege) is mapped at window base + L from the guest-RAM memfd, with the rights that the
//! guest's own tables grant that privilege right now: readable when present and accessed, writable
//! when dirty too; everything else is PROT_NONE, and an access to it ends in [`Windows::fault`].
//!
//! Windows outlive CR3 loads. A flush (MOV to CR3, a paging mode change) only advances a generation;
//! a window of an older generation is *validated* when it is activated next: its copies of the page
//! tables are compared with memory, and what changed is dropped. Going from user to supervisor and
//! back costs nothing.
//!
//! Host mappings are a bounded resource (vm.max_map_count). Each window counts the mappings that it
//! may have at most; over the budget the counts are made exact, then windows are given up, the least
//! recently used first. When nothing helps, the fill says so and the access is interpreted (invariant 16).
//!
//! Host memory is one, too: page tables of the host, records and copies of tables are a guest's to multiply. Each window
//! knows what it takes ([`Windows::held`]), and the least recently used one goes when that is too much.

use crate::code_view::CodeViews;
use crate::events::{Active, DropSink, Fill, Reason, WindowId, WindowStats};
use crate::fill::Wish;
use crate::hostmap::{WINDOW_PAGES, window_page};
use crate::key::Key;
use crate::ram::GuestMemory;
use crate::walk::Paging;
use crate::window::{Notes, View, Window};
use hashbrown::HashMap;
use ringer_cpu::Privilege;
use ringer_cpu::addr::{Frame, Lin, Page};
use ringer_cpu::refusal::{Refusal, refused};

/// The host had no address space for a window.
#[derive(Debug, thiserror::Error)]
#[error("cannot reserve 4 GiB of address space for guest memory: {0}")]
pub struct WindowError(#[source] Refusal);

/// What all windows together may take of the host, beside mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLimits {
    /// Bytes of host memory beside guest memory: page tables and records.
    pub bytes: usize,
    /// Pages that one window maps: more than the guest has memory are the same ones again and again, and each counts
    /// in the process's resident set.
    pub pages: u32,
}

impl Default for WindowLimits {
    /// None.
    fn default() -> Self {
        Self { bytes: usize::MAX, pages: u32::MAX }
    }
}

/// All shadow windows of one processor.
#[derive(Debug)]
pub struct Windows {
    slots: Vec<Window>,
    /// Where supervisor code lies.
    pub(crate) code: CodeViews,
    by_key: HashMap<Key, usize>,
    current: usize,
    max_windows: usize,
    budget: usize,
    limits: WindowLimits,
    /// Bytes that the windows take, at most: counted anew when it comes over the limit.
    charged: usize,
    /// Looks at the resident set so far, and pages that may have come into it since the last one.
    looks: u64,
    unseen: u64,
    /// Flushes so far.
    generation: u64,
    tick: u64,
    pub(crate) stats: WindowStats,
}

impl Windows {
    /// Room for `max_windows` windows (at least 2) with `vma_budget` host mappings together (at
    /// least 64).
    ///
    /// # Errors
    /// When not even one window can be had.
    pub fn new(max_windows: usize, vma_budget: usize) -> Result<Self, WindowError> {
        let key = Key::RESET;
        let first = Window::new(WindowId(0), key).map_err(refused("mmap")).map_err(WindowError)?;
        Ok(Self {
            slots: vec![first],
            code: CodeViews::default(),
            by_key: HashMap::from_iter([(key, 0)]),
            current: 0,
            max_windows: max_windows.max(2),
            budget: vma_budget.max(64),
            limits: WindowLimits::default(),
            charged: 0,
            looks: 0,
            unseen: 0,
            generation: 0,
            tick: 0,
            stats: WindowStats { windows_created: 1, ..WindowStats::default() },
        })
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> WindowStats {
        self.stats
    }

    /// Host mappings that the windows have, at most.
    #[must_use]
    pub fn mappings(&self) -> usize {
        self.slots.iter().map(|w| w.mappings).sum()
    }

    /// From now on the windows keep to `limits`.
    pub fn set_limits(&mut self, limits: WindowLimits) {
        self.limits = limits;
    }

    /// Bytes of host memory that the windows take beside guest memory, at most.
    #[must_use]
    pub fn held(&self) -> usize {
        self.slots.iter().map(Window::held).sum::<usize>() + self.code.held()
    }

    /// Guest pages that the running window maps: as many may enter the resident set unseen.
    #[must_use]
    pub fn mapped_here(&self) -> u32 {
        self.slots[self.current].records.mapped()
    }

    /// Bytes of the host's page tables for windows, at most.
    #[must_use]
    pub fn page_tables(&self) -> usize {
        self.slots.iter().map(Window::page_tables).sum()
    }

    /// Guest pages that may have entered the process's resident set through windows since [`Windows::looked`]: those
    /// that are mapped in windows which ran.
    #[inline]
    #[must_use]
    pub fn unseen(&self) -> u64 {
        self.unseen
    }

    /// Somebody looked at the resident set.
    pub fn looked(&mut self) {
        self.looks += 1;
        self.unseen = 0;
        self.run(self.current);
    }

    /// Window `k` is the running one.
    #[inline]
    fn run(&mut self, k: usize) {
        self.current = k;
        let window = &mut self.slots[k];
        window.used = self.tick;
        if window.looks != self.looks {
            window.looks = self.looks;
            self.unseen += u64::from(window.records.mapped());
        }
    }

    /// Whether the windows may take more than their limit, so that [`Windows::shed`] is to be called.
    #[inline]
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.charged > self.limits.bytes
    }

    /// Gets below the limit: windows are given up, the least recently used first and the running one last.
    pub fn shed(&mut self, sink: &mut dyn DropSink) {
        self.charged = self.held();
        if self.is_over() {
            self.shed_to(self.limits.bytes / 4 * 3, sink);
        }
    }

    /// Gives windows up until all together take at most `goal` bytes.
    pub fn shed_to(&mut self, goal: usize, sink: &mut dyn DropSink) {
        self.charged = self.held();
        while self.charged > goal {
            let others = self.slots.iter().enumerate();
            let others = others.filter(|(k, w)| *k != self.current && w.held() > 0);
            match others.min_by_key(|(_, w)| w.used).map(|(k, _)| k) {
                Some(k) => self.evict(k, sink),
                None if self.mapped_here() > 0 => {
                    self.slots[self.current].unmap_all();
                    self.stats.resets += 1;
                }
                None if self.slots[self.current].held() > 0 => self.evict(self.current, sink),
                None if self.code.held() > 0 => self.code.clear(sink),
                None => return,
            }
            self.charged = self.held();
        }
    }

    /// Charges what the running window takes more than `before`.
    fn charge(&mut self, before: usize) {
        let now = self.slots[self.current].held();
        self.charged += now.saturating_sub(before);
    }

    /// CR3 was loaded: translations may be stale no more.
    pub fn on_cr3_load(&mut self) {
        self.generation += 1;
    }

    /// A paging mode, or the A20 gate, changed.
    pub fn on_mode_change(&mut self) {
        self.generation += 1;
    }

    /// INVLPG: in all windows of the running address space.
    pub fn on_invlpg(
        &mut self,
        paging: &Paging,
        memory: &GuestMemory,
        lin: Lin,
        sink: &mut dyn DropSink,
    ) {
        for key in Key::all(paging) {
            if let Some(k) = self.find(&key) {
                let notes = &mut Notes { sink, stats: &mut self.stats };
                self.slots[k].invalidate(View { paging, memory }, lin, notes);
            }
        }
        self.code.invalidate(View { paging, memory }, lin, self.generation, sink);
    }

    /// Makes the window for the paging registers in force and data accesses of `who` the running one: finds
    /// or makes it, and validates it when a flush came since it last ran.
    pub fn activate(
        &mut self,
        paging: &Paging,
        memory: &GuestMemory,
        who: Privilege,
        sink: &mut dyn DropSink,
    ) -> Active {
        let key = Key::of(paging, who);
        let k = match self.find(&key) {
            Some(k) => k,
            None => self.create(key, sink),
        };
        self.tick += 1;
        self.run(k);
        let window = &mut self.slots[k];
        if window.validated != self.generation {
            window.validated = self.generation;
            let notes = &mut Notes { sink, stats: &mut self.stats };
            window.validate(View { paging, memory }, notes);
        }
        let (id, base) = (window.id, window.host.base());
        let code = if who == Privilege::User || !key.paging() {
            id
        } else {
            self.code.choose(View { paging, memory }, key, self.generation, sink)
        };
        Active { id, base, code }
    }

    /// Makes `id` the running window again. Only after [`Windows::activate`] returned it, and when no
    /// flush, mode change or report of [`DropSink::window_gone`] came since.
    pub fn reactivate(&mut self, id: WindowId) {
        self.run(id.0 as usize % self.slots.len());
    }

    fn find(&self, key: &Key) -> Option<usize> {
        if self.slots[self.current].key == *key {
            return Some(self.current);
        }
        self.by_key.get(key).copied()
    }

    fn create(&mut self, key: Key, sink: &mut dyn DropSink) -> usize {
        if self.slots.len() < self.max_windows {
            let id = WindowId(self.slots.len() as u32);
            if let Ok(mut window) = Window::new(id, key) {
                window.validated = self.generation;
                self.slots.push(window);
                self.by_key.insert(key, self.slots.len() - 1);
                self.stats.windows_created += 1;
                return self.slots.len() - 1;
            }
            // No address space for another one: make do with those there are.
            self.max_windows = self.slots.len();
        }
        let oldest = self.oldest();
        self.evict(oldest, sink);
        self.by_key.remove(&self.slots[oldest].key);
        self.by_key.insert(key, oldest);
        self.slots[oldest].key = key;
        self.slots[oldest].validated = self.generation;
        self.stats.windows_created += 1;
        oldest
    }

    /// The least recently used window.
    fn oldest(&self) -> usize {
        let slots = self.slots.iter().enumerate();
        slots.min_by_key(|(_, w)| w.used).map_or(0, |(k, _)| k)
    }

    fn evict(&mut self, k: usize, sink: &mut dyn DropSink) {
        self.slots[k].reset();
        self.stats.windows_evicted += 1;
        sink.window_gone(self.slots[k].id);
    }

    /// Handles a host page fault at linear address `lin` of the running window.
    pub fn fault(
        &mut self,
        paging: &Paging,
        memory: &mut GuestMemory,
        lin: Lin,
        write: bool,
        sink: &mut dyn DropSink,
    ) -> Fill {
        self.fill(paging, memory, (lin, write), Wish::Worthwhile, sink)
    }

    /// Maps the page of linear address `lin` in the running window for an access that is to come.
    pub fn prefill(
        &mut self,
        paging: &Paging,
        memory: &mut GuestMemory,
        lin: Lin,
        write: bool,
        sink: &mut dyn DropSink,
    ) -> Fill {
        self.fill(paging, memory, (lin, write), Wish::Mapping, sink)
    }

    fn fill(
        &mut self,
        paging: &Paging,
        memory: &mut GuestMemory,
        access: (Lin, bool),
        wish: Wish,
        sink: &mut dyn DropSink,
    ) -> Fill {
        let k = self.current;
        if self.slots[k].key != Key::of(paging, self.slots[k].key.privilege()) {
            return Fill::Interpret(Reason::NoHostMapping);
        }
        if self.mappings() > self.budget {
            self.make_room();
        }
        if self.is_over() {
            self.shed(sink);
        }
        if self.slots[k].records.mapped() > self.limits.pages {
            self.slots[k].unmap_all();
            self.stats.resets += 1;
        }
        let (before, mapped) = (self.slots[k].held(), self.slots[k].records.mapped());
        let mut notes = Notes { sink, stats: &mut self.stats };
        let mut fill = self.slots[k].fill(paging, memory, access, wish, &mut notes);
        let refused = std::mem::take(&mut self.slots[k].host_refused);
        if fill != Fill::Mapped && refused && self.give_up_others() {
            let mut notes = Notes { sink, stats: &mut self.stats };
            fill = self.slots[k].fill(paging, memory, access, Wish::Mapping, &mut notes);
        }
        if fill == Fill::Mapped {
            self.stats.hidden_fills += 1;
        }
        self.charge(before);
        self.unseen += u64::from(self.slots[k].records.mapped().saturating_sub(mapped));
        fill
    }

    /// The interpreter accessed `lin` for translated code that had asked the inline TLB in vain: the running window's gets an
    /// entry, if there can be one. What has none beside the window (a large page, or no paging) is mapped.
    pub fn enter(
        &mut self,
        paging: &Paging,
        memory: &mut GuestMemory,
        lin: Lin,
        sink: &mut dyn DropSink,
    ) {
        let (k, key) = (self.current, self.slots[self.current].key);
        let who = key.privilege();
        if key != Key::of(paging, who) {
            return;
        }
        // No flag is set for an access that was not made.
        let write = paging.permits_as_it_is(memory, lin, true, who);
        let read = !key.paging() || paging.permits_as_it_is(memory, lin, false, who);
        if !write && !read {
            return;
        }
        for last in [false, true] {
            let before = self.slots[k].held();
            let notes = &mut Notes { sink: &mut *sink, stats: &mut self.stats };
            let entered = self.slots[k].enter_inline(View { paging, memory }, lin, write, notes);
            self.charge(before);
            if entered || last {
                break;
            }
            if self.fill(paging, memory, (lin, write), Wish::Worthwhile, sink) != Fill::Mapped {
                break;
            }
        }
    }

    /// Gets below the budget of host mappings: by counting, then by giving windows up.
    fn make_room(&mut self) {
        for window in &mut self.slots {
            window.mappings = window.records.count_mappings();
        }
        let goal = self.budget / 4 * 3;
        while self.mappings() > goal {
            let mapped = |w: &Window| w.mappings > 1;
            let others = self.slots.iter().enumerate();
            let others = others.filter(|(k, w)| *k != self.current && mapped(w));
            match others.min_by_key(|(_, w)| w.used).map(|(k, _)| k) {
                Some(k) => self.give_up(k),
                None => {
                    self.slots[self.current].unmap_all();
                    self.stats.resets += 1;
                    return;
                }
            }
        }
    }

    /// Empties a window that is not running; it stays reserved for its address space.
    fn give_up(&mut self, k: usize) {
        self.slots[k].unmap_all();
        self.stats.windows_evicted += 1;
    }

    /// The host refused a mapping: empties all other windows, and the running one when there is no
    /// other. True when something was freed and another try is worth it.
    fn give_up_others(&mut self) -> bool {
        let mut freed = false;
        for k in 0..self.slots.len() {
            if k != self.current && self.slots[k].mappings > 1 {
                self.give_up(k);
                freed = true;
            }
        }
        if !freed && self.slots[self.current].mappings > 1 {
            self.slots[self.current].unmap_all();
            self.stats.resets += 1;
            freed = true;
        }
        freed
    }

    /// Takes guest memory out of the process's resident set as far as windows keep it there: of all windows, or of all but
    /// the running one. They still map what they did.
    pub fn release(&self, running: bool) {
        let chosen = |k: usize| running || k != self.current;
        let mapped = self.slots.iter().enumerate().filter(|(k, w)| chosen(*k) && w.mappings > 1);
        mapped.for_each(|(_, w)| w.host.release());
    }

    /// Takes the right to write to physical page `frame` away from every window: a write to it must be
    /// noticed from now on (invariant 7). (Pages around it in a large page may lose it too; they get it back when
    /// they are written.)
    pub fn protect_frame(&mut self, memory: &GuestMemory, frame: Frame) {
        let Some(offset) = memory.backing(frame) else { return };
        let frame = (offset >> 12) as u32;
        for window in &mut self.slots {
            window.forget_aside();
            for page in window.records.writers(frame) {
                let (first, pages) =
                    if window.records.in_span(page) { (page & !15, 16) } else { (page, 1) };
                window.write_protect(first, pages, &mut self.stats);
                self.stats.protects += 1;
            }
        }
    }

    /// Takes the right to write away from every page of every window.
    pub fn protect_all(&mut self) {
        for window in &mut self.slots {
            window.write_protect(0, WINDOW_PAGES, &mut self.stats);
        }
    }

    /// Takes the right to write to these pages of the memory file away from every window.
    pub fn protect_backing(&mut self, frames: &std::ops::Range<u32>) {
        for window in &mut self.slots {
            window.forget_aside();
            for (first, pages) in window.records.showing(frames, true) {
                window.write_protect(first, pages, &mut self.stats);
            }
        }
    }

    /// Takes these pages of the memory file out of every window: they are elsewhere in the guest's addresses now, or nowhere.
    pub fn drop_backing(&mut self, frames: &std::ops::Range<u32>, sink: &mut dyn DropSink) {
        for window in &mut self.slots {
            window.forget_aside();
            for (first, pages) in window.records.showing(frames, false) {
                let notes = &mut Notes { sink: &mut *sink, stats: &mut self.stats };
                window.drop_range(first, pages, notes);
            }
        }
    }

    /// Empties all windows and forgets what they were for: guest memory is not what it was. [`Windows::activate`] comes next.
    pub fn forget_all(&mut self, sink: &mut dyn DropSink) {
        for k in 0..self.slots.len() {
            self.evict(k, sink);
        }
        self.code.clear(sink);
    }

    /// Whether linear address `lin` can be accessed through the running window without a fault.
    #[must_use]
    pub fn maps(&self, lin: Lin, write: bool) -> bool {
        let rec = self.slots[self.current].records.get(window_page(lin));
        rec.mapped() && (rec.writable() || !write)
    }

    /// Whether the page of `lin`, which the interpreter accessed, is one that the running window does not map because it is
    /// taken away too often.
    pub fn stays_unmapped(&mut self, lin: Lin) -> bool {
        let window = &mut self.slots[self.current];
        let page = window_page(lin);
        !window.records.get(page).mapped() && window.churn.stays_unmapped(page)
    }

    /// Records that translated code is about to be entered for linear page `page` in the running window, so that a change of
    /// its entries is reported. `code` is what [`Active::code`] says of it.
    pub fn note_fetch(
        &mut self,
        code: WindowId,
        paging: &Paging,
        memory: &GuestMemory,
        page: Page,
        sink: &mut dyn DropSink,
    ) {
        let page = window_page(page.start());
        let held = self.code.held();
        if self.code.note(code, View { paging, memory }, page, sink) {
            self.charged += self.code.held().saturating_sub(held);
            return;
        }
        let before = self.slots[self.current].held();
        let notes = &mut Notes { sink, stats: &mut self.stats };
        self.slots[self.current].note_fetch(View { paging, memory }, page, notes);
        self.charge(before);
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "windows_limits_tests.rs"]
mod limits_tests;
