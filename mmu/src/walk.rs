//! Page walks: 32-bit paging with 4 MiB pages, PAE with 2 MiB pages and NX, and long mode's four levels (SDM volume 3A, 4.3 to
//! 4.5).
//!
//! A walk has two halves. Tracing only reads: it finds the entries that translate an address, or why
//! none do. [`Paging::walk`] judges an access against them, raises #PF with its exact error code,
//! and sets accessed and dirty flags when, and only when, the access is permitted.
//!
//! Table addresses pass the A20 gate like any other physical address. A table may lie anywhere: in
//! ROM its flags cannot be set, in MMIO its entries are read through the device.

use crate::format::{FRAME_PAE, Format, RESERVED_PDPTE, Upper, bit};
use crate::phys::PhysIo;
use crate::ram::{GuestMemory, Region};
use crate::watch::{Watched, Watchpoint};
use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::exception::pf;
use ringer_cpu::state::{cr0, cr4};
use ringer_cpu::{Access, Exception, PagingRegs, Privilege};
use serde::{Deserialize, Serialize};

/// Physical addresses with A20 closed: bit 20 is always 0.
const A20_CLOSED: u64 = !(1 << 20);

/// What one processor's translation of addresses depends on, besides memory: its paging registers, the PDPTEs that it
/// loaded from memory, the A20 gate, and which bytes are watched.
#[derive(Clone, Debug)]
pub struct Paging {
    pub(crate) regs: PagingRegs,
    pub(crate) format: Format,
    pub(crate) pdptes: [u64; 4],
    pub(crate) a20_mask: u64,
    pub(crate) watched: Watched,
}

/// A permitted translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one a flag of the entry
pub struct PageTranslation {
    /// Physical address, A20 gate applied.
    pub pa: Pa,
    /// The same privilege may write here now (CR0.WP considered).
    pub writable: bool,
    /// User code may access the page.
    pub user: bool,
    /// The leaf entry has its G flag.
    pub global: bool,
    /// A page of 2 or 4 MiB or of 1 GiB, or no paging.
    pub large: bool,
    /// A page of 1 GiB.
    pub giant: bool,
    /// The dirty flag is set (after this access).
    pub dirty: bool,
    /// Fetches are forbidden to whom the access was.
    pub nx: bool,
    /// Data is forbidden to whom the access was, a fetch.
    pub no_data: bool,
}

/// The entries that translate an address, as read: no right was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Long mode's entries above the page-directory entry, with their physical addresses: first the PML4 entry.
    pub above: [Option<(Pa, u64)>; 2],
    /// Physical address of the page-directory entry; for a page of 1 GiB of the entry that maps it.
    pub pde_pa: Pa,
    /// That entry.
    pub pde: u64,
    /// Physical address and value of the page-table entry; none for a large page.
    pub pte: Option<(Pa, u64)>,
    /// Physical address that the linear address translates to.
    pub pa: Pa,
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

    /// The leaf's accessed flag is set, and those of the entries above it.
    #[must_use]
    pub fn accessed(&self) -> bool {
        self.all_above() & self.pde & self.leaf() & bit::A != 0
    }

    /// Whether a page of 1 GiB maps the address: in long mode, an entry right below the PML4's.
    fn is_giant(&self, format: Format) -> bool {
        matches!(format, Format::Long { .. }) && self.pte.is_none() && self.above[1].is_none()
    }

    /// The flags that all entries above the directory's have.
    fn all_above(&self) -> u64 {
        self.above.iter().flatten().fold(u64::MAX, |all, (_, entry)| all & entry)
    }

    /// The leaf's dirty flag is set.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.leaf() & bit::D != 0
    }
}

/// Asks a device for an entry of so many bytes; `None` when devices are not to be asked.
type Device<'a> = dyn FnMut(Pa, u8) -> Option<u64> + 'a;

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

/// What of [`Paging`] is in no register that the processor's own state holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagingState {
    /// The PDPTEs, as they were loaded (SDM volume 3A, 4.4.1).
    pub pdptes: [u64; 4],
    /// The A20 gate is open.
    pub a20: bool,
}

impl Paging {
    /// The state after reset: paging off, A20 open.
    #[must_use]
    pub fn new() -> Self {
        Self {
            regs: PagingRegs::default(),
            format: Format::Off,
            pdptes: [0; 4],
            a20_mask: u64::MAX,
            watched: Watched::default(),
        }
    }

    /// Long mode's paging, whose linear addresses have 48 bits.
    #[must_use]
    pub fn is_long(&self) -> bool {
        matches!(self.format, Format::Long { .. })
    }

    /// The paging registers in force.
    #[must_use]
    pub fn regs(&self) -> &PagingRegs {
        &self.regs
    }

    /// Whether the A20 gate is open.
    #[must_use]
    pub fn a20(&self) -> bool {
        self.a20_mask == u64::MAX
    }

    /// The bytes whose accesses somebody wants to know of.
    #[must_use]
    pub fn watchpoints(&self) -> &[Watchpoint] {
        self.watched.places()
    }

    /// What is to save.
    #[must_use]
    pub fn state(&self) -> PagingState {
        PagingState { pdptes: self.pdptes, a20: self.a20() }
    }

    /// As saved, with the paging registers that go with it; what was remembered of translations is stale then. PDPTEs
    /// that no MOV to CR3 would have loaded are not present.
    pub(crate) fn load_state(&mut self, state: &PagingState, regs: &PagingRegs) {
        let good = |pdpte: u64| pdpte & bit::P == 0 || pdpte & RESERVED_PDPTE == 0;
        self.pdptes = state.pdptes.map(|pdpte| if good(pdpte) { pdpte } else { 0 });
        self.set_a20(state.a20);
        self.set_regs(regs);
    }

    /// The bits that a linear address has in the running mode.
    pub(crate) fn linear_mask(&self) -> u64 {
        self.format.linear_mask()
    }

    /// Takes changed paging registers over; what was remembered of translations is stale then.
    pub(crate) fn set_regs(&mut self, regs: &PagingRegs) {
        self.regs = *regs;
        self.format = Format::of(regs);
    }

    /// Opens or closes the A20 gate; what was remembered of translations is stale then.
    pub(crate) fn set_a20(&mut self, open: bool) {
        self.a20_mask = if open { u64::MAX } else { A20_CLOSED };
    }

    /// Translates `lin` for an access; sets accessed and dirty flags as the access does.
    ///
    /// # Errors
    /// #PF with its error code (SDM volume 3A, 4.7) when the access is not permitted; no flag was
    /// set then.
    pub fn walk(
        &self,
        memory: &mut GuestMemory,
        io: &mut dyn PhysIo,
        lin: Lin,
        access: Access,
        who: Privilege,
    ) -> Result<PageTranslation, Exception> {
        if self.format == Format::Off {
            return Ok(self.identity(lin));
        }
        let traced = self.trace(memory, lin, &mut |pa, size| Some(io.mmio_read(None, pa, size)));
        let (path, translation) = self.judge(traced, lin, access, who)?;
        set_flags(memory, io, lin, &path, access == Access::Write);
        Ok(translation)
    }

    /// What [`Paging::walk`] would answer, if it set no flag for it and asked no device; else `None`.
    ///
    /// # Errors
    /// As [`Paging::walk`].
    pub fn walk_as_it_is(
        &self,
        memory: &GuestMemory,
        lin: Lin,
        access: Access,
        who: Privilege,
    ) -> Result<Option<PageTranslation>, Exception> {
        if self.format == Format::Off {
            return Ok(Some(self.identity(lin)));
        }
        let traced = self.trace(memory, lin, &mut |_, _| None);
        if matches!(traced, Err(Miss::Unreadable)) {
            return Ok(None);
        }
        let (path, translation) = self.judge(traced, lin, access, who)?;
        let has_flags = path.accessed() && (access != Access::Write || path.dirty());
        Ok(has_flags.then_some(translation))
    }

    /// Whether the entries that were found for `lin` permit the access.
    fn judge(
        &self,
        traced: Result<Path, Miss>,
        lin: Lin,
        access: Access,
        who: Privilege,
    ) -> Result<(Path, PageTranslation), Exception> {
        let path = match traced {
            Ok(path) => path,
            Err(Miss::Reserved) => {
                return Err(self.page_fault(lin, access, who, pf::PRESENT | pf::RESERVED));
            }
            Err(_) => return Err(self.page_fault(lin, access, who, 0)),
        };
        let writable = self.may_write(path.user, path.writable, who);
        let no_data = self.keeps_off(path.user, who);
        let permitted = match access {
            Access::Read => !no_data,
            Access::Write => writable,
            Access::Fetch => !path.nx && !self.keeps_out(path.user, who),
        };
        if !permitted || (who == Privilege::User && !path.user) {
            return Err(self.page_fault(lin, access, who, pf::PRESENT));
        }
        let leaf = path.leaf();
        let translation = PageTranslation {
            pa: path.pa,
            writable,
            user: path.user,
            global: leaf & bit::G != 0,
            large: path.pte.is_none(),
            giant: path.is_giant(self.format),
            dirty: access == Access::Write || path.dirty(),
            nx: path.nx || self.keeps_out(path.user, who),
            no_data,
        };
        Ok((path, translation))
    }

    /// Whether supervisor-mode execution prevention forbids `who` fetches from a page with this U/S flag (SDM volume 3A,
    /// 4.6).
    fn keeps_out(&self, user: bool, who: Privilege) -> bool {
        user && who != Privilege::User && self.regs.cr4 & cr4::SMEP != 0
    }

    /// Whether supervisor-mode access prevention forbids `who` data in a page with this U/S flag (SDM volume 3A, 4.6).
    pub(crate) fn keeps_off(&self, user: bool, who: Privilege) -> bool {
        user && who == Privilege::Supervisor && self.regs.cr4 & cr4::SMAP != 0
    }

    /// The entries that translate `lin` now, or `None`; sets nothing and asks no device. Without
    /// paging there are none.
    #[must_use]
    pub fn peek(&self, memory: &GuestMemory, lin: Lin) -> Option<Path> {
        if self.format == Format::Off {
            return None;
        }
        self.trace(memory, lin, &mut |_, _| None).ok()
    }

    /// The physical address that `lin` translates to now, or `None`; judges no right, sets nothing and asks no device.
    #[must_use]
    pub fn peek_pa(&self, memory: &GuestMemory, lin: Lin) -> Option<Pa> {
        match self.format {
            Format::Off => Some(self.identity(lin).pa),
            _ => self.peek(memory, lin).map(|path| path.pa),
        }
    }

    /// Whether the entries for `lin` permit `who` an access without any flag being set in them: they are
    /// accessed, and for a write dirty too. False without paging.
    #[must_use]
    pub fn permits_as_it_is(
        &self,
        memory: &GuestMemory,
        lin: Lin,
        write: bool,
        who: Privilege,
    ) -> bool {
        self.peek(memory, lin).is_some_and(|path| {
            let reads = path.accessed() && self.may_read(path.user, who);
            let writes = path.dirty() && self.may_write(path.user, path.writable, who);
            reads && (writes || !write)
        })
    }

    fn identity(&self, lin: Lin) -> PageTranslation {
        PageTranslation {
            pa: Pa(lin.get()).masked(self.a20_mask),
            writable: true,
            user: true,
            global: false,
            large: true,
            giant: false,
            dirty: true,
            nx: false,
            no_data: false,
        }
    }

    /// Whether `who` may read data in a page with this U/S flag (SDM volume 3A, 4.6).
    pub(crate) fn may_read(&self, user: bool, who: Privilege) -> bool {
        if who == Privilege::User { user } else { !self.keeps_off(user, who) }
    }

    /// Whether `who` may write to a page with these rights (SDM volume 3A, 4.6).
    pub(crate) fn may_write(&self, user: bool, writable: bool, who: Privilege) -> bool {
        match who {
            Privilege::User => user && writable,
            _ if self.keeps_off(user, who) => false,
            _ => writable || self.regs.cr0 & cr0::WP == 0,
        }
    }

    /// The physical address of the page directory for `lin`, when there is one.
    pub(crate) fn directory(&self, lin: Lin) -> Result<Pa, Miss> {
        if !self.format.wide() {
            return Ok(Pa(self.regs.cr3 & 0xffff_f000));
        }
        let pdpte = self.pdptes[(lin.get() >> 30) as usize & 3];
        if pdpte & bit::P == 0 { Err(Miss::NotPresent) } else { Ok(Pa(pdpte & FRAME_PAE)) }
    }

    /// The physical address that an instruction fetch at `lin` comes from, walked afresh, so that it agrees with the
    /// entries that the windows copy. `None`: it may not be fetched from, or only the fetch itself may walk there, since that sets a
    /// flag or asks a device.
    #[must_use]
    pub fn fetch_pa(&self, memory: &GuestMemory, lin: Lin, who: Privilege) -> Option<Pa> {
        let walked = self.walk_as_it_is(memory, lin, Access::Fetch, who);
        walked.ok().flatten().map(|t| t.pa)
    }

    fn trace(&self, memory: &GuestMemory, lin: Lin, device: &mut Device<'_>) -> Result<Path, Miss> {
        let Format::Long { nx } = self.format else {
            return self.trace_from(memory, lin, self.directory(lin)?, [None; 2], device);
        };
        let mut table = Pa(self.regs.cr3 & FRAME_PAE);
        let mut above = [None; 2];
        for (level, slot) in [Upper::Pml4, Upper::Pdpt].into_iter().zip(0..) {
            let entry_pa = table.plus(level.offset(lin)).masked(self.a20_mask);
            let entry = self.entry(memory, entry_pa, device)?;
            if entry & bit::P == 0 {
                return Err(Miss::NotPresent);
            }
            if level.is_bad(entry, nx) {
                return Err(Miss::Reserved);
            }
            if level.is_large(entry) {
                let within = (1u64 << level.shift()) - 1;
                let frame = Pa(entry & FRAME_PAE & !within);
                let pa = frame.plus(lin.get() & within).masked(self.a20_mask);
                return Ok(path(above, (entry_pa, entry), None, pa));
            }
            above[slot] = Some((entry_pa, entry));
            table = Pa(entry & FRAME_PAE);
        }
        self.trace_from(memory, lin, table, above, device)
    }

    /// The rest of a trace, from the page directory at `directory` on.
    fn trace_from(
        &self,
        memory: &GuestMemory,
        lin: Lin,
        directory: Pa,
        above: [Option<(Pa, u64)>; 2],
        device: &mut Device<'_>,
    ) -> Result<Path, Miss> {
        let f = self.format;
        let pde_pa = directory.plus(f.pde_offset(lin)).masked(self.a20_mask);
        let pde = self.entry(memory, pde_pa, device)?;
        if pde & bit::P == 0 {
            return Err(Miss::NotPresent);
        }
        if f.bad_pde(pde) {
            return Err(Miss::Reserved);
        }
        if f.is_large(pde) {
            let mask = (1u64 << f.chunk_shift()) - 1;
            let pa = f.large_frame(pde).plus(lin.get() & mask).masked(self.a20_mask);
            return Ok(path(above, (pde_pa, pde), None, pa));
        }
        let pte_pa = f.frame(pde).plus(f.pte_offset(lin)).masked(self.a20_mask);
        let pte = self.entry(memory, pte_pa, device)?;
        if pte & bit::P == 0 {
            return Err(Miss::NotPresent);
        }
        if f.bad_pte(pte) {
            return Err(Miss::Reserved);
        }
        let pa = f.frame(pte).plus(lin.in_page()).masked(self.a20_mask);
        Ok(path(above, (pde_pa, pde), Some((pte_pa, pte)), pa))
    }

    /// Reads the entry at `pa`.
    fn entry(&self, memory: &GuestMemory, pa: Pa, device: &mut Device<'_>) -> Result<u64, Miss> {
        let wide = self.format.wide();
        match memory.region(pa) {
            Region::Ram { offset } | Region::Rom { offset } if wide => {
                Ok(memory.file.entry64(offset))
            }
            Region::Ram { offset } | Region::Rom { offset } => {
                Ok(u64::from(memory.file.entry32(offset)))
            }
            Region::Io if wide => device(pa, 8).ok_or(Miss::Unreadable),
            Region::Io => Ok(device(pa, 4).ok_or(Miss::Unreadable)? & 0xffff_ffff),
        }
    }

    fn page_fault(&self, lin: Lin, access: Access, who: Privilege, cause: u32) -> Exception {
        let mut code = cause;
        if access == Access::Write {
            code |= pf::WRITE;
        }
        if who == Privilege::User {
            code |= pf::USER;
        }
        let tells = self.format.has_nx() || self.regs.cr4 & cr4::SMEP != 0;
        if access == Access::Fetch && tells {
            code |= pf::FETCH;
        }
        Exception::page_fault(lin, code)
    }

    /// Loads the four PDPTEs for `regs`, if they select PAE paging (SDM volume 3A, 4.4.1).
    ///
    /// # Errors
    /// #GP(0) when a present one has a reserved bit set; the loaded ones stay as they are.
    pub fn load_pdptes(
        &mut self,
        memory: &GuestMemory,
        io: &mut dyn PhysIo,
        regs: &PagingRegs,
    ) -> Result<(), Exception> {
        if !matches!(Format::of(regs), Format::Pae { .. }) {
            return Ok(());
        }
        let mut loaded = [0; 4];
        for (k, slot) in (0u64..).zip(&mut loaded) {
            let pa = Pa(regs.cr3 & 0xffff_ffe0).plus(k * 8).masked(self.a20_mask);
            let pdpte = match memory.region(pa) {
                Region::Ram { offset } | Region::Rom { offset } => memory.file.entry64(offset),
                Region::Io => io.mmio_read(None, pa, 8),
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

/// Sets the accessed flags of `path`, which translates `lin`, and the dirty flag for a write. Returns the dirty flag.
fn set_flags(memory: &mut GuestMemory, io: &mut dyn PhysIo, lin: Lin, path: &Path, write: bool) {
    let leaf_bits = if write { bit::A | bit::D } else { bit::A };
    let mut set = |pa: Pa, entry: u64, bits: u64| {
        if entry & bits == bits {
            return;
        }
        if let Region::Ram { offset } = memory.region(pa) {
            if memory.is_code_offset(offset) {
                io.code_write(pa, 4);
            }
            memory.note_write(offset);
            io.flags_set(lin, offset, memory.file.entry32(offset));
            memory.file.set_bits(offset, bits as u32);
        }
    };
    for (pa, entry) in path.above.into_iter().flatten() {
        set(pa, entry, bit::A);
    }
    match path.pte {
        Some((pte_pa, pte)) => {
            set(path.pde_pa, path.pde, bit::A);
            set(pte_pa, pte, leaf_bits);
        }
        None => set(path.pde_pa, path.pde, leaf_bits),
    }
}

fn path(
    above: [Option<(Pa, u64)>; 2],
    (pde_pa, pde): (Pa, u64),
    pte: Option<(Pa, u64)>,
    pa: Pa,
) -> Path {
    let leaf = pte.map_or(pde, |(_, pte)| pte);
    let entries = above.iter().flatten().map(|(_, entry)| *entry).chain([pde, leaf]);
    let (all, any) = entries.fold((u64::MAX, 0), |(all, any), e| (all & e, any | e));
    Path {
        above,
        pde_pa,
        pde,
        pte,
        pa,
        user: all & bit::US != 0,
        writable: all & bit::RW != 0,
        // Where NX does not exist the bit is reserved and was refused, or the entry is 4 bytes.
        nx: any & bit::NX != 0,
    }
}

impl Default for Paging {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "walk_long_tests.rs"]
mod long_tests;
