//! A bus: which region of which device decodes an access.
//!
//! A bus is a sorted list of address ranges without overlap, each with a claim for every width; a look-up is
//! a binary search. Two devices may decode the same address if they do so in different widths (the reset
//! register hides in the bytes of the PCI address register, which decodes doublewords). The bus holds
//! *numbers* of devices, not the devices: the board owns those by value. It is built anew when a region
//! moves.

use std::cell::Cell;
use thiserror::Error;

/// Why a bus cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BusError {
    /// The range holds no address.
    #[error("range at {first:#x} is empty or runs past the end of the address space")]
    BadRange {
        /// First address asked for.
        first: u64,
    },
    /// Two devices decode an address in the same width.
    #[error("range {first:#x}..={last:#x} overlaps {taken_first:#x}..={taken_last:#x}")]
    Overlap {
        /// First address of one.
        first: u64,
        /// Last address of one.
        last: u64,
        /// First address of the other.
        taken_first: u64,
        /// Last address of the other.
        taken_last: u64,
    },
}

/// A region that decodes an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// First address of the region.
    pub first: u64,
    /// Last address of the region.
    pub last: u64,
    /// The device's slot.
    pub slot: u8,
    /// The region's index in the device's row.
    pub region: u8,
    /// Widths it decodes, the sum of 1, 2, 4, 8.
    pub widths: u8,
}

impl Claim {
    /// The region that is a device's expansion ROM, for which the board answers.
    pub const ROM: u8 = u8::MAX;

    /// Claims the `len` addresses from `first` on, which must end at `end` or before.
    ///
    /// # Errors
    /// [`BusError::BadRange`] for an empty range or one that leaves the address space.
    pub fn new(first: u64, len: u64, end: u64) -> Result<Claim, BusError> {
        let last = len.checked_sub(1).and_then(|rest| first.checked_add(rest));
        match last.filter(|&last| last <= end) {
            Some(last) => Ok(Claim { first, last, slot: 0, region: 0, widths: 1 }),
            None => Err(BusError::BadRange { first }),
        }
    }

    fn overlap(&self, other: &Claim) -> BusError {
        let (first, last) = (self.first, self.last);
        BusError::Overlap { first, last, taken_first: other.first, taken_last: other.last }
    }
}

/// Addresses that are all claimed alike.
#[derive(Clone, Copy, Debug)]
struct Piece {
    first: u64,
    last: u64,
    /// By the logarithm of the width.
    claims: [Option<Claim>; 4],
}

/// A map from addresses and widths to regions.
#[derive(Clone, Debug, Default)]
pub struct Bus {
    pieces: Vec<Piece>,
    /// Index of the piece that was found last: the next access is often to the same.
    last: Cell<usize>,
}

impl Bus {
    /// A bus with `claims` on it.
    ///
    /// # Errors
    /// [`BusError::Overlap`] if two of them decode an address in the same width.
    pub fn new(claims: &[Claim]) -> Result<Self, BusError> {
        let mut cuts: Vec<u64> = claims.iter().map(|claim| claim.first).collect();
        cuts.extend(claims.iter().filter_map(|claim| claim.last.checked_add(1)));
        cuts.sort_unstable();
        cuts.dedup();
        let mut pieces = Vec::new();
        for (at, &first) in cuts.iter().enumerate() {
            let last = cuts.get(at + 1).map_or(u64::MAX, |next| next - 1);
            let mut piece = Piece { first, last, claims: [None; 4] };
            for claim in claims.iter().filter(|claim| (claim.first..=claim.last).contains(&first)) {
                piece.add(*claim)?;
            }
            if piece.claims != [None; 4] {
                pieces.push(piece);
            }
        }
        Ok(Bus { pieces, last: Cell::new(0) })
    }

    /// The region that decodes an access of `size` (1, 2, 4 or 8) bytes at `address` whole, if any does.
    #[inline]
    pub fn find(&self, address: u64, size: u8) -> Option<Claim> {
        let covers = |piece: &&Piece| piece.first <= address && address <= piece.last;
        let piece = match self.pieces.get(self.last.get()).filter(covers) {
            Some(piece) => piece,
            None => {
                let at = self.pieces.partition_point(|piece| piece.last < address);
                let piece = self.pieces.get(at).filter(covers)?;
                self.last.set(at);
                piece
            }
        };
        let claim = piece.claims[(size.trailing_zeros() & 3) as usize]?;
        (claim.last - address >= u64::from(size) - 1).then_some(claim)
    }
}

impl Piece {
    fn add(&mut self, claim: Claim) -> Result<(), BusError> {
        for (log, place) in self.claims.iter_mut().enumerate() {
            if claim.widths & (1 << log) != 0 {
                match place.replace(claim) {
                    None => {}
                    Some(taken) => return Err(claim.overlap(&taken)),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(first: u64, len: u64, slot: u8, widths: u8) -> Claim {
        Claim { slot, widths, ..Claim::new(first, len, u64::MAX).unwrap() }
    }

    fn found(bus: &Bus, address: u64, size: u8) -> Option<u8> {
        bus.find(address, size).map(|claim| claim.slot)
    }

    #[test]
    fn finds_the_region_by_address_and_width() {
        let bus = Bus::new(&[claim(0x40, 4, 1, 7), claim(0x20, 2, 2, 1), claim(0x44, 1, 3, 1)]);
        let bus = bus.unwrap();
        assert_eq!(bus.find(0x43, 1).map(|claim| (claim.slot, claim.first)), Some((1, 0x40)));
        assert_eq!([0x20, 0x21, 0x44].map(|at| found(&bus, at, 1)), [Some(2), Some(2), Some(3)]);
        assert_eq!(found(&bus, 0x40, 4), Some(1));
        assert_eq!(found(&bus, 0x42, 2), Some(1));
        assert_eq!(found(&bus, 0x43, 2), None, "leaves the region");
        assert_eq!(found(&bus, 0x20, 2), None, "bytes only");
        for gap in [0, 0x1f, 0x22, 0x3f, 0x45, u64::MAX] {
            assert_eq!(found(&bus, gap, 1), None);
        }
    }

    #[test]
    fn widths_of_one_address_can_be_two_devices() {
        let bus = Bus::new(&[claim(0xcf8, 4, 1, 6), claim(0xcf9, 1, 2, 1)]).unwrap();
        assert_eq!(found(&bus, 0xcf8, 4), Some(1));
        assert_eq!(found(&bus, 0xcf9, 1), Some(2));
        assert_eq!(found(&bus, 0xcf9, 2), Some(1));
        assert_eq!(found(&bus, 0xcf8, 1), None);
    }

    #[test]
    fn overlap_is_refused() {
        for (first, len) in [(0x0f, 2), (0x10, 0x10), (0x1f, 1), (0, 0x100), (0x14, 2)] {
            let bus = Bus::new(&[claim(0x10, 0x10, 1, 1), claim(first, len, 2, 1)]);
            assert!(matches!(bus, Err(BusError::Overlap { .. })));
        }
    }

    #[test]
    fn empty_wrapping_and_outlying_ranges_are_refused() {
        for (first, len, end) in [(5, 0, u64::MAX), (u64::MAX, 2, u64::MAX), (0xffff, 2, 0xffff)] {
            assert_eq!(Claim::new(first, len, end), Err(BusError::BadRange { first }));
        }
        let last = Bus::new(&[claim(u64::MAX, 1, 1, 1)]).unwrap();
        assert_eq!(found(&last, u64::MAX, 1), Some(1));
        assert_eq!(found(&last, u64::MAX - 1, 1), None);
    }
}
