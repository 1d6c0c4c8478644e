//! Files that want more than they are worth: each ends with one line, in little time and memory, whatever option names it.

mod common;

use common::{Files, RESET, assert_line, command, flat, ringer, status};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// KiB of private memory that `ringer` may have in these tests. A file is refused before a machine is built.
const MEMORY: u32 = 256 << 10;

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

/// `ringer` with these words, in [`MEMORY`].
fn limited(files: &Files, words: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -d $0; exec \"$@\""]).arg(MEMORY.to_string());
    shell.arg(env!("CARGO_BIN_EXE_ringer")).args(words).current_dir(files.dir());
    shell.stdin(Stdio::null()).output().expect("a shell is there")
}

fn fifo(files: &Files, name: &str) -> String {
    let path = files.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().expect("coreutils are there").success());
    text(&path).to_owned()
}

/// A Multiboot ELF file with `count` program headers that each name the whole file.
fn amplified(count: u16, bytes: u32) -> Vec<u8> {
    let table = 4096;
    let size = table + u32::from(count) * 32 + bytes;
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = [&b"\x7fELF\x01\x01\x01"[..], &[0; 9], &[2, 0, 3, 0]].concat();
    file.extend(words(&[1, 0x10_0000, table, 0, 0]));
    file.extend([52, 0, 32, 0, count as u8, (count >> 8) as u8, 0, 0, 0, 0, 0, 0]);
    file.resize(64, 0);
    file.extend(words(&[0x1bad_b002, 0, 0u32.wrapping_sub(0x1bad_b002)]));
    file.resize(table as usize, 0);
    let whole = size - table;
    for _ in 0..count {
        file.extend(words(&[1, 0, 0x10_0000, 0x10_0000, whole, whole, 7, 4096]));
    }
    file.resize(size as usize, 0);
    file
}

#[test]
fn an_elf_file_whose_headers_all_name_the_whole_of_it_is_refused() {
    let files = Files::new();
    let image = files.write("amplified.elf", &amplified(65534, 1 << 20));
    let output = limited(&files, &["run", "--multiboot", text(&image)]);
    assert_line(&output, 2, "they lie over each other");
}

#[test]
fn modules_are_refused_before_they_are_read() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    let module = files.write("module", &vec![7; 16 << 20]);
    let mut words = vec!["run", "-m", "256M", "--multiboot", text(&image)];
    (0..60).for_each(|_| words.extend(["--initrd", text(&module)]));
    assert_line(&limited(&files, &words), 2, "what the modules before it leave");
}

#[test]
fn devices_directories_and_pipes_nobody_writes_to_are_no_files() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    let image = text(&image);
    let pipe = fifo(&files, "pipe");
    let suite = files.write("suite.toml", b"image = '/dev/zero'\n");
    let kernel: &[&str] = &["run", "--multiboot", image];
    let options: [&[&str]; 12] = [
        &["run"],
        &["run", "--kernel"],
        &["run", "--multiboot"],
        &["run", "--rom"],
        &["run", "--bootsector"],
        &["run", "--load"],
        &[kernel, &["--symbols"]].concat(),
        &[kernel, &["--initrd"]].concat(),
        &["profile", "show", "--json", "-"],
        &["profile", "diff", image],
        &["verify"],
        &["test", text(&suite), "--config"],
    ];
    for option in options {
        let run = |path: &str| limited(&files, &[option, &[path]].concat());
        assert_line(&run("/dev/zero"), 2, "");
        let began = Instant::now();
        // A suite and a comparison do not take a time.
        let timed = !matches!(option[0], "test")
            && option.get(1).is_none_or(|word| !["show", "diff"].contains(word));
        let output = match timed {
            true => limited(&files, &[option, &[&pipe, "--timeout", "0.2"]].concat()),
            false => continue,
        };
        let code = status(&output);
        assert!(code == 2 || code == 124, "{option:?}: {code}");
        assert_line(&output, code, "");
        assert!(began.elapsed() < Duration::from_secs(2), "{option:?}");
        assert_line(&run(text(files.dir())), 2, "");
    }
}

#[test]
fn the_timeout_runs_while_files_are_read() {
    let files = Files::new();
    let pipe = fifo(&files, "pipe");
    // Somebody who has it open, and writes nothing.
    let mut holder =
        Command::new("sh").args(["-c", "exec sleep 60 > \"$0\"", &pipe]).spawn().unwrap();
    let began = Instant::now();
    let output =
        ringer(&["run", "--timeout", "0.5", "--kernel", &pipe, "--report", text(&files.path("r"))]);
    let took = began.elapsed();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_line(&output, 124, "stopped by --timeout, before all files were read");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(!files.path("r").exists());
}

#[test]
fn what_pipes_bring_is_read() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    let pipe = fifo(&files, "pipe");
    let script = "cat \"$1\" > \"$2\" & exec \"$0\" run --no-reboot --multiboot \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ringer"), text(&image), &pipe]);
    assert_line(&shell.output().unwrap(), 64, "--no-reboot");
}

#[test]
fn names_and_values_reach_no_terminal() {
    let files = Files::new();
    let name = OsStr::from_bytes(b"a\x1b]0;owned\x07\nringer: all is well\xc2\x9b");
    let path = files.dir().join(name);
    std::fs::write(&path, b"[test]\n\"x\\u001b[31m\" = 1\n").unwrap();
    let options = [
        "run",
        "run --kernel",
        "run --multiboot",
        "run --rom",
        "run --bootsector",
        "run --load",
        "run --rom /dev/null --symbols",
        "profile show",
        "profile diff /dev/null",
        "verify",
        "test",
        "test . --config",
        "test --filter",
        "run --cpu",
        "run -m",
        "nonsense",
        "run --rom x --serial",
        "completions",
    ];
    for option in options {
        let output = command().args(option.split(' ')).arg(&path).output().unwrap();
        let told = [output.stderr, output.stdout].concat();
        let odd = |byte: &u8| *byte < 0x20 && *byte != b'\n' || *byte == 0x7f;
        assert!(!told.iter().any(odd), "{option}: {}", told.escape_ascii());
        let told = String::from_utf8_lossy(&told);
        assert!(
            !told.contains('\u{9b}') && !told.contains("\nringer: all is well"),
            "{option}: {told}"
        );
    }
}

#[test]
fn outputs_are_there_whole_or_as_they_were() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    let (report, serial, trace) = (files.path("report"), files.path("serial"), files.path("trace"));
    let to_serial = format!("file:{}", serial.display());
    let outputs = [
        "--report",
        text(&report),
        "--serial",
        &to_serial,
        "--trace=io",
        "--trace-file",
        text(&trace),
    ];
    let run = |guest: &str| {
        ringer(&[&["run", "--no-reboot", "--multiboot", guest], &outputs[..]].concat())
    };
    assert_line(&run("/nonexistent"), 2, "No such file");
    assert_line(&run("/dev/zero"), 2, "character device");
    let broken = files.write("broken", &[0; 100]);
    assert_line(&run(text(&broken)), 2, "Multiboot");
    assert_eq!(std::fs::read_dir(files.dir()).unwrap().count(), 2, "nothing was left");
    for path in [&report, &serial, &trace] {
        std::fs::write(path, "before").unwrap();
    }
    assert_line(&run(text(&broken)), 2, "Multiboot");
    for name in ["report", "serial", "trace"] {
        assert_eq!(files.read(name), "before", "{name}");
    }
    assert_line(&run(text(&image)), 64, "--no-reboot");
    assert!(files.read("report").starts_with('{') && files.read("serial").is_empty());
    let profile = files.path("profile");
    let words = ["profile", "--json", text(&profile), "--multiboot", text(&broken)];
    assert_line(&ringer(&words), 2, "Multiboot");
    assert!(!profile.exists());
}

#[test]
fn a_full_disk_is_told_and_leaves_what_was_there() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    std::fs::create_dir(files.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=4k none disk || exit 99
        echo before > disk/report
        \"$0\" run --no-reboot --multiboot \"$1\" --report disk/report
        status=$?; ls -A disk; cat disk/report; exit $status";
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_ringer"), text(&image)]);
    match shell.current_dir(files.dir()).output() {
        Ok(output) if ![1, 99].contains(&status(&output)) => {
            let told = common::errors(&output);
            assert!(told.contains("cannot write disk/report: No space left"), "{told}");
            assert_eq!((status(&output), output.stdout), (74, b"report\nbefore\n".to_vec()));
        }
        refused => eprintln!("not tested: no file system can be mounted here: {refused:?}"),
    }
}

#[test]
fn absurd_counts_of_symbols_and_values_are_refused() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    let mut file = std::fs::File::create(files.path("map")).unwrap();
    file.write_all("c1000000 T a\n".repeat(1 << 21).as_bytes()).unwrap();
    let output = limited(
        &files,
        &["run", "--multiboot", text(&image), "--symbols", text(&files.path("map"))],
    );
    assert_line(&output, 2, "more than 1048576 symbols");
    let profile = files
        .write("profile", format!("{{\"blocks\":[{}{{}}]}}", "{},".repeat(2 << 20)).as_bytes());
    let output = limited(&files, &["profile", "show", text(&profile), "--json", "-"]);
    assert_line(&output, 2, "too many values");
    files.write("ringer.toml", &vec![b'#'; 1 << 20]);
    assert_line(
        &limited(&files, &["test", "."]),
        2,
        "larger than what a description of tests can have",
    );
}
