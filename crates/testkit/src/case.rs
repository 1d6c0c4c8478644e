//! A test, what became of it, and the count of them.

use crate::spec::Spec;
use ringer_machine::Engine;
use std::path::PathBuf;
use std::time::Duration;

/// One test: a program on an engine.
#[derive(Clone, Debug)]
pub struct Case {
    /// The program's name, with the engine in brackets.
    pub name: String,
    /// The program's file as found.
    pub origin: PathBuf,
    /// The image to load, or why there is none.
    pub image: Result<PathBuf, String>,
    /// How to load it and what to expect.
    pub spec: Spec,
    /// The engine.
    pub engine: Engine,
}

/// A test that ran.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The test.
    pub case: Case,
    /// `None`: passed; else what was wrong.
    pub failure: Option<String>,
    /// How long it took.
    pub time: Duration,
}

/// The count at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that did not.
    pub failed: usize,
}
