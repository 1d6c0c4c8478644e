//! A function's 256 bytes of configuration space: which of their bits a guest can write, and where its base
//! address registers place regions (PCI 2.2, 6.1 and 6.2.5).

use crate::row::{Bar, Function, Region, Space as Bus};

const SIZE: usize = 256;
/// Offset from which on registers are the function's own.
const OWN: usize = 0x40;
const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const HEADER: usize = 0x0e;
const BARS: usize = 0x10;
const ROM: usize = 0x30;
const LINE: usize = 0x3c;

/// Status: there are capabilities.
const CAPABILITIES: u8 = 0x10;
/// Status: the function asks for an interrupt.
const ASKING: u8 = 0x08;
/// Status, second byte: medium device select timing.
const MEDIUM: u8 = 0x02;
/// A base address register of ports.
const IS_IO: u32 = 1;
/// One of memory that can be prefetched.
const IS_PREFETCHABLE: u32 = 8;
/// The ROM's base register: it is decoded.
const ROM_ON: u32 = 1;

/// The registers.
#[derive(Clone, Debug)]
pub(super) struct Space {
    bytes: [u8; SIZE],
    masks: [u8; SIZE],
}

/// Where a base register of `len` addresses can point, and its low bits that say of what kind it is.
fn base_register(region: &Region, bar: Option<&Bar>) -> (u32, u32) {
    let len = u32::try_from(region.len).unwrap_or(1 << 31).max(4).next_power_of_two();
    let kind = match (bar, region.space) {
        (None, _) => 0,
        (Some(_), Bus::Port) => IS_IO,
        (Some(bar), Bus::Memory) => u32::from(bar.prefetchable) * IS_PREFETCHABLE,
    };
    (!(len - 1), kind)
}

impl Space {
    /// The registers of `function` after reset, whose row has `regions`.
    pub(super) fn new(function: &Function, regions: &[Region]) -> Self {
        let mut space = Space { bytes: [0; SIZE], masks: [0; SIZE] };
        space.set(0x00, &function.vendor_id.to_le_bytes());
        space.set(0x02, &function.device_id.to_le_bytes());
        space.set(COMMAND, &function.command.to_le_bytes());
        space.allow(COMMAND, &(function.command_mask & !function.command).to_le_bytes());
        let capabilities = if function.capabilities != 0 { CAPABILITIES } else { 0 };
        space.set(STATUS, &[capabilities, MEDIUM]);
        space.set(0x08, &[function.revision, function.interface]);
        space.set(0x0a, &function.class.to_le_bytes());
        // Cache line size and latency timer: kept, for firmware that sets them.
        space.allow(0x0c, &[0xff, 0xf8]);
        space.set(0x2c, &function.subsystem.0.to_le_bytes());
        space.set(0x2e, &function.subsystem.1.to_le_bytes());
        space.set(0x34, &[function.capabilities]);
        space.set(LINE + 1, &[function.pin]);
        if function.pin != 0 {
            space.allow(LINE, &[0xff]);
        }
        for bar in function.bars {
            let Some(region) = regions.get(bar.region) else { continue };
            let (mask, kind) = base_register(region, Some(bar));
            let at = BARS + 4 * usize::from(bar.index.min(5));
            space.set(at, &kind.to_le_bytes());
            space.allow(at, &mask.to_le_bytes());
        }
        if let Some(region) = function.rom.and_then(|rom| regions.get(rom)) {
            space.allow(ROM, &(base_register(region, None).0 | ROM_ON).to_le_bytes());
        }
        space.masks[OWN..].fill(function.spare_mask);
        for own in function.own {
            let at = usize::from(own.offset);
            space.set(at, own.values);
            let masks = own.masks.iter().copied().chain(std::iter::repeat(0));
            let masks: Vec<u8> = masks.take(own.values.len()).collect();
            space.allow(at, &masks);
        }
        space
    }

    fn set(&mut self, at: usize, values: &[u8]) {
        self.bytes.iter_mut().skip(at).zip(values).for_each(|(byte, &value)| *byte = value);
    }

    fn allow(&mut self, at: usize, masks: &[u8]) {
        self.masks.iter_mut().skip(at).zip(masks).for_each(|(byte, &mask)| *byte = mask);
    }

    /// The function is the first of several of its device.
    pub(super) fn mark_multifunction(&mut self) {
        self.bytes[HEADER] |= 0x80;
    }

    /// The register at `offset`.
    pub(super) fn read(&self, offset: u8) -> u8 {
        self.bytes[usize::from(offset)]
    }

    /// The guest writes it, as far as it can. True when that changed something.
    pub(super) fn write(&mut self, offset: u8, value: u8) -> bool {
        let (byte, mask) = (&mut self.bytes[usize::from(offset)], self.masks[usize::from(offset)]);
        let before = *byte;
        *byte = before & !mask | value & mask;
        *byte != before
    }

    /// The function's device sets it, whatever the guest could do.
    pub(super) fn put(&mut self, offset: u8, value: u8) {
        self.bytes[usize::from(offset)] = value;
    }

    /// All of them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The command register.
    pub(super) fn command(&self) -> u16 {
        u16::from_le_bytes([self.bytes[COMMAND], self.bytes[COMMAND + 1]])
    }

    /// The status register's interrupt bit.
    pub(super) fn set_asking(&mut self, asking: bool) {
        let status = &mut self.bytes[STATUS];
        *status = if asking { *status | ASKING } else { *status & !ASKING };
    }

    fn word(&self, at: usize) -> u32 {
        (0..4).rev().fold(0, |word, byte| word << 8 | u32::from(self.bytes[at + byte]))
    }

    /// Where the base address registers of `function` place `regions`: index, and first address if it is decoded. One
    /// at 0, or that leaves its space, is not.
    pub(super) fn places<'a>(
        &'a self,
        function: &'a Function,
        regions: &'a [Region],
    ) -> impl Iterator<Item = (usize, Option<u64>)> + 'a {
        let command = self.command();
        let place = move |at: usize, region: &Region, bar: Option<&Bar>| {
            let (mask, _) = base_register(region, bar);
            let (bit, end) = match region.space {
                Bus::Port => (Function::IO, 1 << 16),
                Bus::Memory => (Function::MEMORY, 1 << 32),
            };
            let on = command & bit != 0 && (bar.is_some() || self.word(at) & ROM_ON != 0);
            let base = u64::from(self.word(at) & mask);
            (on && base != 0 && base + region.len <= end).then_some(base)
        };
        let bars = function.bars.iter().filter_map(move |bar| {
            let at = BARS + 4 * usize::from(bar.index.min(5));
            regions.get(bar.region).map(|region| (bar.region, place(at, region, Some(bar))))
        });
        let rom = function.rom.and_then(|rom| regions.get(rom).map(|region| (rom, region)));
        bars.chain(rom.map(|(rom, region)| (rom, place(ROM, region, None))))
    }
}
