//! One shadow window: the host mappings of one (address space, privilege), what they were made
//! from, and how they are kept true at flushes.
//!
//! Invariants:
//! - The host never grants more through the window than [`Records`] says, and that never more than
//!   the guest's entries granted when they were copied ([`crate::snapshot`]).
//! - No page with translated code is mapped writable.

use crate::churn::Churn;
use crate::events::{DropSink, WindowId, WindowStats};
use crate::host_tables::{HostTables, TABLE_PAGES};
use crate::hostmap::{HostWindow, Run, WINDOW_PAGES, start_of, window_page};
use crate::inline_tlb::InlineTlb;
use crate::key::Key;
use crate::ram::GuestMemory;
use crate::records::Records;
use crate::snapshot::{Change, Table};
use crate::walk::{Paging, Path};
use hashbrown::HashMap;
use ringer_cpu::addr::{Lin, Pa, Page};
use rustix::io::Errno;

/// A guest that flushes page after page will go on: the second in a row takes the rest of this many along.
pub(crate) const IN_A_ROW: u32 = 16;

/// GiB of host addresses that a window has.
const WINDOW_GIB: usize = (WINDOW_PAGES >> 18) as usize;

/// The processor's translation and the machine's memory as they are now, to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub paging: &'a Paging,
    pub memory: &'a GuestMemory,
}

impl View<'_> {
    /// The entries that translate `lin` now.
    pub fn peek(self, lin: Lin) -> Option<Path> {
        self.paging.peek(self.memory, lin)
    }
}

/// Who is told what changes in a window.
pub(crate) struct Notes<'a> {
    pub sink: &'a mut dyn DropSink,
    pub stats: &'a mut WindowStats,
}

/// A window with its books.
#[derive(Debug)]
pub(crate) struct Window {
    pub id: WindowId,
    pub key: Key,
    pub host: HostWindow,
    host_tables: HostTables,
    pub records: Records,
    /// Time of the last activation, for LRU.
    pub used: u64,
    /// The look at the resident set after which it ran last.
    pub looks: u64,
    /// Flush generation at the last validation.
    pub validated: u64,
    /// Host mappings, at most.
    pub mappings: usize,
    /// The host refused to map something since the flag was cleared.
    pub host_refused: bool,
    /// Copies of the page directories: one, or with PAE one a PDPTE.
    roots: [Option<Table>; 4],
    /// Copies of page tables by the number of their directory entry in linear space.
    tables: HashMap<u32, Table>,
    /// Code was entered for a page whose tables cannot be copied: nothing outlives a flush.
    unverifiable: bool,
    /// The page after the last one that INVLPG took away.
    next_flushed: u32,
    /// The group of [`IN_A_ROW`] pages that was flushed in a row last: what is mapped there is not for long.
    pub short_lived: u32,
    /// Pages that are not worth a mapping.
    pub churn: Churn,
    /// Pages that translated code reaches by another way.
    pub tlb: InlineTlb,
}

impl Window {
    pub fn new(id: WindowId, key: Key) -> Result<Self, Errno> {
        Ok(Self {
            id,
            key,
            host: HostWindow::reserve()?,
            host_tables: HostTables::new(WINDOW_GIB),
            records: Records::new(),
            used: 0,
            looks: 0,
            validated: 0,
            mappings: 1,
            host_refused: false,
            roots: [None, None, None, None],
            tables: HashMap::new(),
            unverifiable: false,
            next_flushed: 0,
            short_lived: u32::MAX,
            churn: Churn::default(),
            tlb: InlineTlb::default(),
        })
    }

    /// Takes everything away and forgets it, so that the window can serve another address space;
    /// the owner tells the sink.
    pub fn reset(&mut self) {
        self.tlb.clear(&mut self.host);
        self.host.reset();
        self.host_tables.clear();
        self.records.clear();
        self.churn.clear();
        self.forget_tables();
        self.mappings = 1;
    }

    /// Gives all host mappings up. What is known of the guest's tables and of code stays true.
    pub fn unmap_all(&mut self) {
        self.tlb.clear(&mut self.host);
        self.host.reset();
        self.host_tables.clear();
        self.records.unmap_all();
        self.mappings = 1;
    }

    /// Bytes of host memory that it takes beside guest memory, at most: the host's page tables, its records and its copies
    /// of the guest's tables.
    pub fn held(&self) -> usize {
        let copies = self.tables.len() + self.roots.iter().flatten().count();
        self.host_tables.bytes()
            + self.records.held()
            + self.churn.held()
            + self.tlb.held()
            + copies * Table::BYTES
            + self.tables.allocation_size()
    }

    /// Bytes of the host's page tables for it, at most.
    pub fn page_tables(&self) -> usize {
        self.host_tables.bytes()
    }

    fn forget_tables(&mut self) {
        self.tables = HashMap::new();
        self.roots = [None, None, None, None];
        self.unverifiable = false;
    }

    /// Drops all pages, because nothing says that they are still right.
    fn drop_all(&mut self, notes: &mut Notes<'_>) {
        self.drop_range(0, WINDOW_PAGES, notes);
        self.forget_tables();
    }

    /// Maps a run and records it.
    pub fn map(
        &mut self,
        memory: &GuestMemory,
        run: &Run,
        span: bool,
        stats: &mut WindowStats,
    ) -> Result<(), Errno> {
        let mapped = self.host.map(memory.fd(), run, run.pages <= 16);
        self.host_refused |= mapped.is_err();
        mapped?;
        self.host_tables.note(run.page, run.pages);
        self.mappings += 2;
        self.records.set(run, span);
        stats.map_calls += 1;
        stats.pages_mapped += u64::from(run.pages);
        Ok(())
    }

    /// Takes a range of pages away.
    pub fn drop_range(&mut self, first: u32, pages: u32, notes: &mut Notes<'_>) {
        let mapped = self.forget_range(first, pages, notes);
        self.clear_host(mapped);
    }

    /// Forgets a range of pages. What of the host's mappings is to be cleared for it, at once: first page and the one
    /// behind the last.
    fn forget_range(
        &mut self,
        first: u32,
        pages: u32,
        notes: &mut Notes<'_>,
    ) -> Option<(u32, u32)> {
        self.tlb.forget(&mut self.host, first, pages);
        let taken = self.records.take(first, pages);
        notes.stats.pages_dropped += u64::from(taken.count);
        for (page, count) in taken.noted {
            notes.sink.dropped(self.id, Page(u64::from(page)), count);
        }
        // What is taken away anyway goes with its page tables.
        let (lo, hi) = taken.mapped?;
        let lo = first.max(lo / TABLE_PAGES * TABLE_PAGES);
        Some((lo, (first + pages).min((hi / TABLE_PAGES + 1) * TABLE_PAGES)))
    }

    /// Clears ranges of the host's mappings whose pages were forgotten; those with nothing mapped between them in one call.
    fn clear_host(&mut self, ranges: impl IntoIterator<Item = (u32, u32)>) {
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut ranges = ranges.into_iter().peekable();
        while let Some((lo, mut end)) = ranges.next() {
            while let Some((_, to)) =
                ranges.next_if(|(from, _)| !self.records.any_mapped(end, *from))
            {
                end = end.max(to);
            }
            self.mappings += 2;
            if self.host.clear(lo, end - lo).is_err() {
                self.unmap_all();
                return;
            }
            self.host_tables.forget(lo, end - lo);
        }
    }

    /// Takes the right to write away from a range of pages.
    pub fn write_protect(&mut self, first: u32, pages: u32, stats: &mut WindowStats) {
        self.tlb.forget_writes(&mut self.host, first, pages);
        for (page, count) in self.records.take_writable(first, pages) {
            self.mappings += 2;
            stats.pages_protected += u64::from(count);
            if self.host.write_protect(page, count).is_err() {
                self.unmap_all();
                return;
            }
        }
    }

    fn apply(&mut self, change: Change, first: u32, pages: u32, notes: &mut Notes<'_>) {
        match change {
            Change::None => {}
            Change::ReadOnly => self.write_protect(first, pages, notes.stats),
            Change::Drop => self.drop_range(first, pages, notes),
        }
    }

    /// Pages that a directory entry covers.
    pub fn chunk_pages(&self) -> u32 {
        1 << (self.key.format.chunk_shift() - 12)
    }

    /// The number of the directory entry for `lin` in linear space.
    fn chunk(&self, lin: Lin) -> u32 {
        window_page(lin) >> (self.key.format.chunk_shift() - 12)
    }

    /// Copies the entries of `path`, which translates `lin` now, or brings their copies up to date.
    /// False when they lie in no memory.
    pub fn track(&mut self, view: View<'_>, path: &Path, lin: Lin, notes: &mut Notes<'_>) -> bool {
        self.sync_directory(view, path.pde_pa, lin, notes)
            && path.pte.is_none_or(|(pte_pa, _)| self.sync_table(view, pte_pa, lin, notes))
    }

    /// The same for the directory entry alone.
    pub fn sync_directory(
        &mut self,
        view: View<'_>,
        pde_pa: Pa,
        lin: Lin,
        notes: &mut Notes<'_>,
    ) -> bool {
        let Some(offset) = view.memory.backing(pde_pa.frame()) else { return false };
        let slot = self.root_slot(lin);
        if self.roots[slot].as_ref().is_some_and(|t| t.offset != offset) {
            self.drop_root(slot, notes);
        }
        let wide = self.key.format.wide();
        let root = self.roots[slot].get_or_insert_with(|| Table::copy(view.memory, offset));
        let change = root.sync(view.memory, pde_pa.in_frame(), wide);
        self.apply_chunk(change, self.chunk(lin), notes);
        true
    }

    /// Brings the copy of one table entry up to date; copies the table first when there is none.
    pub fn sync_table(
        &mut self,
        view: View<'_>,
        pte_pa: Pa,
        lin: Lin,
        notes: &mut Notes<'_>,
    ) -> bool {
        let Some(offset) = view.memory.backing(pte_pa.frame()) else { return false };
        let chunk = self.chunk(lin);
        if self.tables.get(&chunk).is_some_and(|t| t.offset != offset) {
            self.apply_chunk(Change::Drop, chunk, notes);
        }
        let wide = self.key.format.wide();
        let table = self.tables.entry(chunk).or_insert_with(|| Table::copy(view.memory, offset));
        let change = table.sync(view.memory, pte_pa.in_frame(), wide);
        self.apply(change, window_page(lin), 1, notes);
        true
    }

    fn root_slot(&self, lin: Lin) -> usize {
        if self.key.format.wide() { (window_page(lin) >> 18) as usize } else { 0 }
    }

    /// Drops everything under a page directory.
    fn drop_root(&mut self, slot: usize, notes: &mut Notes<'_>) {
        self.roots[slot] = None;
        let (first, pages) =
            if self.key.format.wide() { ((slot as u32) << 18, 1 << 18) } else { (0, WINDOW_PAGES) };
        let per_chunk = self.chunk_pages();
        self.tables.retain(|chunk, _| (chunk * per_chunk).wrapping_sub(first) >= pages);
        self.drop_range(first, pages, notes);
    }

    fn apply_chunk(&mut self, change: Change, chunk: u32, notes: &mut Notes<'_>) {
        if change == Change::Drop {
            self.tables.remove(&chunk);
        }
        let pages = self.chunk_pages();
        self.apply(change, chunk * pages, pages, notes);
    }

    /// Records that translated code was entered for `page`.
    pub fn note_fetch(&mut self, view: View<'_>, page: u32, notes: &mut Notes<'_>) {
        let lin = start_of(page);
        if self.key.paging() {
            let tracked = view.peek(lin).is_some_and(|p| self.track(view, &p, lin, notes));
            self.unverifiable |= !tracked;
        }
        self.records.note(page);
    }

    /// Brings the copies of the entries for `lin` up to date after INVLPG.
    pub fn invalidate(&mut self, view: View<'_>, lin: Lin, notes: &mut Notes<'_>) {
        if !self.key.paging() {
            return;
        }
        if self.unverifiable {
            self.drop_all(notes);
            return;
        }
        let wide = self.key.format.wide();
        let chunk = self.chunk(lin);
        if let Some(root) = &mut self.roots[self.root_slot(lin)] {
            let at = self.key.format.pde_offset(lin);
            let change = root.sync(view.memory, at, wide);
            self.apply_chunk(change, chunk, notes);
        }
        if let Some(table) = self.tables.get_mut(&chunk) {
            let change = table.sync(view.memory, self.key.format.pte_offset(lin), wide);
            self.note_churn(window_page(lin), 1, change);
            let pages = if change == Change::Drop { self.flushed(window_page(lin)) } else { 1 };
            self.apply(change, window_page(lin), pages, notes);
        }
    }

    /// The guest flushed these pages, whose entries changed so.
    fn note_churn(&mut self, first: u32, pages: u32, change: Change) {
        for page in first..first + pages {
            if change == Change::Drop && self.records.get(page).mapped() {
                self.churn.taken(page);
            } else {
                self.churn.flushed(page);
            }
        }
    }

    /// How many pages to take away for an INVLPG of `page`. What is taken without need is mapped again when it is
    /// touched; but a guest that unmaps a range would have cost a host call for each page.
    fn flushed(&mut self, page: u32) -> u32 {
        let in_a_row = self.next_flushed == page;
        let mapped = self.records.get(page).mapped();
        if mapped || in_a_row {
            self.next_flushed = page + 1;
        }
        if !mapped || !in_a_row {
            return 1;
        }
        self.short_lived = page / IN_A_ROW;
        IN_A_ROW - page % IN_A_ROW
    }

    /// Makes the window true after a flush: what the guest changed in its tables since they were
    /// copied is dropped.
    pub fn validate(&mut self, view: View<'_>, notes: &mut Notes<'_>) {
        if !self.key.paging() {
            return;
        }
        notes.stats.validations += 1;
        if self.unverifiable {
            self.drop_all(notes);
            return;
        }
        let mut gone = Vec::new();
        for slot in 0..4 {
            self.validate_root(view, slot, &mut gone, notes);
        }
        let mut tables = std::mem::take(&mut self.tables);
        let pages = self.chunk_pages();
        let wide = self.key.format.wide();
        let mut changes: Vec<(u32, u32, Change)> = Vec::new();
        for (chunk, table) in &mut tables {
            if !table.is_current(view.memory) {
                table.sync_all(view.memory, wide, |k, change| {
                    merge(&mut changes, chunk * pages + k, 1, change);
                });
            }
        }
        self.tables = tables;
        for (first, count, change) in changes {
            if count <= IN_A_ROW {
                self.note_churn(first, count, change);
            }
            if change == Change::Drop {
                gone.extend(self.forget_range(first, count, notes));
            } else {
                self.apply(change, first, count, notes);
            }
        }
        self.clear_host(gone);
    }

    /// The same for a page directory; what is forgotten is left in `gone` to be cleared.
    fn validate_root(
        &mut self,
        view: View<'_>,
        slot: usize,
        gone: &mut Vec<(u32, u32)>,
        notes: &mut Notes<'_>,
    ) {
        let Some(mut root) = self.roots[slot].take() else { return };
        let wide = self.key.format.wide();
        let now = view.paging.directory(start_of((slot as u32) << 18)).ok();
        let now = now.and_then(|pa| view.memory.backing(pa.masked(view.paging.a20_mask).frame()));
        if now != Some(root.offset) {
            self.drop_root(slot, notes);
            return;
        }
        if !root.is_current(view.memory) {
            let mut changes = Vec::new();
            let first = slot as u32 * 512;
            root.sync_all(view.memory, wide, |k, change| {
                merge(&mut changes, first + k, 1, change);
            });
            let pages = self.chunk_pages();
            for (chunk, count, change) in changes {
                if change == Change::Drop {
                    self.tables.retain(|c, _| c.wrapping_sub(chunk) >= count);
                    gone.extend(self.forget_range(chunk * pages, count * pages, notes));
                } else {
                    self.apply(change, chunk * pages, count * pages, notes);
                }
            }
        }
        self.roots[slot] = Some(root);
    }
}

/// Adds a change to a list of runs in ascending order.
fn merge(changes: &mut Vec<(u32, u32, Change)>, at: u32, count: u32, change: Change) {
    match changes.last_mut() {
        Some((first, n, c)) if *first + *n == at && *c == change => *n += count,
        _ => changes.push((at, count, change)),
    }
}
