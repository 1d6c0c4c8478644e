//! Runs whole machines of random code under Ringer's engines and compares what is left of them.

use clap::Parser;
use ringer_difftest::machines::{Mode, Plan, Summary, UnknownMode, jobs};
use std::process::ExitCode;

/// Runs machines of random code under the translator and the interpreter, each to a random instruction, and compares
/// registers, memory, devices and counts.
#[derive(Debug, Parser)]
#[command(name = "machines")]
struct Args {
    /// Machines of each mode.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Seed; with a machine's mode and number it gives the machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first machine.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only this machine.
    #[arg(long, value_name = "NUMBER")]
    only: Option<u64>,
    /// Only this mode: real, protected or smap.
    #[arg(long)]
    mode: Option<String>,
    /// Every so many-th machine runs in lockstep too; 0: none.
    #[arg(long, value_name = "N", default_value_t = 8)]
    lockstep_every: u64,
    /// Threads, each with machines of its own.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Failures reported before the run ends.
    #[arg(long, default_value_t = 5)]
    reports: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let plan = match plan(&args) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("machines: {error}");
            return ExitCode::from(2);
        }
    };
    let summary = jobs::run(&plan, args.jobs, true);
    print(&plan, &summary);
    if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn plan(args: &Args) -> Result<Plan, UnknownMode> {
    let modes = match &args.mode {
        Some(mode) => vec![mode.parse()?],
        None => Mode::ALL.to_vec(),
    };
    Ok(Plan {
        modes,
        seed: args.seed,
        first: args.only.unwrap_or(args.first),
        count: if args.only.is_some() { 1 } else { args.count },
        lockstep_every: if args.only.is_some() { 1 } else { args.lockstep_every },
        reports: args.reports.max(1),
    })
}

fn print(plan: &Plan, s: &Summary) {
    for failure in &s.failures {
        println!("seed {}, {failure}", plan.seed);
    }
    let share = 100.0 * s.translated as f64 / s.instructions.max(1) as f64;
    println!(
        "seed {}: {} machines ({} in lockstep too), {} instructions, {share:.1} % of them as host code under bt, {} departures, \
         {} failures",
        plan.seed,
        s.machines,
        s.lockstep,
        s.instructions,
        s.departures,
        s.failures.len()
    );
    println!("  ends: {:?}", s.ends);
}
