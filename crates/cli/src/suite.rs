//! `ringer test`.

use crate::args::TestArgs;
use crate::error::CliError;
use ringer::status;
use ringer_testkit::{Options, run_suite};

/// Runs the suite; the status says whether all tests passed.
pub fn run(args: &TestArgs) -> Result<u8, CliError> {
    let runner = std::env::current_exe()
        .map_err(|source| CliError::Host { what: "the test runner", source })?;
    let mut options = Options::new(runner, args.paths.clone());
    options.junit = args.junit.clone();
    options.tap = args.tap;
    options.jobs = args.jobs;
    options.selection.shard = args.shard;
    options.selection.engines = args.engine.clone();
    let summary = run_suite(&options)?;
    Ok(if summary.failed == 0 { 0 } else { status::TESTS_FAILED })
}
