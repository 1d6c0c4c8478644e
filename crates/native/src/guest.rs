//! The two engines under test, with the same pages as the helper process: the interpreter on its own
//! memory, and translated code in a monitor.

use crate::layout::{
    CODE, CS16, CS16_LIMIT, CS32, DATA_SELECTOR, PAGE, READ_ONLY, WRITABLE, WRITABLE_LEN,
    code_pages, is_low,
};
use crate::wire::{COMPLETED, Input, Output};
use ringer_cpu::Features;
use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::state::{cr0, cr4};
use ringer_cpu::{Access, Bus, CpuModel, CpuState, Eflags, Exception, FpuImage, Interp, Outcome};
use ringer_cpu::{PagingChange, PagingRegs, Privilege, Refusal, SegAttr, Segment, Vector};
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_mmu::{GuestMemory, MemoryError, Mmu, PhysIo};
use ringer_monitor::testing::Once;
use ringer_monitor::{ClockKind, Engine, Monitor, MonitorConfig, MonitorError, TranslatorOptions};

const RAM: u64 = 16 << 20;
/// Page directory and its first table, in physical memory.
const DIRECTORY: u32 = 0xc0_0000;
const TABLE: u32 = DIRECTORY + PAGE;
const PRESENT: u32 = 1;
const WRITE: u32 = 2;
const USER: u32 = 4;

/// DR6.BS, which a single-step trap sets.
const DR6_BS: u32 = 1 << 14;
/// Instead of [`COMPLETED`]: the single-step trap is missing.
const NO_TRAP: u32 = COMPLETED - 1;

/// No guest, for want of host resources.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// No guest memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// No monitor, or it failed.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// No interpreter.
    #[error("cannot set up the interpreter: {0}")]
    Interp(#[from] Refusal),
}

/// Nothing behind physical addresses that are not RAM.
#[derive(Debug)]
struct NoIo;

impl PhysIo for NoIo {
    fn mmio_read(&mut self, _: Option<&mut GuestMemory>, _: Pa, _: u8) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _: &mut GuestMemory, _: Pa, _: u8, _: u64) {}
    fn code_write(&mut self, _: Pa, _: u32) {}
}

/// The interpreter's machine.
#[derive(Debug)]
struct Ram {
    mmu: Mmu,
    memory: GuestMemory,
    io: NoIo,
}

impl Bus for Ram {
    fn read(&mut self, lin: Lin, buf: &mut [u8], who: Privilege) -> Result<(), Exception> {
        self.mmu.read(&mut self.memory, &mut self.io, lin, buf, who)
    }

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

    fn fetch(&mut self, lin: Lin, buf: &mut [u8; 16], who: Privilege) -> Result<usize, Exception> {
        self.mmu.fetch(&mut self.memory, &mut self.io, lin, buf, who)
    }

    fn port_in(&mut self, _: u16, _: u8) -> u32 {
        u32::MAX
    }

    fn port_out(&mut self, _: u16, _: u8, _: u32) {}

    fn paging_changed(&mut self, regs: &PagingRegs, change: PagingChange) {
        self.mmu.paging_changed(regs, change);
    }

    fn invlpg(&mut self, lin: Lin) {
        self.mmu.invlpg(lin);
    }

    fn load_pdptes(&mut self, _: &PagingRegs) -> Result<(), Exception> {
        Ok(())
    }

    fn random(&mut self) -> u32 {
        0
    }

    fn tsc(&mut self) -> u64 {
        0
    }
}

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// Both engines.
#[derive(Debug)]
pub struct Guests {
    interp: Interp<Ram>,
    ram: Ram,
    /// The translator's machine.
    pub monitor: Monitor,
    template: CpuState,
}

impl Guests {
    /// Two machines with the pages of [`crate::layout`] mapped for CPL 3, those under 64 KiB only if
    /// `low`.
    ///
    /// # Errors
    /// When the host has no memory for them.
    pub fn new(model: CpuModel, low: bool) -> Result<Self, GuestError> {
        let interp = Interp::new(model)?;
        let mut ram =
            Ram { mmu: Mmu::new(), memory: tables(GuestMemory::new(RAM)?, low)?, io: NoIo };
        let mut monitor = monitor(model, low)?;
        let mut template = user(interp.state());
        if model.features().contains(Features::XSAVE) {
            template.cr4 |= cr4::OSXSAVE;
            template.xcr0 = model.xcr0();
        }
        let regs = PagingRegs { cr0: template.cr0, cr3: template.cr3, cr4: template.cr4, efer: 0 };
        ram.paging_changed(&regs, PagingChange::Mode);
        *monitor.state_mut() = template;
        monitor.testing().set_paging(regs);
        Ok(Self { interp, ram, monitor, template })
    }

    /// Writes code or read-only data, in both machines; pages that hold none are left out. Forget
    /// translations first ([`Monitor::flush_cache`]).
    pub fn write_code(&mut self, at: u32, bytes: &[u8]) {
        let known = |page| code_pages().chain(READ_ONLY).any(|p| p == page);
        for (byte, at) in bytes.iter().zip(at..) {
            if known(at & !(PAGE - 1)) {
                for memory in [&mut self.ram.memory, self.monitor.memory_mut()] {
                    memory.dma_write(Pa::from(at), &[*byte]);
                }
            }
        }
    }

    /// Copies `contents` to the writable pages of the interpreter's machine.
    pub fn fill(&mut self, contents: &[u8]) {
        fill(&mut self.ram.memory, contents);
    }

    /// The writable pages of the interpreter's machine.
    pub fn writable(&self, out: &mut [u8; WRITABLE_LEN]) {
        writable(&self.ram.memory, out);
    }

    /// Runs one case in the interpreter; one that the host runs with TF set runs so here too, and
    /// must leave a single-step trap to be taken.
    pub fn interpret(&mut self, input: &Input) -> Output {
        let mut s = self.template;
        load(&mut s, input);
        if input.step != 0 {
            s.eflags |= Eflags::TF.bits();
        }
        let raised = loop {
            match self.interp.execute(&mut s, &mut self.ram) {
                Ok(Outcome::Partial) => {}
                Ok(_) if input.count > 1 && s.eip() != input.next => {}
                Ok(_) => break None,
                Err(exception) => break Some(exception),
            }
        };
        ringer_cpu::interp::fpu::claim(&mut s);
        let mut out = output(&s, raised);
        if input.step != 0 {
            out.eflags &= !Eflags::TF.bits();
            if raised.is_none() && s.pending_debug != DR6_BS {
                out.trap = NO_TRAP;
            }
        }
        out
    }

    /// Makes this thread the translator's processor while `work` runs.
    ///
    /// # Errors
    /// When the host refuses a timer or the alternate signal stack.
    pub fn as_vcpu<R>(
        &mut self,
        work: impl FnOnce(&mut Running<'_>) -> R,
    ) -> Result<R, MonitorError> {
        let template = &self.template;
        self.monitor.as_vcpu(|monitor| work(&mut Running { monitor, template }))
    }
}

/// The translator's machine on its thread.
#[derive(Debug)]
pub struct Running<'a> {
    monitor: &'a mut Monitor,
    template: &'a CpuState,
}

impl Running<'_> {
    /// Runs one case as translated code, or by the monitor's interpreter when the translator leaves
    /// the instruction to it (then the second value is false).
    ///
    /// # Errors
    /// When the host fails us.
    pub fn translated(&mut self, input: &Input) -> Result<(Output, bool), MonitorError> {
        let s = self.monitor.state_mut();
        *s = *self.template;
        load(s, input);
        let mut some_translated = false;
        let raised = loop {
            let (raised, translated) = match self.monitor.testing().run_once()? {
                Once::NotTranslated => (self.monitor.testing().interpret_once(), false),
                Once::Ended => (None, true),
                Once::Raised(exception) => (Some(exception), true),
            };
            some_translated |= translated;
            let more = input.count > 1 && self.monitor.state().eip() != input.next;
            if raised.is_some() || !more {
                break raised;
            }
        };
        Ok((output(self.monitor.state(), raised), some_translated))
    }

    /// Copies `contents` to the writable pages.
    pub fn fill(&mut self, contents: &[u8]) {
        fill(self.monitor.memory_mut(), contents);
    }

    /// The writable pages.
    pub fn writable(&self, out: &mut [u8; WRITABLE_LEN]) {
        writable(self.monitor.memory(), out);
    }
}

fn fill(memory: &mut GuestMemory, contents: &[u8]) {
    for (page, bytes) in WRITABLE.into_iter().zip(contents.chunks(PAGE as usize)) {
        memory.dma_write(Pa::from(page), bytes);
    }
}

fn writable(memory: &GuestMemory, out: &mut [u8; WRITABLE_LEN]) {
    for (page, bytes) in WRITABLE.into_iter().zip(out.chunks_mut(PAGE as usize)) {
        memory.read(Pa::from(page), bytes);
    }
}

fn load(s: &mut CpuState, input: &Input) {
    s.fpu = input.fpu;
    s.ymm_high[..8].copy_from_slice(&input.ymm);
    s.set_gpr32(input.gpr);
    s.set_eip(input.eip);
    if input.cs == u32::from(CS16) {
        let cs = &mut s.seg[1];
        (cs.selector, cs.base, cs.limit) = (CS16, Lin::from(CODE), CS16_LIMIT);
        cs.attr -= SegAttr::DB | SegAttr::G;
    }
    s.eflags = input.eflags | Eflags::IF.bits() | Eflags::FIXED_ONE;
}

fn output(s: &CpuState, raised: Option<Exception>) -> Output {
    let page_fault = raised.filter(|e| e.vector == Vector::Pf);
    Output {
        fpu: s.fpu,
        ymm: std::array::from_fn(|k| s.ymm_high[k]),
        gpr: s.gpr32(),
        eflags: s.eflags,
        eip: s.eip(),
        trap: raised.map_or(COMPLETED, |e| e.vector as u32),
        error: raised.and_then(|e| e.error).unwrap_or(0),
        cr2: page_fault.map_or(0, |e| e.address.low()),
        by_kernel: 0,
    }
}

/// Page tables that map the layout's pages to themselves, at CPL 3.
fn tables(mut memory: GuestMemory, low: bool) -> Result<GuestMemory, MemoryError> {
    let mut put = |at: u32, entry: u32| memory.load(Pa::from(at), &entry.to_le_bytes());
    put(DIRECTORY, TABLE | PRESENT | WRITE | USER)?;
    put(DIRECTORY + 4, (TABLE + PAGE) | PRESENT | WRITE | USER)?;
    let mut page =
        |at: u32, rights: u32| put(TABLE + (at / PAGE) * 4, at | PRESENT | USER | rights);
    for at in code_pages().chain(READ_ONLY).filter(|at| low || !is_low(*at)) {
        page(at, 0)?;
    }
    for at in WRITABLE.into_iter().filter(|at| low || !is_low(*at)) {
        page(at, WRITE)?;
    }
    Ok(memory)
}

/// CPL 3 as Linux has it in compatibility mode: flat segments with the same selectors, FS and GS
/// null, alignment checks enabled, all x87 and SSE exceptions reported.
fn user(reset: CpuState) -> CpuState {
    let data = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    let flat = data | SegAttr::DB | SegAttr::G | SegAttr::DPL;
    let mut s = reset;
    for seg in &mut s.seg[..4] {
        *seg = Segment { selector: DATA_SELECTOR, attr: flat, base: Lin(0), limit: u32::MAX };
    }
    s.seg[1].selector = CS32;
    s.seg[1].attr |= SegAttr::CODE;
    for seg in &mut s.seg[4..] {
        *seg = Segment { selector: 0, attr: SegAttr::NULL, base: Lin(0), limit: 0 };
    }
    s.cr0 = cr0::PE | cr0::PG | cr0::WP | cr0::NE | cr0::MP | cr0::ET | cr0::AM;
    s.cr3 = u64::from(DIRECTORY);
    s.cr4 = cr4::OSFXSR | cr4::OSXMMEXCPT;
    s.cpl = 3;
    s.set_eip(CODE);
    s.fpu = FpuImage::reset();
    s
}

fn monitor(model: CpuModel, low: bool) -> Result<Monitor, GuestError> {
    let config = BoardConfig {
        ram_size: RAM,
        debug_exit: false,
        apic: false,
        test_device: false,
        rtc_epoch_s: 0,
        log_post: false,
        ide: [None; 4],
        ahci: [None; 6],
        floppies: [None; 2],
        vga: false,
        nics: Default::default(),
        virtio: ringer_devices::VirtioConfig::NONE,
        serials: [false; 3],
        parallel: false,
    };
    let board = Board::new(config, Box::new(Nowhere), Box::new(Nowhere));
    let cfg = MonitorConfig {
        kick_signal: ringer_monitor::KickSignal::default(),
        model,
        engine: Engine::Lockstep,
        tc_size: 16 << 20,
        clock: ClockKind::Virtual,
        max_instructions: None,
        timeout: None,
        profile: false,
        options: TranslatorOptions::default(),
    };
    Ok(Monitor::new(cfg, tables(GuestMemory::new(RAM)?, low)?, board)?)
}
