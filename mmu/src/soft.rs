//! The soft path: guest memory accesses made in Rust, through the software TLB and page walks.
//!
//! The interpreter, callouts and loaders of architectural tables come through here. The calls keep
//! the promises of `ringer_cpu::Bus`: every page of an access is translated, with all its rights,
//! before a byte moves or a device is asked; addresses wrap at 4 GiB.
//!
//! Hits in the TLB are the hot path: a tag compare and a copy. Everything else (page crossings,
//! MMIO, ROM, code pages, the journal) is in the cold half of this file.

use crate::ram::{GuestMemory, PAGE, Region};
use crate::tlb::{Rights, Tlb};
use crate::walk::{Format, Translation};
use ringer_cpu::{Access, Exception, PagingChange, PagingRegs, Privilege};
use std::cell::Cell;

/// What lies behind physical addresses that are not plain memory, and who wants to know of writes.
pub trait PhysIo {
    /// A read of 1, 2, 4 or 8 bytes, aligned to its size, from no memory.
    fn mmio_read(&mut self, pa: u64, size: u8) -> u64;

    /// A write of 1, 2, 4 or 8 bytes, aligned to its size, to no memory.
    fn mmio_write(&mut self, pa: u64, size: u8, value: u64);

    /// Called before `len` bytes at `pa`, all in one page that translated code was made from, are
    /// written.
    fn code_write(&mut self, pa: u64, len: u32);

    /// Called when a walk has set accessed or dirty flags in the entry at memfd offset `offset`.
    fn flags_set(&mut self, offset: u64) {
        let _ = offset;
    }

    /// With the journal on: called before RAM at memfd offset `offset` is overwritten; `old` are the
    /// bytes that were there.
    fn ram_write(&mut self, offset: u64, old: &[u8]) {
        let _ = (offset, old);
    }
}

/// Address translation and guest memory of one processor.
#[derive(Debug)]
pub struct Mmu {
    pub(crate) memory: GuestMemory,
    pub(crate) regs: PagingRegs,
    pub(crate) format: Format,
    pub(crate) pdptes: [u64; 4],
    pub(crate) a20_mask: u64,
    pub(crate) mmio_touched: Cell<bool>,
    tlb: Tlb,
    journal: bool,
}

/// Where a piece of an access, all in one page, ends up.
#[derive(Clone, Copy, Debug)]
enum Place {
    Ram { offset: u64, pa: u64 },
    Rom { offset: u64 },
    Io { pa: u64 },
}

/// Physical addresses with A20 closed: bit 20 is always 0.
const A20_CLOSED: u64 = !(1 << 20);

impl Mmu {
    /// An MMU in the state after reset: paging off, A20 open.
    #[must_use]
    pub fn new(memory: GuestMemory) -> Self {
        Self {
            memory,
            regs: PagingRegs::default(),
            format: Format::Off,
            pdptes: [0; 4],
            a20_mask: u64::MAX,
            mmio_touched: Cell::new(false),
            tlb: Tlb::new(),
            journal: false,
        }
    }

    /// Guest memory.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// Guest memory, for devices and loaders.
    pub fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.memory
    }

    /// The paging registers in force.
    #[must_use]
    pub fn regs(&self) -> &PagingRegs {
        &self.regs
    }

    /// Whether the A20 gate is open.
    #[must_use]
    pub fn a20(&self) -> bool {
        self.a20_mask == u64::MAX
    }

    /// Opens or closes the A20 gate.
    pub fn set_a20(&mut self, open: bool) {
        self.a20_mask = if open { u64::MAX } else { A20_CLOSED };
        self.flush_tlb();
    }

    /// Takes over changed paging registers and flushes what the change flushes. (Global pages go
    /// with the others: the SDM permits it, and walks are cheap.)
    pub fn paging_changed(&mut self, regs: &PagingRegs, _change: PagingChange) {
        self.regs = *regs;
        self.format = Format::of(regs);
        self.flush_tlb();
    }

    /// INVLPG.
    pub fn invlpg(&mut self, lin: u32) {
        self.tlb.invalidate(lin);
    }

    /// Forgets all translations of the software TLB.
    pub fn flush_tlb(&mut self) {
        self.tlb.flush();
    }

    /// Turns the journal on or off: while it is on, each RAM write by [`Mmu::write`] is reported
    /// with the bytes that it overwrites. Accessed and dirty flags are not.
    pub fn set_journal(&mut self, on: bool) {
        self.journal = on;
    }

    /// Whether MMIO was accessed since the last call.
    pub fn take_mmio_touched(&mut self) -> bool {
        self.mmio_touched.replace(false)
    }

    /// Whether translated code was made from physical page `frame` (address / 4096).
    #[must_use]
    pub fn is_code_page(&self, frame: u64) -> bool {
        self.backing(frame).is_some_and(|offset| self.memory.is_code_offset(offset))
    }

    /// Marks physical page `frame` as one that translated code was made from, or no more.
    pub fn set_code_page(&mut self, frame: u64, code: bool) {
        let Some(offset) = self.backing(frame) else { return };
        if self.memory.mark_code_offset(offset, code) && code {
            // The TLB may hold it as writable, under any number of linear addresses.
            self.flush_tlb();
        }
    }

    /// The memfd offset of physical page `frame`.
    pub(crate) fn backing(&self, frame: u64) -> Option<u64> {
        match self.memory.region(frame.checked_mul(PAGE)?) {
            Region::Ram { offset } | Region::Rom { offset } => Some(offset),
            Region::Io => None,
        }
    }

    /// Reads `buf.len()` bytes at `lin`.
    ///
    /// # Errors
    /// #PF; no device was asked then.
    #[inline]
    pub fn read(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
        buf: &mut [u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        if let Some(offset) = self.tlb.read(lin, buf.len(), who) {
            self.memory.read_offset(offset, buf);
            return Ok(());
        }
        self.read_slow(io, lin, buf, who)
    }

    /// Writes `data` at `lin`.
    ///
    /// # Errors
    /// #PF; nothing was written then.
    #[inline]
    pub fn write(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
        data: &[u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        if let Some(offset) = self.tlb.write(lin, data.len(), who)
            && !self.journal
        {
            self.memory.write_offset(offset, data);
            return Ok(());
        }
        self.write_slow(io, lin, data, who)
    }

    /// Checks an access of `len` bytes and sets accessed and dirty flags as it would.
    ///
    /// # Errors
    /// #PF. Flags of pages before the one that faults may have been set.
    #[inline]
    pub fn probe(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
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
        for (at, _) in pages(lin, bytes) {
            self.place(io, at, access, who)?;
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
        io: &mut dyn PhysIo,
        lin: u32,
        buf: &mut [u8; 16],
        who: Privilege,
    ) -> Result<usize, Exception> {
        let left = (PAGE as u32 - lin % PAGE as u32).min(16) as usize;
        if left == 16
            && let Some(offset) = self.tlb.fetch(lin, 16, who)
        {
            self.memory.read_offset(offset, buf);
            return Ok(16);
        }
        let place = self.place(io, lin, Access::Fetch, who)?;
        self.read_place(io, place, &mut buf[..left]);
        Ok(left)
    }

    /// The physical address that an instruction fetch at `lin` comes from: walked afresh, past the
    /// TLB, so that it agrees with the entries that the windows copy.
    ///
    /// # Errors
    /// #PF when the page may not be fetched from.
    pub fn fetch_pa(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
        who: Privilege,
    ) -> Result<u64, Exception> {
        Ok(self.walk(io, lin, Access::Fetch, who)?.pa)
    }

    #[cold]
    #[inline(never)]
    fn read_slow(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
        buf: &mut [u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        let mut places = [None; 2];
        for (slot, (at, range)) in places.iter_mut().zip(pages(lin, buf.len())) {
            *slot = Some((self.place(io, at, Access::Read, who)?, range));
        }
        for (place, range) in places.into_iter().flatten() {
            self.read_place(io, place, &mut buf[range.0..range.1]);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn write_slow(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
        data: &[u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        let mut places = [None; 2];
        for (slot, (at, range)) in places.iter_mut().zip(pages(lin, data.len())) {
            *slot = Some((self.place(io, at, Access::Write, who)?, range));
        }
        for (place, range) in places.into_iter().flatten() {
            self.write_place(io, place, &data[range.0..range.1]);
        }
        Ok(())
    }

    /// Translates one piece of an access and remembers the page in the TLB.
    fn place(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
        access: Access,
        who: Privilege,
    ) -> Result<Place, Exception> {
        let t = self.walk(io, lin, access, who)?;
        Ok(match self.memory.region(t.pa) {
            Region::Ram { offset } => {
                let write = t.writable && t.dirty && !self.memory.is_code_offset(offset);
                self.remember(lin, who, offset, &t, write);
                Place::Ram { offset, pa: t.pa }
            }
            Region::Rom { offset } => {
                self.remember(lin, who, offset, &t, false);
                Place::Rom { offset }
            }
            Region::Io => Place::Io { pa: t.pa },
        })
    }

    fn remember(&mut self, lin: u32, who: Privilege, offset: u64, t: &Translation, write: bool) {
        let rights = Rights { write, fetch: !t.nx, large: t.large };
        self.tlb.insert(lin, who, (offset / PAGE) as u32, rights);
    }

    fn read_place(&mut self, io: &mut dyn PhysIo, place: Place, buf: &mut [u8]) {
        match place {
            Place::Ram { offset, .. } | Place::Rom { offset } => {
                self.memory.read_offset(offset, buf);
            }
            Place::Io { pa } => {
                self.mmio_touched.set(true);
                for (at, range) in bus_cycles(pa, buf.len()) {
                    let value = io.mmio_read(at, range.len() as u8).to_le_bytes();
                    let n = range.len();
                    buf[range].copy_from_slice(&value[..n]);
                }
            }
        }
    }

    fn write_place(&mut self, io: &mut dyn PhysIo, place: Place, data: &[u8]) {
        match place {
            Place::Ram { offset, pa } => {
                if self.journal {
                    let mut old = [0; 512];
                    let old = &mut old[..data.len().min(512)];
                    self.memory.read_offset(offset, old);
                    io.ram_write(offset, old);
                }
                if self.memory.is_code_offset(offset) {
                    io.code_write(pa, data.len() as u32);
                }
                self.memory.write_offset(offset, data);
            }
            Place::Rom { .. } => {}
            Place::Io { pa } => {
                self.mmio_touched.set(true);
                for (at, range) in bus_cycles(pa, data.len()) {
                    let mut value = [0; 8];
                    let n = range.len();
                    value[..n].copy_from_slice(&data[range]);
                    io.mmio_write(at, n as u8, u64::from_le_bytes(value));
                }
            }
        }
    }
}

/// Splits `len` bytes at `lin` (at most two pages' worth) at page borders: address, and begin and
/// end of the piece.
fn pages(lin: u32, len: usize) -> impl Iterator<Item = (u32, (usize, usize))> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = lin.wrapping_add(done as u32);
        let n = (len - done).min((PAGE as u32 - at % PAGE as u32) as usize);
        done += n;
        Some((at, (done - n, done)))
    })
}

/// Splits `len` bytes at `pa` into naturally aligned accesses of 1, 2, 4 or 8 bytes.
fn bus_cycles(pa: u64, len: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = pa.wrapping_add(done as u64);
        let mut size = 8;
        while size > len - done || !at.is_multiple_of(size as u64) {
            size /= 2;
        }
        done += size;
        Some((at, done - size..done))
    })
}

#[cfg(test)]
#[path = "soft_tests.rs"]
mod tests;
