//! What a run is asked to be, and how it ended.

use crate::signals::KickSignal;
use ringer_cpu::{CpuModel, Refusal};
use ringer_translator::TranslatorOptions;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// How guest code is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Binary translation; the interpreter runs cold code and callouts.
    Bt,
    /// The reference interpreter alone.
    Interp,
    /// Both, compared after every block.
    Lockstep,
}

/// An engine name that is none.
#[derive(Debug, Error)]
#[error("unknown engine '{0}': use bt, interp or lockstep")]
pub struct UnknownEngine(String);

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "bt" => Ok(Self::Bt),
            "interp" => Ok(Self::Interp),
            "lockstep" => Ok(Self::Lockstep),
            other => Err(UnknownEngine(other.to_owned())),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bt => "bt",
            Self::Interp => "interp",
            Self::Lockstep => "lockstep",
        })
    }
}

/// What the one machine clock follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockKind {
    /// The host's monotonic clock.
    Real,
    /// Retired guest instructions, one nanosecond each, and a microsecond for each device access;
    /// idle time is skipped. Deterministic.
    Virtual,
}

/// A run's settings.
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    /// The processor that the guest sees.
    pub model: CpuModel,
    /// How to run it.
    pub engine: Engine,
    /// Translation-cache budget in bytes.
    pub tc_size: u64,
    /// What time is.
    pub clock: ClockKind,
    /// Stop after so many guest instructions (makes the clock virtual).
    pub max_instructions: Option<u64>,
    /// Stop after so much host time.
    pub timeout: Option<Duration>,
    /// Keep the counters and the time ledger.
    pub profile: bool,
    /// The signal that interrupts the thread that runs the machine.
    pub kick_signal: KickSignal,
    /// The translator's optimisations.
    pub options: TranslatorOptions,
}

impl MonitorConfig {
    /// The translator's options, with what the rest asks of it.
    pub(crate) fn translator_options(&self) -> TranslatorOptions {
        let mut options = self.options;
        if self.profile {
            options |= TranslatorOptions::COUNT | TranslatorOptions::PROFILE;
        }
        let lockstep = self.engine == Engine::Lockstep;
        if self.clock == ClockKind::Virtual {
            options |= TranslatorOptions::COUNT;
            if !lockstep {
                options |= TranslatorOptions::BUDGET;
            }
        }
        if lockstep {
            // Every block must come back, to be compared.
            options -= TranslatorOptions::LINK | TranslatorOptions::INDIRECT;
            options |= TranslatorOptions::LONE_STRINGS;
        }
        options
    }
}

/// The monitor could not start or go on; never the guest's fault.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// No translation cache.
    #[error(transparent)]
    Cache(#[from] ringer_translator::runtime::memory::CacheMemoryError),
    /// No shadow windows.
    #[error(transparent)]
    Windows(#[from] ringer_mmu::WindowError),
    /// No target table.
    #[error("cannot reserve 16 GiB of address space for a target table: {0}")]
    Targets(#[source] Refusal),
    /// Signals or timers could not be set up.
    #[error("cannot set up {what}: {source}")]
    Host {
        /// Which facility.
        what: &'static str,
        /// What the host said.
        source: Refusal,
    },
    /// The process is over its bound, and nothing is left to give up.
    #[error(
        "Ringer holds {} MiB beside the guest's memory, and --mem-limit is {} MiB; give it more, or a smaller --tc-size",
        .held >> 20, .limit >> 20
    )]
    MemoryLimit {
        /// Bytes that it holds.
        held: u64,
        /// Bytes that it may hold.
        limit: u64,
    },
    /// A run until so many instructions, under a clock that does not count them.
    #[error("only a machine with the virtual clock counts its instructions and can stop at one")]
    NotCounted,
    /// A saved state of another version.
    #[error("the state is of version {found}; this Ringer reads version {known}")]
    StateVersion {
        /// The state's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A saved state of a machine with another kind of clock.
    #[error("the state is of a machine with another clock; use the same --clock")]
    StateClock,
    /// A saved processor is none.
    #[error(transparent)]
    StateCpu(#[from] ringer_cpu::SavedCpuError),
    /// A saved state of a time that no machine has reached.
    #[error("the state is of {0} ns after power-on, which no machine has reached: it is damaged")]
    StateTime(u64),
    /// The verifier refused host code of a single block, or it reached outside its window; the report.
    #[error("{0}")]
    Refused(String),
    /// A device cannot be put on the board.
    #[error(transparent)]
    Attach(#[from] ringer_devices::AttachError),
    /// The serial back end failed.
    #[error("serial output failed: {0}")]
    Serial(#[source] std::io::Error),
}
