//! The exit-status contract, and that each end is the end.

mod common;

use common::{
    Files, INTO_NOTHING, POWER_OFF, RESET, SPIN, assert_line, command, debug_exit, errors, flat,
    print, run_flat, status,
};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ENGINES: [&str; 3] = ["bt", "interp", "lockstep"];

#[test]
fn debug_exit_is_synchronous_and_has_qemus_status() {
    let files = Files::new();
    for engine in ENGINES {
        for (value, wanted) in [(0, 1), (1, 3), (0x10, 33), (0x7f, 255), (0xff, 255)] {
            let code = [print(b'a'), debug_exit(value), print(b'b'), SPIN.to_vec()].concat();
            let output = run_flat(&files, &code, &["--debug-exit", "--engine", engine]);
            assert_eq!(status(&output), wanted, "{engine}: {}", errors(&output));
            assert_eq!(output.stdout, b"a", "{engine}: nothing runs after the OUT");
        }
    }
}

#[test]
fn without_the_option_the_port_does_nothing() {
    let files = Files::new();
    let code = [debug_exit(3), SPIN.to_vec()].concat();
    assert_line(&run_flat(&files, &code, &["--timeout", "0.3"]), 124, "--timeout");
}

#[test]
fn a_guest_that_jumps_into_nothing_is_a_triple_fault() {
    let files = Files::new();
    for engine in ENGINES {
        let output = run_flat(&files, INTO_NOTHING, &["--no-reboot", "--engine", engine]);
        assert_line(&output, 66, "triple fault at ");
    }
}

#[test]
fn a_guest_that_always_triple_faults_at_once_is_not_booted_for_ever() {
    let files = Files::new();
    let output = run_flat(&files, INTO_NOTHING, &["--timeout", "20"]);
    assert_line(&output, 66, "triple fault at ");
}

#[test]
fn a_loop_with_interrupts_off_ends_by_timeout() {
    let files = Files::new();
    for engine in ENGINES {
        let started = Instant::now();
        let output = run_flat(&files, SPIN, &["--timeout", "0.5", "--engine", engine]);
        assert_line(&output, 124, "--timeout");
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn a_reset_ends_the_run_or_boots_again() {
    let files = Files::new();
    let code = [print(b'r'), RESET.to_vec()].concat();
    let output = run_flat(&files, &code, &["--no-reboot"]);
    assert_line(&output, 64, "reset");
    assert_eq!(output.stdout, b"r");
    let output = run_flat(&files, &code, &["--timeout", "1"]);
    assert_line(&output, 124, "--timeout");
    assert!(output.stdout.len() > 1 && output.stdout.iter().all(|b| *b == b'r'));
}

/// Writes a thousand bytes to port 80h, then resets: mov ecx, 1000; out 80h, al; loop.
fn post_and_reset() -> Vec<u8> {
    [&[0xb9, 0xe8, 3, 0, 0, 0xe6, 0x80, 0xe2, 0xfc], RESET].concat()
}

#[test]
fn the_report_of_a_guest_that_resets_for_ever_is_bounded() {
    let files = Files::new();
    let report = files.path("report");
    let report = report.to_str().expect("a plain name");
    let options = ["--clock", "virtual", "--max-instructions", "100000", "--report", report];
    assert_line(&run_flat(&files, &post_and_reset(), &options), 68, "--max-instructions");
    let text = files.read("report");
    // AL is as the loader left it.
    let bytes = text.lines().filter(|line| line.trim().trim_end_matches(',') == "2").count();
    assert_eq!(bytes, 4096);
}

/// How many instructions the report of the last run says it had.
fn reported_instructions(files: &Files) -> u64 {
    let report: serde_json::Value =
        serde_json::from_str(&files.read("report")).expect("a report in JSON");
    report["instructions"].as_u64().expect("a number of instructions")
}

#[test]
fn the_instruction_limit_counts_over_all_reboots() {
    let files = Files::new();
    for engine in ENGINES {
        for limit in ["2500", "50000", "50001"] {
            let report = files.path("report");
            let report = report.to_str().expect("a plain name");
            let options = ["--max-instructions", limit, "--engine", engine, "--report", report];
            assert_line(&run_flat(&files, &post_and_reset(), &options), 68, "--max-instructions");
            assert_eq!(reported_instructions(&files).to_string(), limit, "{engine}");
        }
    }
}

#[test]
fn power_off_is_success() {
    let files = Files::new();
    for engine in ENGINES {
        let output = run_flat(&files, POWER_OFF, &["--engine", engine, "--timeout", "20"]);
        assert_eq!(status(&output), 0, "{}", errors(&output));
        assert_eq!(errors(&output), "");
    }
}

#[test]
fn the_instruction_limit_stops_at_the_same_instruction_every_time() {
    let files = Files::new();
    // 1: inc eax; add ebx, eax; mov [200000h], ebx; jmp 1b
    let code = [0x40, 0x01, 0xc3, 0x89, 0x1d, 0, 0, 0x20, 0, 0xeb, 0xf5];
    for engine in ENGINES {
        for limit in ["1", "999", "100000", "100001"] {
            let report = files.path("report");
            let report = report.to_str().expect("a plain name");
            let options = ["--max-instructions", limit, "--engine", engine, "--report", report];
            assert_line(&run_flat(&files, &code, &options), 68, "--max-instructions");
            assert_eq!(reported_instructions(&files).to_string(), limit, "{engine}");
        }
    }
}

#[test]
fn a_full_disk_is_an_output_error() {
    let files = Files::new();
    let code = [print(b'x'), debug_exit(0)].concat();
    let output = run_flat(&files, &code, &["--debug-exit", "--serial", "file:/dev/full"]);
    assert_line(&output, 74, "No space left");
}

#[test]
fn a_console_that_nobody_reads_any_more_is_an_output_error() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(&[print(b'x'), vec![0xeb, 0xf6]].concat()));
    let mut run = command();
    run.args(["run", "--timeout", "30", "--multiboot"]).arg(image);
    let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    assert_line(&child.wait_with_output().expect("it ends"), 74, "Broken pipe");
}

/// Echoes what arrives on the serial port until a 'q', which ends the run.
const ECHO: &[u8] = &[
    0xba, 0xfd, 0x03, 0, 0, // 1: mov edx, 3fdh
    0xec, 0xa8, 0x01, 0x74, 0xfb, // 2: in al, dx; test al, 1; jz 2b
    0xba, 0xf8, 0x03, 0, 0, // mov edx, 3f8h
    0xec, 0xee, // in al, dx; out dx, al
    0x3c, b'q', 0x75, 0xeb, // cmp al, 'q'; jne 1b
    0xb0, 0x00, 0xe6, 0xf4, // mov al, 0; out f4h, al
];

fn echo(files: &Files, input: &[u8]) -> std::process::Output {
    let image = files.write("echo.bin", &flat(ECHO));
    let mut run: Command = command();
    run.args(["run", "--debug-exit", "--timeout", "20", "--multiboot"]).arg(image);
    run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = run.spawn().expect("ringer starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("input is taken");
    child.wait_with_output().expect("it ends")
}

#[test]
fn piped_input_reaches_the_guest_and_its_end_ends_nothing() {
    let files = Files::new();
    let output = echo(&files, b"hello \x01a q");
    assert_eq!(status(&output), 1, "{}", errors(&output));
    assert_eq!(output.stdout, b"hello \x01a q", "no key of a pipe is Ringer's");
}
