//! `ringer run`: which guest and which machine.

use super::{
    Display, DisplayArgs, DriveArgs, EndArgs, EngineArgs, FirmwareArgs, GdbArgs, NetArgs,
    ScriptArgs, ShareArgs, TraceArgs, Vga, VirtioArgs,
};
use crate::error::CliError;
use crate::escape::Escape;
use crate::serial::SerialSpec;
use clap::Args;
use ringer::{BootSource, ClockKind, MachineConfig, MachineState, PcConfig, RunConfig, parse_size};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Least and most guest memory.
const MEMORY: std::ops::RangeInclusive<u64> = (1 << 20)..=(3 << 30);
/// Memory where no option and no state says how much.
const DEFAULT_MEMORY: &str = "512M";
/// Serial ports that a PC has at most.
const MOST_SERIALS: usize = 4;

/// Which guest and which machine.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Boot this Linux kernel (bzImage or zImage), or ELF kernel with an entry for PVH
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Boot this Multiboot kernel (version 1 or 2; ELF or flat, perhaps in gzip)
    #[arg(long, value_name = "FILE")]
    pub multiboot: Option<PathBuf>,
    /// Boot this raw ROM from the reset vector
    #[arg(long, value_name = "FILE")]
    pub rom: Option<PathBuf>,
    /// Boot this raw boot sector, or disk image, over a minimal built-in BIOS
    #[arg(long, alias = "boot-sector", value_name = "FILE")]
    pub bootsector: Option<PathBuf>,
    /// Firmware, instead of these.
    #[command(flatten)]
    pub firmware: FirmwareArgs,
    /// The initial RAM disk; with --multiboot a module, as FILE or "FILE ARGUMENTS" (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub initrd: Vec<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Drives and their images.
    #[command(flatten)]
    pub drives: DriveArgs,
    /// The network.
    #[command(flatten)]
    pub net: NetArgs,
    /// Other virtio devices.
    #[command(flatten)]
    pub virtio: VirtioArgs,
    /// A folder of the host's.
    #[command(flatten)]
    pub share: ShareArgs,
    /// Memory, 1M to 3G; a plain number counts MiB (default: 512M)
    #[arg(short = 'm', long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory: Option<String>,
    /// Save the machine's state to FILE when exactly N guest instructions have retired, and go on (the
    /// clock is virtual then; may be repeated)
    #[arg(long, num_args = 2, value_names = ["N", "FILE"])]
    pub save_at: Vec<OsString>,
    /// Go on from the state in FILE, on a machine like the saved one
    #[arg(long, value_name = "FILE")]
    pub load: Option<PathBuf>,
    /// The first serial port: stdio, file:F, null or pty (default: stdio, and null with --display terminal). Given again,
    /// the second, third and fourth
    #[arg(long, value_name = "WHERE")]
    pub serial: Vec<SerialSpec>,
    /// A printer on the first parallel port, whose bytes go to FILE
    #[arg(long, value_name = "FILE")]
    pub parallel: Option<PathBuf>,
    /// What the PC's speaker does goes to FILE, a WAV file, by the guest's clock
    #[arg(long, value_name = "FILE")]
    pub speaker: Option<PathBuf>,
    /// The key that announces a command of Ringer's on a stdio console (KEY X ends the run), as ctrl-a or ^], or none
    /// (default: ctrl-a on a terminal, none where standard input is a pipe or a file)
    #[arg(long, value_name = "KEY")]
    pub escape: Option<Escape>,
    /// Where the text goes that the guest writes to port E9h: stdio, file:F or null
    #[arg(long, default_value = "null", value_name = "WHERE")]
    pub debugcon: SerialSpec,
    /// Where its screen is shown.
    #[command(flatten)]
    pub display: DisplayArgs,
    /// End the run when the guest resets, instead of booting it again
    #[arg(long)]
    pub no_reboot: bool,
    /// What else ends it.
    #[command(flatten)]
    pub ends: EndArgs,
    /// What drives it.
    #[command(flatten)]
    pub script: ScriptArgs,
    /// Write how the run ended to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write a jitdump file to this folder (default: /tmp), so that Linux perf names translated blocks (see
    /// docs/performance.md)
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "/tmp")]
    pub perf_map: Option<PathBuf>,
    /// Names of guest addresses: a System.map or an ELF file (may be repeated); a Multiboot kernel's own are known
    #[arg(long, value_name = "FILE")]
    pub symbols: Vec<PathBuf>,
    /// What is told while it runs.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Engine, processor, limits.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Debugging.
    #[command(flatten)]
    pub gdb: GdbArgs,
}

impl RunArgs {
    /// Where the serial ports lead, one at least.
    pub fn serial(&self) -> Vec<SerialSpec> {
        let usual = match self.display.display {
            Display::Terminal => SerialSpec::Null,
            _ => SerialSpec::Stdio,
        };
        if self.serial.is_empty() { vec![usual] } else { self.serial.clone() }
    }

    /// The one boot source that was given.
    pub fn source(&self) -> Result<BootSource, CliError> {
        let linux = self.kernel.is_some() || self.multiboot.is_some();
        let source = match (&self.kernel, &self.multiboot, &self.rom, &self.bootsector) {
            (Some(kernel), None, None, None) => {
                if self.initrd.len() > 1 {
                    return Err(CliError::ManyInitrds);
                }
                let initrd = self.initrd.first().cloned();
                BootSource::Linux { kernel: kernel.clone(), initrd, cmdline: self.cmdline() }
            }
            (None, Some(kernel), None, None) => {
                let modules = self.initrd.clone();
                BootSource::Multiboot { kernel: kernel.clone(), modules, cmdline: self.cmdline() }
            }
            (None, None, Some(rom), None) => BootSource::Rom(rom.clone()),
            (None, None, None, Some(disk)) => BootSource::BootSector(disk.clone()),
            (None, None, None, None) if self.boots_firmware() => {
                BootSource::Bios(self.firmware.bios()?)
            }
            _ => return Err(CliError::BootSource),
        };
        if let (false, Some(option)) = (self.boots_firmware(), self.firmware.named()) {
            return Err(CliError::NoFirmwareUse { option });
        }
        if !linux && !self.initrd.is_empty() {
            return Err(CliError::NoUse { option: "--initrd" });
        }
        if !linux && self.append.is_some() {
            return Err(CliError::NoUse { option: "--append" });
        }
        Ok(source)
    }

    /// Whether firmware has to find what to boot.
    fn boots_firmware(&self) -> bool {
        let named = [&self.kernel, &self.multiboot, &self.rom, &self.bootsector];
        let asked = self.firmware.bios.is_some() || self.drives.any();
        asked && named.iter().all(|path| path.is_none())
    }

    fn cmdline(&self) -> String {
        self.append.clone().unwrap_or_default()
    }

    /// The machine that was asked for.
    pub fn machine(&self, profile: bool) -> Result<MachineConfig, CliError> {
        let text = self.memory.as_deref().unwrap_or(DEFAULT_MEMORY);
        let size = parse_size(text);
        let error = |reason| CliError::MemorySize { text: text.to_owned(), reason };
        let ram_size = size.map_err(|e| error(e.to_string()))?;
        if !MEMORY.contains(&ram_size) {
            return Err(error("a guest can have 1M to 3G of memory".to_owned()));
        }
        let machine = self.engine.machine(ram_size & !4095, profile);
        let places = self.drives.places()?;
        let disks = places.virtio.each_ref().map(Option::is_some);
        let virtio = self.virtio.devices(disks, machine.pc.ram_size)?;
        Ok(MachineConfig {
            pc: PcConfig {
                debug_exit: self.ends.debug_exit.is_some(),
                debug_exit_port: self
                    .ends
                    .debug_exit
                    .flatten()
                    .unwrap_or(machine.pc.debug_exit_port),
                log_post: self.report.is_some(),
                ide: places.ide.map(|drive| drive.map(|drive| drive.kind)),
                ahci: places.ahci.map(|drive| drive.map(|drive| drive.kind)),
                virtio,
                firmware: self.firmware.config(),
                vga: self.firmware.vga != Some(Vga::None),
                serials: self.more_serials()?,
                parallel: self.parallel.is_some(),
                ..machine.pc
            },
            run: RunConfig {
                no_reboot: self.no_reboot,
                clock: self.engine.clock.unwrap_or(self.default_clock()),
                mem_limit: self.mem_limit(machine.pc.ram_size),
                ..machine.run
            },
        })
    }

    /// Which of COM2 to COM4 there are.
    fn more_serials(&self) -> Result<[bool; 3], CliError> {
        match self.serial.len() {
            count @ 0..=MOST_SERIALS => Ok([2, 3, 4].map(|port| port <= count)),
            _ => Err(CliError::ManySerials),
        }
    }

    /// What a machine with `ram_size` bytes may make the process hold. What gdb goes back by is in memory, and nobody's
    /// doing but the user's.
    fn mem_limit(&self, ram_size: u64) -> Option<u64> {
        let own = self.gdb.address().is_none().then(|| self.engine.usual_limit(ram_size));
        self.engine.mem_limit.or(own)
    }

    fn default_clock(&self) -> ClockKind {
        let counted = !self.save_at.is_empty() || self.trace.counts();
        if counted { ClockKind::Virtual } else { ClockKind::Real }
    }

    /// The machine that was asked for, and what it boots, where `state` says what no option does.
    pub fn like(
        &self,
        state: &MachineState,
        profile: bool,
    ) -> Result<(MachineConfig, BootSource), CliError> {
        let MachineConfig { mut pc, mut run } = self.machine(profile)?;
        let saved = state.pc().map_err(ringer::Error::from)?;
        if self.memory.is_none() {
            pc.ram_size = saved.ram_size;
            run.mem_limit = self.mem_limit(pc.ram_size);
        }
        if !self.drives.any() {
            (pc.ide, pc.ahci) = (saved.ide, saved.ahci);
            pc.virtio.disks = saved.virtio.disks;
        }
        pc.virtio.rng |= saved.virtio.rng;
        pc.virtio.console |= saved.virtio.console;
        pc.virtio.balloon = pc.virtio.balloon.or(saved.virtio.balloon);
        pc.virtio.share = saved.virtio.share;
        pc.floppies = saved.floppies;
        if self.serial.len() < 2 {
            pc.serials = saved.serials;
        }
        pc.parallel |= saved.parallel;
        if self.firmware.vga.is_none() {
            pc.vga = saved.vga;
        }
        if self.engine.cpu.is_none() {
            pc.model = saved.model;
        }
        pc.test_device |= saved.test_device;
        if self.ends.debug_exit.is_none() {
            (pc.debug_exit, pc.debug_exit_port) = (saved.debug_exit, saved.debug_exit_port);
        }
        if self.engine.clock.is_none() {
            run.clock = state.clock().map_err(ringer::Error::from)?;
        }
        let named =
            [&self.kernel, &self.multiboot, &self.rom, &self.bootsector, &self.firmware.bios];
        let options = !self.initrd.is_empty() || self.append.is_some();
        let source = match state.source() {
            Some(source) if !options && named.iter().all(|path| path.is_none()) => source,
            _ => self.source()?,
        };
        Ok((MachineConfig { pc, run }, source))
    }

    /// Whether what the guest writes to its disks is at the end of the run as it is in every state that is saved.
    pub fn ends_where_it_saves(&self) -> Result<bool, CliError> {
        Ok(self.saves()?.iter().all(|(at, _)| Some(*at) == self.engine.max_instructions))
    }

    /// What --save-at asks for.
    pub fn saves(&self) -> Result<Vec<(u64, &Path)>, CliError> {
        let pairs = self.save_at.chunks_exact(2);
        let pair = |pair: &'_ [OsString]| pair[0].to_str().and_then(|n| n.parse().ok());
        let pairs = pairs.map(|words| match pair(words) {
            Some(n) if n > 0 => Ok((n, Path::new(&words[1]))),
            _ => Err(CliError::SaveAt { text: words[0].display().to_string() }),
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;
    use ringer::TranslatorOptions;
    use std::time::Duration;

    fn run(line: &str) -> Result<RunArgs, clap::Error> {
        let words = ["ringer", "run"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::Run(args) => Ok(args.run),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn exactly_one_boot_source_is_needed() {
        assert!(run("--kernel a").unwrap().source().is_ok());
        assert!(matches!(run("").unwrap().source(), Err(CliError::BootSource)));
        let two = run("--kernel a --rom b").unwrap();
        assert!(matches!(two.source(), Err(CliError::BootSource)));
        let useless = run("--rom b --initrd c").unwrap().source();
        assert!(matches!(useless, Err(CliError::NoUse { option: "--initrd" })));
    }

    #[test]
    fn memory_has_a_default_and_bounds() {
        assert_eq!(run("--rom a").unwrap().machine(false).unwrap().pc.ram_size, 512 << 20);
        assert_eq!(run("--rom a -m 64").unwrap().machine(false).unwrap().pc.ram_size, 64 << 20);
        for bad in ["0", "1T", "4G", "1K", "many"] {
            let args = run(&format!("--rom a -m {bad}")).unwrap();
            assert!(matches!(args.machine(false), Err(CliError::MemorySize { .. })), "{bad}");
        }
    }

    #[test]
    fn limits_and_lists_are_parsed() {
        let args = run("--rom a --timeout 0.5 --disable link,inline-stack").unwrap();
        assert_eq!(args.engine.timeout, Some(Duration::from_millis(500)));
        let options = args.machine(false).unwrap().run.options;
        assert!(!options.contains(TranslatorOptions::LINK));
        assert!(!options.contains(TranslatorOptions::INLINE_STACK));
        assert!(options.contains(TranslatorOptions::INDIRECT));
        for bad in ["--timeout 0", "--timeout -1", "--timeout inf", "--disable count", "--cpu 386"]
        {
            assert!(run(&format!("--rom a {bad}")).is_err(), "{bad}");
        }
    }
}
