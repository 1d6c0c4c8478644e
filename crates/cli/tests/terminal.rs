//! A stdio console on a terminal: raw while the guest runs, as before afterwards, whatever happens.

mod common;

use common::{Files, SPIN, command, flat, in_foreground, print};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

struct Session {
    keyboard: File,
    terminal: File,
    before: Termios,
    ringer: Child,
    seen: Vec<u8>,
    _files: Files,
}

/// `ringer run` of an endless guest on a new terminal, in raw mode already.
fn session(serial: &str) -> Session {
    session_of(serial, SPIN)
}

fn session_of(serial: &str, code: &[u8]) -> Session {
    session_with(&["--serial", serial], code)
}

fn session_with(options: &[&str], code: &[u8]) -> Session {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(code));
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let name = name.to_str().expect("a plain name").to_owned();
    let terminal = OpenOptions::new().read(true).write(true).open(name).expect("its other side");
    let before = tcgetattr(&terminal).expect("settings");
    let end = || Stdio::from(terminal.try_clone().expect("a copy"));
    let mut run = in_foreground();
    run.args(["run", "--timeout", "60"]).args(options).arg("--multiboot").arg(image);
    // A group of its own, as a shell makes one of each command.
    let run = run.process_group(0);
    let ringer = run.stdin(end()).stdout(end()).stderr(end()).spawn().expect("ringer starts");
    let (keyboard, seen) = (File::from(master), Vec::new());
    Session { keyboard, terminal, before, ringer, seen, _files: files }
}

impl Session {
    fn echoes(&self) -> bool {
        tcgetattr(&self.terminal).expect("settings").local_modes.contains(LocalModes::ECHO)
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(started.elapsed() < PATIENCE, "{what} did not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_raw(&self) {
        self.wait_until("raw mode", |s| !s.echoes());
    }

    fn assert_restored(&self) {
        self.wait_until("the old mode", Self::echoes);
        let after = tcgetattr(&self.terminal).expect("settings");
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
    }

    /// Reads what comes on the terminal until `part` is in it.
    fn text_with(&mut self, part: &str) {
        let started = Instant::now();
        while !String::from_utf8_lossy(&self.seen).contains(part) {
            assert!(started.elapsed() < PATIENCE, "{part:?} is not in {:?}", self.seen);
            let mut ready = [PollFd::new(&self.keyboard, PollFlags::IN)];
            let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            if poll(&mut ready, Some(&pause)).expect("a terminal can be polled") > 0 {
                let mut bytes = [0; 4096];
                let n = self.keyboard.read(&mut bytes).expect("text");
                self.seen.extend_from_slice(&bytes[..n]);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.ringer), signal).expect("it lives");
    }

    fn status(&mut self) -> Option<i32> {
        self.ringer.wait().expect("it ends").code()
    }
}

#[test]
fn ctrl_a_x_leaves_and_ctrl_a_h_helps() {
    let mut session = session("stdio");
    session.wait_until_raw();
    session.keyboard.write_all(b"\x01h\x01x").expect("keys are taken");
    assert_eq!(session.status(), Some(130));
    session.assert_restored();
    session.text_with("ringer: Ctrl-A X ends the run, Ctrl-A H lists the other keys");
    session.text_with("Ctrl-A X  end the run");
}

#[test]
fn a_guests_bare_line_feed_begins_a_line_on_the_terminal() {
    let text: Vec<u8> = b"one\ntwo\r\nend.".iter().flat_map(|b| print(*b)).collect();
    let mut session = session_of("stdio", &[&text[..], SPIN].concat());
    session.wait_until_raw();
    session.text_with("one\r\ntwo\r\nend.");
    session.keyboard.write_all(b"\x01x").expect("keys are taken");
    assert_eq!(session.status(), Some(130));
}

#[test]
fn signals_end_the_run_and_restore_the_terminal() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut session = session("stdio");
        session.wait_until_raw();
        session.signal(signal);
        assert_eq!(session.status(), Some(130), "{signal:?}");
        session.assert_restored();
    }
}

#[test]
fn even_a_death_leaves_the_terminal_restored() {
    for signal in [Signal::KILL, Signal::QUIT, Signal::ABORT, Signal::ALARM] {
        let mut session = session("stdio");
        session.wait_until_raw();
        session.signal(signal);
        assert_eq!(session.status(), None, "{signal:?}");
        session.assert_restored();
    }
}

#[test]
fn so_does_a_kill_of_the_whole_process_group() {
    let mut session = session("stdio");
    session.wait_until_raw();
    let group = Pid::from_child(&session.ringer);
    kill_process_group(group, Signal::KILL).expect("it lives");
    assert_eq!(session.status(), None);
    session.assert_restored();
}

#[test]
fn the_escape_key_works_behind_a_paste_that_the_guest_does_not_read() {
    let mut session = session("stdio");
    session.wait_until_raw();
    let mut keyboard = session.keyboard.try_clone().expect("a copy");
    let paste = std::thread::spawn(move || {
        keyboard.write_all(&[b'v'; 300 << 10]).expect("a paste is taken");
        keyboard.write_all(b"\x01x").expect("keys are taken");
    });
    assert_eq!(session.status(), Some(130));
    drop(session);
    paste.join().expect("it is written");
}

/// Sends back what it receives, until that is a full stop: then it switches off.
const ECHO: &[u8] = &[
    0xba, 0xfd, 0x03, 0, 0, 0xec, 0xa8, 1, 0x74,
    0xfb, // 0: mov edx, 3fdh; 1: in al, dx; test al, 1; jz 1b
    0xb2, 0xf8, 0xec, 0xee, 0x3c, b'.', 0x75,
    0xee, // mov dl, 0f8h; in al, dx; out dx, al; cmp al, '.'; jne 0b
    0xba, 0x04, 0x06, 0, 0, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef, 0xeb, 0xfe,
];

#[test]
fn another_key_or_none_can_be_the_escape_key() {
    let mut session = session_with(&["--escape", "^]"], ECHO);
    session.wait_until_raw();
    session.text_with("ringer: Ctrl-] X ends the run, Ctrl-] H lists the other keys");
    session.keyboard.write_all(b"\x01xy\x1dx").expect("keys are taken");
    assert_eq!(session.status(), Some(130));
    let mut session = session_with(&["--escape", "none"], ECHO);
    session.wait_until_raw();
    session.keyboard.write_all(b"\x01x\x1dx.").expect("keys are taken");
    assert_eq!(session.status(), Some(0));
    session.text_with("\x01x\x1dx.");
}

#[test]
fn all_that_a_pipe_has_reaches_the_guest_unless_a_key_is_named() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(ECHO));
    let echo = |options: &[&str], text: &[u8]| {
        let mut run = command();
        run.args(["run", "--timeout", "60"]).args(options).arg("--multiboot").arg(&image);
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = run.spawn().expect("ringer starts");
        child.stdin.take().expect("a pipe").write_all(text).expect("text is taken");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), output.stdout)
    };
    assert_eq!(echo(&[], b"a\x01xb\x01."), (Some(0), b"a\x01xb\x01.".to_vec()));
    assert_eq!(echo(&["--escape", "ctrl-a"], b"a\x01x.").0, Some(130));
    assert_eq!(echo(&["--escape", "f1"], b"").0, Some(2));
}

#[test]
fn without_a_stdio_console_the_terminal_is_left_alone() {
    let mut session = session("null");
    std::thread::sleep(Duration::from_millis(300));
    assert!(session.echoes());
    session.signal(Signal::TERM);
    assert_eq!(session.status(), Some(130));
}
