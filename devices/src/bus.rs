//! A bus: which device decodes an address.
//!
//! A bus is a sorted list of address ranges without overlap; a look-up is a binary search. It holds
//! *names* of devices (a small `Copy` value, in practice an enum), not the devices: the board owns
//! those by value, and dispatches on the name with a `match`.

use std::cell::Cell;
use thiserror::Error;

/// Why a range could not be attached to a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BusError {
    /// The range holds no address.
    #[error("range at {first:#x} is empty or runs past the end of the address space")]
    BadRange {
        /// First address asked for.
        first: u64,
    },
    /// Another device already decodes part of the range.
    #[error("range {first:#x}..={last:#x} overlaps {taken_first:#x}..={taken_last:#x}")]
    Overlap {
        /// First address asked for.
        first: u64,
        /// Last address asked for.
        last: u64,
        /// First address of the range in the way.
        taken_first: u64,
        /// Last address of the range in the way.
        taken_last: u64,
    },
}

#[derive(Clone, Copy, Debug)]
struct Range<D> {
    first: u64,
    last: u64,
    device: D,
}

/// What [`Bus::find`] found: the device and where in its range the address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<D> {
    /// The device that decodes the address.
    pub device: D,
    /// The address relative to the first of the device's range.
    pub offset: u64,
    /// Addresses of the range from the one asked for to its end, at least 1.
    pub room: u64,
}

/// A map from address ranges to devices.
#[derive(Clone, Debug)]
pub struct Bus<D> {
    ranges: Vec<Range<D>>,
    /// Index of the range that was found last: the next access is often to the same.
    last: Cell<usize>,
}

impl<D: Copy> Bus<D> {
    /// A bus that nothing hangs on.
    pub const fn new() -> Self {
        Bus { ranges: Vec::new(), last: Cell::new(0) }
    }

    /// Lets `device` decode `len` addresses from `first` on.
    ///
    /// # Errors
    /// [`BusError::BadRange`] for an empty range or one that wraps, [`BusError::Overlap`] if an
    /// address of it is taken; the bus is unchanged then.
    pub fn attach(&mut self, first: u64, len: u64, device: D) -> Result<(), BusError> {
        let last = match len.checked_sub(1).and_then(|rest| first.checked_add(rest)) {
            Some(last) => last,
            None => return Err(BusError::BadRange { first }),
        };
        let at = self.ranges.partition_point(|r| r.last < first);
        if let Some(taken) = self.ranges.get(at).filter(|r| r.first <= last) {
            return Err(BusError::Overlap {
                first,
                last,
                taken_first: taken.first,
                taken_last: taken.last,
            });
        }
        self.ranges.insert(at, Range { first, last, device });
        Ok(())
    }

    /// The device that decodes `address`, if any does.
    pub fn find(&self, address: u64) -> Option<Hit<D>> {
        let decodes = |r: &&Range<D>| r.first <= address && address <= r.last;
        let range = match self.ranges.get(self.last.get()).filter(decodes) {
            Some(range) => range,
            None => {
                let at = self.ranges.partition_point(|r| r.last < address);
                let range = self.ranges.get(at).filter(decodes)?;
                self.last.set(at);
                range
            }
        };
        Some(Hit {
            device: range.device,
            offset: address - range.first,
            room: (range.last - address).saturating_add(1),
        })
    }
}

impl<D: Copy> Default for Bus<D> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_range_and_the_offset() {
        let mut bus = Bus::new();
        bus.attach(0x40, 4, 'p').unwrap();
        bus.attach(0x20, 2, 'm').unwrap();
        bus.attach(0x44, 1, 'x').unwrap();
        assert_eq!(bus.find(0x20), Some(Hit { device: 'm', offset: 0, room: 2 }));
        assert_eq!(bus.find(0x43), Some(Hit { device: 'p', offset: 3, room: 1 }));
        assert_eq!(bus.find(0x44), Some(Hit { device: 'x', offset: 0, room: 1 }));
        for gap in [0, 0x1f, 0x22, 0x3f, 0x45, u64::MAX] {
            assert_eq!(bus.find(gap), None);
        }
    }

    #[test]
    fn overlap_is_refused_and_changes_nothing() {
        let mut bus = Bus::new();
        bus.attach(0x10, 0x10, 1).unwrap();
        for (first, len) in [(0x0f, 2), (0x10, 0x10), (0x1f, 1), (0, 0x100), (0x14, 2)] {
            assert!(matches!(bus.attach(first, len, 2), Err(BusError::Overlap { .. })));
        }
        assert_eq!(bus.find(0x1f).map(|h| h.device), Some(1));
        assert_eq!(bus.find(0x0f), None);
    }

    #[test]
    fn empty_and_wrapping_ranges_are_refused() {
        let mut bus = Bus::new();
        assert_eq!(bus.attach(5, 0, ()), Err(BusError::BadRange { first: 5 }));
        assert_eq!(bus.attach(u64::MAX, 2, ()), Err(BusError::BadRange { first: u64::MAX }));
        assert_eq!(bus.attach(u64::MAX, 1, ()), Ok(()));
        assert!(bus.find(u64::MAX).is_some());
    }
}
