//! Where supervisor code lies, for all address spaces that agree on it.
//!
//! An operating system shows itself at the same addresses in every address space: directory entries of its half name the
//! same tables. So what is known of its code (target tables) need not be known once for each process. A *view* holds the
//! pages that supervisor code was entered for, and copies of the entries that translate them, as a window does; but of no
//! address space of its own: it belongs to any whose entries for these pages are the same. That is looked at whenever the
//! supervisor's window of an address space comes into force after a flush.
//!
//! A kernel that isolates its page tables has two sets of entries; a boot loader's are others again. So there are a few
//! views, and the one that fits best is taken. What little does not fit is dropped from it; if that is much, another one
//! is begun.
//!
//! Invariant: while a view is the chosen one, its copies agree with the entries of the running address space, as a
//! window's do (invariant 6).

use crate::events::{DropSink, WindowId};
use crate::hostmap::{start_of, window_page};
use crate::key::Key;
use crate::snapshot::{Change, Table, classify};
use crate::window::View;
use hashbrown::HashMap;
use ringer_cpu::addr::{Lin, Pa, Page};

/// Views kept.
const MOST: usize = 4;
/// A view is taken if at most one page in so many does not fit.
const FITS: u32 = 8;

/// The pages under one directory entry.
#[derive(Debug)]
struct Chunk {
    /// The directory entry.
    pde: u64,
    /// A copy of the table that it names; none for a large page.
    table: Option<Table>,
    /// Pages that code was entered for, a bit each.
    noted: [u64; 16],
    pages: u32,
}

impl Chunk {
    const BYTES: usize = size_of::<Self>() + size_of::<u32>();

    fn note(&mut self, k: u32) {
        let (word, bit) = ((k / 64) as usize % 16, 1 << (k % 64));
        self.pages += u32::from(self.noted[word] & bit == 0);
        self.noted[word] |= bit;
    }

    fn forget(&mut self, k: u32) -> bool {
        let (word, bit) = ((k / 64) as usize % 16, 1 << (k % 64));
        let was = self.noted[word] & bit != 0;
        self.noted[word] &= !bit;
        self.pages -= u32::from(was);
        was
    }
}

/// One view.
#[derive(Debug)]
struct CodeView {
    /// What it is for, without the address space.
    key: Key,
    chunks: HashMap<u32, Chunk>,
    /// Code was entered for a page whose entries cannot be copied: nothing outlives a flush.
    unverifiable: bool,
    /// When it was chosen last.
    used: u64,
}

/// All views of a processor.
#[derive(Debug, Default)]
pub(crate) struct CodeViews {
    views: Vec<CodeView>,
    /// The one in force, and the flush generation and the address space that it was chosen for.
    chosen: Option<(usize, u64, Key)>,
    clock: u64,
}

/// The name of a view, which is no window's.
fn name_of(view: usize) -> WindowId {
    WindowId(u32::MAX - view as u32)
}

/// The directory entry of a chunk now; 0 where there is none.
fn entry_of(key: &Key, view: View<'_>, chunk: u32) -> u64 {
    let lin = start_of(chunk << (key.format.chunk_shift() - 12));
    let Ok(directory) = view.paging.directory(lin) else { return 0 };
    let pa = directory.plus(key.format.pde_offset(lin)).masked(view.paging.a20_mask);
    let Some(offset) = view.memory.backing(pa.frame()) else { return 0 };
    let offset = offset + pa.in_frame();
    if key.format.wide() {
        view.memory.file.entry64(offset)
    } else {
        u64::from(view.memory.file.entry32(offset))
    }
}

impl CodeView {
    fn new(key: Key, used: u64) -> Self {
        Self { key, chunks: HashMap::new(), unverifiable: false, used }
    }

    /// Whether `chunk` is translated by the same directory entry as when code was entered there.
    fn has(&self, view: View<'_>, number: u32, chunk: &Chunk) -> bool {
        let now = entry_of(&self.key, view, number);
        if classify(chunk.pde, now) == Change::Drop {
            return false;
        }
        let frame = self.key.format.frame(now).masked(view.paging.a20_mask).frame();
        chunk.table.as_ref().is_none_or(|table| view.memory.backing(frame) == Some(table.offset))
    }

    /// How many of its pages the running address space has under the same directory entries, if that is enough.
    fn fit(&self, view: View<'_>) -> Option<u32> {
        let (mut kept, mut lost) = (0, 0);
        for (number, chunk) in &self.chunks {
            let count = if self.has(view, *number, chunk) { &mut kept } else { &mut lost };
            *count += chunk.pages;
        }
        (lost * FITS <= kept).then_some(kept)
    }

    /// Makes it true for the running address space; tells `dropped` which pages are not what they were.
    fn validate(&mut self, view: View<'_>, mut dropped: impl FnMut(u32)) {
        if self.unverifiable {
            self.pages().for_each(&mut dropped);
            self.chunks = HashMap::new();
            self.unverifiable = false;
            return;
        }
        let (wide, shift) = (self.key.format.wide(), self.key.format.chunk_shift() - 12);
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.retain(|number, chunk| {
            let first = number << shift;
            if !self.has(view, *number, chunk) {
                pages_of(chunk, first).for_each(&mut dropped);
                return false;
            }
            if let Some(mut table) = chunk.table.take() {
                if !table.is_current(view.memory) {
                    table.sync_all(view.memory, wide, |k, change| {
                        if change == Change::Drop && chunk.forget(k) {
                            dropped(first + k);
                        }
                    });
                }
                chunk.table = Some(table);
            }
            chunk.pages > 0
        });
        self.chunks = chunks;
    }

    /// Brings the copies of the entries for `lin` up to date.
    fn invalidate(&mut self, view: View<'_>, lin: Lin, mut dropped: impl FnMut(u32)) {
        if self.unverifiable {
            return self.validate(view, dropped);
        }
        let (page, shift) = (window_page(lin), self.key.format.chunk_shift() - 12);
        let number = page >> shift;
        let Some(mut chunk) = self.chunks.remove(&number) else { return };
        if !self.has(view, number, &chunk) {
            pages_of(&chunk, number << shift).for_each(dropped);
            return;
        }
        if let Some(table) = &mut chunk.table {
            let at = self.key.format.pte_offset(lin);
            let change = table.sync(view.memory, at, self.key.format.wide());
            if change == Change::Drop && chunk.forget(page - (number << shift)) {
                dropped(page);
            }
        }
        self.chunks.insert(number, chunk);
    }

    /// Code is about to be entered for `page`.
    fn note(&mut self, view: View<'_>, page: u32, dropped: impl FnMut(u32)) {
        let (lin, shift) = (start_of(page), self.key.format.chunk_shift() - 12);
        self.invalidate(view, lin, dropped);
        let number = page >> shift;
        let path = view.peek(lin);
        let backing = |pa: Pa| view.memory.backing(pa.frame());
        let table = path.and_then(|path| path.pte).map(|(pte_pa, _)| backing(pte_pa));
        let tracked =
            path.is_some_and(|path| backing(path.pde_pa).is_some() && table != Some(None));
        self.unverifiable |= !tracked;
        let chunk = self.chunks.entry(number).or_insert_with(|| Chunk {
            pde: 0,
            table: table.flatten().map(|offset| Table::copy(view.memory, offset)),
            noted: [0; 16],
            pages: 0,
        });
        chunk.pde = path.map_or(chunk.pde, |path| path.pde);
        chunk.note(page - (number << shift));
    }

    fn pages(&self) -> impl Iterator<Item = u32> + '_ {
        let shift = self.key.format.chunk_shift() - 12;
        self.chunks.iter().flat_map(move |(number, chunk)| pages_of(chunk, number << shift))
    }

    fn held(&self) -> usize {
        let tables = self.chunks.values().filter(|chunk| chunk.table.is_some()).count();
        tables * Table::BYTES + self.chunks.capacity() * Chunk::BYTES
    }
}

/// The pages of a chunk from page `first` on that code was entered for.
fn pages_of(chunk: &Chunk, first: u32) -> impl Iterator<Item = u32> + '_ {
    let has = |k: &u32| chunk.noted[(k / 64) as usize] >> (k % 64) & 1 != 0;
    (0..1024).filter(has).map(move |k| first + k)
}

impl CodeViews {
    /// The name of the view for the supervisor's code in the address space of `space`, in flush generation `generation`.
    pub fn choose(
        &mut self,
        view: View<'_>,
        space: Key,
        generation: u64,
        sink: &mut dyn DropSink,
    ) -> WindowId {
        let space = space.of_code();
        if let Some((k, at, of)) = self.chosen
            && (at, of) == (generation, space)
        {
            return name_of(k);
        }
        let key = space.of_any_space();
        let alike = self.views.iter().enumerate().filter(|(_, v)| v.key == key);
        let best = alike.filter_map(|(k, v)| Some((v.fit(view)?, k))).max();
        self.clock += 1;
        let k = match best {
            Some((_, k)) => k,
            None => self.begin(key, sink),
        };
        self.views[k].used = self.clock;
        self.views[k].validate(view, |page| {
            sink.dropped(name_of(k), Page(u64::from(page)), 1);
        });
        self.chosen = Some((k, generation, space));
        name_of(k)
    }

    /// Begins a view, in the place of the one that was chosen longest ago if there are many.
    fn begin(&mut self, key: Key, sink: &mut dyn DropSink) -> usize {
        let new = CodeView::new(key, self.clock);
        if self.views.len() < MOST {
            self.views.push(new);
            return self.views.len() - 1;
        }
        let oldest = (0..MOST).min_by_key(|k| self.views[*k].used).unwrap_or(0);
        self.views[oldest] = new;
        sink.window_gone(name_of(oldest));
        oldest
    }

    /// Code is about to be entered for `page` in the view that `space` names, which is in force. False: it names none.
    pub fn note(
        &mut self,
        space: WindowId,
        view: View<'_>,
        page: u32,
        sink: &mut dyn DropSink,
    ) -> bool {
        let Some(named) = self.views.get_mut((u32::MAX - space.0) as usize) else { return false };
        named.note(view, page, |page| sink.dropped(space, Page(u64::from(page)), 1));
        true
    }

    /// INVLPG of `lin` in flush generation `generation`.
    pub fn invalidate(
        &mut self,
        view: View<'_>,
        lin: Lin,
        generation: u64,
        sink: &mut dyn DropSink,
    ) {
        // One that is not in force is looked at when it comes into force.
        let Some((k, at, _)) = self.chosen else { return };
        if at == generation {
            self.views[k].invalidate(view, lin, |page| {
                sink.dropped(name_of(k), Page(u64::from(page)), 1);
            });
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self, sink: &mut dyn DropSink) {
        self.chosen = None;
        let count = std::mem::take(&mut self.views).len();
        (0..count).for_each(|k| sink.window_gone(name_of(k)));
    }

    /// Bytes of host memory that they take.
    pub fn held(&self) -> usize {
        self.views.iter().map(CodeView::held).sum()
    }
}

#[cfg(test)]
#[path = "code_view_tests.rs"]
mod tests;
