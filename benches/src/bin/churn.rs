//! Churn: page faults, processes and pipes in guests of several memory sizes and kernels, in Ringer and in QEMU TCG, in turn.
//!
//! `cargo run --release -p ringer-benches --bin churn -- --memory 512,1024 --kernel 686,686-pae --rounds 3`

use clap::Parser;
use ringer_benches::grid::{Kernel, Plan, Setting};
use ringer_benches::guest::{release_dir, root};
use ringer_benches::operations::{CHURN, LONGER, Operation};
use ringer_benches::sides::AnyError;
use ringer_benches::tree;
use std::path::PathBuf;
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
    /// Longer ones, too: a configure script, a make with tcc, a sort of a quarter of memory.
    #[arg(long)]
    all: bool,
    /// How many guests run at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    guests: u8,
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

fn operations(all: bool, only: &[String]) -> Result<Vec<Operation>, AnyError> {
    let name = |o: &Operation| o.workload.name;
    let known = || CHURN.iter().chain(LONGER);
    if let Some(unknown) = only.iter().find(|n| known().all(|o| name(o) != **n)) {
        let known: Vec<&str> = known().map(name).collect();
        return Err(
            format!("no operation is called {unknown}; there are {}", known.join(", ")).into()
        );
    }
    if only.is_empty() {
        return Ok(CHURN.iter().chain(if all { LONGER } else { &[] }).copied().collect());
    }
    Ok(known().filter(|o| only.iter().any(|n| n == name(o))).copied().collect())
}

/// The initial RAM disk that has `operations`: the smaller one if that will do.
fn image(operations: &[Operation]) -> Result<PathBuf, AnyError> {
    let longer = |o: &Operation| LONGER.iter().any(|l| l.workload.name == o.workload.name);
    let workloads = CHURN.iter().chain(LONGER).map(|o| &o.workload);
    if operations.iter().any(longer) {
        tree::prepare_sizes(workloads)
    } else {
        tree::prepare_small(workloads)
    }
}

fn run(options: Options) -> Result<(), AnyError> {
    let operations = operations(options.all, &options.only)?;
    options.kernel.iter().try_for_each(|kernel| kernel.fetch())?;
    let settings = options.kernel.iter().flat_map(|&kernel| {
        options.memory.iter().map(move |&memory| Setting {
            kernel,
            memory,
            guests: options.guests.into(),
        })
    });
    let plan = Plan {
        rounds: options.rounds,
        settings: settings.collect(),
        image: image(&operations)?,
        operations,
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
