//! Two builds of Ringer held against each other: the passes of both in turn, medians, and the ratio of each workload.
//!
//! Neither the host nor the peer runs, so more rounds fit into the same time; which build comes first changes from round to
//! round, since what the host does beside us comes and goes in seconds.

use crate::report::{check, times};
use crate::sides::{AnyError, Pass, Sample};
use crate::stats::{geometric_mean, median};
use crate::workloads::{Group, Workload};
use std::fmt::Write;

/// One workload's figures of one build, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Figures {
    median: f64,
    /// The fastest round: what is left where the host's other guests come and go.
    best: f64,
}

impl Figures {
    fn of(times: &[f64]) -> Self {
        Self { median: median(times), best: times.iter().copied().fold(f64::INFINITY, f64::min) }
    }
}

/// One workload in both builds.
#[derive(Clone, Debug)]
struct Row {
    name: &'static str,
    group: Group,
    this: Figures,
    other: Figures,
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
            let of = |passes: &[&[Sample]]| Figures::of(&times(passes, workload.name, |s| s.time));
            let (this, other) = (of(&ours), of(&theirs));
            rows.push(Row { name: workload.name, group: workload.group, this, other });
        }
        let boots = |passes: &[Pass]| median(&passes.iter().map(|p| p.boot).collect::<Vec<_>>());
        Ok(Self { rounds: this.len(), rows, boot: (boots(this), boots(other)) })
    }

    /// The geometric mean of this / other, by `figure`, over the workloads of a kind; none without any.
    fn mean(&self, system: bool, figure: fn(&Figures) -> f64) -> Option<f64> {
        let of_kind = self.rows.iter().filter(|r| (r.group == Group::System) == system);
        let ratios: Vec<f64> = of_kind.map(|r| figure(&r.this) / figure(&r.other)).collect();
        (!ratios.is_empty()).then(|| geometric_mean(&ratios))
    }

    /// The table and both geometric means, for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!("medians and fastest of {} rounds, in ms\n", self.rounds);
        let heads = ["this", "other", "this/other", "best", "other's", "this/other"];
        let _ = write!(out, "{:<16}", "");
        heads.iter().for_each(|head| write!(out, " {head:>10}").expect("writing to a string"));
        out.push('\n');
        for r in &self.rows {
            let _ = write!(out, "{:<16}", r.name);
            for (this, other) in [(r.this.median, r.other.median), (r.this.best, r.other.best)] {
                let ratio = this / other;
                let _ = write!(out, " {:>10.1} {:>10.1} {ratio:>10.3}", this / 1e3, other / 1e3);
            }
            out.push('\n');
        }
        let (this, other) = self.boot;
        let ratio = this / other;
        let _ = writeln!(out, "{:<16} {this:>9.2}s {other:>9.2}s {ratio:>10.3}", "boot to shell");
        for (what, system) in [("programs", false), ("kernel work", true)] {
            let means = (self.mean(system, |f| f.median), self.mean(system, |f| f.best));
            if let (Some(median), Some(best)) = means {
                let _ = writeln!(
                    out,
                    "{what}: geometric mean of this / other {median:.3}, of the fastest rounds {best:.3}"
                );
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
        assert_eq!(found.mean(false, |f| f.median), Some(0.5));
        assert_eq!(found.mean(false, |f| f.best), Some(1.0));
        assert_eq!(found.mean(true, |f| f.best), None);
        assert!(Comparison::of(&this, &[pass("gzip", 1.0, "2")], &[gzip]).is_err());
    }
}
