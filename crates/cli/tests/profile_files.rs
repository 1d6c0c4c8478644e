//! `ringer profile show` and `ringer profile diff`, with profiles of real runs.

mod common;

use common::{Files, command, debug_exit, errors, flat, status};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

/// mov esp, 90000h; mov ecx, 200000; 1: push eax; pop eax; dec ecx; jnz 1b; the end.
fn stack_work() -> Vec<u8> {
    let code = [0xbc, 0, 0, 9, 0, 0xb9, 0x40, 0x0d, 0x03, 0, 0x50, 0x58, 0x49, 0x75, 0xfb];
    flat(&[&code[..], &debug_exit(0)].concat())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn profile(files: &Files, image: &Path, name: &str, options: &[&str]) -> PathBuf {
    let json = files.path(name);
    let mut run = command();
    run.args(["profile", "--debug-exit", "--clock", "virtual", "--timeout", "100"]);
    let output = run.args(options).arg("--json").arg(&json).arg("--multiboot").arg(image).output();
    let output = output.expect("ringer starts");
    assert_eq!(status(&output), 1, "{}", errors(&output));
    json
}

#[test]
fn a_planted_regression_is_named_first() {
    let files = Files::new();
    let image = files.write("stack.bin", &stack_work());
    let fast = profile(&files, &image, "fast.json", &[]);
    let slow = profile(&files, &image, "slow.json", &["--disable", "inline-stack"]);
    let (json, page) = (files.path("diff.json"), files.path("diff.html"));
    let mut diff = command();
    diff.args(["profile", "diff"]).args([&fast, &slow]).arg("--json").arg(&json);
    let output = diff.arg("--html").arg(&page).args(["--fail-above", "50"]).output();
    let output = output.expect("ringer starts");
    assert_eq!(status(&output), 4, "{}", errors(&output));
    let text = text(&output);
    let first =
        text.lines().find(|line| line.starts_with("  1. ")).unwrap_or_else(|| panic!("{text}"));
    assert!(first.starts_with("  1. callout: other: +"), "{text}");
    let diff: Value = serde_json::from_str(&files.read("diff.json")).expect("JSON");
    let finding = &diff["findings"][0];
    // Two callouts in each of 200,000 rounds; the first few of them are interpreted, being cold.
    let delta = finding["entered"]["delta"].as_f64().expect("a number");
    assert!((399_000.0..=400_000.0).contains(&delta), "two callouts each time: {finding}");
    let cause = finding["causes"][0]["change"]["name"].as_str().expect("a cause").to_lowercase();
    assert!(cause.starts_with("push") || cause.starts_with("pop"), "{cause}");
    assert!(files.read("diff.html").contains("callout: other"));
    // The other way round it is an improvement, which no limit stops.
    let mut back = command();
    let back = back.args(["profile", "diff"]).args([&slow, &fast]).args(["--fail-above", "0"]);
    assert_eq!(status(&back.output().expect("ringer starts")), 0);
}

#[test]
fn every_picture_is_made_of_a_file() {
    let files = Files::new();
    let image = files.write("stack.bin", &stack_work());
    let json = profile(&files, &image, "p.json", &[]);
    let begins = [
        ("--html", "<!DOCTYPE html>"),
        ("--flame", "<?xml"),
        ("--folded", ""),
        ("--speedscope", "{\"$schema\""),
        ("--json", "{\n  \"format\": 1"),
    ];
    for (option, begin) in begins {
        let output = command().args(["profile", "show"]).arg(&json).args([option, "-"]).output();
        let output = output.expect("ringer starts");
        assert_eq!(status(&output), 0, "{option}: {}", errors(&output));
        let text = text(&output);
        assert!(text.starts_with(begin) && text.len() > 10, "{option}: {text}");
    }
    let output = command().args(["profile", "show"]).arg(&json).args(["--pprof", "-"]).output();
    assert_eq!(output.expect("ringer starts").stdout[..2], [0x1f, 0x8b], "gzip");
}

#[test]
fn what_cannot_be_shown_or_compared_is_said_in_a_line() {
    let files = Files::new();
    let json =
        files.write("p.json", br#"{"engine":"bt","seconds":1,"meta":{"guest":{"digest":"1"}}}"#);
    let other =
        files.write("o.json", br#"{"engine":"bt","seconds":1,"meta":{"guest":{"digest":"2"}}}"#);
    let odd = files.write("odd.json", b"[]");
    let no = files.path("no.json");
    let cases: [(&[&str], &[&Path], &str); 5] = [
        (&["show"], &[&json], "name a file for a picture"),
        (&["show", "--html", "-"], &[&odd], "is no profile"),
        (&["show", "--html", "-"], &[&no], "cannot read"),
        (&["diff"], &[&json, &other], "--different-guests"),
        (&["diff"], &[&json, &no], "cannot read"),
    ];
    for (words, paths, wanted) in cases {
        let output = command().arg("profile").args(words).args(paths).output();
        let output = output.expect("ringer starts");
        let said = errors(&output);
        assert_eq!(status(&output), 2, "{words:?}: {said}");
        assert!(said.starts_with("ringer: ") && said.contains(wanted), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
