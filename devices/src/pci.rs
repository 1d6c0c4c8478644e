//! PCI configuration space by mechanism 1.
//!
//! An address goes to CF8h, then CFCh..CFFh is a window on the four bytes there. The functions on bus 0 are
//! those of the board's rows; everywhere else nobody answers and reads give all ones.

use crate::row::Function;
use crate::state::{StateError, check};

const FUNCTION_SIZE: usize = 256;
/// Bits of the address register that exist.
const ADDRESS: u32 = 0x80ff_fffc;

/// Offset from which on registers are the function's own: kept as written.
const OWN_REGISTERS: usize = 0x40;
const COMMAND: usize = 4;
const COMMAND_MASTER: u8 = 0x04;

/// A function and its registers.
#[derive(Clone, Debug)]
struct Config {
    function: Function,
    space: [u8; FUNCTION_SIZE],
}

impl Config {
    /// The registers after reset.
    fn new(function: Function) -> Self {
        let mut space = [0; FUNCTION_SIZE];
        space[0..2].copy_from_slice(&function.vendor_id.to_le_bytes());
        space[2..4].copy_from_slice(&function.device_id.to_le_bytes());
        space[COMMAND] = function.command;
        // Status: medium device select timing.
        space[7] = 0x02;
        space[0x0a..0x0c].copy_from_slice(&function.class.to_le_bytes());
        for &(offset, value) in function.own {
            space[usize::from(offset)] = value;
        }
        Config { function, space }
    }

    fn write(&mut self, offset: usize, value: u8) {
        if offset >= OWN_REGISTERS {
            self.space[offset] = value;
        } else if offset == COMMAND {
            let function = &self.function;
            self.space[offset] = function.command | (value & function.command_mask);
        }
    }
}

/// The configuration mechanism and the functions behind it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pci {
    address: u32,
    functions: Vec<Config>,
}

/// What a guest can have changed: the address register, and the spaces by function number.
pub(crate) type PciState = (u32, Vec<(u8, Vec<u8>)>);

impl Pci {
    /// Puts a function on bus 0; false if its number is taken.
    pub(crate) fn add(&mut self, function: Function) -> bool {
        let free = self.at(function.number()).is_none();
        if free {
            self.functions.push(Config::new(function));
        }
        free
    }

    fn at(&self, number: u8) -> Option<&Config> {
        self.functions.iter().find(|config| config.function.number() == number)
    }

    /// The reset line.
    pub(crate) fn reset(&mut self) {
        self.address = 0;
        for config in &mut self.functions {
            *config = Config::new(config.function);
        }
    }

    /// Whether function `number` has its bus-master bit set.
    pub(crate) fn masters(&self, number: u8) -> bool {
        self.at(number).is_some_and(|config| config.space[COMMAND] & COMMAND_MASTER != 0)
    }

    /// The state.
    pub(crate) fn state(&self) -> PciState {
        let spaces = self.functions.iter();
        (self.address, spaces.map(|c| (c.function.number(), c.space.to_vec())).collect())
    }

    /// Takes over `state`, as far as a guest could have written it.
    ///
    /// # Errors
    /// When the functions are not the same.
    pub(crate) fn set_state(&mut self, (address, spaces): PciState) -> Result<(), StateError> {
        check(address & !ADDRESS == 0, "PCI address")?;
        check(spaces.len() == self.functions.len(), "number of PCI functions")?;
        self.reset();
        self.address = address;
        for (config, (number, space)) in self.functions.iter_mut().zip(spaces) {
            check(config.function.number() == number, "PCI function")?;
            check(space.len() == FUNCTION_SIZE, "PCI configuration space")?;
            space.iter().enumerate().for_each(|(offset, &value)| config.write(offset, value));
        }
        Ok(())
    }

    /// Reads the address register (a dword at CF8h).
    pub(crate) fn address(&self) -> u32 {
        self.address
    }

    /// Writes the address register; its reserved bits read 0.
    pub(crate) fn set_address(&mut self, value: u32) {
        self.address = value & ADDRESS;
    }

    /// Index into `functions` and the register's offset, for the byte `window` (0..=3) at the address.
    fn locate(&self, window: u8) -> Option<(usize, usize)> {
        let [register, number, bus, enable] = self.address.to_le_bytes();
        if enable & 0x80 == 0 || bus != 0 {
            return None;
        }
        let at = self.functions.iter().position(|config| config.function.number() == number)?;
        Some((at, usize::from(register & 0xfc | window & 3)))
    }

    /// Reads the byte `window` (0..=3) of the data register.
    pub(crate) fn read(&self, window: u8) -> u8 {
        self.locate(window).map_or(0xff, |(at, offset)| self.functions[at].space[offset])
    }

    /// Writes the byte `window` (0..=3) of the data register.
    pub(crate) fn write(&mut self, window: u8, value: u8) {
        if let Some((at, offset)) = self.locate(window) {
            self.functions[at].write(offset, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENABLE: u32 = 0x8000_0000;

    const fn bridge(device: u8, device_id: u16, class: u16, command: u8, mask: u8) -> Function {
        Function {
            device,
            function: 0,
            vendor_id: 0x8086,
            device_id,
            class,
            command,
            command_mask: mask,
            own: &[],
        }
    }

    fn pci() -> Pci {
        let mut pci = Pci::default();
        assert!(pci.add(bridge(0, 0x1237, 0x0600, 6, 0x40)));
        assert!(pci.add(bridge(1, 0x7000, 0x0601, 7, 0x08)));
        pci
    }

    fn read32(pci: &mut Pci, address: u32) -> u32 {
        pci.set_address(address);
        u32::from_le_bytes([0, 1, 2, 3].map(|window| pci.read(window)))
    }

    #[test]
    fn scan_finds_two_bridges_and_nothing_else() {
        let mut pci = pci();
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
        assert_eq!(read32(&mut pci(), 0), u32::MAX);
    }

    #[test]
    fn identity_is_read_only_and_chipset_registers_hold() {
        let mut pci = pci();
        for offset in [0, 4, 8, 0x0c, 0x10, 0x3c, 0x58] {
            pci.set_address(ENABLE | offset);
            (0..4).for_each(|window| pci.write(window, 0xff));
        }
        assert_eq!(read32(&mut pci, ENABLE), 0x1237_8086);
        assert_eq!(read32(&mut pci, ENABLE | 4) & 0xffff, 0x46);
        assert_eq!(read32(&mut pci, ENABLE | 0x10), 0, "no base address registers");
        assert_eq!(read32(&mut pci, ENABLE | 0x58), u32::MAX);
    }

    #[test]
    fn state_comes_back_as_far_as_a_guest_can_write() {
        let mut pci = pci();
        pci.set_address(ENABLE | 0x58);
        pci.write(0, 0x77);
        let (address, mut spaces) = pci.state();
        spaces[0].1[0] = 0xaa;
        let mut other = self::pci();
        other.set_state((address, spaces)).unwrap();
        assert_eq!(other.state(), pci.state(), "an identity cannot be forged");
        assert!(other.set_state((0, Vec::new())).is_err());
        assert!(!other.add(bridge(1, 0, 0, 0, 0)), "the number is taken");
    }
}
