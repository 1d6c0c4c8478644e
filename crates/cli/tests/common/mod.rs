//! Small guests as bytes, and ways to run `ringer` on them.

#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Ends the run with this value: mov al, v; out f4h, al.
pub fn debug_exit(value: u8) -> Vec<u8> {
    vec![0xb0, value, 0xe6, 0xf4]
}

/// Prints a byte on the first serial port: mov dx, 3f8h; mov al, b; out dx, al.
pub fn print(byte: u8) -> Vec<u8> {
    vec![0xba, 0xf8, 0x03, 0x00, 0x00, 0xb0, byte, 0xee]
}

/// cli; jmp to itself.
pub const SPIN: &[u8] = &[0xfa, 0xeb, 0xfe];
/// mov eax, a0000000h; jmp eax: nothing is there.
pub const INTO_NOTHING: &[u8] = &[0xb8, 0, 0, 0, 0xa0, 0xff, 0xe0];
/// mov dx, cf9h; mov al, 6; out dx, al; jmp to itself.
pub const RESET: &[u8] = &[0xba, 0xf9, 0x0c, 0, 0, 0xb0, 0x06, 0xee, 0xeb, 0xfe];
/// SLP_TYP of S5 and SLP_EN to the ACPI control register: mov dx, 604h; mov ax, 3400h; out dx, ax;
/// jmp to itself.
pub const POWER_OFF: &[u8] =
    &[0xba, 0x04, 0x06, 0, 0, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef, 0xeb, 0xfe];

/// A flat Multiboot image of `code`, loaded and entered at 1 MiB.
pub fn flat(code: &[u8]) -> Vec<u8> {
    let (magic, flags) = (0x1bad_b002u32, 0x1_0000u32);
    let base = 0x10_0000u32;
    let sum = 0u32.wrapping_sub(magic).wrapping_sub(flags);
    let words = [magic, flags, sum, base, base, 0, 0, base + 32];
    let mut image: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    image.extend_from_slice(code);
    image
}

/// A folder for a test's files.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    }

    /// A copy of the program, to be run. Another process makes it: a descriptor of our own, open for writing, would go
    /// to whatever a test beside this one starts at that moment, and nobody can execute a file that is open so (ETXTBSY).
    pub fn copy_of_ringer(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ringer")).arg(&path).status();
        assert!(copied.expect("cp starts").success(), "no copy at {}", path.display());
        path
    }

    pub fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.path(name)).expect("the file is there");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

pub fn command() -> Command {
    with_surroundings(Command::new(env!("CARGO_BIN_EXE_ringer")))
}

fn with_surroundings(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    // The user's durations are not the tests' to write.
    command.env("RINGER_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/ringer-cache"));
    command
}

/// `ringer` as in a terminal's foreground: whoever runs the tests in a shell's background has INT and QUIT ignored.
pub fn in_foreground() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(env!("CARGO_BIN_EXE_ringer"));
    with_surroundings(command)
}

/// `ringer` with these words.
pub fn ringer<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Output {
    command().args(words).output().expect("ringer starts")
}

/// `ringer run` of a flat image, with more options.
pub fn run_flat(files: &Files, code: &[u8], options: &[&str]) -> Output {
    let image = files.write("guest.bin", &flat(code));
    let mut command = command();
    command.arg("run").arg("--multiboot").arg(image).args(["-m", "16M"]).args(options);
    command.output().expect("ringer starts")
}

/// A command for this tool. Where it is missing the test says that it is skipped; on CI that is a failure.
pub fn have(tool: &str) -> Option<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()) {
        return Some(Command::new(tool));
    }
    assert!(std::env::var_os("CI").is_none(), "{tool} is not installed");
    eprintln!("skipped: {tool} is not installed");
    None
}

/// SeaBIOS with its VGA BIOS, where the command looks for them. Where it is missing the test says that it is skipped; on CI
/// that is a failure.
pub fn firmware() -> Option<PathBuf> {
    let folders = ["guests/firmware", "/usr/share/seabios", "/usr/share/qemu"].map(Path::new);
    let has = |folder: &&Path| {
        let file = |name: &str| folder.join(name).is_file();
        (file("bios-256k.bin") || file("bios.bin")) && file("vgabios-stdvga.bin")
    };
    let found = folders.into_iter().find(has);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no SeaBIOS: scripts/fetch-guests.sh seabios");
        eprintln!("skipped: no SeaBIOS (scripts/fetch-guests.sh seabios)");
    }
    found.map(Path::to_owned)
}

pub fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("died: {}: {}", output.status, errors(output)))
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that the run ended with `wanted` and one line on standard error that has `part` in it; what explains it
/// further is set in.
pub fn assert_line(output: &Output, wanted: i32, part: &str) {
    let text = errors(output);
    assert_eq!(status(output), wanted, "{text}");
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with("ringer: ") && first.contains(part), "{text}");
    assert!(lines.all(|line| line.starts_with("  ")), "{text}");
}

/// A Multiboot ELF kernel with symbols, assembled from `text` (Intel syntax, entered at `_start`) and linked at 1 MiB.
pub fn elf(files: &Files, name: &str, text: &str) -> PathBuf {
    let head = "\t.intel_syntax noprefix\n\t.section .text\n\t.align 4\n\t.long 0x1badb002, 0, -0x1badb002\n\
                \t.globl _start\n\t.type _start, @function\n_start:\n";
    let source = files.write(&format!("{name}.s"), format!("{head}{text}\n").as_bytes());
    let object = files.path(&format!("{name}.o"));
    let image = files.path(&format!("{name}.elf"));
    let made = |tool: &str, arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(tool).args(arguments).output().expect("binutils are there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    made("as", &["--32".as_ref(), "-o".as_ref(), object.as_ref(), source.as_ref()]);
    let flags = ["-m", "elf_i386", "-Ttext=0x100000", "-N", "--no-warn-rwx-segments", "-o"]
        .map(AsRef::as_ref);
    made("ld", &[&flags[..], &[image.as_ref(), object.as_ref()]].concat());
    image
}
