//! Counting verdicts, and telling about them: a table by opcode, totals, JSON.

use super::reasons::{Kind, REASONS};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;

/// What became of a case on one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As captured.
    Passed,
    /// As a later processor must, see [`super::reasons`].
    Adapted(Kind),
    /// The differences.
    Failed(String),
}

/// One engine's verdicts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdicts {
    /// Ended as captured.
    pub passed: u32,
    /// Ended as a later processor must, by the reason's name.
    pub adapted: BTreeMap<&'static str, u32>,
    /// What differed, a line a case.
    pub failed: Vec<String>,
}

impl Verdicts {
    /// Cases that passed as adapted.
    #[must_use]
    pub fn adapted(&self) -> u32 {
        self.adapted.values().sum()
    }

    fn merge(&mut self, other: &Verdicts) {
        self.passed += other.passed;
        for (name, count) in &other.adapted {
            *self.adapted.entry(name).or_default() += count;
        }
        self.failed.extend(other.failed.iter().cloned());
    }
}

/// What became of one file's cases.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Cases in the file.
    pub cases: usize,
    /// Cases that ran.
    pub ran: u32,
    /// Cases that were not run, by reason.
    pub excused: BTreeMap<&'static str, u32>,
    /// Cases whose instruction ran as host code in the translating engine.
    pub as_host: u32,
    /// Blocks of host code that the verifier passed before they ran.
    pub verified: u64,
    /// By engine.
    pub engines: BTreeMap<&'static str, Verdicts>,
}

impl Tally {
    /// Counts a case that is not run.
    pub fn excuse(&mut self, reason: &'static str) {
        *self.excused.entry(reason).or_default() += 1;
    }

    /// Counts `verdict` of `engine`.
    pub fn add(&mut self, engine: &'static str, verdict: Verdict) {
        let verdicts = self.engines.entry(engine).or_default();
        match verdict {
            Verdict::Passed => verdicts.passed += 1,
            Verdict::Adapted(kind) => *verdicts.adapted.entry(name(kind)).or_default() += 1,
            Verdict::Failed(what) => verdicts.failed.push(what),
        }
    }

    /// Counts a failure of `engine` that belongs to no case.
    pub fn fail(&mut self, engine: &'static str, what: String) {
        self.engines.entry(engine).or_default().failed.push(what);
    }

    /// Failures of all engines.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.engines.values().map(|v| v.failed.len()).sum()
    }

    /// Percent of the cases whose instruction ran as host code.
    #[must_use]
    pub fn host_share(&self) -> f64 {
        100.0 * f64::from(self.as_host) / f64::from(self.ran.max(1))
    }

    fn merge(&mut self, other: &Tally) {
        self.cases += other.cases;
        self.ran += other.ran;
        self.as_host += other.as_host;
        self.verified += other.verified;
        for (reason, count) in &other.excused {
            *self.excused.entry(reason).or_default() += count;
        }
        for (engine, verdicts) in &other.engines {
            self.engines.entry(engine).or_default().merge(verdicts);
        }
    }
}

fn name(kind: Kind) -> &'static str {
    REASONS.iter().find(|r| r.kind == kind).map_or("unknown", |r| r.name)
}

/// Everything that ran.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Suite {
    /// By opcode.
    pub opcodes: BTreeMap<String, Tally>,
}

impl Suite {
    /// Adds a file's tally.
    pub fn add(&mut self, opcode: &str, tally: Tally) {
        self.opcodes.entry(opcode.to_owned()).or_default().merge(&tally);
    }

    /// All opcodes together.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.opcodes.values() {
            total.merge(tally);
        }
        total
    }

    /// Writes the table and the totals. `lines`: failures told for each opcode.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write, lines: usize) -> std::io::Result<()> {
        writeln!(out, "opcode  ran  engine   passed  adapted  failed  host code")?;
        for (opcode, tally) in &self.opcodes {
            row(out, opcode, tally)?;
            for (engine, verdicts) in &tally.engines {
                for what in verdicts.failed.iter().take(lines) {
                    writeln!(out, "    {engine} {what}")?;
                }
            }
        }
        let total = self.total();
        row(out, "all", &total)?;
        for reason in &REASONS {
            let counts = total.engines.values().map(|v| v.adapted.get(reason.name).copied());
            let most = counts.flatten().max().unwrap_or(0);
            if most > 0 {
                writeln!(out, "adapted, {}: {most} cases: {}", reason.name, reason.why)?;
            }
        }
        for (reason, count) in &total.excused {
            writeln!(out, "excused: {count} cases: {reason}")?;
        }
        let excused: u32 = total.excused.values().sum();
        writeln!(out, "{} blocks verified before they ran", total.verified)?;
        writeln!(out, "{} of {} cases ran, {excused} excused", total.ran, total.cases)
    }
}

fn row(out: &mut dyn Write, opcode: &str, tally: &Tally) -> std::io::Result<()> {
    for (engine, v) in &tally.engines {
        let (passed, adapted, failed) = (v.passed, v.adapted(), v.failed.len());
        let host =
            if *engine == "bt" { format!("{:8.1} %", tally.host_share()) } else { String::new() };
        let ran = tally.ran;
        writeln!(
            out,
            "{opcode:<6} {ran:>5}  {engine:<6} {passed:>8} {adapted:>8} {failed:>7} {host}"
        )?;
    }
    Ok(())
}
