//! `--display terminal`: the screen in a real terminal, what is typed there, and the terminal afterwards.

mod common;
#[path = "common/shown.rs"]
mod shown;
#[path = "common/tmux.rs"]
mod tmux;

use common::{Files, assert_line, elf, errors, run_flat, status};
use shown::ECHO;
use std::path::Path;
use std::process::Command;
use tmux::Tmux;

fn line(image: &Path, options: &str) -> String {
    let ringer = env!("CARGO_BIN_EXE_ringer");
    format!(
        "{ringer} run -m 16M --timeout 120 --display terminal {options} --multiboot {}",
        image.display()
    )
}

/// The characters of the page of [`ECHO`] in row `row`, as far as they are the same everywhere.
fn row(row: usize) -> String {
    (0..80).map(|column| ringer::screen::character(((row * 80 + column) % 256) as u8)).collect()
}

#[test]
fn the_screen_stands_in_the_terminal_and_what_is_typed_reaches_the_guest() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let Some(tmux) = Tmux::start(&files, &line(&image, "")) else { return };
    let screen = tmux.wait(|screen| screen.get(24).is_some_and(|line| line.ends_with('╧')));
    for (number, line) in screen.iter().enumerate().take(25).skip(1) {
        assert_eq!(line, row(number).trim_end(), "row {number}");
    }
    assert_eq!(screen[25..], vec![String::new(); screen.len() - 25][..]);
    // Its codes in set 1, as characters: F1 is 3Bh, and BBh when it is released.
    tmux.keys(&["F1"]);
    tmux.wait(|screen| screen[0].starts_with('╗'));
    tmux.keys(&["b"]);
    tmux.wait(|screen| screen[0].starts_with('░'));
    tmux.keys(&["Escape"]);
    tmux.is_sane("0");
}

/// An X server that is not there, where the window is built in; one line in either case.
#[test]
fn a_window_that_cannot_be_says_how_to_have_one() {
    let files = Files::new();
    let image = files.write("guest.bin", &common::flat(common::SPIN));
    let run = |more: &[&str]| {
        let mut run = common::command();
        run.args(["run", "--timeout", "20", "--display", "window"]).args(more).arg(&image);
        run.env("DISPLAY", ":64000").output().expect("it starts")
    };
    let output = run(&[]);
    let wanted = if cfg!(feature = "window") {
        "--display window: no X server can be reached"
    } else {
        "--display window is not in this ringer: `cargo install --path . --features window`"
    };
    assert_line(&output, 2, wanted);
    assert_line(&run(&["--untrusted"]), 2, "--display window does not go with --untrusted");
}

#[test]
fn the_key_that_announces_commands_has_its_help_and_ends_the_run() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let Some(tmux) = Tmux::start(&files, &line(&image, "")) else { return };
    tmux.wait(|screen| screen.get(24).is_some_and(|line| line.ends_with('╧')));
    tmux.keys(&["C-a"]);
    tmux.wait(|screen| screen.iter().any(|line| line.contains("Ctrl-Alt-Delete")));
    tmux.keys(&["h"]);
    tmux.wait(|screen| screen.iter().all(|line| !line.contains("Ctrl-Alt-Delete")));
    tmux.keys(&["C-a", "x"]);
    tmux.is_sane("130");
}

#[test]
fn a_process_that_is_killed_leaves_the_terminal_as_it_was() {
    for (signal, status) in [("TERM", "130"), ("KILL", "137")] {
        let files = Files::new();
        let image = elf(&files, "echo", ECHO);
        let Some(tmux) = Tmux::start(&files, &line(&image, "")) else { return };
        tmux.wait(|screen| screen.get(24).is_some_and(|line| line.ends_with('╧')));
        let shell = tmux.call(&["display-message", "-p", "#{pane_pid}"]).expect("its number");
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let child = children.expect("it has some").split_whitespace().next().map(str::to_owned);
        let child = child.expect("the run");
        let killed =
            Command::new("kill").args(["-s", signal, &child]).status().expect("kill starts");
        assert!(killed.success());
        tmux.is_sane(status);
    }
}

#[test]
fn only_one_can_have_the_terminal() {
    let files = Files::new();
    let output = run_flat(&files, common::SPIN, &["--display", "terminal"]);
    assert_line(&output, 2, "standard input and output are no terminal");
    let output = run_flat(&files, common::SPIN, &["--display", "terminal", "--serial", "stdio"]);
    assert_line(&output, 2, "has the terminal to itself");
    assert_eq!(status(&output), 2, "{}", errors(&output));
}
