//! PCI configuration space by mechanism 1, with the two functions a chipset of this age has.
//!
//! An address goes to CF8h, then CFCh..CFFh is a window on the four bytes there. Bus 0 has the host bridge
//! (device 0) and the ISA bridge (device 1); everywhere else nobody answers and reads give all ones.

const FUNCTION_SIZE: usize = 256;
const ENABLE: u32 = 0x8000_0000;

/// The read-only identity of a function, and its command register's writable bits.
struct Identity {
    vendor: u16,
    device: u16,
    /// Base class and subclass.
    class: u16,
    command: u8,
    command_mask: u8,
}

/// 440FX host bridge; PIIX3 ISA bridge.
const FUNCTIONS: [Identity; 2] = [
    Identity { vendor: 0x8086, device: 0x1237, class: 0x0600, command: 6, command_mask: 0x40 },
    Identity { vendor: 0x8086, device: 0x7000, class: 0x0601, command: 7, command_mask: 0x08 },
];

/// Offset from which on registers are the chipset's own: kept as written, without effect.
const OWN_REGISTERS: usize = 0x40;
const COMMAND: usize = 4;

/// The configuration mechanism and the functions behind it.
#[derive(Clone, Debug)]
pub(crate) struct Pci {
    address: u32,
    space: [[u8; FUNCTION_SIZE]; FUNCTIONS.len()],
}

impl Pci {
    /// After reset.
    pub(crate) fn new() -> Self {
        let mut space = [[0; FUNCTION_SIZE]; FUNCTIONS.len()];
        for (bytes, identity) in space.iter_mut().zip(&FUNCTIONS) {
            bytes[0..2].copy_from_slice(&identity.vendor.to_le_bytes());
            bytes[2..4].copy_from_slice(&identity.device.to_le_bytes());
            bytes[COMMAND] = identity.command;
            // Status: medium device select timing.
            bytes[7] = 0x02;
            bytes[0x0a..0x0c].copy_from_slice(&identity.class.to_le_bytes());
        }
        // The ISA bridge routes none of the PIRQ lines.
        space[1][0x60..0x64].fill(0x80);
        Pci { address: 0, space }
    }

    /// Reads the address register (a dword at CF8h).
    pub(crate) fn address(&self) -> u32 {
        self.address
    }

    /// Writes the address register; its reserved bits read 0.
    pub(crate) fn set_address(&mut self, value: u32) {
        self.address = value & 0x80ff_fffc;
    }

    /// Index into `space` and the register's offset, for the byte `window` (0..=3) at the address.
    fn locate(&self, window: u8) -> Option<(usize, usize)> {
        let function = (self.address >> 8 & 0xffff) as usize;
        // Bus 0, function 0 of device N: N shifted by the three function bits.
        let device = function.is_multiple_of(8).then_some(function / 8)?;
        let present = self.address & ENABLE != 0 && device < FUNCTIONS.len();
        present.then_some((device, (self.address & 0xfc) as usize | usize::from(window & 3)))
    }

    /// Reads the byte `window` (0..=3) of the data register.
    pub(crate) fn read(&self, window: u8) -> u8 {
        self.locate(window).map_or(0xff, |(device, offset)| self.space[device][offset])
    }

    /// Writes the byte `window` (0..=3) of the data register.
    pub(crate) fn write(&mut self, window: u8, value: u8) {
        let Some((device, offset)) = self.locate(window) else { return };
        let byte = &mut self.space[device][offset];
        if offset >= OWN_REGISTERS {
            *byte = value;
        } else if offset == COMMAND {
            let identity = &FUNCTIONS[device];
            *byte = identity.command | (value & identity.command_mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read32(pci: &mut Pci, address: u32) -> u32 {
        pci.set_address(address);
        u32::from_le_bytes([0, 1, 2, 3].map(|window| pci.read(window)))
    }

    #[test]
    fn scan_finds_two_bridges_and_nothing_else() {
        let mut pci = Pci::new();
        let found: Vec<(u32, u32)> = (0..0x1_0000)
            .map(|function| (function, read32(&mut pci, ENABLE | function << 8)))
            .filter(|&(_, id)| id != u32::MAX)
            .collect();
        assert_eq!(found, [(0, 0x1237_8086), (8, 0x7000_8086)]);
        assert_eq!(read32(&mut pci, ENABLE | 0x08) >> 16, 0x0600);
        assert_eq!(read32(&mut pci, ENABLE | 0x0808) >> 16, 0x0601);
    }

    #[test]
    fn disabled_mechanism_answers_all_ones() {
        assert_eq!(read32(&mut Pci::new(), 0), u32::MAX);
    }

    #[test]
    fn identity_is_read_only_and_chipset_registers_hold() {
        let mut pci = Pci::new();
        for offset in [0, 4, 8, 0x0c, 0x10, 0x3c, 0x58] {
            pci.set_address(ENABLE | offset);
            (0..4).for_each(|window| pci.write(window, 0xff));
        }
        assert_eq!(read32(&mut pci, ENABLE), 0x1237_8086);
        assert_eq!(read32(&mut pci, ENABLE | 4) & 0xffff, 0x46);
        assert_eq!(read32(&mut pci, ENABLE | 0x10), 0, "no base address registers");
        assert_eq!(read32(&mut pci, ENABLE | 0x58), u32::MAX);
    }
}
