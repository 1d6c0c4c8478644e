//! What a machine is, and how it is run. The first is the guest's to see and part of its state; the
//! second may differ from run to run.

use ringer_cpu::CpuModel;
use ringer_devices::{DriveKind, FloppyDrive, Nics, VirtioConfig, vga};
use ringer_monitor::{
    ClockKind, Engine, KickSignal, MemoryBudget, MonitorConfig, TranslatorOptions,
};
use std::time::Duration;

/// Where the debug-exit port is by default.
pub(crate) const DEBUG_EXIT_PORT: u16 = 0xf4;

/// Where firmware looks for a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// The first floppy drive.
    Floppy,
    /// The first hard disk.
    Disk,
    /// The CD drive.
    Cd,
    /// The network.
    Network,
}

/// What firmware is told of the user's wishes. Only a guest with firmware of its own asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareConfig {
    /// Where it looks for a system, in this order; then wherever else there is something.
    pub order: [Option<BootDevice>; 3],
    /// It offers a menu.
    pub menu: bool,
    /// For how many milliseconds, if not as long as it likes.
    pub menu_wait_ms: Option<u32>,
    /// Milliseconds after which it starts anew when it found nothing to boot; `None`: never.
    pub fail_wait_ms: Option<u32>,
    /// Its texts, and those that guests have it show, go to the first serial port.
    pub serial_console: bool,
}

impl Default for FirmwareConfig {
    /// Disk, CD, floppy; no menu; texts to the serial port.
    fn default() -> Self {
        Self {
            order: [Some(BootDevice::Disk), Some(BootDevice::Cd), Some(BootDevice::Floppy)],
            menu: false,
            menu_wait_ms: None,
            fail_wait_ms: None,
            serial_console: true,
        }
    }
}

/// The PC: what a guest finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcConfig {
    /// Bytes of memory, a multiple of 4 KiB from 1 MiB to 3 GiB.
    pub ram_size: u64,
    /// The processor.
    pub model: CpuModel,
    /// The debug-exit port ends the run.
    pub debug_exit: bool,
    /// Where it is: the first of four ports, in each of which a write of any width is one of the whole value.
    pub debug_exit_port: u16,
    /// There is the device that kvm-unit-tests expect.
    pub test_device: bool,
    /// Keep the latest bytes that the guest writes to port 80h.
    pub log_post: bool,
    /// IDE drives: the primary channel's device 0 and 1, the secondary's.
    pub ide: [Option<DriveKind>; 4],
    /// The floppy drives.
    pub floppies: [Option<FloppyDrive>; 2],
    /// Drives of an AHCI adapter's ports.
    pub ahci: [Option<DriveKind>; 6],
    /// What firmware is told.
    pub firmware: FirmwareConfig,
    /// There is a display adapter.
    pub vga: bool,
    /// Network adapters.
    pub nics: Nics,
    /// The virtio devices.
    pub virtio: VirtioConfig,
    /// There are COM2, COM3 and COM4.
    pub serials: [bool; 3],
    /// There is LPT1.
    pub parallel: bool,
}

impl PcConfig {
    /// Bytes of memory of devices' own.
    pub(crate) fn device_ram(&self) -> u64 {
        if self.vga { vga::MEMORY } else { 0 }
    }

    /// Bytes of memory, of all kinds.
    fn memory(&self) -> u64 {
        self.ram_size + self.device_ram()
    }
}

impl Default for PcConfig {
    /// 512 MiB, a Pentium 4, a display adapter.
    fn default() -> Self {
        let model = CpuModel::PENTIUM4;
        Self {
            ram_size: 512 << 20,
            model,
            debug_exit: false,
            debug_exit_port: DEBUG_EXIT_PORT,
            test_device: false,
            log_post: false,
            ide: [None; 4],
            floppies: [None; 2],
            ahci: [None; 6],
            firmware: FirmwareConfig::default(),
            vga: true,
            nics: Nics::default(),
            virtio: VirtioConfig::NONE,
            serials: [false; 3],
            parallel: false,
        }
    }
}

/// The run: engine, time, limits.
#[derive(Clone, Copy, Debug)]
pub struct RunConfig {
    /// How guest code is executed.
    pub engine: Engine,
    /// Translation-cache budget in bytes.
    pub tc_size: u64,
    /// Bytes that the process may hold beside guest memory: resident, the host's page tables and mappings. What
    /// is more is given up, and a process that stays over it ends with an error. `None`: windows and tables keep to the
    /// usual limit, and the process, which has other things in it, is not looked at.
    pub mem_limit: Option<u64>,
    /// The signal that interrupts the thread that runs the machine.
    pub kick_signal: KickSignal,
    /// The translator's optimisations.
    pub options: TranslatorOptions,
    /// What time is.
    pub clock: ClockKind,
    /// Keep the counters and the time ledger.
    pub profile: bool,
    /// Ends the run after so many guest instructions, over all reboots.
    pub max_instructions: Option<u64>,
    /// Ends the run after so much host time, over all reboots.
    pub timeout: Option<Duration>,
    /// A reset or triple fault ends the run instead of starting the processor again.
    pub no_reboot: bool,
}

impl Default for RunConfig {
    /// Binary translation with all optimisations and 64 MiB for it, real time, no limit.
    fn default() -> Self {
        Self {
            engine: Engine::Bt,
            tc_size: 64 << 20,
            mem_limit: None,
            kick_signal: KickSignal::default(),
            options: TranslatorOptions::default(),
            clock: ClockKind::Real,
            profile: false,
            max_instructions: None,
            timeout: None,
            no_reboot: false,
        }
    }
}

/// What a machine is made of and how it is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineConfig {
    /// The PC.
    pub pc: PcConfig,
    /// The run.
    pub run: RunConfig,
}

impl MachineConfig {
    /// Time is a function of retired instructions: it was asked for, or something else needs it so.
    pub(crate) fn is_virtual(&self) -> bool {
        let RunConfig { clock, max_instructions, engine, .. } = self.run;
        clock == ClockKind::Virtual || max_instructions.is_some() || engine == Engine::Lockstep
    }

    /// What the process may hold.
    pub(crate) fn budget(&self) -> MemoryBudget {
        MemoryBudget::new(self.pc.memory(), self.run.tc_size, self.run.mem_limit)
    }

    pub(crate) fn monitor(&self) -> MonitorConfig {
        MonitorConfig {
            model: self.pc.model,
            engine: self.run.engine,
            tc_size: self.run.tc_size,
            clock: self.run.clock,
            max_instructions: self.run.max_instructions,
            timeout: self.run.timeout,
            profile: self.run.profile,
            kick_signal: self.run.kick_signal,
            options: self.run.options,
        }
    }
}
