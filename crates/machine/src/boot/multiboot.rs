//! Multiboot 1 kernels (the Multiboot Specification 0.6.96): a header in the first 8 KiB, then
//! either addresses in that header (flat images) or an ELF file, and an information structure.
//!
//! Everything the guest is told (structure, strings, memory map, module list, descriptor table) is
//! one block in conventional memory, at the lowest place that the kernel itself does not use.

use super::elf::{self, ElfError, Piece};
use super::error::{LoadError, MultibootError};
use super::payload::Payload;
use crate::firmware::{self, FlatEntry, HIGH_MEMORY, LOW_MEMORY_END};
use ringer_cpu::addr::Pa;
use ringer_cpu::{CpuState, Gpr};
use ringer_mmu::GuestMemory;

const HEADER_MAGIC: u32 = 0x1bad_b002;
/// What EAX holds at the entry.
const LOADER_MAGIC: u32 = 0x2bad_b002;
/// The header lies in so many bytes at the start of the file, aligned to 4.
const SEARCH: usize = 8192;
/// Header flag: modules on page boundaries (they always are here).
const PAGE_ALIGN: u32 = 1 << 0;
/// Header flag: memory information wanted (it is always given).
const MEMORY_INFO: u32 = 1 << 1;
/// Header flag: the header holds addresses.
const ADDRESSES: u32 = 1 << 16;
/// A loader must refuse flags in the lower half that it does not know.
const REQUIRED: u32 = 0xffff;
/// First place tried for the information block, above vectors and BIOS data.
const FIRST_INFO: u32 = 0x1000;
const PAGE: u32 = 4096;
const CODE: u16 = 8;
const LOADER_NAME: &[u8] = b"Ringer\0";

/// A kernel that was read, checked and laid out.
#[derive(Debug)]
pub struct MultibootImage {
    /// What the pieces take their bytes from.
    file: Vec<u8>,
    pieces: Vec<Piece>,
    modules: Vec<Placed>,
    info_block: Vec<u8>,
    entry: u32,
    info: u32,
    gdt: u32,
}

/// The magic of the protocol's second version, which is another.
const VERSION_2_MAGIC: u32 = 0xe852_50d6;

/// Whether a file with this beginning is a Multiboot 1 image.
pub(super) fn has_header(head: &[u8]) -> bool {
    find_header(head).is_some()
}

/// Whether a file with this beginning is one of Multiboot 2.
pub(super) fn has_header_of_version_2(head: &[u8]) -> bool {
    head.chunks_exact(8).any(|words| word(words, 0) == Some(VERSION_2_MAGIC))
}

/// The header: its place in the file, its flags.
fn find_header(file: &[u8]) -> Option<(usize, u32)> {
    let window = &file[..file.len().min(SEARCH)];
    window.chunks_exact(4).enumerate().find_map(|(i, _)| {
        let at = i * 4;
        let (magic, flags) = (word(window, at)?, word(window, at + 4)?);
        let sum = magic.wrapping_add(flags).wrapping_add(word(window, at + 8)?);
        (magic == HEADER_MAGIC && sum == 0).then_some((at, flags))
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// The one piece of a flat image and its entry.
fn flat_piece(file: &[u8], header: usize) -> Result<(Piece, u32), MultibootError> {
    let field = |i: usize| word(file, header + 12 + 4 * i).ok_or(MultibootError::Addresses);
    let (header_addr, load, load_end) = (field(0)?, field(1)?, field(2)?);
    let (bss_end, entry) = (field(3)?, field(4)?);
    let before = header_addr.checked_sub(load).ok_or(MultibootError::Addresses)?;
    let start = header.checked_sub(before as usize).ok_or(MultibootError::Addresses)?;
    let available = file.len() - start;
    let size = match load_end {
        0 => available,
        end => end.checked_sub(load).ok_or(MultibootError::Addresses)? as usize,
    };
    if size > available {
        return Err(MultibootError::Truncated { missing: (size - available) as u64 });
    }
    let file_size = u32::try_from(size).map_err(|_| MultibootError::Addresses)?;
    let memory = match bss_end {
        0 => file_size,
        end => end.checked_sub(load).ok_or(MultibootError::Addresses)?.max(file_size),
    };
    Ok((Piece { address: load, bytes: start..start + size, size: memory }, entry))
}

fn end_of(piece: &Piece) -> u64 {
    u64::from(piece.address) + u64::from(piece.size)
}

/// The lowest page-aligned place in conventional memory for `size` bytes that no piece uses.
fn free_place(pieces: &[Piece], size: u32) -> Option<u32> {
    let mut at = FIRST_INFO;
    while u64::from(at) + u64::from(size) <= u64::from(LOW_MEMORY_END) {
        let end = u64::from(at) + u64::from(size);
        let clash = pieces
            .iter()
            .find(|p| u64::from(p.address) < end && end_of(p) > u64::from(at) && p.size > 0);
        match clash {
            None => return Some(at),
            Some(piece) => {
                let next = end_of(piece).next_multiple_of(u64::from(PAGE));
                at = u32::try_from(next).ok()?;
            }
        }
    }
    None
}

/// Leaves only that of `file` which `pieces` need: debugging information may be most of it.
fn trim(file: &mut Vec<u8>, pieces: &mut [Piece]) {
    let needed = || pieces.iter().map(|piece| &piece.bytes).filter(|bytes| !bytes.is_empty());
    let start = needed().map(|bytes| bytes.start).min().unwrap_or(0);
    let end = needed().map(|bytes| bytes.end).max().unwrap_or(0);
    file.truncate(end);
    file.drain(..start.min(end));
    file.shrink_to_fit();
    for piece in pieces {
        piece.bytes = match piece.bytes.is_empty() {
            true => 0..0,
            false => piece.bytes.start - start..piece.bytes.end - start,
        };
    }
}

/// The kernel's pieces and its entry.
fn kernel_pieces(file: &[u8], ram: u64) -> Result<(Vec<Piece>, u32), MultibootError> {
    let Some((header, flags)) = find_header(file) else {
        let wide = elf::is_64_bit(file);
        return Err(if wide { ElfError::Needs64Bit.into() } else { MultibootError::NoHeader });
    };
    let unknown = flags & REQUIRED & !(PAGE_ALIGN | MEMORY_INFO);
    if unknown != 0 {
        return Err(MultibootError::Features(unknown));
    }
    let (pieces, entry) = if flags & ADDRESSES != 0 {
        let (piece, entry) = flat_piece(file, header)?;
        (vec![piece], entry)
    } else {
        elf::load(file)?
    };
    if let Some(end) = pieces.iter().map(end_of).find(|end| *end > ram) {
        return Err(MultibootError::Memory { end, ram });
    }
    // Each boot copies no more than there is memory.
    let sum = pieces.iter().map(|piece| u64::from(piece.size)).sum();
    if sum > ram { Err(MultibootError::Overlapping { sum, ram }) } else { Ok((pieces, entry)) }
}

/// A module's physical address and contents.
type Placed = (u32, Payload);
/// A module's physical address, the end of it, and its name.
type Listed = (u32, u32, String);

impl MultibootImage {
    /// Checks the kernel in `file` and lays it, its modules (name and contents) and the information
    /// structure out in `ram` bytes of memory.
    ///
    /// # Errors
    /// When the file is no bootable Multiboot image, or memory is too small.
    pub fn new(
        mut file: Vec<u8>,
        cmdline: &str,
        modules: Vec<(String, Payload)>,
        ram: u64,
    ) -> Result<Self, MultibootError> {
        let (mut pieces, entry) = kernel_pieces(&file, ram)?;
        trim(&mut file, &mut pieces);
        let kernel_end = pieces.iter().map(end_of).max().unwrap_or(0);
        let (modules, list) = place_modules(modules, kernel_end, ram)?;
        let size = InfoBlock::build(0, cmdline, &list, ram).bytes.len() as u32;
        let info = free_place(&pieces, size).ok_or(MultibootError::NoRoomForInfo)?;
        let block = InfoBlock::build(info, cmdline, &list, ram);
        let gdt = info + block.gdt;
        Ok(Self { file, pieces, modules, info_block: block.bytes, entry, info, gdt })
    }

    pub(super) fn boot(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
    ) -> Result<(), LoadError> {
        firmware::install_data_area(memory, 0)?;
        firmware::install_acpi(memory, cpu)?;
        for piece in &self.pieces {
            memory.load(Pa::from(piece.address), &self.file[piece.bytes.clone()])?;
            let loaded = piece.bytes.len() as u64;
            let rest = Pa(u64::from(piece.address) + loaded);
            memory.clear(rest, u64::from(piece.size) - loaded);
        }
        for (address, payload) in &self.modules {
            payload.install(memory, u64::from(*address))?;
        }
        memory.load(Pa::from(self.info), &self.info_block)?;
        let esp = LOW_MEMORY_END;
        firmware::enter_flat(
            memory,
            cpu,
            FlatEntry { gdt: self.gdt, code: CODE, eip: self.entry, esp },
        )?;
        cpu.set_reg32(Gpr::Eax, LOADER_MAGIC);
        cpu.set_reg32(Gpr::Ebx, self.info);
        Ok(())
    }
}

/// Places modules behind the kernel, each at the beginning of a page.
fn place_modules(
    modules: Vec<(String, Payload)>,
    kernel_end: u64,
    ram: u64,
) -> Result<(Vec<Placed>, Vec<Listed>), MultibootError> {
    let (mut placed, mut list) = (Vec::new(), Vec::new());
    let mut next = kernel_end.max(u64::from(HIGH_MEMORY));
    for (name, payload) in modules {
        let start = next.next_multiple_of(u64::from(PAGE));
        next = start.saturating_add(payload.len());
        let end = u32::try_from(next).ok().filter(|_| next <= ram);
        let end = end.ok_or(MultibootError::Memory { end: next, ram })?;
        let address =
            u32::try_from(start).map_err(|_| MultibootError::Memory { end: next, ram })?;
        list.push((address, end, name));
        placed.push((address, payload));
    }
    Ok((placed, list))
}

/// The information structure with everything it points to.
struct InfoBlock {
    bytes: Vec<u8>,
    /// Offset of the room for the descriptor table.
    gdt: u32,
}

impl InfoBlock {
    const SIZE: usize = 88;
    const HAS_MEMORY: u32 = 1 << 0;
    const HAS_CMDLINE: u32 = 1 << 2;
    const HAS_MODULES: u32 = 1 << 3;
    const HAS_MAP: u32 = 1 << 6;
    const HAS_LOADER_NAME: u32 = 1 << 9;

    /// The block for address `base`; its length does not depend on `base`.
    fn build(base: u32, cmdline: &str, modules: &[(u32, u32, String)], ram: u64) -> Self {
        let mut block = Self { bytes: vec![0; Self::SIZE], gdt: 0 };
        block.gdt = block.append(&[0; CODE as usize + 16]);
        let flags = Self::HAS_MEMORY | Self::HAS_CMDLINE | Self::HAS_MAP | Self::HAS_LOADER_NAME;
        block.set(0, flags | if modules.is_empty() { 0 } else { Self::HAS_MODULES });
        block.set(4, LOW_MEMORY_END >> 10);
        let upper = ram.saturating_sub(u64::from(HIGH_MEMORY)) >> 10;
        block.set(8, u32::try_from(upper).unwrap_or(u32::MAX));
        let text = block.append_text(cmdline);
        block.set(16, base + text);

        let mut list = Vec::new();
        for (start, end, name) in modules {
            let name = base + block.append_text(name);
            list.extend([*start, *end, name, 0].iter().flat_map(|w| w.to_le_bytes()));
        }
        let at = block.append(&list);
        block.set(20, modules.len() as u32);
        block.set(24, base + at);

        let mut map = Vec::new();
        for range in firmware::memory_map(ram) {
            map.extend(20u32.to_le_bytes());
            map.extend(range.base.to_le_bytes());
            map.extend(range.size.to_le_bytes());
            map.extend((range.kind as u32).to_le_bytes());
        }
        let at = block.append(&map);
        block.set(44, map.len() as u32);
        block.set(48, base + at);
        let name = block.append(LOADER_NAME);
        block.set(64, base + name);
        block
    }

    /// Appends at the next multiple of 8; returns the offset.
    fn append(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        at
    }

    fn append_text(&mut self, text: &str) -> u32 {
        let at = self.append(text.as_bytes());
        self.bytes.push(0);
        at
    }

    /// Sets a dword of the structure.
    fn set(&mut self, offset: usize, value: u32) {
        self.bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
#[path = "multiboot_tests.rs"]
mod tests;
