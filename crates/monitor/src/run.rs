//! The run loop: service the machine, then run a slice of guest code, until something ends it.

use crate::bios::BiosHook;
use crate::bt::Bt;
use crate::clock::Clock;
use crate::config::{ClockKind, Engine, MonitorConfig, MonitorError, RunEnd};
use crate::footprint::Footprint;
use crate::huge_pages::HugePageThread;
use crate::inbox::{Inbox, Kicker, Taken};
use crate::jitdump::SharedJitDump;
use crate::profile::{Counters, Ledger, LedgerRow, Profile, Row};
use crate::random::Random;
use crate::signals::coredump::SparedCoreDumps;
use crate::signals::{Places, Registration};
use crate::system_bus::{Io, Seen, SystemBus};
use ringer_cpu::interp::fpu;
use ringer_cpu::{Activity, CpuState, Eflags, Interp, Outcome};
use ringer_devices::addresses::COM1_BASE;
use ringer_devices::{Board, BoardEvent, rows};
use ringer_mmu::{GuestMemory, Mmu};
use ringer_translator::context::{ExecContext, SharedContext};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Serial bytes taken from the inbox at a time.
const SERIAL_CHUNK: usize = 16;
/// Instructions the interpreter engine runs between looks at the inbox.
const INTERP_SLICE: u32 = 4096;

/// The time that a thread is a vCPU; ends when dropped.
struct Stay<'a>(&'a mut Monitor);

impl<'a> Stay<'a> {
    fn begin(monitor: &'a mut Monitor) -> Result<Self, MonitorError> {
        monitor.register()?;
        Ok(Self(monitor))
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.0.unregister();
    }
}

/// One virtual machine's processor and everything it needs to run.
#[derive(Debug)]
pub struct Monitor {
    pub(crate) cfg: MonitorConfig,
    pub(crate) context: SharedContext,
    pub(crate) interp: Interp<SystemBus>,
    pub(crate) bus: SystemBus,
    pub(crate) bt: Bt,
    pub(crate) signals: Option<Registration>,
    _spared: SparedCoreDumps,
    inbox: Inbox,
    bios: Option<BiosHook>,
    /// The board's INTR line as last seen.
    pub(crate) intr: bool,
    /// Set when the run must end.
    pub(crate) end: Option<RunEnd>,
    pub(crate) started: Instant,
    seconds: f64,
    last_eip: (u16, u32),
    /// The board's next deadline as of the last service.
    deadline: Option<u64>,
    /// COM1 had no room for the last input.
    serial_full: bool,
    pub(crate) footprint: Footprint,
    pub(crate) huge_pages: Option<HugePageThread>,
}

impl Monitor {
    /// A processor of `cfg.model` at reset, with `memory` and `board`.
    ///
    /// # Errors
    /// When the host refuses memory, windows or the translation cache.
    pub fn new(
        mut cfg: MonitorConfig,
        memory: GuestMemory,
        board: Board,
    ) -> Result<Self, MonitorError> {
        if cfg.max_instructions.is_some() || cfg.engine == Engine::Lockstep {
            cfg.clock = ClockKind::Virtual;
        }
        let interp = Interp::new(cfg.model);
        let state = interp.state();
        let bt = Bt::new(&cfg)?;
        let context = SharedContext::new(ExecContext::new(state, bt.cache_base()));
        let io = Io {
            board,
            clock: Clock::new(cfg.clock),
            code_writes: Vec::new(),
            journal: None,
            touched: true,
            seen: Seen::default(),
            accesses: 0,
            random: Random::default(),
            counters: Counters::default(),
            ledger: Ledger::new(cfg.profile),
        };
        let bus = SystemBus { mmu: Mmu::new(), memory, io, paging: Vec::new() };
        Ok(Self {
            cfg,
            context,
            interp,
            bus,
            bt,
            signals: None,
            _spared: SparedCoreDumps::new(),
            inbox: Inbox::new(),
            bios: None,
            intr: false,
            end: None,
            started: Instant::now(),
            seconds: 0.0,
            last_eip: (0, 0),
            deadline: None,
            serial_full: false,
            footprint: Footprint::default(),
            huge_pages: None,
        })
    }

    /// The processor's state, for loaders.
    pub fn state_mut(&mut self) -> &mut CpuState {
        &mut self.context.cpu
    }

    /// The processor's state.
    #[must_use]
    pub fn state(&self) -> &CpuState {
        &self.context.cpu
    }

    /// Guest memory.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.bus.memory
    }

    /// Guest memory, for loaders.
    pub fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.bus.memory
    }

    /// A handle for other threads.
    #[must_use]
    pub fn kicker(&self) -> Kicker {
        self.inbox.kicker()
    }

    /// Tells `dump` of every block that is translated from now on.
    pub fn set_jitdump(&mut self, dump: SharedJitDump) {
        self.bt.jitdump = Some(dump);
    }

    /// Puts the firmware port on the board and lets `hook` serve its calls.
    ///
    /// # Errors
    /// When another device is at its port.
    pub fn set_bios(&mut self, hook: BiosHook) -> Result<(), MonitorError> {
        self.bus.io.board.fit(rows::FIRMWARE)?;
        self.bios = Some(hook);
        Ok(())
    }

    /// The board, for its logs.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.bus.io.board
    }

    /// Guest instructions retired so far (translated ones only when they are counted: with a
    /// virtual clock, a limit or profiling).
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.bus.io.clock.retired
    }

    /// Runs until the guest, a limit or the user ends it.
    ///
    /// # Errors
    /// When the host fails us; never because of what the guest does.
    pub fn run(&mut self) -> Result<RunEnd, MonitorError> {
        self.started = Instant::now();
        self.bus.io.ledger.begin();
        let result = self.as_vcpu(Self::run_loop)?;
        self.bus.io.ledger.switch(Row::Dispatch);
        self.seconds += self.started.elapsed().as_secs_f64();
        result
    }

    /// Makes the calling thread the vCPU while `work` runs: signal handlers, timer and mail point to
    /// it.
    ///
    /// # Errors
    /// When the host refuses a timer or the alternate signal stack.
    pub fn as_vcpu<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> Result<R, MonitorError> {
        let stay = Stay::begin(self)?;
        Ok(work(stay.0))
    }

    fn register(&mut self) -> Result<(), MonitorError> {
        let places = Places {
            cache: self.bt.cache_range(),
            stubs_end: self.bt.stubs_end(),
            exit_signal: self.bt.exit_signal(),
            switches: self.bt.cache.transfer_stubs(),
        };
        // SAFETY: the context stays in place as long as `self`; the registration is dropped in
        // `unregister`, on this thread, before `as_vcpu` is left in whatever way.
        let registration =
            unsafe { Registration::new(&self.context, places, self.cfg.kick_signal) };
        let registration = registration
            .map_err(|source| MonitorError::Host { what: "signals and timers", source })?;
        self.context.host_mxcsr = fpu::mxcsr();
        self.inbox.attach(Some(registration.target()));
        self.signals = Some(registration);
        Ok(())
    }

    fn unregister(&mut self) {
        self.inbox.attach(None);
        self.signals = None;
        self.bt.left_thread();
        fpu::claim(&mut self.context.cpu);
    }

    fn run_loop(&mut self) -> Result<RunEnd, MonitorError> {
        loop {
            self.service()?;
            if let Some(end) = self.end.take() {
                return Ok(end);
            }
            if self.context.cpu.activity != Activity::Running {
                self.idle();
                continue;
            }
            match self.cfg.engine {
                Engine::Interp => self.interp_slice(),
                Engine::Bt => self.bt_slice()?,
                Engine::Lockstep => self.lockstep_slice()?,
            }
        }
    }

    /// Brings devices up to date, takes mail, and delivers an interrupt when one can be.
    fn service(&mut self) -> Result<(), MonitorError> {
        let row = self.bus.io.ledger.switch(Row::Devices);
        self.context.doorbell().kick.store(0, Ordering::Relaxed);
        self.bus.io.touched = false;
        self.tell_progress();
        self.mind_footprint(false);
        if self.inbox.wants_comparison() && self.cfg.engine == Engine::Bt {
            self.start_lockstep();
        }
        let Taken { serial: bytes, more, quit } = self.inbox.take(SERIAL_CHUNK);
        let now = self.bus.io.clock.corrected_now();
        self.serial_full = false;
        if !bytes.is_empty() {
            let taken = self.bus.io.board.serial_input(now, &bytes);
            self.serial_full = taken < bytes.len();
            self.inbox.give_back(&bytes[taken.min(bytes.len())..]);
        }
        self.bus.io.board.advance(now);
        self.take_events()?;
        if quit {
            self.end = Some(RunEnd::Quit);
        }
        self.check_limits();
        self.bus.io.ledger.switch(Row::Interrupts);
        self.deliver_interrupt();
        self.context.doorbell().irq_pending.store(u32::from(self.intr), Ordering::Relaxed);
        self.bus.io.seen = self.bus.io.look(self.serial_full || more);
        self.deadline = self.bus.io.seen.deadline;
        self.arm_timer()?;
        self.bus.io.ledger.switch(row);
        Ok(())
    }

    /// Lets other threads know how far the guest is.
    pub(crate) fn tell_progress(&self) {
        self.inbox.tell(self.bus.io.clock.retired);
    }

    /// Goes on in lockstep, when the clock is virtual and so does not care.
    fn start_lockstep(&mut self) {
        if self.bus.io.clock.is_virtual() {
            self.cfg.engine = Engine::Lockstep;
            self.flush_cache();
            self.bt.change_engine(&self.cfg);
        }
    }

    fn take_events(&mut self) -> Result<(), MonitorError> {
        while let Some(event) = self.bus.io.board.take_event() {
            match event {
                BoardEvent::PowerOff => self.end = Some(RunEnd::PowerOff),
                BoardEvent::Reset => self.end = Some(RunEnd::Reset),
                BoardEvent::DebugExit(value) => self.end = Some(RunEnd::DebugExit(value)),
                BoardEvent::A20(open) => {
                    self.bus.mmu.set_a20(open);
                    self.bus.paging.push(crate::system_bus::PagingEvent::Mode);
                }
                // Served right after the instruction, by whoever serves it.
                BoardEvent::FirmwareCall(_) => {}
                BoardEvent::SerialError(e) => return Err(MonitorError::Serial(e)),
            }
        }
        Ok(())
    }

    fn check_limits(&mut self) {
        if self.end.is_some() {
            return;
        }
        if self.context.cpu.activity == Activity::Shutdown {
            let (cs, eip) = self.last_eip;
            self.end = Some(RunEnd::TripleFault { cs, eip });
        } else if self.cfg.max_instructions.is_some_and(|n| self.bus.io.clock.retired >= n) {
            self.end = Some(RunEnd::InstructionLimit);
        } else if self.cfg.timeout.is_some_and(|t| self.started.elapsed() >= t) {
            self.end = Some(RunEnd::Timeout);
        }
    }

    fn interruptible(&self) -> bool {
        let cpu = &self.context.cpu;
        cpu.eflags & Eflags::IF.bits() != 0 && !cpu.shadow_irq
    }

    fn deliver_interrupt(&mut self) {
        self.intr = self.bus.io.board.intr();
        if !self.intr || !self.interruptible() || self.end.is_some() {
            return;
        }
        let now = self.bus.io.clock.now();
        let vector = self.bus.io.board.ack(now);
        self.bus.io.counters.interrupts += 1;
        let outcome = self.interp.interrupt(&mut self.context.cpu, &mut self.bus, vector);
        // The interrupt came between two instructions: none retired.
        self.after_step(if outcome == Outcome::Retired { Outcome::Partial } else { outcome });
        self.intr = self.bus.io.board.intr();
    }

    /// Arms the host timer for the next thing that will happen by itself.
    fn arm_timer(&mut self) -> Result<(), MonitorError> {
        let clock = &self.bus.io.clock;
        let now = clock.now();
        let limit = self.cfg.timeout.map(|t| {
            let left = t.saturating_sub(self.started.elapsed()).as_nanos() as u64;
            now.saturating_add(left).max(now + 1)
        });
        let deadline = if clock.is_virtual() { None } else { self.deadline };
        // A limit moves with every look at the clock: round its key, so that the timer is not set
        // anew at each exit.
        let key = match (deadline, limit) {
            (Some(d), Some(l)) if d <= l => Some(d),
            (Some(d), None) => Some(d),
            (_, Some(l)) => Some(l | 0x3f_ffff),
            (None, None) => None,
        };
        if let Some(signals) = &mut self.signals {
            if key.is_some_and(|k| k <= now) {
                signals.disarmed();
            }
            signals
                .arm(key, key.map_or(0, |k| k.saturating_sub(now)))
                .map_err(|source| MonitorError::Host { what: "the timer", source })?;
        }
        Ok(())
    }

    /// Nothing to run: waits for a deadline or mail, or jumps there in virtual time.
    fn idle(&mut self) {
        if self.context.cpu.activity == Activity::Shutdown {
            return;
        }
        self.mind_footprint(true);
        let row = self.bus.io.ledger.switch(Row::Idle);
        let deadline = self.bus.io.board.next_deadline();
        let can_wake = self.interruptible();
        let limit = self.cfg.timeout.map(|t| self.started + t);
        if self.bus.io.clock.is_virtual() && can_wake && deadline.is_some() {
            self.bus.io.clock.skip_to(deadline.unwrap_or(0));
        } else {
            let wake = if can_wake && !self.bus.io.clock.is_virtual() { deadline } else { None };
            let at = wake.map(|ns| self.bus.io.clock.instant_at(ns));
            let until = match (at, limit) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            self.inbox.wait(until, !self.serial_full);
        }
        self.bus.io.ledger.switch(row);
    }

    /// True when the run loop wants the floor back before more guest code runs.
    pub(crate) fn must_service(&self) -> bool {
        self.bus.io.touched
            || self.context.doorbell().kick.load(Ordering::Relaxed) != 0
            || self.end.is_some()
            || (self.intr && self.interruptible())
            || self.context.cpu.activity != Activity::Running
            || self.out_of_time()
    }

    /// Virtual time reached a deadline or the instruction limit.
    pub(crate) fn out_of_time(&self) -> bool {
        self.bus.io.clock.is_virtual() && self.virtual_budget() == 0
    }

    /// Instructions until virtual time must be looked at.
    pub(crate) fn virtual_budget(&self) -> u64 {
        let clock = &self.bus.io.clock;
        let deadline = self.deadline.unwrap_or(u64::MAX);
        let to_deadline = deadline.saturating_sub(clock.now());
        let limit = self.cfg.max_instructions.unwrap_or(u64::MAX);
        to_deadline.min(limit.saturating_sub(clock.retired))
    }

    fn interp_slice(&mut self) {
        self.bus.io.ledger.switch(Row::Interpreter);
        for _ in 0..INTERP_SLICE {
            self.step();
            if self.must_service() {
                break;
            }
        }
        self.bus.paging.clear();
        self.bus.io.ledger.switch(Row::Dispatch);
    }

    /// One instruction by the interpreter, with everything that follows from it.
    pub(crate) fn step(&mut self) -> Outcome {
        let cpu = &self.context.cpu;
        self.last_eip = (cpu.cs().selector, cpu.eip());
        let outcome = self.interp.step(&mut self.context.cpu, &mut self.bus);
        self.after_step(outcome);
        outcome
    }

    pub(crate) fn after_step(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Retired | Outcome::Halted => {
                self.bus.io.clock.retired += 1;
                self.bus.io.counters.interpreted += 1;
            }
            Outcome::Partial | Outcome::Delivered(_) | Outcome::Shutdown => {}
        }
        if self.bus.io.touched {
            self.intr = self.bus.io.board.intr();
            self.call_bios();
        }
        if !self.bus.io.code_writes.is_empty() {
            self.flush_code_writes();
        }
    }

    /// The instruction was an OUT to the firmware port: serves the call.
    fn call_bios(&mut self) {
        if self.bus.io.board.take_firmware_call().is_none() {
            return;
        }
        let Some(hook) = &mut self.bios else { return };
        // The hook sees the whole state, and may be anybody's code.
        fpu::claim(&mut self.context.cpu);
        let now = self.bus.io.clock.now();
        let board = std::cell::RefCell::new(&mut self.bus.io.board);
        let mut put = |byte: u8| board.borrow_mut().port_out(now, COM1_BASE, 1, u32::from(byte));
        let mut get = || {
            let mut board = board.borrow_mut();
            let ready = board.port_in(now, COM1_BASE + 5, 1) & 1 != 0;
            ready.then(|| board.port_in(now, COM1_BASE, 1) as u8)
        };
        let memory = &mut self.bus.memory;
        (hook.handler)(&mut self.context.cpu, memory, &mut put, &mut get);
        let writes = self.bus.memory.take_code_writes();
        self.bus.io.code_writes.extend(writes.into_iter().map(|(pa, len)| (pa.get(), len)));
    }

    /// What the run cost and where its time went.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let mut p = Profile {
            engine: self.cfg.engine.to_string(),
            seconds: self.seconds,
            ..Profile::default()
        };
        let c = &self.bus.io.counters;
        p.instructions_interpreted = c.interpreted;
        p.interrupts = c.interrupts;
        p.callouts = c.callout_exits;
        p.hidden_faults = c.hidden_faults;
        p.prefills = c.prefills;
        p.true_faults = c.true_faults;
        p.mmio_faults = c.mmio_faults;
        p.code_write_faults = c.code_write_faults;
        p.other_faults = c.other_faults;
        p.port_io = c.port_io;
        p.mmio = c.mmio;
        self.bt.fill_profile(&mut p, c, &self.context);
        let ledger = &self.bus.io.ledger;
        let mut claimed = 0.0;
        for &row in Row::ALL {
            let seconds = ledger.spent(row) as f64 / 1e9;
            claimed += seconds;
            p.ledger.push(LedgerRow { name: row.name(), seconds, count: ledger.entered(row) });
        }
        p.residual_seconds = self.seconds - claimed;
        p
    }
}
