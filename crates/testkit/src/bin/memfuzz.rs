//! `memfuzz`: random guests that take host memory, against the bound that README states.

use clap::Parser;
use ringer_testkit::resources::{Trial, trial};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Runs random guests that take host memory in every way known, each in a process of its own, and holds what that
/// process holds (resident set, page tables, mappings) against the bound that README states. Exit status: 0 all held, 1
/// one did not, or a guest ended Ringer, 2 they could not be run.
#[derive(Debug, Parser)]
struct Args {
    /// Minutes to go on for
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The first guest's seed; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Guests, at most
    #[arg(long, default_value_t = u64::MAX)]
    guests: u64,
    /// Seconds for each guest
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Guests at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The command to try (default: the ringer beside this program)
    #[arg(long)]
    ringer: Option<PathBuf>,
    /// Tell of every guest, not only of those that come further than all before
    #[arg(long)]
    all: bool,
}

/// What is known so far.
#[derive(Debug, Default)]
struct Found {
    guests: u64,
    highest: f64,
    wrong: u64,
    error: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(found) => {
            let _ = writeln!(
                io::stdout(),
                "{} guests, the most held was {:.1} % of the bound, {} wrong",
                found.guests,
                100.0 * found.highest,
                found.wrong
            );
            ExitCode::from(u8::from(found.wrong > 0))
        }
        Err(e) => {
            let _ = writeln!(io::stderr(), "memfuzz: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<Found, Box<dyn std::error::Error>> {
    let beside = std::env::current_exe()?.with_file_name("ringer");
    let program = args.ringer.clone().unwrap_or(beside);
    let dir = tempfile::tempdir()?;
    let next = AtomicU64::new(args.seed);
    let end = Instant::now() + Duration::try_from_secs_f64(60.0 * args.minutes)?;
    let time = Duration::try_from_secs_f64(args.seconds)?;
    let found = Mutex::new(Found::default());
    let work = || {
        while Instant::now() < end {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - args.seed >= args.guests {
                return;
            }
            let trial = trial(&program, seed, time, dir.path());
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match trial {
                Ok(trial) => found.take(&trial, args.all),
                Err(e) => return found.error = Some(e.to_string()),
            }
        }
    };
    std::thread::scope(|scope| (0..args.jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    match found.error.take() {
        Some(error) => Err(error.into()),
        None => Ok(found),
    }
}

impl Found {
    fn take(&mut self, trial: &Trial, all: bool) {
        self.guests += 1;
        let wrong = trial.wrong();
        if all || wrong.is_some() || trial.score() > self.highest {
            let _ = writeln!(
                io::stdout(),
                "{trial}{}",
                wrong.as_ref().map_or(String::new(), |what| format!(": WRONG, {what}"))
            );
        }
        self.highest = self.highest.max(trial.score());
        self.wrong += u64::from(wrong.is_some());
    }
}
