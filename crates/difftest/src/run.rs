//! A run: batches through the machines, comparison, counts, reports.

use crate::bench::{Batch, Bench};
use crate::compare::{self, Diff};
use crate::generate::{Forms, Sequence, sequence};
use crate::layout::*;
use crate::peer::PeerError;
use crate::peer_faults::{self, FAULTS, Look};
use crate::qemu::Qemu;
use crate::report;
use crate::ringer::Ringer;
use ringer_casegen::rng::Rng;
use ringer_casegen::values;
use ringer_machine::Engine;
use std::collections::BTreeMap;
use std::time::Instant;

/// Batches that share one template of the data pages.
const TEMPLATE_CASES: u64 = 1 << 16;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed; with a case's number it gives the case.
    pub seed: u64,
    /// First case.
    pub first: u64,
    /// Number of cases.
    pub cases: u64,
    /// Cases in a batch.
    pub batch: usize,
    /// Compare with the peer too.
    pub peer: bool,
    /// Differences that are reported before the run ends.
    pub reports: usize,
    /// A line about progress every so many cases; 0: none.
    pub progress: u64,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Cases run.
    pub cases: u64,
    /// Instructions in them.
    pub instructions: u64,
    /// Cases that the peer ran too.
    pub with_peer: u64,
    /// Why the others did not run there.
    pub out_of_reach: BTreeMap<&'static str, u64>,
    /// Cases that known faults of the peer explain.
    pub explained: BTreeMap<&'static str, u64>,
    /// Cases in which Ringer's engines differed as they may.
    pub engines: BTreeMap<&'static str, u64>,
    /// How cases ended: vector and number.
    pub vectors: BTreeMap<u32, u64>,
    /// Cases in which a machine stopped, on all sides.
    pub deaths: u64,
    /// Reports of differences that nothing explains.
    pub failures: Vec<Failure>,
    /// Guest instructions that ran as host code in bt, and that were interpreted there.
    pub bt: (u64, u64),
    /// Seconds spent in: making cases, bt, interp, waiting for the peer, comparing.
    pub seconds: [f64; 5],
}

/// The list of the peer's known faults: name and reason.
pub fn known_faults() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAULTS.iter().map(|f| (f.name, f.reason))
}

/// One difference.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its case.
    pub number: u64,
    /// Against what.
    pub pair: &'static str,
    /// The report.
    pub text: String,
}

/// The machines of a run.
#[derive(Debug)]
pub struct Machines {
    bt: Bench,
    interp: Bench,
    peer: Option<Bench>,
    forms: Forms,
}

impl Machines {
    /// Starts them.
    pub fn new(peer: bool) -> Result<Self, PeerError> {
        let peer = if peer { Some(Bench::new(Box::new(Qemu::new()?))) } else { None };
        Ok(Self {
            bt: Bench::new(Box::new(Ringer::new(Engine::Bt)?)),
            interp: Bench::new(Box::new(Ringer::new(Engine::Interp)?)),
            peer,
            forms: Forms::new(),
        })
    }

    /// Ringer's engines, the translator with `fault`.
    #[cfg(feature = "planted-fault")]
    pub fn with_fault(fault: ringer_translator::PlantedFault) -> Result<Self, PeerError> {
        let mut machines = Self::new(false)?;
        machines.bt = Bench::new(Box::new(Ringer::with_fault(fault)?));
        Ok(machines)
    }

    /// Carries out `plan`.
    pub fn run(&mut self, plan: &Plan) -> Result<Summary, PeerError> {
        let mut summary = Summary::default();
        let started = Instant::now();
        let end = plan.first + plan.cases;
        let mut at = plan.first;
        let mut told = 0;
        while at < end && summary.failures.len() < plan.reports {
            // A batch keeps to one template.
            let same = TEMPLATE_CASES - at % TEMPLATE_CASES;
            let n = (end - at).min(plan.batch as u64).min(same);
            self.batch(plan, at..at + n, &mut summary)?;
            at += n;
            summary.cases += n;
            if plan.progress != 0 && summary.cases / plan.progress > told {
                told = summary.cases / plan.progress;
                let rate = summary.cases as f64 / started.elapsed().as_secs_f64();
                eprintln!(
                    "{} sequences, {rate:.0} a second, {} differences",
                    summary.cases,
                    summary.failures.len()
                );
            }
        }
        summary.bt = self.bt.machine.instructions().unwrap_or_default();
        Ok(summary)
    }

    fn batch(
        &mut self,
        plan: &Plan,
        numbers: std::ops::Range<u64>,
        summary: &mut Summary,
    ) -> Result<(), PeerError> {
        let mut clock = Instant::now();
        let mut lap = |summary: &mut Summary, what: usize| {
            summary.seconds[what] += clock.elapsed().as_secs_f64();
            clock = Instant::now();
        };
        let template = template(plan.seed, numbers.start);
        let list: Vec<Sequence> =
            numbers.clone().map(|n| sequence(&mut self.forms, plan.seed, n)).collect();
        let reach: Vec<Option<&str>> = list.iter().map(peer_faults::out_of_reach).collect();
        let batch = Batch::new(list.iter().map(|s| (&s.case, true)), template.clone());
        let runs = list.iter().zip(&reach).map(|(s, r)| (&s.case, r.is_none()));
        let theirs = Batch::new(runs, template);
        lap(summary, 0);
        if let Some(peer) = &mut self.peer {
            peer.begin(&theirs)?;
        }
        self.bt.begin(&batch)?;
        self.bt.finish(&batch)?;
        lap(summary, 1);
        self.interp.begin(&batch)?;
        self.interp.finish(&batch)?;
        lap(summary, 2);
        if let Some(peer) = &mut self.peer {
            peer.finish(&theirs)?;
        }
        lap(summary, 3);
        for (k, seq) in list.iter().enumerate() {
            self.judge(seq, k, numbers.start + k as u64, reach[k], summary);
        }
        self.bt.tidy()?;
        self.interp.tidy()?;
        if let Some(peer) = &mut self.peer {
            peer.tidy()?;
        }
        lap(summary, 4);
        Ok(())
    }

    fn judge(
        &self,
        seq: &Sequence,
        k: usize,
        number: u64,
        reach: Option<&'static str>,
        summary: &mut Summary,
    ) {
        summary.instructions += seq.items.len() as u64;
        let outcome = self.interp.outcome(k);
        if outcome.is_complete() {
            *summary.vectors.entry(outcome.vector()).or_default() += 1;
        } else {
            summary.deaths += 1;
        }
        if [&self.interp, &self.bt].iter().any(|bench| bench.took_too_long(k)) {
            *summary.out_of_reach.entry("a loop too long for one of the engines").or_default() += 1;
            return;
        }
        let frame = compare::frame(seq, &self.interp, k);
        let mut engines = compare::differences(&self.interp, &self.bt, k);
        if !engines.is_empty() {
            let look = Look { seq, ours: outcome, theirs: self.bt.outcome(k), frame };
            if let Some(name) = peer_faults::between_engines(&look, &mut engines) {
                *summary.engines.entry(name).or_default() += 1;
            }
            if !engines.is_empty() {
                summary.failures.push(self.failure(seq, k, number, "interp / bt", &engines));
                return;
            }
        }
        let Some(peer) = &self.peer else { return };
        if peer.took_too_long(k) {
            *summary.out_of_reach.entry("a loop too long for it").or_default() += 1;
            return;
        }
        if let Some(why) = reach {
            *summary.out_of_reach.entry(why).or_default() += 1;
            return;
        }
        if !compare::code_is_unchanged(seq, &outcome) {
            *summary
                .out_of_reach
                .entry("code changed: its flags were not followed")
                .or_default() += 1;
            return;
        }
        summary.with_peer += 1;
        let mut list = compare::differences(&self.interp, peer, k);
        if list.is_empty() {
            return;
        }
        compare::drop_undefined(seq, &mut list, frame);
        let look = Look { seq, ours: outcome, theirs: peer.outcome(k), frame };
        for fault in FAULTS {
            if list.is_empty() {
                return;
            }
            let before = list.clone();
            (fault.explains)(&look, &mut list);
            if list != before {
                *summary.explained.entry(fault.name).or_default() += 1;
            }
        }
        if !list.is_empty() {
            summary.failures.push(self.failure(seq, k, number, "interp / qemu", &list));
        }
    }

    fn failure(
        &self,
        seq: &Sequence,
        k: usize,
        number: u64,
        pair: &'static str,
        diffs: &[Diff],
    ) -> Failure {
        let ended = |b: &Bench| {
            let o = b.outcome(k);
            let died = b.deaths.iter().find(|(at, _)| *at == k);
            match died {
                Some((_, how)) => format!("{}: {how}", b.machine.name()),
                None => {
                    let f = compare::frame(seq, b, k).map_or(0, |f| f.eip);
                    format!("{}: vector {} at {f:08x}", b.machine.name(), o.vector())
                }
            }
        };
        let mut ends = vec![ended(&self.interp), ended(&self.bt)];
        ends.extend(self.peer.as_ref().map(ended));
        let text = format!(
            "case {number}, {pair}\n{}  {}\n{}",
            report::describe(seq),
            ends.join("; "),
            report::list(diffs)
        );
        Failure { number, pair, text }
    }
}

/// The data pages of case `number` at its start.
fn template(seed: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::of_case(!seed, number / TEMPLATE_CASES);
    let mut bytes = vec![0; DATA_LEN];
    values::memory(&mut rng, &mut bytes);
    bytes
}
