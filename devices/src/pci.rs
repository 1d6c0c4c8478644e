//! PCI configuration space by mechanism 1, and the four interrupt wires of bus 0.
//!
//! An address goes to CF8h, then CFCh..CFFh is a window on the four bytes there. The functions on bus 0 are
//! those of the board's rows; everywhere else nobody answers and reads give all ones. A function's INTx pin leads to
//! one of the bridge's wires PIRQA..D, by its device number; each wire leads to the IRQ that the guest routes it to.

mod space;

use crate::row::{Function, Region};
use crate::state::{StateError, check};
use space::Space;

const FUNCTION_SIZE: usize = 256;
/// Bits of the address register that exist.
const ADDRESS: u32 = 0x80ff_fffc;

/// PIRQ wires.
pub(crate) const WIRES: usize = 4;

/// A function in its place.
#[derive(Clone, Debug)]
struct Config {
    /// The device's slot.
    slot: usize,
    /// What it is; with a region for its ROM only once it has one.
    function: Function,
    /// The region for its ROM.
    rom: Option<usize>,
    regions: &'static [Region],
    space: Space,
    /// The device drives its INTx pin.
    asserts: bool,
}

impl Config {
    /// The wire that its pin leads to.
    fn wire(&self) -> Option<usize> {
        let pin = self.function.pin.checked_sub(1)?;
        // As on boards with a PIIX3: INTA# of device 1 is PIRQA.
        Some(usize::from(self.function.device.wrapping_sub(1).wrapping_add(pin)) % WIRES)
    }

    fn drives(&self, wire: usize) -> bool {
        let off = self.space.command() & Function::INTX_OFF != 0;
        self.asserts && !off && self.wire() == Some(wire)
    }
}

/// The configuration mechanism and the functions behind it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pci {
    address: u32,
    functions: Vec<Config>,
    /// IRQ of each PIRQ wire.
    routes: [Option<u8>; WIRES],
    /// What was written since [`Pci::take_written`]: slots and doublewords.
    written: Vec<(usize, u8)>,
    /// The slot whose live doubleword was read since [`Pci::take_asked`].
    asked: Option<usize>,
}

/// What a guest can have changed: the address register, the routes, and the spaces by function number.
pub(crate) type PciState = (u32, [Option<u8>; WIRES], Vec<(u8, Vec<u8>)>);

impl Pci {
    /// Puts the function of the device in `slot` on bus 0; false if its number is taken.
    pub(crate) fn add(
        &mut self,
        slot: usize,
        function: Function,
        regions: &'static [Region],
    ) -> bool {
        let free = self.functions.iter().all(|c| c.function.number() != function.number());
        if free {
            let rom = function.rom;
            let function = Function { rom: None, ..function };
            let space = Space::new(&function, regions);
            self.functions.push(Config { slot, function, rom, regions, space, asserts: false });
            self.mark_multifunction();
        }
        free
    }

    /// The function of the device in `slot` has an expansion ROM from now on, and the base register for it; its
    /// registers are as after a reset. False if it has no room for one.
    pub(crate) fn fit_rom(&mut self, slot: usize) -> bool {
        let Some(config) = self.of_mut(slot) else { return false };
        config.function.rom = config.rom;
        config.space = Space::new(&config.function, config.regions);
        let fitted = config.rom.is_some();
        self.mark_multifunction();
        fitted
    }

    /// Says in the first function of each device with several that there are more: the others' own headers say nothing of it.
    fn mark_multifunction(&mut self) {
        let more = |config: &Config| config.function.function != 0;
        let several: Vec<u8> =
            self.functions.iter().filter(|c| more(c)).map(|c| c.function.device).collect();
        let firsts = self.functions.iter_mut().filter(|c| c.function.function == 0);
        for config in firsts.filter(|c| several.contains(&c.function.device)) {
            config.space.mark_multifunction();
        }
    }

    fn of(&self, slot: usize) -> Option<&Config> {
        self.functions.iter().find(|config| config.slot == slot)
    }

    fn of_mut(&mut self, slot: usize) -> Option<&mut Config> {
        self.functions.iter_mut().find(|config| config.slot == slot)
    }

    /// The reset line. No pin is driven any more.
    pub(crate) fn reset(&mut self) {
        self.address = 0;
        self.routes = [None; WIRES];
        self.written.clear();
        for config in &mut self.functions {
            config.space = Space::new(&config.function, config.regions);
            config.asserts = false;
        }
        self.mark_multifunction();
    }

    /// Whether the function of the device in `slot` has its bus-master bit set.
    pub(crate) fn masters(&self, slot: usize) -> bool {
        self.of(slot).is_some_and(|config| config.space.command() & Function::MASTER != 0)
    }

    /// Where the base address registers of the device in `slot` place its regions.
    pub(crate) fn places(&self, slot: usize) -> Vec<(usize, Option<u64>)> {
        let of = self.of(slot);
        of.map_or_else(Vec::new, |c| c.space.places(&c.function, c.regions).collect())
    }

    /// The register at `offset` of the device in `slot`; all ones if it has no function.
    pub(crate) fn config(&self, slot: usize, offset: u8) -> u8 {
        self.of(slot).map_or(0xff, |config| config.space.read(offset))
    }

    /// The device in `slot` sets a register of its function.
    pub(crate) fn set_config(&mut self, slot: usize, offset: u8, value: u8) {
        if let Some(config) = self.of_mut(slot) {
            config.space.put(offset, value);
        }
    }

    /// The device in `slot` drives the INTx pin of its function, or not. The wire that it leads to.
    pub(crate) fn drive(&mut self, slot: usize, level: bool) -> Option<usize> {
        let config = self.of_mut(slot)?;
        config.asserts = level;
        config.space.set_asking(level);
        config.wire()
    }

    /// Whether the device in `slot` drives its pin.
    pub(crate) fn asserts(&self, slot: usize) -> bool {
        self.of(slot).is_some_and(|config| config.asserts)
    }

    /// The wire that the pin of the device in `slot` leads to.
    pub(crate) fn wire(&self, slot: usize) -> Option<usize> {
        self.of(slot)?.wire()
    }

    /// The level of a wire.
    pub(crate) fn level(&self, wire: usize) -> bool {
        self.functions.iter().any(|config| config.drives(wire))
    }

    /// The IRQ that a wire leads to.
    pub(crate) fn route(&self, wire: usize) -> Option<u8> {
        self.routes.get(wire).copied().flatten()
    }

    /// Routes a wire (0..=3) to `irq`, or nowhere.
    pub(crate) fn set_route(&mut self, wire: usize, irq: Option<u8>) {
        if let Some(route) = self.routes.get_mut(wire) {
            *route = irq;
        }
    }

    /// Whether something was written since [`Pci::take_written`].
    pub(crate) fn is_written(&self) -> bool {
        !self.written.is_empty()
    }

    /// The doublewords that were written, by the slots of their devices.
    pub(crate) fn take_written(&mut self) -> Vec<(usize, u8)> {
        std::mem::take(&mut self.written)
    }

    /// The state.
    pub(crate) fn state(&self) -> PciState {
        let spaces = self.functions.iter();
        let spaces = spaces.map(|c| (c.function.number(), c.space.bytes().to_vec()));
        (self.address, self.routes, spaces.collect())
    }

    /// Takes over `state`, as far as a guest could have written it.
    ///
    /// # Errors
    /// When the functions are not the same.
    pub(crate) fn set_state(&mut self, state: PciState) -> Result<(), StateError> {
        let (address, routes, spaces) = state;
        check(address & !ADDRESS == 0, "PCI address")?;
        check(routes.iter().flatten().all(|irq| *irq < 16), "PCI interrupt route")?;
        check(spaces.len() == self.functions.len(), "number of PCI functions")?;
        self.address = address;
        self.routes = routes;
        for (config, (number, bytes)) in self.functions.iter_mut().zip(spaces) {
            check(config.function.number() == number, "PCI function")?;
            check(bytes.len() == FUNCTION_SIZE, "PCI configuration space")?;
            for (offset, value) in (0..=0xff).zip(bytes) {
                config.space.write(offset, value);
            }
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
    fn locate(&self, window: u8) -> Option<(usize, u8)> {
        let [register, number, bus, enable] = self.address.to_le_bytes();
        if enable & 0x80 == 0 || bus != 0 {
            return None;
        }
        let at = self.functions.iter().position(|config| config.function.number() == number)?;
        Some((at, register & 0xfc | window & 3))
    }

    /// Reads the byte `window` (0..=3) of the data register.
    pub(crate) fn read(&self, window: u8) -> u8 {
        self.locate(window).map_or(0xff, |(at, offset)| self.functions[at].space.read(offset))
    }

    /// Notes that the data register is read from the byte `window` (0..=3) on.
    pub(crate) fn ask(&mut self, window: u8) {
        let Some((at, offset)) = self.locate(window) else { return };
        let config = &self.functions[at];
        let live = config.function.live;
        self.asked = (live != 0 && offset & 0xfc == live).then_some(config.slot);
    }

    /// The slot of the device whose live doubleword was read, once.
    #[inline]
    pub(crate) fn take_asked(&mut self) -> Option<usize> {
        self.asked.take()
    }

    /// Writes the byte `window` (0..=3) of the data register.
    pub(crate) fn write(&mut self, window: u8, value: u8) {
        if let Some((at, offset)) = self.locate(window) {
            let config = &mut self.functions[at];
            config.space.write(offset, value);
            let written = (config.slot, offset & 0xfc);
            if self.written.last() != Some(&written) {
                self.written.push(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Bar, WHOLE};

    const ENABLE: u32 = 0x8000_0000;

    const fn bridge(device: u8, device_id: u16, class: u16, command: u16, mask: u16) -> Function {
        Function {
            device,
            function: 0,
            vendor_id: 0x8086,
            device_id,
            class,
            command,
            command_mask: mask,
            spare_mask: 0xff,
            ..Function::NONE
        }
    }

    fn pci() -> Pci {
        let mut pci = Pci::default();
        assert!(pci.add(0, bridge(0, 0x1237, 0x0600, 6, 0x40), &[]));
        assert!(pci.add(1, bridge(1, 0x7000, 0x0601, 7, 0x08), &[]));
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

    const REGIONS: [Region; 3] = [
        Region::movable_ports("ports", 0x20, WHOLE),
        Region::movable_memory("memory", 0x1000, WHOLE),
        Region::movable_memory("rom", 0x800, WHOLE),
    ];

    /// A card with a base register of ports, one of memory, and a ROM.
    const CARD: Function = Function {
        device: 3,
        command_mask: 0x0407,
        pin: 1,
        bars: &[Bar::new(0, 0), Bar { index: 2, region: 1, prefetchable: true }],
        rom: Some(2),
        ..Function::NONE
    };

    fn write32(pci: &mut Pci, address: u32, value: u32) {
        pci.set_address(address);
        (0..).zip(value.to_le_bytes()).for_each(|(window, byte)| pci.write(window, byte));
    }

    #[test]
    fn base_registers_tell_their_size_and_place_regions() {
        let mut pci = Pci::default();
        assert!(pci.add(7, CARD, &REGIONS));
        let at = |register: u32| ENABLE | 3 << 11 | register;
        write32(&mut pci, at(0x30), u32::MAX);
        assert_eq!(read32(&mut pci, at(0x30)), 0, "there is no ROM yet");
        assert!(pci.fit_rom(7) && !pci.fit_rom(8));
        for (register, size) in [(0x10, 0xffff_ffe1), (0x18, 0xffff_f008), (0x30, 0xffff_f801)] {
            write32(&mut pci, at(register), u32::MAX);
            assert_eq!(read32(&mut pci, at(register)), size, "{register:#x}");
        }
        assert_eq!(pci.places(7), [(0, None), (1, None), (2, None)], "nothing is decoded yet");
        write32(&mut pci, at(0x10), 0xc040);
        write32(&mut pci, at(0x18), 0xfebf_1000);
        write32(&mut pci, at(0x30), 0xfec0_0000);
        write32(&mut pci, at(4), 3);
        assert_eq!(pci.places(7), [(0, Some(0xc040)), (1, Some(0xfebf_1000)), (2, None)]);
        write32(&mut pci, at(0x30), 0xfec0_0001);
        write32(&mut pci, at(4), 2);
        assert_eq!(pci.places(7), [(0, None), (1, Some(0xfebf_1000)), (2, Some(0xfec0_0000))]);
        write32(&mut pci, at(0x18), 0);
        assert_eq!(pci.places(7)[1], (1, None), "one at 0 is nowhere");
    }

    #[test]
    fn a_pin_leads_to_the_wire_of_its_device_unless_it_is_off() {
        let mut pci = Pci::default();
        assert!(pci.add(7, CARD, &REGIONS));
        assert_eq!(pci.drive(7, true), Some(2), "INTA# of device 3 is PIRQC");
        assert_eq!([0, 1, 2, 3].map(|wire| pci.level(wire)), [false, false, true, false]);
        assert_eq!(read32(&mut pci, ENABLE | 3 << 11 | 4) >> 16 & 8, 8, "the status says so");
        write32(&mut pci, ENABLE | 3 << 11 | 4, 0x0400);
        assert!(!pci.level(2) && pci.asserts(7));
    }

    #[test]
    fn the_first_function_of_a_device_says_that_there_are_more() {
        let mut pci = pci();
        assert_eq!(read32(&mut pci, ENABLE | 0x080c) >> 16, 0);
        assert!(pci.add(2, Function { function: 1, ..bridge(1, 1, 1, 0, 0) }, &[]));
        pci.reset();
        assert_eq!(read32(&mut pci, ENABLE | 0x080c) >> 16, 0x80);
        assert_eq!(read32(&mut pci, ENABLE | 0x090c) >> 16, 0, "the second has nothing to say");
        assert_eq!(read32(&mut pci, ENABLE | 0x000c) >> 16, 0, "and a device of one is one");
    }

    #[test]
    fn state_comes_back_as_far_as_a_guest_can_write() {
        let mut pci = pci();
        pci.set_address(ENABLE | 0x58);
        pci.write(0, 0x77);
        let (address, routes, mut spaces) = pci.state();
        spaces[0].1[0] = 0xaa;
        let mut other = self::pci();
        other.set_state((address, routes, spaces)).unwrap();
        assert_eq!(other.state(), pci.state(), "an identity cannot be forged");
        assert!(other.set_state((0, [None; WIRES], Vec::new())).is_err());
        assert!(!other.add(2, bridge(1, 0, 0, 0, 0), &[]), "the number is taken");
    }
}
