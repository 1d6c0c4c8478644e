//! Churn: page faults, processes and pipes in guests of several memory sizes and kernels, in Ringer and in QEMU TCG, in turn.
//!
//! `cargo run --release -p ringer-benches --bin churn -- --memory 512,1024 --kernel 686,686-pae --rounds 3`

use clap::Parser;
use ringer_benches::grid::{CHURN, Kernel, Operation, Plan, Setting};
use ringer_benches::guest::{release_dir, root};
use ringer_benches::sides::AnyError;
use ringer_benches::tree;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The guest kernel's work by memory size and kernel: milliseconds for each operation, medians, ratios.
#[derive(Debug, Parser)]
struct Options {
    /// Guest memory, in MiB.
    #[arg(long, value_delimiter = ',', default_values_t = [512, 1024], value_parser = clap::value_parser!(u32).range(64..=3072))]
    memory: Vec<u32>,
    /// Debian's kernels.
    #[arg(long, value_delimiter = ',', default_value = "686")]
    kernel: Vec<Kernel>,
    /// How many rounds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only the operations of these names.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The build of Ringer that is measured (without it the one in the target folder).
    #[arg(long, value_name = "BINARY")]
    ringer: Option<PathBuf>,
    /// Another build of Ringer, instead of QEMU TCG.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// More options for the build that is measured.
    #[arg(last = true)]
    options: Vec<String>,
}

fn operations(only: &[String]) -> Result<Vec<Operation>, AnyError> {
    let name = |o: &Operation| o.workload.name;
    if let Some(unknown) = only.iter().find(|n| CHURN.iter().all(|o| name(o) != **n)) {
        let known: Vec<&str> = CHURN.iter().map(name).collect();
        return Err(
            format!("no operation is called {unknown}; there are {}", known.join(", ")).into()
        );
    }
    let wanted = |o: &&Operation| only.is_empty() || only.iter().any(|n| n == name(o));
    Ok(CHURN.iter().filter(wanted).copied().collect())
}

fn run(options: Options) -> Result<(), AnyError> {
    let operations = operations(&options.only)?;
    tree::shell("scripts/fetch-debian-guest.sh", &[])?;
    if options.kernel.contains(&Kernel::Pae) {
        tree::shell("scripts/fetch-debian-guest.sh", &[Path::new("686-pae")])?;
    }
    let settings = options
        .kernel
        .iter()
        .flat_map(|&kernel| options.memory.iter().map(move |&memory| Setting { kernel, memory }));
    let plan = Plan {
        rounds: options.rounds,
        settings: settings.collect(),
        operations,
        image: tree::prepare_small(CHURN.iter().map(|o| &o.workload))?,
        ringer: options.ringer.unwrap_or_else(|| release_dir().join("ringer")),
        against: options.against,
        options: options.options,
    };
    let grid = plan.run()?;
    print!("{}", grid.table());
    if let Some(file) = options.json {
        std::fs::write(root().join(file), serde_json::to_string_pretty(&grid)?)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("churn: {e}");
            ExitCode::from(2)
        }
    }
}
