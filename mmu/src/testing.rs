//! What the tests of this crate share: a device that remembers, guests with page tables, and reads
//! and writes through windows that fail instead of crashing.

use crate::events::{DropSink, Fill, Reason, WindowId};
use crate::format::bit;
use crate::phys::PhysIo;
use crate::ram::{GuestMemory, Region};
use crate::soft::Mmu;
use crate::walk::{PageTranslation, Paging, Path};
use crate::windows::Windows;
use ringer_cpu::addr::{Frame, Lin, Pa, Page};
use ringer_cpu::state::{cr0, cr4};
use ringer_cpu::{Access, Exception, PagingChange, PagingRegs, Privilege};

/// Remembers every device access, code write and journal entry; reads answer their own address.
#[derive(Debug, Default)]
pub(crate) struct TestIo {
    pub reads: Vec<(u64, u8)>,
    pub writes: Vec<(u64, u8, u64)>,
    pub code: Vec<(u64, u32)>,
    pub journal: Vec<(u64, Vec<u8>)>,
    /// What reads answer; by default the address.
    pub answer: Option<u64>,
}

impl PhysIo for TestIo {
    fn mmio_read(&mut self, _: Option<&mut GuestMemory>, pa: Pa, size: u8) -> u64 {
        self.reads.push((pa.get(), size));
        self.answer.unwrap_or(pa.get())
    }

    fn mmio_write(&mut self, _: &mut GuestMemory, pa: Pa, size: u8, value: u64) {
        self.writes.push((pa.get(), size, value));
    }

    fn code_write(&mut self, pa: Pa, len: u32) {
        self.code.push((pa.get(), len));
    }

    fn ram_write(&mut self, offset: u64, old: &[u8]) {
        self.journal.push((offset, old.to_vec()));
    }
}

/// Remembers what windows dropped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestSink {
    pub dropped: Vec<(u32, u32, u32)>,
    pub gone: Vec<u32>,
}

impl DropSink for TestSink {
    fn dropped(&mut self, window: WindowId, first: Page, pages: u32) {
        self.dropped.push((window.0, first.low(), pages));
    }

    fn window_gone(&mut self, window: WindowId) {
        self.gone.push(window.0);
    }
}

/// P, R/W, U/S.
pub(crate) const PWU: u32 = (bit::P | bit::RW | bit::US) as u32;
/// P, R/W, U/S, A, D.
pub(crate) const ALL: u32 = PWU | (bit::A | bit::D) as u32;
/// The page directory of [`guest`].
pub(crate) const DIR: u64 = 0x10_0000;
/// The first page table of [`guest`]; the table for directory entry k is k pages behind it.
pub(crate) const TABLES: u64 = 0x10_1000;

/// A processor's MMU with the memory of its machine.
#[derive(Debug)]
pub(crate) struct Bench {
    pub mmu: Mmu,
    pub memory: GuestMemory,
}

impl Bench {
    pub fn paging(&self) -> &Paging {
        self.mmu.paging()
    }

    pub fn walk(
        &mut self,
        io: &mut TestIo,
        lin: Lin,
        access: Access,
        who: Privilege,
    ) -> Result<PageTranslation, Exception> {
        self.mmu.paging().walk(&mut self.memory, io, lin, access, who)
    }

    pub fn peek(&self, lin: Lin) -> Option<Path> {
        self.mmu.paging().peek(&self.memory, lin)
    }

    /// Fetches: sets flags as the interpreter's fetch does.
    pub fn walk_to_fetch(
        &mut self,
        io: &mut TestIo,
        lin: Lin,
        who: Privilege,
    ) -> Result<Pa, Exception> {
        Ok(self.walk(io, lin, Access::Fetch, who)?.pa)
    }

    pub fn read(
        &mut self,
        io: &mut TestIo,
        lin: Lin,
        buf: &mut [u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        self.mmu.read(&mut self.memory, io, lin, buf, who)
    }

    pub fn write(
        &mut self,
        io: &mut TestIo,
        lin: Lin,
        data: &[u8],
        who: Privilege,
    ) -> Result<(), Exception> {
        self.mmu.write(&mut self.memory, io, lin, data, who)
    }

    pub fn probe(
        &mut self,
        io: &mut TestIo,
        lin: Lin,
        len: u32,
        access: Access,
        who: Privilege,
    ) -> Result<(), Exception> {
        self.mmu.probe(&mut self.memory, io, lin, len, access, who)
    }

    pub fn fetch(
        &mut self,
        io: &mut TestIo,
        lin: Lin,
        buf: &mut [u8; 16],
        who: Privilege,
    ) -> Result<usize, Exception> {
        self.mmu.fetch(&mut self.memory, io, lin, buf, who)
    }

    pub fn load_pdptes(&mut self, io: &mut TestIo, regs: &PagingRegs) -> Result<(), Exception> {
        self.mmu.load_pdptes(&self.memory, io, regs)
    }

    pub fn set_code_page(&mut self, frame: Frame, code: bool) {
        self.mmu.set_code_page(&mut self.memory, frame, code);
    }

    pub fn paging_changed(&mut self, regs: &PagingRegs, change: PagingChange) {
        self.mmu.paging_changed(regs, change);
    }
}

/// A machine with 16 MiB and no paging.
pub(crate) fn machine() -> Bench {
    Bench { mmu: Mmu::new(), memory: GuestMemory::new(16 << 20).expect("memory for the test") }
}

/// Paging registers with the directory at `cr3`.
pub(crate) fn regs(cr3: u64) -> PagingRegs {
    PagingRegs { cr0: cr0::PE | cr0::PG | cr0::WP, cr3, cr4: cr4::PSE, efer: 0 }
}

/// A machine with an empty page directory at [`DIR`].
pub(crate) fn guest() -> Bench {
    let mut guest = machine();
    guest.paging_changed(&regs(DIR), PagingChange::Mode);
    guest
}

pub(crate) fn put32(guest: &mut Bench, pa: u64, value: u32) {
    assert!(guest.memory.dma_write(Pa(pa), &value.to_le_bytes()));
}

pub(crate) fn put64(guest: &mut Bench, pa: u64, value: u64) {
    assert!(guest.memory.dma_write(Pa(pa), &value.to_le_bytes()));
}

pub(crate) fn get32(guest: &Bench, pa: u64) -> u32 {
    let mut b = [0; 4];
    assert!(guest.memory.read(Pa(pa), &mut b));
    u32::from_le_bytes(b)
}

pub(crate) fn get64(guest: &Bench, pa: u64) -> u64 {
    u64::from(get32(guest, pa)) | u64::from(get32(guest, pa + 4)) << 32
}

/// Address of the table entry for `lin` in the directory at `dir`, whose tables lie behind it.
pub(crate) fn pte_at(dir: u64, lin: u32) -> u64 {
    let chunk = u64::from(lin >> 22) % 16;
    dir + 0x1000 + chunk * 0x1000 + u64::from(lin >> 12 & 1023) * 4
}

/// Maps `lin` to `pa` with `flags` in the table, everything in the directory.
pub(crate) fn map_in(guest: &mut Bench, dir: u64, lin: u32, pa: u32, flags: u32) {
    let pte = pte_at(dir, lin);
    put32(guest, dir + u64::from(lin >> 22) * 4, (pte & !0xfff) as u32 | ALL);
    put32(guest, pte, pa | flags);
}

pub(crate) fn map(guest: &mut Bench, lin: u32, pa: u32, flags: u32) {
    map_in(guest, DIR, lin, pa, flags);
}

/// The memfd offset of an address that is memory.
pub(crate) fn offset(guest: &Bench, pa: u64) -> u64 {
    match guest.memory.region(Pa(pa)) {
        Region::Ram { offset } | Region::Rom { offset } => offset,
        Region::Io => panic!("{pa:#x} is no memory"),
    }
}

/// A pipe through which the kernel copies from and to window addresses: a forbidden access is an
/// error code, not a signal.
#[derive(Debug)]
pub(crate) struct Prober {
    pipe: [libc::c_int; 2],
}

impl Prober {
    pub fn new() -> Self {
        let mut pipe = [0; 2];
        // SAFETY: `pipe` has room for two descriptors.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        Self { pipe }
    }

    /// Reads the dword at a host address, if that is permitted.
    pub fn read(&self, at: u64) -> Option<u32> {
        let mut b = [0u8; 4];
        // SAFETY: the kernel checks the source address; what it copies lands in the pipe.
        let n = unsafe { libc::write(self.pipe[1], at as *const libc::c_void, 4) };
        if n != 4 {
            return None;
        }
        // SAFETY: `b` has room for four bytes.
        let n = unsafe { libc::read(self.pipe[0], b.as_mut_ptr().cast(), 4) };
        assert_eq!(n, 4);
        Some(u32::from_le_bytes(b))
    }

    /// Writes a dword to a host address in a window; false when that is forbidden.
    pub fn write(&self, at: u64, value: u32) -> bool {
        let mut b = value.to_le_bytes();
        // SAFETY: `b` has four bytes.
        assert_eq!(unsafe { libc::write(self.pipe[1], b.as_ptr().cast(), 4) }, 4);
        // SAFETY: `at` lies in a window or its guard, where no Rust object lives; the kernel checks
        // the right to write.
        if unsafe { libc::read(self.pipe[0], at as *mut libc::c_void, 4) } == 4 {
            return true;
        }
        // SAFETY: `b` has room for the four bytes that are still in the pipe.
        unsafe { libc::read(self.pipe[0], b.as_mut_ptr().cast(), 4) };
        false
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        for fd in self.pipe {
            // SAFETY: both descriptors are this prober's own.
            unsafe { libc::close(fd) };
        }
    }
}

/// A guest with windows, its user window running.
pub(crate) struct Rig {
    pub mmu: Bench,
    pub windows: Windows,
    pub io: TestIo,
    pub sink: TestSink,
    pub base: u64,
    who: Privilege,
    /// What its code is known by.
    pub code: WindowId,
    pub p: Prober,
}

impl Rig {
    pub fn new(mmu: Bench) -> Self {
        Self::with(mmu, Windows::new(8, 1000).unwrap())
    }

    pub fn with(mmu: Bench, windows: Windows) -> Self {
        let (io, sink) = (TestIo::default(), TestSink::default());
        let (base, code, p) = (0, WindowId(0), Prober::new());
        let mut rig = Self { mmu, windows, io, sink, base, who: Privilege::User, code, p };
        rig.activate(true);
        rig
    }

    pub fn activate(&mut self, user: bool) -> WindowId {
        self.activate_for(if user { Privilege::User } else { Privilege::Supervisor })
    }

    pub fn activate_for(&mut self, who: Privilege) -> WindowId {
        let active =
            self.windows.activate(self.mmu.paging(), &self.mmu.memory, who, &mut self.sink);
        (self.base, self.code, self.who) = (active.base, active.code, who);
        active.id
    }

    /// Code is about to be entered for `page`.
    pub fn note(&mut self, page: Page) {
        let (paging, memory) = (self.mmu.paging(), &self.mmu.memory);
        self.windows.note_fetch(self.code, paging, memory, page, &mut self.sink);
    }

    pub fn load_cr3(&mut self, dir: u64) {
        self.mmu.paging_changed(&regs(dir), PagingChange::Cr3);
        self.windows.on_cr3_load();
        self.activate(true);
    }

    /// A fault of translated code; where flags are to be set, the interpreter's access comes between.
    pub fn fault(&mut self, lin: u32, write: bool) -> Fill {
        match self.fault_alone(lin, write) {
            Fill::Interpret(Reason::NoticedWalk) => {
                let access = if write { Access::Write } else { Access::Read };
                let who = self.who;
                let walked = self.mmu.walk(&mut self.io, Lin::from(lin), access, who);
                walked.expect("permitted");
                self.fault_alone(lin, write)
            }
            fill => fill,
        }
    }

    /// The same without the interpreter.
    pub fn fault_alone(&mut self, lin: u32, write: bool) -> Fill {
        let (paging, memory) = (self.mmu.mmu.paging(), &mut self.mmu.memory);
        self.windows.fault(paging, memory, Lin::from(lin), write, &mut self.sink)
    }

    /// Reads as translated code does: a fault is filled once.
    pub fn read(&mut self, lin: u32) -> Result<u32, Reason> {
        assert_eq!(self.windows.maps(Lin::from(lin), false), self.direct(lin).is_some());
        if let Some(v) = self.direct(lin) {
            return Ok(v);
        }
        match self.fault(lin, false) {
            Fill::Mapped => Ok(self.direct(lin).expect("filled, and still no access")),
            Fill::Interpret(reason) => Err(reason),
        }
    }

    pub fn write(&mut self, lin: u32, value: u32) -> Result<(), Reason> {
        let at = self.base + u64::from(lin);
        if self.p.write(at, value) {
            return Ok(());
        }
        match self.fault(lin, true) {
            Fill::Mapped => {
                assert!(self.p.write(at, value), "filled, and still no access");
                Ok(())
            }
            Fill::Interpret(reason) => Err(reason),
        }
    }

    pub fn direct(&self, lin: u32) -> Option<u32> {
        self.p.read(self.base + u64::from(lin))
    }

    pub fn protect(&mut self, frame: u64) {
        let frame = Frame(frame);
        self.mmu.set_code_page(frame, true);
        self.windows.protect_frame(&self.mmu.memory, frame);
    }
}
