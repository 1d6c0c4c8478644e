//! Filling a window: what to map, and how much around it, when an access found nothing there.
//!
//! A fault costs several microseconds, a second page in the same host call nearly nothing. So
//! neighbours are mapped along when the guest's entries say that they are in use (accessed, and
//! dirty for writing) with the same rights: up to 16 pages of a page table, whole large pages with
//! their neighbours, all of RAM without paging.
//!
//! In large mappings code pages are write-protected by *granules* of 16 pages, so that a kernel's
//! text costs few host mappings. A write to a page in such a granule that holds no code opens the
//! run of codeless pages around it.

use crate::events::{Fill, Reason};
use crate::format::{Format, bit};
use crate::hostmap::{Run, WINDOW_PAGES, start_of, window_page};
use crate::ram::{GuestMemory, Region};
use crate::walk::{PageTranslation, Paging, Path};
use crate::watch::Unseen;
use crate::window::{IN_A_ROW, Notes, View, Window};
use ringer_cpu::Access;
use ringer_cpu::addr::{Frame, Lin, PAGE_SIZE, Pa};

/// Pages around a fault that are looked at in its page table.
const AROUND: u32 = 16;
/// Runs that are mapped besides the one with the fault, and the pages that make one worth it: a
/// host mapping costs nearly as much as the signal and the mapping together (see docs/windows.md).
const EXTRA_RUNS: usize = 2;
const EXTRA_PAGES: u32 = 4;
/// Directory entries around a fault in a large page, and without paging, that are mapped at once.
const AROUND_LARGE: u32 = 16;
const AROUND_IDENTITY: u32 = 64;
/// End of the space where regions may change from page to page.
const LEGACY_END: u64 = 1 << 20;

/// What an access that found nothing is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The page, if it is worth a mapping.
    Worthwhile,
    /// The page.
    Mapping,
}

/// What a fill works with.
struct Job<'a, 'n> {
    view: View<'a>,
    notes: &'a mut Notes<'n>,
    page: u32,
    write: bool,
}

impl Window {
    /// Maps what an access at `lin` needs, if the guest's tables permit it.
    pub(crate) fn fill(
        &mut self,
        paging: &Paging,
        memory: &mut GuestMemory,
        (lin, write): (Lin, bool),
        wish: Wish,
        notes: &mut Notes<'_>,
    ) -> Fill {
        let access = if write { Access::Write } else { Access::Read };
        // The instruction may have accesses beside this one, of which an earlier one faults: it walks itself.
        let t = match paging.walk_as_it_is(memory, lin, access, self.key.privilege()) {
            Ok(Some(t)) => t,
            Ok(None) => return Fill::Interpret(Reason::NoticedWalk),
            Err(_) => return Fill::Interpret(Reason::TrueFault),
        };
        match memory.region(t.pa) {
            Region::Io => return Fill::Interpret(Reason::Mmio),
            Region::Rom { .. } if write => return Fill::Interpret(Reason::Mmio),
            Region::Ram { offset } if write && memory.is_code_offset(offset) => {
                return Fill::Interpret(Reason::CodeWrite);
            }
            Region::Ram { offset } if write => memory.note_write(offset),
            Region::Ram { .. } | Region::Rom { .. } => {}
        }
        let page = window_page(lin);
        match paging.watched.unseen(page) {
            Unseen::Reads if write => return Fill::Interpret(Reason::Watched),
            Unseen::Nothing => return Fill::Interpret(Reason::Watched),
            Unseen::All | Unseen::Reads => {}
        }
        if wish == Wish::Worthwhile && self.key.paging() && self.churn.passes(page) {
            return Fill::Interpret(Reason::Churn);
        }
        let mut job = Job { view: View { paging, memory }, notes, page, write };
        let mapped = if self.key.paging() {
            self.fill_paged(&mut job, &t)
        } else {
            self.fill_large(&mut job, &t, Pa(lin.get()))
        };
        if mapped { Fill::Mapped } else { Fill::Interpret(Reason::NoHostMapping) }
    }

    fn fill_paged(&mut self, job: &mut Job<'_, '_>, t: &PageTranslation) -> bool {
        let lin = start_of(job.page);
        let Some(path) = job.view.peek(lin) else { return false };
        if !self.track(job.view, &path, lin, job.notes) {
            return false;
        }
        match path.pte {
            Some((pte_pa, _)) => self.fill_small(job, &path, pte_pa),
            None => {
                let within = lin.get() & (u64::from(self.chunk_pages()) * PAGE_SIZE - 1);
                self.fill_large(job, t, self.key.format.large_frame(path.pde).plus(within))
            }
        }
    }

    /// Maps the page and its neighbours in the page table.
    fn fill_small(&mut self, job: &mut Job<'_, '_>, path: &Path, pte_pa: Pa) -> bool {
        let alone = job.page / IN_A_ROW == self.short_lived;
        let first = if alone { job.page } else { job.page & !(AROUND - 1) };
        let mut runs = Vec::with_capacity(AROUND as usize);
        for page in first..first + if alone { 1 } else { AROUND } {
            let pa = pte_pa.frame().start().plus(self.key.format.pte_offset(start_of(page)));
            if let Some(run) = self.candidate(job.view, path.pde, pa, page) {
                if page != job.page {
                    self.sync_neighbour(job, pa, page);
                }
                Run::push(&mut runs, run);
            }
        }
        self.map_around(job, &runs)
    }

    fn sync_neighbour(&mut self, job: &mut Job<'_, '_>, pte_pa: Pa, page: u32) {
        self.sync_table(job.view, pte_pa, start_of(page), job.notes);
    }

    /// What may be mapped at `page`, whose table entry lies at `pte_pa`.
    pub(crate) fn candidate(&self, view: View<'_>, pde: u64, pte_pa: Pa, page: u32) -> Option<Run> {
        let f = self.key.format;
        let offset = view.memory.backing(pte_pa.frame())? + pte_pa.in_frame();
        let pte = if f.wide() {
            view.memory.file.entry64(offset)
        } else {
            u64::from(view.memory.file.entry32(offset))
        };
        if pte & bit::P == 0 || pte & bit::A == 0 || f.bad_pte(pte) {
            return None;
        }
        let both = pde & pte;
        let user = both & bit::US != 0;
        let who = self.key.privilege();
        if !view.paging.may_read(user, who) {
            return None;
        }
        let granted = view.paging.may_write(user, both & bit::RW != 0, who) && pte & bit::D != 0;
        let granted = may_map(view.paging, page)? && granted;
        match view.memory.region(f.frame(pte).masked(view.paging.a20_mask)) {
            Region::Ram { offset } => {
                let writable = granted && !view.memory.is_guarded(offset);
                Some(Run { page, pages: 1, frame: (offset / PAGE_SIZE) as u32, writable })
            }
            Region::Rom { offset } => {
                Some(Run { page, pages: 1, frame: (offset / PAGE_SIZE) as u32, writable: false })
            }
            Region::Io => None,
        }
    }

    /// Maps the run with the faulting page, and a few others that are not mapped yet.
    fn map_around(&mut self, job: &mut Job<'_, '_>, runs: &[Run]) -> bool {
        let holds = |run: &Run| job.page.wrapping_sub(run.page) < run.pages;
        let Some(own) = runs.iter().find(|run| holds(run)) else { return false };
        if job.write && !own.writable {
            return false;
        }
        if self.map(job.view.memory, own, false, job.notes.stats).is_err() {
            return false;
        }
        let mut extra = 0;
        for run in runs.iter().filter(|run| run.pages >= EXTRA_PAGES && !holds(run)) {
            let served = (0..run.pages)
                .all(|k| self.records.get(run.page + k).serves(run.frame + k, run.writable));
            if served || extra == EXTRA_RUNS {
                continue;
            }
            extra += 1;
            if self.map(job.view.memory, run, false, job.notes.stats).is_err() {
                break;
            }
        }
        true
    }

    /// Maps around a page of a large page, or without paging. `pa` is what `page` translates to
    /// before the A20 gate.
    fn fill_large(&mut self, job: &mut Job<'_, '_>, t: &PageTranslation, pa: Pa) -> bool {
        let granted = t.writable && t.dirty;
        let per_chunk = self.chunk_pages();
        let chunk = job.page / per_chunk * per_chunk;
        let chunk_frame = Frame(pa.frame().get() - u64::from(job.page - chunk));
        let own = self.records.get(job.page);
        let fresh = !own.mapped() && !self.records.leaf_mapped(job.page);
        if fresh || (granted && !self.records.any_writable(chunk, per_chunk)) {
            let (first, pages) = if fresh {
                self.extent(job, chunk, chunk_frame, granted)
            } else {
                (chunk, per_chunk)
            };
            let first_frame = chunk_frame.minus(u64::from(chunk - first));
            if !self.map_span(job, first, pages, first_frame, granted) {
                return false;
            }
        }
        let rec = self.records.get(job.page);
        if rec.mapped() && (rec.writable() || !job.write) {
            return true;
        }
        self.map_granule(job, chunk, chunk_frame, granted)
    }

    /// The chunks around `chunk` (first page, number of pages) that continue it: the same rights,
    /// consecutive frames, nothing mapped yet.
    fn extent(
        &mut self,
        job: &mut Job<'_, '_>,
        chunk: u32,
        frame: Frame,
        granted: bool,
    ) -> (u32, u32) {
        let per_chunk = self.chunk_pages();
        let around = if self.key.paging() { AROUND_LARGE } else { AROUND_IDENTITY } * per_chunk;
        let low = chunk / around * around;
        let high = (low + around).min(WINDOW_PAGES);
        let mut first = chunk;
        while first > low {
            let next = first - per_chunk;
            let want = frame.minus(u64::from(chunk - next));
            if !self.continues(job, next, want, granted) {
                break;
            }
            first = next;
        }
        let mut end = chunk + per_chunk;
        while end < high && self.continues(job, end, frame.plus(u64::from(end - chunk)), granted) {
            end += per_chunk;
        }
        (first, end - first)
    }

    /// Whether the chunk at page `first` is a large page at physical page `want` that may be mapped
    /// with the right to write exactly if `granted`.
    fn continues(&mut self, job: &mut Job<'_, '_>, first: u32, want: Frame, granted: bool) -> bool {
        let pages = self.chunk_pages();
        if (first..first + pages).step_by(512).any(|p| self.records.leaf_mapped(p)) {
            return false;
        }
        if self.key.format == Format::Off {
            return true;
        }
        let Some(path) = job.view.peek(start_of(first)) else { return false };
        let who = self.key.privilege();
        let writable = job.view.paging.may_write(path.user, path.writable, who) && path.dirty();
        path.pte.is_none()
            && path.accessed()
            && job.view.paging.may_read(path.user, who)
            && self.key.format.large_frame(path.pde).frame() == want
            && writable == granted
            && self.sync_directory(job.view, path.pde_pa, start_of(first), job.notes)
    }

    /// Maps whole chunks whose first page is physical page `frame` before the A20 gate.
    fn map_span(
        &mut self,
        job: &mut Job<'_, '_>,
        first: u32,
        pages: u32,
        frame: Frame,
        granted: bool,
    ) -> bool {
        let memory = job.view.memory;
        let mut runs = Vec::new();
        for k in (0..pages).step_by(16) {
            let at = frame.plus(u64::from(k)).start().masked(job.view.paging.a20_mask);
            // Under 1 MiB a single page may be of another kind than its neighbours.
            let low = at.get() < LEGACY_END;
            let watched = job.view.paging.watched.any(first + k, 16);
            let alike = !low && !watched && memory.map.is_uniform(at, 16 * PAGE_SIZE);
            match memory.region(at) {
                // (Pages of the memory file have their marks by sixteen, aligned.)
                Region::Ram { offset } if alike && offset.is_multiple_of(16 * PAGE_SIZE) => {
                    let frame = (offset / PAGE_SIZE) as u32;
                    let writable = granted && !memory.any_guarded_of_16(frame);
                    Run::push(&mut runs, Run { page: first + k, pages: 16, frame, writable });
                }
                Region::Io if alike => {}
                _ => (0..16).for_each(|n| {
                    if let Some(run) = self.large_page(job.view, first + k + n, at, n, granted) {
                        Run::push(&mut runs, run);
                    }
                }),
            }
        }
        // With A20 closed every other MiB is an alias: the frames are not consecutive.
        if job.view.paging.a20() {
            self.records.set_spans(first, pages, &runs);
        }
        runs.iter().all(|run| {
            let span = self.records.in_step(run);
            self.map(job.view.memory, run, span, job.notes.stats).is_ok()
        })
    }

    /// What may be mapped at `page`, page `n` after physical address `base` in a large page.
    fn large_page(
        &self,
        view: View<'_>,
        page: u32,
        base: Pa,
        n: u32,
        granted: bool,
    ) -> Option<Run> {
        let (offset, ram) = match view.memory.region(base.plus(u64::from(n) * PAGE_SIZE)) {
            Region::Ram { offset } => (offset, true),
            Region::Rom { offset } => (offset, false),
            Region::Io => return None,
        };
        let granted = may_map(view.paging, page)? && granted;
        let writable = granted && ram && !view.memory.is_guarded(offset);
        Some(Run { page, pages: 1, frame: (offset / PAGE_SIZE) as u32, writable })
    }

    /// Maps the run of alike pages around the faulting one in its granule.
    fn map_granule(
        &mut self,
        job: &mut Job<'_, '_>,
        chunk: u32,
        frame: Frame,
        granted: bool,
    ) -> bool {
        let first = job.page & !15;
        let base = frame.plus(u64::from(first - chunk)).start().masked(job.view.paging.a20_mask);
        let mut runs = Vec::new();
        for n in 0..16 {
            if let Some(run) = self.large_page(job.view, first + n, base, n, granted) {
                Run::push(&mut runs, run);
            }
        }
        let Some(run) = runs.iter().find(|r| job.page.wrapping_sub(r.page) < r.pages) else {
            return false;
        };
        let span = self.records.in_step(run);
        (run.writable || !job.write)
            && self.map(job.view.memory, run, span, job.notes.stats).is_ok()
    }
}

/// Whether page `page` may be mapped with the right to write, as far as it is watched; `None`: not at all.
fn may_map(paging: &Paging, page: u32) -> Option<bool> {
    match paging.watched.unseen(page) {
        Unseen::All => Some(true),
        Unseen::Reads => Some(false),
        Unseen::Nothing => None,
    }
}
