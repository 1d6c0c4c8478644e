//! `--save-at` and `--load`: a process goes on where another was, and what is no state is told in one
//! line.

mod common;

use common::{Files, POWER_OFF, assert_line, command, errors, flat, print, status};
use std::process::Output;

/// Prints a, b, c; before each it counts for a while. Then it powers off.
fn guest() -> Vec<u8> {
    let letter = |byte| {
        // mov ecx, 50000; dec ecx; jnz to the dec
        let count = [0xb9, 0x50, 0xc3, 0, 0, 0x49, 0x75, 0xfd].to_vec();
        [count, print(byte)].concat()
    };
    [letter(b'a'), letter(b'b'), letter(b'c'), POWER_OFF.to_vec()].concat()
}

fn run(files: &Files, words: &[&str]) -> Output {
    command().arg("run").args(words).current_dir(files.dir()).output().expect("ringer starts")
}

fn field(files: &Files, report: &str, name: &str) -> String {
    let text = files.read(report);
    let key = format!("\"{name}\": ");
    let value = text.split(&key).nth(1).unwrap_or_else(|| panic!("{name} in {text}"));
    value.split([',', '\n']).next().unwrap_or_default().to_owned()
}

const IMAGE: [&str; 4] = ["--multiboot", "guest.bin", "-m", "16M"];

#[test]
fn a_new_process_goes_on_and_ends_the_same() {
    let files = Files::new();
    files.write("guest.bin", &flat(&guest()));
    for engine in ["bt", "interp", "lockstep"] {
        let saved = ["--save-at", "70000", "one", "--save-at", "120000", "two"];
        let plain = ["--report", "whole", "--engine", engine, "--clock", "virtual"];
        let output = run(&files, &[&IMAGE[..], &plain].concat());
        assert_eq!((status(&output), &output.stdout[..]), (0, &b"abc"[..]), "{}", errors(&output));
        let output = run(&files, &[&IMAGE[..], &saved, &["--engine", engine]].concat());
        assert_eq!((status(&output), &output.stdout[..]), (0, &b"abc"[..]), "{}", errors(&output));
        for (state, rest) in [("one", "abc"), ("two", "bc")] {
            let rest = if state == "one" { &rest[0..] } else { rest };
            for other in ["bt", "interp"] {
                let words = ["--load", state, "--engine", other, "--report", "part"];
                let output = run(&files, &words);
                assert_eq!(status(&output), 0, "{}", errors(&output));
                assert!(rest.as_bytes().ends_with(&output.stdout), "{:?}", output.stdout);
                for name in ["digest", "instructions", "end"] {
                    let (whole, part) = (field(&files, "whole", name), field(&files, "part", name));
                    assert_eq!(whole, part, "{engine} to {other}: {name}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_state_is_told_in_one_line() {
    let files = Files::new();
    files.write("guest.bin", &flat(&guest()));
    let output = run(&files, &[&IMAGE[..], &["--save-at", "60000", "good"]].concat());
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let good = std::fs::read(files.path("good")).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    files.write("newer", &with(8, 9));
    files.write("altered", &with(good.len() / 2, !good[good.len() / 2]));
    files.write("short", &good[..good.len() - 100]);
    files.write("tiny", &good[..10]);
    files.write("text", b"this is no machine, but a text\n");
    let cases = [
        ("newer", "version 9"),
        ("altered", "checksum"),
        ("short", "checksum"),
        ("tiny", "truncated"),
        ("text", "not a saved machine"),
        ("absent", "No such file"),
        (".", "is a directory"),
    ];
    for (name, part) in cases {
        assert_line(&run(&files, &["--load", name]), 2, part);
    }
}

#[test]
fn a_state_wants_its_machine_and_its_image() {
    let files = Files::new();
    files.write("guest.bin", &flat(&guest()));
    let output = run(&files, &[&IMAGE[..], &["--save-at", "60000", "good"]].concat());
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let load = |more: &[&str]| run(&files, &[&["--load", "good"], more].concat());
    assert_line(&load(&["-m", "32M"]), 2, "bytes of memory");
    assert_line(&load(&["--cpu", "486"]), 2, "processor");
    assert_line(&load(&["--clock", "real"]), 2, "clock");
    assert_line(&load(&["--debug-exit"]), 2, "debug-exit");
    assert_line(&load(&["--append", "x"]), 2, "exactly one");
    assert_eq!(status(&load(&["-m", "16M", "--multiboot", "guest.bin"])), 0);
    files.write("guest.bin", &flat(&[guest(), vec![0x90]].concat()));
    assert_line(&load(&[]), 2, "not what it was");
    std::fs::remove_file(files.path("guest.bin")).unwrap();
    assert_line(&load(&[]), 2, "cannot read");
}

#[test]
fn a_state_keeps_the_features_of_its_processor() {
    let files = Files::new();
    files.write("guest.bin", &flat(&guest()));
    let cpu = ["--cpu", "max,-bmi1", "--save-at", "60000", "less"];
    let output = run(&files, &[&IMAGE[..], &cpu].concat());
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let load = |more: &[&str]| run(&files, &[&["--load", "less"], more].concat());
    assert_eq!(status(&load(&[])), 0);
    assert_eq!(status(&load(&["--cpu", "max,-bmi1"])), 0);
    assert_line(&load(&["--cpu", "max"]), 2, "the processor's features");
}

#[test]
fn a_state_that_cannot_be_saved_is_told() {
    let files = Files::new();
    files.write("guest.bin", &flat(&guest()));
    let save = |words: &[&str]| run(&files, &[&IMAGE[..], &["--save-at"], words].concat());
    assert_line(&save(&["many", "x"]), 2, "--save-at many");
    assert_line(&save(&["5", "x", "--clock", "real"]), 2, "virtual clock");
    assert_line(&save(&["5", "nowhere/x"]), 74, "cannot be written");
    assert_line(&save(&["900000000", "x"]), 74, "was not written");
    assert!(!files.path("x").exists());
    assert_line(&save(&["5", "."]), 74, "not a regular file");
    let left = std::fs::read_dir(files.dir()).unwrap().count();
    assert_eq!(left, 1, "nothing half-written is left");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let files = Files::new();
    files.write("guest.bin", &flat(&guest()));
    std::fs::create_dir(files.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=64k none disk || exit 99
        \"$0\" run --multiboot guest.bin -m 16M --save-at 5 disk/state
        status=$?; ls disk; exit $status";
    let mut shell = std::process::Command::new("unshare");
    shell.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_ringer")]).current_dir(files.dir());
    match shell.output() {
        Ok(output) if ![1, 99].contains(&status(&output)) => {
            assert_line(&output, 74, "cannot be written");
            assert!(output.stdout.is_empty(), "{:?}", output.stdout);
        }
        refused => eprintln!("not tested: no file system can be mounted here: {refused:?}"),
    }
}
