//! A sample of 64-bit code, every row of it. `RINGER_SEED` and `RINGER_CASES` repeat or lengthen it.

use iced_x86::{Code, CpuidFeature as F};
use ringer_native::long::check::Check;
use ringer_native::{CheckError, NativeError};
use std::arch::x86_64::__cpuid;

const CASES: u64 = 400_000;

/// Features whose instructions use the x87 unit or vector registers.
const FLOATING: [F; 19] = [
    F::FPU,
    F::FPU287,
    F::FPU387,
    F::MMX,
    F::FXSR,
    F::SSE,
    F::SSE2,
    F::SSE3,
    F::SSSE3,
    F::SSE4_1,
    F::SSE4_2,
    F::AES,
    F::PCLMULQDQ,
    F::SHA,
    F::XSAVE,
    F::AVX,
    F::AVX2,
    F::FMA,
    F::F16C,
];

fn is_floating(code: Code) -> bool {
    let features = code.cpuid_features();
    code == Code::Wait || features.iter().any(|f| FLOATING.contains(f) || *f == F::XSAVEOPT)
}

#[test]
fn the_interpreter_agrees_with_the_hosts_processor_on_64_bit_code() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    let seed: u64 = number("RINGER_SEED").unwrap_or(0x5eed_2026);
    let cases: u64 = number("RINGER_CASES").unwrap_or(CASES);
    let mut check = match Check::new(seed, None) {
        Ok(check) => check,
        Err(CheckError::Native(e @ (NativeError::Pages | NativeError::Signals))) => {
            assert!(std::env::var_os("CI").is_none(), "CI must run this: {e}");
            println!("long: NOT RUN, this host does not permit it: {e}");
            return;
        }
        Err(e) => panic!("{e}"),
    };
    assert!(check.rows().len() > 1000, "{} rows", check.rows().len());
    if __cpuid(0).ebx != u32::from_le_bytes(*b"Genu") {
        // What other makers' processors do in ways of their own there has not been gone through yet.
        println!("long: x87 to AVX are judged on Intel's processors alone");
        check.keep(|code| !is_floating(code));
    }
    let rows = check.rows().to_vec();
    assert!(rows.len() > 300, "{} rows", rows.len());
    let summary = check.run(0, cases, 5).unwrap();
    println!("seed {seed}: {} cases, {} faults", summary.cases, summary.faults);
    println!("excused: {:?}", summary.excused);
    assert!(summary.differences.is_empty(), "{}", summary.differences.join("\n\n"));
    let missed = rows.iter().zip(&summary.by_row).filter(|(_, cases)| **cases == 0);
    let missed: Vec<_> = missed.map(|(row, _)| row.code).collect();
    assert_eq!(missed, [], "rows that were never met");
    // Both kinds of ends occur a lot.
    assert!(summary.faults * 20 > summary.cases && summary.faults * 2 < summary.cases);
}
