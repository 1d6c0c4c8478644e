//! Page walks: 32-bit paging with 4 MiB pages, PAE with 2 MiB pages and NX (SDM volume 3A, 4.3, 4.4).
//!
//! A walk has two halves. [`Mmu::trace`] only reads: it finds the entries that translate an address,
//! or why none do. [`Mmu::walk`] judges an access against them, raises #PF with its exact error code,
//! and sets accessed and dirty flags when, and only when, the access is permitted.
//!
//! Table addresses pass the A20 gate like any other physical address. A table may lie anywhere: in
//! ROM its flags cannot be set, in MMIO its entries are read through the device.

use crate::ram::Region;
use crate::soft::{Mmu, PhysIo};
use ringer_cpu::exception::pf;
use ringer_cpu::state::{cr0, cr4};
use ringer_cpu::{Access, Exception, PagingRegs, Privilege};

/// IA32_EFER.NXE.
const EFER_NXE: u64 = 1 << 11;

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
const FRAME_PAE: u64 = 0xf_ffff_f000;
/// Bits above the physical address width in a PAE entry, without NX.
const RESERVED_PAE: u64 = !(FRAME_PAE | 0xfff | bit::NX);
/// Reserved bits of a PAE entry for a 2 MiB page.
const RESERVED_2M: u64 = 0x1f_e000;
/// Reserved bits of an entry for a 4 MiB page (no PSE-36).
const RESERVED_4M: u64 = 0x3f_e000;
/// Reserved bits of a PDPTE: a set one raises #GP when CR3 is loaded.
const RESERVED_PDPTE: u64 = RESERVED_PAE | bit::NX | 0x1e6;

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
}

impl Format {
    /// The format that `regs` select.
    #[must_use]
    pub fn of(regs: &PagingRegs) -> Self {
        if regs.cr0 & cr0::PG == 0 {
            Self::Off
        } else if regs.cr4 & cr4::PAE != 0 {
            Self::Pae { nx: regs.efer & EFER_NXE != 0 }
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
        matches!(self, Self::Pae { .. })
    }

    /// Whether a page-directory entry maps a large page.
    pub(crate) fn is_large(self, pde: u64) -> bool {
        match self {
            Self::Off => true,
            Self::Legacy { pse } => pse && pde & bit::PS != 0,
            Self::Pae { .. } => pde & bit::PS != 0,
        }
    }

    /// Whether a present page-directory entry has a reserved bit set.
    pub(crate) fn bad_pde(self, pde: u64) -> bool {
        match self {
            Self::Off => false,
            Self::Legacy { .. } => self.is_large(pde) && pde & RESERVED_4M != 0,
            Self::Pae { .. } => self.bad_pte(pde) || (pde & bit::PS != 0 && pde & RESERVED_2M != 0),
        }
    }

    /// Whether a present page-table entry has a reserved bit set.
    pub(crate) fn bad_pte(self, pte: u64) -> bool {
        match self {
            Self::Pae { nx } => pte & RESERVED_PAE != 0 || (!nx && pte & bit::NX != 0),
            Self::Off | Self::Legacy { .. } => false,
        }
    }

    /// The table or the 4 KiB frame that an entry names.
    pub(crate) fn frame(self, entry: u64) -> u64 {
        if self.wide() { entry & FRAME_PAE } else { entry & 0xffff_f000 }
    }

    /// The large frame that a page-directory entry names.
    pub(crate) fn large_frame(self, pde: u64) -> u64 {
        if self.wide() { pde & FRAME_PAE & !0x1f_ffff } else { pde & 0xffc0_0000 }
    }

    /// Offset of the entry for `lin` in its page directory.
    pub(crate) fn pde_offset(self, lin: u32) -> u64 {
        if self.wide() { u64::from(lin >> 21 & 511) * 8 } else { u64::from(lin >> 22) * 4 }
    }

    /// Offset of the entry for `lin` in its page table.
    pub(crate) fn pte_offset(self, lin: u32) -> u64 {
        if self.wide() { u64::from(lin >> 12 & 511) * 8 } else { u64::from(lin >> 12 & 1023) * 4 }
    }
}

/// A permitted translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one a flag of the entry
pub struct Translation {
    /// Physical address, A20 gate applied.
    pub pa: u64,
    /// The same privilege may write here now (CR0.WP considered).
    pub writable: bool,
    /// User code may access the page.
    pub user: bool,
    /// The leaf entry has its G flag.
    pub global: bool,
    /// A page of 2 or 4 MiB, or no paging.
    pub large: bool,
    /// The dirty flag is set (after this access).
    pub dirty: bool,
    /// Fetches are forbidden.
    pub nx: bool,
}

/// The entries that translate an address, as read: no right was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Physical address of the page-directory entry.
    pub pde_pa: u64,
    /// The page-directory entry.
    pub pde: u64,
    /// Physical address and value of the page-table entry; none for a large page.
    pub pte: Option<(u64, u64)>,
    /// Physical address that the linear address translates to.
    pub pa: u64,
    /// User code may access the page: U/S is set at every level.
    pub user: bool,
    /// R/W is set at every level.
    pub writable: bool,
    /// Fetches are forbidden at some level.
    pub nx: bool,
}

impl Path {
    /// The entry that maps the page.
    #[must_use]
    pub fn leaf(&self) -> u64 {
        self.pte.map_or(self.pde, |(_, pte)| pte)
    }

    /// The leaf's accessed flag is set, and that of the directory entry above it.
    #[must_use]
    pub fn accessed(&self) -> bool {
        self.pde & self.leaf() & bit::A != 0
    }

    /// The leaf's dirty flag is set.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.leaf() & bit::D != 0
    }
}

/// Asks a device for an entry of so many bytes; `None` when devices are not to be asked.
type Device<'a> = dyn FnMut(u64, u8) -> Option<u64> + 'a;

/// Why an address does not translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// An entry is not present.
    NotPresent,
    /// A present entry has a reserved bit set.
    Reserved,
    /// An entry lies outside memory and no device was to be asked.
    Unreadable,
}

impl Mmu {
    /// Translates `lin` for an access; sets accessed and dirty flags as the access does.
    ///
    /// # Errors
    /// #PF with its error code (SDM volume 3A, 4.7) when the access is not permitted; no flag was
    /// set then.
    pub fn walk(
        &mut self,
        io: &mut dyn PhysIo,
        lin: u32,
        access: Access,
        who: Privilege,
    ) -> Result<Translation, Exception> {
        if self.format == Format::Off {
            return Ok(self.identity(lin));
        }
        let traced = self.trace(lin, &mut |pa, size| {
            self.mmio_touched.set(true);
            Some(io.mmio_read(pa, size))
        });
        let path = match traced {
            Ok(path) => path,
            Err(Miss::Reserved) => {
                return Err(self.page_fault(lin, access, who, pf::PRESENT | pf::RESERVED));
            }
            Err(_) => return Err(self.page_fault(lin, access, who, 0)),
        };
        let writable = self.may_write(path.user, path.writable, who);
        let permitted = match access {
            Access::Read => true,
            Access::Write => writable,
            Access::Fetch => !path.nx,
        };
        if !permitted || (who == Privilege::User && !path.user) {
            return Err(self.page_fault(lin, access, who, pf::PRESENT));
        }
        let dirty = self.set_flags(io, &path, access == Access::Write);
        let leaf = path.leaf();
        Ok(Translation {
            pa: path.pa,
            writable,
            user: path.user,
            global: leaf & bit::G != 0,
            large: path.pte.is_none(),
            dirty,
            nx: path.nx,
        })
    }

    /// The entries that translate `lin` now, or `None`; sets nothing and asks no device. Without
    /// paging there are none.
    #[must_use]
    pub fn peek(&self, lin: u32) -> Option<Path> {
        if self.format == Format::Off {
            return None;
        }
        self.trace(lin, &mut |_, _| None).ok()
    }

    /// Whether the entries for `lin` permit an access without any flag being set in them: they are
    /// accessed, and for a write dirty too. False without paging.
    #[must_use]
    pub fn permits_as_it_is(&self, lin: u32, write: bool, user: bool) -> bool {
        let who = if user { Privilege::User } else { Privilege::Supervisor };
        self.peek(lin).is_some_and(|path| {
            let reads = path.accessed() && (path.user || !user);
            let writes = path.dirty() && self.may_write(path.user, path.writable, who);
            reads && (writes || !write)
        })
    }

    fn identity(&self, lin: u32) -> Translation {
        Translation {
            pa: u64::from(lin) & self.a20_mask,
            writable: true,
            user: true,
            global: false,
            large: true,
            dirty: true,
            nx: false,
        }
    }

    /// Whether `who` may write to a page with these rights (SDM volume 3A, 4.6).
    pub(crate) fn may_write(&self, user: bool, writable: bool, who: Privilege) -> bool {
        match who {
            Privilege::User => user && writable,
            Privilege::Supervisor => writable || self.regs.cr0 & cr0::WP == 0,
        }
    }

    /// The physical address of the page directory for `lin`, when there is one.
    pub(crate) fn directory(&self, lin: u32) -> Result<u64, Miss> {
        if !self.format.wide() {
            return Ok(u64::from(self.regs.cr3 & 0xffff_f000));
        }
        let pdpte = self.pdptes[(lin >> 30) as usize];
        if pdpte & bit::P == 0 { Err(Miss::NotPresent) } else { Ok(pdpte & FRAME_PAE) }
    }

    fn trace(&self, lin: u32, device: &mut Device<'_>) -> Result<Path, Miss> {
        let f = self.format;
        let pde_pa = (self.directory(lin)? + f.pde_offset(lin)) & self.a20_mask;
        let pde = self.entry(pde_pa, device)?;
        if pde & bit::P == 0 {
            return Err(Miss::NotPresent);
        }
        if f.bad_pde(pde) {
            return Err(Miss::Reserved);
        }
        if f.is_large(pde) {
            let mask = (1u64 << f.chunk_shift()) - 1;
            let pa = (f.large_frame(pde) | u64::from(lin) & mask) & self.a20_mask;
            return Ok(path(pde_pa, pde, None, pa));
        }
        let pte_pa = (f.frame(pde) + f.pte_offset(lin)) & self.a20_mask;
        let pte = self.entry(pte_pa, device)?;
        if pte & bit::P == 0 {
            return Err(Miss::NotPresent);
        }
        if f.bad_pte(pte) {
            return Err(Miss::Reserved);
        }
        let pa = (f.frame(pte) | u64::from(lin & 0xfff)) & self.a20_mask;
        Ok(path(pde_pa, pde, Some((pte_pa, pte)), pa))
    }

    /// Reads the entry at `pa`.
    fn entry(&self, pa: u64, device: &mut Device<'_>) -> Result<u64, Miss> {
        let wide = self.format.wide();
        match self.memory.region(pa) {
            Region::Ram { offset } | Region::Rom { offset } if wide => {
                Ok(self.memory.entry64(offset))
            }
            Region::Ram { offset } | Region::Rom { offset } => {
                Ok(u64::from(self.memory.entry32(offset)))
            }
            Region::Io if wide => device(pa, 8).ok_or(Miss::Unreadable),
            Region::Io => Ok(device(pa, 4).ok_or(Miss::Unreadable)? & 0xffff_ffff),
        }
    }

    /// Sets the accessed flags of `path`, and the dirty flag for a write. Returns the dirty flag.
    fn set_flags(&mut self, io: &mut dyn PhysIo, path: &Path, write: bool) -> bool {
        let leaf_bits = if write { bit::A | bit::D } else { bit::A };
        if let Some((pte_pa, pte)) = path.pte {
            self.set_entry_bits(io, path.pde_pa, path.pde, bit::A);
            self.set_entry_bits(io, pte_pa, pte, leaf_bits);
        } else {
            self.set_entry_bits(io, path.pde_pa, path.pde, leaf_bits);
        }
        write || path.dirty()
    }

    fn set_entry_bits(&mut self, io: &mut dyn PhysIo, pa: u64, entry: u64, bits: u64) {
        if entry & bits == bits {
            return;
        }
        if let Region::Ram { offset } = self.memory.region(pa) {
            if self.memory.is_code_offset(offset) {
                io.code_write(pa, 4);
            }
            self.memory.set_bits(offset, bits as u32);
            io.flags_set(offset);
        }
    }

    fn page_fault(&self, lin: u32, access: Access, who: Privilege, cause: u32) -> Exception {
        let mut code = cause;
        if access == Access::Write {
            code |= pf::WRITE;
        }
        if who == Privilege::User {
            code |= pf::USER;
        }
        if access == Access::Fetch && self.format == (Format::Pae { nx: true }) {
            code |= pf::FETCH;
        }
        Exception::page_fault(lin, code)
    }

    /// Loads the four PDPTEs for `regs`, if they select PAE paging (SDM volume 3A, 4.4.1).
    ///
    /// # Errors
    /// #GP(0) when a present one has a reserved bit set; the loaded ones stay as they are.
    pub fn load_pdptes(&mut self, io: &mut dyn PhysIo, regs: &PagingRegs) -> Result<(), Exception> {
        if !Format::of(regs).wide() {
            return Ok(());
        }
        let mut loaded = [0; 4];
        for (k, slot) in (0u64..).zip(&mut loaded) {
            let pa = (u64::from(regs.cr3 & 0xffff_ffe0) + k * 8) & self.a20_mask;
            let pdpte = match self.memory.region(pa) {
                Region::Ram { offset } | Region::Rom { offset } => self.memory.entry64(offset),
                Region::Io => io.mmio_read(pa, 8),
            };
            if pdpte & bit::P != 0 && pdpte & RESERVED_PDPTE != 0 {
                return Err(Exception::gp(0));
            }
            *slot = pdpte;
        }
        self.pdptes = loaded;
        Ok(())
    }
}

fn path(pde_pa: u64, pde: u64, pte: Option<(u64, u64)>, pa: u64) -> Path {
    let leaf = pte.map_or(pde, |(_, pte)| pte);
    Path {
        pde_pa,
        pde,
        pte,
        pa,
        user: pde & leaf & bit::US != 0,
        writable: pde & leaf & bit::RW != 0,
        // Where NX does not exist the bit is reserved and was refused, or the entry is 4 bytes.
        nx: (pde | leaf) & bit::NX != 0,
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
