//! Ringer against QEMU TCG and native, in one run on one machine: boot to the shell, and a static
//! i386 program of loops, calls, sorting, hashing and pointer chasing.
//!
//! `cargo run --release -p ringer-benches --bin side-by-side [ROUNDS]` (default 5). The three take
//! turns in each round; the table holds medians. QEMU is installed when it is missing.

use ringer_benches::guest::{Guest, PROMPT, boot, root};
use ringer_benches::stats::{geometric_mean, median};
use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Duration;

type AnyError = Box<dyn std::error::Error>;

/// Microseconds by kernel name, one entry a round.
type Times = BTreeMap<String, Vec<f64>>;

const LIMIT: Duration = Duration::from_secs(300);

/// Reads the program's lines: `name microseconds checksum`. Checksums must agree everywhere.
fn parse(
    text: &str,
    times: &mut Times,
    sums: &mut BTreeMap<String, String>,
) -> Result<(), AnyError> {
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[name, micros, sum] = words.as_slice() else { continue };
        let Ok(micros) = micros.parse::<f64>() else { continue };
        times.entry(name.to_owned()).or_default().push(micros);
        let known = sums.entry(name.to_owned()).or_insert_with(|| sum.to_owned());
        if known != sum {
            return Err(format!("{name}: checksum {sum}, elsewhere {known}").into());
        }
    }
    Ok(())
}

fn in_guest(command: &mut Command, boots: &mut Vec<f64>) -> Result<String, AnyError> {
    let (mut vm, seconds) = boot(command)?;
    boots.push(seconds);
    vm.send("/bench\n")?;
    let text = vm.wait_for(PROMPT, LIMIT)?;
    vm.send("poweroff -f\n")?;
    vm.wait_end(LIMIT)?;
    Ok(text)
}

fn native() -> Result<String, AnyError> {
    let output = Command::new(root().join("guests/bench/bench")).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn ensure_qemu() -> Result<(), AnyError> {
    if Command::new("qemu-system-i386").arg("--version").output().is_ok() {
        return Ok(());
    }
    println!("installing qemu-system-x86 …");
    let update = Command::new("apt-get").args(["update", "-qq"]).status()?;
    let install = Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends", "qemu-system-x86"])
        .status()?;
    if !update.success() || !install.success() {
        return Err("qemu-system-x86 is missing and apt-get could not install it".into());
    }
    Ok(())
}

/// Builds what is measured: this binary does not depend on it.
fn build_ringer() -> Result<(), AnyError> {
    let mut cargo = Command::new("cargo");
    let status = cargo.args(["build", "--release", "-p", "ringer"]).current_dir(root()).status()?;
    if status.success() { Ok(()) } else { Err(format!("building ringer failed: {status}").into()) }
}

fn script(path: &str) -> Result<(), AnyError> {
    let status = Command::new("sh").arg(root().join(path)).status()?;
    if status.success() { Ok(()) } else { Err(format!("{path} failed: {status}").into()) }
}

fn run(rounds: usize) -> Result<(), AnyError> {
    ensure_qemu()?;
    build_ringer()?;
    script("scripts/fetch-debian-guest.sh")?;
    script("benches/guest/build.sh")?;
    let mut guest = Guest::debian();
    guest.initrd = root().join("guests/bench/initrd.gz");
    let (mut n, mut r, mut q) = (Times::new(), Times::new(), Times::new());
    let (mut boot_r, mut boot_q) = (Vec::new(), Vec::new());
    let mut sums = BTreeMap::new();
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        parse(&native()?, &mut n, &mut sums)?;
        parse(&in_guest(&mut guest.ringer("bt", "run"), &mut boot_r)?, &mut r, &mut sums)?;
        parse(&in_guest(&mut guest.qemu(), &mut boot_q)?, &mut q, &mut sums)?;
    }
    table(&n, &r, &q, &boot_r, &boot_q)
}

fn table(n: &Times, r: &Times, q: &Times, boot_r: &[f64], boot_q: &[f64]) -> Result<(), AnyError> {
    let (br, bq) = (median(boot_r), median(boot_q));
    println!("boot to shell: Ringer {br:.2} s, QEMU TCG {bq:.2} s: {:.2}x TCG's time", br / bq);
    println!(
        "{:<12} {:>12} {:>12} {:>12} {:>9} {:>9}",
        "", "native us", "ringer us", "tcg us", "r/native", "r/tcg"
    );
    let (mut to_native, mut to_tcg) = (Vec::new(), Vec::new());
    for (name, native) in n {
        let (Some(ringer), Some(qemu)) = (r.get(name), q.get(name)) else {
            return Err(format!("kernel {name} did not run everywhere").into());
        };
        let (a, b, c) = (median(native), median(ringer), median(qemu));
        to_native.push(b / a);
        to_tcg.push(b / c);
        println!("{name:<12} {a:>12.0} {b:>12.0} {c:>12.0} {:>9.2} {:>9.2}", b / a, b / c);
    }
    let (gn, gt) = (geometric_mean(&to_native), geometric_mean(&to_tcg));
    println!("{:<12} {:>12} {:>12} {:>12} {gn:>9.2} {gt:>9.2}", "geo. mean", "", "", "");
    Ok(())
}

fn main() -> ExitCode {
    let rounds = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(5);
    match run(rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("side-by-side: {e}");
            ExitCode::FAILURE
        }
    }
}
