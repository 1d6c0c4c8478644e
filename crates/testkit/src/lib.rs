//! Runs guest programs that check the machine, and reports on them.
//!
//! A test is a program, a description of what it must do ([`spec`]) and an engine. Each test is a
//! process of its own (`ringer run …`), so that one that dies takes nothing else with it. The life
//! of a suite: [`discover`] finds programs and descriptions, [`runner`] runs them in parallel,
//! [`judge`] compares, [`progress`] and [`junit`] tell.

mod case;
mod discover;
mod error;
pub mod hw;
mod judge;
mod junit;
mod progress;
mod report;
mod runner;
pub mod spec;

pub use case::{Case, Outcome, Summary};
pub use error::TestkitError;
pub use report::RunReport;

use progress::Progress;
use ringer_machine::Engine;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

/// What to run and how to tell.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `ringer` program.
    pub runner: PathBuf,
    /// Programs, or directories of them.
    pub paths: Vec<PathBuf>,
    /// Where to write JUnit XML.
    pub junit: Option<PathBuf>,
    /// Print TAP.
    pub tap: bool,
    /// Tests at a time; `None`: as many as there are processors.
    pub jobs: Option<NonZeroUsize>,
    /// Part k of n (1-based).
    pub shard: Option<(usize, usize)>,
    /// Only these engines; empty: all.
    pub engines: Vec<Engine>,
}

/// Runs the suite and tells about it on standard output.
///
/// # Errors
/// When a path is no test, there are no tests, or a report cannot be written. A failing test is no
/// error.
pub fn run_suite(options: &Options) -> Result<Summary, TestkitError> {
    let started = Instant::now();
    let work =
        tempfile::Builder::new().prefix("ringer-test-").tempdir().map_err(TestkitError::WorkDir)?;
    let cases = select(discover::cases(&options.paths, work.path())?, options);
    if cases.is_empty() {
        return Err(TestkitError::NoTests);
    }
    let jobs = options.jobs.or_else(|| std::thread::available_parallelism().ok());
    let progress = Progress::new(options.tap, &cases);
    let runner = runner::Runner { program: &options.runner, work: work.path() };
    let outcomes = runner.run(&cases, jobs.map_or(1, NonZeroUsize::get), &progress);
    let failed = outcomes.iter().filter(|o| o.failure.is_some()).count();
    let summary = Summary { passed: outcomes.len() - failed, failed };
    progress.finish(summary, started.elapsed())?;
    if let Some(path) = &options.junit {
        junit::write(path, &outcomes, started.elapsed())?;
    }
    Ok(summary)
}

/// The tests of the chosen engines and shard. The shards of a suite differ by at most one test.
fn select(cases: Vec<Case>, options: &Options) -> Vec<Case> {
    let wanted = |c: &Case| options.engines.is_empty() || options.engines.contains(&c.engine);
    let (k, n) = options.shard.unwrap_or((1, 1));
    let chosen = cases.into_iter().filter(wanted).enumerate();
    chosen.filter(|(i, _)| i % n.max(1) == k - 1).map(|(_, c)| c).collect()
}
