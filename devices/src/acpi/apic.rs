//! The tables of a board with APICs: MADT (ACPI 2.0, 5.2.10.4) and the HPET's (IA-PC HPET specification 1.0a, 3.2.4).

use crate::addresses::{HPET_BASE, IO_APIC_BASE, IRQ_SCI, LOCAL_APIC_BASE};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};

/// `PCAT_COMPAT`: there are two 8259s too.
const HAS_8259: u32 = 1;
/// The only processor's APIC ID, and its number.
const PROCESSOR: u8 = 0;
/// The I/O APIC's ID.
const IO_APIC: u8 = 0;
/// Flags of an interrupt source: active high and edge- or level-triggered; as its bus has it.
const HIGH_LEVEL: u16 = 0x0d;
const AS_THE_BUS: u16 = 0;
/// Lines that the PCI bridge's routes and the SCI use, as firmware programs them: shared, and level-triggered.
const SHARED: [u8; 4] = [5, IRQ_SCI, 10, 11];

fn low(address: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = address.to_le_bytes();
    [a, b, c, d]
}

/// An ISA line that is not as ISA has it: on pin `pin`, with `flags`.
fn source(irq: u8, pin: u8, flags: u16) -> Vec<u8> {
    [&[2, 10, 0, irq][..], &u32::from(pin).to_le_bytes(), &flags.to_le_bytes()].concat()
}

/// Body of the Multiple APIC Description Table.
pub(super) fn madt() -> Vec<u8> {
    let mut body = [low(LOCAL_APIC_BASE), HAS_8259.to_le_bytes()].concat();
    // The processor, enabled; the I/O APIC, whose pins begin at interrupt 0.
    body.extend([0, 8, PROCESSOR, PROCESSOR, 1, 0, 0, 0]);
    body.extend([1, 12, IO_APIC, 0]);
    body.extend(low(IO_APIC_BASE));
    body.extend([0; 4]);
    body.extend(source(0, 2, AS_THE_BUS));
    for irq in SHARED {
        body.extend(source(irq, irq, HIGH_LEVEL));
    }
    // LINT1 of all processors is NMI.
    body.extend([4, 6, 0xff, 0, 0, 1]);
    body
}

/// Body of the HPET's table: its capabilities' low half, its place, and the least period in counts of a comparator that
/// ticks without losing any.
pub(super) fn hpet() -> Vec<u8> {
    const LEAST_PERIOD: u16 = 1000;
    let place = GAS::new(AddressSpace::SystemMemory, 64, 0, AccessSize::Undefined, HPET_BASE);
    let capabilities = crate::hpet::CAPABILITIES as u32;
    let mut body = capabilities.to_le_bytes().to_vec();
    body.extend(super::sdt::bytes(&place));
    body.push(0);
    body.extend(LEAST_PERIOD.to_le_bytes());
    body.push(0);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_follow_each_other_to_the_end() {
        let body = madt();
        let (mut at, mut kinds) = (8, Vec::new());
        while at < body.len() {
            kinds.push(body[at]);
            at += usize::from(body[at + 1]);
        }
        assert_eq!((at, kinds), (body.len(), vec![0, 1, 2, 2, 2, 2, 2, 4]));
        assert_eq!(body[..4], [0, 0, 0xe0, 0xfe]);
    }

    #[test]
    fn the_hpets_table_has_its_length() {
        assert_eq!(hpet().len(), 56 - 36);
        assert_eq!(hpet()[..4], [0x01, 0xa2, 0x86, 0x80]);
    }
}
