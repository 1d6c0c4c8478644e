//! `hwtest`: single-instruction tests captured on hardware, on the interpreter and as translated code.

use clap::Parser;
use ringer_cpu::CpuModel;
use ringer_input::OneLine;
use ringer_testkit::hw::{self, Engines, Options, report::Suite, setting::RunMode};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs single-instruction tests captured on hardware (MOO files), on the interpreter and as
/// translated code, and prints the pass rate by opcode. Exit status: 0 all passed, 1 some failed, 2
/// they could not be run.
#[derive(Debug, Parser)]
struct Args {
    /// Folder of *.MOO or *.MOO.gz files
    #[arg(long)]
    dir: PathBuf,
    /// interp, bt or both
    #[arg(long, default_value = "both")]
    engine: Engines,
    /// Only these opcodes, as the files are named (F7.6)
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Write the verdicts as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Processor model: 486, pentium, pentium3, pentium4 or max
    #[arg(long, default_value = "pentium4")]
    cpu: CpuModel,
    /// real, v86 or protected: the mode to run in; the captures are of real mode, and cases that end
    /// otherwise in another are left out
    #[arg(long, default_value = "real")]
    mode: RunMode,
    /// Of each file only every so many-th case
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Threads (default: one a processor)
    #[arg(long)]
    jobs: Option<usize>,
    /// Failures told for each opcode and engine
    #[arg(long, default_value_t = 3)]
    lines: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("hwtest: {}", OneLine(e));
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<bool, Box<dyn std::error::Error>> {
    let suite = hw::run(&Options {
        dir: args.dir.clone(),
        engines: args.engine,
        only: args.only.clone(),
        model: args.cpu,
        mode: args.mode,
        every: args.every,
        jobs: args.jobs,
    })?;
    let mut out = std::io::stdout().lock();
    suite.write(&mut out, args.lines)?;
    out.flush()?;
    if let Some(path) = &args.json {
        write_json(path, &suite)?;
    }
    Ok(suite.total().failures() == 0)
}

fn write_json(path: &PathBuf, suite: &Suite) -> Result<(), Box<dyn std::error::Error>> {
    let text = serde_json::to_vec_pretty(suite)?;
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()).into())
}
