//! The machine's cycle: power on, boot, run, and on from each reset as firmware does it.

use crate::boot::{BootSource, Image, LoadError};
use crate::config::MachineConfig;
use crate::exit::{Exit, status};
use crate::remote::Remote;
use crate::shield::Shielded;
use crate::shutdown::Shutdown;
use crate::until::Until;
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_mmu::{GuestMemory, MemoryError};
use ringer_monitor::jitdump::SharedJitDump;
use ringer_monitor::{Checks, Monitor, MonitorError, Profile, RunEnd};
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// The date of a machine with a virtual clock at its start: 2026-01-01 00:00 UTC.
const VIRTUAL_EPOCH_S: u64 = 1_767_225_600;
/// A triple fault at the address of the last one, so soon after the start, will come again forever.
const HOPELESS: Duration = Duration::from_secs(1);

/// Where a machine's output goes.
pub struct Sinks {
    /// The first serial port.
    pub serial: Box<dyn SerialSink>,
    /// Port E9h.
    pub debugcon: Box<dyn SerialSink>,
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sinks").finish_non_exhaustive()
    }
}

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
#[derive(Debug)]
pub struct Machine {
    cfg: MachineConfig,
    image: Image,
    remote: Remote,
    monitor: Monitor,
}

impl Machine {
    /// Reads and checks the image, builds the machine and boots it as far as its first instruction,
    /// which [`Machine::run`] runs.
    ///
    /// # Errors
    /// When a file is not what it should be or does not fit into memory, or the host refuses what
    /// the machine is built of.
    pub fn new(
        cfg: MachineConfig,
        source: &BootSource,
        sinks: Sinks,
    ) -> Result<Self, MachineError> {
        let image = Image::read(source, cfg.pc.ram_size)?;
        let memory = GuestMemory::new(cfg.pc.ram_size)?;
        let board = BoardConfig {
            ram_size: cfg.pc.ram_size,
            debug_exit: cfg.pc.debug_exit,
            rtc_epoch_s: if cfg.is_virtual() { VIRTUAL_EPOCH_S } else { now_s() },
            log_post: cfg.pc.log_post,
        };
        let board = Board::new(board, Shielded::sink(sinks.serial), Shielded::sink(sinks.debugcon));
        let mut monitor = Monitor::new(cfg.monitor(), memory, board)?;
        if let Some(hook) = image.power_on(monitor.memory_mut())? {
            monitor.set_bios(hook)?;
        }
        let remote = Remote::new(monitor.kicker());
        let mut machine = Self { cfg, image, remote, monitor };
        machine.boot()?;
        Ok(machine)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Tells `dump` of every block that is translated from now on.
    pub fn set_jitdump(&mut self, dump: SharedJitDump) {
        self.monitor.set_jitdump(dump);
    }

    /// Runs until the guest, a limit of the configuration or the user ends it; a reset starts the processor
    /// again unless the configuration says otherwise. A guest that triple-faults at the same place at every
    /// boot is not booted for ever.
    ///
    /// # Errors
    /// When the host fails us, or the console's output cannot be written.
    pub fn run(&mut self) -> Result<Exit, MachineError> {
        self.run_until(&Until::default())
    }

    /// The same, or until `until` says, whichever comes first.
    ///
    /// # Errors
    /// As [`Machine::run`], and when `until` names a number of instructions and they are not counted.
    pub fn run_until(&mut self, until: &Until) -> Result<Exit, MachineError> {
        let timeout = [self.cfg.run.timeout, until.timeout].into_iter().flatten().min();
        let retired = [self.cfg.run.max_instructions, until.retired].into_iter().flatten().min();
        let mut limits = ringer_monitor::Until {
            retired,
            timeout,
            breakpoints: until.breakpoints.clone(),
            halt: until.halt,
        };
        let resets = !self.cfg.run.no_reboot && !until.reset && self.image.boots();
        let began = Instant::now();
        let mut last_fault = None;
        loop {
            limits.timeout = timeout.map(|t| t.saturating_sub(began.elapsed()));
            if limits.timeout.is_some_and(|t| t.is_zero()) {
                return Ok(Exit::Timeout);
            }
            let started = Instant::now();
            let end = self.monitor.run_until(&limits)?;
            let fault = match end {
                RunEnd::Reset if resets => None,
                RunEnd::TripleFault { cs, eip } if resets => Some((cs, eip)),
                end => return Ok(exit_of(end)),
            };
            let shutdown = self.monitor.firmware(|m| Shutdown::read(m.board, m.now));
            // A guest that says where it wants to go on means its triple faults.
            let early = shutdown == Shutdown::Boot && started.elapsed() < HOPELESS;
            let fault = fault.filter(|_| early);
            if let Some((cs, eip)) = fault.filter(|_| fault == last_fault) {
                return Ok(Exit::TripleFault { cs, eip });
            }
            last_fault = fault;
            self.restart(shutdown)?;
        }
    }

    /// Pulls the reset line, as the guest can: RAM, CMOS and time go on, and the image is booted again, or
    /// the processor continues where the guest has left word that it should (CMOS byte 0Fh).
    ///
    /// # Errors
    /// When memory refuses the image; it has taken it before.
    pub fn reset(&mut self) -> Result<(), MachineError> {
        let shutdown = self.monitor.firmware(|m| Shutdown::read(m.board, m.now));
        self.restart(shutdown)
    }

    /// Bytes of RAM.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        self.cfg.pc.ram_size
    }

    /// The processor, memory and the board, between two runs.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The same, to change them.
    pub fn monitor_mut(&mut self) -> &mut Monitor {
        &mut self.monitor
    }

    /// The reset line was pulled, or the processor shut down, which a PC's chipset answers by pulling
    /// it: memory, CMOS and time go on.
    fn restart(&mut self, shutdown: Shutdown) -> Result<(), MachineError> {
        self.monitor.reset();
        if self.image.has_reset_vector() {
            // All else is the business of the firmware in there.
            self.monitor.firmware(|m| m.board.reset(m.now));
            return Ok(());
        }
        self.monitor.firmware(|m| Shutdown::clear(m.board, m.now));
        if shutdown != Shutdown::Boot {
            self.monitor.firmware(|m| shutdown.resume(m));
            return Ok(());
        }
        self.monitor.firmware(|m| m.board.reset(m.now));
        self.boot()
    }

    /// Puts the image into memory, over what is there, and the processor at its entry.
    fn boot(&mut self) -> Result<(), MachineError> {
        let image = &self.image;
        self.monitor.firmware(|m| image.boot(m.memory, m.cpu))?;
        // What was just loaded is the guest's to touch; it need not count as ours beside that.
        self.monitor.memory().release();
        Ok(())
    }

    /// The counters over all boots, if they were asked for.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        self.cfg.run.profile.then(|| self.monitor.profile())
    }

    /// What was verified and compared, over all boots.
    #[must_use]
    pub fn checks(&self) -> Checks {
        self.monitor.checks()
    }

    /// The latest 4096 bytes that the guest wrote to port 80h, over all boots, if they were asked for.
    #[must_use]
    pub fn post_codes(&self) -> &[u8] {
        self.monitor.board().post_codes()
    }

    /// Guest instructions retired, over all boots, as far as they were counted (see
    /// [`Monitor::retired`]).
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.monitor.retired()
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
        RunEnd::Breakpoint { cs, eip } => Exit::Breakpoint { cs, eip },
        RunEnd::Halted => Exit::Halt,
        RunEnd::Paused => Exit::Kicked,
        RunEnd::Difference(report) => Exit::Difference(report),
        RunEnd::Refused(report) => Exit::Refused(report),
    }
}
