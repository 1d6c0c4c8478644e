//! A window in the configuration space through which a driver reaches registers without their base address (VIRTIO 1.2, 4.1.4.9): it
//! names a base address register, an offset and a size, then reads or writes four bytes that stand for what is there. Firmware uses it
//! where it cannot map memory, and iPXE takes no device without it.

use crate::row::{Bar, Region};

/// The capability: the kind is 5, bar, offset and length are the driver's, and so is the data behind them.
pub(crate) const VALUES: [u8; 20] =
    [0x09, 0, 20, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
pub(crate) const MASKS: [u8; 20] = [
    0, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff,
];
const BAR: u8 = 4;
const OFFSET: u8 = 8;
const LENGTH: u8 = 12;
/// Where in it the data is.
pub(crate) const DATA: u8 = 16;

/// What it shows: an access of `size` bytes to a region of the row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) region: usize,
    pub(crate) offset: u64,
    pub(crate) size: u8,
}

fn word(byte: &impl Fn(u8) -> u8, at: u8) -> u32 {
    u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)])
}

/// The data, where `byte` reads the capability.
pub(crate) fn data(byte: impl Fn(u8) -> u8) -> u32 {
    word(&byte, DATA)
}

/// What the driver has written there; nothing if that names no access that `regions`, placed by `bars`, have.
pub(crate) fn aim(byte: impl Fn(u8) -> u8, bars: &[Bar], regions: &[Region]) -> Option<Aim> {
    let bar = bars.iter().find(|bar| bar.index == byte(BAR))?;
    let region = regions.get(bar.region)?;
    let (offset, length) = (u64::from(word(&byte, OFFSET)), word(&byte, LENGTH));
    let size = u8::try_from(length).ok().filter(|size| [1, 2, 4].contains(size))?;
    let inside = offset + u64::from(size) <= region.len && offset.is_multiple_of(u64::from(size));
    (inside && region.widths & size != 0).then_some(Aim { region: bar.region, offset, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::WHOLE;

    const BARS: &[Bar] = &[Bar::new(1, 0), Bar::new(4, 1)];
    const REGIONS: &[Region] =
        &[Region::movable_memory("words", 0x100, 4), Region::movable_memory("all", 0x4000, WHOLE)];

    fn aimed(bar: u8, offset: u32, length: u32) -> Option<(usize, u64, u8)> {
        let mut bytes = VALUES;
        bytes[usize::from(BAR)] = bar;
        bytes[usize::from(OFFSET)..][..4].copy_from_slice(&offset.to_le_bytes());
        bytes[usize::from(LENGTH)..][..4].copy_from_slice(&length.to_le_bytes());
        let aim = aim(|at| bytes[usize::from(at)], BARS, REGIONS)?;
        Some((aim.region, aim.offset, aim.size))
    }

    #[test]
    fn only_accesses_that_a_region_has_are_made() {
        assert_eq!(aimed(4, 0x3ffe, 2), Some((1, 0x3ffe, 2)));
        assert_eq!(aimed(1, 0xfc, 4), Some((0, 0xfc, 4)));
        for wrong in [
            (0, 0, 1),
            (9, 0, 4),
            (1, 0, 2),
            (4, 1, 2),
            (4, 0, 0),
            (4, 0, 3),
            (4, 0, 8),
            (4, 0x4000, 1),
            (4, u32::MAX - 3, 4),
            (4, 0, u32::MAX),
        ] {
            assert_eq!(aimed(wrong.0, wrong.1, wrong.2), None, "{wrong:?}");
        }
    }
}
