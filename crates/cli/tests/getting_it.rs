//! What surrounds the command: its version, completions, manual pages, and guests by their file alone.

mod common;

use common::{
    Files, POWER_OFF, assert_line, command, debug_exit, errors, flat, print, ringer, status,
};
use std::path::Path;
use std::process::{Command, Output};

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A ROM of 64 KiB: at the reset vector, AX 3400h (power off) goes to port 604h.
fn rom() -> Vec<u8> {
    let mut rom = vec![0xffu8; 65536];
    rom[0xfff0..0xfffa]
        .copy_from_slice(&[0xb8, 0x00, 0x34, 0xba, 0x04, 0x06, 0xef, 0xf4, 0xeb, 0xfd]);
    rom
}

#[test]
fn the_version_names_what_was_built() {
    let short = said(&ringer(&["-V"]));
    assert!(short.starts_with(concat!("ringer ", env!("CARGO_PKG_VERSION"))), "{short}");
    assert_eq!(short.lines().count(), 1, "{short}");
    let long = said(&ringer(&["--version"]));
    assert!(long.starts_with(short.trim()), "{long}");
    for wanted in ["target: x86_64-", "rustc ", "features: cli", "engines: bt"] {
        assert!(long.contains(wanted), "{wanted}: {long}");
    }
    // A checkout has a commit; what is unpacked elsewhere has none, and builds all the same.
    let root = env!("CARGO_MANIFEST_DIR");
    let head = Command::new("git").args(["-C", root, "rev-parse", "--short=9", "HEAD"]).output();
    if let Ok(head) = head
        && Path::new(root).join(".git").exists()
    {
        assert!(short.contains(said(&head).trim()), "{short} was not built from this commit");
    }
}

#[test]
fn a_guest_is_known_by_its_contents() {
    let files = Files::new();
    let kernel = files.write("no.name", &flat(&[&print(b'k')[..], &debug_exit(3)].concat()));
    // mov al, 's'; mov dx, 3f8h; out dx, al; mov ax, 3400h; mov dx, 604h; out dx, ax; hlt
    let mut sector = vec![0u8; 512];
    let code = [0xb0, b's', 0xba, 0xf8, 0x03, 0xee, 0xb8, 0x00, 0x34, 0xba, 0x04, 0x06, 0xef, 0xf4];
    sector[..code.len()].copy_from_slice(&code);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let sector = files.write("disk", &sector);
    let rom = files.write("firmware", &rom());
    let options = ["-m", "16M", "--debug-exit", "--timeout", "30"];
    for words in [&["run", text(&kernel)][..], &[text(&kernel)]] {
        let output = command().args(words).args(options).output().expect("ringer starts");
        assert_eq!((status(&output), said(&output).as_str()), (7, "k"), "{}", errors(&output));
    }
    let first = command().args(options).arg(&kernel).output().expect("ringer starts");
    assert_eq!(status(&first), 7, "options may come first: {}", errors(&first));
    let output = command().arg(&sector).args(options).output().expect("ringer starts");
    assert_eq!((status(&output), said(&output).as_str()), (0, "s"), "{}", errors(&output));
    let output = command().arg(&rom).args(options).output().expect("ringer starts");
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let profile = command().arg("profile").arg(&kernel).args(options).output().expect("starts");
    assert_eq!(status(&profile), 7, "{}", errors(&profile));
}

#[test]
fn a_saved_state_is_a_guest_too() {
    let files = Files::new();
    let kernel =
        files.write("kernel", &flat(&[&print(b'a')[..], &print(b'b'), POWER_OFF].concat()));
    let state = files.path("state");
    let run = ["run", text(&kernel), "-m", "16M", "--save-at", "4", text(&state)];
    assert_eq!(status(&ringer(&run)), 0);
    let output = ringer(&[text(&state)]);
    assert_eq!((status(&output), said(&output).as_str()), (0, "b"), "{}", errors(&output));
}

#[test]
fn what_is_no_guest_and_what_is_named_twice_is_told() {
    let files = Files::new();
    let noise = files.write("notes.txt", b"not a guest");
    let packed = files.write("kernel.gz", &[0x1f, 0x8b, 8, 0]);
    let kernel = files.write("kernel", &flat(POWER_OFF));
    assert_line(&ringer(&[text(&noise)]), 2, "no Multiboot kernel");
    assert_line(&ringer(&["run", text(&packed)]), 2, "gunzip");
    assert_line(&ringer(&["/no/such/kernel"]), 2, "No such file");
    assert_line(&ringer(&["run", text(&kernel), "--rom", "x"]), 2, "exactly one of");
    assert_line(&ringer(&["run", text(files.dir())]), 2, "is a directory");
    assert_line(&ringer(&["verify", text(&noise)]), 2, "notes.txt");
}

#[test]
fn habits_of_qemu_are_answered() {
    for (line, part) in [
        ("-kernel x -append y", "-kernel: write --kernel"),
        ("run -hda disk.img", "-hda: write --hda"),
        ("run -cdrom x.iso", "-cdrom: write --cdrom"),
        ("run --rom x -nographic", "-nographic: not needed"),
        ("run --rom x -smp 2", "-smp: one processor"),
        ("run --rom x -accel kvm", "-accel: Ringer translates"),
        ("run --rom x --enable-kvm", "--enable-kvm: Ringer translates"),
        ("run --rom x -machine q35", "-machine: there is one machine"),
        ("run --rom x -serial mon:stdio", "-serial: write --serial"),
        ("run --rom x -device isa-debug-exit", "--debug-exit"),
        ("run --kernal x", "did you mean '--kernel'?"),
        ("tset", "did you mean 'test'?"),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_line(&ringer(&words), 2, part);
    }
}

#[test]
fn colours_are_as_the_environment_asks() {
    let help = |variables: &[(&str, &str)]| {
        let mut command = command();
        command.arg("--help").env_remove("NO_COLOR").envs(variables.iter().copied());
        said(&command.output().expect("ringer starts"))
    };
    let coloured = |text: &str| text.contains('\u{1b}');
    assert!(!coloured(&help(&[])), "a pipe is no terminal");
    assert!(coloured(&help(&[("CLICOLOR_FORCE", "1")])));
    assert!(!coloured(&help(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])));
}

/// What bash offers behind these words, by the script that Ringer prints.
fn completed(script: &Path, words: &[&str]) -> Option<Vec<String>> {
    let line = format!(
        "source {}; COMP_WORDS=({}); COMP_CWORD={}; COMP_LINE='{}'; COMP_POINT=${{#COMP_LINE}}; \
         _ringer ringer '{}' '{}' 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        text(script),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
        words.join(" "),
        words.last()?,
        words.get(words.len().checked_sub(2)?)?,
    );
    let output = Command::new("bash").args(["--norc", "-c", &line]).output().ok()?;
    Some(said(&output).lines().map(str::to_owned).collect())
}

#[test]
fn shells_complete_commands_options_and_values() {
    let files = Files::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = ringer(&["completions", shell]);
        assert!(status(&output) == 0 && said(&output).contains("ringer"), "{shell}");
    }
    let script = files.write("ringer.bash", said(&ringer(&["completions", "bash"])).as_bytes());
    for (words, wanted) in [
        (&["ringer", "pro"][..], "profile"),
        (&["ringer", "run", "--boots"], "--bootsector"),
        (&["ringer", "run", "--engine", ""], "lockstep"),
        (&["ringer", "completions", ""], "fish"),
    ] {
        let Some(offered) = completed(&script, words) else {
            assert!(std::env::var_os("CI").is_none(), "no bash");
            eprintln!("skipped: no bash");
            return;
        };
        assert!(offered.iter().any(|word| word == wanted), "{words:?}: {offered:?}");
    }
    assert_line(
        &ringer(&["completions", "tcsh"]),
        2,
        "there are bash, elvish, fish, powershell and zsh",
    );
}

#[test]
fn each_command_has_a_manual_page() {
    let files = Files::new();
    let folder = files.path("man");
    let output = ringer(&["man", text(&folder)]);
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let main = read("ringer.1");
    for wanted in
        [".TH ringer 1", ".SH \"EXIT STATUS\"", "NO_COLOR", "ringer\\-run(1)", "triple fault"]
    {
        assert!(main.contains(wanted), "{wanted}: {main}");
    }
    for name in ["run", "test", "profile", "verify", "nano", "demo", "completions", "man"] {
        let page = read(&format!("ringer-{name}.1"));
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{name}: {page}");
    }
    assert!(!folder.join("ringer-restore-terminal.1").exists());
    assert!(read("ringer-run.1").contains("bootsector"));
    assert_line(&ringer(&["man", "/proc/none"]), 2, "cannot write");
}
