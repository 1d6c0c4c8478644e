//! Multiboot kernels of both versions: a header near the beginning of the file, then either addresses in that header (flat
//! images) or an ELF file, and an information structure.
//!
//! Everything the guest is told (structure, strings, memory map, module list, descriptor table) is
//! one block in conventional memory, at the lowest place that the kernel itself does not use. An ELF file may be one for 64
//! bits: it is entered in protected mode like any other, and finds that the processor has no more.

mod header;
mod info;
mod tags;
mod told;

use super::elf::{self, ElfError, Piece, Sections};
use super::error::{LoadError, MultibootError};
use super::parts::{self, Parts, place_modules};
use super::payload::Payload;
use super::screen::{Screen, ScreenWish};
use crate::firmware::{self, FlatEntry, LOW_MEMORY_END};
use header::{Header, Version};
pub(super) use header::{has_header, has_header_of_version_1};
use ringer_cpu::addr::Pa;
use ringer_cpu::{CpuState, Gpr};
use ringer_mmu::GuestMemory;
use told::Told;

const CODE: u16 = 8;
/// Bytes of the descriptor table in front of the information.
const TABLE: usize = CODE as usize + 24;
/// Symbols and strings begin at a multiple of this.
const ALIGNMENT: u64 = 16;

/// A kernel that was read, checked and laid out.
#[derive(Debug)]
pub struct MultibootImage {
    version: Version,
    parts: Parts,
    told: Told,
    entry: u32,
    /// Where the descriptor table and, behind it, the information is.
    block: u32,
    /// It is in an ELF file for 64 bits.
    wide: bool,
}

/// The kernel's pieces, its entry and its sections.
type Kernel = (Vec<Piece>, u32, Option<Sections>);

fn kernel(file: &[u8], header: &Header) -> Result<Kernel, MultibootError> {
    if header.is_flat() {
        let piece = header.flat_piece(file)?;
        let entry = header.entry.ok_or(MultibootError::Addresses)?;
        return Ok((vec![piece], entry, None));
    }
    let loaded = elf::load(file)?;
    Ok((loaded.pieces, header.entry.unwrap_or(loaded.entry), loaded.sections))
}

/// Gives the symbols and strings of `sections` places behind the kernel.
fn place_sections(sections: &mut Sections, pieces: &mut Vec<Piece>, ram: u64) {
    let mut next = parts::end(pieces).max(u64::from(firmware::HIGH_MEMORY));
    for (number, bytes) in std::mem::take(&mut sections.tables) {
        let start = next.next_multiple_of(ALIGNMENT);
        let end = start + bytes.len() as u64;
        // Without them a kernel has no names, and runs.
        let (Ok(address), Ok(size)) = (u32::try_from(start), u32::try_from(bytes.len())) else {
            continue;
        };
        if end <= ram {
            sections.place(number, address);
            pieces.push(Piece { address, bytes, size });
            next = end;
        }
    }
}

impl MultibootImage {
    /// Checks the kernel in `file` and lays it, its modules (name and contents) and the information
    /// structure out in `ram` bytes of memory.
    ///
    /// # Errors
    /// When the file is no bootable Multiboot image, or memory is too small.
    pub fn new(
        file: Vec<u8>,
        cmdline: &str,
        modules: Vec<(String, Payload)>,
        ram: u64,
    ) -> Result<Self, MultibootError> {
        let wide = elf::is_64_bit(&file);
        let Some(header) = Header::read(&file)? else {
            return Err(if wide { ElfError::Needs64Bit.into() } else { MultibootError::NoHeader });
        };
        let (mut pieces, entry, mut sections) = kernel(&file, &header)?;
        if let Some(sections) = &mut sections {
            place_sections(sections, &mut pieces, ram);
        }
        let parts = Parts::new(file, pieces, ram)?;
        let modules = place_modules(modules, parts.end(), ram)?;
        let cmdline = cmdline.to_owned();
        let told = Told { cmdline, modules, sections, ram, screen: header.screen };
        let (version, wide) = (header.version, wide && !header.is_flat());
        let mut image = Self { version, parts, told, entry, block: 0, wide };
        let size = TABLE + image.information(None, &[0; firmware::RSDP_LEN]).len();
        image.block = image.parts.free_place(size)?;
        Ok(image)
    }

    fn info(&self) -> u32 {
        self.block + TABLE as u32
    }

    fn information(&self, screen: Option<Screen>, rsdp: &[u8]) -> Vec<u8> {
        match self.version {
            Version::One => info::build(self.info(), &self.told, screen),
            Version::Two => tags::build(self.parts.start(), &self.told, screen, rsdp),
        }
    }

    /// The screen that the kernel would like.
    pub(super) fn screen(&self) -> Option<ScreenWish> {
        self.told.screen
    }

    /// Whether it is in an ELF file for 64 bits.
    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    pub(super) fn boot(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
        screen: Option<Screen>,
    ) -> Result<(), LoadError> {
        firmware::install_data_area(memory, 0)?;
        let rsdp = firmware::install_acpi(memory, cpu)?;
        self.parts.install(memory)?;
        for module in &self.told.modules {
            module.install(memory)?;
        }
        let mut root = [0; firmware::RSDP_LEN];
        memory.read(Pa::from(rsdp), &mut root);
        memory.load(Pa::from(self.info()), &self.information(screen, &root))?;
        let entry = FlatEntry { gdt: self.block, code: CODE, eip: self.entry, esp: LOW_MEMORY_END };
        firmware::enter_flat(memory, cpu, entry)?;
        let magic = match self.version {
            Version::One => info::LOADER_MAGIC,
            Version::Two => tags::LOADER_MAGIC,
        };
        cpu.set_reg32(Gpr::Eax, magic);
        cpu.set_reg32(Gpr::Ebx, self.info());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
