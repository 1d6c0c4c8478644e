//! `ringer verify`: its report, its JSON, and what it says of files that are no guests.

mod common;

use common::{Files, assert_line, command, debug_exit, errors, flat, print, status};
use serde_json::Value;
use std::process::Output;

fn verify(options: &[&str]) -> Output {
    command().arg("verify").args(options).output().expect("ringer starts")
}

/// Counts ECX down from a thousand: a block that is entered often.
fn counting() -> Vec<u8> {
    let count = [0xb9, 0xe8, 0x03, 0, 0, 0x01, 0xc8, 0xe2, 0xfc];
    flat(&[&count[..], &print(b'!'), &debug_exit(3)].concat())
}

#[test]
fn a_report_for_each_guest_and_a_summary() {
    let files = Files::new();
    let kernel = files.write("counting.bin", &counting());
    let mut sector = vec![0xf4u8; 512];
    sector[..2].copy_from_slice(&[0xeb, 0xfe]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let sector = files.write("sector.img", &sector);
    let json = files.dir().join("report.json");
    let [kernel, sector, json] = [&kernel, &sector, &json].map(|p| p.to_str().expect("UTF-8"));
    let limit = ["--max-instructions", "20000", "--debug-exit", "-m", "16M"];
    let output = verify(&[&[kernel, sector, "--json", json], &limit[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(status(&output), 0, "{text}{}", errors(&output));
    for wanted in ["0x3 to the debug-exit port", "equivalence: held", "resource control: held"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(text.contains("2 of 2 guests held"), "{text}");
    assert!(!text.contains('!'), "several guests have no console: {text}");
    let reports: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let first = &reports[0];
    assert_eq!(first["held"], true);
    assert!(first["equivalence"]["instructions_compared"].as_u64() > Some(2000), "{first}");
    assert!(first["resource_control"]["blocks_verified"].as_u64() >= Some(1), "{first}");
    assert_eq!(first["resource_control"]["refusals"], 0);
    assert!(first["efficiency"]["host_percent"].as_f64() > Some(90.0), "{first}");
    // Sixteen-bit code is interpreted or translated; either way it is accounted for.
    assert_eq!(reports[1]["instructions"], 20000);
}

#[test]
fn one_guest_has_its_console_and_its_own_status_does_not_count() {
    let files = Files::new();
    let kernel = files.write("counting.bin", &counting());
    let kernel = kernel.to_str().expect("UTF-8");
    let output = verify(&["--multiboot", kernel, "--debug-exit", "--timeout", "20"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(status(&output), 0, "{}", errors(&output));
    assert!(text.starts_with('!'), "{text}");
}

#[test]
fn comparing_begins_where_the_guest_says() {
    let files = Files::new();
    let count = [0xb9, 0xe8, 0x03, 0, 0, 0x01, 0xc8, 0xe2, 0xfc];
    let code = [&count[..], &print(b'g'), &print(b'o'), &count, &debug_exit(0)].concat();
    let kernel = files.write("twice.bin", &flat(&code));
    let json = files.path("report.json");
    let [kernel, json] = [&kernel, &json].map(|p| p.to_str().expect("UTF-8"));
    let output = verify(&[kernel, "--debug-exit", "--from", "go", "--json", json]);
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let reports: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let compared = reports[0]["equivalence"]["instructions_compared"].as_u64().unwrap();
    assert!((2000..2100).contains(&compared), "half of the guest's instructions: {compared}");
    assert_line(&verify(&[kernel, "--debug-exit", "--from", "gone"]), 2, "gone");
}

#[test]
fn wrong_guests_are_told_in_one_line() {
    assert_line(&verify(&[]), 2, "name a guest");
    assert_line(&verify(&["/nowhere/kernel"]), 2, "/nowhere/kernel");
    let files = Files::new();
    let odd = files.write("odd.bin", b"hello");
    assert_line(&verify(&[odd.to_str().expect("UTF-8")]), 2, "odd.bin");
}
