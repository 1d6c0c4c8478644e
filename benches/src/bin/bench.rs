//! The bench: the same i386 programs natively, in Ringer and in QEMU TCG, in turn; `scripts/bench.sh` runs it.

use clap::Parser;
use ringer_benches::against::Comparison;
use ringer_benches::guest::{Guest, root};
use ringer_benches::report::{Report, Rounds};
use ringer_benches::sides::{AnyError, machine, native, script, tree};
use ringer_benches::workloads::{WORKLOADS, Workload};
use ringer_benches::{inputs, plot};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

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
    /// Another build of Ringer, instead of the host and QEMU: the two run in turn.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
}

/// Makes the inputs and packs the tree as `/b` behind the Debian guest's initrd. The kernel unpacks several archives one after
/// the other, compressed or not; uncompressed it has less to do.
fn prepare() -> Result<(), AnyError> {
    let bench = root().join("guests/bench");
    if !Command::new("sh").arg(root().join("benches/guest/build.sh")).status()?.success() {
        return Err("benches/guest/build.sh failed".into());
    }
    inputs::write(&tree().join("data"))?;
    std::fs::write(tree().join("run.sh"), script())?;
    let overlay = bench.join("overlay");
    let _ = std::fs::remove_dir_all(&overlay);
    std::fs::create_dir_all(&overlay)?;
    let copied = Command::new("cp").arg("-a").arg(tree()).arg(overlay.join("b")).status()?;
    let mut initrd = File::create(bench.join("initrd.img"))?;
    std::io::copy(&mut File::open(&Guest::debian().initrd)?, &mut initrd)?;
    let length = initrd.metadata()?.len();
    initrd.set_len(length.next_multiple_of(4))?;
    std::io::Seek::seek(&mut initrd, std::io::SeekFrom::End(0))?;
    let mut pack = Command::new("sh");
    pack.arg(root().join("scripts/pack-initramfs.sh")).arg(&overlay).stdout(Stdio::from(initrd));
    if !copied.success() || !pack.status()?.success() {
        return Err("the initramfs could not be packed".into());
    }
    std::fs::remove_dir_all(&overlay)?;
    Ok(())
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
    prepare()?;
    let count = if options.quick { 1 } else { options.rounds };
    if let Some(other) = &options.against {
        compare(other, count, &wanted)?;
        return Ok(None);
    }
    let mut rounds = Rounds::default();
    for round in 1..=count {
        println!("round {round} of {count}");
        rounds.native.push(native(&wanted)?);
        rounds.ringer.push(machine(|g| g.ringer("bt", "run"), &wanted)?);
        rounds.tcg.push(machine(Guest::qemu, &wanted)?);
    }
    let report = Report::of(&rounds, &wanted)?;
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
fn compare(other: &Path, count: u32, wanted: &[&Workload]) -> Result<(), AnyError> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=count {
        println!("round {round} of {count}");
        for ours_next in [round % 2 == 1, round % 2 == 0] {
            if ours_next {
                ours.push(machine(|g| g.ringer("bt", "run"), wanted)?);
            } else {
                theirs.push(machine(|g| g.build_of_ringer(other, "bt", "run"), wanted)?);
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
