//! Linux bzImages by the 32-bit entry of the x86 boot protocol (the kernel's
//! Documentation/arch/x86/boot.rst): the setup header is checked and copied into the zero page, the
//! protected-mode part goes to `code32_start`, the initrd as high as both sides allow.
//!
//! Of protocols before 2.06, and of a file that has no entry in protected mode, [`super::real_linux`] makes a kernel that is entered in
//! real mode.
//!
//! The header's layout comes from linux-loader's `bootparam`; its own loader wants another memory
//! type and does not tell a truncated file from a short one, so placing the parts is done here.

use super::error::{LinuxError, LoadError};
use super::payload::Payload;
use super::real_linux::{self, RealLinux, UNDEFINED_LOADER};
use crate::firmware::{self, FlatEntry, HIGH_MEMORY, MemoryRange};
use linux_loader::loader::bootparam::{
    CAN_USE_HEAP, LOADED_HIGH, XLF_KERNEL_64, boot_e820_entry, boot_params, setup_header,
};
use ringer_cpu::addr::Pa;
use ringer_cpu::{CpuState, Gpr};
use ringer_mmu::GuestMemory;
use vm_memory::ByteValued;

/// Where the setup header lies in the file and in the zero page.
const HEADER_OFFSET: usize = 0x1f1;
/// "HdrS", little endian.
const HEADER_MAGIC: u32 = 0x5372_6448;
/// The oldest protocol with everything used here (`cmdline_size` came with 2.06, `init_size` with 2.10).
const OLDEST_VERSION: u16 = 0x0206;
/// The oldest with a header.
const FIRST_VERSION: u16 = 0x0200;
const INIT_SIZE_VERSION: u16 = 0x020a;
/// From this on the header says how high an initrd may be.
const INITRD_VERSION: u16 = 0x0203;
/// Where an older kernel reaches.
const OLD_INITRD_MAX: u32 = 0x37ff_ffff;
/// From this on `syssize` has 32 bits and can be relied on.
const SIZE_VERSION: u16 = 0x0204;
/// What an older kernel takes of a command line.
const OLD_CMDLINE: u32 = 255;
const SECTOR: usize = 512;
/// The unit of `syssize`.
const PARAGRAPH: u64 = 16;
const ZERO_PAGE: u32 = 0x1_0000;
const CMDLINE: u32 = 0x2_0000;
const STACK: u32 = 0x1_0000;
/// Room for the command line up to the end of conventional memory, far more than any kernel takes.
const CMDLINE_ROOM: u32 = 0x1_0000;
const PAGE: u64 = 4096;
const CODE: u16 = 0x10;

/// A kernel for either entry.
#[derive(Debug)]
pub enum LinuxImage {
    /// Entered in protected mode.
    Protected(ProtectedLinux),
    /// Entered in real mode, over the built-in BIOS.
    Real(RealLinux),
}

impl LinuxImage {
    /// Checks the kernel in `file` and lays everything out in `ram` bytes of memory.
    ///
    /// # Errors
    /// When the file is no bootable bzImage or zImage, or memory is too small.
    pub fn new(
        file: Vec<u8>,
        initrd: Option<Payload>,
        cmdline: &str,
        ram: u64,
    ) -> Result<Self, LinuxError> {
        let header = parse_header(&file)?;
        let limit = header.cmdline_size.min(CMDLINE_ROOM - 1);
        if cmdline.len() as u64 > u64::from(limit) {
            return Err(LinuxError::CommandLine { length: cmdline.len(), limit });
        }
        let (setup, kernel) = split(file, &header)?;
        if is_real(&header) {
            let low = header.loadflags & LOADED_HIGH == 0;
            let load = if low { real_linux::LOW_LOAD } else { HIGH_MEMORY };
            let end = kernel_end(&header, kernel.len() as u64, load).max(HIGH_MEMORY.into());
            let initrd = initrd.map(|it| place_initrd(&header, it, end, ram)).transpose()?;
            let parts = real_linux::Parts { setup, kernel, initrd, cmdline, end };
            return RealLinux::new(&header, parts, ram).map(Self::Real);
        }
        ProtectedLinux::new(header, kernel, initrd, cmdline, ram).map(Self::Protected)
    }

    /// A kernel of 64 bits, which goes over to long mode itself.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        matches!(self, Self::Protected(image) if image.header.xloadflags & XLF_KERNEL_64 != 0)
    }

    /// The same on a machine whose display adapter shows text, as a BIOS leaves it. A kernel in real mode asks for itself.
    pub(super) fn with_display(self, display: bool) -> Self {
        match self {
            Self::Protected(image) => Self::Protected(ProtectedLinux { display, ..image }),
            real @ Self::Real(_) => real,
        }
    }
}

/// A kernel that was read, checked and laid out for a machine's memory.
#[derive(Debug)]
pub struct ProtectedLinux {
    header: setup_header,
    kernel: Vec<u8>,
    initrd: Option<(u32, Payload)>,
    cmdline: Vec<u8>,
    ram: u64,
    /// The kernel is told of a VGA in text mode.
    display: bool,
}

fn parse_header(file: &[u8]) -> Result<setup_header, LinuxError> {
    let mut header = setup_header::default();
    let size = header.as_slice().len();
    // 202h tells where the header ends: a short jump at 200h over the rest of it.
    let jump = file.get(0x200..0x202).ok_or(LinuxError::NotAKernel)?;
    let end = (0x202 + usize::from(jump[1])).min(HEADER_OFFSET + size);
    let bytes = file.get(HEADER_OFFSET..end.max(0x230)).ok_or(LinuxError::NotAKernel)?;
    let known = bytes.len().min(size);
    header.as_mut_slice()[..known].copy_from_slice(&bytes[..known]);
    let (flag, magic, version) = (header.boot_flag, header.header, header.version);
    if flag != 0xaa55 || magic != HEADER_MAGIC {
        return Err(LinuxError::NotAKernel);
    }
    if version < FIRST_VERSION {
        return Err(LinuxError::TooOld { version });
    }
    if version < INITRD_VERSION {
        header.initrd_addr_max = OLD_INITRD_MAX;
    }
    if version < OLDEST_VERSION {
        header.cmdline_size = OLD_CMDLINE;
        header.xloadflags = 0;
    }
    Ok(header)
}

/// Whether the kernel has to be entered in real mode: it is a zImage, older than what is known here of the other entry, or
/// says that it has no other.
fn is_real(header: &setup_header) -> bool {
    let entry = header.code32_start;
    header.version < OLDEST_VERSION || header.loadflags & LOADED_HIGH == 0 || entry == 0
}

/// Bytes of the real-mode part.
fn real_len(header: &setup_header) -> usize {
    let sectors = match header.setup_sects {
        0 => 4,
        n => usize::from(n),
    };
    (sectors + 1) * SECTOR
}

/// The real-mode part of the file, and the protected-mode part. The header counts that in paragraphs of 16 bytes,
/// rounded up, and not every linker pads it to that.
fn split(mut file: Vec<u8>, header: &setup_header) -> Result<(Vec<u8>, Vec<u8>), LinuxError> {
    let start = real_len(header);
    // Before it has a meaning there must be something all the same.
    let size = match header.version {
        ..SIZE_VERSION => PARAGRAPH,
        _ => u64::from(header.syssize) * PARAGRAPH,
    };
    let (wanted, have) = (start as u64 + size, file.len() as u64);
    if have + PARAGRAPH <= wanted || have <= start as u64 || size == 0 {
        return Err(LinuxError::Truncated { missing: wanted.saturating_sub(have), wanted });
    }
    let kernel = file.split_off(start);
    Ok((file, kernel))
}

/// The end of the memory that the kernel at `load` needs before it has read the memory map.
fn kernel_end(header: &setup_header, size: u64, load: u32) -> u64 {
    let load = u64::from(load);
    let (version, alignment) = (header.version, u64::from(header.kernel_alignment));
    if version < INIT_SIZE_VERSION {
        return load + size * 3;
    }
    let start = match header.relocatable_kernel {
        0 => header.pref_address,
        _ => load.next_multiple_of(alignment.clamp(1, 1 << 30)).max(header.pref_address),
    };
    start.saturating_add(u64::from(header.init_size)).max(load + size)
}

impl ProtectedLinux {
    fn new(
        header: setup_header,
        kernel: Vec<u8>,
        initrd: Option<Payload>,
        cmdline: &str,
        ram: u64,
    ) -> Result<Self, LinuxError> {
        let end = kernel_end(&header, kernel.len() as u64, HIGH_MEMORY);
        if end > ram {
            return Err(LinuxError::Memory { needed: end, ram });
        }
        let initrd = initrd.map(|payload| place_initrd(&header, payload, end, ram)).transpose()?;
        let mut text = cmdline.as_bytes().to_vec();
        text.push(0);
        Ok(Self { header, kernel, initrd, cmdline: text, ram, display: false })
    }

    fn zero_page(&self, rsdp: u32) -> boot_params {
        let mut header = self.header;
        header.type_of_loader = UNDEFINED_LOADER;
        header.loadflags |= CAN_USE_HEAP;
        header.heap_end_ptr = 0xfe00;
        header.cmd_line_ptr = CMDLINE;
        header.code32_start = HIGH_MEMORY;
        if let Some((address, payload)) = &self.initrd {
            header.ramdisk_image = *address;
            // Checked against memory, which is smaller than 4 GiB.
            header.ramdisk_size = payload.len() as u32;
        }
        let mut params = boot_params { hdr: header, ..boot_params::default() };
        params.acpi_rsdp_addr = u64::from(rsdp);
        let mut table = params.e820_table;
        let map = firmware::memory_map(self.ram);
        for (row, range) in table.iter_mut().zip(&map) {
            *row = e820(range);
        }
        params.e820_table = table;
        params.e820_entries = map.len().min(table.len()) as u8;
        let above = (self.ram - u64::from(HIGH_MEMORY)) >> 10;
        params.alt_mem_k = u32::try_from(above).unwrap_or(u32::MAX);
        params.screen_info.ext_mem_k = above.min(0xfc00) as u16;
        if self.display {
            let screen = &mut params.screen_info;
            screen.orig_video_mode = 3;
            screen.orig_video_cols = 80;
            screen.orig_video_lines = 25;
            screen.orig_video_isVGA = 1;
            screen.orig_video_points = 16;
        }
        params
    }

    pub(super) fn boot(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
    ) -> Result<(), LoadError> {
        firmware::install_data_area(memory, 0)?;
        let rsdp = firmware::install_acpi(memory, cpu)?;
        memory.load(Pa::from(HIGH_MEMORY), &self.kernel)?;
        if let Some((address, payload)) = &self.initrd {
            payload.install(memory, u64::from(*address))?;
        }
        memory.load(Pa::from(CMDLINE), &self.cmdline)?;
        memory.load(Pa::from(ZERO_PAGE), self.zero_page(rsdp).as_slice())?;
        let entry = FlatEntry { gdt: firmware::GDT, code: CODE, eip: HIGH_MEMORY, esp: STACK };
        firmware::enter_flat(memory, cpu, entry)?;
        cpu.set_reg32(Gpr::Esi, ZERO_PAGE);
        Ok(())
    }
}

fn e820(range: &MemoryRange) -> boot_e820_entry {
    boot_e820_entry { addr: range.base, size: range.size, r#type: range.kind as u32 }
}

/// As high as the kernel can reach and memory goes, above the kernel itself.
fn place_initrd(
    header: &setup_header,
    payload: Payload,
    kernel_end: u64,
    ram: u64,
) -> Result<(u32, Payload), LinuxError> {
    let size = payload.len();
    let top = ram.min(u64::from(header.initrd_addr_max) + 1);
    let address = top.checked_sub(size).map(|a| a & !(PAGE - 1)).filter(|a| *a >= kernel_end);
    let address = address.and_then(|a| u32::try_from(a).ok());
    match address {
        Some(address) => Ok((address, payload)),
        None => Err(LinuxError::InitrdRoom { size, ram }),
    }
}

#[cfg(test)]
#[path = "linux_tests.rs"]
mod tests;
