//! The tests of a suite, told without running them.

use crate::case::{Case, Program};
use ringer_input::OneLine;
use serde::Serialize;
use std::path::Path;

/// A test in JSON.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    title: Option<&'a str>,
    file: &'a Path,
    engine: String,
    tags: &'a [String],
    timeout: f64,
    /// Why it will be skipped, if it will.
    skip: Option<&'a str>,
    /// What is wrong with its description, if something is.
    error: Option<&'a str>,
}

/// All of them in JSON.
#[derive(Debug, Serialize)]
struct List<'a> {
    tests: Vec<Listed<'a>>,
    count: usize,
}

/// A line for each test: its name, its title, its tags, and whether it will be skipped.
#[must_use]
pub fn text(cases: &[Case]) -> String {
    let line = |case: &Case| {
        let mut line = case.name.clone();
        if let Some(title) = &case.spec.title {
            line += &format!("  {title}");
        }
        for tag in &case.spec.tags {
            line += &format!("  #{tag}");
        }
        if let Some(reason) = &case.spec.skip {
            line += &format!("  (skipped: {reason})");
        }
        if let Program::Broken(failure) = &case.program {
            line += &format!("  (cannot be run: {})", failure.message);
        }
        format!("{}\n", OneLine(line))
    };
    cases.iter().map(line).collect()
}

/// The same as JSON.
#[must_use]
pub fn json(cases: &[Case]) -> String {
    let list = List { tests: cases.iter().map(listed).collect(), count: cases.len() };
    // Nothing in it can fail to be written.
    serde_json::to_string_pretty(&list).unwrap_or_default() + "\n"
}

fn listed(case: &Case) -> Listed<'_> {
    Listed {
        name: &case.name,
        title: case.spec.title.as_deref(),
        file: &case.origin,
        engine: case.engine.to_string(),
        tags: &case.spec.tags,
        timeout: case.spec.timeout,
        skip: case.spec.skip.as_deref(),
        error: match &case.program {
            Program::Broken(failure) => Some(&failure.message),
            _ => None,
        },
    }
}
