//! Paging-structure entries: their bits, and how each paging format reads them (SDM volume 3A, 4.3 to 4.5).

use ringer_cpu::PagingRegs;
use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::state::{cr0, cr4, efer};

/// Bits of paging-structure entries.
pub(crate) mod bit {
    pub const P: u64 = 1 << 0;
    pub const RW: u64 = 1 << 1;
    pub const US: u64 = 1 << 2;
    pub const A: u64 = 1 << 5;
    pub const D: u64 = 1 << 6;
    pub const PS: u64 = 1 << 7;
    pub const G: u64 = 1 << 8;
    pub const NX: u64 = 1 << 63;
}

/// Address bits of an entry that names a table or a 4 KiB page, with 36 physical address bits.
pub(crate) const FRAME_PAE: u64 = 0xf_ffff_f000;
/// Bits above the physical address width in a PAE entry, without NX.
const RESERVED_PAE: u64 = !(FRAME_PAE | 0xfff | bit::NX);
/// Bits above the physical address width in an entry of long mode, where software has those from 52 on.
const RESERVED_LONG: u64 = 0xf_ffff_ffff_ffff & !(FRAME_PAE | 0xfff);
/// Reserved bits of an entry for a 1 GiB page.
const RESERVED_1G: u64 = 0x3fff_e000;
/// Reserved bits of a PAE entry for a 2 MiB page.
const RESERVED_2M: u64 = 0x1f_e000;
/// Reserved bits of an entry for a 4 MiB page (no PSE-36).
const RESERVED_4M: u64 = 0x3f_e000;
/// Reserved bits of a PDPTE: a set one raises #GP when CR3 is loaded.
pub(crate) const RESERVED_PDPTE: u64 = RESERVED_PAE | bit::NX | 0x1e6;

/// How linear addresses translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// CR0.PG = 0: linear is physical.
    Off,
    /// 32-bit paging.
    Legacy {
        /// CR4.PSE: 4 MiB pages exist.
        pse: bool,
    },
    /// PAE paging.
    Pae {
        /// EFER.NXE: pages may forbid fetches.
        nx: bool,
    },
    /// Long mode's paging by four levels.
    Long {
        /// EFER.NXE: pages may forbid fetches.
        nx: bool,
    },
}

/// The two upper levels of long mode's structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upper {
    Pml4,
    /// Whose entries may map pages of 1 GiB.
    Pdpt,
}

impl Upper {
    /// Log2 of the linear space that one entry covers.
    pub(crate) fn shift(self) -> u32 {
        match self {
            Self::Pml4 => 39,
            Self::Pdpt => 30,
        }
    }

    /// Offset of the entry for `lin` in its table.
    pub(crate) fn offset(self, lin: Lin) -> u64 {
        (lin.get() >> self.shift() & 511) * 8
    }

    /// Whether a present entry maps a page.
    pub(crate) fn is_large(self, entry: u64) -> bool {
        self == Self::Pdpt && entry & bit::PS != 0
    }

    /// Whether a present entry has a reserved bit set; `nx`: EFER.NXE.
    pub(crate) fn is_bad(self, entry: u64, nx: bool) -> bool {
        let sized = match self {
            Self::Pml4 => entry & bit::PS != 0,
            Self::Pdpt => entry & bit::PS != 0 && entry & RESERVED_1G != 0,
        };
        sized || entry & RESERVED_LONG != 0 || (!nx && entry & bit::NX != 0)
    }
}

impl Format {
    /// The format that `regs` select.
    #[must_use]
    pub fn of(regs: &PagingRegs) -> Self {
        if regs.cr0 & cr0::PG == 0 {
            Self::Off
        } else if regs.efer & efer::LMA != 0 {
            Self::Long { nx: regs.efer & efer::NXE != 0 }
        } else if regs.cr4 & cr4::PAE != 0 {
            Self::Pae { nx: regs.efer & efer::NXE != 0 }
        } else {
            Self::Legacy { pse: regs.cr4 & cr4::PSE != 0 }
        }
    }

    /// Log2 of the linear space that one page-directory entry covers.
    #[must_use]
    pub(crate) fn chunk_shift(self) -> u32 {
        if self.wide() { 21 } else { 22 }
    }

    /// Entries of 8 bytes, not of 4.
    #[must_use]
    pub(crate) fn wide(self) -> bool {
        matches!(self, Self::Pae { .. } | Self::Long { .. })
    }

    /// The bits that a linear address has. (Compatibility mode's have 32, which segmentation sees to.)
    #[must_use]
    pub(crate) fn linear_mask(self) -> u64 {
        if matches!(self, Self::Long { .. }) { u64::MAX } else { 0xffff_ffff }
    }

    /// EFER.NXE is set, where the format has room for it.
    pub(crate) fn has_nx(self) -> bool {
        matches!(self, Self::Pae { nx: true } | Self::Long { nx: true })
    }

    /// Whether a page-directory entry maps a large page.
    pub(crate) fn is_large(self, pde: u64) -> bool {
        match self {
            Self::Off => true,
            Self::Legacy { pse } => pse && pde & bit::PS != 0,
            Self::Pae { .. } | Self::Long { .. } => pde & bit::PS != 0,
        }
    }

    /// Whether a present page-directory entry has a reserved bit set.
    pub(crate) fn bad_pde(self, pde: u64) -> bool {
        match self {
            Self::Off => false,
            Self::Legacy { .. } => self.is_large(pde) && pde & RESERVED_4M != 0,
            Self::Pae { .. } | Self::Long { .. } => {
                self.bad_pte(pde) || (pde & bit::PS != 0 && pde & RESERVED_2M != 0)
            }
        }
    }

    /// Whether a present page-table entry has a reserved bit set.
    pub(crate) fn bad_pte(self, pte: u64) -> bool {
        match self {
            Self::Pae { nx } => pte & RESERVED_PAE != 0 || (!nx && pte & bit::NX != 0),
            Self::Long { nx } => pte & RESERVED_LONG != 0 || (!nx && pte & bit::NX != 0),
            Self::Off | Self::Legacy { .. } => false,
        }
    }

    /// The table or the 4 KiB frame that an entry names.
    pub(crate) fn frame(self, entry: u64) -> Pa {
        Pa(if self.wide() { entry & FRAME_PAE } else { entry & 0xffff_f000 })
    }

    /// The large frame that a page-directory entry names.
    pub(crate) fn large_frame(self, pde: u64) -> Pa {
        Pa(if self.wide() { pde & FRAME_PAE & !0x1f_ffff } else { pde & 0xffc0_0000 })
    }

    /// Offset of the entry for `lin` in its page directory.
    pub(crate) fn pde_offset(self, lin: Lin) -> u64 {
        if self.wide() { (lin.get() >> 21 & 511) * 8 } else { (lin.get() >> 22 & 1023) * 4 }
    }

    /// Offset of the entry for `lin` in its page table.
    pub(crate) fn pte_offset(self, lin: Lin) -> u64 {
        if self.wide() { (lin.page().get() & 511) * 8 } else { (lin.page().get() & 1023) * 4 }
    }
}
