//! The table of rows: every device of this crate, in the order of its slots.
//!
//! A new device is a mounting in `mounts` and a row here; buses, reset, saved state, the generic tests and the
//! table in `devices/README.md` follow from the row.

use crate::addresses::{
    COM1_BASE, FIRMWARE_PORT, FW_CFG_BASE, HPET_BASE, IO_APIC_BASE, IRQ_SCI, LOCAL_APIC_BASE,
    PM_BASE, RESET_CONTROL,
};
use crate::config::BoardConfig;
use crate::device::Device;
use crate::link::NicModel;
use crate::mounts::ahci::{AhciFunction, MESSAGE};
use crate::mounts::apm::Apm;
use crate::mounts::coprocessor::Coprocessor;
use crate::mounts::debug_console::DebugConsole;
use crate::mounts::debug_exit::DebugExit;
use crate::mounts::dma::DmaPorts;
use crate::mounts::e1000::{self, E1000Function};
use crate::mounts::fast_a20::FastA20;
use crate::mounts::floppy::FloppyPorts;
use crate::mounts::fw_cfg::FwCfgPorts;
use crate::mounts::hpet::HpetRegisters;
use crate::mounts::ide::Ide;
use crate::mounts::io_apic::IoApicRegisters;
use crate::mounts::keyboard::KeyboardPorts;
use crate::mounts::local_apic::LocalApicPage;
use crate::mounts::parallel::{self, ParallelPort};
use crate::mounts::pci_host::PciHost;
use crate::mounts::pic::PicPorts;
use crate::mounts::pm::{PmPorts, config};
use crate::mounts::post::Post;
use crate::mounts::processor::ProcessorRegisters;
use crate::mounts::reset_control::ResetControl;
use crate::mounts::rtc::RtcPorts;
use crate::mounts::rtl8139::{self, Rtl8139Function};
use crate::mounts::serial::{self, Serial};
use crate::mounts::test_device::{self, TestDevice};
use crate::mounts::timer::Timer;
use crate::mounts::vga::{DISPLAY, VgaPorts};
use crate::mounts::virtio::{self, VirtioFunction};
use crate::pm;
use crate::row::{BYTES, Bar, DmaKind, Function, Fuzz, Line, Own, Region, Row, WHOLE};
use crate::smbus;
use crate::vga;

/// [`Row::id`] of the interrupt controllers.
pub const PIC: &str = "pic";
/// The timer, and the speaker behind it.
pub const TIMER: &str = "timer";
/// The first serial port.
pub const COM1: &str = "com1";
/// The other serial ports, in their order.
pub const MORE_SERIAL: [&str; 3] = ["com2", "com3", "com4"];
/// The parallel port.
pub const LPT1: &str = "lpt1";
/// Power management, and the power button.
pub const PM: &str = "pm";
/// The keyboard controller, its keyboard and its mouse.
pub const KEYBOARD: &str = "keyboard";
/// The debug console.
pub const DEBUG_CONSOLE: &str = "debug-console";
/// The debug-exit port.
pub const DEBUG_EXIT: &str = "debug-exit";
/// The latch between FERR# and IRQ 13.
pub const COPROCESSOR: &str = "coprocessor";
/// The AHCI adapter, whose drives are 0 to 5.
pub const AHCI: &str = "ahci";
/// The IDE function, whose drives are 0 to 3.
pub const IDE: &str = "ide";
/// The floppy controller and its drives, units 0 and 1.
pub const FLOPPY: &str = "floppy";
/// The display adapter.
pub const VGA: &str = "vga";
/// The network adapter that is an Intel 82540EM.
pub const E1000: &str = NicModel::E1000.id();
/// The network adapter that is a Realtek RTL8139C.
pub const RTL8139: &str = NicModel::Rtl8139.id();
/// What kvm-unit-tests expect.
pub const TEST_DEVICE: &str = "test-device";
/// The virtio disks, each of which is unit 0 of its device.
pub const VIRTIO_DISKS: [&str; 4] = ["virtio-blk0", "virtio-blk1", "virtio-blk2", "virtio-blk3"];
/// The virtio console.
pub const VIRTIO_CONSOLE: &str = "virtio-console";
/// The folder of the host's that a guest mounts.
pub const SHARE: &str = "virtio-9p";
/// The local APIC.
pub const LOCAL_APIC: &str = "local-apic";

/// 440FX host bridge.
const HOST_BRIDGE: Function = Function {
    device: 0,
    function: 0,
    vendor_id: 0x8086,
    device_id: 0x1237,
    class: 0x0600,
    // The subsystem by which firmware knows a machine that describes itself by fw_cfg.
    revision: 2,
    subsystem: (0x1af4, 0x1100),
    command: 6,
    command_mask: 0x40,
    // The attributes of shadow RAM (crate::pam).
    own: &[Own {
        offset: 0x59,
        values: &[0; 7],
        masks: &[0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33],
    }],
    spare_mask: 0xff,
    ..Function::NONE
};

/// PIIX3 ISA bridge. After reset it routes none of the PIRQ wires.
const ISA_BRIDGE: Function = Function {
    device: 1,
    function: 0,
    vendor_id: 0x8086,
    device_id: 0x7000,
    class: 0x0601,
    subsystem: (0x1af4, 0x1100),
    command: 7,
    command_mask: 0x08,
    own: &[Own { offset: 0x60, values: &[0x80; 4], masks: &[0x8f; 4] }],
    spare_mask: 0xff,
    ..Function::NONE
};

/// PIIX3 IDE, both of whose channels are decoded after reset, as firmware leaves them.
const IDE_FUNCTION: Function = Function {
    device: 1,
    function: 1,
    vendor_id: 0x8086,
    device_id: 0x7010,
    class: 0x0101,
    // Channels in compatibility mode; it masters the bus.
    interface: 0x80,
    subsystem: (0x1af4, 0x1100),
    command: 0,
    command_mask: Function::IO | Function::MASTER,
    bars: &[Bar::new(4, 4)],
    own: &[Own {
        offset: 0x40,
        values: &[0, 0x80, 0, 0x80, 0],
        masks: &[0xff, 0xf3, 0xff, 0xf3, 0xff],
    }],
    ..Function::NONE
};

/// The AHCI adapter of an ICH9, at device number 31 as there.
const AHCI_FUNCTION: Function = Function {
    device: 31,
    function: 0,
    vendor_id: 0x8086,
    device_id: 0x2922,
    class: 0x0106,
    // AHCI 1.0.
    interface: 0x01,
    revision: 2,
    subsystem: (0x1af4, 0x1100),
    command_mask: Function::MEMORY | Function::MASTER | Function::INTX_OFF,
    pin: 1,
    bars: &[Bar::new(5, 0)],
    capabilities: MESSAGE,
    own: &[Own {
        offset: MESSAGE,
        values: &[0x05, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        masks: &[0, 0, 1, 0, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    }],
    ..Function::NONE
};

/// PIIX4 power management, whose block is at its place after reset. System management interrupts by the ports of advanced
/// power management are said to be on, which keeps firmware from setting up what this machine has not.
const POWER_MANAGEMENT: Function = Function {
    device: 1,
    function: 3,
    vendor_id: 0x8086,
    device_id: 0x7113,
    class: 0x0680,
    revision: 3,
    subsystem: (0x1af4, 0x1100),
    command_mask: Function::IO,
    pin: 1,
    own: &[
        Own {
            offset: config::BLOCK_BASE,
            values: &[PM_BASE.to_le_bytes()[0] | 1, PM_BASE.to_le_bytes()[1], 0, 0],
            masks: &[0xc0, 0xff],
        },
        Own { offset: config::DEVICE_ACTIVITY_B, values: &[0, 0, 0, 2], masks: &[0xff; 4] },
        Own { offset: config::BLOCK_ON, values: &[1], masks: &[1] },
        Own { offset: config::SMBUS_BASE, values: &[1, 0, 0, 0], masks: &[0xf0, 0xff] },
        Own { offset: config::SMBUS_ON, values: &[0], masks: &[0x0f] },
    ],
    spare_mask: 0xff,
    ..Function::NONE
};

/// Accesses and time alike.
const EVEN: Fuzz = Fuzz { read: 2, write: 2, time: 1 };
/// A device of which only accesses matter.
const TIMELESS: Fuzz = Fuzz { read: 1, write: 1, time: 0 };

/// A row, and how to come by its device.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The row.
    pub row: Row,
    /// Whether a board of this configuration has it.
    pub fitted: fn(&BoardConfig) -> bool,
    /// A new one, at power-on at time 0.
    pub make: fn(&BoardConfig) -> Box<dyn Device>,
}

/// What most rows have: no function, lines, clock or DMA, and state of version 1.
const fn row(id: &'static str, title: &'static str, spec: &'static str) -> Row {
    Row {
        id,
        title,
        spec,
        regions: &[],
        pci: None,
        lines: &[],
        clocked: false,
        dma: DmaKind::None,
        version: 1,
        loads: &[],
        fuzz: TIMELESS,
    }
}

/// An entry for a device that needs only its row.
macro_rules! virtio {
    ($row:expr, $fitted:expr, $make:expr) => {
        Entry { row: $row, fitted: $fitted, make: |config| Box::new($make(config)) }
    };
}

/// A serial port behind the first.
macro_rules! serial_port {
    ($n:literal) => {
        Entry {
            row: serial::MORE[$n],
            fitted: |config| config.serials[$n],
            make: |_| Box::new(Serial::new()),
        }
    };
}

fn always(_: &BoardConfig) -> bool {
    true
}

/// The rows.
pub fn all() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().map(|entry| &entry.row)
}

/// The table.
pub static TABLE: &[Entry] = &[
    Entry {
        row: Row {
            regions: &[
                Region::ports("master", 0x20, 2, BYTES),
                Region::ports("slave", 0xa0, 2, BYTES),
                Region::ports("edge/level", 0x4d0, 2, BYTES),
            ],
            ..row(PIC, "Interrupt controllers", "Intel 8259A (231468), two, with the PIIX3's ELCR")
        },
        fitted: always,
        make: |_| Box::new(PicPorts),
    },
    Entry {
        row: Row {
            regions: &[Region::memory("registers", LOCAL_APIC_BASE, 0x1000, 4)],
            clocked: true,
            fuzz: EVEN,
            ..row(LOCAL_APIC, "Local APIC", "SDM volume 3A, chapter 10")
        },
        fitted: |config| config.apic,
        make: |_| Box::new(LocalApicPage::default()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::memory("registers", IO_APIC_BASE, 0x20, 4),
                Region::ports("mode", 0x22, 2, BYTES),
            ],
            ..row(
                "io-apic",
                "I/O APIC and interrupt mode",
                "Intel 82093AA (290566); MP 1.4, 3.6.2.1",
            )
        },
        fitted: |config| config.apic,
        make: |_| Box::new(IoApicRegisters::default()),
    },
    Entry {
        row: row(
            "processor",
            "Memory-type and machine-check registers",
            "SDM volume 3A, 11.11; volume 3B, chapter 15",
        ),
        fitted: |config| config.apic,
        make: |_| Box::new(ProcessorRegisters),
    },
    Entry {
        row: Row {
            regions: &[Region::memory("registers", HPET_BASE, 0x400, 4 | 8)],
            lines: &[Line::edge(0), Line::edge(8)],
            clocked: true,
            // Its messages are writes to memory.
            dma: DmaKind::Master,
            fuzz: EVEN,
            ..row("hpet", "High precision event timers", "IA-PC HPET specification 1.0a")
        },
        fitted: |config| config.apic,
        make: |_| Box::new(HpetRegisters::new()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("value", 0xe0, 4, WHOLE),
                Region::ports("bytes", 0xe8, 1, BYTES),
                Region::ports("interrupt lines", 0x2000, test_device::COUNT, WHOLE),
                Region::memory("memory", 0xff00_0000, test_device::MEMORY as u64, WHOLE | 8),
            ],
            lines: &test_device::DRIVEN,
            ..row(TEST_DEVICE, "Test device", "kvm-unit-tests, lib/x86")
        },
        fitted: |config| config.test_device,
        make: |_| Box::new(TestDevice::new()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("counters", 0x40, 4, BYTES),
                Region::ports("control", 0x61, 1, BYTES),
            ],
            lines: &[Line::edge(0)],
            clocked: true,
            fuzz: EVEN,
            ..row(TIMER, "Timer and port 61h", "Intel 8254 (231164)")
        },
        fitted: always,
        make: |_| Box::new(Timer::new()),
    },
    Entry {
        row: Row {
            regions: &[Region::ports("index and data", 0x70, 2, BYTES)],
            lines: &[Line::edge(8)],
            clocked: true,
            fuzz: EVEN,
            ..row("rtc", "Real-time clock and CMOS", "Motorola MC146818A")
        },
        fitted: always,
        make: |config| Box::new(RtcPorts::new(config)),
    },
    Entry {
        row: Row {
            regions: &[Region::ports("registers", COM1_BASE, 8, BYTES)],
            lines: &[Line::edge(4)],
            ..row(COM1, "First serial port", "National PC16550D")
        },
        fitted: always,
        make: |_| Box::new(Serial::new()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("data", 0x60, 1, BYTES),
                Region::ports("command", 0x64, 1, BYTES),
            ],
            lines: &[Line::edge(1), Line::edge(12)],
            clocked: true,
            version: 2,
            fuzz: EVEN,
            ..row(
                KEYBOARD,
                "Keyboard controller, keyboard and mouse",
                "Intel 8042 as in the IBM PS/2",
            )
        },
        fitted: always,
        make: |_| Box::new(KeyboardPorts::new()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("channels 0-3", 0x00, 16, BYTES),
                Region::ports("channels 4-7", 0xc0, 32, BYTES),
                Region::ports("pages", 0x81, 15, BYTES),
            ],
            version: 2,
            ..row("dma", "DMA controllers", "Intel 8237A (231466), two")
        },
        fitted: always,
        make: |_| Box::new(DmaPorts),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("registers", 0x3f0, 6, BYTES),
                Region::ports("input and control", 0x3f7, 1, BYTES),
            ],
            lines: &[Line::edge(6)],
            clocked: true,
            dma: DmaKind::Isa(2),
            fuzz: EVEN,
            ..row(FLOPPY, "Floppy controller and drives", "Intel 82077AA (290166)")
        },
        fitted: always,
        make: |config| Box::new(FloppyPorts::new(config)),
    },
    Entry {
        row: Row {
            // Words are decoded, and answered with all ones: else their bytes would reach the reset register.
            regions: &[
                Region::ports("address", 0xcf8, 4, 2 | 4),
                Region::ports("data", 0xcfc, 4, WHOLE),
            ],
            pci: Some(HOST_BRIDGE),
            version: 2,
            ..row("pci-host", "PCI host bridge", "PCI 2.2, 3.2.2.3.2; Intel 82441FX (290549)")
        },
        fitted: always,
        make: |_| Box::new(PciHost),
    },
    Entry {
        row: Row {
            regions: &[Region::ports("reset control", RESET_CONTROL, 1, BYTES)],
            pci: Some(ISA_BRIDGE),
            ..row("isa-bridge", "ISA bridge with reset control", "Intel 82371SB (290550)")
        },
        fitted: always,
        make: |_| Box::new(ResetControl::new()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("block", PM_BASE, pm::BLOCK_LEN as u64, WHOLE),
                Region::movable_ports("SMBus", smbus::LEN as u64, BYTES),
            ],
            pci: Some(POWER_MANAGEMENT),
            lines: &[Line::level(IRQ_SCI)],
            clocked: true,
            version: 3,
            loads: &[2],
            fuzz: EVEN,
            ..row(PM, "Power management", "ACPI 2.0, 4.7.3; Intel 82371AB (290562), 7")
        },
        fitted: always,
        make: |_| Box::new(PmPorts::new()),
    },
    Entry {
        row: Row {
            regions: &[Region::ports("code", 0x80, 1, BYTES)],
            ..row("post", "POST codes", "IBM PC/AT")
        },
        fitted: always,
        make: |_| Box::new(Post::new()),
    },
    Entry {
        row: Row {
            regions: &[Region::ports("control", 0x92, 1, BYTES)],
            ..row("fast-a20", "Fast A20 and reset", "IBM PS/2, system control port A")
        },
        fitted: always,
        make: |_| Box::new(FastA20),
    },
    Entry {
        row: Row {
            regions: &[Region::ports("clear", 0xf0, 2, BYTES)],
            lines: &[Line::edge(13)],
            ..row(COPROCESSOR, "Coprocessor error latch", "IBM PC/AT; SDM volume 1, 8.7.2")
        },
        fitted: always,
        make: |_| Box::new(Coprocessor::new()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("byte", 0xe9, 1, BYTES),
                Region::ports("log", 0x402, 1, BYTES),
            ],
            ..row(DEBUG_CONSOLE, "Debug console", "Bochs, port E9h")
        },
        fitted: always,
        make: |_| Box::new(DebugConsole),
    },
    Entry {
        row: Row {
            regions: &[Region::ports("value", 0xf4, 4, WHOLE)],
            ..row(DEBUG_EXIT, "Debug exit", "QEMU isa-debug-exit, with the value as the status")
        },
        fitted: |config| config.debug_exit,
        make: |_| Box::new(DebugExit),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("control", FIRMWARE_PORT, 1, BYTES),
                Region::ports("status", FIRMWARE_PORT + 1, 1, BYTES),
            ],
            ..row("apm", "Power management latches, without SMI", "Intel 82371SB (290550)")
        },
        fitted: always,
        make: |_| Box::new(Apm::default()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("selector", FW_CFG_BASE, 2, 2),
                Region::ports("data", 0x511, 1, BYTES),
                Region::ports("DMA address", 0x514, 8, WHOLE),
            ],
            dma: DmaKind::Master,
            ..row("fw-cfg", "Configuration for firmware", "QEMU fw_cfg specification")
        },
        fitted: always,
        make: |_| Box::new(FwCfgPorts::default()),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("primary", 0x1f0, 8, WHOLE),
                Region::ports("control", 0x3f6, 1, BYTES),
                Region::ports("secondary", 0x170, 8, WHOLE),
                Region::ports("control", 0x376, 1, BYTES),
                Region::movable_ports("bus master", 16, WHOLE),
            ],
            pci: Some(IDE_FUNCTION),
            lines: &[Line::edge(14), Line::edge(15)],
            dma: DmaKind::Master,
            ..row(IDE, "IDE with bus master", "Intel 82371SB (290550), 2.7; ATA/ATAPI-6; MMC-3")
        },
        fitted: |config| config.ide.iter().any(Option::is_some),
        make: |config| Box::new(Ide::new(config)),
    },
    Entry {
        row: Row {
            regions: &[Region::movable_memory("registers", 0x1000, 4)],
            pci: Some(AHCI_FUNCTION),
            lines: &[Line::INTX],
            dma: DmaKind::Master,
            ..row(AHCI, "AHCI adapter", "Serial ATA AHCI 1.3.1; Intel ICH9 (316972)")
        },
        fitted: |config| config.ahci.iter().any(Option::is_some),
        make: |config| Box::new(AhciFunction::new(config)),
    },
    Entry {
        row: Row {
            regions: &[
                Region::ports("monochrome", 0x3b0, 12, BYTES),
                Region::ports("registers", 0x3c0, 32, BYTES),
                Region::ports("display interface", 0x1ce, 4, 1 | 2),
                Region::memory("window", 0xa_0000, 0x2_0000, WHOLE | 8),
                Region::movable_memory("frame buffer", vga::VIDEO, WHOLE | 8),
                Region::movable_memory("mapped registers", 0x1000, WHOLE | 8),
                Region::movable_memory("ROM", vga::ROM_ROOM, WHOLE | 8),
            ],
            pci: Some(DISPLAY),
            ..row(VGA, "Display adapter", "IBM VGA (1987); Bochs VBE DISPI")
        },
        fitted: |config| config.vga,
        make: |_| Box::new(VgaPorts::new()),
    },
    Entry {
        row: e1000::ROW,
        fitted: |config| config.nics.e1000.is_some(),
        make: |config| Box::new(E1000Function::new(config.nics.e1000)),
    },
    Entry {
        row: rtl8139::ROW,
        fitted: |config| config.nics.rtl8139.is_some(),
        make: |config| Box::new(Rtl8139Function::new(config.nics.rtl8139)),
    },
    virtio!(virtio::DISKS[0], |config| config.virtio.disks[0], VirtioFunction::disk::<0>),
    virtio!(virtio::DISKS[1], |config| config.virtio.disks[1], VirtioFunction::disk::<1>),
    virtio!(virtio::DISKS[2], |config| config.virtio.disks[2], VirtioFunction::disk::<2>),
    virtio!(virtio::DISKS[3], |config| config.virtio.disks[3], VirtioFunction::disk::<3>),
    virtio!(virtio::RNG, |config| config.virtio.rng, VirtioFunction::rng),
    virtio!(virtio::CONSOLE, |config| config.virtio.console, VirtioFunction::console),
    virtio!(virtio::BALLOON, |config| config.virtio.balloon.is_some(), VirtioFunction::balloon),
    virtio!(virtio::NET, |config| config.nics.virtio.is_some(), VirtioFunction::net),
    virtio!(virtio::SHARE, |config| config.virtio.share.is_some(), VirtioFunction::share),
    serial_port!(0),
    serial_port!(1),
    serial_port!(2),
    Entry {
        row: parallel::ROW,
        fitted: |config| config.parallel,
        make: |_| Box::new(ParallelPort::new()),
    },
];
