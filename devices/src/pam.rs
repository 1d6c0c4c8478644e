//! The attribute registers of the host bridge (82441FX, PAM0 to PAM6 at 59h): whether reads and writes of memory behind
//! ROMs reach the RAM.
//!
//! Each register has two fields of four bits, of which bit 0 lets reads and bit 1 writes through; the lower one of the
//! first is reserved.

use crate::memory::Shadow;
use std::ops::RangeInclusive;

/// Where the registers are in the configuration space.
pub(crate) const REGISTERS: RangeInclusive<u8> = 0x59..=0x5f;
/// The first, which has one field.
const FIRST: u8 = *REGISTERS.start();

const KIB: u64 = 1 << 10;

/// What the register at `offset` of the configuration space says of memory when it is `value`.
pub(crate) fn shadows(offset: u8, value: u8) -> impl Iterator<Item = Shadow> {
    let field =
        |pa: u64, len: u64, bits: u8| Shadow { pa, len, read: bits & 1 != 0, write: bits & 2 != 0 };
    let (low, high) = match offset {
        FIRST => (None, Some(field(0xf_0000, 64 * KIB, value >> 4))),
        _ if REGISTERS.contains(&offset) => {
            let pa = 0xc_0000 + u64::from(offset - FIRST - 1) * 32 * KIB;
            let high = field(pa + 16 * KIB, 16 * KIB, value >> 4);
            (Some(field(pa, 16 * KIB, value)), Some(high))
        }
        _ => (None, None),
    };
    low.into_iter().chain(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registers_cover_c0000_to_fffff_once() {
        let mut all: Vec<_> = (0..=0xff).flat_map(|offset| shadows(offset, 0)).collect();
        all.sort_by_key(|shadow| shadow.pa);
        assert_eq!(all.len(), 13);
        assert_eq!(all.first().unwrap().pa, 0xc_0000);
        assert!(all.windows(2).all(|pair| pair[0].pa + pair[0].len == pair[1].pa));
        let last = all.last().unwrap();
        assert_eq!((last.pa, last.len), (0xf_0000, 0x1_0000));
    }

    #[test]
    fn a_field_says_what_reaches_the_ram() {
        let of = |offset, value| -> Vec<_> {
            shadows(offset, value).map(|s| (s.pa, s.read, s.write)).collect()
        };
        assert_eq!(of(0x59, 0x10), [(0xf_0000, true, false)]);
        assert_eq!(of(0x5a, 0x23), [(0xc_0000, true, true), (0xc_4000, false, true)]);
        assert_eq!(of(0x5f, 0x33), [(0xe_8000, true, true), (0xe_c000, true, true)]);
    }
}
