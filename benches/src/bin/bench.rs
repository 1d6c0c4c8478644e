//! The bench: the same i386 programs natively, in Ringer and in QEMU TCG, in turn; `scripts/bench.sh` runs it.

use clap::Parser;
use ringer_benches::against::Comparison;
use ringer_benches::grid::{Kernel, Setting};
use ringer_benches::guest::{Guest, root};
use ringer_benches::report::{Report, Rounds};
use ringer_benches::sides::{AnyError, machine, native};
use ringer_benches::workloads::{WORKLOADS, Workload};
use ringer_benches::{plot, tree};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The status when a bound was not reached.
const SHORT: u8 = 1;
/// The status when the bench could not be run (clap's for a wrong option, too).
const FAILED: u8 = 2;
/// What `--quick` runs.
const QUICK: &[&str] = &["gzip", "recursion", "getpid"];

/// The same i386 programs natively, in Ringer and in QEMU TCG, in turn: medians, ratios, memory.
#[derive(Debug, Parser)]
struct Options {
    /// How many rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only the workloads of these names.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// One round of three small workloads: whether the bench works.
    #[arg(long)]
    quick: bool,
    /// The guest's memory, in MiB.
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u32).range(512..=3072))]
    memory: u32,
    /// Its kernel, Debian's.
    #[arg(long, default_value = "686")]
    kernel: Kernel,
    /// Another build of Ringer, instead of the host and QEMU: the two run in turn.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
}

fn wanted(options: &Options) -> Result<Vec<&'static Workload>, AnyError> {
    let mut names: Vec<&str> = options.only.iter().map(String::as_str).collect();
    if options.quick && names.is_empty() {
        names = QUICK.to_vec();
    }
    if let Some(unknown) = names.iter().find(|n| WORKLOADS.iter().all(|w| w.name != **n)) {
        let known: Vec<&str> = WORKLOADS.iter().map(|w| w.name).collect();
        return Err(
            format!("no workload is called {unknown}; there are {}", known.join(", ")).into()
        );
    }
    Ok(WORKLOADS.iter().filter(|w| names.is_empty() || names.contains(&w.name)).collect())
}

/// Whether the bounds held, where that can be said.
fn run(options: &Options) -> Result<Option<bool>, AnyError> {
    let wanted = wanted(options)?;
    options.kernel.fetch()?;
    let setting = Setting { kernel: options.kernel, memory: options.memory, guests: 1 };
    let guest = setting.guest(&tree::prepare_whole()?);
    let count = if options.quick { 1 } else { options.rounds };
    if let Some(other) = &options.against {
        compare(other, count, &guest, &wanted)?;
        return Ok(None);
    }
    let mut rounds = Rounds::default();
    for round in 1..=count {
        println!("round {round} of {count}");
        rounds.native.push(native(&tree::whole(), &wanted)?);
        rounds.ringer.push(machine(|g| g.ringer("bt", "run"), &guest, &wanted)?);
        rounds.tcg.push(machine(Guest::qemu, &guest, &wanted)?);
    }
    let report = Report::of(&rounds, setting.memory, options.kernel.name(), &wanted)?;
    print!("{}", report.table());
    let out = root().join("target/bench");
    std::fs::create_dir_all(&out)?;
    std::fs::write(out.join("bench.csv"), report.csv())?;
    std::fs::write(out.join("bench.json"), serde_json::to_string_pretty(&report)?)?;
    std::fs::write(out.join("bench.svg"), plot::svg(&report))?;
    println!("written: {}/bench.{{csv,json,svg}}", out.display());
    Ok(report.held())
}

/// This build and the `other` in turn.
fn compare(other: &Path, count: u32, guest: &Guest, wanted: &[&Workload]) -> Result<(), AnyError> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=count {
        println!("round {round} of {count}");
        for ours_next in [round % 2 == 1, round % 2 == 0] {
            if ours_next {
                ours.push(machine(|g| g.ringer("bt", "run"), guest, wanted)?);
            } else {
                theirs.push(machine(|g| g.build_of_ringer(other, "bt", "run"), guest, wanted)?);
            }
        }
    }
    print!("{}", Comparison::of(&ours, &theirs, wanted)?.table());
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(None | Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::from(SHORT),
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::from(FAILED)
        }
    }
}
