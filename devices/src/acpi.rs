//! The ACPI tables that describe this board to a guest, as bytes for a loader to place.
//!
//! RSDP -> RSDT -> FADT -> FACS and DSDT. The machine has no legacy mode (no SMI command port, SCI_EN
//! always set), no APIC and so no MADT: interrupts go through the 8259s. The FADT names the ports of
//! the power-management block, the SCI, the reset register and the CMOS century; the DSDT gives the sleep
//! type of S5 and the devices that a PC's firmware lists.
//!
//! Invariant: everything but the RSDP lies in one blob at the address that the caller chose, and every
//! table's bytes sum to zero.

use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, Device, EISAName, IO, Name, Package, ResourceTemplate,
    Scope,
};
use acpi_tables::gas::{self, AccessSize, GAS};
use acpi_tables::sdt::Sdt;
use acpi_tables::{Aml, AmlSink};

use crate::addresses::{COM1_BASE, IRQ_SCI, PM_BASE, RESET_CONTROL};
use crate::pm;
use crate::rtc;

/// The tables, and where each lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcpiTables {
    /// The root pointer, to be placed at a multiple of 16 in E0000h..FFFFFh.
    pub rsdp: Vec<u8>,
    /// All other tables, to be placed at [`AcpiTables::base`].
    pub tables: Vec<u8>,
    /// Physical address of `tables`.
    pub base: u32,
}

const OEM_ID: &[u8; 6] = b"RINGER";
const OEM_TABLE_ID: &[u8; 8] = b"RINGERPC";
const CREATOR_ID: &[u8; 4] = b"RNGR";
const HEADER_LEN: usize = 36;
/// Offset of the creator's identifier and revision in the header.
const CREATOR: usize = 28;
const FACS_LEN: usize = 64;
const FADT_LEN: usize = 244;

/// Builds the tables for `base`, the physical address at which the caller will place them: below 4 GiB
/// with a few KiB of room, in memory that the guest is told not to use (ACPI or reserved).
pub fn tables(base: u32) -> AcpiTables {
    let mut tables = Vec::new();
    // FACS comes first: it alone wants 64-byte alignment.
    let facs = place(&mut tables, base, 64, &facs());
    let dsdt = place(&mut tables, base, 16, &dsdt());
    let fadt = place(&mut tables, base, 16, &fadt(facs, dsdt));
    let rsdt = place(&mut tables, base, 16, &table(*b"RSDT", 1, &fadt.to_le_bytes()));
    AcpiTables { rsdp: rsdp(rsdt), tables, base }
}

/// Appends `table` at an address that is a multiple of `align`; returns that address.
fn place(tables: &mut Vec<u8>, base: u32, align: u32, table: &[u8]) -> u32 {
    let end = base.wrapping_add(tables.len() as u32);
    let padding = end.wrapping_neg() % align;
    tables.resize(tables.len() + padding as usize, 0);
    tables.extend_from_slice(table);
    end.wrapping_add(padding)
}

/// The byte that makes the sum of `bytes` and itself zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_sub(byte))
}

/// A table with the standard header before `body`.
fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut table = Sdt::new(signature, HEADER_LEN as u32, revision, *OEM_ID, *OEM_TABLE_ID, 1);
    table.write_bytes(CREATOR, CREATOR_ID);
    table.write_u32(CREATOR + 4, 1);
    table.append_slice(body);
    table.as_slice().to_vec()
}

/// Root System Description Pointer, revision 0 (ACPI 1.0): 32-bit guests need no more.
fn rsdp(rsdt: u32) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0".to_vec();
    bytes.extend_from_slice(OEM_ID);
    bytes.push(0);
    bytes.extend_from_slice(&rsdt.to_le_bytes());
    bytes[8] = checksum(&bytes);
    bytes
}

/// Firmware ACPI Control Structure: no waking vector, no global lock user.
fn facs() -> Vec<u8> {
    let mut bytes = b"FACS".to_vec();
    bytes.extend_from_slice(&(FACS_LEN as u32).to_le_bytes());
    bytes.resize(FACS_LEN, 0);
    bytes
}

/// `WBINVD`, `PROC_C1`; both buttons are no fixed hardware; no fixed RTC wake; reset register supported.
const FADT_FLAGS: u32 = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10;
/// `IAPC_BOOT_ARCH`: legacy devices, 8042, no VGA, no MSI.
const BOOT_ARCHITECTURE: u16 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3;
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

/// Fixed ACPI Description Table, revision 3 (ACPI 2.0).
fn fadt(facs: u32, dsdt: u32) -> Vec<u8> {
    let event = PM_BASE + pm::PM1_EVENT;
    let control = PM_BASE + pm::PM1_CONTROL;
    let timer = PM_BASE + pm::TIMER;
    let rows: [(usize, &[u8]); 22] = [
        (36, &facs.to_le_bytes()),
        (40, &dsdt.to_le_bytes()),
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
        (109, &BOOT_ARCHITECTURE.to_le_bytes()),
        (112, &FADT_FLAGS.to_le_bytes()),
        (116, &io_address(8, RESET_CONTROL)),
        (128, &[RESET_VALUE]),
        (132, &u64::from(facs).to_le_bytes()),
        (140, &u64::from(dsdt).to_le_bytes()),
        (148, &io_address(32, event)),
        (172, &io_address(16, control)),
        (208, &io_address(32, timer)),
    ];
    let mut body = vec![0; FADT_LEN - HEADER_LEN];
    for (offset, bytes) in rows {
        let start = offset - HEADER_LEN;
        body[start..start + bytes.len()].copy_from_slice(bytes);
    }
    table(*b"FACP", 3, &body)
}

/// Terms of machine language, as bytes.
struct Terms(Vec<u8>);

impl Aml for Terms {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

/// The bytes of `term`.
fn bytes(term: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    term.to_aml_bytes(&mut bytes);
    bytes
}

/// `IRQNoFlags () { irq }`: edge-triggered, active high, exclusive; the line is one of the 16 of the 8259s.
struct IrqNoFlags(u8);

impl Aml for IrqNoFlags {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.byte(0x22);
        sink.word(1 << (self.0 & 15));
    }
}

/// `IO (Decode16, first, first, 1, len)`.
fn io(first: u16, len: u8) -> IO {
    IO::new(first, first, 1, len)
}

/// Differentiated System Description Table: S5 and the devices.
fn dsdt() -> Vec<u8> {
    let s5 = Package::new(vec![&pm::S5, &pm::S5, &0u8, &0u8]);
    let root = pci_root();
    let terms =
        [bytes(&Name::new("_S5_".into(), &s5)), bytes(&Scope::new("\\_SB_".into(), vec![&root]))];
    table(*b"DSDT", 1, &terms.concat())
}

/// The PCI root bridge and, below it, the ISA bridge with what hangs on it.
fn pci_root() -> Terms {
    let cacheable = AddressSpaceCacheable::NotCacheable;
    let windows = Terms(bytes(&ResourceTemplate::new(vec![
        &AddressSpace::<u16>::new_bus_number(0, 0xff),
        &io(0xcf8, 8),
        &AddressSpace::<u16>::new_io(0, 0xcf7, None),
        &AddressSpace::<u16>::new_io(0xd00, 0xffff, None),
        &AddressSpace::<u32>::new_memory(cacheable, true, 0xe000_0000, 0xfebf_ffff, None),
    ])));
    Terms(bytes(&Device::new(
        "PCI0".into(),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0A03")),
            &Name::new("_UID".into(), &0u8),
            &Name::new("_CRS".into(), &windows),
            &isa_bridge(),
        ],
    )))
}

fn isa_bridge() -> Terms {
    Terms(bytes(&Device::new(
        "ISA_".into(),
        vec![
            &Name::new("_ADR".into(), &0x0001_0000u32),
            &isa_device("PIC_", "PNP0000", vec![&io(0x20, 2), &io(0xa0, 2), &IrqNoFlags(2)]),
            &isa_device("TMR_", "PNP0100", vec![&io(0x40, 4), &IrqNoFlags(0)]),
            &isa_device("RTC_", "PNP0B00", vec![&io(0x70, 2), &IrqNoFlags(8)]),
            &isa_device("FPU_", "PNP0C04", vec![&io(0xf0, 2), &IrqNoFlags(13)]),
            &isa_device("KBD_", "PNP0303", vec![&io(0x60, 1), &io(0x64, 1), &IrqNoFlags(1)]),
            &isa_device("COM1", "PNP0501", vec![&io(COM1_BASE, 8), &IrqNoFlags(4)]),
        ],
    )))
}

/// Present, enabled, shown, working.
const STATUS_THERE: u8 = 0x0f;

fn isa_device(name: &str, id: &str, resources: Vec<&dyn Aml>) -> Terms {
    Terms(bytes(&Device::new(
        name.into(),
        vec![
            &Name::new("_HID".into(), &EISAName::new(id)),
            &Name::new("_UID".into(), &1u8),
            &Name::new("_STA".into(), &STATUS_THERE),
            &Name::new("_CRS".into(), &ResourceTemplate::new(resources)),
        ],
    )))
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
    fn at<'a>(acpi: &'a AcpiTables, address: u32, signature: &[u8; 4]) -> &'a [u8] {
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
        for base in [0x1ff0_0000, 0x7fe_1234, 0xe_0003] {
            let acpi = tables(base);
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
        let acpi = tables(0x10_0000);
        let rsdt = at(&acpi, dword(&acpi.rsdp, 16), b"RSDT");
        let fadt = at(&acpi, dword(rsdt, 36), b"FACP");
        assert_eq!(fadt.len(), FADT_LEN);
        assert_eq!([dword(fadt, 56), dword(fadt, 64), dword(fadt, 76)], [0x600, 0x604, 0x608]);
        assert_eq!(dword(fadt, 48), 0, "no SMI command: ACPI mode is the only one");
        assert_eq!(dword(fadt, 120), 0xcf9);
    }

    #[test]
    fn dsdt_is_one_scope_to_its_end_with_a_device_for_each_chip() {
        let bytes = dsdt();
        let s5 = 5 + 1 + 8;
        let scope = &bytes[HEADER_LEN + s5..];
        assert_eq!(scope[0], 0x10);
        // A package length of two bytes counts itself.
        assert_eq!(
            (scope[1] >> 6, (scope[1] & 15) as usize | usize::from(scope[2]) << 4),
            (1, scope.len() - 1)
        );
        for name in [b"PCI0", b"ISA_", b"PIC_", b"TMR_", b"RTC_", b"FPU_", b"KBD_", b"COM1"] {
            let device = [&[0x5b, 0x82], &name[..]];
            let at = scope.windows(4).position(|window| window == device[1]).unwrap();
            assert!(scope[at - 4..at].windows(2).any(|op| op == device[0]), "{name:?}");
        }
        // IO (Decode16, 3F8h, 3F8h, 1, 8) and IRQNoFlags () { 4 }, then the end tag.
        let com1 = [0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0];
        assert!(scope.ends_with(&com1));
    }

    #[test]
    fn dsdt_gives_the_sleep_type_that_the_board_takes_for_off() {
        let bytes = dsdt();
        let s5 = [&[0x08], &b"_S5_"[..], &[0x12, 8, 4, 0x0a, pm::S5, 0x0a, pm::S5, 0, 0]].concat();
        assert!(bytes.windows(s5.len()).any(|window| window == s5));
    }
}
