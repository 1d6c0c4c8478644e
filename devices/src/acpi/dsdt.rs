//! The Differentiated System Description Table: sleep types, the PCI root with its windows and interrupt routing, and the
//! devices that a PC's firmware lists.

use super::sdt::bytes;
use crate::addresses::{COM1_BASE, FW_CFG_BASE};
use crate::pm;
use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, Device, EISAName, IO, Name, Package, ResourceTemplate,
    Scope,
};
use acpi_tables::{Aml, AmlSink};

/// Interrupt lines of the ISA bridge's four routing registers, as firmware programs them.
const PIRQ: [u8; 4] = [10, 10, 11, 11];
/// Devices on a PCI bus.
const DEVICES: u32 = 32;
/// Where memory that PCI devices decode ends: the I/O APIC and the ROM lie above.
const WINDOW_END: u32 = 0xfebf_ffff;

/// First address of the memory that PCI devices may decode in a machine with so many bytes of RAM: where firmware begins.
fn window_start(ram_size: u64) -> u32 {
    const STEPS: [u32; 2] = [0x8000_0000, 0xc000_0000];
    STEPS.into_iter().find(|start| ram_size <= u64::from(*start)).unwrap_or(0xe000_0000)
}

/// The definition block of a machine with so many bytes of RAM.
pub(super) fn block(ram_size: u64) -> Vec<u8> {
    let s5 = Package::new(vec![&pm::S5, &pm::S5, &0u8, &0u8]);
    let root = pci_root(ram_size);
    let terms =
        [bytes(&Name::new("_S5_".into(), &s5)), bytes(&Scope::new("\\_SB_".into(), vec![&root]))];
    terms.concat()
}

/// Which interrupt line each device's four pins reach: the pins of neighbours are turned by one.
fn routing() -> Terms {
    let route = |device: u32, pin: u8| {
        let line = PIRQ[(device as usize + usize::from(pin) + 3) % PIRQ.len()];
        let address = device << 16 | 0xffff;
        Terms(bytes(&Package::new(vec![&address, &pin, &0u8, &line])))
    };
    let routes = (0..DEVICES).flat_map(|device| (0..4).map(move |pin| route(device, pin)));
    let routes: Vec<Terms> = routes.collect();
    Terms(bytes(&Package::new(routes.iter().map(|route| route as &dyn Aml).collect())))
}

/// Terms of machine language, as bytes.
struct Terms(Vec<u8>);

impl Aml for Terms {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
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

/// The PCI root bridge and, below it, the ISA bridge with what hangs on it.
fn pci_root(ram_size: u64) -> Terms {
    let cacheable = AddressSpaceCacheable::NotCacheable;
    let windows = Terms(bytes(&ResourceTemplate::new(vec![
        &AddressSpace::<u16>::new_bus_number(0, 0xff),
        &io(0xcf8, 8),
        &AddressSpace::<u16>::new_io(0, 0xcf7, None),
        &AddressSpace::<u16>::new_io(0xd00, 0xffff, None),
        &AddressSpace::<u32>::new_memory(cacheable, true, 0x000a_0000, 0x000b_ffff, None),
        &AddressSpace::<u32>::new_memory(cacheable, true, window_start(ram_size), WINDOW_END, None),
    ])));
    Terms(bytes(&Device::new(
        "PCI0".into(),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0A03")),
            &Name::new("_UID".into(), &0u8),
            &Name::new("_CRS".into(), &windows),
            &Name::new("_PRT".into(), &routing()),
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
            &isa_device("MOU_", "PNP0F13", vec![&IrqNoFlags(12)]),
            &configuration(),
            &isa_device("COM1", "PNP0501", vec![&io(COM1_BASE, 8), &IrqNoFlags(4)]),
        ],
    )))
}

/// The configuration device, by the identifier that its drivers look for.
fn configuration() -> Terms {
    Terms(bytes(&Device::new(
        "FWCF".into(),
        vec![
            &Name::new("_HID".into(), &"QEMU0002"),
            &Name::new("_STA".into(), &STATUS_CONFIGURES),
            &Name::new("_CRS".into(), &ResourceTemplate::new(vec![&io(FW_CFG_BASE, 12)])),
        ],
    )))
}

/// Present, enabled, working, but nothing to show.
const STATUS_CONFIGURES: u8 = 0x0b;
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

    #[test]
    fn one_scope_to_its_end_with_a_device_for_each_chip() {
        let bytes = block(512 << 20);
        let s5 = 5 + 1 + 8;
        let scope = &bytes[s5..];
        assert_eq!(scope[0], 0x10);
        // A package length of two bytes counts itself.
        let [first, second] = [1, 2].map(|at| usize::from(scope[at]));
        assert_eq!((first >> 6, first & 15 | second << 4), (1, scope.len() - 1));
        for name in [
            b"PCI0", b"ISA_", b"PIC_", b"TMR_", b"RTC_", b"FPU_", b"KBD_", b"MOU_", b"FWCF",
            b"COM1",
        ] {
            let at = scope.windows(4).position(|window| window == name).unwrap();
            let before = &scope[at - 6..at];
            assert!(before.windows(2).any(|op| op == [0x5b, 0x82]), "{name:?}");
        }
        // IO (Decode16, 3F8h, 3F8h, 1, 8) and IRQNoFlags () { 4 }, then the end tag.
        let com1 = [0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0];
        assert!(scope.ends_with(&com1));
    }

    #[test]
    fn s5_has_the_sleep_type_that_the_board_takes_for_off() {
        let bytes = block(512 << 20);
        let s5 = [&[0x08], &b"_S5_"[..], &[0x12, 8, 4, 0x0a, pm::S5, 0x0a, pm::S5, 0, 0]].concat();
        assert!(bytes.windows(s5.len()).any(|window| window == s5));
    }

    #[test]
    fn pins_are_routed_as_the_bridge_does() {
        let routes = routing().0;
        // Device 1, pins A to D: PIRQA to PIRQD. Device 3: PIRQC and on.
        for (device, lines) in [(1u32, [10u8, 10, 11, 11]), (3, [11, 11, 10, 10])] {
            for (pin, line) in (0u8..).zip(lines) {
                let address = device << 16 | 0xffff;
                let entry = bytes(&Package::new(vec![&address, &pin, &0u8, &line]));
                assert!(routes.windows(entry.len()).any(|window| window == entry));
            }
        }
    }

    #[test]
    fn the_window_begins_behind_all_ram() {
        assert_eq!(window_start(512 << 20), 0x8000_0000);
        assert_eq!(window_start(2 << 30), 0x8000_0000);
        assert_eq!(window_start((2 << 30) + 4096), 0xc000_0000);
        assert_eq!(window_start(3 << 30), 0xc000_0000);
    }
}
