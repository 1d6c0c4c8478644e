//! Two builds of Ringer held against each other: the passes of both in turn, medians, and the ratio of each workload.
//!
//! Neither the host nor the peer runs, so more rounds fit into the same time; which build comes first changes from round to
//! round, since what the host does beside us comes and goes in seconds.

use crate::report::{check, times};
use crate::sides::{AnyError, Pass, Sample};
use crate::stats::{geometric_mean, median};
use crate::workloads::{Group, Workload};
use std::fmt::Write;

/// One workload's medians, in microseconds.
#[derive(Clone, Debug)]
struct Row {
    name: &'static str,
    group: Group,
    this: f64,
    other: f64,
}

/// What a comparison of two builds found.
#[derive(Clone, Debug)]
pub struct Comparison {
    rounds: usize,
    rows: Vec<Row>,
    /// Seconds to the shell, this build's and the other's.
    boot: (f64, f64),
}

impl Comparison {
    /// Medians over the passes of this build and of the `other`, for the `wanted` workloads.
    ///
    /// # Errors
    /// When an output differs between the builds, or a workload is missing.
    pub fn of(this: &[Pass], other: &[Pass], wanted: &[&Workload]) -> Result<Self, AnyError> {
        let samples = |passes: &'_ [Pass]| -> Vec<Vec<Sample>> {
            passes.iter().map(|p| p.samples.clone()).collect()
        };
        let (ours, theirs) = (samples(this), samples(other));
        let ours: Vec<&[Sample]> = ours.iter().map(Vec::as_slice).collect();
        let theirs: Vec<&[Sample]> = theirs.iter().map(Vec::as_slice).collect();
        let both: Vec<&[Sample]> = ours.iter().chain(&theirs).copied().collect();
        let mut rows = Vec::new();
        for workload in wanted {
            check(&both, workload.name)?;
            let of = |passes: &[&[Sample]]| median(&times(passes, workload.name, |s| s.time));
            let (this, other) = (of(&ours), of(&theirs));
            rows.push(Row { name: workload.name, group: workload.group, this, other });
        }
        let boots = |passes: &[Pass]| median(&passes.iter().map(|p| p.boot).collect::<Vec<_>>());
        Ok(Self { rounds: this.len(), rows, boot: (boots(this), boots(other)) })
    }

    /// The geometric mean of this / other over the workloads of a kind; none without any.
    fn mean(&self, system: bool) -> Option<f64> {
        let of_kind = self.rows.iter().filter(|r| (r.group == Group::System) == system);
        let ratios: Vec<f64> = of_kind.map(|r| r.this / r.other).collect();
        (!ratios.is_empty()).then(|| geometric_mean(&ratios))
    }

    /// The table and both geometric means, for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!("medians of {} rounds, in ms\n", self.rounds);
        let _ = writeln!(out, "{:<16} {:>9} {:>9} {:>9}", "", "this", "other", "this/other");
        for r in &self.rows {
            let (this, other) = (r.this / 1e3, r.other / 1e3);
            let _ = writeln!(out, "{:<16} {this:>9.1} {other:>9.1} {:>9.3}", r.name, this / other);
        }
        let (this, other) = self.boot;
        let ratio = this / other;
        let _ = writeln!(out, "{:<16} {this:>8.2}s {other:>8.2}s {ratio:>9.3}", "boot to shell");
        for (what, mean) in [("programs", self.mean(false)), ("kernel work", self.mean(true))] {
            if let Some(mean) = mean {
                let _ = writeln!(out, "{what}: geometric mean of this / other {mean:.3}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::workloads::WORKLOADS;

    fn pass(name: &str, time: f64, hash: &str) -> Pass {
        let sample = Sample { name: name.to_owned(), first: time, time, hash: hash.to_owned() };
        Pass { samples: vec![sample], boot: 1.0, memory: Memory::default() }
    }

    #[test]
    fn a_ratio_is_of_medians_and_a_wrong_output_is_refused() {
        let gzip = WORKLOADS.iter().find(|w| w.name == "gzip").expect("a workload");
        let this = [pass("gzip", 3.0, "1"), pass("gzip", 1.0, "1"), pass("gzip", 2.0, "1")];
        let other = [pass("gzip", 4.0, "1"), pass("gzip", 9.0, "1"), pass("gzip", 1.0, "1")];
        let found = Comparison::of(&this, &other, &[gzip]).expect("equal outputs");
        assert_eq!(found.mean(false), Some(0.5));
        assert_eq!(found.mean(true), None);
        assert!(Comparison::of(&this, &[pass("gzip", 1.0, "2")], &[gzip]).is_err());
    }
}
