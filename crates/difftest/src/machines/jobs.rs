//! Many machines, on several threads.

use super::twin::{self, Verdict};
use super::{Mode, Plan, Summary, make};
use ringer_machine::Engine;
use std::sync::Mutex;
use std::time::Instant;

/// Machines that a thread takes at a time.
const CHUNK: u64 = 64;
/// Chunks between two words on standard error.
const WORD: u64 = 64;

struct Board {
    next: u64,
    chunks: u64,
    sum: Summary,
}

/// Carries out `plan` with `jobs` threads (at least one); with `tell`, says how far it is on standard error.
///
/// # Panics
/// When a thread does; machines' own panics are reports.
#[must_use]
pub fn run(plan: &Plan, jobs: usize, tell: bool) -> Summary {
    let board = Mutex::new(Board { next: 0, chunks: 0, sum: Summary::default() });
    let started = Instant::now();
    std::thread::scope(|scope| {
        let work = || chunks(plan, &board, tell.then_some(started));
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    board.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).sum
}

fn chunks(plan: &Plan, board: &Mutex<Board>, tell: Option<Instant>) {
    let lock = || board.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    loop {
        let from = {
            let mut board = lock();
            if board.next >= plan.count || board.sum.failures.len() >= plan.reports {
                return;
            }
            let from = board.next;
            board.next = (from + CHUNK).min(plan.count);
            from
        };
        let mut part = Summary::default();
        for n in from..(from + CHUNK).min(plan.count) {
            for &mode in &plan.modes {
                one(plan, mode, plan.first + n, &mut part);
            }
        }
        if tell.is_some() {
            part.failures.iter().for_each(|failure| eprintln!("seed {}, {failure}", plan.seed));
        }
        let mut board = lock();
        board.sum.add(part);
        board.chunks += 1;
        if let Some(started) = tell
            && board.chunks.is_multiple_of(WORD)
        {
            let sum = &board.sum;
            let rate = sum.machines as f64 / started.elapsed().as_secs_f64();
            eprintln!(
                "{} machines, {rate:.0} a second, {} failures",
                sum.machines,
                sum.failures.len()
            );
        }
    }
}

fn one(plan: &Plan, mode: Mode, number: u64, sum: &mut Summary) {
    let world = make::world(plan.seed, mode, number);
    let lockstep = plan.lockstep_every != 0 && number.is_multiple_of(plan.lockstep_every);
    let engines = [Some(Engine::Bt), lockstep.then_some(Engine::Lockstep)];
    sum.machines += 1;
    sum.lockstep += u64::from(lockstep);
    for engine in engines.into_iter().flatten() {
        match twin::compare(&world, engine) {
            Ok(Verdict::Departure) => sum.departures += 1,
            Ok(Verdict::Alike(both)) if engine == Engine::Bt => {
                let (ours, theirs) = *both;
                *sum.ends.entry(ours.stop.name()).or_default() += 1;
                sum.instructions += ours.retired;
                sum.translated += theirs.translated;
            }
            Ok(Verdict::Alike(_)) => {}
            Err(report) => sum.failures.push(format!("{mode:?} machine {number}:\n{report}")),
        }
    }
}

impl Summary {
    fn add(&mut self, other: Self) {
        self.machines += other.machines;
        self.lockstep += other.lockstep;
        self.instructions += other.instructions;
        self.translated += other.translated;
        for (name, n) in other.ends {
            *self.ends.entry(name).or_default() += n;
        }
        self.departures += other.departures;
        self.failures.extend(other.failures);
    }
}
