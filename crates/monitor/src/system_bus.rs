//! The machine as the interpreter sees it: memory through the MMU, ports and MMIO through the board,
//! time from the one clock. What an instruction did that concerns others (a write to translated
//! code, a change of the paging registers) is queued here and handled by the monitor right after the
//! instruction.

use crate::bios::BiosHook;
use crate::clock::Clock;
use crate::config::ClockKind;
use crate::dma::Door;
use crate::events::{At, Events, Happening, TraceKinds, When};
use crate::journal::{FlagsSet, Journal};
use crate::parts::Parts;
use crate::profile::{Counters, Ledger, Row};
use crate::random::Random;
use crate::recorder::Recorder;
use ringer_cpu::addr::{Lin, PAGE_SIZE, Pa};
use ringer_cpu::interp::fpu;
use ringer_cpu::{Access, Bus, CpuState, Exception, PagingChange, PagingRegs, Privilege};
use ringer_devices::addresses::COM1_BASE;
use ringer_devices::{Board, OverMemory};
use ringer_mmu::{GuestMemory, Mmu, PhysIo, WatchHit};
use std::time::Instant;

/// A change of address translation, for the shadow windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PagingEvent {
    /// CR3 was loaded.
    Cr3,
    /// Everything may have changed.
    Mode,
    /// Memory lies elsewhere in the memory file.
    Memory,
    /// One page was invalidated.
    Page(u32),
}

/// What other threads sent that is not with its device yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Bytes, or frames that nobody has offered yet: any access may make room for them.
    pub input: bool,
    /// Frames that the network adapter had no room for.
    pub frames: bool,
}

/// What the run loop last saw of the board. An access that leaves all of it as it is needs no service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The INTR line.
    pub intr: bool,
    /// An NMI waits.
    pub nmi: bool,
    /// When a timer will raise a line.
    pub deadline: Option<u64>,
    /// What waits for room in a device.
    pub waits: Waits,
}

/// The side of the machine behind physical addresses and ports.
#[derive(Debug)]
pub struct Io {
    /// The devices.
    pub board: Board,
    /// The clock.
    pub clock: Clock,
    /// Writes to pages with translated code: physical address and length.
    pub code_writes: Vec<(u64, u32)>,
    /// Old bytes of RAM writes, while lockstep's dry run is on.
    pub journal: Option<Journal>,
    /// Accessed and dirty flags that walks set, and what was there, while lockstep's host code runs.
    pub flags_set: Option<Vec<(FlagsSet, u32)>>,
    /// The machine wants to be serviced: a line, the deadline or an event of the board is other than the run loop saw.
    pub touched: bool,
    /// What the run loop saw.
    pub seen: Seen,
    /// The access to watched bytes that the run is to end behind.
    pub watch_hit: Option<WatchHit>,
    /// String instructions stop after each iteration.
    pub pause_strings: bool,
    /// Accesses to devices, and to watched bytes.
    pub accesses: u64,
    /// Numbers for RDRAND.
    pub random: Random,
    /// Counters.
    pub counters: Counters,
    /// The time ledger.
    pub ledger: Ledger,
    /// What happened lately.
    pub events: Events,
    /// What is recorded for a profile.
    pub recorder: Option<Box<Recorder>>,
}

impl Io {
    /// What there is to see of the board.
    pub fn look(&self, waits: Waits) -> Seen {
        let board = &self.board;
        Seen { intr: board.intr(), nmi: board.nmi(), deadline: board.next_deadline(), waits }
    }

    /// A run begins: the ledger keeps time, and what is recorded is of it.
    pub fn begin_run(&mut self, now: Instant) {
        if let Some(recorder) = &mut self.recorder {
            recorder.begin(now);
        }
        self.ledger.begin();
    }

    /// What devices and the host wrote over translated code is noted with what the processor wrote.
    fn note_writes(&mut self, memory: &mut GuestMemory) {
        let writes = memory.take_code_writes();
        self.code_writes.extend(writes.into_iter().map(|(pa, len)| (pa.get(), len)));
    }

    /// An access to a device that has guest memory at hand.
    fn device_over<R>(
        &mut self,
        memory: &mut GuestMemory,
        access: impl FnOnce(&mut OverMemory<'_>, u64) -> R,
    ) -> R {
        let result = self.device(|board, now| access(&mut board.over(&mut Door(memory)), now));
        self.note_writes(memory);
        result
    }

    /// Notes `what`, at the place that the events were told of last.
    #[inline(always)]
    pub fn note(&mut self, what: Happening) {
        let traced = !self.events.traced().is_empty();
        // The host's clock costs more than the rest.
        let exact = self.clock.is_virtual() || traced;
        let ns = if exact { self.clock.now() } else { self.board.time() };
        self.events.note(what, When { retired: self.clock.retired, ns });
    }

    /// Tells of `what`, which happens at `at`, if it is traced.
    #[inline]
    pub fn trace(&self, what: Happening, at: At) {
        if self.events.traces(what.kind()) {
            let when = When { retired: self.clock.retired, ns: self.clock.now() };
            self.events.trace(what, when, at);
        }
    }

    /// How many of `count` accesses to `port` may be made at once: as many as come before the next deadline, or none when
    /// somebody wants to be told of each.
    fn unseen(&self, port: u16, count: u32) -> u32 {
        let told = self.journal.is_some()
            || self.events.traces(TraceKinds::IO)
            || self.recorder.as_ref().is_some_and(|recorder| recorder.marks(port));
        if told { 0 } else { count.min(self.clock.ports_before(self.board.next_deadline())) }
    }

    /// Counts `count` accesses that were made at once, the last of which was `what`. Nothing of the board has changed by them
    /// that the run loop sees.
    fn count_burst(&mut self, count: u32, what: Happening) {
        if count == 0 {
            return;
        }
        self.counters.port_io += u64::from(count);
        self.clock.charge_ports(count);
        self.accesses = self.accesses.wrapping_add(u64::from(count));
        let ns = if self.clock.is_virtual() { self.clock.now() } else { self.board.time() };
        self.events.note_often(what, When { retired: self.clock.retired, ns }, count);
    }

    fn device<R>(&mut self, access: impl FnOnce(&mut Board, u64) -> R) -> R {
        let row = self.ledger.switch(Row::Devices);
        let now = self.clock.corrected_now();
        let result = access(&mut self.board, now);
        self.clock.charge_port();
        self.accesses = self.accesses.wrapping_add(1);
        let seen = &self.seen;
        self.touched |= seen.waits.input
            || seen.waits.frames && self.board.takes_frames()
            || self.look(seen.waits) != *seen
            || self.board.has_events()
            || self.board.has_full_outputs();
        if let Some(recorder) = &mut self.recorder {
            recorder.take_marks(self.clock.retired);
        }
        self.ledger.switch(row);
        result
    }
}

impl PhysIo for Io {
    fn mmio_read(&mut self, memory: Option<&mut GuestMemory>, pa: Pa, size: u8) -> u64 {
        if let Some(journal) = &mut self.journal {
            journal.device = true;
            return u64::MAX;
        }
        self.counters.mmio += 1;
        let value = match memory {
            Some(memory) => {
                self.device_over(memory, |board, now| board.mmio_read(now, pa.get(), size))
            }
            None => self.device(|board, now| board.mmio_read(now, pa.get(), size)),
        };
        self.note(Happening::MmioRead { address: pa.get(), size, value });
        value
    }

    fn mmio_write(&mut self, memory: &mut GuestMemory, pa: Pa, size: u8, value: u64) {
        if let Some(journal) = &mut self.journal {
            journal.device = true;
            return;
        }
        self.counters.mmio += 1;
        self.note(Happening::MmioWrite { address: pa.get(), size, value });
        self.device_over(memory, |board, now| board.mmio_write(now, pa.get(), size, value));
    }

    fn code_write(&mut self, pa: Pa, len: u32) {
        if self.journal.is_none() {
            self.code_writes.push((pa.get(), len));
        }
    }

    fn flags_set(&mut self, lin: Lin, offset: u64, old: u32) {
        let flags = FlagsSet { offset, lin };
        if let Some(journal) = &mut self.journal {
            journal.record(offset, &old.to_le_bytes());
            journal.flags_set.push(flags);
        } else if let Some(others) = &mut self.flags_set {
            others.push((flags, old));
        }
    }

    fn watched(&mut self, hit: WatchHit) {
        if let Some(journal) = &mut self.journal {
            journal.device = true;
            return;
        }
        self.accesses = self.accesses.wrapping_add(1);
        if self.watch_hit.is_none() {
            self.watch_hit = Some(hit);
        }
        self.pause_strings = true;
        self.touched = true;
    }

    fn ram_write(&mut self, offset: u64, old: &[u8]) {
        if let Some(journal) = &mut self.journal {
            journal.record(offset, old);
        }
    }
}

/// Everything behind the [`Bus`].
#[derive(Debug)]
pub struct SystemBus {
    /// Translation.
    pub mmu: Mmu,
    /// Guest memory.
    pub memory: GuestMemory,
    /// Devices and time.
    pub io: Io,
    /// Paging changes not yet seen by the windows.
    pub paging: Vec<PagingEvent>,
    /// Who serves firmware calls.
    firmware: Option<BiosHook>,
}

impl SystemBus {
    /// The bus of a machine that starts now.
    pub fn new(memory: GuestMemory, board: Board, clock: ClockKind, profile: bool) -> Self {
        let io = Io {
            board,
            clock: Clock::new(clock),
            code_writes: Vec::new(),
            journal: None,
            flags_set: None,
            touched: true,
            seen: Seen::default(),
            watch_hit: None,
            pause_strings: false,
            accesses: 0,
            random: Random::default(),
            counters: Counters::default(),
            ledger: Ledger::new(profile),
            events: Events::default(),
            recorder: profile.then(Box::default),
        };
        Self { mmu: Mmu::new(), memory, io, paging: Vec::new(), firmware: None }
    }

    /// Lets `hook` serve firmware calls.
    pub fn set_firmware(&mut self, hook: BiosHook) {
        self.firmware = Some(hook);
    }

    /// What firmware reaches, with the state of the processor.
    pub fn parts<'a>(&'a mut self, cpu: &'a mut CpuState) -> Parts<'a> {
        let now = self.io.clock.now();
        Parts { cpu, memory: &mut self.memory, board: &mut self.io.board, now }
    }

    /// Takes over what was written to code pages from outside.
    pub fn note_host_writes(&mut self) {
        self.io.note_writes(&mut self.memory);
    }

    /// Brings the devices' time to `now`; what is due then may write guest memory.
    pub fn advance(&mut self, now: u64) {
        self.io.board.over(&mut Door(&mut self.memory)).advance(now);
        self.note_host_writes();
    }

    /// Serves the firmware call that the instruction which just retired made, if it made one.
    pub fn serve_firmware(&mut self, cpu: &mut CpuState) {
        if self.io.board.take_firmware_call().is_none() {
            return;
        }
        let Some(hook) = &mut self.firmware else { return };
        // The hook sees the whole state, and may be anybody's code.
        fpu::claim(cpu);
        let now = self.io.clock.now();
        let board = std::cell::RefCell::new(&mut self.io.board);
        let mut put = |byte: u8| board.borrow_mut().port_out(now, COM1_BASE, 1, u32::from(byte));
        let mut get = || {
            let mut board = board.borrow_mut();
            let ready = board.port_in(now, COM1_BASE + 5, 1) & 1 != 0;
            ready.then(|| board.port_in(now, COM1_BASE, 1) as u8)
        };
        (hook.handler)(cpu, &mut self.memory, &mut put, &mut get);
        self.note_host_writes();
    }
}

/// The last of items of `size` (1, 2 or 4) bytes.
fn last_item(items: &[u8], size: u8) -> u32 {
    let last = items.len().saturating_sub(usize::from(size));
    items[last..].iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

impl Bus for SystemBus {
    #[inline]
    fn read(&mut self, lin: Lin, buf: &mut [u8], who: Privilege) -> Result<(), Exception> {
        self.mmu.read(&mut self.memory, &mut self.io, lin, buf, who)
    }

    #[inline]
    fn write(&mut self, lin: Lin, data: &[u8], who: Privilege) -> Result<(), Exception> {
        self.mmu.write(&mut self.memory, &mut self.io, lin, data, who)
    }

    fn probe(
        &mut self,
        lin: Lin,
        len: u32,
        access: Access,
        who: Privilege,
    ) -> Result<(), Exception> {
        self.mmu.probe(&mut self.memory, &mut self.io, lin, len, access, who)
    }

    #[inline]
    fn fetch(&mut self, lin: Lin, buf: &mut [u8; 16], who: Privilege) -> Result<usize, Exception> {
        self.mmu.fetch(&mut self.memory, &mut self.io, lin, buf, who)
    }

    fn port_in(&mut self, port: u16, size: u8) -> u32 {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return u32::MAX;
        }
        self.io.counters.port_io += 1;
        let read = |board: &mut OverMemory<'_>, now| board.port_in(now, port, size);
        let value = self.io.device_over(&mut self.memory, read);
        self.mmu.catch_up(&self.memory);
        self.io.note(Happening::PortIn { port, size, value });
        value
    }

    fn port_out(&mut self, port: u16, size: u8, value: u32) {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return;
        }
        self.io.counters.port_io += 1;
        self.io.note(Happening::PortOut { port, size, value });
        if let Some(recorder) = &mut self.io.recorder {
            recorder.port_written(port, value, self.io.clock.retired);
        }
        self.io.device_over(&mut self.memory, |board, now| board.port_out(now, port, size, value));
        self.mmu.catch_up(&self.memory);
    }

    fn burst_in(&mut self, port: u16, size: u8, lin: Lin, count: u32, who: Privilege) -> u32 {
        let mut buf = [0; PAGE_SIZE as usize];
        let len = self.io.unseen(port, count).saturating_mul(u32::from(size)) as usize;
        let Some(buf) = buf.get_mut(..len).filter(|_| len != 0) else { return 0 };
        let Some(offset) = self.mmu.plain(lin, len, Access::Write, who) else { return 0 };
        let row = self.io.ledger.switch(Row::Devices);
        let done = self.io.board.burst_in(port, size, buf);
        self.memory.write_offset(offset, &buf[..done]);
        let moved = (done / usize::from(size)) as u32;
        let what = Happening::PortIn { port, size, value: last_item(&buf[..done], size) };
        self.io.count_burst(moved, what);
        self.io.ledger.switch(row);
        moved
    }

    fn burst_out(&mut self, port: u16, size: u8, lin: Lin, count: u32, who: Privilege) -> u32 {
        let mut buf = [0; PAGE_SIZE as usize];
        let len = self.io.unseen(port, count).saturating_mul(u32::from(size)) as usize;
        let Some(buf) = buf.get_mut(..len).filter(|_| len != 0) else { return 0 };
        let Some(offset) = self.mmu.plain(lin, len, Access::Read, who) else { return 0 };
        let row = self.io.ledger.switch(Row::Devices);
        self.memory.read_offset(offset, buf);
        let done = self.io.board.burst_out(port, size, buf);
        let moved = (done / usize::from(size)) as u32;
        let what = Happening::PortOut { port, size, value: last_item(&buf[..done], size) };
        self.io.count_burst(moved, what);
        self.io.ledger.switch(row);
        moved
    }

    fn burst_fill(&mut self, lin: Lin, value: u32, size: u8, count: u32, who: Privilege) -> u32 {
        self.mmu.fill(&mut self.memory, lin, (value, size), count, who)
    }

    fn burst_move(&mut self, from: Lin, to: Lin, size: u8, count: u32, who: Privilege) -> u32 {
        let len = count.saturating_mul(u32::from(size));
        if self.mmu.copy(&mut self.memory, from, to, len as usize, who) { count } else { 0 }
    }

    fn paging_changed(&mut self, regs: &PagingRegs, change: PagingChange) {
        self.mmu.paging_changed(regs, change);
        let (event, what) = match change {
            PagingChange::Cr3 => (PagingEvent::Cr3, Happening::AddressSpace { cr3: regs.cr3 }),
            PagingChange::Mode => (PagingEvent::Mode, Happening::Mode(*regs)),
        };
        self.paging.push(event);
        self.io.note(what);
    }

    fn invlpg(&mut self, lin: Lin) {
        self.mmu.invlpg(lin);
        // (Windows serve no address space of long mode.)
        if !self.mmu.paging().is_long() {
            self.paging.push(PagingEvent::Page(lin.low()));
        }
        self.io.note(Happening::PageInvalidated { linear: lin.get() });
    }

    fn load_pdptes(&mut self, regs: &PagingRegs) -> Result<(), Exception> {
        self.mmu.load_pdptes(&self.memory, &mut self.io, regs)
    }

    fn random(&mut self) -> u32 {
        self.io.random.next(self.io.clock.is_virtual())
    }

    fn msr(&mut self, address: u32) -> Option<u64> {
        self.io.board.msr(address)
    }

    fn set_msr(&mut self, address: u32, value: u64) -> bool {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return true;
        }
        self.io.board.set_msr(address, value)
    }

    fn set_apic_base(&mut self, value: u64) {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return;
        }
        self.io.device(|board, _| board.set_apic_base(value));
    }

    fn task_priority(&mut self) -> u8 {
        self.io.board.task_priority()
    }

    fn set_task_priority(&mut self, class: u8) {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return;
        }
        self.io.device(|board, _| board.set_task_priority(class));
    }

    fn tsc_deadline(&mut self) -> u64 {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return 0;
        }
        self.io.device(|board, now| board.tsc_deadline(now))
    }

    fn set_tsc_deadline(&mut self, at: u64) {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return;
        }
        self.io.device(|board, now| board.set_tsc_deadline(now, at));
    }

    fn tsc(&mut self) -> u64 {
        self.io.clock.corrected_now()
    }

    fn ferr(&mut self, asserted: bool) {
        if let Some(journal) = &mut self.io.journal {
            journal.device = true;
            return;
        }
        self.io.device(|board, now| board.set_ferr(now, asserted));
    }

    fn raised(&mut self, exception: &Exception, nested: bool) {
        self.io.note(Happening::Exception { exception: *exception, nested });
    }

    fn software_interrupt(&mut self, vector: u8) {
        if self.io.journal.is_none() {
            self.io.note(Happening::Software { vector });
        }
    }

    #[inline]
    fn pauses_strings(&self) -> bool {
        self.io.pause_strings
    }

    fn ignne(&mut self) -> bool {
        self.io.board.ignne()
    }
}
