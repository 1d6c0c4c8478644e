//! The soft path: guest memory accesses made in Rust, through the software TLB and page walks.
//!
//! The interpreter, callouts and loaders of architectural tables come through here. The calls keep
//! the promises of `ringer_cpu::Bus`: every page of an access is translated, with all its rights,
//! before a byte moves or a device is asked; addresses wrap at 4 GiB.
//!
//! Hits in the TLB are the hot path: a tag compare and a copy. Everything else (page crossings,
//! MMIO, ROM, code pages, watched pages, the journal) is in the cold half of this file.

use crate::phys::PhysIo;
use crate::ram::{GuestMemory, Region};
use crate::tlb::{Rights, Tlb};
use crate::walk::{PageTranslation, Paging, PagingState};
use crate::watch::{Unseen, Watchpoint};
use ringer_cpu::addr::{Frame, Lin, PAGE_SIZE, Pa};
use ringer_cpu::{Access, Exception, PagingChange, PagingRegs, Privilege};

/// Address translation of one processor: its paging registers and its software TLB. Memory is the machine's; every method
/// that needs it is given it.
#[derive(Debug)]
pub struct Mmu {
    paging: Paging,
    tlb: Tlb,
    journal: bool,
    /// The last two accesses to data, the last one first.
    seen: [Lin; 2],
}

/// Where a piece of an access, all in one page, ends up.
#[derive(Clone, Copy, Debug)]
enum Backing {
    Ram { offset: u64, pa: Pa },
    Rom { offset: u64 },
    Io { pa: Pa },
}

impl Mmu {
    /// An MMU in the state after reset: paging off, A20 open.
    #[must_use]
    pub fn new() -> Self {
        Self { paging: Paging::new(), tlb: Tlb::new(), journal: false, seen: [Lin(0); 2] }
    }

    /// What translation depends on, for walks past the software TLB.
    #[must_use]
    pub fn paging(&self) -> &Paging {
        &self.paging
    }

    /// As saved, with the paging registers that go with it. The software TLB is empty; the windows' business is theirs
    /// ([`Windows::forget_all`](crate::Windows::forget_all)).
    pub fn load_state(&mut self, state: &PagingState, regs: &PagingRegs) {
        self.paging.load_state(state, regs);
        self.flush_tlb();
    }

    /// Opens or closes the A20 gate.
    pub fn set_a20(&mut self, open: bool) {
        self.paging.set_a20(open);
        self.flush_tlb();
    }

    /// Takes over changed paging registers and flushes what the change flushes. (Global pages go
    /// with the others: the SDM permits it, and walks are cheap.)
    pub fn paging_changed(&mut self, regs: &PagingRegs, _change: PagingChange) {
        self.paging.set_regs(regs);
        self.flush_tlb();
    }

    /// INVLPG.
    pub fn invlpg(&mut self, lin: Lin) {
        self.tlb.invalidate(lin);
    }

    /// Forgets all translations of the software TLB.
    pub fn flush_tlb(&mut self) {
        self.tlb.flush();
    }

    /// From now on accesses to these bytes are reported ([`PhysIo::watched`]), and to no others. The windows' business is
    /// theirs ([`Windows::forget_all`](crate::Windows::forget_all)).
    pub fn watch(&mut self, places: &[Watchpoint]) {
        self.paging.watched.set(places);
        self.flush_tlb();
    }

    /// The addresses of the last two accesses to data, the last one first.
    #[inline]
    #[must_use]
    pub fn seen(&self) -> [Lin; 2] {
        self.seen
    }

    /// No access was made that anybody wants to know of.
    #[inline]
    pub fn forget_seen(&mut self) {
        self.seen = [Lin(0); 2];
    }

    /// Turns the journal on or off: while it is on, each RAM write by [`Mmu::write`] is reported
    /// with the bytes that it overwrites. Accessed and dirty flags are not.
    pub fn set_journal(&mut self, on: bool) {
        self.journal = on;
    }

    /// Marks physical page `frame` as one that translated code was made from, or no more.
    pub fn set_code_page(&mut self, memory: &mut GuestMemory, frame: Frame, code: bool) {
        if memory.mark_code(frame, code) && code {
            // The TLB may hold it as writable, under any number of linear addresses.
            self.flush_tlb();
        }
    }

    /// Loads the four PDPTEs for `regs`, if they select PAE paging (SDM volume 3A, 4.4.1).
    ///
    /// # Errors
    /// #GP(0) when a present one has a reserved bit set; the loaded ones stay as they are.
    pub fn load_pdptes(
        &mut self,
        memory: &GuestMemory,
        io: &mut dyn PhysIo,
        regs: &PagingRegs,
    ) -> Result<(), Exception> {
        self.paging.load_pdptes(memory, io, regs)
    }

    /// Reads `buf.len()` bytes at `lin`.
    ///
    /// # Errors
    /// #PF; no device was asked then.
    #[inline]
    pub fn read(
        &mut self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        buf: &mut [u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        self.seen = [lin, self.seen[0]];
        if let Some(offset) = self.tlb.read(lin, buf.len(), who) {
            memory.read_offset(offset, buf);
            return Ok(());
        }
        self.read_slow(memory, io, lin, buf, who)
    }

    /// Writes `data` at `lin`.
    ///
    /// # Errors
    /// #PF; nothing was written then.
    #[inline]
    pub fn write(
        &mut self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        data: &[u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        self.seen = [lin, self.seen[0]];
        if let Some(offset) = self.tlb.write(lin, data.len(), who)
            && !self.journal
        {
            memory.write_offset(offset, data);
            return Ok(());
        }
        self.write_slow(memory, io, lin, data, who)
    }

    /// Where the `len` bytes at `lin` are in the memory file, if an access to all of them is known to be one to plain RAM of a
    /// single page that has nothing else to do: no fault, no flag to set, nobody to be told.
    #[must_use]
    pub fn plain(&self, lin: Lin, len: usize, access: Access, who: Privilege) -> Option<u64> {
        match access {
            Access::Read => self.tlb.read(lin, len, who),
            Access::Write => self.tlb.write(lin, len, who).filter(|_| !self.journal),
            Access::Fetch => self.tlb.fetch(lin, len, who),
        }
    }

    /// Writes `item` (a value, and 1, 2 or 4 for how many of its bytes count) `count` times from `lin` on, if that is plain
    /// ([`Mmu::plain`]): `count` or 0.
    pub fn fill(
        &self,
        memory: &mut GuestMemory,
        lin: Lin,
        (value, size): (u32, u8),
        count: u32,
        who: Privilege,
    ) -> u32 {
        let size = usize::from(size.clamp(1, 4));
        let mut buf = [0; PAGE_SIZE as usize];
        let len = (count as usize).saturating_mul(size);
        let Some(buf) = buf.get_mut(..len) else { return 0 };
        let Some(offset) = self.plain(lin, len, Access::Write, who) else { return 0 };
        let item = value.to_le_bytes();
        buf.chunks_exact_mut(size).for_each(|to| to.copy_from_slice(&item[..size]));
        memory.write_offset(offset, buf);
        count
    }

    /// Copies `len` bytes from `from` to `to` as one by one in ascending order would, if both are plain ([`Mmu::plain`]).
    /// False, and nothing happened, when they are not, or when bytes that were written would be read again.
    pub fn copy(
        &self,
        memory: &mut GuestMemory,
        from: Lin,
        to: Lin,
        len: usize,
        who: Privilege,
    ) -> bool {
        let mut buf = [0; PAGE_SIZE as usize];
        let Some(buf) = buf.get_mut(..len) else { return false };
        let (source, target) =
            (self.plain(from, len, Access::Read, who), self.plain(to, len, Access::Write, who));
        let (Some(source), Some(target)) = (source, target) else { return false };
        if target.wrapping_sub(source) < len as u64 && source != target {
            return false;
        }
        memory.read_offset(source, buf);
        memory.write_offset(target, buf);
        true
    }

    /// Checks an access of `len` bytes and sets accessed and dirty flags as it would.
    ///
    /// # Errors
    /// #PF. Flags of pages before the one that faults may have been set.
    #[inline]
    pub fn probe(
        &mut self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        len: u32,
        access: Access,
        who: Privilege,
    ) -> Result<(), Exception> {
        let bytes = len.max(1) as usize;
        let hit = match access {
            Access::Read => self.tlb.read(lin, bytes, who),
            Access::Write => self.tlb.write(lin, bytes, who),
            Access::Fetch => self.tlb.fetch(lin, bytes, who),
        };
        if hit.is_some() {
            return Ok(());
        }
        for (at, _) in pages(lin, bytes, self.paging.linear_mask()) {
            self.place(memory, io, at, access, who)?;
        }
        Ok(())
    }

    /// Fetches instruction bytes at `lin`, up to 16 or to the end of the page; returns how many.
    ///
    /// # Errors
    /// #PF when the page may not be fetched from.
    #[inline]
    pub fn fetch(
        &mut self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        buf: &mut [u8; 16],
        who: Privilege,
    ) -> Result<usize, Exception> {
        let left = (PAGE_SIZE - lin.in_page()).min(16) as usize;
        if left == 16
            && let Some(offset) = self.tlb.fetch(lin, 16, who)
        {
            memory.read_offset(offset, buf);
            return Ok(16);
        }
        let place = self.place(memory, io, lin, Access::Fetch, who)?;
        read_backing(memory, io, place, &mut buf[..left]);
        self.catch_up(memory);
        Ok(left)
    }

    #[cold]
    #[inline(never)]
    fn read_slow(
        &mut self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        buf: &mut [u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        let mut places = [None; 2];
        for (slot, (at, range)) in
            places.iter_mut().zip(pages(lin, buf.len(), self.paging.linear_mask()))
        {
            *slot = Some((self.place(memory, io, at, Access::Read, who)?, range));
        }
        for (place, range) in places.into_iter().flatten() {
            read_backing(memory, io, place, &mut buf[range.0..range.1]);
        }
        self.catch_up(memory);
        self.report(io, lin, buf.len(), false);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn write_slow(
        &mut self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        data: &[u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        let mut places = [None; 2];
        for (slot, (at, range)) in
            places.iter_mut().zip(pages(lin, data.len(), self.paging.linear_mask()))
        {
            *slot = Some((self.place(memory, io, at, Access::Write, who)?, range));
        }
        for (place, range) in places.into_iter().flatten() {
            self.write_place(memory, io, place, &data[range.0..range.1]);
        }
        self.catch_up(memory);
        self.report(io, lin, data.len(), true);
        Ok(())
    }

    /// An access to a device may have moved memory about.
    #[inline]
    pub fn catch_up(&mut self, memory: &GuestMemory) {
        if memory.is_stale() {
            self.flush_tlb();
        }
    }

    /// Says that an access was made, if somebody wants to know of it.
    fn report(&self, io: &mut dyn PhysIo, lin: Lin, len: usize, write: bool) {
        let watched = &self.paging.watched;
        if !watched.is_empty()
            && let Some(hit) = watched.hit(lin, len, write)
        {
            io.watched(hit);
        }
    }

    /// Translates one piece of an access and remembers the page in the TLB.
    fn place(
        &mut self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        access: Access,
        who: Privilege,
    ) -> Result<Backing, Exception> {
        let t = self.paging.walk(memory, io, lin, access, who)?;
        let region = memory.region(t.pa);
        if access == Access::Write && !matches!(region, Region::Ram { .. }) {
            return Ok(place_hidden(memory, &t));
        }
        Ok(match region {
            Region::Ram { offset } => {
                if access == Access::Write {
                    memory.note_write(offset);
                }
                let write = t.writable && t.dirty && !memory.is_guarded(offset);
                self.remember(lin, who, offset, &t, write);
                Backing::Ram { offset, pa: t.pa }
            }
            Region::Rom { offset } => {
                self.remember(lin, who, offset, &t, false);
                Backing::Rom { offset }
            }
            Region::Io => Backing::Io { pa: t.pa },
        })
    }

    fn remember(
        &mut self,
        lin: Lin,
        who: Privilege,
        offset: u64,
        t: &PageTranslation,
        write: bool,
    ) {
        let unseen = self.paging.watched.unseen((lin.page().get() & 0xf_ffff) as u32);
        if unseen == Unseen::Nothing {
            return;
        }
        let write = write && unseen == Unseen::All;
        let (read, fetch) = (!t.no_data, !t.nx);
        let rights = Rights { read, write, fetch, large: t.large, giant: t.giant };
        self.tlb.insert(lin, who, (offset / PAGE_SIZE) as u32, rights);
    }

    fn write_place(
        &self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        backing: Backing,
        data: &[u8],
    ) {
        match backing {
            Backing::Ram { offset, pa } => {
                if self.journal {
                    let mut old = [0; 512];
                    let old = &mut old[..data.len().min(512)];
                    memory.read_offset(offset, old);
                    io.ram_write(offset, old);
                }
                if memory.is_code_offset(offset) {
                    io.code_write(pa, data.len() as u32);
                }
                memory.write_offset(offset, data);
            }
            Backing::Rom { .. } => {}
            Backing::Io { pa } => {
                for (at, range) in bus_cycles(pa, data.len()) {
                    let mut value = [0; 8];
                    let n = range.len();
                    value[..n].copy_from_slice(&data[range]);
                    io.mmio_write(memory, at, n as u8, u64::from_le_bytes(value));
                }
            }
        }
    }
}

/// Where a write goes that what reads see does not take. No TLB remembers it.
#[cold]
fn place_hidden(memory: &mut GuestMemory, t: &PageTranslation) -> Backing {
    match memory.written_region(t.pa) {
        Region::Ram { offset } => {
            memory.note_write(offset);
            Backing::Ram { offset, pa: t.pa }
        }
        Region::Rom { offset } => Backing::Rom { offset },
        Region::Io => Backing::Io { pa: t.pa },
    }
}

fn read_backing(memory: &mut GuestMemory, io: &mut dyn PhysIo, backing: Backing, buf: &mut [u8]) {
    match backing {
        Backing::Ram { offset, .. } | Backing::Rom { offset } => {
            memory.read_offset(offset, buf);
        }
        Backing::Io { pa } => {
            for (at, range) in bus_cycles(pa, buf.len()) {
                let value = io.mmio_read(Some(&mut *memory), at, range.len() as u8).to_le_bytes();
                let n = range.len();
                buf[range].copy_from_slice(&value[..n]);
            }
        }
    }
}

/// Splits `len` bytes at `lin` (at most two pages' worth) at page borders: address, and begin and
/// end of the piece. `mask` cuts linear addresses.
fn pages(lin: Lin, len: usize, mask: u64) -> impl Iterator<Item = (Lin, (usize, usize))> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = lin.plus(done as u64).masked(mask);
        let n = (len - done).min((PAGE_SIZE - at.in_page()) as usize);
        done += n;
        Some((at, (done - n, done)))
    })
}

/// Splits `len` bytes at `pa` into naturally aligned accesses of 1, 2, 4 or 8 bytes.
fn bus_cycles(pa: Pa, len: usize) -> impl Iterator<Item = (Pa, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = pa.plus(done as u64);
        let mut size = 8;
        while size > len - done || !at.get().is_multiple_of(size as u64) {
            size /= 2;
        }
        done += size;
        Some((at, done - size..done))
    })
}

impl Default for Mmu {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "soft_tests.rs"]
mod tests;
