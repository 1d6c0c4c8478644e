//! The ACPI tables that describe this board to a guest, for a loader to place or for firmware to link.
//!
//! RSDP -> RSDT -> FADT -> FACS and DSDT. The machine has no legacy mode (no SMI command port, SCI_EN
//! always set). With APICs there are a MADT and the HPET's table too; without, interrupts go through the 8259s. The FADT names the ports of
//! the power-management block, the SCI, the reset register and the CMOS century; the DSDT gives the sleep
//! type of S5, the routing of PCI interrupts and the devices that a PC's firmware lists.
//!
//! Invariant: everything but the RSDP lies in one blob; every pointer in it is listed, and once the blob is linked to an
//! address the bytes of each table sum to zero.

mod apic;
mod dsdt;
mod sdt;

use crate::addresses::{IRQ_SCI, PM_BASE, RESET_CONTROL};
use crate::pm;
use crate::rtc;
use acpi_tables::gas::{self, AccessSize, GAS};
use sdt::{CHECKSUM, HEADER_LEN, bytes, checksum, rsdp, table};
use std::ops::Range;

/// Bytes at which the blob has to be aligned: what the FACS wants.
pub const ALIGNMENT: u32 = 64;
/// Offset of the RSDP's pointer to the RSDT, four bytes.
pub const RSDP_POINTER: u32 = 16;
/// Offset of its checksum, which is over all of it.
pub const RSDP_CHECKSUM: u32 = 8;

/// A pointer within the blob to another place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Its offset.
    pub offset: u32,
    /// Its bytes: 4 or 8.
    pub size: u8,
}

/// The tables before it is known where they go: pointers are offsets in the blob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcpiTables {
    /// The blob: all tables but the root pointer.
    pub blob: Vec<u8>,
    /// Offset of the RSDT, which the root pointer names.
    pub rsdt: u32,
    /// The pointers within the blob.
    pub pointers: Vec<Pointer>,
    /// The tables that have a checksum (at offset 9 of each).
    pub checked: Vec<Range<u32>>,
}

/// The tables in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedTables {
    /// The root pointer, to be placed at a multiple of 16 in E0000h..FFFFFh.
    pub rsdp: Vec<u8>,
    /// All other tables, to be placed at [`PlacedTables::base`].
    pub tables: Vec<u8>,
    /// Physical address of `tables`.
    pub base: u32,
}

const FACS_LEN: usize = 64;
const FADT_LEN: usize = 244;
/// Offsets of the FADT's pointers, and their bytes.
const FADT_FACS: [(u32, u8); 2] = [(36, 4), (132, 8)];
const FADT_DSDT: [(u32, u8); 2] = [(40, 4), (140, 8)];

/// Builds the tables of a machine with `ram_size` bytes of RAM; `apics`: it has a local and an I/O APIC, and HPETs.
#[must_use]
pub fn tables(ram_size: u64, apics: bool) -> AcpiTables {
    let mut new = AcpiTables::default();
    // FACS comes first: it alone wants 64-byte alignment.
    let facs = new.place(&facs(), ALIGNMENT);
    let dsdt = new.add(*b"DSDT", 1, &dsdt::block(ram_size));
    let fadt = new.add(*b"FACP", 3, &fadt(apics));
    FADT_FACS.into_iter().for_each(|(at, size)| new.point(fadt + at, size, facs));
    FADT_DSDT.into_iter().for_each(|(at, size)| new.point(fadt + at, size, dsdt));
    let mut roots = vec![fadt];
    if apics {
        roots.push(new.add(*b"APIC", 1, &apic::madt()));
        roots.push(new.add(*b"HPET", 1, &apic::hpet()));
    }
    new.rsdt = new.add(*b"RSDT", 1, &vec![0; 4 * roots.len()]);
    for (at, root) in (new.rsdt + HEADER_LEN as u32..).step_by(4).zip(roots) {
        new.point(at, 4, root);
    }
    new
}

impl AcpiTables {
    /// Appends `bytes` at a multiple of `align`; its offset.
    fn place(&mut self, bytes: &[u8], align: u32) -> u32 {
        let offset = self.blob.len().next_multiple_of(align as usize);
        self.blob.resize(offset, 0);
        self.blob.extend_from_slice(bytes);
        offset as u32
    }

    /// Appends a table; its offset.
    fn add(&mut self, signature: [u8; 4], revision: u8, body: &[u8]) -> u32 {
        let table = table(signature, revision, body);
        let offset = self.place(&table, 16);
        self.checked.push(offset..offset + table.len() as u32);
        offset
    }

    /// Makes the `size` bytes at `offset` a pointer to `target`.
    fn point(&mut self, offset: u32, size: u8, target: u32) {
        self.pointers.push(Pointer { offset, size });
        let bytes = &u64::from(target).to_le_bytes()[..usize::from(size)];
        self.blob[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    /// The root pointer with a pointer that is an offset in the blob.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        rsdp(self.rsdt)
    }

    /// The tables as they are at `base`, a multiple of [`ALIGNMENT`] below 4 GiB with a few KiB of room, in memory that
    /// the guest is told not to use (ACPI or reserved).
    #[must_use]
    pub fn link(&self, base: u32) -> PlacedTables {
        let mut tables = self.blob.clone();
        for Pointer { offset, .. } in &self.pointers {
            let place = &mut tables[*offset as usize..][..4];
            let target = u32::from_le_bytes([place[0], place[1], place[2], place[3]]);
            place.copy_from_slice(&base.wrapping_add(target).to_le_bytes());
        }
        for Range { start, end } in self.checked.iter().cloned() {
            let table = &mut tables[start as usize..end as usize];
            table[CHECKSUM] = 0;
            table[CHECKSUM] = checksum(table);
        }
        PlacedTables { rsdp: rsdp(base.wrapping_add(self.rsdt)), tables, base }
    }
}

/// Firmware ACPI Control Structure: no waking vector, no global lock user.
fn facs() -> Vec<u8> {
    let mut bytes = b"FACS".to_vec();
    bytes.extend_from_slice(&(FACS_LEN as u32).to_le_bytes());
    bytes.resize(FACS_LEN, 0);
    bytes
}

/// `WBINVD`, `PROC_C1`; the power button is fixed hardware, a sleep button there is none; no fixed RTC wake; reset register supported.
const FADT_FLAGS: u32 = 1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 10;
/// `IAPC_BOOT_ARCH`: legacy devices, 8042, no VGA to be found by trying.
const BOOT_ARCHITECTURE: u16 = 1 << 0 | 1 << 1 | 1 << 2;
/// The same: no messages, for nobody takes them where there is no local APIC.
const NO_MSI: u16 = 1 << 3;
/// What, written to the reset register, resets.
const RESET_VALUE: u8 = 0x06;
/// C2 and C3 latencies beyond these mean that the state does not exist.
const NO_C2: u16 = 101;
const NO_C3: u16 = 1001;

/// A generic address of `bits` bits in I/O space.
fn io_address(bits: u8, port: u16) -> Vec<u8> {
    let space = gas::AddressSpace::SystemIo;
    bytes(&GAS::new(space, bits, 0, AccessSize::Undefined, u64::from(port)))
}

/// Body of the Fixed ACPI Description Table, revision 3 (ACPI 2.0), without its pointers.
fn fadt(apics: bool) -> Vec<u8> {
    let architecture = BOOT_ARCHITECTURE | if apics { 0 } else { NO_MSI };
    let event = PM_BASE + pm::PM1_EVENT;
    let control = PM_BASE + pm::PM1_CONTROL;
    let timer = PM_BASE + pm::TIMER;
    let rows: [(usize, &[u8]); 18] = [
        // Preferred profile: desktop.
        (45, &[1]),
        (46, &u16::from(IRQ_SCI).to_le_bytes()),
        // 48..56: no SMI command port, so nothing to write to it.
        (56, &u32::from(event).to_le_bytes()),
        (64, &u32::from(control).to_le_bytes()),
        (76, &u32::from(timer).to_le_bytes()),
        // Lengths of the event block, the control block and the timer.
        (88, &[4]),
        (89, &[2]),
        (91, &[4]),
        (96, &NO_C2.to_le_bytes()),
        (98, &NO_C3.to_le_bytes()),
        (108, &[rtc::CENTURY as u8]),
        (109, &architecture.to_le_bytes()),
        (112, &FADT_FLAGS.to_le_bytes()),
        (116, &io_address(8, RESET_CONTROL)),
        (128, &[RESET_VALUE]),
        (148, &io_address(32, event)),
        (172, &io_address(16, control)),
        (208, &io_address(32, timer)),
    ];
    let mut body = vec![0; FADT_LEN - HEADER_LEN];
    for (offset, bytes) in rows {
        let start = offset - HEADER_LEN;
        body[start..start + bytes.len()].copy_from_slice(bytes);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum: u8, &byte| sum.wrapping_add(byte))
    }

    fn dword(bytes: &[u8], offset: usize) -> u32 {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    /// The table at physical address `address`, checked for signature and checksum.
    fn at<'a>(acpi: &'a PlacedTables, address: u32, signature: &[u8; 4]) -> &'a [u8] {
        let rest = &acpi.tables[(address - acpi.base) as usize..];
        let bytes = &rest[..dword(rest, 4) as usize];
        assert_eq!(&bytes[..4], signature);
        if signature != b"FACS" {
            assert_eq!(sum(bytes), 0, "{signature:?}");
        }
        bytes
    }

    #[test]
    fn a_guest_can_follow_the_pointers_from_the_root() {
        for base in [0x1ff0_0000, 0x7fe_1240, 0xe_0000] {
            let acpi = tables(512 << 20, false).link(base);
            assert_eq!(&acpi.rsdp[..8], b"RSD PTR ");
            assert_eq!((acpi.rsdp.len(), sum(&acpi.rsdp)), (20, 0));
            let rsdt = at(&acpi, dword(&acpi.rsdp, 16), b"RSDT");
            assert_eq!(rsdt.len(), HEADER_LEN + 4);
            let fadt = at(&acpi, dword(rsdt, 36), b"FACP");
            let facs = dword(fadt, 36);
            assert_eq!((at(&acpi, facs, b"FACS").len(), facs % 64), (64, 0));
            at(&acpi, dword(fadt, 40), b"DSDT");
            assert_eq!(dword(fadt, 140), dword(fadt, 40));
        }
    }

    #[test]
    fn fadt_names_the_boards_ports() {
        let acpi = tables(512 << 20, false).link(0x10_0000);
        let rsdt = at(&acpi, dword(&acpi.rsdp, 16), b"RSDT");
        let fadt = at(&acpi, dword(rsdt, 36), b"FACP");
        assert_eq!(fadt.len(), FADT_LEN);
        assert_eq!([dword(fadt, 56), dword(fadt, 64), dword(fadt, 76)], [0x600, 0x604, 0x608]);
        assert_eq!(dword(fadt, 48), 0, "no SMI command: ACPI mode is the only one");
        assert_eq!(dword(fadt, 120), 0xcf9);
    }

    #[test]
    fn messages_are_said_to_be_there_with_an_apic_alone() {
        for apics in [false, true] {
            let acpi = tables(512 << 20, apics).link(0x10_0000);
            let rsdt = at(&acpi, dword(&acpi.rsdp, 16), b"RSDT");
            let fadt = at(&acpi, dword(rsdt, 36), b"FACP");
            assert_eq!(dword(fadt, 108) >> 8 & u32::from(NO_MSI) == 0, apics);
        }
    }
}
