//! `ringer test`, `ringer demo` and `ringer profile`.

mod common;

use common::{Files, INTO_NOTHING, assert_line, command, debug_exit, errors, flat, print, status};
use std::path::Path;
use std::process::Output;

fn test(dir: &Path, options: &[&str]) -> Output {
    command().arg("test").arg(dir).args(options).output().expect("ringer starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with a Multiboot image that passes by itself and described ones.
fn suite(failing: bool) -> Files {
    let files = Files::new();
    files.write("bare.bin", &flat(&debug_exit(0)));
    let post = [vec![0xb0, 0x42, 0xe6, 0x80], print(b'P'), debug_exit(7)].concat();
    files.write("told.bin", &flat(&post));
    let told = "serial = 'P'\npost = [0x42]\ndebug-exit = 7\nengines = ['bt', 'interp']";
    files.write("told.toml", told.as_bytes());
    files.write("fault.bin", &flat(INTO_NOTHING));
    files.write("fault.toml", b"end = 'triple-fault'\nengines = ['interp']");
    if failing {
        files.write("wrong.bin", &flat(&[print(b'?'), debug_exit(1)].concat()));
        files.write("wrong.toml", b"engines = ['bt']");
    }
    files
}

#[test]
fn passing_tests_give_a_line_each_a_summary_and_status_0() {
    let files = suite(false);
    let output = test(files.dir(), &["--jobs", "2"]);
    let text = text(&output);
    assert_eq!(status(&output), 0, "{text}{}", errors(&output));
    assert_eq!(text.lines().count(), 7, "{text}");
    assert_eq!(text.lines().filter(|l| l.starts_with("ok ")).count(), 6, "{text}");
    for name in ["bare [lockstep]", "told [bt]", "told [interp]", "fault [interp]"] {
        assert!(text.contains(name), "{text}");
    }
    let summary = text.lines().last().unwrap_or_default();
    assert!(summary.starts_with("6 passed, 0 failed"), "{text}");
}

#[test]
fn a_failing_test_says_why_and_gives_a_status() {
    let files = suite(true);
    let junit = files.path("junit.xml");
    let junit_option = junit.to_str().expect("a plain name");
    let output = test(files.dir(), &["--junit", junit_option]);
    let text = text(&output);
    assert_eq!(status(&output), 4, "{text}");
    let line = text.lines().find(|l| l.starts_with("FAILED")).expect("a line for it");
    assert!(line.contains("wrong [bt]") && line.contains("0x1, not 0x0"), "{line}");
    assert!(text.contains("  | ?"), "the console's text helps: {line}");
    assert!(text.contains("6 passed, 1 failed"), "{text}");
    let xml = files.read("junit.xml");
    assert_eq!(xml.matches("<testcase ").count(), 7, "{xml}");
    assert_eq!(xml.matches("<failure ").count(), 1, "{xml}");
    assert!(xml.contains("failures=\"1\""), "{xml}");
}

#[test]
fn tap_has_a_plan_and_numbered_lines() {
    let files = suite(true);
    let output = test(files.dir(), &["--tap"]);
    let text = text(&output);
    assert!(text.starts_with("TAP version 13\n1..7\n"), "{text}");
    let number = |line: &str| {
        let rest = line.strip_prefix("not ").unwrap_or(line).strip_prefix("ok ")?;
        rest.split(' ').next()?.parse::<usize>().ok()
    };
    let mut numbers: Vec<usize> = text.lines().filter_map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=7).collect::<Vec<_>>(), "{text}");
    assert_eq!(text.lines().filter(|l| l.starts_with("not ok")).count(), 1, "{text}");
}

#[test]
fn shards_together_are_the_suite_and_engines_can_be_chosen() {
    let files = suite(false);
    let names = |options: &[&str]| -> Vec<String> {
        let output = test(files.dir(), options);
        let lines = text(&output);
        let ok = lines.lines().filter_map(|l| l.strip_prefix("ok "));
        ok.filter_map(|l| l.split_once(']')).map(|(name, _)| name.trim().to_owned()).collect()
    };
    let mut parts: Vec<String> = names(&["--shard", "1/3"]);
    assert_eq!(parts.len(), 2);
    parts.extend(names(&["--shard", "2/3"]));
    parts.extend(names(&["--shard", "3/3"]));
    let mut whole = names(&[]);
    parts.sort();
    whole.sort();
    assert_eq!(parts, whole);
    assert_eq!(names(&["--engine", "lockstep"]), ["bare [lockstep"]);
}

#[test]
fn sources_are_assembled_and_a_broken_one_is_a_failure() {
    let files = Files::new();
    let head = "#! load = \"flat\"\n#! engines = [\"interp\"]\n";
    files.write("broken.s", format!("{head} frobnicate\n").as_bytes());
    let output = test(files.dir(), &[]);
    assert_eq!(status(&output), 4);
    assert!(text(&output).contains("frobnicate"), "{}", text(&output));
}

#[test]
fn an_empty_folder_is_an_input_error() {
    let files = Files::new();
    assert_line(&test(files.dir(), &[]), 2, "no tests found");
}

#[test]
fn a_malformed_description_fails_its_test_and_no_other() {
    let files = Files::new();
    files.write("good.bin", &flat(&debug_exit(0)));
    files.write("bad.bin", &flat(&debug_exit(0)));
    files.write("bad.toml", b"title = 'x'\nsreial = 'x'\n");
    let output = test(files.dir(), &["--engine", "bt"]);
    let text = text(&output);
    assert_eq!(status(&output), 4, "{text}");
    assert!(text.contains("ok      good [bt]"), "{text}");
    let line = text.lines().find(|l| l.starts_with("FAILED")).expect("a line for it");
    assert!(line.contains("bad.toml:2: sreial: no such key (did you mean serial?)"), "{line}");
    assert!(line.contains("serial-contains"), "what is allowed: {line}");
    assert!(text.contains("1 passed, 1 failed"), "{text}");
}

#[test]
fn the_demo_runs_and_prints_a_profile() {
    let output = command().args(["demo", "--timeout", "100"]).output().expect("ringer starts");
    let text = text(&output);
    assert_eq!(status(&output), 0, "{text}{}", errors(&output));
    assert!(
        text.trim_end().ends_with("good-bye"),
        "the guest's console has its words alone: {text}"
    );
    assert!(errors(&output).contains("where the time went"), "{}", errors(&output));
}

#[test]
fn a_profile_adds_up_and_is_written_as_json() {
    let files = Files::new();
    // 1: dec ecx; jnz 1b, twenty million times.
    let spin = [0xb9, 0x00, 0x2d, 0x31, 0x01, 0x49, 0x75, 0xfd];
    let image = files.write("loop.bin", &flat(&[&spin[..], &debug_exit(0)].concat()));
    let json = files.path("profile.json");
    let mut run = command();
    run.args(["profile", "--debug-exit", "--timeout", "60", "--multiboot"]).arg(image);
    let output = run.arg("--json").arg(&json).output().expect("ringer starts");
    assert_eq!(status(&output), 1, "{}", errors(&output));
    assert!(errors(&output).contains("residual"), "{}", errors(&output));
    let profile: serde_json::Value =
        serde_json::from_str(&files.read("profile.json")).expect("JSON");
    let number = |key: &str| profile[key].as_f64().unwrap_or_else(|| panic!("{key}"));
    let rows = profile["ledger"].as_array().expect("rows");
    let rows: f64 = rows.iter().map(|r| r["seconds"].as_f64().expect("seconds")).sum();
    let rest = number("residual_seconds");
    assert!((rows + rest - number("seconds")).abs() < 1e-6, "{profile}");
    assert!(rest.abs() < 0.05 * number("seconds") + 0.005, "{profile}");
    let all = number("instructions_translated") + number("instructions_interpreted");
    assert!((all - 40_000_003.0).abs() < 4.0, "{all}");
    assert!(number("translated_percent") > 99.0, "{profile}");
}
