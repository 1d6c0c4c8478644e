//! The command `ringer-difftest`.

use clap::Parser;
use ringer_difftest::Qemu;
use ringer_difftest::run::{Plan, Summary, jobs, known_faults};
use std::process::ExitCode;

/// Runs random sequences of instructions in Ringer's engines and in QEMU, and compares everything.
#[derive(Debug, Parser)]
struct Args {
    /// Number of sequences.
    #[arg(long, default_value_t = 100_000)]
    cases: u64,
    /// Seed; the same seed gives the same sequences.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first sequence.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only this sequence.
    #[arg(long, value_name = "NUMBER")]
    only: Option<u64>,
    /// Sequences in a batch, at most 2048.
    #[arg(long, default_value_t = 2048)]
    batch: usize,
    /// Threads, each with machines of its own.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Compare Ringer's engines alone.
    #[arg(long)]
    no_peer: bool,
    /// Plant so many random faults in the translator, one after the other, and tell how soon each is
    /// found (100,000 sequences at most).
    #[cfg(feature = "planted-fault")]
    #[arg(long, value_name = "N")]
    planted: Option<u64>,
    /// List the peer's known faults, and why the manual is on our side, and run nothing.
    #[arg(long)]
    faults: bool,
    /// Differences reported before the run ends.
    #[arg(long, default_value_t = 5)]
    reports: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("ringer-difftest: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<bool, ringer_difftest::PeerError> {
    if args.faults {
        for (name, reason) in known_faults() {
            println!("{name}\n    {reason}");
        }
        return Ok(true);
    }
    #[cfg(feature = "planted-fault")]
    if let Some(n) = args.planted {
        return hunt(n, args.seed);
    }
    let plan = Plan {
        seed: args.seed,
        first: args.only.unwrap_or(args.first),
        cases: if args.only.is_some() { 1 } else { args.cases },
        batch: args.batch.clamp(1, 2048),
        peer: !args.no_peer,
        reports: args.reports.max(1),
    };
    println!("seed {}, {} sequences from number {}", plan.seed, plan.cases, plan.first);
    if plan.peer {
        println!("peer: {}", Qemu::version());
    }
    let summary = jobs::run(&plan, args.jobs)?;
    print(&summary);
    Ok(summary.failures.is_empty())
}

/// Plants `n` faults; true when all were found.
#[cfg(feature = "planted-fault")]
fn hunt(n: u64, seed: u64) -> Result<bool, ringer_difftest::PeerError> {
    let mut all = true;
    for k in 0..n {
        let hunt = ringer_difftest::planted::hunt(seed.wrapping_add(k), 100_000)?;
        let found = match hunt.found {
            Some(after) => format!("found by sequence {after}"),
            None => "NOT FOUND".to_owned(),
        };
        println!("seed {}: {:?} in {}: {found}", seed.wrapping_add(k), hunt.fault.kind, hunt.row);
        all &= hunt.found.is_some();
    }
    Ok(all)
}

fn print(s: &Summary) {
    println!(
        "{} sequences, {} instructions, {} differences",
        s.cases,
        s.instructions,
        s.failures.len()
    );
    println!("  {} with the peer", s.with_peer);
    for (why, n) in &s.out_of_reach {
        println!("  {n} without it: {why}");
    }
    for (name, n) in &s.explained {
        println!("  {n} explained by a known fault of the peer: {name}");
    }
    println!(
        "  {} settled alone: only the peer's result depended on the cases before",
        s.settled_alone
    );
    for (name, n) in &s.engines {
        println!("  {n} differ between the engines as documented: {name}");
    }
    let (host, interpreted) = s.bt;
    let share = 100.0 * host as f64 / (host + interpreted).max(1) as f64;
    println!("  bt: {share:.1} % of {} instructions as host code", host + interpreted);
    println!("  ended by vector: {:?}; stopped: {}", s.vectors, s.deaths);
    let [make, bt, interp, wait, compare] = s.seconds;
    println!(
        "  seconds: {make:.1} making, {bt:.1} bt, {interp:.1} interp, {wait:.1} waiting for the peer, \
         {compare:.1} comparing"
    );
}
