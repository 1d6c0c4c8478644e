//! Segment registers with their hidden parts (SDM volume 3A, 3.4).

use crate::addr::{Lin, Pc};
use bitflags::bitflags;

/// A segment selector: index, table indicator, requested privilege level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector(pub u16);

impl Selector {
    /// Requested privilege level, 0 to 3.
    #[must_use]
    pub fn rpl(self) -> u8 {
        (self.0 & 3) as u8
    }

    /// True when the selector points into the LDT.
    #[must_use]
    pub fn is_local(self) -> bool {
        self.0 & 4 != 0
    }

    /// Byte offset of the descriptor in its table.
    #[must_use]
    pub fn offset(self) -> u32 {
        u32::from(self.0 & !7)
    }

    /// A null selector: index 0 of the GDT, whatever its RPL.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 & !3 == 0
    }

    /// The selector as an error code: the RPL bits cleared (SDM volume 3A, 6.13).
    #[must_use]
    pub fn error_code(self) -> u32 {
        u32::from(self.0 & !3)
    }
}

bitflags! {
    /// Access rights: bits 8-15 and 20-23 of the descriptor's high dword, shifted right by 8
    /// (the layout of LAR's result >> 8), and an internal bit for a null segment.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SegAttr: u16 {
        /// Accessed (code and data segments).
        const ACCESSED = 1 << 0;
        /// Writable data, or readable code.
        const WRITABLE = 1 << 1;
        /// Expand-down data, or conforming code.
        const EXPAND_DOWN = 1 << 2;
        /// Code segment (with S).
        const CODE = 1 << 3;
        /// S: code or data, not system.
        const S = 1 << 4;
        /// Descriptor privilege level (two bits).
        const DPL = 3 << 5;
        /// Present.
        const PRESENT = 1 << 7;
        /// For software.
        const AVL = 1 << 12;
        /// 64-bit code segment.
        const L = 1 << 13;
        /// D/B: 32-bit default size.
        const DB = 1 << 14;
        /// Limit in units of 4 KiB. (`Segment::limit` is already in bytes.)
        const G = 1 << 15;
        /// Internal: the register holds a null selector; any use raises #GP (SS: #SS).
        const NULL = 1 << 8;
        const _ = !0;
    }
}

impl SegAttr {
    /// The type field, 0 to 15 (SDM volume 3A, tables 3-1 and 3-2).
    #[must_use]
    pub fn kind(self) -> u8 {
        (self.bits() & 15) as u8
    }

    /// The descriptor privilege level, 0 to 3.
    #[must_use]
    pub fn dpl(self) -> u8 {
        ((self.bits() >> 5) & 3) as u8
    }
}

/// A segment register: the selector and the descriptor cache that outlives the descriptor.
///
/// `repr(C)`: translated code reads `selector` and `base` at fixed offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// The visible part.
    pub selector: u16,
    /// Access rights.
    pub attr: SegAttr,
    /// The last valid offset in bytes (expand-down: the last *invalid* one); granularity applied.
    pub limit: u32,
    /// Linear address of offset 0; 32 bits of it outside long mode.
    pub base: Lin,
}

impl Segment {
    /// The segment that real mode and V86 mode give to `selector`: base selector*16, limit 64 KiB,
    /// 16-bit, writable data (V86: DPL 3; see SDM volume 3A, 20.1.1 and 20.2).
    #[must_use]
    pub fn real(selector: u16, dpl: u8) -> Self {
        let attr = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
        Self {
            selector,
            attr: attr | SegAttr::from_bits_retain(u16::from(dpl) << 5),
            limit: 0xffff,
            base: Lin(u64::from(selector) << 4),
        }
    }

    /// What a load of `selector` makes of the descriptor whose bytes 0 to 3 and 4 to 7 are `lo` and `hi`.
    #[must_use]
    #[inline]
    pub fn from_descriptor(selector: u16, lo: u32, hi: u32) -> Self {
        let attr = SegAttr::from_bits_retain((hi >> 8) as u16 & 0xf0ff);
        let raw = (lo & 0xffff) | (hi & 0xf_0000);
        let limit = if attr.contains(SegAttr::G) { (raw << 12) | 0xfff } else { raw };
        let base = (lo >> 16) | ((hi & 0xff) << 16) | (hi & 0xff00_0000);
        Self { selector, attr, limit, base: Lin::from(base) }
    }

    /// The selector as a [`Selector`].
    #[must_use]
    pub fn sel(&self) -> Selector {
        Selector(self.selector)
    }

    /// Whether code at `rip` is inside the limit.
    #[must_use]
    #[inline]
    pub fn reaches(&self, rip: Pc) -> bool {
        rip.get() <= u64::from(self.limit)
    }

    /// D/B: 32-bit operands and addresses (CS), 32-bit stack pointer (SS).
    #[must_use]
    pub fn is_32(&self) -> bool {
        self.attr.contains(SegAttr::DB)
    }

    /// True for base 0, limit 4 GiB, expand-up, present, writable data or any code: offsets are
    /// linear addresses and no limit check can fail.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.base == Lin(0) && self.is_unlimited()
    }

    /// As [`Segment::is_flat`], with any base.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        let a = self.attr;
        let usable = a.contains(SegAttr::PRESENT | SegAttr::S) && !a.contains(SegAttr::NULL);
        let kind_ok = if a.contains(SegAttr::CODE) {
            true
        } else {
            a.contains(SegAttr::WRITABLE) && !a.contains(SegAttr::EXPAND_DOWN)
        };
        usable && kind_ok && self.limit == u32::MAX
    }
}
