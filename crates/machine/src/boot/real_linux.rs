//! Linux kernels of any boot protocol from 2.00 on, zImages included, entered in real mode as a PC's boot loader enters them (the
//! kernel's Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header" and on): their setup code finds the built-in BIOS.
//!
//! | where | what |
//! | --- | --- |
//! | 7C00h | a few instructions of ours: segments, stack, jump |
//! | 10000h | the setup code of a bzImage of protocol 2.02 on; its heap; at +F000h the command line |
//! | 10000h | the kernel proper of a zImage |
//! | 90000h | the setup code of the others; its heap; the command line |
//! | 100000h | the kernel proper of a bzImage |

use super::error::{LinuxError, LoadError};
use super::payload::Payload;
use crate::bios::{self, PendingKey};
use crate::firmware::{self, HIGH_MEMORY, LOW_MEMORY_END};
use linux_loader::loader::bootparam::{CAN_USE_HEAP, LOADED_HIGH, setup_header};
use ringer_cpu::CpuState;
use ringer_cpu::addr::Pa;
use ringer_mmu::GuestMemory;
use ringer_monitor::BiosHook;

/// Where the kernel proper of a zImage is loaded; its setup code moves it.
pub const LOW_LOAD: u32 = 0x1_0000;
/// Where setup code expects to be that does not say otherwise, and where newer code may be.
const OLD_SETUP: u32 = 0x9_0000;
const SETUP: u32 = 0x1_0000;
/// From the beginning of the setup code to the end of its heap and stack, and the beginning of the command line.
const HEAP_END: u32 = 0xf000;
const OLD_HEAP_END: u32 = 0xe000;
/// The same of a zImage, whose setup code has less below 640 KiB.
const LOW_HEAP_END: u32 = 0x9800;
/// `type_of_loader`: a loader without an assigned number.
pub(super) const UNDEFINED_LOADER: u8 = 0xff;
/// So much of the heap is stack.
const STACK: u32 = 0x200;
/// From this on a heap can be announced; from this on the command line has a pointer.
const HEAP_VERSION: u16 = 0x0201;
const CMDLINE_VERSION: u16 = 0x0202;
/// Before that two words in the boot sector say where the command line is: this, and its offset.
const CMDLINE_MAGIC: u16 = 0xa33f;
const CMDLINE_MAGIC_AT: usize = 0x20;
/// Offsets of fields of the header in the file.
const SETUP_MOVE_SIZE: usize = 0x212;
const HEAP_END_PTR: usize = 0x224;
const CMD_LINE_PTR: usize = 0x228;
const RAMDISK: usize = 0x218;
const TYPE_OF_LOADER: usize = 0x210;
const LOAD_FLAGS: usize = 0x211;
const VIDEO_MODE: usize = 0x1fa;
/// The setup code begins one sector behind the boot sector.
const ENTRY: u16 = 0x20;

/// The parts of a file, and what goes with them.
pub(super) struct Parts<'a> {
    /// Boot sector and setup code.
    pub setup: Vec<u8>,
    /// The kernel proper.
    pub kernel: Vec<u8>,
    /// The initial RAM disk, and its address.
    pub initrd: Option<(u32, Payload)>,
    /// The command line.
    pub cmdline: &'a str,
    /// The end of memory that the kernel proper needs.
    pub end: u64,
}

/// A kernel that was read, checked and laid out.
#[derive(Debug)]
pub struct RealLinux {
    setup: Vec<u8>,
    /// Where it goes.
    base: u32,
    kernel: Vec<u8>,
    load: u32,
    initrd: Option<(u32, Payload)>,
    cmdline: Vec<u8>,
    heap_end: u32,
    key: PendingKey,
}

/// The number of the mode that `vga=` on a command line asks for, as boot loaders read it.
fn video_mode(cmdline: &str) -> Option<u16> {
    let word = cmdline
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("vga="))
        .next_back()?;
    match word {
        "normal" => Some(0xffff),
        "ext" => Some(0xfffe),
        "ask" => Some(0xfffd),
        number => match number.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16).ok(),
            None => number.parse().ok(),
        },
    }
}

impl RealLinux {
    pub(super) fn new(
        header: &setup_header,
        parts: Parts<'_>,
        ram: u64,
    ) -> Result<Self, LinuxError> {
        let Parts { mut setup, kernel, initrd, cmdline, end } = parts;
        let low = header.loadflags & LOADED_HIGH == 0;
        let old = low || header.version < CMDLINE_VERSION;
        let (base, heap_end) = match (low, old) {
            (true, _) => (OLD_SETUP, LOW_HEAP_END),
            (false, true) => (OLD_SETUP, OLD_HEAP_END),
            (false, false) => (SETUP, HEAP_END),
        };
        let load = if low { LOW_LOAD } else { HIGH_MEMORY };
        let most = if low { OLD_SETUP - LOW_LOAD } else { u32::MAX };
        for (bytes, most) in [(&setup, heap_end - 2 * STACK), (&kernel, most)] {
            if bytes.len() as u64 > u64::from(most) {
                return Err(LinuxError::Low { size: bytes.len() as u64, most });
            }
        }
        if end > ram || ram < u64::from(HIGH_MEMORY) {
            return Err(LinuxError::Memory { needed: end.max(HIGH_MEMORY.into()), ram });
        }
        let mut text = cmdline.as_bytes().to_vec();
        text.push(0);
        let room = if old { LOW_MEMORY_END - base - heap_end } else { OLD_SETUP - base - heap_end };
        if text.len() as u64 > u64::from(room) {
            return Err(LinuxError::CommandLine { length: cmdline.len(), limit: room - 1 });
        }
        let mut put = |at: usize, bytes: &[u8]| {
            // All of these lie in the first two sectors, which are there.
            if let Some(place) = setup.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(TYPE_OF_LOADER, &[UNDEFINED_LOADER]);
        if header.version >= HEAP_VERSION {
            put(LOAD_FLAGS, &[header.loadflags | CAN_USE_HEAP]);
            put(HEAP_END_PTR, &((heap_end - STACK) as u16).to_le_bytes());
        }
        if let Some((address, payload)) = &initrd {
            put(RAMDISK, &address.to_le_bytes());
            put(RAMDISK + 4, &(payload.len() as u32).to_le_bytes());
        }
        if let Some(mode) = video_mode(cmdline) {
            put(VIDEO_MODE, &mode.to_le_bytes());
        }
        if header.version >= CMDLINE_VERSION {
            put(CMD_LINE_PTR, &(base + heap_end).to_le_bytes());
        } else {
            put(CMDLINE_MAGIC_AT, &CMDLINE_MAGIC.to_le_bytes());
            put(CMDLINE_MAGIC_AT + 2, &(heap_end as u16).to_le_bytes());
            if header.version >= HEAP_VERSION {
                let moved = heap_end + text.len() as u32;
                put(SETUP_MOVE_SIZE, &(moved as u16).to_le_bytes());
            }
        }
        let key = PendingKey::default();
        Ok(Self { setup, base, kernel, load, initrd, cmdline: text, heap_end, key })
    }

    /// The key that the BIOS has taken from the console and not given to the guest yet.
    pub(super) fn key(&self) -> &PendingKey {
        &self.key
    }

    pub(super) fn power_on(&self, memory: &mut GuestMemory) -> Result<BiosHook, LoadError> {
        Ok(bios::power_on(memory, None, &self.key)?)
    }

    /// What the BIOS enters at 7C00h.
    fn jump(&self) -> [u8; 23] {
        let segment = (self.base >> 4) as u16;
        let [low, high] = segment.to_le_bytes();
        let [stack, stack_high] = (self.heap_end as u16).to_le_bytes();
        let [entry, entry_high] = (segment + ENTRY).to_le_bytes();
        #[rustfmt::skip]
        let code = [
            0xfa,                         // cli
            0xfc,                         // cld
            0xb8, low, high,              // mov ax, segment
            0x8e, 0xd8, 0x8e, 0xc0,       // mov ds, ax; mov es, ax
            0x8e, 0xe0, 0x8e, 0xe8,       // mov fs, ax; mov gs, ax
            0x8e, 0xd0,                   // mov ss, ax
            0xbc, stack, stack_high,      // mov sp, the heap's end
            0xea, 0, 0, entry, entry_high, // jmp segment+20h:0
        ];
        code
    }

    pub(super) fn boot(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
    ) -> Result<(), LoadError> {
        firmware::install_acpi(memory, cpu)?;
        bios::boot(memory, cpu, &self.jump(), 0)?;
        memory.load(Pa::from(self.base), &self.setup)?;
        memory.load(Pa::from(self.base + self.heap_end), &self.cmdline)?;
        memory.load(Pa::from(self.load), &self.kernel)?;
        if let Some((address, payload)) = &self.initrd {
            payload.install(memory, u64::from(*address))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "real_linux_tests.rs"]
mod tests;
