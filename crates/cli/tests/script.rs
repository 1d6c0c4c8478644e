//! `--script`: a guest is driven by its serial line and its keyboard, in its own time.

mod common;

use common::{Files, assert_line, debug_exit, errors, print, run_flat, status};
use std::process::Output;

const ENGINES: [&str; 3] = ["bt", "interp", "lockstep"];

/// Sends the scan codes of keys, those of set 1 since the controller translates, and `>` before that.
fn echo() -> Vec<u8> {
    // again: in al, 64h; test al, 1; jz again; in al, 60h; mov dx, 3f8h; out dx, al; jmp again
    let code =
        [0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa, 0xe4, 0x60, 0xba, 0xf8, 0x03, 0, 0, 0xee, 0xeb, 0xf0];
    [print(b'>'), code.to_vec()].concat()
}

fn play(files: &Files, script: &str, options: &[&str]) -> Output {
    let script = files.write("a.script", script.as_bytes());
    let script = script.to_str().expect("a name in UTF-8");
    run_flat(files, &echo(), &[&["--timeout", "60", "--script", script], options].concat())
}

#[test]
fn a_guest_is_driven_by_what_it_says() {
    let files = Files::new();
    // Shift, A and B; the codes of released keys are no text.
    let script = "wait serial \">\"\ntype \"Ab\"\nwait serial \"\\x2a\\x1e\" within 5s\nwait serial \"0\"\n\
                  sleep 100ms\nexpect serial not \"\\x1e\"\npress x enter\nwait serial \"\\x1c\"\npower off\n";
    let mut digests = Vec::new();
    for engine in ENGINES {
        let report = files.path("report");
        let report = report.to_str().expect("a name in UTF-8");
        let options = ["--engine", engine, "--clock", "virtual", "--report", report];
        let output = play(&files, script, &options);
        assert_eq!(status(&output), 0, "{engine}: {}", errors(&output));
        let makes: Vec<_> = output.stdout.iter().copied().filter(|code| *code < 0x80).collect();
        assert_eq!(makes, b">\x2a\x1e\x30\x2d\x1c", "{engine}");
        let report: serde_json::Value = serde_json::from_str(&files.read("report")).expect("JSON");
        assert_eq!(report["end"], "poweroff");
        digests.push(report["digest"].clone());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    let output = play(&files, script, &["--clock", "real"]);
    assert_eq!(status(&output), 0, "{}", errors(&output));
}

#[test]
fn a_step_that_fails_ends_the_run_with_its_line_and_a_status_of_its_own() {
    let files = Files::new();
    let report = files.path("report");
    let report = report.to_str().expect("a name in UTF-8");
    let script = "wait serial \">\"\n\n  wait serial \"#\" within 1.5s # never\n";
    for clock in ["virtual", "real"] {
        let output = play(&files, script, &["--clock", clock, "--report", report]);
        assert_line(&output, 84, "a.script:3: wait serial \"#\" within 1.5s # never: the serial");
        assert!(errors(&output).contains("\n  eax "), "{}", errors(&output));
        let report: serde_json::Value = serde_json::from_str(&files.read("report")).expect("JSON");
        assert_eq!((&report["end"], &report["status"]), (&"script".into(), &84.into()));
    }
}

#[test]
fn a_guest_that_ends_meanwhile_is_told() {
    let files = Files::new();
    let script = files.write("a.script", b"wait serial \"x\" within 5s");
    let script = script.to_str().expect("a name in UTF-8");
    let ends = |code: &[u8]| run_flat(&files, code, &["--debug-exit", "--script", script]);
    let output = ends(&debug_exit(3));
    assert_line(&output, 84, "before the end: the guest wrote 0x3 to the debug-exit port");
    let output = ends(&[print(b'x'), debug_exit(3)].concat());
    assert_eq!(status(&output), 7, "what it showed was enough: {}", errors(&output));
}

#[test]
fn what_is_wrong_with_a_script_is_told_before_the_run() {
    let files = Files::new();
    for (script, told) in [
        ("wait scren \"a\"", "a.script:1: write screen \"TEXT\" or serial"),
        ("sleep 1s\npress hyper", "a.script:2: there is no key \"hyper\""),
        ("screenshot /nowhere/a.png", "/nowhere/a.png"),
    ] {
        let output = play(&files, script, &[]);
        assert_line(&output, 2, told);
        assert!(output.stdout.is_empty(), "{script}");
    }
    let output = play(&files, "eject cdrom", &[]);
    assert_line(&output, 84, "no drive is called \"cdrom\"");
    let output = play(&files, "sleep 1s", &["--gdb=none.sock"]);
    assert_eq!(status(&output), 2, "{}", errors(&output));
}

#[test]
fn a_reset_and_a_picture_are_steps_too() {
    let files = Files::new();
    let picture = files.path("a.png");
    let script = format!(
        "wait serial \">\"\nreset\nwait serial \">\"\nscreenshot {}\npower off",
        picture.display()
    );
    let at_end = files.path("b.png");
    let output =
        play(&files, &script, &["--screenshot", at_end.to_str().expect("a name in UTF-8")]);
    assert_eq!(status(&output), 0, "{}", errors(&output));
    for picture in [picture, at_end] {
        let bytes = std::fs::read(picture).expect("the picture is there");
        assert!(bytes.starts_with(b"\x89PNG"), "a PNG file");
    }
}
