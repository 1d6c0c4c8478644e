//! Where each chip is mounted in the I/O port space, and how an access of any width reaches it.
//!
//! Most chips sit on an eight-bit bus: a wider access is that many byte accesses to consecutive ports. A
//! few decode wider ones whole (the PCI address register, the power-management block, debug exit). A port
//! that nobody decodes reads all ones; among them are the second serial line, disks and display.

use crate::board::{Board, BoardEvent};
use crate::bus::{Bus, BusError, Hit};
use crate::clock;
use crate::irq::Chip;
use crate::pm;

/// First port of the ACPI power-management block.
pub(crate) const PM_BASE: u16 = 0x600;
/// First port of COM1.
pub(crate) const COM1_BASE: u16 = 0x3f8;
/// The reset control register, which hides inside the PCI address register.
pub(crate) const RESET_CONTROL: u16 = 0xcf9;

/// Who decodes a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// 8237A, channels 0 to 3.
    Dma1,
    /// 8237A, channels 4 to 7, at every other port.
    Dma2,
    DmaPage,
    Pic(Chip),
    Elcr,
    Pit,
    KeyboardData,
    KeyboardCommand,
    /// Port 61h: speaker, channel 2's gate and output, refresh.
    SystemControl,
    Rtc,
    Post,
    /// Port 92h: fast A20 and reset.
    FastA20,
    /// Port F0h: acknowledges IRQ 13.
    Coprocessor,
    DebugConsole,
    DebugExit,
    Com1,
    Pm,
    PciAddress,
    PciData,
}

/// First port, number of ports, who decodes them.
const MAP: [(u16, u16, Port); 20] = [
    (0x00, 16, Port::Dma1),
    (0x20, 2, Port::Pic(Chip::Master)),
    (0x40, 4, Port::Pit),
    (0x60, 1, Port::KeyboardData),
    (0x61, 1, Port::SystemControl),
    (0x64, 1, Port::KeyboardCommand),
    (0x70, 2, Port::Rtc),
    (0x80, 1, Port::Post),
    (0x81, 15, Port::DmaPage),
    (0x92, 1, Port::FastA20),
    (0xa0, 2, Port::Pic(Chip::Slave)),
    (0xc0, 32, Port::Dma2),
    (0xe9, 1, Port::DebugConsole),
    (0xf0, 2, Port::Coprocessor),
    (0xf4, 4, Port::DebugExit),
    (COM1_BASE, 8, Port::Com1),
    (0x4d0, 2, Port::Elcr),
    (PM_BASE, pm::BLOCK_LEN, Port::Pm),
    (0xcf8, 4, Port::PciAddress),
    (0xcfc, 4, Port::PciData),
];

/// The port space of a PC.
pub(crate) fn map() -> Bus<Port> {
    let mut bus = Bus::new();
    let attached: Result<(), BusError> = MAP
        .iter()
        .try_for_each(|&(first, len, port)| bus.attach(u64::from(first), u64::from(len), port));
    attached.expect("the ranges of the port map are constants and a test attaches them");
    bus
}

fn ones(size: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(size))
}

/// Sizes of port accesses are 1, 2 and 4; anything else is taken for the nearest.
fn legal(size: u8) -> u8 {
    match size {
        0 | 1 => 1,
        2 | 3 => 2,
        _ => 4,
    }
}

impl Board {
    /// Reads `size` (1, 2 or 4) bytes at `port`. What no device decodes reads all ones.
    pub fn port_in(&mut self, now: u64, port: u16, size: u8) -> u32 {
        self.advance(now);
        self.stats.port_reads += 1;
        let size = legal(size);
        match self.decoder(Some(port)) {
            hit if size == 1 && hit.is_none_or(|hit| hit.device != Port::PciAddress) => {
                u32::from(self.byte_in(hit))
            }
            Some(hit) if hit.device == Port::Pm && hit.room >= u64::from(size) => {
                self.pm.read(hit.offset as u16, size, self.now)
            }
            Some(hit) if hit.device == Port::PciAddress => match (hit.offset, size) {
                (0, 4) => self.pci.address(),
                (1, 1) => u32::from(self.reset_control),
                _ => ones(size),
            },
            _ => (0..u16::from(size)).rev().fold(0, |value, byte| {
                let hit = self.decoder(port.checked_add(byte));
                value << 8 | u32::from(self.byte_in(hit))
            }),
        }
    }

    /// Writes the low `size` (1, 2 or 4) bytes of `value` to `port`. What no device decodes is lost.
    pub fn port_out(&mut self, now: u64, port: u16, size: u8, value: u32) {
        self.advance(now);
        self.stats.port_writes += 1;
        let size = legal(size);
        let value = value & ones(size);
        match self.decoder(Some(port)) {
            Some(hit) if hit.device == Port::DebugExit => {
                if self.config.debug_exit {
                    self.event(BoardEvent::DebugExit(value));
                }
            }
            Some(hit) if hit.device == Port::PciAddress => match (hit.offset, size) {
                (0, 4) => self.pci.set_address(value),
                (1, 1) => self.write_reset_control(value as u8),
                _ => {}
            },
            hit if size == 1 => self.byte_out(hit, value as u8),
            _ => {
                let bytes = value.to_le_bytes();
                for (byte, &value) in (0..u16::from(size)).zip(&bytes) {
                    let hit = self.decoder(port.checked_add(byte));
                    self.byte_out(hit, value);
                }
            }
        }
    }

    /// Who decodes `port`, which is `None` past the end of the port space.
    fn decoder(&self, port: Option<u16>) -> Option<Hit<Port>> {
        self.ports.find(u64::from(port?))
    }

    fn byte_in(&mut self, hit: Option<Hit<Port>>) -> u8 {
        let Some(hit) = hit else {
            self.stats.unclaimed_ports += 1;
            return 0xff;
        };
        let offset = hit.offset as u8;
        match hit.device {
            Port::Dma1 => self.dma[0].read(offset),
            Port::Dma2 => self.dma[1].read(offset >> 1),
            Port::DmaPage => self.dma_pages[usize::from(offset & 0x0f)],
            Port::Pic(chip) => self.irqs.read(chip, offset != 0),
            Port::Elcr if offset == 0 => self.irqs.elcr(Chip::Master),
            Port::Elcr => self.irqs.elcr(Chip::Slave),
            Port::Pit => self.pit.read(offset, clock::PIT.ticks(self.now)),
            Port::KeyboardData => {
                let value = self.kbc.read_data();
                self.keyboard_lines();
                value
            }
            Port::KeyboardCommand => self.kbc.status(),
            Port::SystemControl => self.read_system_control(),
            Port::Rtc => {
                let value = self.rtc.read(offset, self.now);
                self.settle();
                value
            }
            Port::Post => self.last_post,
            Port::FastA20 => u8::from(self.a20) << 1,
            Port::DebugConsole => 0xe9,
            Port::Com1 => {
                let value = self.com1.read(offset);
                self.com1_lines();
                value
            }
            Port::Pm => self.pm.read(u16::from(offset), 1, self.now) as u8,
            Port::PciData => self.pci.read(offset),
            Port::Coprocessor | Port::DebugExit | Port::PciAddress => 0xff,
        }
    }

    fn byte_out(&mut self, hit: Option<Hit<Port>>, value: u8) {
        let Some(hit) = hit else {
            self.stats.unclaimed_ports += 1;
            return;
        };
        let offset = hit.offset as u8;
        match hit.device {
            Port::Dma1 => self.dma[0].write(offset, value),
            Port::Dma2 => self.dma[1].write(offset >> 1, value),
            Port::DmaPage => self.dma_pages[usize::from(offset & 0x0f)] = value,
            Port::Pic(chip) => self.irqs.write(chip, offset != 0, value),
            Port::Elcr if offset == 0 => self.irqs.set_elcr(Chip::Master, value),
            Port::Elcr => self.irqs.set_elcr(Chip::Slave, value),
            Port::Pit => {
                self.pit.write(offset, clock::PIT.ticks(self.now), value);
                self.settle();
            }
            Port::KeyboardData => {
                let signal = self.kbc.write_data(value);
                self.keyboard_signal(signal);
            }
            Port::KeyboardCommand => {
                let signal = self.kbc.write_command(value, self.a20);
                self.keyboard_signal(signal);
            }
            Port::SystemControl => {
                self.system_control = value & 0x0f;
                self.pit.set_gate(2, clock::PIT.ticks(self.now), value & 1 != 0);
            }
            Port::Rtc => {
                self.rtc.write(offset, self.now, value);
                self.settle();
            }
            Port::Post => self.post(value),
            Port::FastA20 => self.write_fast_a20(value),
            Port::Coprocessor => self.clear_ferr(),
            Port::DebugConsole => self.debug_output(value),
            Port::Com1 => {
                if let Some(byte) = self.com1.write(offset, value) {
                    self.serial_output(byte);
                }
                self.com1_lines();
            }
            Port::Pm => {
                if self.pm.write(u16::from(offset), value, self.now) {
                    self.event(BoardEvent::PowerOff);
                }
                self.settle();
            }
            Port::PciData => self.pci.write(offset, value),
            Port::DebugExit | Port::PciAddress => {}
        }
    }

    /// Port 61h: bit 4 toggles with every memory refresh (18 ticks), bit 5 is channel 2's OUT.
    fn read_system_control(&mut self) -> u8 {
        let tick = clock::PIT.ticks(self.now);
        let refresh = ((tick / 18) & 1) as u8;
        self.system_control | refresh << 4 | u8::from(self.pit.out(2, tick)) << 5
    }

    /// Port 92h: a one in bit 0 pulses the reset line, bit 1 is the A20 gate.
    fn write_fast_a20(&mut self, value: u8) {
        self.set_a20(value & 2 != 0);
        if value & 1 != 0 {
            self.event(BoardEvent::Reset);
        }
    }

    /// Port CF9h: a rise of bit 2 resets.
    fn write_reset_control(&mut self, value: u8) {
        if value & !self.reset_control & 4 != 0 {
            self.event(BoardEvent::Reset);
        }
        self.reset_control = value & 0x0e;
    }
}
