//! What to run of a suite, and how.

use crate::discover::Defaults;
use crate::format::Format;
use crate::select::Selection;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// What to run and how to tell.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `ringer` program.
    pub runner: PathBuf,
    /// Programs, or directories of them.
    pub paths: Vec<PathBuf>,
    /// What the suite says for all of its tests.
    pub defaults: Defaults,
    /// Which tests.
    pub selection: Selection,
    /// Seconds for each test, whatever its description says.
    pub timeout: Option<f64>,
    /// What each `ringer run` may hold beside its guest's memory, in bytes.
    pub mem_limit: Option<u64>,
    /// How each reaches memory, as `ringer run --access` has it.
    pub access: Option<&'static str>,
    /// How often a test that failed is run again, unless it says so itself.
    pub retries: u32,
    /// No test is begun after one that failed.
    pub fail_fast: bool,
    /// Show what the guests send while they run.
    pub no_capture: bool,
    /// A test that takes longer is named.
    pub slow: Duration,
    /// Where the durations of earlier runs are kept, if anywhere.
    pub durations: Option<PathBuf>,
    /// How to report; people's lines go to standard output if nothing else does.
    pub formats: Vec<Format>,
    /// The time for the whole suite.
    pub budget: Option<Duration>,
    /// Tests at a time; `None`: as many as there are processors.
    pub jobs: Option<NonZeroUsize>,
}

impl Options {
    /// How tests are run unless somebody says otherwise.
    #[must_use]
    pub fn new(runner: PathBuf, paths: Vec<PathBuf>) -> Self {
        Self {
            runner,
            paths,
            defaults: Defaults::default(),
            selection: Selection::default(),
            timeout: None,
            mem_limit: None,
            access: None,
            retries: 0,
            fail_fast: false,
            no_capture: false,
            slow: Duration::from_secs(5),
            durations: None,
            formats: Vec::new(),
            budget: None,
            jobs: None,
        }
    }
}
