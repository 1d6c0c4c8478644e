//! `hostcheck`: random user-level instructions on the host's processor, in the interpreter
//! and as translated code.

use clap::Parser;
use ringer_cpu::CpuModel;
use ringer_native::{Check, CheckError, Options, Summary, check, excuse, long, prepare};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

/// Compares both engines with the host's processor.
#[derive(Debug, Parser)]
struct Args {
    /// How many cases (rounded up to whole slots).
    #[arg(long, default_value_t = 1_000_000)]
    cases: u64,
    /// The seed of everything.
    #[arg(long, default_value_t = 0x5eed_2026)]
    seed: u64,
    /// 16-bit code (in a segment with a base), 32-bit, or 64-bit: that single-stepped, in the interpreter alone; of the other options
    /// only --cases, --seed, --first, --row, --most and --coverage count, and the model is --cpu host.
    #[arg(long, default_value_t = 32, value_parser = bits)]
    bits: u32,
    /// Instructions of a case: from one up to this many, in one block.
    #[arg(long, default_value_t = 1)]
    length: u32,
    /// Do without the pages under 64 KiB, as on hosts whose vm.mmap_min_addr forbids them.
    #[arg(long)]
    no_low_pages: bool,
    /// Only this row, by its name in iced-x86 (see --list).
    #[arg(long)]
    row: Option<String>,
    /// Only this slot, as a report names it.
    #[arg(long)]
    slot: Option<u64>,
    /// Start at this slot.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Worker threads, each with a helper process of its own.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// The processor model whose instructions are run.
    #[arg(long, default_value = "pentium4")]
    cpu: CpuModel,
    /// Stop after so many differences.
    #[arg(long, default_value_t = 10)]
    most: usize,
    /// Print the rows, and what is left out and why.
    #[arg(long)]
    list: bool,
    /// Print the cases of every row at the end.
    #[arg(long)]
    coverage: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        list(args.cpu);
        return ExitCode::SUCCESS;
    }
    let ran = if args.bits == 64 { run_64(&args) } else { run(&args) };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(4),
        Err(e) => {
            eprintln!("hostcheck: {e}");
            ExitCode::from(2)
        }
    }
}

fn list(cpu: CpuModel) {
    let rows = prepare::native_rows(cpu, 32);
    println!("{} rows run natively:", rows.len());
    for row in rows {
        println!("  {:?}", row.code);
    }
    println!("left out:");
    for (forms, why) in excuse::LEFT_OUT {
        println!("  {forms}: {why}");
    }
    for (class, why) in excuse::CLASSES_LEFT_OUT {
        println!("  class {class:?}: {why}");
    }
    println!("excused:");
    for excuse in excuse::EXCUSES {
        println!("  {}: {}", excuse.name, excuse.why);
    }
    println!("excused in 64-bit code:");
    for excuse in long::excuse::EXCUSES {
        println!("  {}: {}", excuse.name, excuse.why);
    }
}

fn bits(text: &str) -> Result<u32, String> {
    match text {
        "16" => Ok(16),
        "32" => Ok(32),
        "64" => Ok(64),
        _ => Err("16, 32 or 64".to_owned()),
    }
}

fn run_64(args: &Args) -> Result<bool, CheckError> {
    println!("hostcheck: seed {}, 64 bits, cases {} on", args.seed, args.first);
    let started = Instant::now();
    let check = long::check::Check::new(args.seed, args.row.as_deref())?;
    let rows = check.rows().to_vec();
    let summary = check.run(args.first, args.first + args.cases, args.most)?;
    for difference in &summary.differences {
        println!("\ndifference: {difference}");
    }
    println!(
        "\n{} cases of {} rows in {:.1} s: {} ended in an exception, {} differ in undefined flags only, {} excused, {} differences",
        summary.cases,
        rows.len(),
        started.elapsed().as_secs_f64(),
        summary.faults,
        summary.undefined_only,
        summary.excused.values().sum::<u64>(),
        summary.differences.len()
    );
    for (name, count) in &summary.excused {
        println!("  {count:>9} excused: {name}");
    }
    for (row, cases) in rows.iter().zip(&summary.by_row).filter(|_| args.coverage) {
        println!("  {cases:>9} {:?}", row.code);
    }
    Ok(summary.differences.is_empty())
}

fn run(args: &Args) -> Result<bool, CheckError> {
    let slots = args.cases.div_ceil(u64::from(check::STATES));
    let (first, end) = match args.slot {
        Some(slot) => (slot, slot + 1),
        None => (args.first, args.first + slots),
    };
    let threads = args.threads.clamp(1, end - first);
    println!("hostcheck: seed {}, slots {first} to {end}, {threads} threads", args.seed);
    let started = Instant::now();
    let share = (end - first).div_ceil(threads);
    let work = |t: u64| {
        let options = Options {
            model: args.cpu,
            seed: args.seed,
            first: first + t * share,
            end: (first + (t + 1) * share).min(end),
            bits: args.bits,
            length: args.length,
            low: !args.no_low_pages,
            row: args.row.clone(),
            most: args.most,
        };
        let check = Check::new(options)?;
        let rows = check.rows().to_vec();
        let mut shown = Instant::now();
        let summary = check.run(|cases| {
            if t == 0 && shown.elapsed().as_secs() >= 5 {
                shown = Instant::now();
                let rate = cases as f64 / started.elapsed().as_secs_f64() / 1e6;
                eprint!("\r{cases} cases in thread 0, {rate:.2} million a second ");
                let _ = std::io::stderr().flush();
            }
            true
        })?;
        Ok((rows, summary))
    };
    let results: Vec<Result<_, CheckError>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|t| scope.spawn(move || work(t))).collect();
        handles.into_iter().map(|h| h.join().expect("a worker does not panic")).collect()
    });
    let mut total = Summary::default();
    let mut rows = Vec::new();
    for result in results {
        let (of_thread, summary) = result?;
        rows = of_thread;
        total.merge(summary);
    }
    report(args, &rows, &total, started.elapsed().as_secs_f64());
    let whole = end - first >= rows.len() as u64;
    let missed = whole && total.by_row.contains(&0);
    Ok(total.differences.is_empty() && !missed)
}

fn report(args: &Args, rows: &[ringer_casegen::Row], total: &Summary, seconds: f64) {
    for difference in &total.differences {
        println!("\ndifference: {difference}");
    }
    let least = total.by_row.iter().min().copied().unwrap_or(0);
    println!(
        "\n{} cases in {seconds:.1} s: {} translated, {} ended in an exception, {} differ in \
         undefined flags only, {} excused, {} differences",
        total.cases,
        total.translated,
        total.faults,
        total.undefined_only,
        total.excused.values().sum::<u64>(),
        total.differences.len()
    );
    for (name, count) in &total.excused {
        println!("  {count:>9} excused: {name}");
    }
    println!("{} rows, at least {least} cases each", rows.len());
    for (row, cases) in rows.iter().zip(&total.by_row) {
        if args.coverage || *cases == 0 {
            println!("  {cases:>9} {:?}", row.code);
        }
    }
}
