//! A long run: its cases in chunks, taken by several threads, each with machines of its own.

use super::{Machines, Plan, Summary, TEMPLATE_CASES};
use crate::peer::PeerError;
use std::sync::Mutex;
use std::time::Instant;

/// What the threads share.
struct Board {
    next: u64,
    sum: Summary,
    started: Instant,
}

/// Carries out `plan` with `jobs` threads (at least one), and tells how far it is on standard error.
///
/// # Errors
/// When a machine cannot be started or reached; the run ends then.
pub fn run(plan: &Plan, jobs: usize) -> Result<Summary, PeerError> {
    let board = Board { next: plan.first, sum: Summary::default(), started: Instant::now() };
    let board = Mutex::new(board);
    std::thread::scope(|scope| {
        let work = || (0..jobs.max(1)).map(|_| scope.spawn(|| chunks(plan, &board)));
        let threads: Vec<_> = work().collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
    })?;
    let board = board.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(board.sum)
}

fn chunks(plan: &Plan, board: &Mutex<Board>) -> Result<(), PeerError> {
    let lock = || board.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut machines = Machines::new(plan.peer)?;
    let end = plan.first + plan.cases;
    loop {
        let chunk = {
            let mut b = lock();
            let reports = plan.reports.saturating_sub(b.sum.failures.len());
            if b.next >= end || reports == 0 {
                return Ok(());
            }
            // The cases that share one template of the data pages.
            let first = b.next;
            b.next = (first - first % TEMPLATE_CASES + TEMPLATE_CASES).min(end);
            Plan { first, cases: b.next - first, reports, ..plan.clone() }
        };
        let summary = machines.run(&chunk)?;
        let mut b = lock();
        b.sum.add(summary);
        let rate = b.sum.cases as f64 / b.started.elapsed().as_secs_f64();
        eprintln!(
            "{} sequences, {rate:.0} a second, {} differences, {} settled alone",
            b.sum.cases,
            b.sum.failures.len(),
            b.sum.settled_alone
        );
    }
}

impl Summary {
    /// Adds what another part of the run found.
    fn add(&mut self, other: Self) {
        let all = [
            (&mut self.out_of_reach, other.out_of_reach),
            (&mut self.explained, other.explained),
            (&mut self.engines, other.engines),
        ];
        for (mine, theirs) in all {
            for (name, n) in theirs {
                *mine.entry(name).or_default() += n;
            }
        }
        for (vector, n) in other.vectors {
            *self.vectors.entry(vector).or_default() += n;
        }
        self.cases += other.cases;
        self.instructions += other.instructions;
        self.with_peer += other.with_peer;
        self.deaths += other.deaths;
        self.settled_alone += other.settled_alone;
        self.failures.extend(other.failures);
        self.bt = (self.bt.0 + other.bt.0, self.bt.1 + other.bt.1);
        for (mine, theirs) in self.seconds.iter_mut().zip(other.seconds) {
            *mine += theirs;
        }
    }
}
