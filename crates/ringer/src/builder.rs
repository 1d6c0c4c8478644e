//! What a machine is to be, until it is built.

use crate::error::Error;
use crate::machine::Machine;
use ringer_devices::row::Row;
use ringer_devices::{
    Device, DriveKind, FloppyDrive, Folder, Link, Mac, Medium, NicModel, SerialSink, Tag, rows,
};
use ringer_machine::{
    BootSource, ClockKind, CpuModel, Engine, KickSignal, MachineConfig, MachineState,
    ShieldedDevice, ShieldedLink, Sinks,
};
use std::fmt;
use std::io;

/// Takes bytes and drops them.
struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// A machine that is not built yet.
///
/// By default: 512 MiB, a Pentium 4, binary translation, the host's clock, nothing to boot, and output
/// that goes nowhere.
pub struct Builder {
    config: MachineConfig,
    boot: BootSource,
    sinks: Sinks,
    console: Option<Box<dyn SerialSink>>,
    devices: Vec<(Row, Box<dyn Device>)>,
    media: Vec<(&'static str, usize, Box<dyn Medium>)>,
    link: Option<(NicModel, Box<dyn Link>)>,
    folder: Option<Box<dyn Folder>>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("boot", &self.boot)
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: MachineConfig::default(),
            boot: BootSource::Nothing,
            console: None,
            sinks: Sinks { serial: Box::new(Nowhere), debugcon: Box::new(Nowhere) },
            devices: Vec::new(),
            media: Vec::new(),
            folder: None,
            link: None,
        }
    }
}

impl Machine {
    /// Begins a machine.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Memory in bytes: a multiple of 4096 from 1 MiB to 3 GiB. The host gives it as the guest uses it.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.config.pc.ram_size = bytes;
        self
    }

    /// The processor that the guest finds.
    #[must_use]
    pub fn model(mut self, model: CpuModel) -> Self {
        self.config.pc.model = model;
        self
    }

    /// How guest code is executed.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.config.run.engine = engine;
        self
    }

    /// What time is. With [`ClockKind::Virtual`] a run is repeated to the instruction, and
    /// [`crate::Until::instructions`] can end it at one.
    #[must_use]
    pub fn clock(mut self, clock: ClockKind) -> Self {
        self.config.run.clock = clock;
        self
    }

    /// A write to port F4h ends the run with [`crate::Stop::DebugExit`] and the value.
    #[must_use]
    pub fn debug_exit(mut self, on: bool) -> Self {
        self.config.pc.debug_exit = on;
        self
    }

    /// The same for a write to one of the four ports from `port` on: QEMU's default is 501h.
    #[must_use]
    pub fn debug_exit_at(mut self, port: u16) -> Self {
        self.config.pc.debug_exit = true;
        self.config.pc.debug_exit_port = port;
        self
    }

    /// Keeps the counters and the time ledger of [`Machine::counters`] that cost time to keep.
    #[must_use]
    pub fn profile(mut self, on: bool) -> Self {
        self.config.run.profile = on;
        self
    }

    /// Most bytes that translated code may take, 1 MiB to 1 GiB; 64 MiB by default. The machine reserves
    /// them at once and the host gives them as they are used.
    #[must_use]
    pub fn translation_cache(mut self, bytes: u64) -> Self {
        self.config.run.tc_size = bytes;
        self
    }

    /// Most bytes that the process may hold beside guest memory: resident, the host's page tables and mappings. Only for
    /// a program that runs one machine and does little else, since all that it holds counts. Less than
    /// [`MemoryBudget::least`] is made that. By default the process is not looked at; what a guest can make windows, tables
    /// and translated code take is bounded all the same.
    ///
    /// [`MemoryBudget::least`]: crate::MemoryBudget::least
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.config.run.mem_limit = Some(bytes);
        self
    }

    /// The signal that interrupts the thread that runs the machine. A program that uses the default one
    /// for itself names another here.
    #[must_use]
    pub fn kick_signal(mut self, signal: KickSignal) -> Self {
        self.config.run.kick_signal = signal;
        self
    }

    /// A machine like the one that `state` is of, so that it can take the state over
    /// ([`Machine::restore`]): memory, processor, clock, debug-exit port, and what it boots.
    ///
    /// # Errors
    /// When this version does not have the state's processor or clock.
    pub fn like(mut self, state: &MachineState) -> Result<Self, Error> {
        let log_post = self.config.pc.log_post;
        self.config.pc = ringer_machine::PcConfig { log_post, ..state.pc()? };
        self.config.run.clock = state.clock()?;
        if let Some(source) = state.source() {
            self.boot = source;
        }
        Ok(self)
    }

    /// All settings at once, in the place of those above.
    #[must_use]
    pub fn config(mut self, config: MachineConfig) -> Self {
        self.config = config;
        self
    }

    /// What to boot. Files are read when the machine is built.
    #[must_use]
    pub fn boot(mut self, source: BootSource) -> Self {
        self.boot = source;
        self
    }

    /// Where the output of the first serial port goes. The sink is called on the thread that runs the
    /// machine, and the guest waits for it.
    #[must_use]
    pub fn serial(mut self, sink: impl SerialSink + 'static) -> Self {
        self.sinks.serial = Box::new(sink);
        self
    }

    /// Where the bytes go that the guest writes to port E9h.
    #[must_use]
    pub fn debug_console(mut self, sink: impl SerialSink + 'static) -> Self {
        self.sinks.debugcon = Box::new(sink);
        self
    }

    /// Both outputs at once.
    #[must_use]
    pub fn sinks(mut self, sinks: Sinks) -> Self {
        self.sinks = sinks;
        self
    }

    /// Puts a device of one's own on the board, as `row` says. Its methods are called on the thread that
    /// runs the machine; the guest's x87 state is put aside around them.
    #[must_use]
    pub fn device(mut self, row: Row, device: impl Device + 'static) -> Self {
        self.devices.push((row, Box::new(ShieldedDevice::new(Box::new(device)))));
        self
    }

    /// An IDE drive in place `place` (0..=3: the channels' devices in order); another place has none.
    #[must_use]
    pub fn ide_drive(mut self, place: usize, kind: DriveKind) -> Self {
        if let Some(drive) = self.config.pc.ide.get_mut(place) {
            *drive = Some(kind);
        }
        self
    }

    /// A floppy drive in place `place` (0 or 1); another place has none.
    #[must_use]
    pub fn floppy_drive(mut self, place: usize, kind: FloppyDrive) -> Self {
        if let Some(drive) = self.config.pc.floppies.get_mut(place) {
            *drive = Some(kind);
        }
        self
    }

    /// What is in the floppy drive in place `place`; what is larger than any diskette is not put in. As
    /// [`Builder::ide_medium`].
    #[must_use]
    pub fn floppy_medium(mut self, place: usize, medium: Box<dyn Medium>) -> Self {
        self.media.push((rows::FLOPPY, place, medium));
        self
    }

    /// What is in the IDE drive in place `place`. Its methods are called on the thread that runs the machine, and the guest
    /// waits for them.
    #[must_use]
    pub fn ide_medium(mut self, place: usize, medium: Box<dyn Medium>) -> Self {
        self.media.push((rows::IDE, place, medium));
        self
    }

    /// A drive at port `port` (0..=5) of an AHCI adapter; another port has none.
    #[must_use]
    pub fn ahci_drive(mut self, port: usize, kind: DriveKind) -> Self {
        if let Some(drive) = self.config.pc.ahci.get_mut(port) {
            *drive = Some(kind);
        }
        self
    }

    /// What is in the drive at port `port` of the AHCI adapter, as [`Builder::ide_medium`].
    #[must_use]
    pub fn ahci_medium(mut self, port: usize, medium: Box<dyn Medium>) -> Self {
        self.media.push((rows::AHCI, port, medium));
        self
    }

    /// A network adapter, connected to `link`, which is called on the thread that runs the machine. What comes in goes to
    /// [`crate::Handle::frame_input`]. A machine has one adapter that is connected.
    #[must_use]
    pub fn nic(mut self, model: NicModel, mac: Mac, link: Box<dyn Link>) -> Self {
        self.config.pc.nics = self.config.pc.nics.with(model, mac);
        self.link(model, link)
    }

    /// Connects the network adapter of that model, which the configuration has, to `link`.
    #[must_use]
    pub fn link(mut self, model: NicModel, link: Box<dyn Link>) -> Self {
        self.link = Some((model, Box::new(ShieldedLink::new(link))));
        self
    }

    /// A virtio disk in place `place` (0..=3), with `medium` in it; another place has none. As [`Builder::ide_medium`].
    #[must_use]
    pub fn virtio_disk(mut self, place: usize, medium: Box<dyn Medium>) -> Self {
        let disks = self.config.pc.virtio.disks.iter_mut();
        if let Some((there, device)) = disks.zip(rows::VIRTIO_DISKS).nth(place) {
            *there = true;
            self.media.push((device, 0, medium));
        }
        self
    }

    /// A virtio source of random numbers: the host's, or with the virtual clock a sequence that is the same in each run.
    #[must_use]
    pub fn virtio_rng(mut self) -> Self {
        self.config.pc.virtio.rng = true;
        self
    }

    /// A virtio console, whose output goes to `sink`, as [`Builder::serial`]. Input for the serial port goes to it once it
    /// has a driver.
    #[must_use]
    pub fn virtio_console(mut self, sink: Box<dyn SerialSink>) -> Self {
        self.config.pc.virtio.console = true;
        self.console = Some(sink);
        self
    }

    /// A virtio balloon that asks the guest for `bytes` of its memory, and takes what it has no use for.
    #[must_use]
    pub fn virtio_balloon(mut self, bytes: u64) -> Self {
        self.config.pc.virtio.balloon = Some(u32::try_from(bytes >> 12).unwrap_or(u32::MAX));
        self
    }

    /// A folder of the host's, which the guest mounts by `tag`, and which answers for itself. As [`Builder::ide_medium`].
    #[must_use]
    pub fn shared_folder(mut self, tag: Tag, folder: Box<dyn Folder>) -> Self {
        self.config.pc.virtio.share = Some(tag);
        self.folder(folder)
    }

    /// The folder behind the device for one, which the configuration has.
    #[must_use]
    pub fn folder(mut self, folder: Box<dyn Folder>) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Reads and checks what there is to boot, builds the machine and boots it as far as its first
    /// instruction.
    ///
    /// # Errors
    /// When a file is not what it should be or does not fit into memory, a device's row asks for what is
    /// taken or does not exist, or the host refuses what the machine is built of.
    pub fn build(self) -> Result<Machine, Error> {
        let mut machine = ringer_machine::Machine::new(self.config, &self.boot, self.sinks)?;
        for (row, device) in self.devices {
            machine.monitor_mut().board_mut().attach(row, device)?;
        }
        if let Some(sink) = self.console {
            machine.connect_console(sink);
        }
        for (device, place, medium) in self.media {
            machine.monitor_mut().board_mut().insert(device, place, Some(medium));
        }
        if let Some(folder) = self.folder {
            machine.monitor_mut().board_mut().share(rows::SHARE, folder);
        }
        if let Some((model, link)) = self.link {
            machine.monitor_mut().board_mut().connect_link(model.id(), link);
        }
        Ok(Machine::new(machine))
    }
}
