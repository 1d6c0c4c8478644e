//! Tests as they are found, and the cases that they become: a name, and one for each engine.

use crate::case::{Case, Program};
use crate::recipe::folder_of;
use crate::spec::Spec;
use ringer_input::{OneLine, shown};
use ringer_machine::Engine;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A test before its engines are known.
#[derive(Debug)]
pub struct Found {
    /// Its file.
    pub origin: PathBuf,
    /// The name, if it has one that is not the file's.
    pub name: Option<String>,
    /// What to load.
    pub program: Program,
    /// What to expect.
    pub spec: Spec,
    /// The engines to run it on.
    pub engines: Vec<Engine>,
}

/// The cases of these tests, in their order.
pub fn cases(found: &[Found]) -> Vec<Case> {
    let names = names(found);
    found.iter().zip(names).flat_map(|(test, name)| with_engines(test, &name)).collect()
}

/// A name for each test, no two alike, and each one line that does nothing to a terminal: the file's without ending, or its path where files share a name.
fn names(found: &[Found]) -> Vec<String> {
    let short = |test: &Found| match &test.name {
        Some(name) => OneLine(name).to_string(),
        None => shown(test.origin.file_stem().unwrap_or_default()).to_string(),
    };
    let long = |test: &Found| match &test.name {
        Some(name) => format!("{}/{}", shown(&folder_of(&test.origin)), OneLine(name)),
        None => shown(&test.origin).to_string(),
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for test in found {
        *count.entry(short(test)).or_default() += 1;
    }
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let name = |test: &Found| {
        let name = if count[&short(test)] == 1 { short(test) } else { long(test) };
        let again = taken.entry(name.clone()).or_default();
        *again += 1;
        if *again == 1 { name } else { format!("{name}#{again}") }
    };
    found.iter().map(name).collect()
}

fn with_engines(test: &Found, name: &str) -> Vec<Case> {
    let case = |engine: Engine, name: String| Case {
        name,
        origin: test.origin.clone(),
        program: test.program.clone(),
        spec: test.spec.clone(),
        engine,
    };
    // It fails alike on all of them.
    if matches!(test.program, Program::Broken(_)) {
        return vec![case(Engine::Bt, name.to_owned())];
    }
    test.engines.iter().map(|engine| case(*engine, format!("{name} [{engine}]"))).collect()
}
