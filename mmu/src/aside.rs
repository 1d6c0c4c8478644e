//! What a window's inline TLB may hold: pages that the window maps, and others as its records would have them.

use crate::hostmap::{start_of, window_page};
use crate::inline_tlb::Entry;
use crate::window::{Notes, View, Window};
use ringer_cpu::addr::{Lin, PAGE_SIZE};

impl Window {
    /// Enters the page of `lin`, if the guest's entries permit accesses to it as they are; `write` says whether they permit writes.
    /// False: there is nothing to enter.
    ///
    /// A page that the window does not map yet stays unmapped: one access to it costs less than the mapping, and code that
    /// does not ask will have it mapped.
    pub(crate) fn enter_inline(
        &mut self,
        view: View<'_>,
        lin: Lin,
        write: bool,
        notes: &mut Notes<'_>,
    ) -> bool {
        let page = window_page(lin);
        let serves = |entry: &Entry| entry.writable || !write;
        // Looking beside the window may have the page taken away there, if its entries changed.
        let found = self.mapped(page).filter(serves).or_else(|| self.beside(view, page, notes));
        let Some(entry) = found.or_else(|| self.mapped(page)) else {
            return false;
        };
        let kind = match entry.distance {
            0 => &mut notes.stats.entered_mapped,
            _ => &mut notes.stats.entered_aside,
        };
        *kind += 1;
        self.tlb.enter(&mut self.host, entry);
        true
    }

    /// The entry of a page that is mapped.
    fn mapped(&self, page: u32) -> Option<Entry> {
        let record = self.records.get(page);
        record.mapped().then(|| Entry { page, writable: record.writable(), distance: 0 })
    }

    /// The entry of a page that is not mapped. The guest's entries for it are copied, so that it goes at the flush at which a
    /// mapping would.
    fn beside(&mut self, view: View<'_>, page: u32, notes: &mut Notes<'_>) -> Option<Entry> {
        if !self.key.paging() {
            return None;
        }
        let lin = start_of(page);
        let path = view.peek(lin)?;
        let (pte_pa, _) = path.pte?;
        if !self.track(view, &path, lin, notes) {
            return None;
        }
        let run = self.candidate(view, path.pde, pte_pa, page)?;
        let host = view.memory.file.host_page(u64::from(run.frame) * PAGE_SIZE)?;
        let distance = host.wrapping_sub(self.host.base()).wrapping_sub(lin.get());
        Some(Entry { page, writable: run.writable, distance })
    }

    /// What lies in pages of the memory file is not, or must not be written unnoticed: entries that no record knows of go.
    pub(crate) fn forget_aside(&mut self) {
        self.tlb.forget_aside(&mut self.host);
    }
}
