//! `ringer test`.

use crate::args::TestArgs;
use crate::error::CliError;
use crate::signals;
use ringer::status;
use ringer_testkit::{Finish, Level, Options, Reason, Stop, run_suite};

/// Runs the suite; the status says whether all tests passed.
pub fn run(args: &TestArgs) -> Result<u8, CliError> {
    let runner = std::env::current_exe()
        .map_err(|source| CliError::Host { what: "the test runner", source })?;
    let mut options = Options::new(runner, args.paths.clone());
    options.formats = args.report.formats();
    options.budget = args.report.budget;
    options.slow = args.report.slow.unwrap_or(options.slow);
    options.jobs = args.jobs;
    options.selection.shard = args.shard;
    options.selection.engines = args.engine.clone();
    let stop = signals()?;
    Ok(status_of(&run_suite(&options, &stop)?))
}

/// What ends suites from now on when a signal comes.
fn signals() -> Result<Stop, CliError> {
    let stop = Stop::default();
    let told = stop.clone();
    let host = |source| CliError::Host { what: "signals", source };
    signals::block().map_err(host)?;
    signals::hand_on(move |signal| told.request(Reason::Signal(signal)) == Level::Kill)
        .map_err(host)?;
    Ok(stop)
}

/// The exit status: why it ended early comes before what failed until then.
fn status_of(finish: &Finish) -> u8 {
    match finish.stopped {
        Some(Reason::Signal(_)) => status::ENDED_BY_USER,
        Some(Reason::Budget) => status::TIMEOUT,
        _ if finish.summary.failed > 0 => status::TESTS_FAILED,
        _ => 0,
    }
}
