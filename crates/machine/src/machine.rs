//! The machine's cycle: build, load, run, and again after a reset.

use crate::boot::{BootSource, Image, LoadError};
use crate::exit::{Exit, status};
use crate::remote::Remote;
use crate::shield::Shielded;
use ringer_cpu::CpuModel;
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_mmu::{GuestMemory, MemoryError};
use ringer_monitor::jitdump::SharedJitDump;
use ringer_monitor::{
    Checks, ClockKind, Engine, Monitor, MonitorConfig, MonitorError, Profile, RunEnd,
    TranslatorOptions,
};
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// The date of a machine with a virtual clock at its start: 2026-01-01 00:00 UTC.
const VIRTUAL_EPOCH_S: u64 = 1_767_225_600;
/// A triple fault at the address of the last one, so soon after the start, will come again forever.
const HOPELESS: Duration = Duration::from_secs(1);

/// What a machine is made of and how it is run.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Bytes of memory, a multiple of 4 KiB from 1 MiB to 3 GiB.
    pub ram_size: u64,
    /// The processor.
    pub model: CpuModel,
    /// How guest code is executed.
    pub engine: Engine,
    /// Translation-cache budget in bytes.
    pub tc_size: u64,
    /// The translator's optimisations.
    pub options: TranslatorOptions,
    /// What time is.
    pub clock: ClockKind,
    /// Ends the run after so many guest instructions, over all reboots.
    pub max_instructions: Option<u64>,
    /// Ends the run after so much host time, over all reboots.
    pub timeout: Option<Duration>,
    /// Keep the counters and the time ledger.
    pub profile: bool,
    /// Port F4h ends the run.
    pub debug_exit: bool,
    /// A reset or triple fault ends the run instead of booting again.
    pub no_reboot: bool,
    /// Keep what the guest writes to port 80h.
    pub log_post: bool,
}

/// Makes the sinks of one boot: for the first serial port, for port E9h.
pub type SinkFactory = Box<dyn FnMut() -> [Box<dyn SerialSink>; 2]>;

/// Why a machine could not be built or go on; never the fault of running guest code.
#[derive(Debug, Error)]
pub enum MachineError {
    /// The image.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Guest memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The monitor.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
}

impl MachineError {
    /// The process exit status for this error.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Load(_) | Self::Memory(MemoryError::BadSize(_)) => status::USAGE,
            Self::Monitor(MonitorError::Serial(_)) => status::OUTPUT,
            Self::Memory(_) | Self::Monitor(_) => status::INTERNAL,
        }
    }
}

/// A PC with a guest in it.
pub struct Machine {
    cfg: MachineConfig,
    image: Image,
    sinks: SinkFactory,
    remote: Remote,
    jitdump: Option<SharedJitDump>,
    profile: Option<Profile>,
    checks: Checks,
    post_codes: Vec<u8>,
    retired: u64,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("cfg", &self.cfg).finish_non_exhaustive()
    }
}

impl Machine {
    /// Reads and checks the image; nothing runs yet.
    ///
    /// # Errors
    /// When a file is not what it should be or does not fit into memory.
    pub fn new(
        cfg: MachineConfig,
        source: &BootSource,
        sinks: SinkFactory,
    ) -> Result<Self, MachineError> {
        let image = Image::read(source, cfg.ram_size)?;
        Ok(Self {
            cfg,
            image,
            sinks,
            remote: Remote::default(),
            jitdump: None,
            profile: None,
            checks: Checks::default(),
            post_codes: Vec::new(),
            retired: 0,
        })
    }

    /// A handle for other threads, valid over reboots.
    #[must_use]
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Tells `dump` of every block that is translated from the next boot on.
    pub fn set_jitdump(&mut self, dump: SharedJitDump) {
        self.jitdump = Some(dump);
    }

    /// Runs until the guest, a limit or the user ends it; a reset boots again unless the
    /// configuration says otherwise. A guest that triple-faults at the same place at every boot is
    /// not booted for ever.
    ///
    /// # Errors
    /// When the host fails us, or the console's output cannot be written.
    pub fn run(&mut self) -> Result<Exit, MachineError> {
        let started = Instant::now();
        let mut last_fault = None;
        loop {
            let left = self.cfg.timeout.map(|t| t.saturating_sub(started.elapsed()));
            if left.is_some_and(|t| t.is_zero()) {
                return Ok(Exit::Timeout);
            }
            let booted = Instant::now();
            match self.boot(left)? {
                RunEnd::Reset if !self.cfg.no_reboot => last_fault = None,
                RunEnd::TripleFault { cs, eip } if !self.cfg.no_reboot => {
                    let quick = booted.elapsed() < HOPELESS;
                    if quick && last_fault == Some((cs, eip)) {
                        return Ok(Exit::TripleFault { cs, eip });
                    }
                    last_fault = quick.then_some((cs, eip));
                }
                end => return Ok(exit_of(end)),
            }
        }
    }

    /// Builds the machine and runs it to the next reset or the end.
    fn boot(&mut self, timeout: Option<Duration>) -> Result<RunEnd, MachineError> {
        let limit = self.cfg.max_instructions.map(|n| n.saturating_sub(self.retired));
        if limit == Some(0) {
            return Ok(RunEnd::InstructionLimit);
        }
        let mut monitor = self.build(timeout, limit)?;
        self.remote.attach(monitor.kicker());
        let end = monitor.run();
        self.remote.detach();
        self.retired += monitor.retired();
        self.checks += monitor.checks();
        self.post_codes.extend_from_slice(monitor.board().post_codes());
        if self.cfg.profile {
            self.profile = Some(monitor.profile());
        }
        Ok(end?)
    }

    fn build(
        &mut self,
        timeout: Option<Duration>,
        max_instructions: Option<u64>,
    ) -> Result<Monitor, MachineError> {
        let cfg = &self.cfg;
        let memory = GuestMemory::new(cfg.ram_size)?;
        let virtual_time = cfg.clock == ClockKind::Virtual
            || max_instructions.is_some()
            || cfg.engine == Engine::Lockstep;
        let epoch = if virtual_time { VIRTUAL_EPOCH_S } else { now_s() };
        let board = BoardConfig {
            ram_size: cfg.ram_size,
            debug_exit: cfg.debug_exit,
            rtc_epoch_s: epoch,
            log_post: cfg.log_post,
        };
        let [serial, debugcon] = (self.sinks)();
        let monitor = MonitorConfig {
            model: cfg.model,
            engine: cfg.engine,
            tc_size: cfg.tc_size,
            clock: cfg.clock,
            max_instructions,
            timeout,
            profile: cfg.profile,
            options: cfg.options,
        };
        let mut monitor = Monitor::new(
            monitor,
            memory,
            Board::new(board, Shielded::sink(serial), Shielded::sink(debugcon)),
        )?;
        let mut cpu = *monitor.state();
        let bios = self.image.install(monitor.memory_mut(), &mut cpu)?;
        *monitor.state_mut() = cpu;
        // What was just loaded is the guest's to touch; it need not count as ours beside that.
        monitor.memory().release();
        if let Some(hook) = bios {
            monitor.set_bios(hook)?;
        }
        if let Some(dump) = &self.jitdump {
            monitor.set_jitdump(dump.clone());
        }
        Ok(monitor)
    }

    /// The counters of the last boot, if they were asked for.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// What was verified and compared, over all boots.
    #[must_use]
    pub fn checks(&self) -> Checks {
        self.checks
    }

    /// What the guest wrote to port 80h, if it was asked for.
    #[must_use]
    pub fn post_codes(&self) -> &[u8] {
        &self.post_codes
    }

    /// Guest instructions retired, over all boots, as far as they were counted (see
    /// [`Monitor::retired`]).
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.retired
    }
}

fn now_s() -> u64 {
    // A host clock before 1970 is as good as 1970 for a guest.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn exit_of(end: RunEnd) -> Exit {
    match end {
        RunEnd::PowerOff => Exit::PowerOff,
        RunEnd::Reset => Exit::Reset,
        RunEnd::TripleFault { cs, eip } => Exit::TripleFault { cs, eip },
        RunEnd::DebugExit(value) => Exit::DebugExit(value),
        RunEnd::Timeout => Exit::Timeout,
        RunEnd::InstructionLimit => Exit::InstructionLimit,
        RunEnd::Quit => Exit::Quit,
        RunEnd::Difference(report) => Exit::Difference(report),
        RunEnd::Refused(report) => Exit::Refused(report),
    }
}
