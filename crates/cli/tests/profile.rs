//! `ringer profile`: what it tells, where it tells it, and that it is told however the run ends.

mod common;

use common::{Files, command, debug_exit, errors, flat, status};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A guest that sends "go", marks through port 80h, loops so many times, and ends through debug-exit.
fn looping(turns: u32) -> Vec<u8> {
    let mut code = vec![0x66, 0xba, 0xf8, 0x03]; // mov dx, 3f8h
    for byte in *b"go\n" {
        code.extend([0xb0, byte, 0xee]); // mov al, byte; out dx, al
    }
    code.extend([0xb0, 0x17, 0xe6, 0x80]); // mov al, 17h; out 80h, al
    code.push(0xb9);
    code.extend(turns.to_le_bytes()); // mov ecx, turns
    code.extend([0x83, 0xc0, 0x03, 0x49, 0x75, 0xfa]); // 1: add eax, 3; dec ecx; jne 1b
    flat(&[code, debug_exit(0)].concat())
}

/// A guest that says "up" and never ends.
fn endless() -> Vec<u8> {
    let mut code = vec![0x66, 0xba, 0xf8, 0x03];
    for byte in *b"up\n" {
        code.extend([0xb0, byte, 0xee]);
    }
    code.extend([0x40, 0xeb, 0xfd]); // 1: inc eax; jmp 1b
    flat(&code)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn profile(image: &Path) -> Command {
    let mut command = command();
    command.args(["profile", "--debug-exit", "--timeout", "100", "--multiboot"]).arg(image);
    command
}

fn json(files: &Files, name: &str) -> Value {
    serde_json::from_str(&files.read(name)).expect("JSON")
}

fn sum(rows: &Value, key: &str) -> u64 {
    rows.as_array().expect("a list").iter().map(|row| row[key].as_u64().expect("a number")).sum()
}

#[test]
fn the_hottest_block_is_the_loop_and_places_add_up() {
    let files = Files::new();
    let image = files.write("loop.bin", &looping(400_000_000));
    let path = files.path("profile.json");
    let output = profile(&image)
        .args(["--hot", "3", "--sample-rate", "2000", "--mark-text", "go", "--mark-port", "0x80"])
        .arg("--json")
        .arg(&path)
        .output()
        .expect("ringer starts");
    assert_eq!(status(&output), 1, "{}", errors(&output));
    assert_eq!(text(&output), "go\n", "standard output is the guest's");
    let told = errors(&output);
    for part in ["hottest blocks", "add eax, 3", "residual", "sampled 2000 times", "serial \"go\""]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let profile = json(&files, "profile.json");
    let hot = &profile["blocks"][0];
    assert_eq!(hot["guest"][0]["text"], "add eax, 3", "{hot}");
    let samples = |value: &Value| value["samples"].as_u64().expect("samples");
    let all = profile["sampling"]["translated"].as_u64().expect("samples");
    assert!(all > 20 && samples(hot) * 10 > all * 9, "{} of {all}", samples(hot));
    assert_eq!(sum(&profile["blocks"], "entries"), profile["block_entries"].as_u64().unwrap());
    assert_eq!(sum(&profile["callout_sites"], "count"), profile["callouts"].as_u64().unwrap());
    assert_eq!(
        sum(&profile["indirect_sites"], "hits"),
        profile["inline_lookups"].as_u64().unwrap()
    );
    assert_eq!(sum(&profile["timeline"], "callouts"), profile["callouts"].as_u64().unwrap());
    let marks: Vec<_> = profile["marks"].as_array().expect("marks").iter().collect();
    assert_eq!(
        (marks[0]["kind"].as_str(), marks[0]["text"].as_str()),
        (Some("serial"), Some("go"))
    );
    assert_eq!(
        (marks[1]["kind"].as_str(), marks[1]["text"].as_str()),
        (Some("port"), Some("0x17"))
    );
    let meta = &profile["meta"];
    assert_eq!(meta["guest"]["name"], "loop.bin");
    assert_eq!(meta["guest"]["digest"].as_str().map(str::len), Some(8));
    assert!(meta["date"].as_str().expect("a date").ends_with('Z'), "{meta}");
    assert!(!meta["host"]["cpu"].as_str().expect("a name").is_empty(), "{meta}");
    // The seconds of all places of a row are the row's.
    let row = |name: &str| {
        let rows = profile["ledger"].as_array().expect("rows");
        rows.iter().find(|row| row["name"] == name).expect(name)["seconds"].as_f64().unwrap()
    };
    let stacks = profile["stacks"].as_array().expect("stacks").iter();
    let translated = stacks.filter(|stack| stack["activity"] == "translated code");
    let seconds: f64 = translated.map(|stack| stack["seconds"].as_f64().unwrap()).sum();
    assert!((seconds - row("translated code")).abs() < 1e-6, "{seconds}");
}

#[test]
fn text_and_json_go_where_they_are_told_to() {
    let files = Files::new();
    let image = files.write("loop.bin", &looping(1000));
    let output = profile(&image).args(["--text", "-"]).output().expect("ringer starts");
    assert!(text(&output).contains("where the time went"), "{}", text(&output));
    assert!(!errors(&output).contains("where the time went"));
    let path = files.path("profile.txt");
    let output = profile(&image).arg("--text").arg(&path).output().expect("ringer starts");
    assert_eq!((text(&output).as_str(), errors(&output).as_str()), ("go\n", ""));
    assert!(files.read("profile.txt").contains("where the time went"));
    let null = ["--serial", "null", "--json", "-"];
    let output = profile(&image).args(null).output().expect("ringer starts");
    let json: Value = serde_json::from_str(&text(&output)).expect("standard output is JSON");
    assert_eq!(json["engine"], "bt");
}

/// Waits until the guest has said something.
fn started(child: &mut Child, log: &Path) {
    let begin = Instant::now();
    while fs::read(log).unwrap_or_default() != b"up\n" {
        assert!(begin.elapsed() < Duration::from_secs(60), "the guest never started");
        assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_that_is_ended_by_signals_is_told_too() {
    let files = Files::new();
    let image = files.write("endless.bin", &endless());
    for (signal, times) in [("INT", 1), ("TERM", 1), ("TERM", 2)] {
        let (path, log) = (files.path("profile.json"), files.path("serial.log"));
        let _ = (fs::remove_file(&path), fs::remove_file(&log));
        let mut command = profile(&image);
        command.arg("--serial").arg(format!("file:{}", log.display())).arg("--json").arg(&path);
        let text = files.path("profile.txt");
        command.arg("--text").arg(&text).stderr(Stdio::null());
        let mut child = command.spawn().expect("ringer starts");
        started(&mut child, &log);
        for _ in 0..times {
            let id = child.id().to_string();
            let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill");
            assert!(sent.success());
        }
        assert_eq!(child.wait().expect("an end").code(), Some(130), "{signal} {times}");
        let profile = json(&files, "profile.json");
        assert!(profile["instructions_translated"].as_u64() > Some(0), "{signal} {times}");
        assert!(files.read("profile.txt").contains("residual"), "{signal} {times}");
    }
}

#[test]
fn an_optimisation_that_is_off_is_seen_by_place_and_reason() {
    let files = Files::new();
    // 1: inc eax; pushfd; popfd; dec ecx; jne 1b
    let code = [0xb9, 0x40, 0x0d, 0x03, 0, 0xbc, 0, 0, 9, 0, 0x40, 0x9c, 0x9d, 0x49, 0x75, 0xfa];
    let image = files.write("flags.bin", &flat(&[&code[..], &debug_exit(0)].concat()));
    let run = |name: &str, more: &[&str]| {
        let path = files.path(name);
        let output = profile(&image).args(more).arg("--json").arg(&path).output().expect("starts");
        assert_eq!(status(&output), 1, "{}", errors(&output));
        json(&files, name)
    };
    let (good, bad) = (run("a.json", &[]), run("b.json", &["--disable", "inline-flags"]));
    assert_eq!(good["meta"]["guest"]["digest"], bad["meta"]["guest"]["digest"]);
    assert_eq!(bad["meta"]["disabled"][0], "inline-flags");
    let callouts = |profile: &Value| profile["callouts"].as_u64().expect("a count");
    assert!(
        callouts(&good) < 100 && callouts(&bad) >= 399_000,
        "{} {}",
        callouts(&good),
        callouts(&bad)
    );
    let site = &bad["callout_sites"][0];
    assert_eq!(site["why"], "rewritten, but switched off: --disable inline-flags", "{site}");
    let flags = "callout: flags (popf, sti, cli)";
    assert_eq!(site["row"], flags);
    let seconds = |profile: &Value| {
        let rows = profile["ledger"].as_array().expect("rows");
        rows.iter().find(|row| row["name"] == flags).expect("a row")["seconds"].as_f64().unwrap()
    };
    assert!(seconds(&bad) > 10.0 * seconds(&good), "{} {}", seconds(&bad), seconds(&good));
}

#[test]
fn a_jitdump_goes_into_the_folder_of_ones_choice_and_through_no_link() {
    let files = Files::new();
    let image = files.write("loop.bin", &looping(1000));
    let folder = files.path("dumps");
    fs::create_dir(&folder).expect("a folder");
    let dumps = || fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path());
    let mut run = profile(&image);
    let output = run.arg(format!("--perf-map={}", folder.display())).output().expect("starts");
    assert_eq!(status(&output), 1, "{}", errors(&output));
    let dump = dumps().next().expect("a dump");
    assert_eq!(fs::read(&dump).expect("a dump")[..4], *b"DTiJ");
    fs::remove_file(&dump).expect("a dump");
    // Somebody who guesses the number of the process plants a link to a file of the user's.
    let victim = files.write("victim", b"precious");
    let trap = r#"ln -s "$2" "$1/jit-$$.dump"; shift 2; exec "$@""#;
    let mut run = Command::new("sh");
    run.args(["-c", trap, "sh"]).arg(&folder).arg(&victim).arg(env!("CARGO_BIN_EXE_ringer"));
    run.args(["run", "--debug-exit", "--multiboot"]).arg(&image);
    let output = run.arg(format!("--perf-map={}", folder.display())).output().expect("starts");
    assert_eq!(status(&output), 2, "{}", errors(&output));
    assert!(errors(&output).contains("jit-"), "{}", errors(&output));
    assert_eq!(fs::read(&victim).expect("the file"), b"precious");
}
