//! A sample of the fuzzer's sequences: Ringer's engines against each other.
//! `RINGER_DIFFTEST_SEED` repeats a run, `RINGER_DIFFTEST_CASES` sets its length.

use ringer_difftest::Qemu;
use ringer_difftest::run::{Machines, Plan, Summary};

/// The same with the peer.
const WITH_PEER: u64 = 6_000;
/// A second or two on a host's core that is not busy.
const CASES: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

fn plan(peer: bool) -> Plan {
    Plan {
        seed: number("RINGER_DIFFTEST_SEED").unwrap_or(0x5eed_2026),
        first: 0,
        cases: number("RINGER_DIFFTEST_CASES").unwrap_or(CASES),
        batch: 2048,
        peer,
        reports: 3,
    }
}

fn run(plan: &Plan) -> Summary {
    println!("difftest: seed {}, {} sequences, peer: {}", plan.seed, plan.cases, plan.peer);
    let summary = Machines::new(plan.peer).unwrap().run(plan).unwrap();
    let texts: Vec<&str> = summary.failures.iter().map(|f| f.text.as_str()).collect();
    assert!(texts.is_empty(), "seed {}: {}", plan.seed, texts.join("\n"));
    assert_eq!(summary.cases, plan.cases);
    summary
}

#[test]
fn the_engines_agree_on_random_sequences() {
    let summary = run(&plan(false));
    let (translated, interpreted) = summary.bt;
    // The rest is the runner's own CR, DR and IRET instructions, and what traps.
    assert!(translated > 2 * interpreted, "{translated} translated, {interpreted} interpreted");
    assert!(summary.vectors.len() > 12, "{:?}", summary.vectors);
}

#[test]
fn the_peer_agrees_but_for_its_known_faults() {
    if !Qemu::is_installed() {
        assert!(
            std::env::var_os("CI").is_none(),
            "qemu-system-i386 is missing: apt-get install qemu-system-x86"
        );
        println!("qemu-system-i386 is not installed: nothing compared");
        return;
    }
    let cases = number("RINGER_DIFFTEST_CASES").unwrap_or(WITH_PEER);
    let summary = run(&Plan { cases, ..plan(true) });
    assert!(summary.with_peer * 2 > cases, "{} of {cases} with the peer", summary.with_peer);
}
