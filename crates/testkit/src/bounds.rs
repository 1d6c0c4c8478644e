//! How much of each kind of file is read. What is read of a text may take many times its length.

use ringer_input::Limit;

/// A description of tests: a head or file in TOML, a `unittests.cfg`, the configuration of a suite.
pub const DESCRIPTION: Limit = Limit::new(256 << 10, "what a description of tests can have");
/// What is looked at of a source for a head, which is at its beginning, in bytes.
pub const HEAD: u64 = 256 << 10;
/// A file that a tree of tests was configured by, or that has variables for tests.
pub const SETTINGS: Limit = Limit::new(1 << 20, "what a file of settings can have");
/// A file of the kernel's that says one word.
pub const WORD: Limit = Limit::new(4 << 10, "what a file with one value can have");
/// What a process says of its run.
pub const REPORT: Limit = Limit::new(16 << 20, "what a report of a run can have");
/// How long tests took.
pub const DURATIONS: Limit = Limit::new(16 << 20, "what a file of durations can have");
/// A file of captured tests, as it is or in gzip.
pub const CAPTURES: Limit = Limit::new(64 << 20, "what a file of captured tests can have");
/// What is said of all captured tests in a folder.
pub const CAPTURES_ABOUT: Limit =
    Limit::new(4 << 20, "what a description of captured tests can have");
