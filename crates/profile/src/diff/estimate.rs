//! Numbers of two sides, and whether they differ by more than noise.

use crate::file::ProfileFile;
use serde::Serialize;

/// How much of a time varies from run to run, where one run alone is there to tell: a share of it.
const TIME_NOISE: f64 = 0.04;
/// The same for a count, when real time decides what the guest does.
const COUNT_NOISE: f64 = 0.01;
/// So many times the noise is a difference.
const FACTOR: f64 = 3.0;
/// Two or three runs may agree by chance: no less than this part of what one run is assumed to have.
const LEAST: f64 = 0.25;
/// Seconds that a clock or a preemption may add to anything.
const TIME_FLOOR: f64 = 0.005;

/// What a number is, which says how it varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Seconds that were measured.
    Time,
    /// A count of events.
    Count,
    /// A share in per cent, or a ratio, that follows from counts.
    Share,
}

/// Two sides.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    pub a: &'a [ProfileFile],
    pub b: &'a [ProfileFile],
    /// What B's seconds and counts are multiplied by.
    pub scale: f64,
}

/// A number of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What it is.
    pub name: String,
    /// On side A: the mean of its runs.
    pub a: f64,
    /// On side B, scaled.
    pub b: f64,
    /// B less A.
    pub delta: f64,
    /// The difference in per cent of A; `None` where A has nothing.
    pub percent: Option<f64>,
    /// What it may differ by without a reason.
    pub noise: f64,
    /// It differs by more than that.
    pub significant: bool,
}

/// A run's number, and its own error, squared, where it comes from samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value {
    pub value: f64,
    pub variance: f64,
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self { value, variance: 0.0 }
    }
}

impl Pair<'_> {
    /// Compares what `of` tells of each run.
    pub fn change(&self, name: &str, kind: Kind, of: impl Fn(&ProfileFile) -> Value) -> Change {
        let (a, b) = (self.a.iter().map(&of).collect(), self.b.iter().map(&of).collect());
        self.change_of(name, kind, [a, b])
    }

    /// Compares the numbers of A's and of B's runs, one for each run.
    pub fn change_of(&self, name: &str, kind: Kind, values: [Vec<Value>; 2]) -> Change {
        let scale = if kind == Kind::Share { 1.0 } else { self.scale };
        let a = side(self.a, &values[0], kind, 1.0);
        let b = side(self.b, &values[1], kind, scale);
        let delta = b.value - a.value;
        let noise = FACTOR * (a.variance + b.variance).sqrt() + floor(kind);
        Change {
            name: name.to_owned(),
            a: a.value,
            b: b.value,
            delta,
            percent: (a.value.abs() > 0.0).then(|| 100.0 * delta / a.value),
            noise,
            significant: delta.abs() > noise,
        }
    }
}

fn floor(kind: Kind) -> f64 {
    match kind {
        Kind::Time => TIME_FLOOR,
        Kind::Count => 0.0,
        // What rounding to three digits may make.
        Kind::Share => 0.01,
    }
}

/// The mean of a side's runs, and the variance of that mean.
fn side(runs: &[ProfileFile], values: &[Value], kind: Kind, scale: f64) -> Value {
    let n = runs.len().max(1) as f64;
    let mean = values.iter().map(|v| v.value).sum::<f64>() / n;
    let exact = runs.iter().all(|run| run.meta.clock == "virtual");
    let share = match kind {
        Kind::Time => TIME_NOISE,
        // The virtual clock makes every run of a guest the same.
        Kind::Count | Kind::Share if exact => 0.0,
        Kind::Count | Kind::Share => COUNT_NOISE,
    };
    let assumed = match kind {
        // Per cent that are nearly all: what varies is the rest.
        Kind::Share if mean > 50.0 && mean <= 100.0 => (share * (100.0 - mean)).powi(2),
        _ => (share * mean).powi(2),
    };
    let sampled = values.iter().map(|v| v.variance).sum::<f64>() / n;
    let spread = match runs.len() {
        0 | 1 => assumed,
        _ => {
            let squares = values.iter().map(|v| (v.value - mean).powi(2)).sum::<f64>();
            (squares / (n - 1.0)).max(assumed * LEAST * LEAST)
        }
    };
    let variance = spread.max(sampled) / n;
    Value { value: mean * scale, variance: variance * scale * scale }
}

/// The biggest difference first; what is noise comes last.
pub fn sort(changes: &mut [Change]) {
    changes.sort_by(|a, b| {
        let by_size = b.delta.abs().total_cmp(&a.delta.abs());
        b.significant.cmp(&a.significant).then(by_size).then_with(|| a.name.cmp(&b.name))
    });
}
