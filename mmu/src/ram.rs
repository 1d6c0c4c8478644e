//! Guest physical memory: one memfd, mapped once in the host.
//!
//! The memfd is the single copy of guest RAM. The host reaches it through one read-write mapping
//! that this file owns; shadow windows map pieces of the same memfd at other addresses. Offset in
//! the memfd = physical address for RAM; the ROM image follows behind the end of RAM.
//!
//! Invariants:
//! - No reference into guest memory ever leaves this file: bytes are copied in and out, so that
//!   guest code running through a window cannot break Rust's aliasing rules.
//! - Every access by offset is checked against the mapping's length; nothing that a guest computes
//!   reaches other host memory through here.

use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};
use ringer_cpu::addr::{Frame, PAGE_SIZE, Pa};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, fstat, ftruncate, memfd_create};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// Least RAM: what lies under 1 MiB.
pub const MIN_RAM: u64 = 1 << 20;
/// Most RAM: the physical space above is left to devices and the ROM.
pub const MAX_RAM: u64 = 3 << 30;
/// Largest ROM image.
pub const MAX_ROM: usize = 16 << 20;

const FOUR_GIB: u64 = 1 << 32;
/// The hole of the legacy display adapters.
const VGA_START: u64 = 0xa_0000;
/// Start of the memory behind option ROMs and the BIOS (shadow RAM).
const SHADOW_START: u64 = 0xc_0000;
const ONE_MIB: u64 = 0x10_0000;
/// At most so much of the ROM's end shows under 1 MiB.
const ALIAS: u64 = 128 << 10;

/// What went wrong with guest memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The requested size cannot be had.
    #[error("guest memory of {0} bytes: it must be a multiple of 4 KiB from 1 MiB to 3 GiB")]
    BadSize(u64),
    /// The ROM image has no bytes or too many.
    #[error("ROM image of {0} bytes: it must have 1 byte to 16 MiB")]
    BadRom(usize),
    /// A loader's bytes do not lie in memory.
    #[error("{len} bytes at physical address {pa:#x} do not lie in guest memory")]
    NotMemory {
        /// First physical address.
        pa: Pa,
        /// How many bytes.
        len: usize,
    },
    /// The host refused.
    #[error("cannot allocate guest memory: {0}")]
    Host(#[from] std::io::Error),
}

/// What stands behind a physical page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Memory, at this offset in the memfd.
    Ram {
        /// Offset of the address in the memfd.
        offset: u64,
    },
    /// Memory that the guest cannot write, at this offset in the memfd.
    Rom {
        /// Offset of the address in the memfd.
        offset: u64,
    },
    /// Devices, or nothing.
    Io,
}

/// Guest physical memory.
#[derive(Debug)]
pub struct GuestMemory {
    file: File,
    map: MmapRaw,
    ram_size: u64,
    /// Physical address of the ROM image; 4 GiB when there is none.
    rom_start: u64,
    /// There is RAM at A0000h too: no PC, see [`GuestMemory::without_hole`].
    whole: bool,
    /// One bit a page from C0000h: the page is write-protected.
    shadow_rom: u64,
    /// One bit a memfd page: translated code was made from it.
    code: Vec<u64>,
    /// Writes to code pages that came from devices and loaders.
    code_writes: Vec<(Pa, u32)>,
}

impl GuestMemory {
    /// Allocates `ram_size` bytes of RAM, all zero. Host memory is taken page by page, on first use.
    ///
    /// # Errors
    /// [`MemoryError::BadSize`], or [`MemoryError::Host`] when the host has no memory for it.
    pub fn new(ram_size: u64) -> Result<Self, MemoryError> {
        if !(MIN_RAM..=MAX_RAM).contains(&ram_size) || !ram_size.is_multiple_of(PAGE_SIZE) {
            return Err(MemoryError::BadSize(ram_size));
        }
        let total = ram_size + MAX_ROM as u64;
        let fd = memfd_create("guest-ram", MemfdFlags::CLOEXEC).map_err(std::io::Error::from)?;
        ftruncate(&fd, total).map_err(std::io::Error::from)?;
        let file = File::from(fd);
        let map = MmapOptions::new().len(total as usize).no_reserve_swap().map_raw(&file)?;
        map.advise(Advice::DontDump)?;
        let words = (total / PAGE_SIZE).div_ceil(64) as usize;
        Ok(Self {
            file,
            map,
            ram_size,
            rom_start: FOUR_GIB,
            whole: false,
            shadow_rom: 0,
            code: vec![0; words],
            code_writes: Vec::new(),
        })
    }

    /// The same without the display adapters' hole: RAM from 0 to `ram_size`. For test benches whose
    /// cases lie anywhere.
    ///
    /// # Errors
    /// As [`GuestMemory::new`].
    pub fn without_hole(ram_size: u64) -> Result<Self, MemoryError> {
        Ok(Self { whole: true, ..Self::new(ram_size)? })
    }

    /// Bytes of RAM; the display hole under 1 MiB counts as if it were there.
    #[must_use]
    pub fn ram_size(&self) -> u64 {
        self.ram_size
    }

    /// The memfd, for mapping pieces of it elsewhere.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Bytes that the guest, a device or a loader has touched.
    #[must_use]
    pub fn touched(&self) -> u64 {
        fstat(&self.file).map_or(0, |data| data.st_blocks.max(0) as u64 * 512)
    }

    /// Takes the pages out of the process's resident set as far as this mapping keeps them there; their contents stay,
    /// and the next access finds them again.
    pub fn release(&self) {
        // SAFETY: the mapping is a shared one of a file: the advice takes nothing from it but entries of the host's page
        // tables, and its bytes are in the file as before.
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    /// What stands behind physical address `pa`; the answer holds for its whole 4 KiB page.
    #[inline]
    #[must_use]
    pub fn region(&self, pa: Pa) -> Region {
        let pa = pa.get();
        if pa < self.ram_size {
            if pa.wrapping_sub(VGA_START) < ONE_MIB - VGA_START {
                return self.legacy_region(pa);
            }
            Region::Ram { offset: pa }
        } else if pa >= self.rom_start && pa < FOUR_GIB {
            Region::Rom { offset: self.rom_offset(pa) }
        } else {
            Region::Io
        }
    }

    /// A0000h to FFFFFh.
    fn legacy_region(&self, pa: u64) -> Region {
        if pa < SHADOW_START {
            return if self.whole { Region::Ram { offset: pa } } else { Region::Io };
        }
        if pa >= ONE_MIB - self.alias_len() {
            return Region::Rom { offset: self.rom_offset(pa + (FOUR_GIB - ONE_MIB)) };
        }
        if self.shadow_rom >> ((pa - SHADOW_START) / PAGE_SIZE) & 1 != 0 {
            return Region::Rom { offset: pa };
        }
        Region::Ram { offset: pa }
    }

    /// How much of the ROM shows under 1 MiB.
    fn alias_len(&self) -> u64 {
        (FOUR_GIB - self.rom_start).min(ALIAS)
    }

    fn rom_offset(&self, pa: u64) -> u64 {
        self.ram_size + (pa - self.rom_start)
    }

    /// Reads physical memory. False, with nothing read, when a byte of it is not memory.
    pub fn read(&self, pa: Pa, buf: &mut [u8]) -> bool {
        if !self.is_backed(pa, buf.len(), false) {
            return false;
        }
        for (at, range) in pieces(pa, buf.len()) {
            let (Region::Ram { offset } | Region::Rom { offset }) = self.region(at) else {
                return false;
            };
            self.read_offset(offset, &mut buf[range]);
        }
        true
    }

    /// Writes physical memory on behalf of a device. False, with nothing written, when a byte of it
    /// is not RAM. Writes to code pages are noted, see [`GuestMemory::take_code_writes`].
    pub fn dma_write(&mut self, pa: Pa, data: &[u8]) -> bool {
        if !self.is_backed(pa, data.len(), true) {
            return false;
        }
        self.store(pa, data);
        true
    }

    /// Writes memory on behalf of a loader, read-only memory included.
    ///
    /// # Errors
    /// [`MemoryError::NotMemory`], with nothing written, when a byte of it is not memory.
    pub fn load(&mut self, pa: Pa, data: &[u8]) -> Result<(), MemoryError> {
        if !self.is_backed(pa, data.len(), false) {
            return Err(MemoryError::NotMemory { pa, len: data.len() });
        }
        self.store(pa, data);
        Ok(())
    }

    /// Makes `len` bytes zero on behalf of a loader, as far as they lie in RAM or read-only memory.
    /// Whole pages of RAM are given back to the host: they take memory again when they are used.
    ///
    /// # Errors
    /// [`MemoryError::Host`] when the host refuses.
    pub fn clear(&mut self, pa: Pa, len: u64) -> Result<(), MemoryError> {
        let end = pa.get().saturating_add(len).min(FOUR_GIB);
        let mut at = pa.get();
        while at < end {
            let page_end = (at | (PAGE_SIZE - 1)) + 1;
            if at.is_multiple_of(PAGE_SIZE)
                && page_end <= end
                && matches!(self.region(Pa(at)), Region::Ram { .. })
            {
                let run = self.ram_pages(at, end);
                self.give_back(at, run)?;
                at += run;
            } else {
                let next = page_end.min(end);
                self.store(Pa(at), &[0; PAGE_SIZE as usize][..(next - at) as usize]);
                at = next;
            }
        }
        Ok(())
    }

    /// Bytes of whole RAM pages from page `at` on, up to `end`.
    fn ram_pages(&self, at: u64, end: u64) -> u64 {
        let pages = (at..end & !(PAGE_SIZE - 1)).step_by(PAGE_SIZE as usize);
        let ram = pages.take_while(|page| matches!(self.region(Pa(*page)), Region::Ram { .. }));
        ram.count() as u64 * PAGE_SIZE
    }

    /// Punches whole pages of RAM, whose physical addresses are their offsets, out of the memfd.
    fn give_back(&mut self, at: u64, len: u64) -> Result<(), MemoryError> {
        for page in (at..at + len).step_by(PAGE_SIZE as usize) {
            if self.is_code_offset(page) {
                self.code_writes.push((Pa(page), PAGE_SIZE as u32));
            }
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.file, hole, at, len).map_err(std::io::Error::from)?)
    }

    fn store(&mut self, pa: Pa, data: &[u8]) {
        for (at, range) in pieces(pa, data.len()) {
            if let Region::Ram { offset } | Region::Rom { offset } = self.region(at) {
                if self.is_code_offset(offset) {
                    self.code_writes.push((at, range.len() as u32));
                }
                self.write_offset(offset, &data[range]);
            }
        }
    }

    fn is_backed(&self, pa: Pa, len: usize, ram_only: bool) -> bool {
        pa.get().checked_add(len as u64).is_some()
            && pieces(pa, len).all(|(at, _)| match self.region(at) {
                Region::Ram { .. } => true,
                Region::Rom { .. } => !ram_only,
                Region::Io => false,
            })
    }

    /// The device and loader writes to code pages since the last call: physical address, length.
    pub fn take_code_writes(&mut self) -> Vec<(Pa, u32)> {
        std::mem::take(&mut self.code_writes)
    }

    /// Installs a ROM image so that it ends at 4 GiB; its last 128 KiB show under 1 MiB too. An
    /// image that is not a multiple of 4 KiB is padded with FFh in front.
    ///
    /// # Errors
    /// [`MemoryError::BadRom`] when the image is empty or over 16 MiB.
    pub fn install_rom(&mut self, image: &[u8]) -> Result<(), MemoryError> {
        if image.is_empty() || image.len() > MAX_ROM {
            return Err(MemoryError::BadRom(image.len()));
        }
        let size = image.len().next_multiple_of(PAGE_SIZE as usize);
        let pad = vec![0xff; size - image.len()];
        self.rom_start = FOUR_GIB - size as u64;
        let at = self.ram_size;
        self.write_offset(at, &pad);
        self.write_offset(at + pad.len() as u64, image);
        Ok(())
    }

    /// Write-protects (or opens) the pages of `pa..pa + len` that lie in the shadow RAM, C0000h to
    /// FFFFFh. Other pages are left as they are.
    pub fn protect_shadow(&mut self, pa: Pa, len: u64, read_only: bool) {
        let end = pa.get().saturating_add(len).min(ONE_MIB);
        let mut page = pa.frame().start().get().max(SHADOW_START);
        while page < end {
            let bit = 1 << ((page - SHADOW_START) / PAGE_SIZE);
            self.shadow_rom =
                if read_only { self.shadow_rom | bit } else { self.shadow_rom & !bit };
            page += PAGE_SIZE;
        }
    }

    /// The memfd offset of physical page `frame`, when it is memory.
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
        self.backing(frame).is_some_and(|offset| self.mark_code_offset(offset, code))
    }

    /// Whether translated code was made from the memfd page of `offset`.
    #[inline]
    #[must_use]
    pub fn is_code_offset(&self, offset: u64) -> bool {
        let page = offset / PAGE_SIZE;
        self.code.get((page / 64) as usize).is_some_and(|w| w >> (page % 64) & 1 != 0)
    }

    /// Whether one of the 16 memfd pages around `frame` (aligned by 16) is a code page.
    #[must_use]
    pub(crate) fn granule_has_code(&self, frame: u32) -> bool {
        let word = self.code.get(frame as usize / 64).copied().unwrap_or(0);
        word >> (frame % 64 / 16 * 16) & 0xffff != 0
    }

    /// Marks the memfd page of `offset`; true when that changed something.
    pub(crate) fn mark_code_offset(&mut self, offset: u64, code: bool) -> bool {
        let page = offset / PAGE_SIZE;
        let Some(word) = self.code.get_mut((page / 64) as usize) else { return false };
        let bit = 1 << (page % 64);
        let before = *word;
        *word = if code { before | bit } else { before & !bit };
        *word != before
    }

    fn in_bounds(&self, offset: u64, len: usize) -> bool {
        let total = self.map.len() as u64;
        offset <= total && len as u64 <= total - offset
    }

    /// Copies bytes at a memfd offset out; `buf` is left as it is when they are not all there.
    #[inline]
    pub fn read_offset(&self, offset: u64, buf: &mut [u8]) {
        if self.in_bounds(offset, buf.len()) {
            // SAFETY: the source lies in the mapping (checked above), which lives as long as
            // `self`; `buf` is a Rust slice and cannot overlap memory of which no reference exists.
            unsafe {
                let from = self.map.as_ptr().add(offset as usize);
                std::ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), buf.len());
            }
        }
    }

    /// Copies bytes to a memfd offset; nothing happens when there is no room for all of them.
    #[inline]
    pub fn write_offset(&mut self, offset: u64, data: &[u8]) {
        if self.in_bounds(offset, data.len()) {
            // SAFETY: as in `read_offset`, with the roles exchanged.
            unsafe {
                let to = self.map.as_mut_ptr().add(offset as usize);
                std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len());
            }
        }
    }

    /// Reads a page-table entry of 4 bytes.
    #[inline]
    pub(crate) fn entry32(&self, offset: u64) -> u32 {
        let mut b = [0; 4];
        self.read_offset(offset, &mut b);
        u32::from_le_bytes(b)
    }

    /// Reads a page-table entry of 8 bytes.
    #[inline]
    pub(crate) fn entry64(&self, offset: u64) -> u64 {
        let mut b = [0; 8];
        self.read_offset(offset, &mut b);
        u64::from_le_bytes(b)
    }

    /// Sets bits in the dword at `offset`, atomically as the SDM asks of accessed and dirty flags
    /// (volume 3A, 8.1.2.1). `offset` is a multiple of 4.
    pub(crate) fn set_bits(&mut self, offset: u64, bits: u32) {
        if self.in_bounds(offset, 4) && offset.is_multiple_of(4) {
            // SAFETY: four bytes in the mapping (checked), aligned because the mapping is aligned
            // by pages; all accesses to it go through raw pointers.
            let word = unsafe {
                let at = self.map.as_mut_ptr().add(offset as usize);
                AtomicU32::from_ptr(at.cast())
            };
            word.fetch_or(bits, Ordering::Relaxed);
        }
    }

    /// Whether the page at `offset` holds exactly `copy`.
    #[must_use]
    pub(crate) fn page_is(&self, offset: u64, copy: &[u8; PAGE_SIZE as usize]) -> bool {
        if !self.in_bounds(offset, copy.len()) {
            return false;
        }
        // SAFETY: both are 4096 readable bytes; the first is checked above.
        unsafe {
            let at = self.map.as_ptr().add(offset as usize);
            libc::memcmp(at.cast(), copy.as_ptr().cast(), copy.len()) == 0
        }
    }
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
