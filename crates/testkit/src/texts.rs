//! What reads texts of others, for those who feed it with anything (`crates/fuzzing`): nothing is built, run or written.

use crate::config::Config;
use crate::mistake::Mistake;
use crate::spec::Spec;
use crate::unittests;
use ringer_test_roms::head_of;

/// The head of a source.
///
/// # Errors
/// What is wrong with it.
pub fn head(source: &str) -> Result<(), Mistake> {
    description(&head_of(source).text)
}

/// A description of a test.
///
/// # Errors
/// What is wrong with it.
pub fn description(text: &str) -> Result<(), Mistake> {
    Spec::parse(text, &toml::Table::new()).map(drop)
}

/// The configuration of a suite.
///
/// # Errors
/// What is wrong with it.
pub fn configuration(text: &str) -> Result<(), Mistake> {
    Config::parse(text).map(drop)
}

/// A `unittests.cfg`; how many tests are in it.
#[must_use]
pub fn unittests(text: &str) -> usize {
    unittests::examine(text)
}
