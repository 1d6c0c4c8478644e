//! The rounds' figures put together: the table, the verdicts, CSV and JSON.

use crate::about::About;
use crate::host::HostFaults;
use crate::memory::{ALLOWANCE_KIB, Memory};
use crate::sides::{AnyError, Pass, Sample};
use crate::stats::{Ratio, geometric_mean, median};
use crate::workloads::{Group, WORKLOADS, Workload};
use serde::Serialize;
use std::fmt::Write;

/// The figures of all rounds; one entry a round in each list.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// Passes on the host.
    pub native: Vec<Vec<Sample>>,
    /// Passes in Ringer.
    pub ringer: Vec<Pass>,
    /// Passes in QEMU TCG.
    pub tcg: Vec<Pass>,
}

/// One workload's medians, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The workload.
    pub name: String,
    /// Its kind.
    pub group: Group,
    /// Natively; none for work of the guest's kernel.
    pub native: Option<f64>,
    /// Natively, in the run before.
    pub native_first: Option<f64>,
    /// In Ringer.
    pub ringer: f64,
    /// In Ringer, the run before, which found nothing translated.
    pub ringer_first: f64,
    /// In QEMU TCG.
    pub tcg: f64,
    /// In QEMU TCG, in the run before.
    pub tcg_first: f64,
    /// Ringer over native.
    pub over_native: Option<Ratio>,
    /// TCG over Ringer.
    pub tcg_over_ringer: Ratio,
}

/// A figure held against what it must reach.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What it is.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its bound.
    pub bound: f64,
    /// Whether it is reached.
    pub pass: bool,
}

/// Everything that the run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where, when, with what.
    pub about: About,
    /// All workloads ran, in several rounds: only then the bounds say something.
    pub whole: bool,
    /// The guest's memory, in MiB.
    pub memory: u32,
    /// Its kernel.
    pub kernel: String,
    /// The host's page faults.
    pub host: HostFaults,
    /// How many rounds the medians are of.
    pub rounds: usize,
    /// The workloads.
    pub rows: Vec<Row>,
    /// Seconds to the shell in Ringer and in TCG.
    pub boot: (f64, f64),
    /// TCG's over Ringer's.
    pub boot_ratio: Ratio,
    /// Ringer's memory after the last round's workloads.
    pub ringer_memory: Memory,
    /// TCG's.
    pub tcg_memory: Memory,
    /// The figures that are asked for.
    pub verdicts: Vec<Verdict>,
}

/// One workload's figures in all `passes`.
pub(crate) fn times(passes: &[&[Sample]], name: &str, of: fn(&Sample) -> f64) -> Vec<f64> {
    passes.iter().flat_map(|p| p.iter()).filter(|s| s.name == name).map(of).collect()
}

/// Refuses a workload whose output differs between sides or rounds, or that did not run in every pass.
pub(crate) fn check(passes: &[&[Sample]], name: &str) -> Result<(), AnyError> {
    let samples: Vec<_> = passes.iter().flat_map(|p| p.iter()).filter(|s| s.name == name).collect();
    if samples.len() != passes.len() {
        return Err(format!("{name} ran in {} of {} passes", samples.len(), passes.len()).into());
    }
    match samples.iter().find(|s| s.hash != samples[0].hash) {
        Some(s) => {
            Err(format!("{name}: outputs differ ({} and {})", samples[0].hash, s.hash).into())
        }
        None => Ok(()),
    }
}

impl Report {
    /// Medians and verdicts of `rounds` over the `wanted` workloads, in a guest with `memory` MiB and this `kernel`.
    ///
    /// # Errors
    /// When an output differs between the sides, or a workload is missing.
    pub fn of(
        rounds: &Rounds,
        memory: u32,
        kernel: &str,
        wanted: &[&Workload],
    ) -> Result<Self, AnyError> {
        let n: Vec<&[Sample]> = rounds.native.iter().map(Vec::as_slice).collect();
        let r: Vec<&[Sample]> = rounds.ringer.iter().map(|p| p.samples.as_slice()).collect();
        let t: Vec<&[Sample]> = rounds.tcg.iter().map(|p| p.samples.as_slice()).collect();
        let mut rows = Vec::new();
        for workload in wanted {
            let name = workload.name;
            let user = workload.group != Group::System;
            let mut all: Vec<&[Sample]> = if user { n.clone() } else { Vec::new() };
            all.extend(r.iter().chain(&t));
            check(&all, name)?;
            let (native, ringer) = (times(&n, name, |s| s.time), times(&r, name, |s| s.time));
            let tcg = times(&t, name, |s| s.time);
            rows.push(Row {
                name: name.to_owned(),
                group: workload.group,
                native: user.then(|| median(&native)),
                native_first: user.then(|| median(&times(&n, name, |s| s.first))),
                ringer: median(&ringer),
                ringer_first: median(&times(&r, name, |s| s.first)),
                tcg: median(&tcg),
                tcg_first: median(&times(&t, name, |s| s.first)),
                over_native: user.then(|| Ratio::of(&ringer, &native)),
                tcg_over_ringer: Ratio::of(&tcg, &ringer),
            });
        }
        let boots = |passes: &[Pass]| passes.iter().map(|p| p.boot).collect::<Vec<_>>();
        let (ringer_boots, tcg_boots) = (boots(&rounds.ringer), boots(&rounds.tcg));
        let last = |passes: &[Pass]| passes.last().map(|p| p.memory).unwrap_or_default();
        let mut report = Self {
            about: About::here(),
            whole: wanted.len() == WORKLOADS.len() && rounds.ringer.len() > 1,
            memory,
            kernel: kernel.to_owned(),
            host: HostFaults::measure()?,
            rounds: rounds.ringer.len(),
            rows,
            boot: (median(&ringer_boots), median(&tcg_boots)),
            boot_ratio: Ratio::of(&tcg_boots, &ringer_boots),
            ringer_memory: last(&rounds.ringer),
            tcg_memory: last(&rounds.tcg),
            verdicts: Vec::new(),
        };
        report.judge();
        Ok(report)
    }

    /// Whether every bound holds; none if that cannot be said of a part of the bench.
    #[must_use]
    pub fn held(&self) -> Option<bool> {
        self.whole.then(|| self.verdicts.iter().all(|verdict| verdict.pass))
    }

    fn rows_of(&self, wanted: fn(Group) -> bool) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |r| wanted(r.group))
    }

    fn judge(&mut self) {
        let user = |g| g != Group::System;
        let native: Vec<f64> =
            self.rows_of(user).filter_map(|r| r.native.map(|n| r.ringer / n)).collect();
        let tcg: Vec<f64> = self.rows_of(user).map(|r| r.tcg / r.ringer).collect();
        let system: Vec<f64> =
            self.rows_of(|g| g == Group::System).map(|r| r.tcg / r.ringer).collect();
        let least = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
        if !native.is_empty() {
            self.at_most("user: geometric mean of Ringer / native", geometric_mean(&native), 1.25);
            self.at_most(
                "user: worst Ringer / native",
                native.iter().copied().fold(0.0, f64::max),
                2.0,
            );
            let first = |r: &Row| r.native_first.map(|n| r.ringer_first / n);
            let first: Vec<f64> = self.rows_of(user).filter_map(first).collect();
            self.at_most(
                "user: first runs, geometric mean of Ringer / native",
                geometric_mean(&first),
                1.5,
            );
            self.at_least("user: geometric mean of TCG / Ringer", geometric_mean(&tcg), 8.0);
            self.at_least("user: worst TCG / Ringer", least(&tcg), 1.0);
        }
        if !system.is_empty() {
            self.at_least(
                "kernel-bound: geometric mean of TCG / Ringer",
                geometric_mean(&system),
                3.0,
            );
            self.at_least("kernel-bound: worst TCG / Ringer", least(&system), 1.0);
        }
        self.at_least("boot to shell: TCG / Ringer", self.boot.1 / self.boot.0, 3.0);
        let memory = self.ringer_memory;
        let mib = |kib: u64| kib as f64 / 1024.0;
        let bound = mib(memory.files + ALLOWANCE_KIB);
        self.at_most("memory held, MiB (touched + cache + 64)", mib(memory.pss), bound);
        self.at_most("RSS, MiB (each mapping of a page counted)", mib(memory.rss), bound);
    }

    fn at_most(&mut self, what: &str, value: f64, bound: f64) {
        self.verdicts.push(Verdict { what: what.to_owned(), value, bound, pass: value <= bound });
    }

    fn at_least(&mut self, what: &str, value: f64, bound: f64) {
        self.verdicts.push(Verdict { what: what.to_owned(), value, bound, pass: value >= bound });
    }

    /// The table, the memory and the verdicts, for people.
    #[must_use]
    pub fn table(&self) -> String {
        let [when, host] = self.about.lines();
        let mut out = format!(
            "{when}\n{host}\n{}\na guest with {} MiB and Debian's {} kernel, medians of {} rounds, in ms\n",
            self.host.line(),
            self.memory,
            self.kernel,
            self.rounds
        );
        let heads = ["native", "ringer", "(first)", "tcg", "r/native", "tcg/r"];
        let _ = write!(out, "{:<16}", "");
        for head in heads {
            let _ = write!(out, " {head:>9}");
        }
        out.push('\n');
        for row in &self.rows {
            let native = row.native.map_or_else(|| "-".into(), |n| format!("{:.1}", n / 1e3));
            let ratio = row.native.map_or_else(|| "-".into(), |n| format!("{:.2}", row.ringer / n));
            let (r, f, t) = (row.ringer / 1e3, row.ringer_first / 1e3, row.tcg / 1e3);
            let _ = writeln!(
                out,
                "{:<16} {native:>9} {r:>9.1} {f:>9.1} {t:>9.1} {ratio:>9} {:>9.2}",
                row.name,
                t / r
            );
        }
        let (br, bt) = self.boot;
        let _ = writeln!(out, "boot to shell: Ringer {br:.2} s, TCG {bt:.2} s");
        for (name, m) in [("Ringer", self.ringer_memory), ("TCG", self.tcg_memory)] {
            let [rss, peak, pss, files] = [m.rss, m.peak, m.pss, m.files].map(|k| k / 1024);
            let _ = writeln!(
                out,
                "{name}: RSS {rss} MiB (peak {peak}), held {pss}, memory files {files}"
            );
        }
        for v in &self.verdicts {
            let verdict = if v.pass { "pass " } else { "short" };
            let _ =
                writeln!(out, "{verdict} {:<46} {:>8.2} (bound {:.2})", v.what, v.value, v.bound);
        }
        out.push_str(match self.held() {
            Some(true) => "all bounds hold\n",
            Some(false) => "not all bounds hold\n",
            None => {
                "a part of the bench: the bounds are those of the whole, and decide nothing here\n"
            }
        });
        out
    }

    /// The rows as comma-separated values, in microseconds.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::from(
            "name,group,native_us,ringer_us,ringer_first_us,tcg_us,native_first_us,tcg_first_us\n",
        );
        for r in &self.rows {
            let native = r.native.map(|n| n.to_string()).unwrap_or_default();
            let first = r.native_first.map(|n| n.to_string()).unwrap_or_default();
            let _ = writeln!(
                out,
                "{},{:?},{native},{},{},{},{first},{}",
                r.name, r.group, r.ringer, r.ringer_first, r.tcg, r.tcg_first
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(hash: &str) -> Vec<Sample> {
        vec![Sample { name: "x".into(), first: 2.0, time: 1.0, hash: hash.into() }]
    }

    #[test]
    fn a_wrong_output_or_a_missing_run_is_refused() {
        let (a, b) = (sample("1"), sample("2"));
        assert!(check(&[&a, &a], "x").is_ok());
        assert!(check(&[&a, &b], "x").is_err());
        assert!(check(&[&a, &[]], "x").is_err());
    }
}
