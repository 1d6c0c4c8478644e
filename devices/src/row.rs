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
}

/// How a device's request is meant to reach the interrupt controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A rise is a request.
    Edge,
    /// High is a request; devices share the line.
    Level,
}

/// An interrupt line that a device drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// IRQ number, 0..=15.
    pub irq: u8,
    /// Edge or level.
    pub trigger: Trigger,
}

impl Line {
    /// An edge-triggered line.
    #[must_use]
    pub const fn edge(irq: u8) -> Line {
        Line { irq, trigger: Trigger::Edge }
    }

    /// A level-triggered line.
    #[must_use]
    pub const fn level(irq: u8) -> Line {
        Line { irq, trigger: Trigger::Level }
    }
}

/// How a device reaches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaKind {
    /// Not at all.
    None,
    /// As a master of the bus; a PCI function only while its bus-master bit is set.
    Master,
}

/// A PCI function's identity and the registers of its own, as after reset.
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
    /// The command register: bits that are always set, and bits that a guest may change.
    pub command: u8,
    /// Which bits of the command register can be written.
    pub command_mask: u8,
    /// Registers from 40h on that are not 0 after reset: offset and value. All of them keep what is
    /// written.
    pub own: &'static [(u8, u8)],
}

impl Function {
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
