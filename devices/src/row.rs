//! A row: all that the board, the tests and the documentation know of a device.

/// An address space of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// I/O ports, 0..=FFFFh.
    Port,
    /// Physical memory.
    Memory,
}

/// Widths of accesses that a region decodes: the sum of the sizes in bytes (1, 2, 4, 8).
pub type Widths = u8;
/// An eight-bit bus: a wider access is that many byte accesses.
pub const BYTES: Widths = 1;
/// One, two and four bytes each come whole.
pub const WHOLE: Widths = 1 | 2 | 4;

/// A range of addresses that a device decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// What it is.
    pub name: &'static str,
    /// Ports or memory.
    pub space: Space,
    /// First address after reset; `None`: nowhere until the device or its embedder maps it.
    pub base: Option<u64>,
    /// Addresses.
    pub len: u64,
    /// What comes whole. An access of another width, or one that leaves the region, comes as single bytes,
    /// as far as the region decodes those.
    pub widths: Widths,
}

impl Region {
    /// `len` ports from `base` on.
    #[must_use]
    pub const fn ports(name: &'static str, base: u16, len: u64, widths: Widths) -> Region {
        Region { name, space: Space::Port, base: Some(base as u64), len, widths }
    }

    /// `len` ports that a base address register places.
    #[must_use]
    pub const fn movable_ports(name: &'static str, len: u64, widths: Widths) -> Region {
        Region { name, space: Space::Port, base: None, len, widths }
    }

    /// `len` bytes of memory that a base address register places.
    #[must_use]
    pub const fn movable_memory(name: &'static str, len: u64, widths: Widths) -> Region {
        Region { name, space: Space::Memory, base: None, len, widths }
    }

    /// `len` bytes of memory at `base`.
    #[must_use]
    pub const fn memory(name: &'static str, base: u64, len: u64, widths: Widths) -> Region {
        Region { name, space: Space::Memory, base: Some(base), len, widths }
    }
}

/// How a device's request is meant to reach the interrupt controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A rise is a request.
    Edge,
    /// High is a request; devices share the line.
    Level,
}

/// Where an interrupt line leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// To an IRQ, 0..=15.
    Isa(u8),
    /// From the INTx pin of the device's function to one of the bridge's four PIRQ wires, which the guest routes.
    Intx,
}

/// An interrupt line that a device drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it leads.
    pub wire: Wire,
    /// Edge or level.
    pub trigger: Trigger,
}

impl Line {
    /// An edge-triggered line.
    #[must_use]
    pub const fn edge(irq: u8) -> Line {
        Line { wire: Wire::Isa(irq), trigger: Trigger::Edge }
    }

    /// A level-triggered line.
    #[must_use]
    pub const fn level(irq: u8) -> Line {
        Line { wire: Wire::Isa(irq), trigger: Trigger::Level }
    }

    /// The INTx pin of the device's function, shared and level-triggered.
    pub const INTX: Line = Line { wire: Wire::Intx, trigger: Trigger::Level };
}

/// How a device reaches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaKind {
    /// Not at all.
    None,
    /// As a master of the bus; a PCI function only while its bus-master bit is set.
    Master,
    /// On the ISA bus, by this channel of the 8237As (0..=3 bytes, 5..=7 words).
    Isa(u8),
}

/// A base address register: it places a region of the row (PCI 2.2, 6.2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Which of the six, 0..=5.
    pub index: u8,
    /// The region's index in the row. Its length is a power of two: from 4 up to 256 of ports, from 16 of memory.
    pub region: usize,
    /// Whether reads of it, which is memory, have no side effects.
    pub prefetchable: bool,
}

impl Bar {
    /// Register `index` for region `region`, which is not prefetchable.
    #[must_use]
    pub const fn new(index: u8, region: usize) -> Bar {
        Bar { index, region, prefetchable: false }
    }
}

/// Registers of a function's own, from 40h on: values after reset, and which of their bits a guest can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Offset of the first, 40h..=FFh.
    pub offset: u8,
    /// Their values, which must end at FFh or before.
    pub values: &'static [u8],
    /// Bits of each that can be written; those that are missing cannot.
    pub masks: &'static [u8],
}

/// A PCI function's identity and the registers of its own, as after reset (PCI 2.2, 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Device number (0..=31) on bus 0.
    pub device: u8,
    /// Function number (0..=7).
    pub function: u8,
    /// Vendor ID.
    pub vendor_id: u16,
    /// Device ID.
    pub device_id: u16,
    /// Base class and subclass.
    pub class: u16,
    /// Programming interface.
    pub interface: u8,
    /// Revision.
    pub revision: u8,
    /// Subsystem vendor ID and subsystem ID.
    pub subsystem: (u16, u16),
    /// The command register: bits that are always set, and bits that a guest may change.
    pub command: u16,
    /// Which bits of the command register can be written.
    pub command_mask: u16,
    /// The interrupt pin, 1 (INTA#) to 4; 0: none.
    pub pin: u8,
    /// Base address registers.
    pub bars: &'static [Bar],
    /// The region of the row that the expansion ROM's base register places, of 2 KiB or more. Without a ROM
    /// ([`crate::Board::set_rom`]) there is no such register; with one the board answers for the region.
    pub rom: Option<usize>,
    /// Offset of the first capability; 0: none.
    pub capabilities: u8,
    /// Registers of its own.
    pub own: &'static [Own],
    /// The doubleword of them that the device is asked for before the guest reads it
    /// ([`crate::Device::inspected`]); 0: none.
    pub live: u8,
    /// Bits that can be written of those from 40h on that `own` does not name; they are 0 after reset.
    pub spare_mask: u8,
}

impl Function {
    /// A function without identity, registers or pins, at 00.0: what rows start from.
    pub const NONE: Function = Function {
        device: 0,
        function: 0,
        vendor_id: 0xffff,
        device_id: 0xffff,
        class: 0xff00,
        interface: 0,
        revision: 0,
        subsystem: (0, 0),
        command: 0,
        command_mask: 0,
        pin: 0,
        bars: &[],
        rom: None,
        capabilities: 0,
        own: &[],
        live: 0,
        spare_mask: 0,
    };

    /// Decodes ports.
    pub const IO: u16 = 0x0001;
    /// Decodes memory.
    pub const MEMORY: u16 = 0x0002;
    /// May master the bus.
    pub const MASTER: u16 = 0x0004;
    /// Does not drive its interrupt pin (PCI 2.3).
    pub const INTX_OFF: u16 = 0x0400;

    /// Device and function number as a configuration address has them.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.device << 3 | (self.function & 7)
    }
}

/// How often a random test does what to the device, in parts of their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fuzz {
    /// Reads.
    pub read: u8,
    /// Writes.
    pub write: u8,
    /// Steps of time.
    pub time: u8,
}

/// A device as the board mounts it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in saved state and in messages, for ever.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it is built after.
    pub spec: &'static str,
    /// The addresses it decodes; an access names the index here.
    pub regions: &'static [Region],
    /// Its PCI function; `None` for an ISA device.
    pub pci: Option<Function>,
    /// The interrupt lines it drives; [`crate::Ctx::line`] names the index here.
    pub lines: &'static [Line],
    /// Whether it does things by itself: [`crate::Device::deadline`] is asked of no other device.
    pub clocked: bool,
    /// How it reaches memory.
    pub dma: DmaKind,
    /// Version of the state it saves.
    pub version: u32,
    /// Older versions that it loads.
    pub loads: &'static [u32],
    /// Weights of a random test.
    pub fuzz: Fuzz,
}
