//! The command line.

use crate::error::CliError;
use crate::serial::SerialSpec;
use clap::{Args, Parser, Subcommand};
use ringer::{
    BootSource, ClockKind, CpuModel, Engine, KickSignal, MachineConfig, MachineState, PcConfig,
    RunConfig, TranslatorOptions, parse_size,
};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Least and most guest memory.
const MEMORY: std::ops::RangeInclusive<u64> = (1 << 20)..=(3 << 30);
/// Memory where no option and no state says how much.
const DEFAULT_MEMORY: &str = "512M";
/// Least and most translation cache.
const CACHE: std::ops::RangeInclusive<u64> = (1 << 20)..=(1 << 30);
/// The longest --timeout, in seconds: a year.
const LONGEST: f64 = 31_536_000.0;

/// An x86 PC in an ordinary Linux process, by binary translation.
#[derive(Debug, Parser)]
#[command(name = "ringer", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Stop status: 0 the guest powered off, (value << 1) | 1 what it wrote to the debug-exit port, \
2 usage or input error, 4 a test failed, 64 reset (--no-reboot), 66 triple fault, \
68 --max-instructions, 70 internal error, 72 lockstep difference, 74 output error, 76 refused by the verifier, \
124 --timeout, 130 ended by the user.
On a stdio console, Ctrl-A X ends the run and Ctrl-A H lists the other keys.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a guest.
    Run(RunArgs),
    /// Runs a guest and prints where its time went.
    Profile(ProfileArgs),
    /// Runs guests in both engines with every block verified, and reports whether equivalence,
    /// resource control and efficiency held
    Verify(VerifyArgs),
    /// Runs test ROMs and reports on them.
    Test(TestArgs),
    /// Runs a small built-in guest and prints a short profile.
    Demo(DemoArgs),
    /// Measures what single operations cost: here, in QEMU TCG and natively.
    Nano(NanoArgs),
    /// Restores the terminal when the process that started this one dies.
    #[command(hide = true)]
    RestoreTerminal,
}

/// How guest code is executed.
#[derive(Clone, Debug, Args)]
pub struct EngineArgs {
    /// How guest code is executed: bt (binary translation), interp (interpreter), lockstep (both,
    /// compared)
    #[arg(long, default_value = "bt", value_name = "E")]
    pub engine: Engine,
    /// The processor: 486, pentium, pentium3 or pentium4 (default)
    #[arg(long, value_name = "M")]
    pub cpu: Option<CpuModel>,
    /// Size of the translation cache, 1M to 1G
    #[arg(long, default_value = "64M", value_name = "SIZE", value_parser = parse_cache)]
    pub tc_size: u64,
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = parse_optimisation,
        help = disable_help()
    )]
    pub disable: Vec<TranslatorOptions>,
    /// Pass the host code of every block through the verifier before it runs
    #[arg(long)]
    pub verify: bool,
    /// End the run after so many guest instructions, at the same one on every machine (the clock
    /// is virtual then)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_instructions: Option<u64>,
    /// What time is: real (default), or virtual (a function of the instructions executed)
    #[arg(long, value_name = "KIND", value_parser = parse_clock)]
    pub clock: Option<ClockKind>,
    /// End the run after so many seconds, with status 124
    #[arg(long, value_name = "S", value_parser = parse_timeout, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
}

/// Which guest and which machine.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Boot this Linux kernel (bzImage)
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Boot this Multiboot 1 kernel (ELF or flat)
    #[arg(long, value_name = "FILE")]
    pub multiboot: Option<PathBuf>,
    /// Boot this raw ROM from the reset vector
    #[arg(long, value_name = "FILE")]
    pub rom: Option<PathBuf>,
    /// Boot this raw boot sector, or disk image, over a minimal built-in BIOS
    #[arg(long, alias = "boot-sector", value_name = "FILE")]
    pub bootsector: Option<PathBuf>,
    /// The initial RAM disk; with --multiboot a module (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub initrd: Vec<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub append: Option<String>,
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
    /// The first serial port: stdio, file:F, null or pty
    #[arg(long, default_value = "stdio", value_name = "WHERE")]
    pub serial: SerialSpec,
    /// Where the text goes that the guest writes to port E9h: stdio, file:F or null
    #[arg(long, default_value = "null", value_name = "WHERE")]
    pub debugcon: SerialSpec,
    /// End the run when the guest resets, instead of booting it again
    #[arg(long)]
    pub no_reboot: bool,
    /// A write to port F4h ends the run with status (value << 1) | 1
    #[arg(long)]
    pub debug_exit: bool,
    /// Write how the run ended to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write a jitdump file to /tmp, so that Linux perf names translated blocks (see docs/performance.md)
    #[arg(long)]
    pub perf_map: bool,
    /// Guest symbols for --perf-map: a System.map or an ELF file (may be repeated)
    #[arg(long, value_name = "FILE", requires = "perf_map")]
    pub symbols: Vec<PathBuf>,
    /// Engine, processor, limits.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// `ringer profile`.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// The run to profile.
    #[command(flatten)]
    pub run: RunArgs,
    /// Write the profile to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `ringer verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Guests: kernels (bzImage or Multiboot), boot sectors or disk images, ROMs; recognised by their
    /// contents. --initrd and --append go to each of them that takes one
    #[arg(value_name = "GUEST")]
    pub guests: Vec<PathBuf>,
    /// The machine, and one more guest if an option names it.
    #[command(flatten)]
    pub run: RunArgs,
    /// Begin to compare when the guest has sent this text on its first serial port; until then run
    /// by binary translation (verified all the same)
    #[arg(long, value_name = "TEXT")]
    pub from: Option<String>,
    /// Write the reports to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `ringer demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Engine, processor, limits.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// `ringer nano`.
#[derive(Debug, Args)]
pub struct NanoArgs {
    /// Least time of a measurement, in milliseconds (1 to 1000)
    #[arg(long, default_value = "20", value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub time: u32,
    /// Measure Ringer alone
    #[arg(long)]
    pub alone: bool,
    /// Write the table to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `ringer test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Test ROMs: assembler sources with a head, images with a TOML next to them, Multiboot images
    /// that end through debug-exit, or directories of these
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write the results to this file as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print the results in the Test Anything Protocol
    #[arg(long)]
    pub tap: bool,
    /// Tests at a time (default: the processors there are)
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Run part K of N of the tests
    #[arg(long, value_name = "K/N", value_parser = parse_shard)]
    pub shard: Option<(usize, usize)>,
    /// Run only with this engine (may be repeated)
    #[arg(long, value_name = "E")]
    pub engine: Vec<Engine>,
}

fn parse_clock(text: &str) -> Result<ClockKind, String> {
    match text {
        "real" => Ok(ClockKind::Real),
        "virtual" => Ok(ClockKind::Virtual),
        _ => Err("use real or virtual".to_owned()),
    }
}

fn parse_cache(text: &str) -> Result<u64, String> {
    let size = parse_size(text).map_err(|e| e.to_string())?;
    let in_range = CACHE.contains(&size);
    in_range.then_some(size & !4095).ok_or_else(|| "the cache can have 1M to 1G".to_owned())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds > 0.0 && seconds <= LONGEST {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err("must be more than 0 and at most a year".to_owned())
}

/// What `--disable` takes.
const OPTIMISATIONS: TranslatorOptions =
    TranslatorOptions::REWRITES.union(TranslatorOptions::LINK).union(TranslatorOptions::INDIRECT);

fn disable_help() -> String {
    let name = |(name, _): (&str, TranslatorOptions)| name.to_ascii_lowercase().replace('_', "-");
    let names: Vec<String> = OPTIMISATIONS.iter_names().map(name).collect();
    format!(
        "Switch translator optimisations off, to find out which one breaks a guest: a list of {}",
        names.join(", ")
    )
}

fn parse_optimisation(text: &str) -> Result<TranslatorOptions, String> {
    let name = text.to_ascii_uppercase().replace('-', "_");
    let option = TranslatorOptions::from_name(&name).filter(|o| OPTIMISATIONS.contains(*o));
    option.ok_or_else(|| "no such optimisation (see --help)".to_owned())
}

fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if 1 <= k && k <= n => Ok((k, n)),
        _ => Err("use K/N with 1 <= K <= N, such as 2/4".to_owned()),
    }
}

impl RunArgs {
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
            _ => return Err(CliError::BootSource),
        };
        if !linux && !self.initrd.is_empty() {
            return Err(CliError::NoUse { option: "--initrd" });
        }
        if !linux && self.append.is_some() {
            return Err(CliError::NoUse { option: "--append" });
        }
        Ok(source)
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
        Ok(MachineConfig {
            pc: PcConfig {
                debug_exit: self.debug_exit,
                log_post: self.report.is_some(),
                ..machine.pc
            },
            run: RunConfig {
                no_reboot: self.no_reboot,
                clock: self.engine.clock.unwrap_or(self.default_clock()),
                ..machine.run
            },
        })
    }

    fn default_clock(&self) -> ClockKind {
        if self.save_at.is_empty() { ClockKind::Real } else { ClockKind::Virtual }
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
        }
        if self.engine.cpu.is_none() {
            pc.model = saved.model;
        }
        pc.debug_exit |= saved.debug_exit;
        if self.engine.clock.is_none() {
            run.clock = state.clock().map_err(ringer::Error::from)?;
        }
        let named = [&self.kernel, &self.multiboot, &self.rom, &self.bootsector];
        let options = !self.initrd.is_empty() || self.append.is_some();
        let source = match state.source() {
            Some(source) if !options && named.iter().all(|path| path.is_none()) => source,
            _ => self.source()?,
        };
        Ok((MachineConfig { pc, run }, source))
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

impl EngineArgs {
    /// A machine with `ram_size` bytes run so.
    pub fn machine(&self, ram_size: u64, profile: bool) -> MachineConfig {
        let mut options = TranslatorOptions::default();
        for option in &self.disable {
            options.remove(*option);
        }
        options.set(TranslatorOptions::VERIFY, self.verify);
        let model = self.cpu.unwrap_or(PcConfig::default().model);
        MachineConfig {
            pc: PcConfig { ram_size, model, ..PcConfig::default() },
            run: RunConfig {
                engine: self.engine,
                tc_size: self.tc_size,
                options,
                clock: self.clock.unwrap_or(ClockKind::Real),
                max_instructions: self.max_instructions,
                timeout: self.timeout,
                profile,
                no_reboot: false,
                kick_signal: KickSignal::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn run(line: &str) -> Result<RunArgs, clap::Error> {
        let words = ["ringer", "run"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::Run(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
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
        let listed = disable_help();
        for name in ["link", "inline-thunks", "superblock", "fold-esp"] {
            assert!(listed.contains(name) && parse_optimisation(name).is_ok(), "{name}");
        }
        assert_eq!(parse_shard("2/4"), Ok((2, 4)));
        for bad in ["0/4", "5/4", "2", "a/b", "1/0"] {
            assert!(parse_shard(bad).is_err(), "{bad}");
        }
    }
}
