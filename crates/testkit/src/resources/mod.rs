//! Looks for guests that make Ringer hold more of its host than it says: random ones ([`guest`]), each in a process of its
//! own, scored by what that holds against the stated bound ([`crate::held`]).

pub mod guest;

use crate::held::{Watched, watch};
use guest::Random;
use ringer_monitor::MemoryBudget;
use ringer_test_roms::{AssembleError, Load, assemble_as, roms_dir};
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use thiserror::Error;

/// The guests' memory.
/// The status of a run that a triple fault ended (docs/exit-statuses.md).
const TRIPLE_FAULT: i32 = 66;
const RAM: u64 = 32 << 20;

/// A trial that could not be made.
#[derive(Debug, Error)]
pub enum TrialError {
    /// The guest could not be assembled.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// Ringer could not be run.
    #[error("cannot run {program}: {source}")]
    Run {
        /// What was to be run.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

/// How a trial went.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The guest's seed.
    pub seed: u64,
    /// The options that it ran with.
    pub options: Vec<String>,
    /// Bytes that the process may hold.
    pub bound: u64,
    /// What it held.
    pub watched: Watched,
}

impl Trial {
    /// What it held at two looks in a row, of what it may.
    #[must_use]
    pub fn score(&self) -> f64 {
        self.watched.lasting as f64 / self.bound as f64
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        if self.watched.lasting > self.bound {
            return Some("it held more than it may".to_owned());
        }
        // A guest at random may come to its own triple fault.
        let ended = self.watched.ended.filter(|status| status.code() != Some(TRIPLE_FAULT));
        ended.map(|status| format!("it ended by itself: {}", how(status)))
    }
}

fn how(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("status {code}"))
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (w, mib) = (&self.watched, |bytes: u64| bytes >> 20);
        let percent = 100.0 * self.score();
        write!(f, "seed {} {percent:5.1} % of {} MiB", self.seed, mib(self.bound))?;
        let (most, tables) = (&w.most, w.most.page_tables);
        write!(
            f,
            ": RSS {} (private {}, peak {})",
            mib(most.resident),
            mib(most.private),
            mib(most.peak)
        )?;
        write!(
            f,
            ", page tables {}, {} mappings; {}",
            mib(tables),
            most.mappings,
            self.options.join(" ")
        )
    }
}

/// Runs the guest of `seed` by `program`, a `ringer`, for `time`; its files go into the folder `dir`.
///
/// # Errors
/// When it cannot be assembled or run.
pub fn trial(program: &Path, seed: u64, time: Duration, dir: &Path) -> Result<Trial, TrialError> {
    let source = dir.join(format!("guest-{seed}.s"));
    let run = |source| TrialError::Run { program: program.display().to_string(), source };
    std::fs::write(&source, guest::source(seed)).map_err(run)?;
    let image = assemble_as(&source, Load::Multiboot, dir, &[roms_dir().join("include")])?;
    let (options, limit) = options(seed);
    let mut command = Command::new(program);
    command.arg("run").arg("--multiboot").arg(&image).args(["-m", "32M", "--serial", "null"]);
    command.args(["--no-reboot"]).args(&options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let watched = watch(&mut command, time).map_err(run)?;
    Ok(Trial { seed, options, bound: RAM + limit, watched })
}

/// What the guest of `seed` is run with, and --mem-limit among it.
fn options(seed: u64) -> (Vec<String>, u64) {
    let mut random = Random::new(!seed);
    let cache = random.of(&[1u64 << 20, 8 << 20, 64 << 20, 64 << 20]);
    let (least, usual) = (MemoryBudget::least(RAM, cache), MemoryBudget::usual(RAM, cache));
    let limit = random.of(&[least, least, usual, (least + usual) / 2]).next_multiple_of(1 << 20);
    let engine: &[&str] = random.of(&[
        &["--engine", "bt"],
        &["--engine", "bt"],
        &["--engine", "bt"],
        &["--engine", "bt", "--verify"],
        &["--engine", "bt", "--clock", "virtual"],
        &["--engine", "lockstep"],
    ]);
    let sizes = ["--tc-size".to_owned(), mib(cache), "--mem-limit".to_owned(), mib(limit)];
    (engine.iter().map(|word| (*word).to_owned()).chain(sizes).collect(), limit)
}

fn mib(bytes: u64) -> String {
    format!("{}M", bytes >> 20)
}
