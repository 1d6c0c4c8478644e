//! A random guest edits its page tables, flushes, and runs through windows; after each flush nothing
//! that a window still grants may differ from what a fresh walk says.

use crate::events::{Active, Fill, Reason};
use crate::format::bit;
use crate::inline_tlb::{DISTANCES, ENTRIES, READ_TAGS, WRITE_TAGS};
use crate::ram::{Flush, Region};
use crate::testing::{Bench, Prober, TestIo, TestSink, get32, machine, offset, put32, regs};
use crate::windows::Windows;

use hashbrown::HashMap;
use ringer_cpu::addr::{Frame, Lin, Pa, Page};
use ringer_cpu::state::cr4;
use ringer_cpu::{Access, PagingChange, PagingRegs, Privilege};
use std::cell::Cell;

const DIRS: [u32; 2] = [0x10_0000, 0x20_0000];
/// Directory entries that the guest uses, and pages under each.
const CHUNKS: u32 = 3;
const PAGES: u32 = 24;

fn lin(page: u32) -> Lin {
    Page::from(page).start()
}

const NOTICED: Fill = Fill::Interpret(Reason::NoticedWalk);

struct Guest {
    seed: u64,
    mmu: Bench,
    windows: Windows,
    active: Active,
    who: Privilege,
    smap: bool,
    dir: u32,
    /// (name of the code's space, page): physical page that code was entered for.
    noted: HashMap<(u32, u32), Frame>,
    /// Writes are logged, and so many pages were in the log.
    logs: bool,
    written: usize,
    /// Entries made in inline TLBs, and those found there for pages that their windows do not map.
    entered: u32,
    aside: Cell<u32>,
    p: Prober,
}

impl Guest {
    fn new(seed: u64) -> Self {
        let mut mmu = machine();
        // Every page holds its own number.
        for page in 0..4096u32 {
            if mmu.memory.region(Frame::from(page).start()) != Region::Io {
                put32(&mut mmu, u64::from(page) << 12, page);
            }
        }
        for dir in DIRS {
            for k in 0..3 {
                put32(&mut mmu, u64::from(dir + k * 0x1000), 0);
            }
        }
        mmu.paging_changed(&regs(DIRS[0].into()), PagingChange::Mode);
        let mut windows = Windows::new(4, 200).unwrap();
        let active =
            windows.activate(mmu.paging(), &mmu.memory, Privilege::User, &mut TestSink::default());
        let (noted, p) = (HashMap::new(), Prober::new());
        Self {
            seed,
            mmu,
            windows,
            active,
            who: Privilege::User,
            smap: false,
            dir: DIRS[0],
            noted,
            logs: false,
            written: 0,
            entered: 0,
            aside: Cell::new(0),
            p,
        }
    }

    fn random(&mut self, below: u32) -> u32 {
        self.seed =
            self.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((self.seed >> 33) as u32) % below
    }

    fn page(&mut self) -> u32 {
        self.random(CHUNKS) * 1024 + self.random(PAGES)
    }

    fn forget(&mut self, sink: &TestSink) {
        self.noted.retain(|(w, page), _| {
            !sink.gone.contains(w)
                && !sink
                    .dropped
                    .iter()
                    .any(|(d, first, n)| d == w && page.wrapping_sub(*first) < *n)
        });
    }

    fn step(&mut self) {
        match self.random(20) {
            0..=4 => self.edit_table(),
            5 => self.edit_directory(),
            6..=10 => self.access(),
            11 => self.note(),
            12 => self.flush_page(),
            13 => self.code(),
            14 => self.activate(),
            15 => self.read_log(),
            16..=18 => self.enter(),
            _ => self.load_cr3(),
        }
    }

    fn flags(&mut self) -> u32 {
        let common = (bit::P | bit::US | bit::RW | bit::A | bit::D) as u32;
        match self.random(3) {
            0 => common,
            1 => common & self.random(256),
            _ => common & !(1 << self.random(8)),
        }
    }

    fn edit_table(&mut self) {
        let (page, flags) = (self.page(), self.flags());
        // Frames in runs more often than not, some of them devices.
        let frame = match self.random(4) {
            0 => 0x90 + self.random(0x20),
            1 => 0x400 + self.random(0x100),
            _ => 0x400 + page % 1024,
        };
        let table = DIRS[self.random(2) as usize] + 0x1000 + self.random(2) * 0x1000;
        put32(&mut self.mmu, u64::from(table + page % 1024 * 4), frame << 12 | flags);
    }

    fn edit_directory(&mut self) {
        let (chunk, flags) = (self.random(CHUNKS), self.flags());
        let target = match self.random(3) {
            0 => (0x40_0000 * self.random(4)) | bit::PS as u32,
            // A table of its own, or one that both address spaces may have.
            k => DIRS[self.random(2) as usize] + k * 0x1000,
        };
        put32(&mut self.mmu, u64::from(self.dir + chunk * 4), target | flags);
    }

    fn access(&mut self) {
        let (page, write) = (self.page(), self.random(2) == 0);
        let mut sink = TestSink::default();
        if self.windows.maps(lin(page), write) {
            return;
        }
        let lin = lin(page);
        let access = if write { Access::Write } else { Access::Read };
        let leaf = |fuzz: &Self| fuzz.mmu.peek(lin).map(|path| (path.pde, path.leaf()));
        let before = leaf(self);
        let (mmu, windows) = (&mut self.mmu, &mut self.windows);
        let mut fill = windows.fault(mmu.mmu.paging(), &mut mmu.memory, lin, write, &mut sink);
        self.forget(&sink);
        assert_eq!(leaf(self), before, "a fill set a flag");
        let walked = self.mmu.walk(&mut TestIo::default(), lin, access, self.who);
        assert_eq!(walked.is_ok() && leaf(self) != before, fill == NOTICED, "{fill:?}");
        if fill == NOTICED {
            // As the run loop does behind the interpreter's access.
            let (mmu, windows) = (&mut self.mmu, &mut self.windows);
            let mut sink = TestSink::default();
            fill = windows.fault(mmu.mmu.paging(), &mut mmu.memory, lin, write, &mut sink);
            self.forget(&sink);
        }
        match fill {
            Fill::Mapped => {
                let pa = walked.expect("mapped, and the walk faults").pa;
                assert!(self.windows.maps(lin, write));
                self.check_page(page, pa);
            }
            Fill::Interpret(Reason::TrueFault) => assert!(walked.is_err()),
            Fill::Interpret(Reason::Mmio) => {
                assert_eq!(self.mmu.memory.region(walked.unwrap().pa), Region::Io);
            }
            Fill::Interpret(Reason::CodeWrite) => {
                assert!(write && self.mmu.memory.is_code_page(walked.unwrap().pa.frame()));
            }
            Fill::Interpret(Reason::Churn) => assert!(walked.is_ok()),
            NOTICED | Fill::Interpret(Reason::NoHostMapping | Reason::Watched) => {
                panic!("nothing was in the way")
            }
        }
    }

    fn note(&mut self) {
        let page = self.page();
        let who = self.who;
        if let Ok(pa) = self.mmu.walk_to_fetch(&mut TestIo::default(), lin(page), who) {
            assert_eq!(self.mmu.paging().fetch_pa(&self.mmu.memory, lin(page), who), Some(pa));
            let mut sink = TestSink::default();
            self.windows.note_fetch(
                self.active.code,
                self.mmu.paging(),
                &self.mmu.memory,
                Page::from(page),
                &mut sink,
            );
            self.forget(&sink);
            // As the translator's table does: one target at a page, the newest.
            self.noted.insert((self.active.code.0, page), pa.frame());
        }
    }

    fn flush_page(&mut self) {
        let page = self.page();
        let mut sink = TestSink::default();
        self.mmu.mmu.invlpg(lin(page));
        self.windows.on_invlpg(self.mmu.paging(), &self.mmu.memory, lin(page), &mut sink);
        self.forget(&sink);
        self.check_against_walk(page);
    }

    fn code(&mut self) {
        let frame = Frame::from(0x400 + self.random(0x20));
        if self.mmu.memory.is_code_page(frame) {
            self.mmu.set_code_page(frame, false);
        } else {
            self.mmu.set_code_page(frame, true);
            self.windows.protect_frame(&self.mmu.memory, frame);
        }
        self.check_writes();
    }

    /// The interpreter made an access for translated code that had asked the inline TLB.
    fn enter(&mut self) {
        let (page, write) = (self.page(), self.random(2) == 0);
        let access = if write { Access::Write } else { Access::Read };
        if self.mmu.walk(&mut TestIo::default(), lin(page), access, self.who).is_err() {
            return;
        }
        let mut sink = TestSink::default();
        self.windows.enter(self.mmu.mmu.paging(), &mut self.mmu.memory, lin(page), &mut sink);
        self.forget(&sink);
        // (It may lead to what the entries said at the last flush.)
        self.entered += u32::from(self.inline(page, false).is_some());
        self.check_writes();
    }

    /// The host address of the page, if the inline TLB has it.
    fn inline(&self, page: u32, write: bool) -> Option<u64> {
        let at = |from: i32| self.active.base.wrapping_add_signed(i64::from(from));
        let place = u64::from(page) % ENTRIES as u64;
        let tag = self.p.read(at(if write { WRITE_TAGS } else { READ_TAGS }) + 4 * place);
        if tag.expect("it is there").wrapping_add(page).wrapping_add(1) != 0 {
            return None;
        }
        let half = |k| u64::from(self.p.read(at(DISTANCES) + 8 * place + k).expect("it is there"));
        let distance = half(0) | half(4) << 32;
        self.aside.set(self.aside.get() + u32::from(distance != 0));
        Some((self.active.base + lin(page).get()).wrapping_add(distance))
    }

    /// Whether the running privilege may see data in a page with this U/S flag.
    fn sees(&self, user: bool) -> bool {
        match self.who {
            Privilege::User => user,
            Privilege::Supervisor => !(self.smap && user),
            Privilege::SupervisorAc => true,
        }
    }

    /// What the inline TLB leads to at `page` is what the entries say now.
    fn check_inline(&self, page: u32) {
        let Some(at) = self.inline(page, false) else {
            return assert_eq!(self.inline(page, true), None);
        };
        let path = self.mmu.peek(lin(page)).expect("an absent page was entered");
        assert!(path.accessed() && self.sees(path.user), "{path:x?}");
        let frame = path.pa.frame();
        assert_eq!(self.p.read(at), Some(get32(&self.mmu, frame.start().get())));
        if let Some(write) = self.inline(page, true) {
            assert!(write == at && path.dirty() && path.writable, "{path:x?}");
        }
    }

    /// Nothing whose writes are to be noticed can be written by the inline TLB.
    fn check_writes(&self) {
        for page in (0..CHUNKS * PAGES).map(|k| k / PAGES * 1024 + k % PAGES) {
            let Some(at) = self.inline(page, true) else { continue };
            // Each page of memory holds its own number.
            let frame = self.p.read(at).expect("it was entered");
            let guarded = self.mmu.memory.is_guarded(offset(&self.mmu, u64::from(frame) << 12));
            assert!(!guarded, "page {frame:x} can be written by the inline TLB");
        }
    }

    /// Reads the log of written pages; for the first time, turns it on.
    fn read_log(&mut self) {
        let dirty = self.mmu.memory.take_dirty(Pa(0), 16 << 20);
        if self.logs {
            self.written += dirty.len();
            dirty.iter().for_each(|frame| self.windows.protect_frame(&self.mmu.memory, *frame));
        } else {
            assert_eq!((dirty, self.mmu.memory.log_writes(true)), (vec![], Flush::Writes));
            self.windows.protect_all();
        }
        self.logs = true;
        self.check_writes();
    }

    fn activate(&mut self) {
        let whose =
            [Privilege::User, Privilege::User, Privilege::Supervisor, Privilege::SupervisorAc];
        self.who = whose[self.random(4) as usize];
        let mut sink = TestSink::default();
        self.active =
            self.windows.activate(self.mmu.paging(), &self.mmu.memory, self.who, &mut sink);
        self.forget(&sink);
    }

    fn load_cr3(&mut self) {
        self.dir = DIRS[self.random(2) as usize];
        self.smap ^= self.random(12) == 0;
        let cr4 = if self.smap { cr4::SMAP } else { 0 };
        let regs = PagingRegs { cr4, ..regs(self.dir.into()) };
        self.mmu.paging_changed(&regs, PagingChange::Mode);
        self.windows.on_mode_change();
        self.activate();
        for k in 0..CHUNKS * PAGES {
            self.check_against_walk(k / PAGES * 1024 + k % PAGES);
        }
    }

    /// Right after a flush: what is granted is what the entries say, flags included.
    fn check_against_walk(&mut self, page: u32) {
        let lin = lin(page);
        self.check_inline(page);
        let path = self.mmu.peek(lin);
        if let Some(frame) = self.noted.get(&(self.active.code.0, page)) {
            let path = path.expect("code at an absent page");
            assert_eq!(path.pa.frame(), *frame, "code of another page at {lin:#x}");
            assert!(path.user || self.who != Privilege::User);
        }
        if !self.windows.maps(lin, false) {
            assert_eq!(self.p.read(self.active.base + lin.get()), None);
            return;
        }
        let path = path.expect("an absent page is mapped");
        assert!(path.accessed() && self.sees(path.user), "{path:x?}");
        if self.windows.maps(lin, true) {
            assert!(path.dirty() && path.writable, "{path:x?}");
        }
        self.check_page(page, path.pa);
    }

    /// What the host grants at `page` is physical page `pa`, and writable only if the books say so.
    fn check_page(&self, page: u32, pa: Pa) {
        let at = self.active.base + (u64::from(page) << 12);
        let value = self.p.read(at).expect("mapped by the books, not by the host");
        assert_eq!(value, get32(&self.mmu, pa.frame().start().get()));
        let writable = self.windows.maps(lin(page), true);
        assert_eq!(self.p.write(at, value), writable);
        let guarded = self.mmu.memory.is_guarded(offset(&self.mmu, pa.frame().start().get()));
        assert!(
            !writable || !guarded,
            "code, or a page whose next write is to be logged, is writable"
        );
    }
}

#[test]
fn windows_agree_with_fresh_walks_after_every_flush() {
    for seed in 0..27 {
        println!("seed {seed}");
        let mut guest = Guest::new(seed);
        for _ in 0..4500 {
            guest.step();
        }
        let stats = guest.windows.stats();
        assert!(stats.hidden_fills > 100 && stats.pages_dropped > 100, "{stats:?}");
        assert!(guest.written > 100, "{} pages logged", guest.written);
        let (entered, aside) = (guest.entered, guest.aside.get());
        assert!(entered > 100 && aside > 10, "{entered} entered, {aside} aside");
    }
}
