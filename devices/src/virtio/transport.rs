//! The registers that every virtio device has on PCI: those of old drivers, in ports (VIRTIO 1.2, 4.1.4.9), and the common
//! configuration of new ones, in memory (4.1.4.3). Both show the same device.

use super::feature;
use super::msix::VECTORS;
use super::queue::{Part, Virtqueue, VirtqueueState};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bits of the device's status.
pub(crate) const DRIVER_OK: u8 = 4;
pub(crate) const FEATURES_OK: u8 = 8;
pub(crate) const NEEDS_RESET: u8 = 0x40;
/// Bits of the interrupt status: a request was given back, the configuration has changed.
pub(crate) const ISR_RING: u8 = 1;
pub(crate) const ISR_CONFIG: u8 = 2;
/// No message.
const NO_VECTOR: u16 = 0xffff;
/// Where the device's own configuration begins among an old driver's registers: without MSI-X, and with it.
pub(crate) const LEGACY_CONFIG: u64 = 0x14;
pub(crate) const LEGACY_CONFIG_MSIX: u64 = 0x18;

/// What follows from a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    /// The device is reset.
    Reset,
    /// Ring `n` is to be looked at.
    Notify(u16),
}

/// The registers.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) rings: Vec<Virtqueue>,
    pub(crate) isr: u8,
    regs: Registers,
}

/// Those that are plain values.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Registers {
    accepted: u64,
    status: u8,
    generation: u8,
    /// Which half of the features shows.
    device_half: u32,
    driver_half: u32,
    ring: u16,
    config_vector: u16,
    vectors: Vec<u16>,
}

/// What of it is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransportState {
    regs: Registers,
    isr: u8,
    rings: Vec<VirtqueueState>,
}

fn low(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The value as a word.
fn word(value: u64) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}

fn byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

impl Transport {
    /// The registers of a device with rings of these sizes.
    pub(crate) fn new(sizes: &[u16]) -> Self {
        let rings: Vec<_> = sizes.iter().map(|size| Virtqueue::new(*size)).collect();
        let regs = Registers {
            accepted: 0,
            status: 0,
            generation: 0,
            device_half: 0,
            driver_half: 0,
            ring: 0,
            config_vector: NO_VECTOR,
            vectors: vec![NO_VECTOR; rings.len()],
        };
        Transport { rings, isr: 0, regs }
    }

    /// A reset.
    pub(crate) fn reset(&mut self) {
        let vectors = vec![NO_VECTOR; self.rings.len()];
        self.rings.iter_mut().for_each(Virtqueue::reset);
        self.isr = 0;
        self.regs = Registers { vectors, ..Transport::new(&[]).regs };
    }

    /// The features that the driver has accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.regs.accepted
    }

    fn is_modern(&self) -> bool {
        self.regs.accepted & feature::VERSION_1 != 0
    }

    /// Whether requests are served. Old drivers send some before they say that they are ready.
    pub(crate) fn is_live(&self) -> bool {
        let ready = self.regs.status & DRIVER_OK != 0 || !self.is_modern();
        ready && self.regs.status & NEEDS_RESET == 0 && self.regs.status != 0
    }

    /// Whether a driver is there to be told of changes.
    pub(crate) fn is_driven(&self) -> bool {
        self.regs.status & DRIVER_OK != 0
    }

    /// The driver has broken the rules: nothing is served until it resets the device.
    pub(crate) fn fail(&mut self) {
        self.regs.status |= NEEDS_RESET;
        self.regs.generation = self.regs.generation.wrapping_add(1);
    }

    /// The device's configuration has changed.
    pub(crate) fn reconfigured(&mut self) {
        self.regs.generation = self.regs.generation.wrapping_add(1);
    }

    /// The message for ring `ring`, or for changes of the configuration.
    pub(crate) fn vector(&self, ring: Option<usize>) -> u16 {
        match ring {
            Some(ring) => self.regs.vectors.get(ring).copied().unwrap_or(NO_VECTOR),
            None => self.regs.config_vector,
        }
    }

    fn ring(&self) -> Option<&Virtqueue> {
        self.rings.get(usize::from(self.regs.ring))
    }

    fn ring_mut(&mut self) -> Option<&mut Virtqueue> {
        self.rings.get_mut(usize::from(self.regs.ring))
    }

    /// The interrupt status, which a read clears.
    pub(crate) fn take_isr(&mut self) -> u8 {
        std::mem::take(&mut self.isr)
    }

    fn set_status(&mut self, value: u8, offered: u64) -> Effect {
        if value == 0 {
            self.reset();
            return Effect::Reset;
        }
        let mut value = value & !NEEDS_RESET | self.regs.status & NEEDS_RESET;
        let fits = self.regs.accepted & !offered == 0 && self.is_modern();
        if value & FEATURES_OK != 0 && !fits {
            value &= !FEATURES_OK;
        }
        self.regs.status = value;
        let by_index = self.regs.accepted & feature::EVENT_INDEX != 0;
        self.rings.iter_mut().for_each(|ring| ring.set_by_index(by_index));
        Effect::Nothing
    }

    fn set_vector(place: Option<&mut u16>, value: u64) {
        if let Some(place) = place {
            // One that does not exist reads back as none, which tells the driver.
            *place = Some(word(value)).filter(|vector| *vector < VECTORS).unwrap_or(NO_VECTOR);
        }
    }

    /// Reads an old driver's register at `offset`, one of the 24 (with MSI-X) or 20.
    pub(crate) fn legacy_read(&mut self, offset: u64, offered: u64) -> u64 {
        let ring = self.ring();
        match offset {
            0x00 => u64::from(low(offered)),
            0x04 => u64::from(low(self.regs.accepted)),
            0x08 => u64::from(ring.map_or(0, Virtqueue::page)),
            0x0c => u64::from(ring.map_or(0, Virtqueue::size)),
            0x0e => u64::from(self.regs.ring),
            0x12 => u64::from(self.regs.status),
            0x13 => u64::from(self.take_isr()),
            0x14 => u64::from(self.regs.config_vector),
            0x16 => u64::from(self.vector(Some(usize::from(self.regs.ring)))),
            _ => 0,
        }
    }

    /// Writes it.
    pub(crate) fn legacy_write(&mut self, offset: u64, value: u64, offered: u64) -> Effect {
        match offset {
            0x04 if self.regs.status & DRIVER_OK == 0 => {
                self.regs.accepted = value & offered & 0xffff_ffff;
            }
            0x08 => {
                let by_index = self.regs.accepted & feature::EVENT_INDEX != 0;
                if let Some(ring) = self.ring_mut() {
                    ring.set_page(low(value));
                    ring.set_by_index(by_index);
                }
            }
            0x0e => self.regs.ring = word(value),
            0x10 => return Effect::Notify(word(value)),
            0x12 => return self.set_status(byte(value), offered),
            0x14 => Self::set_vector(Some(&mut self.regs.config_vector), value),
            0x16 => {
                Self::set_vector(self.regs.vectors.get_mut(usize::from(self.regs.ring)), value);
            }
            _ => {}
        }
        Effect::Nothing
    }

    /// Reads the common configuration's register at `offset`, which is one's first byte.
    pub(crate) fn read(&self, offset: u64, offered: u64) -> u64 {
        let half = |features: u64, half: u32| match half {
            0 => u64::from(low(features)),
            1 => features >> 32,
            _ => 0,
        };
        let regs = &self.regs;
        let place = |part, high| {
            let place = self.ring().map_or(0, |ring| ring.place(part));
            if high { place >> 32 } else { u64::from(low(place)) }
        };
        match offset {
            0x00 => u64::from(regs.device_half),
            0x04 => half(offered, regs.device_half),
            0x08 => u64::from(regs.driver_half),
            0x0c => half(regs.accepted, regs.driver_half),
            0x10 => u64::from(regs.config_vector),
            0x12 => self.rings.len() as u64,
            0x14 => u64::from(regs.status),
            0x15 => u64::from(regs.generation),
            0x16 => u64::from(regs.ring),
            0x18 => u64::from(self.ring().map_or(0, Virtqueue::size)),
            0x1a => u64::from(self.vector(Some(usize::from(regs.ring)))),
            0x1c => u64::from(self.ring().is_some_and(Virtqueue::is_ready)),
            0x1e => u64::from(regs.ring),
            0x20 | 0x24 => place(Part::Descriptors, offset == 0x24),
            0x28 | 0x2c => place(Part::Available, offset == 0x2c),
            0x30 | 0x34 => place(Part::Used, offset == 0x34),
            _ => 0,
        }
    }

    /// Writes it.
    pub(crate) fn write(&mut self, offset: u64, value: u64, offered: u64) -> Effect {
        let ring = usize::from(self.regs.ring);
        match offset {
            0x00 => self.regs.device_half = low(value),
            0x08 => self.regs.driver_half = low(value),
            0x0c if self.regs.status & FEATURES_OK == 0 => {
                let accepted = &mut self.regs.accepted;
                match self.regs.driver_half {
                    0 => *accepted = *accepted & !0xffff_ffff | u64::from(low(value)),
                    1 => *accepted = *accepted & 0xffff_ffff | u64::from(low(value)) << 32,
                    _ => {}
                }
            }
            0x10 => Self::set_vector(Some(&mut self.regs.config_vector), value),
            0x14 => return self.set_status(byte(value), offered),
            0x16 => self.regs.ring = word(value),
            0x1a => Self::set_vector(self.regs.vectors.get_mut(ring), value),
            _ => self.write_ring(offset, value),
        }
        Effect::Nothing
    }

    /// Writes a register of the selected ring, which takes nothing more once it is set up.
    fn write_ring(&mut self, offset: u64, value: u64) {
        let Some(ring) = self.ring_mut().filter(|ring| !ring.is_ready()) else { return };
        match offset {
            0x18 => ring.set_size(word(value)),
            0x1c if word(value) == 1 => ring.set_ready(true),
            0x20 | 0x24 => ring.set_place(Part::Descriptors, offset == 0x24, low(value)),
            0x28 | 0x2c => ring.set_place(Part::Available, offset == 0x2c, low(value)),
            0x30 | 0x34 => ring.set_place(Part::Used, offset == 0x34, low(value)),
            _ => {}
        }
    }

    pub(crate) fn save(&self) -> TransportState {
        let rings = self.rings.iter().map(Virtqueue::save).collect();
        TransportState { regs: self.regs.clone(), isr: self.isr, rings }
    }

    /// Takes over a state.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn load(&mut self, state: TransportState) -> Result<(), StateError> {
        let count = self.rings.len();
        check(state.rings.len() == count && state.regs.vectors.len() == count, "rings")?;
        let vectors = state.regs.vectors.iter().chain([&state.regs.config_vector]);
        let exist = |vector: &u16| *vector < VECTORS || *vector == NO_VECTOR;
        check(vectors.into_iter().all(exist) && state.isr <= 3, "virtio registers")?;
        for (ring, state) in self.rings.iter_mut().zip(state.rings) {
            ring.load(state)?;
        }
        (self.regs, self.isr) = (state.regs, state.isr);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: u64 = feature::VERSION_1 | feature::EVENT_INDEX | 0x40;

    #[test]
    fn features_are_taken_when_they_were_offered_and_not_changed_afterwards() {
        let mut transport = Transport::new(&[8]);
        transport.write(0x00, 1, OFFERED);
        assert_eq!(transport.read(0x04, OFFERED), 1);
        transport.write(0x0c, 0x40, OFFERED);
        transport.write(0x14, 0x0b, OFFERED);
        assert_eq!(transport.read(0x14, OFFERED), 3, "a new driver accepts VERSION_1");
        transport.write(0x08, 1, OFFERED);
        transport.write(0x0c, 3, OFFERED);
        transport.write(0x14, 0x0b, OFFERED);
        assert_eq!(transport.read(0x14, OFFERED), 3, "one that was not offered");
        transport.write(0x0c, 1, OFFERED);
        transport.write(0x14, 0x0b, OFFERED);
        transport.write(0x0c, 0, OFFERED);
        assert_eq!(transport.read(0x14, OFFERED), 0x0b);
        assert_eq!(transport.accepted(), feature::VERSION_1 | 0x40);
        assert_eq!(transport.write(0x14, 0, OFFERED), Effect::Reset);
        assert_eq!(transport.accepted(), 0);
    }

    #[test]
    fn a_ring_is_set_once_and_by_whole_addresses() {
        let mut transport = Transport::new(&[8, 4]);
        transport.write(0x16, 1, OFFERED);
        for (at, value) in [(0x18, 3), (0x18, 0), (0x18, 2), (0x20, 0x1_2340), (0x24, 1)] {
            transport.write(at, value, OFFERED);
        }
        for (at, value) in [(0x28, 0x11), (0x28, 0x5000), (0x30, 0x6000), (0x1c, 1), (0x20, 0)] {
            transport.write(at, value, OFFERED);
        }
        let found = [0x18, 0x1c, 0x20, 0x24, 0x28, 0x30].map(|at| transport.read(at, OFFERED));
        assert_eq!(found, [2, 1, 0x1_2340, 1, 0x5000, 0x6000]);
        transport.write(0x16, 2, OFFERED);
        assert_eq!([0x18, 0x1c, 0x20].map(|at| transport.read(at, OFFERED)), [0; 3]);
    }

    #[test]
    fn an_old_driver_gives_a_page() {
        let mut transport = Transport::new(&[256]);
        assert_eq!(transport.legacy_read(0, OFFERED), 0x2000_0040);
        transport.legacy_write(4, u64::MAX, OFFERED);
        assert_eq!(transport.accepted(), 0x2000_0040);
        transport.legacy_write(8, 0x123, OFFERED);
        assert_eq!(transport.legacy_read(8, OFFERED), 0x123);
        let places =
            [Part::Descriptors, Part::Available, Part::Used].map(|p| transport.rings[0].place(p));
        assert_eq!(places, [0x12_3000, 0x12_4000, 0x12_5000]);
        transport.legacy_write(8, 0, OFFERED);
        assert_eq!(transport.legacy_read(8, OFFERED), 0);
        assert_eq!(transport.legacy_write(0x10, 0, OFFERED), Effect::Notify(0));
        transport.legacy_write(0x16, 9, OFFERED);
        assert_eq!(transport.legacy_read(0x16, OFFERED), 0xffff, "there is no such message");
    }

    #[test]
    fn a_state_comes_back() {
        let mut transport = Transport::new(&[8]);
        transport.legacy_write(8, 0x123, OFFERED);
        transport.legacy_write(0x12, 7, OFFERED);
        transport.isr = 1;
        let mut other = Transport::new(&[8]);
        other.load(transport.save()).unwrap();
        assert_eq!((other.legacy_read(8, OFFERED), other.legacy_read(0x12, OFFERED)), (0x123, 7));
        assert_eq!((other.take_isr(), other.take_isr()), (1, 0));
        assert!(Transport::new(&[8, 8]).load(transport.save()).is_err());
        assert!(Transport::new(&[4]).load(transport.save()).is_err());
    }
}
