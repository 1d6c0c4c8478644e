//! How guest code is executed, on which processor, and for how long.

use super::values::{CLOCKS, ENGINES, Processor, one_of, positive};
use crate::error::CliError;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ringer::{
    ClockKind, CpuModel, Engine, KickSignal, MachineConfig, MemoryBudget, PcConfig, RunConfig,
    TranslatorOptions, parse_size,
};
use std::sync::LazyLock;
use std::time::Duration;

/// Least and most translation cache.
const CACHE: std::ops::RangeInclusive<u64> = (1 << 20)..=(1 << 30);
/// The longest --timeout, in seconds: a year.
const LONGEST: f64 = 31_536_000.0;

/// How guest code is executed.
#[derive(Clone, Debug, Args)]
pub struct EngineArgs {
    /// How guest code is executed: bt (binary translation), interp (interpreter), lockstep (both,
    /// compared)
    #[arg(long, default_value = "bt", value_name = "E", value_parser = one_of::<Engine>(ENGINES))]
    #[arg(hide_possible_values = true)]
    pub engine: Engine,
    /// The processor: 486, pentium, pentium3, pentium4 (default), max, which has all that Ringer does, or host, without the
    /// instructions that the host itself lacks; and features to add and take away behind it (max,-avx)
    #[arg(long, value_name = "M", value_parser = Processor)]
    #[arg(hide_possible_values = true)]
    pub cpu: Option<CpuModel>,
    /// Add the device that kvm-unit-tests expect: memory at FF000000h, ports E0h, E8h and 2000h to 2017h
    #[arg(long)]
    pub testdev: bool,
    /// Size of the translation cache, 1M to 1G
    #[arg(long, default_value = "64M", value_name = "SIZE", value_parser = parse_cache)]
    pub tc_size: u64,
    /// What the process may hold beside the guest's memory, page tables and mappings included: translated code and
    /// the like are given up to stay under it (default: the cache, 160M, and a sixteenth of the memory)
    #[arg(long, value_name = "SIZE", value_parser = parse_limit)]
    pub mem_limit: Option<u64>,
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = optimisations(),
        hide_possible_values = true,
        help = disable_help()
    )]
    pub disable: Vec<TranslatorOptions>,
    /// How translated code reaches memory: auto (default; by the window, and where that does not pay by the inline TLB), window,
    /// or inline, wherever that can be
    #[arg(long, value_name = "WAY", default_value = "auto", value_parser = ways())]
    #[arg(hide_possible_values = true)]
    pub access: Ways,
    /// Pass the host code of every block through the verifier before it runs
    #[arg(long)]
    pub verify: bool,
    /// What the process may ask of the kernel while the guest runs: on (default; what the host does not permit is said
    /// and left out), require (or else the guest does not run) or off (docs/security.md)
    #[arg(long, default_value = "on", value_name = "S", value_parser = sandboxes())]
    #[arg(hide_possible_values = true)]
    pub sandbox: Sandboxed,
    /// For a guest that may be hostile: the same as --verify --sandbox require. (Its memory is bounded in any case; its
    /// time is by --timeout.)
    #[arg(long, conflicts_with = "sandbox")]
    pub untrusted: bool,
    /// End the run after so many guest instructions, at the same one on every machine (the clock
    /// is virtual then)
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_instructions: Option<u64>,
    /// What time is: real (default), or virtual (a function of the instructions executed)
    #[arg(long, value_name = "KIND", value_parser = clocks())]
    #[arg(hide_possible_values = true)]
    pub clock: Option<ClockKind>,
    /// End the run after so many seconds, with status 124
    #[arg(long, value_name = "S", value_parser = parse_timeout, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
}

/// What `--access` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// Each instruction as it suits it.
    Auto,
    /// The window.
    Window,
    /// The inline TLB, wherever that can be.
    Inline,
}

impl Ways {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Window => "window",
            Self::Inline => "inline",
        }
    }
}

/// What `--sandbox` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandboxed {
    /// Nothing is given up.
    Off,
    /// What the kernel permits.
    On,
    /// All of it, or the guest does not run.
    Require,
}

impl EngineArgs {
    /// A machine with `ram_size` bytes run so.
    pub fn machine(&self, ram_size: u64, profile: bool) -> MachineConfig {
        let mut options = TranslatorOptions::default();
        for option in &self.disable {
            options.remove(*option);
        }
        options.set(TranslatorOptions::ALL_INLINE_TLB, self.access == Ways::Inline);
        if self.access == Ways::Window {
            options.remove(TranslatorOptions::INLINE_TLB);
        }
        options.set(TranslatorOptions::VERIFY, self.verify || self.untrusted);
        let model = self.cpu.unwrap_or(PcConfig::default().model);
        MachineConfig {
            pc: PcConfig { ram_size, model, test_device: self.testdev, ..PcConfig::default() },
            run: RunConfig {
                engine: self.engine,
                tc_size: self.tc_size,
                mem_limit: Some(self.mem_limit.unwrap_or(self.usual_limit(ram_size))),
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

impl EngineArgs {
    /// --mem-limit's default.
    pub fn usual_limit(&self, ram_size: u64) -> u64 {
        MemoryBudget::usual(ram_size, self.tc_size)
    }

    /// Whether --mem-limit is enough for a machine with `ram_size` bytes.
    pub fn check_limit(&self, ram_size: u64) -> Result<(), CliError> {
        let least = MemoryBudget::least(ram_size, self.tc_size);
        match self.mem_limit {
            Some(limit) if limit < least => Err(CliError::MemLimit { limit, least }),
            _ => Ok(()),
        }
    }

    /// What the process gives up before the guest runs.
    pub fn sandboxed(&self) -> Sandboxed {
        if self.untrusted { Sandboxed::Require } else { self.sandbox }
    }

    /// The optimisations that are switched off, by name.
    pub fn disabled(&self) -> Vec<String> {
        let all: TranslatorOptions = self.disable.iter().copied().collect();
        all.iter_names().map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")).collect()
    }
}

fn clocks() -> impl TypedValueParser<Value = ClockKind> {
    let kind = |name: String| if name == "virtual" { ClockKind::Virtual } else { ClockKind::Real };
    PossibleValuesParser::new(CLOCKS).map(kind)
}

fn sandboxes() -> impl TypedValueParser<Value = Sandboxed> {
    PossibleValuesParser::new(["on", "require", "off"]).map(|name| match name.as_str() {
        "require" => Sandboxed::Require,
        "off" => Sandboxed::Off,
        _ => Sandboxed::On,
    })
}

pub(super) fn ways() -> impl TypedValueParser<Value = Ways> {
    let all = [Ways::Auto, Ways::Window, Ways::Inline];
    let named = move |name: String| all.into_iter().find(|way| way.name() == name);
    PossibleValuesParser::new(all.map(Ways::name))
        .map(move |name| named(name).unwrap_or(Ways::Auto))
}

fn parse_cache(text: &str) -> Result<u64, String> {
    let size = parse_size(text).map_err(|e| e.to_string())?;
    let in_range = CACHE.contains(&size);
    in_range.then_some(size & !4095).ok_or_else(|| "the cache can have 1M to 1G".to_owned())
}

pub(super) fn parse_limit(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|e| e.to_string())
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

/// The optimisations by the names that `--disable` has for them.
static NAMED: LazyLock<Vec<(String, TranslatorOptions)>> = LazyLock::new(|| {
    let name = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    OPTIMISATIONS.iter_names().map(|(flag, option)| (name(flag), option)).collect()
});

fn disable_help() -> String {
    let names: Vec<&str> = NAMED.iter().map(|(name, _)| name.as_str()).collect();
    format!(
        "Switch translator optimisations off, to find out which one breaks a guest: a list of {}",
        names.join(", ")
    )
}

fn optimisations() -> impl TypedValueParser<Value = TranslatorOptions> {
    PossibleValuesParser::new(NAMED.iter().map(|(name, _)| name.as_str())).map(|name| {
        // Only these come here.
        let named = NAMED.iter().find(|(known, _)| *known == name);
        named.map(|(_, option)| *option).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optimisation_is_listed_and_can_be_named() {
        let listed = disable_help();
        for name in ["link", "inline-thunks", "superblock", "fold-esp"] {
            let known = NAMED.iter().any(|(known, _)| known == name);
            assert!(listed.contains(name) && known, "{name}");
        }
    }
}
