//! Addresses and page numbers, each a type of its own: a linear address cannot be taken for a physical one.
//!
//! All are 64 bits wide. Outside 64-bit mode a linear address and an instruction pointer have 32 bits, and
//! whoever computes one cuts it with the address mask of the running mode; nothing here does so by itself.

use std::fmt;

/// Bytes of a page, as a power of two.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes of a page.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

macro_rules! word {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// As a number.
            #[inline]
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The low 32 bits: all there is outside 64-bit mode.
            #[inline]
            #[must_use]
            pub const fn low(self) -> u32 {
                self.0 as u32
            }

            /// So many further on, wrapping at 2^64.
            #[inline]
            #[must_use]
            pub const fn plus(self, n: u64) -> Self {
                Self(self.0.wrapping_add(n))
            }

            /// So many further back, wrapping at 0.
            #[inline]
            #[must_use]
            pub const fn minus(self, n: u64) -> Self {
                Self(self.0.wrapping_sub(n))
            }

            /// The bits that `mask` lets through.
            #[inline]
            #[must_use]
            pub const fn masked(self, mask: u64) -> Self {
                Self(self.0 & mask)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl fmt::UpperHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::UpperHex::fmt(&self.0, f)
            }
        }

        impl From<u32> for $name {
            #[inline]
            fn from(value: u32) -> Self {
                Self(u64::from(value))
            }
        }
    };
}

word! {
    /// A linear address: past segmentation, before paging (SDM volume 3A, 3.4).
    Lin
}
word! {
    /// An offset in the code segment: EIP, or RIP in 64-bit mode.
    Pc
}
word! {
    /// A guest-physical address.
    Pa
}
word! {
    /// The number of a page frame: a guest-physical address over 4 KiB.
    Frame
}
word! {
    /// The number of a page of linear addresses: a linear address over 4 KiB.
    Page
}

impl Lin {
    /// The page that holds it.
    #[inline]
    #[must_use]
    pub const fn page(self) -> Page {
        Page(self.0 >> PAGE_SHIFT)
    }

    /// Where in its page it is, 0 to 4095.
    #[inline]
    #[must_use]
    pub const fn in_page(self) -> u64 {
        self.0 & (PAGE_SIZE - 1)
    }

    /// Whether bits 63 to 47 are all alike, as 64-bit mode asks of an address (SDM volume 1, 3.3.7.1).
    #[inline]
    #[must_use]
    pub const fn is_canonical(self) -> bool {
        is_canonical(self.0)
    }
}

impl Pc {
    /// The same of an instruction pointer.
    #[inline]
    #[must_use]
    pub const fn is_canonical(self) -> bool {
        is_canonical(self.0)
    }
}

/// Bits of a linear address that is translated.
const TRANSLATED: u32 = 48;

const fn is_canonical(address: u64) -> bool {
    let unused = 64 - TRANSLATED;
    (address << unused) as i64 >> unused == address as i64
}

impl Pa {
    /// The frame that holds it.
    #[inline]
    #[must_use]
    pub const fn frame(self) -> Frame {
        Frame(self.0 >> PAGE_SHIFT)
    }

    /// Where in its frame it is, 0 to 4095.
    #[inline]
    #[must_use]
    pub const fn in_frame(self) -> u64 {
        self.0 & (PAGE_SIZE - 1)
    }
}

impl Page {
    /// Its first address.
    #[inline]
    #[must_use]
    pub const fn start(self) -> Lin {
        Lin(self.0 << PAGE_SHIFT)
    }
}

impl Frame {
    /// Its first address.
    #[inline]
    #[must_use]
    pub const fn start(self) -> Pa {
        Pa(self.0 << PAGE_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Lin, Pa, Page, Pc};

    #[test]
    fn an_address_is_its_page_and_the_place_in_it() {
        let lin = Lin(0xffff_8000_1234_5678);
        assert_eq!(lin.page(), Page(0xf_fff8_0001_2345));
        assert_eq!(lin.page().start().plus(lin.in_page()), lin);
        let pa = Pa(0x1_2345_6fff);
        assert_eq!((pa.frame(), pa.in_frame()), (Frame(0x12_3456), 0xfff));
        assert_eq!(pa.plus(1).frame().start(), Pa(0x1_2345_7000));
    }

    #[test]
    fn a_canonical_address_has_its_bits_from_47_on_alike() {
        for good in [0, 0x7fff_ffff_ffff, 0xffff_8000_0000_0000, u64::MAX] {
            assert!(Lin(good).is_canonical() && Pc(good).is_canonical(), "{good:x}");
        }
        for bad in [0x8000_0000_0000, 0xffff_7fff_ffff_ffff, 1 << 63, 1 << 48] {
            assert!(!Lin(bad).is_canonical() && !Pc(bad).is_canonical(), "{bad:x}");
        }
    }

    #[test]
    fn sums_wrap_and_a_mask_cuts() {
        assert_eq!(Pc(u64::MAX).plus(2), Pc(1));
        assert_eq!(Lin(0).minus(1).masked(0xffff_ffff), Lin(0xffff_ffff));
        assert_eq!(Lin::from(7u32).low(), 7);
    }
}
