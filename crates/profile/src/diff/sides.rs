//! Which runs are compared, and whether that is fair.

use crate::file::ProfileFile;
use serde::Serialize;
use std::collections::BTreeSet;
use thiserror::Error;

/// Instructions that two runs of the same work may differ by, in per cent.
const SAME_WORK: f64 = 2.0;

/// How two profiles are compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// Compare though the guests differ.
    pub different_guests: bool,
    /// Scale B to A's number of guest instructions, for runs that were cut short.
    pub per_instruction: bool,
}

/// What a profile says about the circumstances of its run.
type Fact = fn(&ProfileFile) -> String;

/// One side of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// The guest.
    pub guest: String,
    /// Its digest.
    pub digest: String,
    /// Ringer's version, with the commit where it is known.
    pub version: String,
    /// The host's processor.
    pub host: String,
    /// When the first run began.
    pub date: String,
    /// The command line behind the program's name.
    pub arguments: Vec<String>,
    /// How many runs.
    pub runs: usize,
    /// Guest instructions, the mean of the runs.
    pub instructions: f64,
}

/// Why there is no comparison.
#[derive(Debug, Error)]
pub enum DiffError {
    /// No run.
    #[error("side {0} has no profile: name two files")]
    Empty(&'static str),
    /// Two guests.
    #[error(
        "these are profiles of different guests ({a} and {b}), whose numbers say nothing about each \
         other; --different-guests compares them all the same"
    )]
    Guests {
        /// A's.
        a: String,
        /// B's.
        b: String,
    },
}

/// What is said about a side.
pub fn side(runs: &[ProfileFile], name: &'static str) -> Result<Side, DiffError> {
    let first = runs.first().ok_or(DiffError::Empty(name))?;
    let meta = &first.meta;
    let commit = meta.ringer.commit.as_ref().map_or(String::new(), |c| format!(" ({c})"));
    Ok(Side {
        guest: first.title(),
        digest: meta.guest.digest.clone(),
        version: format!("{}{commit}", meta.ringer.version),
        host: meta.host.cpu.clone(),
        date: meta.date.clone(),
        arguments: meta.arguments.clone(),
        runs: runs.len(),
        instructions: instructions(runs),
    })
}

fn instructions(runs: &[ProfileFile]) -> f64 {
    let all = runs.iter().map(|run| run.summary.instructions() as f64).sum::<f64>();
    all / runs.len().max(1) as f64
}

/// What B must be multiplied by to have A's instructions.
pub fn scale(a: &[ProfileFile], b: &[ProfileFile]) -> f64 {
    let (a, b) = (instructions(a), instructions(b));
    if a > 0.0 && b > 0.0 { a / b } else { 1.0 }
}

/// What the user should know before reading on.
pub fn warnings(
    a: &[ProfileFile],
    b: &[ProfileFile],
    options: DiffOptions,
) -> Result<Vec<String>, DiffError> {
    let mut warnings = Vec::new();
    let digest = |run: &ProfileFile| run.meta.guest.digest.clone();
    let guests: BTreeSet<String> = a.iter().chain(b).map(digest).collect();
    if guests.contains("") {
        warnings.push(
            "a profile does not say which guest it is of: whether both are of the same one is not \
             known"
                .to_owned(),
        );
    } else if guests.len() > 1 {
        let all = a.iter().chain(b);
        let other = all.clone().find(|run| digest(run) != digest(&a[0])).unwrap_or(&a[0]);
        let name = |run: &ProfileFile| format!("{} {}", run.title(), digest(run));
        let (a, b) = (name(&a[0]), name(other));
        if !options.different_guests {
            return Err(DiffError::Guests { a, b });
        }
        warnings.push(format!("the guests differ: {a} and {b}"));
    }
    let facts: [(&str, Fact); 7] = [
        ("hosts' processors", |run| run.meta.host.cpu.clone()),
        ("hosts' kernels", |run| run.meta.host.kernel.clone()),
        ("engines", |run| run.summary.engine.clone()),
        ("clocks", |run| run.meta.clock.clone()),
        ("processor models", |run| run.meta.cpu.clone()),
        ("memory sizes", |run| run.meta.memory.to_string()),
        ("ways in which the runs ended", |run| run.meta.end.clone()),
    ];
    for (what, of) in facts {
        let values: BTreeSet<String> =
            a.iter().chain(b).map(of).filter(|value| !value.is_empty()).collect();
        if values.len() > 1 {
            let values: Vec<String> = values.into_iter().collect();
            warnings.push(format!("the {what} differ: {}", values.join(" / ")));
        }
    }
    let (ours, theirs) = (instructions(a), instructions(b));
    let apart = if ours > 0.0 { 100.0 * (theirs - ours) / ours } else { 0.0 };
    if apart.abs() > SAME_WORK && !options.per_instruction {
        warnings.push(format!(
            "B ran {apart:+.1} % guest instructions: if the runs were cut short, --per-instruction \
             scales B to A's"
        ));
    }
    Ok(warnings)
}

/// Options of the command line that one side has and the other has not.
pub fn options(a: &[ProfileFile], b: &[ProfileFile]) -> Vec<String> {
    let off = |runs: &[ProfileFile]| -> BTreeSet<String> {
        runs.iter().flat_map(|run| run.meta.disabled.iter().cloned()).collect()
    };
    let (ours, theirs) = (off(a), off(b));
    let only = |side: &str, name: &String| format!("{side} has --disable {name}");
    let a_only = ours.difference(&theirs).map(|name| only("A", name));
    let b_only = theirs.difference(&ours).map(|name| only("B", name));
    let mut options: Vec<String> = a_only.chain(b_only).collect();
    let (x, y) = (&a[0].meta, &b[0].meta);
    if x.cache_size != y.cache_size {
        options.push(format!("--tc-size: {} and {} bytes", x.cache_size, y.cache_size));
    }
    if x.ringer != y.ringer {
        let name = |build: &crate::Build| {
            format!("{} {}", build.version, build.commit.as_deref().unwrap_or("")).trim().to_owned()
        };
        options.push(format!("builds of Ringer: {} and {}", name(&x.ringer), name(&y.ringer)));
    }
    options
}
