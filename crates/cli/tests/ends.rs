//! The ends that CI needs: a dead halt, a debug-exit port of one's choice, texts; and what is told of an end that was
//! not meant.

mod common;

use common::{
    Files, INTO_NOTHING, SPIN, assert_line, command, debug_exit, errors, flat, print, run_flat,
    status,
};
use std::process::Stdio;
use std::time::{Duration, Instant};

const ENGINES: [&str; 3] = ["bt", "interp", "lockstep"];
/// Far more than any of these runs takes, and less than their timeouts.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Both interrupt controllers set up, with these masks.
fn controllers(master: u8, slave: u8) -> Vec<u8> {
    let words = [
        (0x20, 0x11),
        (0x21, 0x20),
        (0x21, 4),
        (0x21, 1),
        (0x21, master),
        (0xa0, 0x11),
        (0xa1, 0x28),
        (0xa1, 2),
        (0xa1, 1),
        (0xa1, slave),
    ];
    words.into_iter().flat_map(|(port, value)| [0xb0, value, 0xe6, port]).collect()
}

/// Channel 0 of the timer counts, periodically.
const TIMER: &[u8] = &[0xb0, 0x34, 0xe6, 0x43, 0xb0, 0, 0xe6, 0x40, 0xb0, 0x10, 0xe6, 0x40];
/// cli; hlt; jmp $-1
const CLI_HLT: &[u8] = &[0xfa, 0xf4, 0xeb, 0xfd];
/// sti; hlt; jmp $-1
const STI_HLT: &[u8] = &[0xfb, 0xf4, 0xeb, 0xfd];
/// COM1 interrupts at received bytes: mov dx, 3f9h; mov al, 1; out dx, al; mov dx, 3fch; mov al, 0bh; out dx, al
const LISTEN: &[u8] = &[0xba, 0xf9, 3, 0, 0, 0xb0, 1, 0xee, 0xba, 0xfc, 3, 0, 0, 0xb0, 0x0b, 0xee];

fn report(files: &Files) -> serde_json::Value {
    serde_json::from_str(&files.read("report")).expect("a report in JSON")
}

#[test]
fn a_halt_that_nothing_can_wake_ends_at_once_with_a_status_of_its_own() {
    let files = Files::new();
    let masked = [controllers(0xff, 0xff), TIMER.to_vec(), STI_HLT.to_vec()].concat();
    // All but the timer's, which the loader has started.
    let unarmed = [controllers(1, 0), STI_HLT.to_vec()].concat();
    let deaf = [controllers(0xf7, 0xff), LISTEN.to_vec(), STI_HLT.to_vec()].concat();
    for engine in ENGINES {
        for clock in ["real", "virtual"] {
            for code in [CLI_HLT, &masked, &unarmed, &deaf] {
                let started = Instant::now();
                let options = ["--timeout", "60", "--engine", engine, "--clock", clock];
                let output = run_flat(&files, code, &options);
                assert_line(&output, 78, "nothing can wake the processor");
                assert!(started.elapsed() < AT_ONCE, "{engine} {clock}");
            }
        }
        let output =
            run_flat(&files, CLI_HLT, &["--max-instructions", "1000000", "--engine", engine]);
        assert_line(&output, 78, "nothing can wake the processor");
    }
    let output = run_flat(&files, CLI_HLT, &["--timeout", "60"]);
    let text = errors(&output);
    assert!(text.contains("halted at 0008:00100021") && text.contains("IF is 0"), "{text}");
    let text = errors(&run_flat(&files, &masked, &["--timeout", "60"]));
    assert!(text.contains("masks ff and ff"), "{text}");
}

#[test]
fn a_halt_that_a_timer_or_input_can_end_goes_on() {
    let files = Files::new();
    // The interrupt's handler is nowhere, so the first one ends the run.
    let timer = [controllers(0xfe, 0xff), TIMER.to_vec(), STI_HLT.to_vec()].concat();
    for clock in ["real", "virtual"] {
        let output = run_flat(&files, &timer, &["--no-reboot", "--clock", clock]);
        assert_line(&output, 66, "triple fault");
    }
    let listens = [controllers(0xef, 0xff), LISTEN.to_vec(), STI_HLT.to_vec()].concat();
    let image = files.write("listens.bin", &flat(&listens));
    let mut run = command();
    run.args(["run", "--no-reboot", "--timeout", "60", "--multiboot"]).arg(&image);
    run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = run.spawn().expect("ringer starts");
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().expect("it can be asked").is_none(), "it waits for input");
    // The end of the input: nothing can come any more.
    drop(child.stdin.take());
    assert_line(&child.wait_with_output().expect("it ends"), 78, "nothing can wake");
}

#[test]
fn debug_exit_can_be_at_a_port_of_ones_choice_and_its_value_of_any_width() {
    let files = Files::new();
    // mov dx, 501h; mov eax, 123456h; out dx, eax | ax | al
    let head = [0xba, 0x01, 0x05, 0, 0, 0xb8, 0x56, 0x34, 0x12, 0];
    for (out, value) in [(&[0xef][..], 0x12_3456), (&[0x66, 0xef], 0x3456), (&[0xee], 0x56)] {
        let code = [&debug_exit(9), &head[..], out, SPIN].concat();
        let path = files.path("report");
        let path = path.to_str().expect("a plain name");
        let output = run_flat(&files, &code, &["--debug-exit=0x501", "--report", path]);
        assert_eq!(status(&output), (value << 1 | 1) & 0xff, "{}", errors(&output));
        assert_eq!(report(&files)["value"], value);
    }
    let taken = run_flat(&files, SPIN, &["--debug-exit=0x3f8"]);
    assert_line(&taken, 2, "debug-exit");
    assert_line(&run_flat(&files, SPIN, &["--debug-exit=port"]), 2, "--debug-exit");
}

#[test]
fn power_off_as_qemus_guests_do_it() {
    let files = Files::new();
    // mov dx, 604h; mov ax, 2000h; out dx, ax
    let code = [&[0xba, 4, 6, 0, 0, 0x66, 0xb8, 0, 0x20, 0x66, 0xef][..], SPIN].concat();
    let output = run_flat(&files, &code, &["--timeout", "60"]);
    assert_eq!((status(&output), errors(&output).as_str()), (0, ""));
}

#[test]
fn a_text_ends_the_run_well_or_badly() {
    let files = Files::new();
    let text: Vec<u8> = b"all tests passed".iter().flat_map(|b| print(*b)).collect();
    let code = [text, print(b'!'), SPIN.to_vec()].concat();
    for engine in ENGINES {
        let options = ["--timeout", "60", "--engine", engine];
        let path = files.path("report");
        let path = path.to_str().expect("a plain name");
        let passed = [&options[..], &["--pass-on", "passed", "--report", path]].concat();
        let output = run_flat(&files, &code, &passed);
        assert_eq!((status(&output), errors(&output).as_str()), (0, ""));
        assert_eq!(output.stdout, b"all tests passed", "{engine}: nothing runs behind the text");
        assert_eq!(
            (&report(&files)["end"], &report(&files)["text"]),
            (&"pass-on".into(), &"passed".into())
        );
        let failed =
            [&options[..], &["--fail-on", "tests", "--pass-on", "passed", "--report", path]];
        let output = run_flat(&files, &code, &failed.concat());
        assert_line(&output, 80, "the guest wrote \"tests\" (--fail-on)");
        assert_eq!(output.stdout, b"all tests");
        assert_eq!(report(&files)["end"], "fail-on");
    }
}

/// A table of one's own at 2000h with this limit, then what `code` does: lidt [1ff0h].
fn with_idt(limit: u16, code: &[u8]) -> Vec<u8> {
    let [low, high] = limit.to_le_bytes();
    let head =
        [0x66, 0xc7, 0x05, 0xf0, 0x1f, 0, 0, low, high, 0xc7, 0x05, 0xf2, 0x1f, 0, 0, 0, 0x20];
    [&head[..], &[0, 0, 0x0f, 0x01, 0x1d, 0xf0, 0x1f, 0, 0], code].concat()
}

#[test]
fn the_hint_of_a_triple_fault_says_what_is_wrong() {
    let files = Files::new();
    let ud2 = [0x0f, 0x0b];
    // mov byte [2035h], 8eh; mov word [2032h], sel: a gate for #UD
    let gate = |selector: u8| {
        vec![0xc6, 0x05, 0x35, 0x20, 0, 0, 0x8e, 0x66, 0xc7, 0x05, 0x32, 0x20, 0, 0, selector, 0]
    };
    let cases = [
        (ud2.to_vec(), "has not executed LIDT"),
        (with_idt(0x0f, &ud2), "limit 000f, has no entry 06h"),
        (with_idt(0x7ff, &ud2), "entry 06h of the IDT at 00002000, limit 07ff, is not present"),
        (with_idt(0x7ff, &[gate(0), ud2.to_vec()].concat()), "has a null selector"),
        (with_idt(0x7ff, &[gate(0x50), ud2.to_vec()].concat()), "look at the GDT"),
        (INTO_NOTHING.to_vec(), "no memory at a0000000"),
    ];
    for (code, hint) in cases {
        let text = errors(&run_flat(&files, &code, &["--no-reboot"]));
        assert!(text.contains(hint), "{hint}: {text}");
    }
}

#[test]
fn a_triple_fault_is_explained() {
    let files = Files::new();
    let path = files.path("report");
    let path = path.to_str().expect("a plain name");
    for engine in ENGINES {
        let options = ["--no-reboot", "--engine", engine, "--clock", "virtual", "--report", path];
        let output = run_flat(&files, INTO_NOTHING, &options);
        assert_line(&output, 66, "triple fault at ");
        let text = errors(&output);
        for part in ["  eax a0000000", "last exceptions:", "while delivering that", "hint: "] {
            assert!(text.contains(part), "{engine}: {text}");
        }
        let report = report(&files);
        assert_eq!(report["registers"]["eax"], "0xa0000000", "{engine}");
        assert_eq!(report["instructions"], 2, "{engine}");
        let kinds: Vec<_> = report["events"].as_array().expect("events").iter().collect();
        let last = kinds.last().expect("some");
        assert_eq!(last["kind"], "exceptions", "{engine}");
        assert_eq!(last["place"]["cs"], 8, "{engine}");
    }
}

#[test]
fn a_timeout_is_explained_and_instructions_are_told_only_where_they_are_counted() {
    let files = Files::new();
    let path = files.path("report");
    let path = path.to_str().expect("a plain name");
    let output = run_flat(&files, SPIN, &["--timeout", "0.3", "--report", path]);
    assert_line(&output, 124, "stopped by --timeout at 0008:00100021");
    assert!(errors(&output).contains("interrupts off"), "{}", errors(&output));
    assert!(report(&files).get("instructions").is_none());
    let options = ["--timeout", "0.3", "--clock", "virtual", "--report", path];
    run_flat(&files, SPIN, &options);
    assert!(report(&files)["instructions"].as_u64().expect("counted") > 1000);
}
