//! Which tests of a suite run, how often, and what is said of them: what users of other runners expect.

mod common;

use common::{Files, SPIN, assert_line, command, debug_exit, errors, flat, print, status};
use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

/// Three images that pass and a failing one, with tags.
fn suite() -> Files {
    let files = Files::new();
    for (name, value, description) in [
        ("alpha", 0, "engines = ['bt', 'interp']\ntags = ['fast']\ntitle = 'The first'"),
        ("beta", 0, "engines = ['bt']\ntags = ['slow', 'mm']"),
        ("manual", 0, "engines = ['bt']\nignore = true\ntags = ['by-hand']"),
        ("wrong", 1, "engines = ['bt']\nserial = \"one\\ntwo\\n\""),
    ] {
        files.write(&format!("{name}.bin"), &flat(&debug_exit(value)));
        files.write(&format!("{name}.toml"), description.as_bytes());
    }
    files
}

fn test(files: &Files, options: &[&str]) -> Output {
    command().arg("test").arg(files.dir()).args(options).output().expect("ringer starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The names that `--list` tells with these options.
fn listed(files: &Files, options: &[&str]) -> Vec<String> {
    let output = test(files, &[&["--list"], options].concat());
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let name = |line: &str| line.split("  ").next().unwrap_or_default().to_owned();
    text(&output).lines().map(name).collect()
}

#[test]
fn tests_are_chosen_by_name_and_tag() {
    let files = suite();
    let all = ["alpha [bt]", "alpha [interp]", "beta [bt]", "manual [bt]", "wrong [bt]"];
    assert_eq!(listed(&files, &[]), all);
    assert_eq!(listed(&files, &["--filter", "alp"]), all[..2]);
    assert_eq!(listed(&files, &["-E", "beta", "-E", "wrong"]), [all[2], all[4]]);
    assert_eq!(listed(&files, &["--", "alpha [int"]), [all[1]]);
    assert_eq!(listed(&files, &["--skip", "alpha", "--skip", "wrong"]), all[2..4]);
    assert_eq!(listed(&files, &["--tag", "mm", "--tag", "by-hand"]), all[2..4]);
    assert_eq!(listed(&files, &["--shard", "2/3"]), ["alpha [interp]", "wrong [bt]"]);
    assert_line(
        &test(&files, &["--tag", "none"]),
        2,
        "none of the 5 tests is one that was asked for (--tag none)",
    );
}

#[test]
fn a_list_is_json_too() {
    let files = suite();
    let output = test(&files, &["--list=json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(list["count"], 5);
    let first = &list["tests"][0];
    assert_eq!((&first["name"], &first["title"]), (&"alpha [bt]".into(), &"The first".into()));
    assert_eq!((&first["tags"][0], &first["engine"]), (&"fast".into(), &"bt".into()));
    let manual = list["tests"][3]["skip"].as_str().expect("a reason");
    assert!(manual.contains("--include-ignored"), "{manual}");
}

#[test]
fn what_is_to_be_asked_for_is_skipped_until_it_is() {
    let files = suite();
    let output = test(&files, &["--", "manual"]);
    assert!(text(&output).contains("0 passed, 0 failed, 1 skipped"), "{}", text(&output));
    let output = test(&files, &["--include-ignored", "--", "manual"]);
    assert!(text(&output).contains("1 passed, 0 failed"), "{}", text(&output));
}

#[test]
fn an_empty_shard_is_a_success_with_a_note() {
    let files = suite();
    let output = test(&files, &["--shard", "9/9"]);
    assert_eq!(status(&output), 0, "{}", errors(&output));
    assert!(errors(&output).contains("part 9 of 9 of 5 tests is empty"), "{}", errors(&output));
}

#[test]
fn a_failure_shows_expected_against_got_and_the_registers() {
    let files = suite();
    let output = test(&files, &["--", "wrong"]);
    let text = text(&output);
    assert_eq!(status(&output), 4, "{text}");
    for part in ["debug-exit value 0x1, not 0x0", "-one", "-two", "eax 2badb001", "at 0008:001000"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_failure_names_the_function_where_there_are_symbols() {
    let files = Files::new();
    let source = "#! engines = [\"bt\"]\n    .include \"pm.inc\"\nmain: ret\nbroken: ud2\n";
    files.write("a.s", source.replace("main: ret", "main: call broken").as_bytes());
    let output = test(&files, &[]);
    let text = text(&output);
    assert_eq!(status(&output), 4, "{text}");
    assert!(text.contains("FAIL unexpected vector 00000006"), "{text}");
    assert!(text.contains("(broken)"), "where #UD was raised: {text}");
    assert!(text.contains("(finish+"), "where it ended: {text}");
}

#[test]
fn a_test_that_failed_is_run_again_and_told_as_flaky() {
    let files = Files::new();
    let image = files.write("a.bin", &flat(&[print(b'x'), print(b'\n'), SPIN.to_vec()].concat()));
    files.write("a.toml", b"engines = ['bt']\nretries = 9\ntimeout = 2");
    let mut suite = command();
    suite.arg("test").arg(files.dir()).arg("--no-capture").stdout(Stdio::piped());
    let mut suite = suite.spawn().expect("ringer starts");
    let mut lines = BufReader::new(suite.stdout.take().expect("its output")).lines();
    let mut line = || lines.next().map(|line| line.expect("a line")).unwrap_or_default();
    // The first attempt runs: what is loaded next is another image.
    while !line().ends_with('x') {}
    let better = files.write("better", &flat(&debug_exit(0)));
    std::fs::rename(better, image).expect("another image");
    let mut rest = Vec::new();
    while rest.last().is_none_or(|line: &String| !line.is_empty()) {
        rest.push(line());
    }
    assert!(suite.wait().expect("its end").success());
    let told = rest.iter().find(|line| line.starts_with("flaky") && line.contains("a [bt]"));
    assert!(told.is_some(), "{rest:?}");
    assert!(
        rest.iter().any(|line| line.contains("1 passed") && line.contains("1 flaky")),
        "{rest:?}"
    );
}

#[test]
fn after_a_failure_nothing_begins_if_so_asked() {
    let files = Files::new();
    for name in ["a", "b", "c"] {
        files.write(&format!("{name}.bin"), &flat(&debug_exit(1)));
        files.write(&format!("{name}.toml"), b"engines = ['bt']");
    }
    let output = test(&files, &["--fail-fast", "--jobs", "1"]);
    assert_eq!(status(&output), 4);
    assert!(text(&output).contains("0 passed, 1 failed, 2 not run"), "{}", text(&output));
    files.write("ringer.toml", b"[test]\nfail-fast = true\njobs = 1\n");
    let output = test(&files, &["--no-fail-fast"]);
    assert!(text(&output).contains("0 passed, 3 failed"), "{}", text(&output));
}

#[test]
fn a_timeout_and_a_configuration_count_for_all() {
    let files = Files::new();
    std::fs::create_dir(files.path("roms")).expect("a folder");
    files.write("roms/spin.bin", &flat(SPIN));
    files.write("roms/spin.toml", b"timeout = 600");
    let config =
        "[test]\npaths = ['roms']\nengines = ['interp']\n[test.defaults]\nend = 'timeout'\n";
    files.write("ringer.toml", config.as_bytes());
    let output = command()
        .current_dir(files.path("roms"))
        .args(["test", "--timeout", "0.2"])
        .output()
        .expect("ringer starts");
    assert_eq!(status(&output), 0, "{}{}", text(&output), errors(&output));
    assert!(text(&output).contains("spin [interp]"), "{}", text(&output));
    assert!(text(&output).contains("1 passed, 0 failed"), "{}", text(&output));
    files.write("ringer.toml", b"[test]\n\nengine = ['bt']\n");
    let output = command().current_dir(files.dir()).arg("test").output().expect("ringer starts");
    assert_line(
        &output,
        2,
        "ringer.toml:3: engine: no such key (did you mean engines?); allowed: paths",
    );
}

#[test]
fn without_a_path_and_a_configuration_it_says_what_to_do() {
    let files = Files::new();
    let output = command().current_dir(files.dir()).arg("test").output().expect("ringer starts");
    assert_line(&output, 2, "--init");
}

#[test]
fn the_longest_tests_begin_first() {
    let files = suite();
    let cache = files.path("cache");
    let run = || {
        let mut suite = command();
        suite.arg("test").arg(files.dir()).args(["--jobs", "1", "--", "beta", "alpha [bt]"]);
        suite.env("RINGER_CACHE_DIR", &cache).output().expect("ringer starts")
    };
    assert_eq!(status(&run()), 0);
    let file = cache.join("test-durations.json");
    let written = std::fs::read_to_string(&file).expect("the durations");
    let mut all: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    let tests = all.as_object_mut().expect("files").values_mut();
    for (name, seconds) in tests.flat_map(|tests| tests.as_object_mut().expect("tests")) {
        *seconds = if name.starts_with("beta") { 9.0 } else { 1.0 }.into();
    }
    std::fs::write(&file, all.to_string()).expect("it can be written");
    let text = text(&run());
    let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(at("beta [bt]") < at("alpha [bt]"), "{text}");
}

#[test]
fn a_change_runs_the_suite_again() {
    let files = Files::new();
    files.write("a.bin", &flat(&debug_exit(1)));
    files.write("a.toml", b"engines = ['bt']");
    let mut suite = command();
    suite.arg("test").arg(files.dir()).arg("--watch").stdout(Stdio::piped());
    let mut suite = suite.spawn().expect("ringer starts");
    let mut lines = BufReader::new(suite.stdout.take().expect("its output")).lines();
    let mut until = |part: &str| {
        let line =
            lines.by_ref().map(|line| line.expect("a line")).find(|line| line.contains(part));
        assert!(line.is_some(), "{part}");
    };
    until("0 passed, 1 failed");
    files.write("a.bin", &flat(&[print(b'!'), debug_exit(0)].concat()));
    until("1 passed, 0 failed");
    suite.kill().expect("it runs still");
    suite.wait().expect("its end");
}
