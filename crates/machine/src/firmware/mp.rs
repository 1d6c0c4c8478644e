//! The MultiProcessor configuration table (MultiProcessor Specification 1.4, chapter 4) of a machine with APICs, for systems that
//! read no MADT: one processor, in virtual wire mode.

use ringer_cpu::addr::Pa;
use ringer_devices::addresses::{IO_APIC_BASE, LOCAL_APIC_BASE};
use ringer_mmu::{GuestMemory, MemoryError};

/// IDs of the processor's local APIC and of the I/O APIC, and their versions.
const PROCESSOR: u8 = 0;
const IO_APIC: u8 = 0;
const LOCAL_VERSION: u8 = 0x14;
const IO_VERSION: u8 = 0x11;
/// Bus numbers.
const PCI: u8 = 0;
const ISA: u8 = 1;
/// Kinds of interrupts: vectored, NMI, from the 8259s.
const VECTORED: u8 = 0;
const NMI: u8 = 1;
const EXTERNAL: u8 = 3;
/// Flags: as the bus has it; active high and level-triggered.
const AS_THE_BUS: u16 = 0;
const HIGH_LEVEL: u16 = 0x0d;
/// The lines that PCI devices and the ACPI share.
const SHARED: [u8; 4] = [5, 9, 10, 11];
/// Lines of the PCI bridge's routing registers, as firmware programs them.
const PIRQ: [u8; 4] = [10, 10, 11, 11];

fn low(address: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = address.to_le_bytes();
    [a, b, c, d]
}

/// An entry for an interrupt (`kind` 3: at the I/O APIC; 4: at the processor).
fn interrupt(kind: u8, what: u8, flags: u16, from: [u8; 2], to: [u8; 2]) -> Vec<u8> {
    let [flags, reserved] = flags.to_le_bytes();
    vec![kind, what, flags, reserved, from[0], from[1], to[0], to[1]]
}

fn entries() -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    // Enabled, and the one that boots; family 6, FPU and APIC.
    let processor: [&[u8]; 4] =
        [&[0, PROCESSOR, LOCAL_VERSION, 3], &[0, 6, 0, 0], &[1, 2, 0, 0], &[0; 8]];
    entries.push(processor.concat());
    entries.push([&[1, PCI][..], b"PCI   "].concat());
    entries.push([&[1, ISA][..], b"ISA   "].concat());
    entries.push([&[2, IO_APIC, IO_VERSION, 1][..], &low(IO_APIC_BASE)].concat());
    for irq in (0..16).filter(|&irq| irq != 2) {
        let flags = if SHARED.contains(&irq) { HIGH_LEVEL } else { AS_THE_BUS };
        let pin = if irq == 0 { 2 } else { irq };
        entries.push(interrupt(3, VECTORED, flags, [ISA, irq], [IO_APIC, pin]));
    }
    for device in 1..32u8 {
        for pin in 0..4u8 {
            let line = PIRQ[usize::from(device.wrapping_add(pin).wrapping_sub(1) & 3)];
            let from = [PCI, device << 2 | pin];
            entries.push(interrupt(3, VECTORED, HIGH_LEVEL, from, [IO_APIC, line]));
        }
    }
    entries.push(interrupt(4, EXTERNAL, AS_THE_BUS, [ISA, 0], [PROCESSOR, 0]));
    entries.push(interrupt(4, NMI, AS_THE_BUS, [ISA, 0], [PROCESSOR, 1]));
    entries
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_sub(byte))
}

fn table() -> Vec<u8> {
    let entries = entries();
    let body = entries.concat();
    let len = (44 + body.len()) as u16;
    let mut table = b"PCMP".to_vec();
    table.extend(len.to_le_bytes());
    // Revision 1.4, and the checksum's place.
    table.extend([4, 0]);
    table.extend(b"RINGER  PC          ");
    // No table of the manufacturer's.
    table.extend([0; 6]);
    table.extend((entries.len() as u16).to_le_bytes());
    table.extend(low(LOCAL_APIC_BASE));
    table.extend([0; 4]);
    table.extend(body);
    table[7] = checksum(&table);
    table
}

/// The floating pointer to the table at `table`: no default configuration, virtual wire mode.
fn pointer(table: u32) -> Vec<u8> {
    let mut pointer = b"_MP_".to_vec();
    pointer.extend(table.to_le_bytes());
    pointer.extend([1, 4, 0, 0, 0, 0, 0, 0]);
    pointer[10] = checksum(&pointer);
    pointer
}

/// Puts the table at physical address `table`, where the guest is told that memory is reserved, and the floating pointer at
/// `place`, a multiple of 16 in the first KiB of the extended BIOS data area.
///
/// # Errors
/// When memory has no place for them.
pub(super) fn install(memory: &mut GuestMemory, table: u32, place: u32) -> Result<(), MemoryError> {
    memory.load(Pa::from(table), &self::table())?;
    memory.load(Pa::from(place), &pointer(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_zero_and_lengths_fit() {
        for bytes in [table(), pointer(0xe_0100)] {
            assert_eq!(checksum(&bytes), 0);
        }
        let table = table();
        assert_eq!(usize::from(u16::from_le_bytes([table[4], table[5]])), table.len());
        assert!(table.len() < 0xf00, "the other tables begin at E1000h");
        assert_eq!(pointer(0).len(), 16);
        let count = u16::from_le_bytes([table[34], table[35]]);
        let (mut at, mut found) = (44, 0);
        while at < table.len() {
            at += if table[at] == 0 { 20 } else { 8 };
            found += 1;
        }
        assert_eq!((at, found), (table.len(), count));
    }
}
