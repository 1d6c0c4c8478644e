//! `ringer test`.

use super::SuiteReportArgs;
use super::engine::{Ways, parse_limit, ways};
use super::values::whole;
use clap::{Args, ValueEnum};
use ringer::Engine;
use std::path::PathBuf;

/// `ringer test`.
#[derive(Debug, Args)]
#[command(after_help = "\
What a head may say, what ringer.toml may, and how a suite is made: docs/test-suites.md.
Exit status: 0 all tests passed, 4 one failed, 2 a wrong option or nothing to run, 70, 74, 124 (--budget) and 130 as with
ringer run.")]
pub struct TestArgs {
    /// Test ROMs: sources with a head, images with a TOML next to them, Multiboot images that end through
    /// debug-exit, a unittests.cfg, or directories of these (default: what ringer.toml names)
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub report: SuiteReportArgs,
    /// Run only tests that have this in their name (may be repeated; also behind --)
    #[arg(short = 'E', long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// Leave out tests that have this in their name (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub skip: Vec<String>,
    /// Run only tests with this tag (may be repeated: any of them)
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Run only with this engine (may be repeated)
    #[arg(long, value_name = "E")]
    pub engine: Vec<Engine>,
    /// Run also tests that are marked to be run only when asked for
    #[arg(long)]
    pub include_ignored: bool,
    /// Run part K of N of the tests
    #[arg(long, value_name = "K/N", value_parser = parse_shard)]
    pub shard: Option<(usize, usize)>,
    /// List the tests instead of running them, as text or json
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub list: Option<ListFormat>,
    /// Tests at a time (default: the processors there are)
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Seconds that a test may take, whatever its description says
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub timeout: Option<f64>,
    /// What each test's process may hold beside its guest's memory, as ringer run has it
    #[arg(long, value_name = "SIZE", value_parser = parse_limit)]
    pub mem_limit: Option<u64>,
    /// How translated code reaches memory, as `ringer run --access` has it: auto, window or inline
    #[arg(long, value_name = "WAY", value_parser = ways())]
    #[arg(hide_possible_values = true)]
    pub access: Option<Ways>,
    /// Run a test that failed up to N times more; one that passes then is told as flaky
    #[arg(long, value_name = "N", value_parser = whole(0..=1000u32))]
    pub retries: Option<u32>,
    /// Begin no test after one has failed
    #[arg(long, overrides_with = "no_fail_fast")]
    pub fail_fast: bool,
    /// Run all tests, even if ringer.toml says fail-fast
    #[arg(long)]
    pub no_fail_fast: bool,
    /// Show what the guests send while they run, one test at a time
    #[arg(long)]
    pub no_capture: bool,
    /// Run again whenever a file changes, until Ctrl-C
    #[arg(long, conflicts_with_all = ["list", "shard"])]
    pub watch: bool,
    /// The suite's configuration (default: ringer.toml in the folder of the first PATH, or above it)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write a suite to begin with into this folder: a ROM of each kind, a README, files for CI
    #[arg(long, value_name = "DIR", exclusive = true)]
    pub init: Option<PathBuf>,
    /// The same as --filter
    #[arg(last = true, value_name = "TEXT")]
    pub names: Vec<String>,
}

/// How tests are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A line for each.
    Text,
    /// JSON.
    Json,
}

fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if 1 <= k && k <= n => Ok((k, n)),
        _ => Err("use K/N with 1 <= K <= N, such as 2/4".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "use seconds, at most a day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!(parse_shard("2/4"), Ok((2, 4)));
        for bad in ["0/4", "5/4", "2", "a/b", "1/0"] {
            assert!(parse_shard(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_timeout_is_some_seconds() {
        assert_eq!(parse_seconds("0.5"), Ok(0.5));
        for bad in ["0", "-1", "inf", "NaN", "1h", "100000"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
