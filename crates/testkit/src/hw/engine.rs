//! The machines that run captured cases: the interpreter on a flat memory, and the whole monitor
//! with every block translated at its first visit.

use super::error::HwError;
use super::moo::{Case, Family, Regs, reg};
use super::setting::{RunMode, Setting};
use ringer_cpu::addr::Pa;
use ringer_cpu::state::cr0;
use ringer_cpu::testing::FlatBus;
use ringer_cpu::{Activity, CpuModel, CpuState, Gpr, Interp, Outcome, SegReg, Segment};
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_mmu::GuestMemory;
use ringer_monitor::{ClockKind, Engine, Monitor, MonitorConfig, TranslatorOptions};

/// RAM of the machines: all that real mode reaches.
const RAM: u32 = 2 << 20;
/// Cache of the translating machine: it is flushed after each case, so small does.
const CACHE: u64 = 4 << 20;

const HLT: u8 = 0xf4;

/// FLAGS bits that a 286 keeps clear in real mode and later processors do not: IOPL, NT, bit 15.
pub(super) const LATER_FLAGS: u32 = 0xf000;
/// CR0 bits that a test may set: MP, EM, TS. (PE decides whether it can be run at all.)
const CR0_BITS: u32 = (cr0::MP | cr0::EM | cr0::TS) as u32;

/// Where each of [`super::moo::REGISTERS`] from EAX to ESP lies.
const GPRS: [(usize, Gpr); 8] = [
    (2, Gpr::Eax),
    (3, Gpr::Ebx),
    (4, Gpr::Ecx),
    (5, Gpr::Edx),
    (6, Gpr::Esi),
    (7, Gpr::Edi),
    (8, Gpr::Ebp),
    (9, Gpr::Esp),
];
const SEGMENTS: [(usize, SegReg); 6] = [
    (10, SegReg::Cs),
    (11, SegReg::Ds),
    (12, SegReg::Es),
    (13, SegReg::Fs),
    (14, SegReg::Gs),
    (15, SegReg::Ss),
];

/// How a case ended.
#[derive(Clone, Debug)]
pub struct End {
    /// Registers.
    pub regs: [u32; 20],
    /// HLT was reached.
    pub halted: bool,
    /// The instruction ran as host code.
    pub as_host: bool,
    /// What else ended the run.
    pub refused: Option<String>,
}

/// What runs cases.
pub trait Machine {
    /// Runs `case` to its HLT; memory stays as it left it until [`Machine::wipe`], which must come
    /// before the next case.
    ///
    /// # Errors
    /// When the host fails us.
    fn run(&mut self, case: &Case, setting: Setting) -> Result<End, HwError>;

    /// The byte of memory at physical address `at`.
    fn peek(&self, at: u32) -> u8;

    /// Zeroes the bytes that `case` lists and those of `writes` (address, length).
    fn wipe(&mut self, case: &Case, writes: &[(u32, usize)]);

    /// The first byte of memory that is not zero although nothing put it there; zeroes it. Called
    /// after [`Machine::wipe`].
    fn stray(&mut self) -> Option<u32>;
}

fn initial(mut s: CpuState, case: &Case, setting: Setting) -> CpuState {
    let family = setting.family;
    let value = |n: usize| case.before.regs[n];
    for (n, r) in GPRS {
        s.set_reg32(r, value(n).unwrap_or(0));
    }
    for (n, r) in SEGMENTS {
        s.seg[r as usize] = Segment::real(value(n).unwrap_or(0) as u16, 0);
    }
    s.set_eip(value(reg::EIP).unwrap_or(0));
    s.eflags = value(reg::EFLAGS).unwrap_or(0) & defined(reg::EFLAGS, family) | 2;
    if family == Family::Wide {
        s.cr0 = s.cr0 & !u64::from(CR0_BITS) | u64::from(value(reg::CR0).unwrap_or(0) & CR0_BITS);
        s.cr3 = value(reg::CR3).map_or(s.cr3, u64::from);
        s.dr[6] = value(reg::DR6).map_or(s.dr[6], u64::from) & 0xe00f | s.dr[6] & !0xe00f;
        s.dr[7] = value(reg::DR7).map_or(s.dr[7], u64::from) & 0xfbff | 0x400;
    }
    setting.enter(&mut s);
    s
}

/// Whether the run in `s` came to the HLT at its end. Where only one instruction was to be run, it may
/// stand before the HLT, or have been refused it (V86 mode): the HLT then counts as passed.
fn ended(s: &mut CpuState, setting: Setting, peek: impl Fn(u32) -> u8) -> bool {
    if setting.mode == RunMode::Real || s.activity == Activity::Halted {
        return s.activity == Activity::Halted;
    }
    let there = peek(s.linear(s.cs().base, s.rip.get()).low()) == HLT;
    s.set_eip(s.eip().wrapping_add(u32::from(there)) & 0xffff);
    there
}

/// The bits of register `n` that every processor since `family` has alike (SDM volume 3A, 2.5 for CR0,
/// 17.2 for the debug registers, volume 1, 3.4.3 for EFLAGS; the other bits were fixed, or came later).
#[must_use]
pub fn defined(n: usize, family: Family) -> u32 {
    match (n, family) {
        (reg::EFLAGS, Family::Narrow) => 0xffff & !LATER_FLAGS,
        (_, Family::Narrow) => 0xffff,
        (reg::CR0, Family::Wide) => CR0_BITS | cr0::PE as u32 | cr0::PG as u32,
        (reg::EFLAGS, Family::Wide) => 0x1_7fd7,
        (reg::DR6, Family::Wide) => 0xe00f,
        (reg::DR7, Family::Wide) => 0xffff_23ff,
        (reg::CS..=reg::SS, Family::Wide) => 0xffff,
        (_, Family::Wide) => u32::MAX,
    }
}

fn registers(s: &CpuState) -> [u32; 20] {
    let mut out = [0; 20];
    for (n, r) in GPRS {
        out[n] = s.reg32(r);
    }
    for (n, r) in SEGMENTS {
        out[n] = u32::from(s.seg[r as usize].selector);
    }
    out[reg::CR0] = s.cr0 as u32;
    out[reg::CR3] = s.cr3 as u32;
    out[reg::EIP] = s.eip();
    out[reg::EFLAGS] = s.eflags;
    out[reg::DR6] = s.dr[6] as u32;
    out[reg::DR7] = s.dr[7] as u32;
    out
}

/// Bits to compare of register `n`, by the file, the case and the family.
#[must_use]
pub fn mask(n: usize, case: &Case, masks: &Regs, family: Family) -> u32 {
    case.after.masks[n].unwrap_or(u32::MAX) & masks[n].unwrap_or(u32::MAX) & defined(n, family)
}

/// The reference interpreter on a flat memory, with a log of what it wrote.
#[derive(Debug)]
pub struct Reference {
    interp: Interp<FlatBus>,
    bus: FlatBus,
}

impl Reference {
    /// A machine of `model`.
    ///
    /// # Errors
    /// When the host refuses memory.
    pub fn new(model: CpuModel) -> Result<Self, HwError> {
        let mut bus = FlatBus::new(RAM as usize);
        bus.log_writes = true;
        Ok(Self { interp: Interp::new(model)?, bus })
    }

    /// What the last case wrote: address and length; empties the log.
    pub fn take_writes(&mut self) -> Vec<(u32, usize)> {
        std::mem::take(&mut self.bus.writes)
    }
}

impl Machine for Reference {
    fn run(&mut self, case: &Case, setting: Setting) -> Result<End, HwError> {
        for &(at, value) in &case.before.ram {
            self.bus.load(at, &[value]);
        }
        let mut s = initial(self.interp.state(), case, setting);
        let mut rounds = 0;
        while s.activity == Activity::Running && rounds < setting.limit() {
            if self.interp.step(&mut s, &mut self.bus) != Outcome::Partial {
                rounds += 1;
            }
        }
        self.bus.port_writes.clear();
        let halted = ended(&mut s, setting, |at| self.bus.peek(at));
        Ok(End { regs: registers(&s), halted, as_host: false, refused: None })
    }

    fn peek(&self, at: u32) -> u8 {
        self.bus.peek(at)
    }

    fn wipe(&mut self, case: &Case, writes: &[(u32, usize)]) {
        for (at, len) in touched(case, writes) {
            self.bus.load(at, &vec![0; len]);
        }
    }

    fn stray(&mut self) -> Option<u32> {
        let byte = self.bus.mem.iter_mut().enumerate().find(|(_, b)| **b != 0);
        byte.map(|(at, b)| {
            *b = 0;
            at as u32
        })
    }
}

/// Address and length of everything that a case may have changed.
fn touched<'a>(
    case: &'a Case,
    writes: &'a [(u32, usize)],
) -> impl Iterator<Item = (u32, usize)> + 'a {
    let listed = case.before.ram.iter().chain(&case.after.ram).map(|(at, _)| (*at, 1));
    listed.chain(writes.iter().copied())
}

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// The monitor: every block is translated at its first visit, and verified before it runs. It must stay inside
/// [`Monitor::as_vcpu`], on one thread; see [`with_translating`].
#[derive(Debug)]
pub struct Translating<'a> {
    monitor: &'a mut Monitor,
    template: CpuState,
}

/// Makes a translating machine and calls `work` with it.
///
/// # Errors
/// When the host refuses memory, windows or signals.
pub fn with_translating<R>(
    model: CpuModel,
    work: impl FnOnce(&mut Translating<'_>) -> R,
) -> Result<R, HwError> {
    let memory = GuestMemory::without_hole(u64::from(RAM))?;
    let ram_size = u64::from(RAM);
    let config = BoardConfig {
        ram_size,
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
    let mut board = Board::new(config, Box::new(Nowhere), Box::new(Nowhere));
    board.unplug_ports();
    let cfg = MonitorConfig {
        kick_signal: ringer_monitor::KickSignal::default(),
        model,
        engine: Engine::Bt,
        tc_size: CACHE,
        clock: ClockKind::Virtual,
        max_instructions: None,
        timeout: None,
        profile: false,
        options: TranslatorOptions::default() | TranslatorOptions::VERIFY,
    };
    let mut monitor = Monitor::new(cfg, memory, board)?;
    monitor.testing().translate_at_visit(1);
    let template = *monitor.state();
    Ok(monitor.as_vcpu(|monitor| work(&mut Translating { monitor, template }))?)
}

impl Translating<'_> {
    /// Blocks that the verifier passed so far.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.monitor.checks().blocks_verified
    }
}

impl Machine for Translating<'_> {
    fn run(&mut self, case: &Case, setting: Setting) -> Result<End, HwError> {
        for &(at, value) in &case.before.ram {
            // (Bytes beyond the RAM are lost, as on the other machine.)
            self.monitor.memory_mut().dma_write(Pa::from(at), &[value]);
        }
        *self.monitor.state_mut() = initial(self.template, case, setting);
        let run = self.monitor.testing().run_to_halt(setting.limit())?;
        let mut state = *self.monitor.state();
        let halted = ended(&mut state, setting, |at| self.peek(at)) && run.end.is_none();
        let regs = registers(&state);
        let refused = run.end.map(|end| format!("{end:?}"));
        Ok(End { regs, halted, as_host: run.first_as_host, refused })
    }

    fn peek(&self, at: u32) -> u8 {
        let mut byte = [0xff];
        self.monitor.memory().read(Pa::from(at), &mut byte);
        byte[0]
    }

    fn wipe(&mut self, case: &Case, writes: &[(u32, usize)]) {
        self.monitor.flush_cache();
        for (at, len) in touched(case, writes) {
            self.monitor.memory_mut().dma_write(Pa::from(at), &vec![0; len]);
        }
    }

    fn stray(&mut self) -> Option<u32> {
        let mut page = [0; 4096];
        let found = (0..RAM).step_by(page.len()).find_map(|first| {
            self.monitor.memory().read(Pa::from(first), &mut page);
            page.iter().position(|b| *b != 0).map(|at| first + at as u32)
        });
        if let Some(at) = found {
            self.monitor.memory_mut().dma_write(Pa::from(at), &[0]);
        }
        found
    }
}
