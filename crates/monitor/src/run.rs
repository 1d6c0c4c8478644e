//! The run loop: service the machine, then run a slice of guest code, until something ends it.

mod debug;
mod display;
mod mail;
mod record;
mod shadow;
mod wait;

use crate::bios::BiosHook;
use crate::budget::MemoryBudget;
use crate::clock;
use crate::code::Code;
use crate::config::{ClockKind, Engine, MonitorConfig, MonitorError};
use crate::events::{Event, Happening, TraceKinds};
use crate::footprint::Footprint;
use crate::glance::Onlooker;
use crate::huge_pages::HugePageGathering;
use crate::idled::Idled;
use crate::inbox::{Inbox, Kicker, PORTS};
use crate::inputs::Inputs;
use crate::jitdump::SharedJitDump;
use crate::moment::Moment;
use crate::parts::Parts;
use crate::profile::{Profile, Row};
use crate::signals::coredump::SparedCoreDumps;
use crate::signals::{Places, Registration};
use crate::state::{MonitorState, Whereabouts};
use crate::stop::{Next, RunEnd, Until};
use crate::summary;
use crate::symbols::Symbols;
use crate::system_bus::{PagingEvent, SystemBus};
#[cfg(feature = "testing")]
use crate::testing::Harness;
use crate::vcpu::{Chassis, Vcpu};
use crate::verification::Checks;
use ringer_cpu::interp::fpu;
use ringer_cpu::state::StringInProgress;
use ringer_cpu::{Activity, Bus, CpuState, Lin, PagingChange, PagingRegs};
use ringer_devices::{Board, BoardEvent};
use ringer_mmu::GuestMemory;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

fn paging_of(cpu: &CpuState) -> PagingRegs {
    PagingRegs { cr0: cpu.cr0, cr3: cpu.cr3, cr4: cpu.cr4, efer: cpu.msr.efer }
}

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

/// One virtual machine: a processor, the machine it runs on, and the thread that runs it.
#[derive(Debug)]
pub struct Monitor {
    cfg: MonitorConfig,
    vcpu: Vcpu,
    chassis: Chassis,
    _spared: SparedCoreDumps,
    inbox: Inbox,
    /// What came from there, for a run that is gone through again.
    inputs: Inputs,
    footprint: Footprint,
    huge_pages: HugePageGathering,
    started: Instant,
    /// Nanoseconds of all runs.
    ran: u64,
    /// Which serial ports had no room for the last input.
    serial_full: [bool; PORTS],
    /// The keyboard had none for the last keys.
    keys_full: bool,
    /// The network adapter had none for the last frame.
    frames_full: bool,
    /// Where the run was before its last step.
    previous: Option<Moment>,
    /// Input waits for the next instruction: where it comes must be found again.
    put_off: bool,
    /// Where the processor has been idle, and how many deadlines passed there.
    idled: Idled,
    /// Breakpoints and watchpoints end the run.
    heeds: bool,
    /// HLT ends the run, unless the run began with it.
    stops_at_halt: bool,
    /// Who looks at the screen while it runs.
    onlooker: Option<Onlooker>,
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
        let code = Code::new(&cfg)?;
        let vcpu = Vcpu::new(&cfg, &code)?;
        let all = memory.ram_size() + memory.device_size();
        let budget = MemoryBudget::new(all, cfg.tc_size, None);
        let mut bus = SystemBus::new(memory, board, cfg.clock, cfg.profile);
        if cfg.clock == ClockKind::Real {
            bus.io.board.keep_ticks(clock::executed);
        }
        let mut monitor = Self {
            cfg,
            vcpu,
            chassis: Chassis { bus, code },
            _spared: SparedCoreDumps::new(),
            inbox: Inbox::new(),
            inputs: Inputs::default(),
            footprint: Footprint::new(budget),
            huge_pages: HugePageGathering::default(),
            started: Instant::now(),
            ran: 0,
            serial_full: [false; PORTS],
            keys_full: false,
            frames_full: false,
            previous: None,
            put_off: false,
            idled: Idled::default(),
            heeds: true,
            stops_at_halt: false,
            onlooker: None,
        };
        monitor.set_budget(budget);
        Ok(monitor)
    }

    /// From now on the process keeps to `budget`, as far as it is this machine's doing.
    pub fn set_budget(&mut self, budget: MemoryBudget) {
        self.footprint.set_budget(budget);
        self.vcpu.spaces.set_budget(&budget);
    }

    /// The processor's state, for loaders.
    pub fn state_mut(&mut self) -> &mut CpuState {
        &mut self.vcpu.context.cpu
    }

    /// The processor's state.
    #[must_use]
    pub fn state(&self) -> &CpuState {
        &self.vcpu.context.cpu
    }

    /// Guest memory.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.chassis.bus.memory
    }

    /// Guest memory, for loaders.
    pub fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.chassis.bus.memory
    }

    /// The board, for its logs.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.chassis.bus.io.board
    }

    /// The board, for whoever resets it or loads its state; not while the guest runs.
    pub fn board_mut(&mut self) -> &mut Board {
        &mut self.chassis.bus.io.board
    }

    /// A handle for other threads.
    #[must_use]
    pub fn kicker(&self) -> Kicker {
        self.inbox.kicker()
    }

    /// Tells `dump` of every block that is translated from now on.
    pub fn set_jitdump(&mut self, dump: SharedJitDump) {
        self.chassis.code.jitdump = Some(dump);
    }

    /// Tells `tracing` of events of `kinds` from now on, with the names that `symbols` has for places. Under
    /// [`TraceKinds::BLOCKS`] no block leads to another by itself, and under [`TraceKinds::IO`] the masks of the
    /// interrupt controllers are written by the interpreter; the guest does not notice.
    pub fn set_trace(&mut self, kinds: TraceKinds, symbols: Arc<Symbols>) {
        let io = &mut self.chassis.bus.io;
        let changed = io.events.traced() ^ kinds;
        let counted = io.clock.is_virtual();
        // What changes for the trace is not in it.
        io.events.set_traced(TraceKinds::empty(), false, Arc::default());
        if changed.intersects(TraceKinds::IO) {
            io.board.touch_masks();
        }
        if changed.intersects(TraceKinds::BLOCKS) {
            self.flush_cache();
            self.chassis.code.set_apart(kinds.contains(TraceKinds::BLOCKS), &self.cfg);
        }
        self.chassis.bus.io.events.set_traced(kinds, counted, symbols);
    }

    /// The last thousand events, the oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.chassis.bus.io.events.all()
    }

    /// The last exceptions, the oldest first.
    pub fn exceptions(&self) -> impl Iterator<Item = &Event> {
        self.chassis.bus.io.events.exceptions()
    }

    /// Reads guest memory at linear address `linear` as the page tables have it now, as far as that is memory.
    /// Nothing that the guest could notice happens. How many bytes were read.
    #[must_use]
    pub fn peek_linear(&self, linear: Lin, buf: &mut [u8]) -> usize {
        let bus = &self.chassis.bus;
        let mask = if self.state().in_long_mode() { u64::MAX } else { u64::from(u32::MAX) };
        let mut done = 0;
        while done < buf.len() {
            let at = linear.plus(done as u64).masked(mask);
            let in_page = (0x1000 - (at.get() & 0xfff)) as usize;
            let part = in_page.min(buf.len() - done);
            let Some(pa) = bus.mmu.paging().peek_pa(&bus.memory, at) else { break };
            if !bus.memory.read(pa, &mut buf[done..done + part]) {
                break;
            }
            done += part;
        }
        done
    }

    /// Lets `hook` serve the calls that firmware makes through its port.
    pub fn set_bios(&mut self, hook: BiosHook) {
        self.chassis.bus.set_firmware(hook);
    }

    /// Guest instructions retired so far (translated ones only when they are counted: with a
    /// virtual clock, a limit or profiling).
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.chassis.bus.io.clock.retired
    }

    /// What was checked so far.
    #[must_use]
    pub fn checks(&self) -> Checks {
        self.chassis.code.verification.checks
    }

    /// What the run cost and where its time went.
    #[must_use]
    pub fn profile(&self) -> Profile {
        summary::profile(&self.vcpu, &self.chassis, self.cfg.engine.to_string(), self.ran)
    }

    /// Spoils one row of the translator.
    #[cfg(feature = "planted-fault")]
    pub fn plant(&mut self, fault: ringer_translator::PlantedFault) {
        self.chassis.code.translator.plant(fault);
    }

    /// Single blocks and cases outside the run loop.
    #[cfg(feature = "testing")]
    pub fn testing(&mut self) -> Harness<'_> {
        Harness::new(&mut self.vcpu, &mut self.chassis, self.cfg.engine)
    }

    /// Evicts the whole translation cache.
    pub fn flush_cache(&mut self) {
        self.vcpu.link.forget();
        let Chassis { bus, code } = &mut self.chassis;
        code.flush(bus, &mut self.vcpu.spaces.targets, &mut self.vcpu.context);
    }

    /// Pulls the processor's RESET pin (SDM volume 3A, table 10-1). Memory, devices, clock and
    /// translated code stay as they are; the time-stamp counter goes on, as it does over INIT. Nothing
    /// that was remembered of the code that ran before outlives it.
    pub fn reset(&mut self) {
        self.vcpu.context.cpu = self.vcpu.interp.state();
        self.vcpu.forget();
        let bus = &mut self.chassis.bus;
        bus.paging_changed(&PagingRegs::default(), PagingChange::Mode);
        let now = bus.io.clock.now();
        bus.io.board.set_ferr(now, false);
        bus.io.note(Happening::Reset);
    }

    /// Lets `work` act as the firmware does. What it wrote over translated code is noticed.
    pub fn firmware<R>(&mut self, work: impl FnOnce(Parts<'_>) -> R) -> R {
        let Chassis { bus, code } = &mut self.chassis;
        let result = work(bus.parts(&mut self.vcpu.context.cpu));
        self.vcpu.settle_memory(bus);
        code.take_writes(bus, &mut self.vcpu.spaces.targets);
        self.take_shadows();
        result
    }

    /// Gives the processor another state, between two runs. Translated code stays; nothing that was
    /// remembered for it does.
    pub fn set_state(&mut self, mut cpu: CpuState) {
        let place = |cpu: &CpuState| (cpu.rip, cpu.cs().base);
        if place(&cpu) != place(self.state()) {
            cpu.string = StringInProgress::NONE;
        }
        let paging = paging_of(&cpu);
        let changed = paging_of(&self.vcpu.context.cpu) != paging;
        self.vcpu.context.cpu = cpu;
        if changed {
            self.chassis.bus.paging_changed(&paging, PagingChange::Mode);
        }
        self.chassis.bus.io.touched = true;
        self.vcpu.forget();
    }

    /// The processor, the clock and what other threads sent, between two runs. Memory and the board
    /// are to be saved beside it.
    ///
    /// # Errors
    /// Never between two runs.
    pub fn save_state(&self) -> Result<MonitorState, MonitorError> {
        let cpu = &self.vcpu.context.cpu;
        // Which instruction the interpreter ran last is chance, unless the processor shut down at it.
        let last = if cpu.activity == Activity::Shutdown { self.vcpu.last } else { (0, 0) };
        let (paging, io) = (self.chassis.bus.mmu.paging().state(), &self.chassis.bus.io);
        MonitorState::of(cpu, paging, &io.clock, &io.random, &self.inbox, last)
    }

    /// Takes over what [`Monitor::save_state`] said of another machine of this configuration; memory
    /// and board are to be loaded before it, memory through a door that notes what it writes over code.
    /// Translated code stays where its bytes have not changed; nothing that was remembered for it does.
    ///
    /// # Errors
    /// When the state is of another version or another kind of clock, or is damaged; nothing has
    /// changed then.
    pub fn load_state(&mut self, state: &MonitorState) -> Result<(), MonitorError> {
        let io = &mut self.chassis.bus.io;
        let mut machine = Whereabouts {
            clock: &mut io.clock,
            random: &mut io.random,
            // What is gone through again has its own input.
            inbox: (!self.inputs.are_kept()).then_some(&self.inbox),
            last: &mut self.vcpu.last,
        };
        let (cpu, paging) = state.load(&mut machine)?;
        self.vcpu.context.cpu = cpu;
        let bus = &mut self.chassis.bus;
        bus.mmu.load_state(&paging, &paging_of(&cpu));
        bus.paging.clear();
        bus.paging.push(PagingEvent::Mode);
        self.vcpu.forget_all();
        bus.note_host_writes();
        self.chassis.code.take_writes(bus, &mut self.vcpu.spaces.targets);
        Ok(())
    }

    /// Runs until the guest, one of the configuration's limits or the user ends it.
    ///
    /// # Errors
    /// When the host fails us; never because of what the guest does.
    pub fn run(&mut self) -> Result<RunEnd, MonitorError> {
        let (retired, timeout) = (self.cfg.max_instructions, self.cfg.timeout);
        self.run_until(&Until { retired, timeout, ..Until::default() })
    }

    /// Runs until the guest, `until` or the user ends it. A machine whose run has ended may run on.
    ///
    /// # Errors
    /// When the host fails us, or `until` names a number of instructions and they are not counted;
    /// never because of what the guest does.
    pub fn run_until(&mut self, until: &Until) -> Result<RunEnd, MonitorError> {
        if until.retired.is_some() && !self.chassis.bus.io.clock.is_virtual() {
            return Err(MonitorError::NotCounted);
        }
        self.measure_samples()?;
        self.started = Instant::now();
        self.vcpu.schedule.retired = until.retired;
        self.vcpu.schedule.time = until.time;
        self.vcpu.schedule.ends = until.timeout.and_then(|t| self.started.checked_add(t));
        self.arm(until);
        self.chassis.bus.io.touched = true;
        self.chassis.bus.io.begin_run(self.started);
        let result = self.as_vcpu(|monitor| match until.step {
            true => monitor.run_steps(until.moment),
            false => monitor.run_loop(until.halt),
        });
        self.chassis.bus.io.ledger.end();
        self.end_recording();
        result?
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
        let cache = &self.chassis.code.cache;
        let places = Places {
            cache: cache.range(),
            stubs_end: cache.stub_range().end,
            ways_out: cache.ways_out(),
            switches: cache.transfer_stubs(),
        };
        let may_kick = !self.chassis.bus.io.clock.is_virtual();
        let recorder = &self.chassis.bus.io.recorder;
        let sampling = recorder.as_ref().and_then(|r| r.sampling(may_kick));
        // SAFETY: the context stays in place as long as `self`; the registration is dropped in
        // `unregister`, on this thread, before `as_vcpu` is left in whatever way.
        let registration = unsafe {
            Registration::new(&self.vcpu.context, places, self.cfg.kick_signal, sampling)
        };
        let registration = registration
            .map_err(|source| MonitorError::Host { what: "signals and timers", source })?;
        self.vcpu.context.host_mxcsr = fpu::mxcsr();
        self.inbox.attach(Some(registration.target()));
        self.vcpu.signals = Some(registration);
        Ok(())
    }

    fn unregister(&mut self) {
        self.inbox.attach(None);
        self.vcpu.signals = None;
        self.vcpu.spaces.left_thread();
        fpu::claim(&mut self.vcpu.context.cpu);
    }

    fn run_loop(&mut self, until_halt: bool) -> Result<RunEnd, MonitorError> {
        self.stops_at_halt = until_halt && self.vcpu.context.cpu.activity == Activity::Running;
        loop {
            if let Some(end) = self.service()? {
                return Ok(end);
            }
            // The next interrupt is taken before the first instruction of a handler that lets it in, under each engine.
            if self.vcpu.is_interrupted() {
                continue;
            }
            if self.waited_for_output() {
                continue;
            }
            if self.vcpu.waits() {
                if let Some(end) = self.idle()? {
                    return Ok(end);
                }
                // Whatever came, the instruction is tried again.
                self.vcpu.frozen = false;
                continue;
            }
            let (vcpu, chassis) = (&mut self.vcpu, &mut self.chassis);
            let next = match self.cfg.engine {
                Engine::Interp => vcpu.interp_slice(chassis),
                Engine::Bt => vcpu.slice(chassis)?,
                Engine::Lockstep => vcpu.lockstep_slice(chassis)?,
            };
            if let Next::Stop(end) = next {
                return Ok(*end);
            }
            self.stops_at_halt = until_halt;
        }
    }

    /// Brings devices up to date, takes mail, and delivers an interrupt when one can be. How the run
    /// ends, if it does.
    fn service(&mut self) -> Result<Option<RunEnd>, MonitorError> {
        let row = self.chassis.bus.io.ledger.switch(Row::Devices);
        if let Some(end) = self.attend()? {
            return Ok(Some(end));
        }
        let waits = self.take_input();
        // What came may switch the machine off, and nothing else may come for long.
        if let Some(end) = self.take_events()? {
            return Ok(Some(end));
        }
        self.chassis.bus.io.ledger.switch(Row::Interrupts);
        self.vcpu.deliver_interrupt(&mut self.chassis);
        self.vcpu
            .context
            .doorbell()
            .irq_pending
            .store(u32::from(self.vcpu.intr), Ordering::Relaxed);
        let io = &mut self.chassis.bus.io;
        io.seen = io.look(waits);
        // What is due and was not let in (a run that stops here does so before) waits for an instruction: a
        // deadline that has passed would leave none time to run.
        let soon = io.clock.now().saturating_add(1);
        let inputs = self.inputs.next_time().map(|time| time.max(soon));
        let put_off = self.put_off.then_some(soon);
        let ends = self.vcpu.schedule.time;
        self.vcpu.schedule.deadline =
            [io.seen.deadline, inputs, put_off, ends].into_iter().flatten().min();
        self.vcpu.schedule.arm(&io.clock, self.vcpu.signals.as_mut())?;
        io.ledger.switch(row);
        Ok(None)
    }

    /// Brings devices up to date, between two instructions. How the run ends, if it does.
    fn attend(&mut self) -> Result<Option<RunEnd>, MonitorError> {
        self.vcpu.context.doorbell().kick.store(0, Ordering::Relaxed);
        self.chassis.bus.io.touched = false;
        self.inbox.tell(self.retired());
        self.mind_memory(false)?;
        self.keep_record();
        if self.inbox.wants_comparison() && self.cfg.engine == Engine::Bt {
            self.start_lockstep();
        }
        self.catch_up();
        if self.chassis.bus.memory.is_stale() {
            self.vcpu.settle_memory(&mut self.chassis.bus);
        }
        if !self.chassis.bus.io.code_writes.is_empty() {
            let Chassis { code, bus, .. } = &mut self.chassis;
            code.take_writes(bus, &mut self.vcpu.spaces.targets);
        }
        let now = self.chassis.bus.io.clock.now();
        let Chassis { code, bus, .. } = &mut self.chassis;
        code.review(bus, &mut self.vcpu.spaces.targets, now);
        let event = self.take_events()?;
        let end = self.take_hit(event);
        let wish = self.take_wish();
        if end.is_some() && wish == Some(RunEnd::Paused) {
            // It did not end this run, so it ends the next one.
            self.inbox.kicker().pause();
        }
        Ok(end.or(wish).or_else(|| self.reached_limit()))
    }

    /// What the board has to say.
    fn take_events(&mut self) -> Result<Option<RunEnd>, MonitorError> {
        self.take_shadows();
        let mut end = None;
        let bus = &mut self.chassis.bus;
        while let Some(event) = bus.io.board.take_event() {
            match event {
                BoardEvent::PowerOff => end = Some(RunEnd::PowerOff),
                BoardEvent::Reset => end = Some(RunEnd::Reset),
                BoardEvent::DebugExit(value) => end = Some(RunEnd::DebugExit(value)),
                BoardEvent::A20(open) => {
                    bus.mmu.set_a20(open);
                    bus.paging.push(PagingEvent::Mode);
                }
                // Served right after the instruction, by whoever serves it.
                BoardEvent::FirmwareCall(_) => {}
                BoardEvent::SerialError(e) => return Err(MonitorError::Serial(e)),
            }
        }
        Ok(end)
    }

    /// The limit of the run that was reached, or the halt that it cannot go on from.
    fn reached_limit(&self) -> Option<RunEnd> {
        let schedule = &self.vcpu.schedule;
        let activity = self.vcpu.context.cpu.activity;
        if activity == Activity::Shutdown {
            let (cs, eip) = self.vcpu.last;
            Some(RunEnd::TripleFault { cs, eip })
        } else if schedule.retired.is_some_and(|n| {
            self.retired() >= n || self.vcpu.retires_nothing(&self.chassis.bus.io.clock)
        }) {
            Some(RunEnd::InstructionLimit)
        } else if schedule.ends.is_some_and(|end| Instant::now() >= end) {
            Some(RunEnd::Timeout)
        } else if schedule.time.is_some_and(|end| self.now() >= end) {
            Some(RunEnd::Time)
        } else if self.stops_at_halt && activity == Activity::Halted {
            Some(RunEnd::Halted)
        } else {
            None
        }
    }

    /// Minds what the process holds, when it is time.
    fn mind_memory(&mut self, idle: bool) -> Result<(), MonitorError> {
        if self.footprint.mind(idle, &mut self.vcpu, &mut self.chassis)? {
            self.huge_pages.advance(self.started, &self.chassis.bus.memory);
        }
        self.vcpu.schedule.look = self.footprint.next_look(&self.vcpu);
        Ok(())
    }
}
