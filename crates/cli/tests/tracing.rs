//! `--trace`: each kind tells what it should, from and to where it should, the same each time; and symbols name places.

mod common;

use common::{Files, assert_line, command, elf, errors, status};
use std::path::Path;
use std::process::Output;

const ENGINES: [&str; 3] = ["bt", "interp", "lockstep"];

/// Enters a function twice, which writes to port 80h, toggles a mask of an interrupt controller and CR0.WP, loads CR3
/// and executes INT 21h through a gate of its own; the second time that is gone, and the guest dies.
const GUEST: &str = "
    mov esp, 0x90000
    mov word ptr [idtr], 0x7ff
    mov dword ptr [idtr + 2], 0x3000
    lidt [idtr]
    mov eax, offset handler
    mov [0x3108], ax
    mov word ptr [0x310a], 8
    mov word ptr [0x310c], 0x8e00
    shr eax, 16
    mov [0x310e], ax
    mov ecx, 40
1:  inc edx
    loop 1b
    call work
between:
    mov word ptr [0x310c], 0x0e00
    call work
    hlt
    .size _start, . - _start

    .type work, @function
work:
    out 0x80, al
    in al, 0x21
    or al, 0x10
    out 0x21, al
    mov eax, cr0
    xor eax, 0x10000
    mov cr0, eax
    mov eax, 0x4000
    mov cr3, eax
    invlpg [0x5000]
    int 0x21
    ret
    .size work, . - work

    .type handler, @function
handler:
    iret
    .size handler, . - handler

    .section .data
idtr:   .word 0
        .long 0
";

fn run(image: &Path, options: &[&str]) -> Output {
    let mut run = command();
    run.args(["run", "--no-reboot", "-m", "16M", "--timeout", "60", "--clock", "virtual"]);
    run.arg("--multiboot").arg(image).args(options).output().expect("ringer starts")
}

/// The trace of a run.
fn traced(files: &Files, image: &Path, options: &[&str]) -> String {
    let path = files.path("trace");
    let path = path.to_str().expect("a plain name");
    let output = run(image, &[options, &["--trace-file", path]].concat());
    assert_line(&output, 66, "(work+0x");
    files.read("trace")
}

fn lines_with<'a>(trace: &'a str, part: &str) -> Vec<&'a str> {
    trace.lines().filter(|line| line.contains(part)).collect()
}

#[test]
fn each_kind_tells_what_happens_with_place_and_symbol_under_every_engine() {
    let files = Files::new();
    let image = elf(&files, "guest", GUEST);
    let mut traces = Vec::new();
    for engine in ENGINES {
        let kinds = "exceptions,interrupts,io,modes";
        let trace = traced(&files, &image, &["--engine", engine, "--trace", kinds]);
        for (part, times) in [
            ("work io: out 0080h <- ", 2),
            ("work+0x2 io: in 0021h -> ", 2),
            ("io: out 0021h <- ", 2),
            ("modes: cr0 00010011", 1),
            ("interrupts: int 21h", 2),
            ("exceptions: #NP, error 010a", 1),
            ("while delivering that", 2),
        ] {
            assert_eq!(lines_with(&trace, part).len(), times, "{engine} {part}\n{trace}");
        }
        traces.push(trace);
    }
    assert_eq!(traces[0], traces[1], "bt and interp");
    assert_eq!(traces[0], traces[2], "bt and lockstep");
    let paging = traced(&files, &image, &["--trace", "paging"]);
    assert_eq!(lines_with(&paging, "paging: cr3 00004000").len(), 2, "{paging}");
    assert_eq!(lines_with(&paging, "paging: invlpg 00005000").len(), 2, "{paging}");
}

#[test]
fn blocks_and_translations_are_told_and_a_run_repeats_whatever_is_traced() {
    let files = Files::new();
    let image = elf(&files, "guest", GUEST);
    let digest = |options: &[&str]| {
        let path = files.path("report");
        let path = path.to_str().expect("a plain name");
        run(&image, &[options, &["--report", path]].concat());
        let report: serde_json::Value =
            serde_json::from_str(&files.read("report")).expect("a report");
        (report["digest"].to_string(), report["instructions"].to_string())
    };
    let trace = traced(&files, &image, &["--trace", "blocks,translations"]);
    // The loop is translated at its second round, and entered each time from then on.
    assert!(lines_with(&trace, "blocks: block at cache offset").len() >= 38, "{trace}");
    let made = lines_with(&trace, "translations: block ");
    assert!(made.iter().any(|line| line.contains("_start+0x")), "{trace}");
    assert_eq!(trace, traced(&files, &image, &["--trace", "blocks,translations"]));
    let file = files.path("unread");
    let file = file.to_str().expect("a plain name");
    assert_eq!(digest(&[]), digest(&["--trace", "all", "--trace-file", file]));
}

#[test]
fn a_trace_begins_and_ends_at_an_instruction_or_a_symbol() {
    let files = Files::new();
    let image = elf(&files, "guest", GUEST);
    let numbers = |trace: &str| -> Vec<u64> {
        let word = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
        trace.lines().map(|line| word(line).expect("a number")).collect()
    };
    let whole = traced(&files, &image, &["--trace", "io,interrupts"]);
    let all = numbers(&whole);
    let middle = all[3].to_string();
    for engine in ENGINES {
        let kinds = ["--trace", "io,interrupts", "--engine", engine];
        let from = |options: &[&str]| traced(&files, &image, &[&kinds[..], options].concat());
        let part: Vec<u64> = all.iter().copied().filter(|n| *n >= all[3]).collect();
        assert_eq!(numbers(&from(&["--trace-from", &middle])), part, "{engine}");
        let part: Vec<u64> = all.iter().copied().filter(|n| *n < all[3]).collect();
        assert_eq!(numbers(&from(&["--trace-to", &middle])), part, "{engine}");
        let second = from(&["--trace-from", "between"]);
        assert_eq!(lines_with(&second, "out 0080h").len(), 1, "{engine} {second}");
        let first = from(&["--trace-from", "work+2", "--trace-to", "between"]);
        assert_eq!(lines_with(&first, "out 0080h").len(), 0, "{engine} {first}");
        assert_eq!(lines_with(&first, "int 21h").len(), 1, "{engine} {first}");
    }
    let unknown = run(&image, &["--trace", "io", "--trace-from", "nowhere"]);
    assert_line(&unknown, 2, "--trace-from nowhere");
    let unwanted = run(&image, &["--trace-from", "work"]);
    assert_eq!(status(&unwanted), 2, "{}", errors(&unwanted));
    assert_line(&run(&image, &["--trace", "ports"]), 2, "exceptions, interrupts, io");
}

#[test]
fn json_lines_have_fields_for_programs() {
    let files = Files::new();
    let image = elf(&files, "guest", GUEST);
    let trace = traced(&files, &image, &["--trace", "io,exceptions", "--trace-format", "json"]);
    let lines: Vec<serde_json::Value> =
        trace.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let out = &lines[0];
    assert_eq!(out["target"], "ringer::io");
    assert_eq!((&out["port"], &out["write"], &out["size"]), (&128.into(), &true.into(), &1.into()));
    assert_eq!((&out["cs"], &out["symbol"]), (&8.into(), &"work".into()));
    let fault = lines.iter().find(|line| line["target"] == "ringer::exceptions").expect("one");
    assert_eq!((&fault["vector"], &fault["error"]), (&11.into(), &0x10a.into()));
}

#[test]
fn symbols_are_read_from_files_and_a_bad_file_is_refused() {
    let files = Files::new();
    let image = elf(&files, "guest", GUEST);
    let map = files.write("System.map", b"00100000 T everything\n00200000 T end\n");
    let map = map.to_str().expect("a plain name");
    // The kernel's own are better where they are.
    let own = errors(&run(&image, &["--symbols", map]));
    assert!(own.contains("(work+0x"), "{own}");
    let spin = files.write("spin.bin", &common::flat(common::SPIN));
    let mut spinning = command();
    spinning.args(["run", "--timeout", "0.3", "--symbols", map, "--multiboot"]).arg(&spin);
    let named = errors(&spinning.output().expect("ringer starts"));
    assert!(named.contains("(everything+0x21)"), "{named}");
    let bad = files.write("bad", b"no symbols here");
    let output = run(&spin, &["--symbols", bad.to_str().expect("a plain name")]);
    assert_line(&output, 2, "System.map");
}

#[test]
fn a_trace_that_cannot_be_written_is_an_output_error() {
    let files = Files::new();
    let image = elf(&files, "guest", GUEST);
    let output = run(&image, &["--trace", "io", "--trace-file", "/dev/full"]);
    assert_line(&output, 74, "No space left");
    let output = run(&image, &["--trace", "io", "--trace-file", "/nonexistent/trace"]);
    assert_line(&output, 2, "/nonexistent/trace");
}
