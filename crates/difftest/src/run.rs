//! A run: batches through the machines, comparison, counts, reports.

use crate::bench::{Batch, Bench};
use crate::composer::Forms;
use crate::generate::sequence;
use crate::layout::*;
use crate::peer::PeerError;
use crate::peer_faults;
use crate::qemu::Qemu;
use crate::ringer::Ringer;
use crate::sequence::Sequence;
use ringer_casegen::rng::Rng;
use ringer_casegen::values;
use ringer_machine::Engine;
use std::collections::BTreeMap;
use std::time::Instant;

pub mod jobs;
mod judge;
mod retry;

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
    /// Differences from the peer that were not there when the case ran alone in fresh machines: the
    /// peer, or the runner on it, carried something over from the cases before.
    pub settled_alone: u64,
    /// Reports of differences that nothing explains.
    pub failures: Vec<Failure>,
    /// Guest instructions that ran as host code in bt, and that were interpreted there.
    pub bt: (u64, u64),
    /// Seconds spent in: making cases, bt, interp, waiting for the peer, comparing.
    pub seconds: [f64; 5],
}

impl Summary {
    /// Notes a difference, and tells of it at once: a run can take an hour.
    fn report(&mut self, failure: Failure) {
        println!("{}", failure.text);
        self.failures.push(failure);
    }
}

/// The list of the peer's known faults: name and reason.
pub fn known_faults() -> impl Iterator<Item = (&'static str, &'static str)> {
    peer_faults::faults().map(|f| (f.name, f.reason))
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
    /// The same by the inline TLB, for every second batch.
    inline: Bench,
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
            inline: Bench::new(Box::new(Ringer::by_inline_tlb()?)),
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
        let counts = |m: &Self| {
            let both = [&m.bt, &m.inline].map(|bt| bt.machine.instructions().unwrap_or_default());
            (both[0].0 + both[1].0, both[0].1 + both[1].1)
        };
        let before = counts(self);
        let end = plan.first + plan.cases;
        let mut at = plan.first;
        while at < end && summary.failures.len() < plan.reports {
            // A batch keeps to one template.
            let same = TEMPLATE_CASES - at % TEMPLATE_CASES;
            let n = (end - at).min(plan.batch as u64).min(same);
            self.batch(plan, at..at + n, &mut summary)?;
            std::mem::swap(&mut self.bt, &mut self.inline);
            at += n;
            summary.cases += n;
        }
        let after = counts(self);
        summary.bt = (after.0 - before.0, after.1 - before.1);
        Ok(summary)
    }

    fn batch(
        &mut self,
        plan: &Plan,
        numbers: std::ops::Range<u64>,
        summary: &mut Summary,
    ) -> Result<(), PeerError> {
        let making = Instant::now();
        let template = template(plan.seed, numbers.start);
        let list: Vec<Sequence> =
            numbers.clone().map(|n| sequence(&mut self.forms, plan.seed, n)).collect();
        let reach: Vec<Option<&str>> = list.iter().map(peer_faults::out_of_reach).collect();
        let batch = Batch::new(list.iter().map(|s| (&s.case, true)), template.clone());
        let runs = list.iter().zip(&reach).map(|(s, r)| (&s.case, r.is_none()));
        let theirs = Batch::new(runs, template);
        summary.seconds[0] += making.elapsed().as_secs_f64();
        self.run_batch(&batch, &theirs, &mut summary.seconds)?;
        let judging = Instant::now();
        for (k, seq) in list.iter().enumerate() {
            let number = numbers.start + k as u64;
            if let Some(found) = self.judge(seq, k, number, reach[k], summary) {
                self.retry(plan.seed, seq, k, found, summary)?;
            }
        }
        self.bt.tidy()?;
        self.interp.tidy()?;
        if let Some(peer) = &mut self.peer {
            peer.tidy()?;
        }
        summary.seconds[4] += judging.elapsed().as_secs_f64();
        Ok(())
    }

    /// Gives the engines `batch` and the peer `theirs`, and waits for all. Adds to `seconds` (of
    /// [`Summary`]).
    fn run_batch(
        &mut self,
        batch: &Batch,
        theirs: &Batch,
        seconds: &mut [f64; 5],
    ) -> Result<(), PeerError> {
        let mut clock = Instant::now();
        let mut lap = |what: usize| {
            seconds[what] += clock.elapsed().as_secs_f64();
            clock = Instant::now();
        };
        if let Some(peer) = &mut self.peer {
            peer.begin(theirs)?;
        }
        self.bt.begin(batch)?;
        self.bt.finish(batch)?;
        lap(1);
        self.interp.begin(batch)?;
        self.interp.finish(batch)?;
        lap(2);
        if let Some(peer) = &mut self.peer {
            peer.finish(theirs)?;
        }
        lap(3);
        Ok(())
    }
}

/// The data pages of case `number` at its start.
fn template(seed: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::of_case(!seed, number / TEMPLATE_CASES);
    let mut bytes = vec![0; DATA_LEN];
    values::memory(&mut rng, &mut bytes);
    bytes
}
