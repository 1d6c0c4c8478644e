//! Guest physical memory: the memory file behind the map of physical addresses, the marks that say whose writes must be
//! noticed, and the door through which devices and loaders reach it.
//!
//! A page is *guarded* when a write to it must be noticed before it happens: translated code was made from it, or its
//! writes are logged and it is clean. Guarded pages are never writable in a software TLB or in a window; whatever
//! comes to guard a page answers with what processors must forget ([`Flush`]; invariant 7).

use crate::file::MemoryFile;
use crate::map::{Kind, MapError, MemoryMap, Shadow};
use crate::pages::PageSet;
use crate::stale::Stale;
use ringer_cpu::Refusal;
use ringer_cpu::addr::{Frame, PAGE_SIZE, Pa};
use std::ops::Range;
use std::os::fd::BorrowedFd;

/// Least RAM: what lies under 1 MiB.
pub const MIN_RAM: u64 = 1 << 20;
/// Most RAM: the physical space above is left to devices and the ROM.
pub const MAX_RAM: u64 = 3 << 30;
/// Largest ROM image.
pub const MAX_ROM: usize = 16 << 20;

/// What went wrong with guest memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The requested size cannot be had.
    #[error("guest memory of {0} bytes: it must be a multiple of 4 KiB from 1 MiB to 3 GiB")]
    BadSize(u64),
    /// The ROM image has no bytes or too many.
    #[error("ROM image of {0} bytes: it must have 1 byte to 16 MiB")]
    BadRom(usize),
    /// The memory was not built as a PC's.
    #[error("this memory has no place for a ROM image: its map is not that of a PC")]
    NoRom,
    /// A loader's bytes do not lie in memory.
    #[error("{len} bytes at physical address {pa:#x} do not lie in guest memory")]
    NotMemory {
        /// First physical address.
        pa: Pa,
        /// How many bytes.
        len: usize,
    },
    /// The map cannot be.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The host refused.
    #[error("cannot allocate guest memory: {0}")]
    Host(#[from] Refusal),
}

/// What stands behind a physical page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Memory, at this offset in the memory file.
    Ram {
        /// Offset of the address in the memory file.
        offset: u64,
    },
    /// Memory that the guest cannot write, at this offset in the memory file.
    Rom {
        /// Offset of the address in the memory file.
        offset: u64,
    },
    /// Devices, or nothing.
    Io,
}

/// What every processor must forget after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flush {
    /// Nothing.
    Nothing,
    /// That pages may be written: [`Mmu::flush_tlb`](crate::Mmu::flush_tlb) and
    /// [`Windows::protect_all`](crate::Windows::protect_all), or for the pages that the change named
    /// [`Windows::protect_frame`](crate::Windows::protect_frame).
    Writes,
    /// Which memory is where: [`Mmu::flush_tlb`](crate::Mmu::flush_tlb) and
    /// [`Windows::forget_all`](crate::Windows::forget_all), and the translated code.
    Everything,
}

/// Accesses of devices that were refused, from the creation of the memory on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaRefusals {
    /// Writes that had a byte in ROM.
    pub rom: u64,
    /// Accesses that had a byte in no memory.
    pub no_memory: u64,
}

/// Guest physical memory.
#[derive(Debug)]
pub struct GuestMemory {
    pub(crate) file: MemoryFile,
    pub(crate) map: MemoryMap,
    /// The map as it was built: that of a reset.
    built: MemoryMap,
    ram_size: u64,
    /// There is room for a ROM behind the RAM.
    rom_fits: bool,
    /// Pages that translated code was made from.
    pub(crate) code: PageSet,
    /// Pages whose writes are logged.
    logged: PageSet,
    /// Those of them that were not written since the log was read.
    pub(crate) clean: PageSet,
    /// Writes to code pages that came from devices and loaders.
    pub(crate) code_writes: Vec<(Pa, u32)>,
    /// Where in the memory file a device's own memory is.
    pub(crate) device: Range<u64>,
    /// What processors have not forgotten yet.
    pub(crate) stale: Stale,
    refusals: DmaRefusals,
}

impl GuestMemory {
    /// A PC's memory with `ram_size` bytes of RAM, all zero. Host memory is taken page by page, on first use.
    ///
    /// # Errors
    /// [`MemoryError::BadSize`], or [`MemoryError::Host`] when the host has no memory for it.
    pub fn new(ram_size: u64) -> Result<Self, MemoryError> {
        Self::with_room_behind(ram_size, 0)
    }

    /// The same with `more` bytes behind the room for a ROM.
    pub(crate) fn with_room_behind(ram_size: u64, more: u64) -> Result<Self, MemoryError> {
        check_size(ram_size)?;
        let map = MemoryMap::pc(ram_size, 0)?;
        let len = ram_size + MAX_ROM as u64 + more;
        Ok(Self { rom_fits: true, ..Self::with_room(map, ram_size, len)? })
    }

    /// The same without the display adapters' hole: RAM from 0 to `ram_size`. For test benches whose
    /// cases lie anywhere.
    ///
    /// # Errors
    /// As [`GuestMemory::new`].
    pub fn without_hole(ram_size: u64) -> Result<Self, MemoryError> {
        check_size(ram_size)?;
        Self::with_map(MemoryMap::flat(ram_size)?)
    }

    /// Memory by a map of one's own.
    ///
    /// # Errors
    /// [`MemoryError::Host`] when the host has no memory for it.
    pub fn with_map(map: MemoryMap) -> Result<Self, MemoryError> {
        let len = map.file_len();
        Self::with_room(map, len, len)
    }

    fn with_room(map: MemoryMap, ram_size: u64, len: u64) -> Result<Self, MemoryError> {
        let mut memory = Self {
            file: MemoryFile::new(len)?,
            built: map.clone(),
            map,
            ram_size,
            rom_fits: false,
            code: PageSet::empty(len),
            logged: PageSet::empty(len),
            clean: PageSet::empty(len),
            code_writes: Vec::new(),
            device: 0..0,
            stale: Stale::default(),
            refusals: DmaRefusals::default(),
        };
        memory.set_logged(false);
        Ok(memory)
    }

    /// Bytes of the memory file that are RAM; in a PC the display hole under 1 MiB counts as if it were there.
    #[must_use]
    pub fn ram_size(&self) -> u64 {
        self.ram_size
    }

    /// The map in force.
    #[must_use]
    pub fn map(&self) -> &MemoryMap {
        &self.map
    }

    /// The memory file, for mapping pieces of it elsewhere.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.fd()
    }

    /// Bytes that the guest, a device or a loader has touched.
    #[must_use]
    pub fn touched(&self) -> u64 {
        self.file.touched()
    }

    /// Takes the pages out of the process's resident set as far as this mapping keeps them there; their contents stay,
    /// and the next access finds them again.
    pub fn release(&self) {
        self.file.release();
    }

    /// What stands behind physical address `pa`; the answer holds for its whole 4 KiB page.
    #[inline]
    #[must_use]
    pub fn region(&self, pa: Pa) -> Region {
        match self.map.find(pa) {
            Some(Kind::Ram { offset } | Kind::DeviceRam { offset }) => Region::Ram { offset },
            Some(Kind::Rom { offset }) => Region::Rom { offset },
            Some(Kind::Shadowed { ram, rom, state }) => match (state, rom) {
                (Shadow::ReadWrite, _) => Region::Ram { offset: ram },
                (Shadow::ReadOnly, _) => Region::Rom { offset: ram },
                (Shadow::Rom | Shadow::WriteOnly, Some(offset)) => Region::Rom { offset },
                (Shadow::Rom | Shadow::WriteOnly, None) => Region::Io,
            },
            None => Region::Io,
        }
    }

    /// The same for a write, where shadow RAM may take what reads do not see.
    #[inline]
    #[must_use]
    pub(crate) fn written_region(&self, pa: Pa) -> Region {
        match self.map.find(pa) {
            Some(Kind::Shadowed { ram, state: Shadow::WriteOnly, .. }) => {
                Region::Ram { offset: ram }
            }
            _ => self.region(pa),
        }
    }

    /// Looks at physical memory. False, with nothing read, when a byte of it is not memory.
    pub fn read(&self, pa: Pa, buf: &mut [u8]) -> bool {
        if self.refusal(pa, buf.len(), false).is_some() {
            return false;
        }
        for (at, range) in pieces(pa, buf.len()) {
            if let Region::Ram { offset } | Region::Rom { offset } = self.region(at) {
                self.read_offset(offset, &mut buf[range]);
            }
        }
        true
    }

    /// A device reads memory. False, with nothing read and the refusal counted, when a byte of it is not memory.
    pub fn dma_read(&mut self, pa: Pa, buf: &mut [u8]) -> bool {
        let done = self.read(pa, buf);
        self.refusals.no_memory += u64::from(!done);
        done
    }

    /// A device writes RAM. False, with nothing written and the refusal counted, when a byte of it is not RAM. Writes to
    /// code pages are noted, see [`GuestMemory::take_code_writes`], and so are pages that are logged.
    pub fn dma_write(&mut self, pa: Pa, data: &[u8]) -> bool {
        let refusal = self.refusal(pa, data.len(), true);
        match refusal {
            None => self.store(pa, data, Self::written_region),
            Some(Region::Rom { .. }) => self.refusals.rom += 1,
            Some(_) => self.refusals.no_memory += 1,
        }
        refusal.is_none()
    }

    /// Writes memory on behalf of a loader, read-only memory included.
    ///
    /// # Errors
    /// [`MemoryError::NotMemory`], with nothing written, when a byte of it is not memory.
    pub fn load(&mut self, pa: Pa, data: &[u8]) -> Result<(), MemoryError> {
        if self.refusal(pa, data.len(), false).is_some() {
            return Err(MemoryError::NotMemory { pa, len: data.len() });
        }
        self.store(pa, data, Self::region);
        Ok(())
    }

    /// Makes `len` bytes zero on behalf of a loader, as far as they lie in RAM or read-only memory.
    /// Whole pages of RAM are given back to the host: they take memory again when they are used.
    pub fn clear(&mut self, pa: Pa, len: u64) {
        let end = pa.get().saturating_add(len).min(self.map.end());
        let mut at = pa.get();
        while at < end {
            let whole = self.ram_pages(at, end);
            if let (Region::Ram { offset }, 1..) = (self.region(Pa(at)), whole) {
                self.give_back(Pa(at), offset, whole);
                at += whole;
            } else {
                let next = ((at | (PAGE_SIZE - 1)) + 1).min(end);
                let zeros = &[0; PAGE_SIZE as usize][..(next - at) as usize];
                self.store(Pa(at), zeros, Self::region);
                at = next;
            }
        }
    }

    /// The guest has no use for the whole pages of RAM among `len` bytes at `pa`: they are zeros now, and go back to the host
    /// until they are used again. What is no RAM stays as it is.
    pub fn give_back_ram(&mut self, pa: Pa, len: u64) {
        let end = pa.get().saturating_add(len).min(self.ram_size);
        let Some(mut at) = pa.get().checked_next_multiple_of(PAGE_SIZE) else { return };
        while at < end {
            let whole = self.ram_pages(at, end);
            match self.region(Pa(at)) {
                Region::Ram { offset } if whole > 0 && offset + whole <= self.ram_size => {
                    self.give_back(Pa(at), offset, whole);
                    at += whole;
                }
                _ => at += PAGE_SIZE,
            }
        }
    }

    /// Bytes of whole RAM pages from `at` on, up to `end`, that follow each other in the memory file.
    fn ram_pages(&self, at: u64, end: u64) -> u64 {
        let Region::Ram { offset } = self.region(Pa(at)) else { return 0 };
        if !at.is_multiple_of(PAGE_SIZE) {
            return 0;
        }
        let follows =
            |page: &u64| self.region(Pa(*page)) == Region::Ram { offset: offset + page - at };
        let pages = (at..end & !(PAGE_SIZE - 1)).step_by(PAGE_SIZE as usize);
        pages.take_while(follows).count() as u64 * PAGE_SIZE
    }

    /// Punches whole pages of RAM out of the memory file.
    fn give_back(&mut self, pa: Pa, offset: u64, len: u64) {
        for within in (0..len).step_by(PAGE_SIZE as usize) {
            if self.is_code_offset(offset + within) {
                self.code_writes.push((pa.plus(within), PAGE_SIZE as u32));
            }
            self.note_write(offset + within);
        }
        self.file.punch(offset, len);
    }

    /// Writes to where `region` says.
    fn store(&mut self, pa: Pa, data: &[u8], region: fn(&Self, Pa) -> Region) {
        for (at, range) in pieces(pa, data.len()) {
            if let Region::Ram { offset } | Region::Rom { offset } = region(self, at) {
                if self.is_code_offset(offset) {
                    self.code_writes.push((at, range.len() as u32));
                }
                self.note_write(offset);
                self.write_offset(offset, &data[range]);
            }
        }
    }

    /// The first region of an access that forbids it. (One that wraps at 2^64 meets no memory.)
    fn refusal(&self, pa: Pa, len: usize, write: bool) -> Option<Region> {
        if pa.get().checked_add(len as u64).is_none() {
            return Some(Region::Io);
        }
        let region = |at| if write { self.written_region(at) } else { self.region(at) };
        pieces(pa, len).map(|(at, _)| region(at)).find(|region| match region {
            Region::Ram { .. } => false,
            Region::Rom { .. } => write,
            Region::Io => true,
        })
    }

    /// The device accesses that were refused.
    #[must_use]
    pub fn dma_refusals(&self) -> DmaRefusals {
        self.refusals
    }

    /// The device and loader writes to code pages since the last call: physical address, length.
    pub fn take_code_writes(&mut self) -> Vec<(Pa, u32)> {
        std::mem::take(&mut self.code_writes)
    }

    /// Installs a ROM image in a PC's memory so that it ends at 4 GiB; its last 128 KiB show under 1 MiB too. An
    /// image that is not a multiple of 4 KiB is padded with FFh in front. Shadow RAM is as after a reset then. For
    /// memory that no processor has used yet.
    ///
    /// # Errors
    /// [`MemoryError::BadRom`] when the image is empty or over 16 MiB, [`MemoryError::NoRom`] when this is no PC's memory.
    pub fn install_rom(&mut self, image: &[u8]) -> Result<(), MemoryError> {
        if image.is_empty() || image.len() > MAX_ROM {
            return Err(MemoryError::BadRom(image.len()));
        }
        if !self.rom_fits {
            return Err(MemoryError::NoRom);
        }
        let size = image.len().next_multiple_of(PAGE_SIZE as usize);
        let pad = vec![0xff; size - image.len()];
        self.built = MemoryMap::pc(self.ram_size, size as u64)?;
        self.map = self.built.clone();
        let at = self.ram_size;
        self.write_offset(at, &pad);
        self.write_offset(at + pad.len() as u64, image);
        Ok(())
    }

    /// From now on a reset hides all shadow RAM, as a chipset's does whose firmware opens it; and so it is now. Without
    /// this, what no ROM lies before is open after a reset. For memory that no processor has used yet.
    pub fn hide_shadow(&mut self) {
        self.built = self.built.hidden();
        self.map = self.built.clone();
    }

    /// Whether [`GuestMemory::switch_shadow`] would change anything.
    #[must_use]
    pub fn shadow_differs(&self, pa: Pa, len: u64, to: Shadow) -> bool {
        self.map.differs(pa, len, to)
    }

    /// Switches `len` bytes of shadowed memory at `pa`, as a chipset's attribute registers do.
    ///
    /// # Errors
    /// [`MapError`], with nothing changed, when these are no whole pages of shadowed memory.
    pub fn switch_shadow(&mut self, pa: Pa, len: u64, to: Shadow) -> Result<Flush, MapError> {
        let before = self.map.clone();
        self.map.switch(pa, len, to)?;
        Ok(if self.map == before { Flush::Nothing } else { Flush::Everything })
    }

    /// A reset of the machine: shadow RAM is as it was built. RAM, ROM, marks of code and what is logged stay.
    pub fn reset(&mut self) -> Flush {
        let before = self.map.clone();
        self.map.clone_from(&self.built);
        // Where a device's own memory is says the device.
        self.map.show(&before.device_ranges());
        let switched = self.map != before;
        if switched { Flush::Everything } else { Flush::Nothing }
    }

    /// Takes another map over, whose memory must lie in the file.
    pub(crate) fn set_map(&mut self, map: MemoryMap) {
        self.map = map;
        self.forget_code();
    }

    /// No page is marked as code.
    pub(crate) fn forget_code(&mut self) {
        self.code.clear();
        self.code_writes.clear();
    }

    /// Bytes `within` of the page of the memory file at `offset` are about to change: noted, wherever they
    /// show, if code was made from that page.
    pub(crate) fn note_code(&mut self, offset: u64, within: Range<usize>) {
        if !self.is_code_offset(offset) {
            return;
        }
        let len = within.len() as u32;
        let shown = self.map.places(offset).into_iter();
        self.code_writes.extend(shown.map(|pa| (pa.plus(within.start as u64), len)));
    }

    /// The offset of physical page `frame` in the memory file, when it is memory.
    #[must_use]
    pub(crate) fn backing(&self, frame: Frame) -> Option<u64> {
        match self.region(frame.start()) {
            Region::Ram { offset } | Region::Rom { offset } => Some(offset),
            Region::Io => None,
        }
    }

    /// Whether translated code was made from physical page `frame`.
    #[must_use]
    pub fn is_code_page(&self, frame: Frame) -> bool {
        self.backing(frame).is_some_and(|offset| self.is_code_offset(offset))
    }

    /// Marks physical page `frame` as one that translated code was made from, or no more; true when that changed
    /// something. Software TLBs may hold a page that is marked as writable: [`Mmu::set_code_page`](crate::Mmu::set_code_page).
    pub fn mark_code(&mut self, frame: Frame, code: bool) -> bool {
        self.backing(frame).is_some_and(|offset| self.code.set(offset, code))
    }

    /// Whether translated code was made from the page of the memory file at `offset`.
    #[inline]
    #[must_use]
    pub fn is_code_offset(&self, offset: u64) -> bool {
        self.code.has(offset)
    }

    /// Whether a write to the page of the memory file at `offset` must be noticed.
    #[inline]
    #[must_use]
    pub(crate) fn is_guarded(&self, offset: u64) -> bool {
        self.code.has(offset) || self.clean.has(offset)
    }

    /// Whether one of the 16 pages of the memory file around page `page` (aligned by 16) is guarded.
    #[must_use]
    pub(crate) fn any_guarded_of_16(&self, page: u32) -> bool {
        self.code.any_of_16(page) || self.clean.any_of_16(page)
    }

    /// A write to the page at `offset` is about to be made.
    #[inline]
    pub(crate) fn note_write(&mut self, offset: u64) {
        if self.clean.set(offset, false) && self.device.contains(&offset) {
            self.open_group(offset);
        }
    }

    /// Logs writes to all RAM, or to that of devices only, which is always logged. All pages are clean then.
    pub fn log_writes(&mut self, all: bool) -> Flush {
        self.set_logged(all);
        Flush::Writes
    }

    pub(crate) fn set_logged(&mut self, all: bool) {
        self.logged.clear();
        let ranges = self.map.ranges().iter().filter_map(|range| match range.kind {
            Kind::DeviceRam { offset } => Some(offset..offset + range.len),
            Kind::Ram { offset } | Kind::Shadowed { ram: offset, .. } if all => {
                Some(offset..offset + range.len)
            }
            Kind::Ram { .. } | Kind::Rom { .. } | Kind::Shadowed { .. } => None,
        });
        for range in ranges.chain([self.device.clone()]) {
            for at in range.step_by(PAGE_SIZE as usize) {
                self.logged.set(at, true);
            }
        }
        self.clean = self.logged.clone();
    }

    /// The logged pages of `len` bytes at `pa` that were written since the last call, which are clean now: processors must
    /// forget that they may be written ([`Flush::Writes`]).
    #[must_use]
    pub fn take_dirty(&mut self, pa: Pa, len: u64) -> Vec<Frame> {
        let end = pa.get().saturating_add(len).div_ceil(PAGE_SIZE);
        let mut dirty = Vec::new();
        for frame in (pa.frame().get()..end).map(Frame) {
            let Region::Ram { offset } = self.region(frame.start()) else { continue };
            if self.logged.has(offset) && self.clean.set(offset, true) {
                dirty.push(frame);
            }
        }
        dirty
    }

    /// All logged pages count as written.
    pub(crate) fn all_dirty(&mut self) {
        self.clean.clear();
    }

    /// Copies bytes at an offset in the memory file out; `buf` is left as it is when they are not all there.
    #[inline]
    pub fn read_offset(&self, offset: u64, buf: &mut [u8]) {
        self.file.read_offset(offset, buf);
    }

    /// Copies bytes to an offset in the memory file; nothing happens when there is no room for all of them. Nobody is
    /// told of it.
    #[inline]
    pub fn write_offset(&mut self, offset: u64, data: &[u8]) {
        self.file.write_offset(offset, data);
    }
}

fn check_size(ram_size: u64) -> Result<(), MemoryError> {
    let fits = (MIN_RAM..=MAX_RAM).contains(&ram_size) && ram_size.is_multiple_of(PAGE_SIZE);
    if fits { Ok(()) } else { Err(MemoryError::BadSize(ram_size)) }
}

/// Splits `len` bytes at `pa` at page borders: address and range of each piece.
fn pieces(pa: Pa, len: usize) -> impl Iterator<Item = (Pa, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = pa.plus(done as u64);
        let n = (len - done).min((PAGE_SIZE - at.in_frame()) as usize);
        let range = done..done + n;
        done += n;
        Some((at, range))
    })
}

#[cfg(test)]
#[path = "ram_tests.rs"]
mod tests;
