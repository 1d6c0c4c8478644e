//! `--script`: a guest is driven by its serial line and its keyboard, in its own time.

mod common;

use common::{Files, assert_line, command, debug_exit, elf, errors, print, run_flat, status};
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

/// Reads the first sector of the CD over and over, and sends its first byte whenever that is another one.
const READER: &str = "
    mov edi, 0x200000
    xor ebx, ebx
1:  mov dx, 0x176
    mov al, 0xa0
    out dx, al
    mov dx, 0x171
    xor al, al
    out dx, al
    mov dx, 0x174
    out dx, al
    inc edx
    mov al, 8
    out dx, al
    mov dx, 0x177
    mov al, 0xa0
    out dx, al
2:  in al, dx
    and al, 0x88
    cmp al, 8
    jne 2b
    mov dx, 0x170
    mov esi, offset packet
    mov ecx, 6
    rep outsw
    mov dx, 0x177
3:  in al, dx
    test al, 0x80
    jnz 3b
    test al, 1
    jnz 1b
    test al, 8
    jz 1b
    mov dx, 0x170
    push edi
    mov ecx, 1024
    rep insw
    pop edi
    cmp bl, [edi]
    je 1b
    mov bl, [edi]
    mov al, bl
    mov dx, 0x3f8
    out dx, al
    jmp 1b
packet:
    .byte 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0
";

#[test]
fn media_are_changed() {
    let files = Files::new();
    let guest = elf(&files, "reader", READER);
    let disc = |name: &str| files.write(&format!("{name}.iso"), &name.repeat(4096).into_bytes());
    let (first, _) = (disc("A"), disc("B"));
    let script = "wait serial \"A\"\neject cdrom\ninsert cd \"B.iso\"\nwait serial \"B\"\n\
                  insert hdc \"A.iso\"\nwait serial \"A\"\npower off\n";
    let script = files.write("a.script", script.as_bytes());
    for engine in ENGINES {
        let mut run = command();
        run.args(["run", "-m", "16M", "--timeout", "60", "--engine", engine, "--multiboot"]);
        run.arg(&guest).arg("--cdrom").arg(&first).arg("--script").arg(&script);
        let output = run.output().expect("ringer starts");
        assert_eq!(status(&output), 0, "{engine}: {}", errors(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ABA", "{engine}");
    }
    let output = play(&files, "insert floppy1 \"A.iso\"", &[]);
    assert_line(&output, 2, "no drive is called \"floppy1\": there are none");
    let cd = ["--drive", "media=cdrom"];
    let output = play(&files, "insert cdrom \"nowhere.iso\"", &cd);
    assert_line(&output, 2, "nowhere.iso");
    let output = play(&files, "insert hda \"A.iso\"", &cd);
    assert_line(&output, 2, "no drive is called \"hda\": there are cdrom");
}

#[test]
fn a_script_that_waits_for_a_halted_guest_costs_no_processor_time() {
    let files = Files::new();
    // The keyboard could wake it.
    let words = [(0x20, 0x11), (0x21, 0x28), (0x21, 4), (0x21, 1), (0x21, 0xfd)];
    let text = words.map(|(port, value)| format!("mov al, {value}\nout {port}, al\n")).concat();
    let guest = elf(&files, "halted", &(text + "sti\n1: hlt\njmp 1b"));
    let script = files.write("a.script", b"sleep 3s\npower off\n");
    let mut run = command();
    // Standard input is at its end.
    run.args(["run", "-m", "16M", "--timeout", "60", "--clock", "real", "--multiboot"]).arg(guest);
    let begun = std::time::Instant::now();
    let mut run = run.arg("--script").arg(script).spawn().expect("ringer starts");
    let mut used = 0;
    while run.try_wait().expect("it can be asked").is_none() {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.id())).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        used = used.max(ticks);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let hz = rustix::param::clock_ticks_per_second();
    assert!(begun.elapsed().as_secs() >= 3);
    assert!(used * 1000 / hz < 400, "{} ms of processor time", used * 1000 / hz);
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
