//! A suite from its paths to its summary.

use crate::TestkitError;
use crate::case::{Case, Program, Summary};
use crate::discover;
use crate::history::History;
use crate::junit;
use crate::options::Options;
use crate::progress::Progress;
use crate::recipe::Workshop;
use crate::runner::Runner;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

/// The tests that `options` asks for, in the order in which they begin. Their files lie in `work`.
///
/// # Errors
/// When a path is no test, or there are no tests that were asked for.
pub fn plan(options: &Options, work: &Path) -> Result<Vec<Case>, TestkitError> {
    let mut workshop = Workshop::open(work, &options.runner).map_err(TestkitError::WorkDir)?;
    let cases = discover::cases(&options.paths, &mut workshop, &options.defaults)?;
    if cases.is_empty() {
        let paths: Vec<String> = options.paths.iter().map(|p| p.display().to_string()).collect();
        return Err(TestkitError::NoTests(paths.join(", ")));
    }
    let mut cases = options.selection.of(cases)?;
    for case in &mut cases {
        if let (Some(seconds), Program::Image(_) | Program::Made(_)) =
            (options.timeout, &case.program)
        {
            case.spec.timeout = seconds;
        }
    }
    if let Some(file) = &options.durations {
        History::read(file).sort(&mut cases);
    }
    Ok(cases)
}

/// The tests that would be run, in the order of their files.
///
/// # Errors
/// As [`run_suite`].
pub fn list_suite(options: &Options) -> Result<Vec<Case>, TestkitError> {
    let work = work_dir()?;
    plan(&Options { durations: None, ..options.clone() }, work.path())
}

/// Runs the suite and tells about it on standard output.
///
/// # Errors
/// When a path is no test, there are no tests, or a report cannot be written. A failing test is no
/// error.
pub fn run_suite(options: &Options) -> Result<Summary, TestkitError> {
    let started = Instant::now();
    let work = work_dir()?;
    let cases = plan(options, work.path())?;
    let jobs = options.jobs.or_else(|| std::thread::available_parallelism().ok());
    let progress = Progress::new(options.tap, &cases);
    let runner = Runner {
        program: &options.runner,
        work: work.path(),
        retries: options.retries,
        fail_fast: options.fail_fast,
    };
    let outcomes = runner.run(&cases, jobs.map_or(1, NonZeroUsize::get), &progress);
    let summary = Summary::of(&outcomes, cases.len());
    progress.finish(summary, started.elapsed())?;
    if let Some(path) = &options.junit {
        junit::write(path, &outcomes, started.elapsed())?;
    }
    if let Some(file) = &options.durations {
        History::note(file, &outcomes);
    }
    Ok(summary)
}

fn work_dir() -> Result<tempfile::TempDir, TestkitError> {
    tempfile::Builder::new().prefix("ringer-test-").tempdir().map_err(TestkitError::WorkDir)
}
