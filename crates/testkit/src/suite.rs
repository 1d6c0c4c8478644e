//! A suite from its paths to its summary.

use crate::TestkitError;
use crate::attempt::Place;
use crate::case::{Case, Program};
use crate::discover;
use crate::events::{Finish, Suite};
use crate::format::{self, Format};
use crate::history::History;
use crate::options::Options;
use crate::recipe::Workshop;
use crate::reporters::Reporters;
use crate::runner::Runner;
use crate::stop::Stop;
use crate::workdir::WorkDir;
use ringer_input::shown;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The tests that `options` asks for, in the order in which they begin. Their files lie in `work`.
///
/// # Errors
/// When a path is no test, or there are no tests that were asked for.
pub fn plan(options: &Options, work: &Path) -> Result<Vec<Case>, TestkitError> {
    let mut workshop = Workshop::open(work, &options.runner).map_err(TestkitError::WorkDir)?;
    let cases = discover::cases(&options.paths, &mut workshop, &options.defaults)?;
    if cases.is_empty() {
        let paths: Vec<String> = options.paths.iter().map(|p| shown(p).to_string()).collect();
        return Err(TestkitError::NoTests(paths.join(", ")));
    }
    let found = cases.len();
    let mut cases = options.selection.of(cases)?;
    if let (true, Some((k, n))) = (cases.is_empty(), options.selection.shard) {
        // Where standard error is gone nobody can be told.
        let _ = writeln!(
            io::stderr(),
            "ringer: part {k} of {n} of {found} tests is empty, which is no failure"
        );
    }
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

/// Where pictures of screens go that were not as expected: beside the first report that is a file, or else in a folder of
/// the present one.
fn pictures_folder(formats: &[Format]) -> PathBuf {
    let file = formats.iter().find_map(|format| format.file.as_deref());
    let beside = file.and_then(Path::parent);
    beside.map_or_else(|| PathBuf::from("ringer-pictures"), Path::to_owned)
}

/// The tests that would be run, in the order of their files.
///
/// # Errors
/// As [`run_suite`].
pub fn list_suite(options: &Options) -> Result<Vec<Case>, TestkitError> {
    let work = WorkDir::create()?;
    plan(&Options { durations: None, ..options.clone() }, work.path())
}

/// Runs the suite and tells about it; `stop` ends it early.
///
/// # Errors
/// When a path is no test, there are no tests, or a report cannot be written. A failing test is no
/// error.
pub fn run_suite(options: &Options, stop: &Stop) -> Result<Finish, TestkitError> {
    let deadline = options.budget.and_then(|budget| Instant::now().checked_add(budget));
    let formats = format::complete(options.formats.clone()).map_err(TestkitError::Format)?;
    let work = WorkDir::create()?;
    let cases = plan(options, work.path())?;
    let jobs = options.jobs.or_else(|| std::thread::available_parallelism().ok());
    let suite = Suite {
        cases,
        started: SystemTime::now(),
        // What several guests send at once nobody can read.
        jobs: if options.no_capture { 1 } else { jobs.map_or(1, NonZeroUsize::get) },
        shard: options.selection.shard,
        retries: options.retries,
        slow: options.slow,
    };
    let pictures = pictures_folder(&formats);
    let place = Place {
        program: &options.runner,
        work: work.path(),
        pictures: &pictures,
        show: options.no_capture,
        mem_limit: options.mem_limit,
        access: options.access,
    };
    let runner = Runner { place, fail_fast: options.fail_fast, deadline, stop };
    let mut reporters = Reporters::open(&formats)?;
    let (finish, outcomes) = runner.run(&suite, &mut reporters);
    if let Some(file) = &options.durations {
        History::note(file, &outcomes);
    }
    reporters.finish()?;
    Ok(finish)
}
