//! What firmware leaves behind for an operating system, whatever the boot protocol: the memory map,
//! the ACPI tables, a descriptor table, flat segments.
//!
//! Low memory is laid out so (physical addresses):
//!
//! | from | what |
//! | --- | --- |
//! | 0000h | real-mode vectors |
//! | 0400h | the BIOS data area ([`data`]) |
//! | 1000h | [`GDT`]: flat code and data for Linux |
//! | 10000h | boot parameters ([`crate::boot::linux`]) |
//! | 9FC00h | extended BIOS data area, 1 KiB, empty |
//! | E0000h | the ACPI root pointer; the MultiProcessor table from E0100h, the others from E1000h |
//! | F0000h | the SMBIOS entry point, then its tables (not under a boot sector, whose BIOS is there) |
//! | FF000h | [`reset_rom`], where no other firmware is |

mod chipset;
mod linker;
mod mp;
mod screen;
mod settings;
mod smbios;

pub(crate) use chipset::program;
pub(crate) use screen::show;
pub(crate) use settings::{set_order, tell};

use crate::config::PcConfig;
use ringer_cpu::addr::Pa;
use ringer_cpu::state::{apic_base, cr0};
use ringer_cpu::{CpuState, Eflags, Lin, SegAttr, SegReg, Segment, TableReg};
use ringer_devices::addresses::COM1_BASE;
use ringer_mmu::{GuestMemory, MemoryError};
use smbios::{Described, Smbios};

/// Where the Linux loader puts its descriptor table.
pub const GDT: u32 = 0x1000;
/// End of conventional memory: the extended BIOS data area.
pub const LOW_MEMORY_END: u32 = 0x9fc00;
/// Where the ACPI tables are: within the area that operating systems search for the RSDP.
pub const ACPI: u32 = 0xe_0000;
/// Where the SMBIOS entry point is, with the tables behind it.
const SMBIOS: u32 = 0xf_0000;
/// Where memory continues above the adapters and ROMs.
pub const HIGH_MEMORY: u32 = 0x10_0000;

/// Kinds of memory in an e820 map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MemoryKind {
    /// RAM that the operating system may use.
    Usable = 1,
    /// Anything else.
    Reserved = 2,
}

/// A row of the memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// First physical address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
    /// What is there.
    pub kind: MemoryKind,
}

/// The memory map of a machine with `ram` bytes.
#[must_use]
pub fn memory_map(ram: u64) -> Vec<MemoryRange> {
    use MemoryKind::{Reserved, Usable};
    let range = |base: u64, end: u64, kind| MemoryRange { base, size: end - base, kind };
    let low = u64::from(LOW_MEMORY_END);
    let high = u64::from(HIGH_MEMORY);
    let mut map = vec![
        range(0, low.min(ram), Usable),
        range(low, 0xa_0000, Reserved),
        range(u64::from(ACPI), high, Reserved),
    ];
    if ram > high {
        map.push(range(high, ram, Usable));
    }
    map.push(range(0xfffc_0000, 0x1_0000_0000, Reserved));
    map
}

/// Bytes of the root pointer that [`install_acpi`] leaves.
pub const RSDP_LEN: usize = 20;

/// Puts the ACPI tables into memory, and for a processor with a local APIC the MultiProcessor configuration table; returns the
/// address of the RSDP.
///
/// # Errors
/// When memory has no place for them.
pub fn install_acpi(memory: &mut GuestMemory, cpu: &CpuState) -> Result<u32, MemoryError> {
    let apics = cpu.msr.apic_base & apic_base::ON != 0;
    if apics {
        mp::install(memory, ACPI + 0x100, LOW_MEMORY_END + 0x10)?;
    }
    let acpi = ringer_devices::acpi::tables(memory.ram_size(), apics).link(ACPI + 0x1000);
    memory.load(Pa::from(ACPI), &acpi.rsdp)?;
    memory.load(Pa::from(acpi.base), &acpi.tables)?;
    Ok(ACPI)
}

/// Puts the tables of SMBIOS into memory, where operating systems look for them.
///
/// # Errors
/// When memory has no place for them.
pub(crate) fn install_smbios(memory: &mut GuestMemory, pc: &PcConfig) -> Result<(), MemoryError> {
    let smbios = Smbios::new(&Described { ram_size: pc.ram_size, model: pc.model }, true);
    memory.load(Pa::from(SMBIOS), &smbios.entry(SMBIOS + 0x20))?;
    memory.load(Pa::from(SMBIOS + 0x20), &smbios.tables)
}

/// The equipment word: a coprocessor, an 80x25 display, one serial port.
pub const EQUIPMENT: u16 = 0x0222;
/// KiB of conventional memory.
pub const LOW_MEMORY_KIB: u16 = (LOW_MEMORY_END >> 10) as u16;

/// Addresses in the BIOS data area.
#[allow(missing_docs)]
pub mod data {
    pub const START: u64 = 0x400;
    pub const SIZE: usize = 0x100;
    pub const COM1: u64 = 0x400;
    pub const LPT1: u64 = 0x408;
    pub const EBDA: u64 = 0x40e;
    pub const EQUIPMENT: u64 = 0x410;
    pub const MEMORY: u64 = 0x413;
    pub const VIDEO_MODE: u64 = 0x449;
    pub const COLUMNS: u64 = 0x44a;
    pub const CURSOR: u64 = 0x450;
    pub const TICKS: u64 = 0x46c;
    pub const MIDNIGHT: u64 = 0x470;
    pub const DISKS: u64 = 0x475;
}

/// Fills the BIOS data area and the extended one of a PC with so many hard disks.
///
/// # Errors
/// When memory refuses them.
pub fn install_data_area(memory: &mut GuestMemory, disks: u8) -> Result<(), MemoryError> {
    let words = [
        (data::COM1, COM1_BASE),
        (data::EBDA, (LOW_MEMORY_END >> 4) as u16),
        (data::EQUIPMENT, EQUIPMENT),
        (data::MEMORY, LOW_MEMORY_KIB),
        (data::VIDEO_MODE, 3),
        (data::COLUMNS, 80),
        (data::DISKS, u16::from(disks)),
    ];
    let mut area = [0; data::SIZE];
    for (address, value) in words {
        let at = (address - data::START) as usize;
        area[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
    }
    memory.load(Pa(data::START), &area)?;
    // It begins with its own size in KiB.
    memory.load(Pa::from(LOW_MEMORY_END), &[1])
}

/// Where the ports of COM1 to COM4 are.
const SERIAL_PORTS: [u16; 4] = [COM1_BASE, 0x2f8, 0x3e8, 0x2e8];
/// Where those of LPT1 are.
const PARALLEL_PORT: u16 = 0x378;

/// The data area tells of the serial ports and the parallel port of `pc`, one after the other without gaps.
///
/// # Errors
/// When memory refuses it.
pub(crate) fn tell_ports(memory: &mut GuestMemory, pc: &PcConfig) -> Result<(), MemoryError> {
    let [second, third, fourth] = pc.serials;
    let there = SERIAL_PORTS.into_iter().zip([true, second, third, fourth]);
    let ports: Vec<u16> = there.filter(|port| port.1).map(|port| port.0).collect();
    let words: Vec<u8> = ports.iter().flat_map(|port| port.to_le_bytes()).collect();
    memory.load(Pa(data::COM1), &words)?;
    let mut equipment = [0; 2];
    memory.read(Pa(data::EQUIPMENT), &mut equipment);
    let equipment = u16::from_le_bytes(equipment) & !(7 << 9 | 3 << 14);
    let counts = (ports.len() as u16) << 9 | u16::from(pc.parallel) << 14;
    memory.load(Pa(data::EQUIPMENT), &(equipment | counts).to_le_bytes())?;
    let printer = if pc.parallel { PARALLEL_PORT } else { 0 };
    memory.load(Pa(data::LPT1), &printer.to_le_bytes())
}

/// The data area says that the only drive is a floppy drive.
///
/// # Errors
/// When memory refuses it.
pub fn install_floppy(memory: &mut GuestMemory) -> Result<(), MemoryError> {
    memory.load(Pa(data::EQUIPMENT), &(EQUIPMENT | 1).to_le_bytes())?;
    memory.load(Pa(data::DISKS), &[0])
}

/// Offset of the reset code in segment F000h.
const RESET: u16 = 0xff00;

/// Pulls the reset line through port CF9h.
#[rustfmt::skip]
const RESET_CODE: &[u8] = &[
    0xfa,                         // cli
    0xba, 0xf9, 0x0c,             // mov dx, cf9h
    0xb0, 0x02, 0xee,             // mov al, 2; out dx, al
    0xb0, 0x06, 0xee,             // mov al, 6; out dx, al: the rise of bit 2
    0xf4, 0xeb, 0xfd,             // hlt; jmp to the hlt
];

/// jmp F000:RESET.
const RESET_VECTOR: &[u8] = &[0xea, RESET as u8, (RESET >> 8) as u8, 0x00, 0xf0];

/// A ROM of one page for machines whose loader is all the firmware there is: a jump to the reset
/// vector, F000:FFF0, resets the machine, and the loader goes on from there.
#[must_use]
pub fn reset_rom() -> Vec<u8> {
    let mut rom = vec![0; 0x1000];
    put_reset(&mut rom);
    rom
}

/// Puts the reset vector and its code into a ROM that ends where segment F000h does.
pub(crate) fn put_reset(rom: &mut [u8]) {
    let segment_start = 0x1_0000 - rom.len();
    for (offset, code) in [(RESET, RESET_CODE), (0xfff0, RESET_VECTOR)] {
        let at = usize::from(offset) - segment_start;
        rom[at..at + code.len()].copy_from_slice(code);
    }
}

/// What a flat protected-mode protocol wants in the processor.
#[derive(Clone, Copy, Debug)]
pub struct FlatEntry {
    /// Physical address for the descriptor table: [`FlatEntry::table_size`] bytes.
    pub gdt: u32,
    /// Selector of the code segment; the data segments have the next one.
    pub code: u16,
    /// First instruction.
    pub eip: u32,
    /// Stack pointer.
    pub esp: u32,
}

impl FlatEntry {
    /// Bytes that the descriptor table takes.
    #[must_use]
    pub fn table_size(&self) -> u32 {
        u32::from(self.code) + 16
    }
}

const CODE_DESCRIPTOR: u64 = 0x00cf_9b00_0000_ffff;
const DATA_DESCRIPTOR: u64 = 0x00cf_9300_0000_ffff;

/// Protected mode without paging, flat 32-bit segments, interrupts off, and a descriptor table in
/// memory that says the same.
///
/// # Errors
/// When memory refuses the table.
pub fn enter_flat(
    memory: &mut GuestMemory,
    cpu: &mut CpuState,
    entry: FlatEntry,
) -> Result<(), MemoryError> {
    let data = entry.code + 8;
    let mut table = vec![0u8; entry.table_size() as usize];
    for (selector, descriptor) in [(entry.code, CODE_DESCRIPTOR), (data, DATA_DESCRIPTOR)] {
        let at = usize::from(selector);
        table[at..at + 8].copy_from_slice(&descriptor.to_le_bytes());
    }
    memory.load(Pa::from(entry.gdt), &table)?;
    let present = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    let attr = present | SegAttr::DB | SegAttr::G;
    cpu.seg = [Segment { selector: data, attr, base: Lin(0), limit: u32::MAX }; 6];
    let code = &mut cpu.seg[SegReg::Cs as usize];
    code.selector = entry.code;
    code.attr |= SegAttr::CODE;
    cpu.gdtr = TableReg { base: Lin::from(entry.gdt), limit: data + 7 };
    cpu.cr0 = cr0::PE | cr0::ET;
    cpu.eflags = Eflags::FIXED_ONE;
    cpu.gpr = [0; 16];
    cpu.set_reg32(ringer_cpu::Gpr::Esp, entry.esp);
    cpu.set_eip(entry.eip);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_map_is_ordered_without_overlaps_and_covers_all_ram() {
        for ram in [1 << 20, 16 << 20, 512 << 20, 3 << 30] {
            let map = memory_map(ram);
            for pair in map.windows(2) {
                assert!(pair[0].base + pair[0].size <= pair[1].base, "{pair:?}");
            }
            let usable = map.iter().filter(|r| r.kind == MemoryKind::Usable);
            let bytes: u64 = usable.map(|r| r.size).sum();
            let hole = u64::from(HIGH_MEMORY - LOW_MEMORY_END);
            assert_eq!(bytes, ram - hole.min(ram));
        }
    }

    #[test]
    fn flat_entry_has_segments_that_agree_with_the_table_in_memory() {
        let mut memory = GuestMemory::new(2 << 20).unwrap();
        let mut cpu = CpuState::reset(0);
        let entry = FlatEntry { gdt: GDT, code: 0x10, eip: 0x10_0000, esp: 0x8000 };
        enter_flat(&mut memory, &mut cpu, entry).unwrap();
        assert!(cpu.seg.iter().all(|s| s.is_flat() && s.is_32()));
        assert_eq!((cpu.cs().selector, cpu.ss().selector), (0x10, 0x18));
        let mut table = [0; 32];
        assert!(memory.read(Pa::from(GDT), &mut table));
        assert_eq!(table[16..24], CODE_DESCRIPTOR.to_le_bytes());
        assert_eq!(table[24..32], DATA_DESCRIPTOR.to_le_bytes());
        assert_eq!(cpu.gdtr.limit, 31);
    }
}
