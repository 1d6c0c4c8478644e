//! A sample of what `hostcheck` runs: one case in a hundred of the long run of 100 million, with
//! every row. `RINGER_SEED` and `RINGER_CASES` repeat or lengthen it.

use ringer_native::{Check, CheckError, NativeError, Options, check};

const CASES: u64 = 1_000_000;

#[test]
fn both_engines_agree_with_the_hosts_processor() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    let seed: u64 = number("RINGER_SEED").unwrap_or(0x5eed_2026);
    let cases: u64 = number("RINGER_CASES").unwrap_or(CASES);
    println!("hostcheck: seed {seed}, {cases} cases, {}% of the long run", cases / 1_000_000);
    let end = cases.div_ceil(u64::from(check::STATES));
    let options = Options { seed, first: 0, end, row: None, most: 3 };
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
    assert!(summary.translated * 2 > summary.cases, "too few cases ran translated");
}
