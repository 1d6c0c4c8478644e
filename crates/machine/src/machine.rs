//! The machine's cycle: power on, boot, run, and on from each reset as firmware does it.

mod checkpoint;

pub use checkpoint::Checkpoint;

use crate::boot::{BootSource, Image, LinuxError, LoadError};
use crate::config::{DEBUG_EXIT_PORT, MachineConfig};
use crate::firmware;
use crate::handle::Handle;
use crate::postmortem::PostMortem;
use crate::schedule::{Save, Saves};
use crate::shield::Shielded;
use crate::shutdown::Shutdown;
use crate::state::{
    self, BootRecord, Head, MachineRecord, MachineState, Manifest, Own, StateDigest, StateError,
    StateFiles,
};
use crate::stop::{Stop, status};
use crate::until::Until;
use crate::watch::Watch;
use ringer_cpu::Features;
use ringer_devices::fw_cfg::FwCfgError;
use ringer_devices::{Board, BoardConfig, Section, SerialSink, rows};
use ringer_mmu::{GuestMemory, MemoryError};
use ringer_monitor::jitdump::SharedJitDump;
use ringer_monitor::{Checks, ClockKind, Monitor, MonitorError, Onlooker, Profile, RunEnd};
use std::fmt;
use std::path::Path;
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
    /// What firmware is told.
    #[error(transparent)]
    Firmware(#[from] FwCfgError),
    /// The monitor.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// A state, saved or to be taken over.
    #[error(transparent)]
    State(#[from] StateError),
}

impl MachineError {
    /// The process exit status for this error.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Load(_) | Self::Memory(MemoryError::BadSize(_)) => status::USAGE,
            Self::Firmware(_) => status::USAGE,
            Self::Monitor(MonitorError::Serial(_)) => status::OUTPUT,
            Self::Monitor(MonitorError::Attach(_)) => status::USAGE,
            Self::Monitor(MonitorError::MemoryLimit { .. }) => status::MEMORY_LIMIT,
            Self::Memory(_) | Self::Monitor(_) => status::INTERNAL,
            Self::State(e) => e.status(),
        }
    }
}

/// A PC with a guest in it.
#[derive(Debug)]
pub struct Machine {
    cfg: MachineConfig,
    source: BootSource,
    image: Image,
    /// What a state says of the image, once somebody wanted to know.
    boot_record: Option<BootRecord>,
    handle: Handle,
    watch: Watch,
    monitor: Monitor,
    saves: Saves,
    /// Makes the files of those, if there are any.
    state_files: Option<StateFiles>,
    /// Where the boot before this one ended by a triple fault, if at once.
    last_fault: Option<(u16, u32)>,
    /// A state was taken over in part: nothing runs on it.
    mixed: bool,
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
        let image = Image::read_for(source, cfg.pc.ram_size, cfg.pc.vga)?;
        if let (true, BootSource::Linux { kernel, .. }) = (image.is_wide_linux(), source)
            && !cfg.pc.model.features().contains(Features::LM)
        {
            let (path, source) = (kernel.clone(), LinuxError::Needs64Bit);
            return Err(LoadError::Linux { path, source }.into());
        }
        let memory = GuestMemory::with_device_ram(cfg.pc.ram_size, cfg.pc.device_ram())?;
        let board = BoardConfig {
            ram_size: cfg.pc.ram_size,
            debug_exit: cfg.pc.debug_exit,
            test_device: cfg.pc.test_device,
            apic: cfg.pc.model.features().contains(Features::APIC),
            rtc_epoch_s: if cfg.is_virtual() { VIRTUAL_EPOCH_S } else { now_s() },
            log_post: cfg.pc.log_post,
            ide: cfg.pc.ide,
            ahci: cfg.pc.ahci,
            floppies: cfg.pc.floppies,
            vga: cfg.pc.vga,
            nics: cfg.pc.nics,
            virtio: cfg.pc.virtio,
            serials: cfg.pc.serials,
            parallel: cfg.pc.parallel,
        };
        let watch = Watch::default();
        let [serial, debugcon] = [sinks.serial, sinks.debugcon].map(|sink| watch.sink(sink));
        let mut board = Board::new(board, Shielded::sink(serial), Shielded::sink(debugcon));
        if cfg.pc.debug_exit && cfg.pc.debug_exit_port != DEBUG_EXIT_PORT {
            let moved = board.relocate(rows::DEBUG_EXIT, 0, u64::from(cfg.pc.debug_exit_port));
            moved.map_err(MonitorError::Attach)?;
        }
        if !cfg.is_virtual() {
            board.set_entropy(ringer_monitor::host_entropy);
        }
        firmware::set_order(&mut board, cfg.pc.firmware.order);
        firmware::tell(board.fw_cfg_mut(), &cfg.pc)?;
        for (name, contents) in image.firmware_files() {
            board.fw_cfg_mut().add(name, contents.to_vec())?;
        }
        if let Some(rom) = image.display_rom() {
            board.set_rom(rows::VGA, rom.to_vec());
        }
        let mut monitor = Monitor::new(cfg.monitor(), memory, board)?;
        monitor.set_budget(cfg.budget());
        if let Some(hook) = image.power_on(monitor.memory_mut())? {
            monitor.set_bios(hook);
        }
        let handle = Handle::new(monitor.kicker());
        let mut machine = Self {
            cfg,
            source: source.clone(),
            image,
            boot_record: None,
            handle,
            watch,
            monitor,
            saves: Saves::default(),
            state_files: None,
            last_fault: None,
            mixed: false,
        };
        machine.boot()?;
        Ok(machine)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Tells `dump` of every block that is translated from now on.
    pub fn set_jitdump(&mut self, dump: SharedJitDump) {
        self.monitor.set_jitdump(dump);
    }

    /// Sends the output of the virtio console, if there is one, to `sink`.
    pub fn connect_console(&mut self, sink: Box<dyn SerialSink>) {
        let sink = Shielded::sink(self.watch.sink(sink));
        self.monitor.board_mut().connect(rows::VIRTIO_CONSOLE, sink);
    }

    /// From now on `onlooker` looks at the screen, soon after each [`Handle::glance`].
    pub fn set_onlooker(&mut self, onlooker: Onlooker) {
        self.monitor.set_onlooker(onlooker);
    }

    /// Runs until the guest, a limit of the configuration or the user ends it; a reset starts the processor
    /// again unless the configuration says otherwise. A guest that triple-faults at the same place at every
    /// boot is not booted for ever.
    ///
    /// # Errors
    /// When the host fails us, or the console's output cannot be written.
    pub fn run(&mut self) -> Result<Stop, MachineError> {
        self.run_until(&Until::default())
    }

    /// The same, or until `until` says, whichever comes first.
    ///
    /// # Errors
    /// As [`Machine::run`], and when `until` names a number of instructions and they are not counted.
    pub fn run_until(&mut self, until: &Until) -> Result<Stop, MachineError> {
        if self.mixed {
            return Err(StateError::Mixed.into());
        }
        let timeout = [self.cfg.run.timeout, until.timeout].into_iter().flatten().min();
        let mut limits = ringer_monitor::Until {
            retired: None,
            timeout,
            time: until.time,
            breakpoints: until.breakpoints.clone(),
            watchpoints: until.watchpoints.clone(),
            unheeded: until.unheeded,
            step: until.step,
            moment: until.moment,
            halt: until.halt,
        };
        self.watch.set(&until.texts, &self.monitor.kicker());
        let resets = !until.reset && self.reboots();
        let began = Instant::now();
        let mut started = began;
        loop {
            limits.timeout = timeout.map(|t| t.saturating_sub(began.elapsed()));
            if limits.timeout.is_some_and(|t| t.is_zero()) {
                return Ok(Stop::Timeout);
            }
            let ends = [self.cfg.run.max_instructions, until.retired, self.saves.next()];
            limits.retired = ends.into_iter().flatten().min();
            let end = self.monitor.run_until(&limits)?;
            if end == RunEnd::InstructionLimit
                && let Some(save) = self.saves.due(self.retired())
            {
                self.write(&save)?;
                continue;
            }
            if end == RunEnd::Paused
                && let Some(text) = self.watch.take()
            {
                return Ok(Stop::Text(text));
            }
            let fault = match end {
                RunEnd::Reset if resets => None,
                RunEnd::TripleFault { cs, eip } if resets => Some((cs, eip)),
                end => return Ok(stop_of(end)),
            };
            if let Some(exit) = self.again(fault, started.elapsed())? {
                return Ok(exit);
            }
            started = Instant::now();
        }
    }

    /// Goes on after a reset or a triple fault there, so long after the last one. The end of the run, if
    /// that is hopeless.
    fn again(
        &mut self,
        fault: Option<(u16, u32)>,
        after: Duration,
    ) -> Result<Option<Stop>, MachineError> {
        let shutdown = self.monitor.firmware(|m| Shutdown::read(m.board, m.now));
        // A guest that says where it wants to go on means its triple faults.
        let early = shutdown == Shutdown::Boot && after < HOPELESS;
        let fault = fault.filter(|_| early);
        let last = std::mem::replace(&mut self.last_fault, fault);
        if let Some((cs, eip)) = fault.filter(|_| fault == last) {
            self.last_fault = None;
            return Ok(Some(Stop::TripleFault { cs, eip }));
        }
        self.restart(shutdown)?;
        Ok(None)
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

    /// What the machine is and how it is run.
    #[must_use]
    pub fn config(&self) -> &MachineConfig {
        &self.cfg
    }

    /// What time is; the configuration's limits can make it virtual.
    #[must_use]
    pub fn clock(&self) -> ClockKind {
        if self.cfg.is_virtual() { ClockKind::Virtual } else { ClockKind::Real }
    }

    /// Whether a reset or a triple fault leads to another boot.
    #[must_use]
    pub fn reboots(&self) -> bool {
        !self.cfg.run.no_reboot && self.image.boots()
    }

    /// What who boots the image should know of it, if there is something.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        self.image.note()
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

    /// Sends the output of the device whose row is `id` ("com2", "lpt1") to `sink`. False if there is no such device.
    pub fn connect(&mut self, id: &str, sink: Box<dyn SerialSink>) -> bool {
        let mut sink = Some(Shielded::sink(sink));
        self.monitor.firmware(|m| sink.take().is_some_and(|sink| m.board.connect(id, sink)))
    }

    /// The reset line was pulled, or the processor shut down, which a PC's chipset answers by pulling
    /// it: memory, CMOS and time go on.
    fn restart(&mut self, shutdown: Shutdown) -> Result<(), MachineError> {
        self.monitor.reset();
        if self.image.has_reset_vector() {
            // All else is the business of the firmware in there.
            self.monitor.reset_board();
            return Ok(());
        }
        self.monitor.firmware(|m| Shutdown::clear(m.board, m.now));
        if shutdown != Shutdown::Boot {
            self.monitor.firmware(|m| shutdown.resume(m));
            return Ok(());
        }
        self.monitor.reset_board();
        self.boot()
    }

    /// Puts the image into memory, over what is there, and the processor at its entry.
    fn boot(&mut self) -> Result<(), MachineError> {
        let (image, pc) = (&self.image, &self.cfg.pc);
        if image.is_told_by_us() {
            self.monitor.firmware(|m| firmware::program(m.board, m.now));
            self.monitor.firmware(|m| image.describe(m.memory, pc))?;
        }
        let screen = match image.is_told_by_us() {
            true => self.monitor.firmware(|m| firmware::show(m.board, m.now, image.screen())),
            false => None,
        };
        self.monitor.firmware(|m| image.boot_with(m.memory, m.cpu, screen))?;
        if image.is_told_by_us() {
            self.monitor.firmware(|m| firmware::tell_ports(m.memory, pc))?;
        }
        // What was just loaded is the guest's to touch; it need not count as ours beside that.
        self.monitor.memory().release();
        Ok(())
    }

    /// The state between two instructions; not while the machine runs. It does not change the machine:
    /// that goes on as if nothing had been.
    ///
    /// # Errors
    /// [`StateError`] when the image could not be found again, for it is no regular file.
    pub fn save(&mut self) -> Result<MachineState, StateError> {
        let head = self.head()?;
        let mut contents = Vec::new();
        self.monitor.memory().save_contents(&mut contents).map_err(StateError::Write)?;
        Ok(MachineState::new(head, contents))
    }

    /// Goes on from `state`, which was saved by a machine like this one that boots the same image: this
    /// one, or another. Sinks, limits and counters stay.
    ///
    /// # Errors
    /// [`StateError`]. When the state is of another machine nothing has changed; when it is damaged the
    /// machine may be a mixture, and [`Machine::run`] refuses to run it.
    pub fn restore(&mut self, state: &MachineState) -> Result<(), StateError> {
        state.head().manifest.machine.check(&record_of(&self.cfg))?;
        state.boot().check(self.boot_record()?)?;
        self.mixed = true;
        let Own { last_fault, key } =
            state::restore(&mut self.monitor, state.sections(), &mut |memory| {
                state.load_contents(memory)
            })?;
        self.last_fault = last_fault;
        self.image.set_pending_key(key);
        self.mixed = false;
        self.monitor.memory().release();
        Ok(())
    }

    /// Numbers for the state between two instructions: equal ones in runs that are alike.
    ///
    /// # Errors
    /// [`StateError`] when a part cannot write its state down.
    pub fn digest(&mut self) -> Result<StateDigest, StateError> {
        let sections = self.sections()?;
        Ok(StateDigest::new(&sections, self.monitor.memory().digest()))
    }

    /// Has [`Machine::run`] save the state to the file at `path` when exactly `retired` guest
    /// instructions have retired since power-on, before an interrupt that waits is taken, and go on.
    ///
    /// # Errors
    /// [`StateError::NotCounted`] without the virtual clock, [`StateError::Write`] without a thread to spare, and what
    /// [`Machine::save`] may say.
    pub fn save_at(&mut self, retired: u64, path: &Path) -> Result<(), StateError> {
        if !self.cfg.is_virtual() {
            return Err(StateError::NotCounted);
        }
        self.boot_record()?;
        if self.state_files.is_none() {
            self.state_files = Some(StateFiles::start().map_err(StateError::Write)?);
        }
        self.saves.add(Save { retired, path: path.to_owned() });
        Ok(())
    }

    /// The first of what [`Machine::save_at`] asked for that has not come yet.
    #[must_use]
    pub fn next_save(&self) -> Option<(u64, &Path)> {
        self.saves.first().map(|save| (save.retired, save.path.as_path()))
    }

    fn write(&mut self, save: &Save) -> Result<(), StateError> {
        let head = self.head()?;
        let memory = self.monitor.memory();
        let files = self.state_files.as_ref().ok_or(StateError::NotCounted)?;
        state::write_file(files, &save.path, &head, &mut |out| memory.save_contents(out))
    }

    fn head(&mut self) -> Result<Head, StateError> {
        let manifest = Manifest {
            program: concat!("ringer ", env!("CARGO_PKG_VERSION")).to_owned(),
            retired: self.retired(),
            machine: record_of(&self.cfg),
            boot: self.boot_record()?.clone(),
            sections: Vec::new(),
        };
        Ok(Head { manifest, sections: self.sections()? })
    }

    fn sections(&mut self) -> Result<Vec<Section>, StateError> {
        let own = Own { last_fault: self.last_fault, key: self.image.pending_key() };
        state::sections(&mut self.monitor, &own)
    }

    fn boot_record(&mut self) -> Result<&BootRecord, StateError> {
        let record = match self.boot_record.take() {
            Some(record) => record,
            None => BootRecord::of(&self.source)?,
        };
        Ok(self.boot_record.insert(record))
    }

    /// What is to say of the machine after a run that ended by `stop`.
    #[must_use]
    pub fn post_mortem(&self, stop: &Stop) -> PostMortem {
        PostMortem::of(&self.monitor, stop)
    }

    /// Whether retired instructions are counted: all of them.
    #[must_use]
    pub fn counts_instructions(&self) -> bool {
        self.cfg.is_virtual() || self.cfg.run.profile
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

    /// How many bytes it wrote there before those.
    #[must_use]
    pub fn post_codes_left_out(&self) -> u64 {
        self.monitor.board().post_codes_left_out()
    }

    /// Guest instructions retired, over all boots, as far as they were counted (see
    /// [`Monitor::retired`]).
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.monitor.retired()
    }
}

fn record_of(cfg: &MachineConfig) -> MachineRecord {
    let clock = if cfg.is_virtual() { ClockKind::Virtual } else { ClockKind::Real };
    MachineRecord::of(&cfg.pc, clock)
}

fn now_s() -> u64 {
    // A host clock before 1970 is as good as 1970 for a guest.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn stop_of(end: RunEnd) -> Stop {
    match end {
        RunEnd::PowerOff => Stop::PowerOff,
        RunEnd::Reset => Stop::Reset,
        RunEnd::TripleFault { cs, eip } => Stop::TripleFault { cs, eip },
        RunEnd::DebugExit(value) => Stop::DebugExit(value),
        RunEnd::Timeout => Stop::Timeout,
        RunEnd::Time => Stop::GuestTime,
        RunEnd::InstructionLimit => Stop::InstructionLimit,
        RunEnd::Quit => Stop::Quit,
        RunEnd::Breakpoint { cs, eip } => Stop::Breakpoint { cs, eip },
        RunEnd::DeadHalt => Stop::DeadHalt,
        RunEnd::Watchpoint(hit) => Stop::Watchpoint(hit),
        RunEnd::Stepped => Stop::Stepped,
        RunEnd::Halted => Stop::Halt,
        RunEnd::Paused => Stop::Kicked,
        RunEnd::Difference(report) => Stop::Difference(report),
        RunEnd::Refused(report) => Stop::Refused(report),
    }
}
