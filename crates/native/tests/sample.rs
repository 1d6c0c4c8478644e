//! A sample of what `hostcheck` runs: one case in a hundred of the long run of 100 million, with
//! every row. `RINGER_SEED` and `RINGER_CASES` repeat or lengthen it.

use ringer_cpu::CpuModel;
use ringer_native::{Check, CheckError, NativeError, Options, check};

const CASES: u64 = 1_000_000;

#[test]
fn both_engines_agree_with_the_hosts_processor_on_32_bit_code() {
    run(CpuModel::PENTIUM4, 32, 1, true, CASES);
}

#[test]
fn both_engines_agree_with_the_hosts_processor_on_16_bit_code() {
    run(CpuModel::PENTIUM4, 16, 1, true, CASES / 4);
}

#[test]
fn both_engines_agree_with_the_hosts_processor_on_several_instructions() {
    run(CpuModel::HOST, 32, 5, true, CASES / 4);
}

#[test]
fn a_host_that_forbids_low_pages_judges_too() {
    run(CpuModel::PENTIUM4, 32, 1, false, CASES / 20);
}

#[test]
fn both_engines_agree_with_the_hosts_processor_on_all_that_it_has() {
    run(CpuModel::HOST, 32, 1, true, CASES / 2);
}

#[test]
fn both_engines_agree_with_the_hosts_processor_on_all_that_it_has_in_16_bit_code() {
    run(CpuModel::HOST, 16, 1, true, CASES / 4);
}

fn run(model: CpuModel, bits: u32, length: u32, low: bool, cases: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    let seed: u64 = number("RINGER_SEED").unwrap_or(0x5eed_2026);
    let cases: u64 = number("RINGER_CASES").unwrap_or(cases);
    let share = cases as f64 / 1e6;
    println!(
        "hostcheck: seed {seed}, {model}, {bits} bits, {cases} cases, {share}% of the long run"
    );
    let end = cases.div_ceil(u64::from(check::STATES));
    let options = Options { model, seed, first: 0, end, bits, length, low, row: None, most: 3 };
    let check = match Check::new(options) {
        Ok(check) => check,
        Err(CheckError::Native(e @ (NativeError::Pages | NativeError::Died { .. }))) => {
            assert!(std::env::var_os("CI").is_none(), "CI must run this: {e}");
            println!("hostcheck: NOT RUN, this host does not permit it: {e}");
            return;
        }
        Err(e) => panic!("{e}"),
    };
    let summary = check.run(|_| true).unwrap();
    println!("hostcheck: {} cases, {} translated", summary.cases, summary.translated);
    assert!(summary.differences.is_empty(), "{}", summary.differences.join("\n\n"));
    assert!(!summary.by_row.contains(&0), "a row was never met");
    // Of 16-bit code much is left to the interpreter.
    let least = if bits == 16 { summary.cases / 4 } else { summary.cases / 2 };
    assert!(summary.translated > least, "too few cases ran translated");
}
