//! gdb itself, in batch mode, debugs a kernel with symbols: by name, by step, by watched variable, and back.

mod common;

use common::{Files, command};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Assembles and links the guest with symbols and lines.
fn guest(files: &Files) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/cli/tests/gdb/guest.s");
    let tool = |name: &str, words: &[&str]| {
        let done = Command::new(name).args(words).current_dir(files.dir()).status();
        assert!(done.expect("binutils are installed").success(), "{name}");
    };
    tool("as", &["--32", "-g", "-o", "guest.o", &source.display().to_string()]);
    tool("ld", &["-m", "elf_i386", "-Ttext", "0x100000", "-o", "guest.elf", "guest.o"]);
    files.dir().join("guest.elf")
}

/// False, with a word about it, where gdb is missing; CI must have it.
fn has_gdb() -> bool {
    let found = Command::new("gdb").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "gdb is missing, and this is CI");
    if !found {
        eprintln!("skipped: gdb is not installed");
    }
    found
}

/// What gdb says to `script`, with the guest run with `options`; and the guest's exit status.
fn debug(options: &[&str], script: &str) -> (String, Option<i32>) {
    let files = Files::new();
    let kernel = guest(&files);
    files.write("script", script.as_bytes());
    let mut machine = command()
        .args(["run", "--debug-exit", "--timeout", "120", "--gdb", "unix:gdb", "-S", "--multiboot"])
        .arg(&kernel)
        .args(options)
        .current_dir(files.dir())
        .stdin(Stdio::null())
        .spawn()
        .expect("ringer starts");
    let socket = files.dir().join("gdb");
    while !socket.exists() {
        assert!(machine.try_wait().expect("it runs").is_none(), "ringer ended at once");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", "set pagination off"]);
    gdb.args(["-ex", "target remote gdb", "-x", "script"]).arg(&kernel).current_dir(files.dir());
    // In one file: what monitor commands say goes to gdb's standard error, and the order matters.
    let said = File::create(files.dir().join("said")).expect("a file can be made");
    let both = said.try_clone().expect("it can be written to by two");
    gdb.stdin(Stdio::null()).stdout(said).stderr(both).status().expect("gdb runs");
    let status = machine.wait().expect("ringer ends").code();
    (files.read("said"), status)
}

/// Each of `wanted` is there, in this order.
fn assert_order(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for line in wanted {
        let found = rest.find(line);
        let at = found.unwrap_or_else(|| panic!("{line:?} is missing or out of order in:\n{text}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn a_kernel_is_debugged_by_name_step_variable_and_page_walk() {
    if !has_gdb() {
        return;
    }
    for engine in ["bt", "interp", "lockstep"] {
        let (text, status) = debug(
            &["--engine", engine],
            "break fill\nhbreak finish\ncontinue\nprint/x $cr3\nprint $cs_base\nprint $cr0\nstepi\n\
             monitor walk 0x100000\nmonitor idt\nmonitor gdt\ndelete 1\nwatch *(int *) &counter\n\
             continue\ncontinue\nprint *(int *) &counter\nprint $xmm0.v4_int32[0]\ndelete 3\n\
             set var *(int *) &total = 5\ncontinue\nprint $eax\nset var $eax = 7\nx/i $pc\ncontinue\n",
        );
        assert_order(
            &text,
            &[
                "Breakpoint 1, fill ()",
                "= 0x102000",
                ") 0x0",
                "[ PE ET WP PG ]",
                "36\t        movl $table, %edi",
                "page-directory entry at 0x00102000",
                "linear 0x00100000 is physical 0x00100000 (RAM)",
                "20: 32-bit interrupt gate to 0008:",
                "0008: base 00000000, limit ffffffff, 32-bit code",
                "Old value = 0\nNew value = 1",
                "Old value = 1\nNew value = 2",
                "add_up ()",
                "= 2",
                "= 0",
                "Breakpoint 2, finish ()",
            ],
        );
        // What was in the total after two rounds was replaced.
        assert!(text.contains("exited with code"), "{engine}: {text}");
        let total: u32 = 5 + 64 * (1..=48).sum::<u32>();
        assert_eq!(status, Some(((total << 1 | 1) & 0xff) as i32), "{engine}: {text}");
    }
}

#[test]
fn a_run_goes_back_to_the_last_write_of_an_address() {
    if !has_gdb() {
        return;
    }
    let (text, status) = debug(
        &["--clock", "virtual"],
        "break finish\ncontinue\nprint *(int *) &counter\nwatch *(int *) &total\nreverse-continue\n\
         print *(int *) &counter\nx/i $pc\nreverse-continue\nprint *(int *) &counter\n\
         reverse-stepi\nx/i $pc\nstepi\nx/i $pc\ndelete\nhbreak on_timer\nreverse-continue\nreverse-continue\n\
         monitor where\nmonitor history\nreverse-stepi\n\
         delete\nreverse-continue\nx/i $pc\nmonitor where\ncontinue\n",
    );
    assert_order(
        &text,
        &[
            "Breakpoint 1, finish ()",
            "= 50",
            "Hardware watchpoint 2",
            "= 49",
            "add    %eax,0x",
            "= 48",
            "=> 0x100062 <add_up+22>:\tjne",
            "=> 0x100064 <add_up+24>:\tadd    %eax,0x",
            "on_timer ()",
            "on_timer ()",
            "at a breakpoint",
            "1 exceptions and interrupts delivered",
            "guest memory in them",
            "No more reverse-execution history",
            "<_start",
            "at the first moment that it can go back to\n0 instructions retired",
            "exited with code",
        ],
    );
    let total: u32 = 64 * (1..=50).sum::<u32>();
    assert_eq!(status, Some(((total << 1 | 1) & 0xff) as i32), "{text}");
}

#[test]
fn kill_ends_the_run_and_detach_lets_it_go_on() {
    if !has_gdb() {
        return;
    }
    let (text, status) = debug(&[], "stepi\nkill\n");
    assert!(text.contains("killed"), "{text}");
    assert_eq!(status, Some(130));
    let (text, status) = debug(&[], "break add_up\ncontinue\ndetach\n");
    assert!(text.contains("Breakpoint 1, add_up ()") && text.contains("detached"), "{text}");
    let total: u32 = 64 * (1..=50).sum::<u32>();
    assert_eq!(status, Some(((total << 1 | 1) & 0xff) as i32));
    let (text, status) = debug(&[], "monitor help\nmonitor nonsense\nmonitor quit\n");
    assert_order(&text, &["this list", "no such command: nonsense"]);
    assert_eq!(status, Some(130));
}
