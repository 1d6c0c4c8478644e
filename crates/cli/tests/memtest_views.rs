//! Memtest86+ tests 64 MiB while its screen is looked at: in a real terminal, where keys are pressed, and by VNC; both show what a script sees.

mod common;
#[path = "common/shown.rs"]
mod shown;
#[path = "common/tmux.rs"]
mod tmux;
#[path = "common/vnc.rs"]
mod vnc;

use common::{Files, command, errors, status};
use shown::{Run, compare_snapshot, picture};
use std::path::Path;
use tmux::Tmux;
use vnc::{Viewer, connect};

const IMAGE: &str = "guests/memtest/memtest86+ia32.bin";
const GUEST: [&str; 6] = ["-m", "64M", "--timeout", "400", "--kernel", IMAGE];
const RAW: i32 = 0;
/// Opens the menu.
const OPENS: &str = "wait screen \"to start testing\" within 30s\npress f1\n\
                     wait screen \"Test selection\" within 10s\nsleep 200ms\n";

/// Whether it was fetched. Where it is missing the test says that it is skipped; on CI that is a failure.
fn fetched() -> bool {
    if Path::new(IMAGE).is_file() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "scripts/fetch-guests.sh memtest fetches {IMAGE}");
    eprintln!("skipped: no {IMAGE} (scripts/fetch-guests.sh memtest)");
    false
}

fn has(screen: &[String], text: &str) -> bool {
    screen.iter().any(|line| line.contains(text))
}

/// Runs it in a terminal and opens its menu, where its screen stands still: what the terminal shows.
fn in_terminal(files: &Files) -> Option<(Tmux<'_>, Vec<String>)> {
    let words = [env!("CARGO_BIN_EXE_ringer"), "run", "--display", "terminal"];
    let folder = std::env::current_dir().expect("a folder");
    let line = format!("cd {}; {}", folder.display(), [&words[..], &GUEST].concat().join(" "));
    let tmux = Tmux::start(files, &line)?;
    tmux.wait(|screen| has(screen, "to start testing"));
    tmux.keys(&["F1"]);
    let seen = tmux.wait(|screen| has(screen, "Test selection") && has(screen, "Skip"));
    Some((tmux, seen))
}

/// A script that opens the same menu, sees all of `seen` on its screen, and takes a picture.
fn expecting(files: &Files, seen: &[String]) -> String {
    let mut script = OPENS.to_owned();
    // Frames are no letters that a script can name.
    let parts =
        seen.iter().flat_map(|line| line.split(|c: char| !c.is_ascii() || c == '\\' || c == '"'));
    let parts: Vec<&str> = parts.map(str::trim).filter(|part| !part.is_empty()).collect();
    assert!(parts.len() > 15, "{seen:#?}");
    parts.iter().for_each(|part| script.push_str(&format!("expect screen \"{part}\"\n")));
    let picture = files.path("menu.png");
    script.push_str(&format!("screenshot {}\npower off\n", picture.display()));
    script
}

#[test]
fn a_terminal_and_vnc_show_what_a_script_sees_of_memtest() {
    if !fetched() {
        return;
    }
    let files = Files::new();
    let Some((tmux, seen)) = in_terminal(&files) else { return };
    let script = files.write("menu.script", expecting(&files, &seen).as_bytes());
    let mut run = command();
    let output = run.arg("run").args(GUEST).arg("--script").arg(script).output();
    let output = output.expect("ringer starts");
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let (width, height, pixels) = picture(&files.path("menu.png"));

    let opens = format!("{OPENS}sleep 300s\n");
    let opens = files.write("opens.script", opens.as_bytes());
    let opens = opens.to_str().expect("a temporary folder's name is UTF-8");
    let mut run = Run::of(&files, "vnc=:0", &[&GUEST[..], &["--script", opens]].concat());
    let mut viewer = Viewer::new(connect(run.port), None, &[RAW]);
    viewer.watch(|viewer| viewer.pixels == pixels);
    assert_eq!((viewer.width, viewer.height), (width, height));
    let _ = compare_snapshot(&files, run.port, (width, height, &pixels));
    run.child.kill().and_then(|()| run.child.wait()).expect("it can be ended");

    // It tests, and the terminal shows how far it is.
    tmux.keys(&["F10"]);
    let screen = tmux.wait(|screen| has(screen, "Test #1") && has(screen, "Errors: 0"));
    assert!(has(&screen, "Testing"), "{screen:#?}");
    tmux.keys(&["C-a", "x"]);
    tmux.is_sane("130");
}
