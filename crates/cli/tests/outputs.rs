//! Outputs whose readers are slow, stop or go: no run outlives its limits, and what a reader can take it gets.

mod common;

use common::{Files, command, elf, errors, status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, tcflow};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// --timeout of these runs, in seconds.
const TIMEOUT: f64 = 1.5;
/// What such a run takes at most: a second more, and what a busy host keeps it from its work.
const OVER: Duration = Duration::from_millis(2500 + 1500);
/// A run that takes so long hangs.
const HANGS: Duration = Duration::from_secs(60);
/// Lines of the long floods.
const LINES: u32 = 200_000;

/// Sends for ever, wherever a guest can.
const FLOOD: &str = "mov edx, 0x3f8
1:  out dx, al
    out 0xe9, al
    out 0x80, al
    inc al
    jmp 1b";

/// Waits for a byte, sends `lines` lines of nine bytes (by polling, if it `polls`), and switches off.
fn lines(lines: u32, polls: bool) -> String {
    let poll =
        if polls { "2: mov dl, 0xfd\nin al, dx\ntest al, 0x20\njz 2b\nmov dl, 0xf8" } else { "" };
    format!(
        "mov edx, 0x3fd
        1: in al, dx
        test al, 1
        jz 1b
        mov dl, 0xf8
        in al, dx
        xor ebx, ebx
        3: mov ecx, 8
        mov esi, ebx
        4: rol esi, 4
        {poll}
        mov eax, esi
        and al, 15
        cmp al, 10
        sbb al, 0x69
        das
        out dx, al
        loop 4b
        {poll}
        mov al, 10
        out dx, al
        inc ebx
        cmp ebx, {lines}
        jb 3b
        mov dx, 0x604
        mov ax, 0x2000
        out dx, ax
        5: jmp 5b"
    )
}

/// What [`lines`] sends.
fn expected(lines: u32) -> Vec<u8> {
    (0..lines).flat_map(|n| format!("{n:08X}\n").into_bytes()).collect()
}

fn run(image: &PathBuf, options: &[&str]) -> Command {
    let mut run = command();
    run.args(["run", "-m", "16M", "--no-reboot", "--multiboot"]).arg(image).args(options);
    run.stdout(Stdio::null()).stderr(Stdio::null());
    run
}

/// How the child ends, and when.
fn end_of(mut child: Child, what: &str) -> (ExitStatus, Instant) {
    let started = Instant::now();
    loop {
        match child.try_wait().expect("it can be asked") {
            Some(status) => return (status, Instant::now()),
            None if started.elapsed() > HANGS => {
                child.kill().expect("it can be killed");
                panic!("{what}: it hangs");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A terminal that is stopped, as by ^S: both sides.
fn stopped_terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let name = name.to_str().expect("a plain name");
    let terminal = OpenOptions::new().read(true).write(true).open(name).expect("its other side");
    tcflow(&terminal, Action::OOff).expect("it can be stopped");
    (File::from(master), terminal)
}

/// A FIFO, and a reader of it that does not read.
fn fifo(files: &Files, name: &str) -> (String, File) {
    let path = files.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag");
    let reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(&path);
    (path.to_str().expect("a plain name").to_owned(), reader.expect("a reader"))
}

/// Opens the user's side of the pseudo-terminal that the run tells of.
fn user_side(child: &mut Child) -> File {
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    let name = line.trim().strip_prefix("ringer: the serial port is ").expect("its name");
    let terminal = OpenOptions::new().read(true).write(true).open(name).expect("it can be opened");
    // Nothing of what follows is read; the pipe is to stay open.
    std::mem::forget(said);
    terminal
}

#[test]
fn no_run_outlives_its_timeout_whoever_does_not_read() {
    let files = Files::new();
    let flood = elf(&files, "flood", FLOOD);
    let timeout = TIMEOUT.to_string();
    let limits = ["--timeout", &timeout];
    let (serial, _reader) = fifo(&files, "serial");
    let (trace, _tracer) = fifo(&files, "trace");
    let unread = files.path("unread");
    assert!(Command::new("mkfifo").arg(&unread).status().expect("mkfifo").success());
    let unread = unread.to_str().expect("a plain name");
    let (_master, terminal) = stopped_terminal();
    let (socket, _peer) = UnixStream::pair().expect("sockets");
    let serial = format!("file:{serial}");
    let cases: &[(&str, &[&str])] = &[
        ("a pipe", &[]),
        ("a pipe, with instructions counted", &["--max-instructions", "100000000000"]),
        ("a pipe, in lockstep", &["--engine", "lockstep"]),
        ("a pipe, by the interpreter", &["--engine", "interp"]),
        ("a FIFO", &["--serial", &serial]),
        ("a pseudo-terminal", &["--serial", "pty"]),
        ("a stopped terminal", &[]),
        ("a socket", &[]),
        ("the debug console", &["--serial", "null", "--debugcon", "stdio"]),
        ("a trace", &["--serial", "null", "--trace", "io", "--trace-file", &trace]),
        ("a report that nobody opens", &["--serial", "null", "--report", unread]),
        ("everything said", &["--serial", "null"]),
    ];
    let mut children = Vec::new();
    for (what, options) in cases {
        let mut run = run(&flood, &[&limits[..], options].concat());
        match *what {
            "a stopped terminal" => drop(run.stdout(terminal.try_clone().expect("a copy"))),
            "everything said" => drop(run.stderr(terminal.try_clone().expect("a copy"))),
            "a socket" => {
                run.stdout(Stdio::from(std::os::fd::OwnedFd::from(
                    socket.try_clone().expect("a copy"),
                )));
            }
            "a pseudo-terminal" => drop(run.stderr(Stdio::piped())),
            _ => drop(run.stdout(Stdio::piped())),
        }
        let started = Instant::now();
        let mut child = run.spawn().expect("ringer starts");
        let user = (*what == "a pseudo-terminal").then(|| user_side(&mut child));
        let pipe = child.stdout.take();
        children.push((what, started, child, user, pipe));
    }
    let ends: Vec<_> = children
        .into_iter()
        .map(|(what, started, child, user, pipe)| {
            let name = (*what).to_owned();
            let waiter = std::thread::spawn(move || {
                let end = end_of(child, &name);
                drop((user, pipe));
                end
            });
            (what, started, waiter)
        })
        .collect();
    for (what, started, waiter) in ends {
        let (status, ended) = waiter.join().expect("it ends");
        assert_eq!(status.code(), Some(124), "{what}");
        let took = ended - started;
        assert!(took < OVER, "{what}: {took:?}");
    }
}

#[test]
fn a_limit_of_instructions_holds_though_nobody_reads_and_what_is_lost_is_said() {
    let files = Files::new();
    let flood = elf(&files, "flood", FLOOD);
    let mut run = run(&flood, &["--max-instructions", "6000000"]);
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ringer starts");
    let mut child = child;
    let pipe = child.stdout.take();
    let mut said = child.stderr.take().expect("a pipe");
    let (end, _) = end_of(child, "a pipe");
    drop(pipe);
    let mut text = String::new();
    said.read_to_string(&mut text).expect("text");
    assert_eq!(end.code(), Some(68), "{text}");
    assert!(text.contains("bytes for standard output were lost: nobody reads it"), "{text}");
}

/// Reads `count` bytes, with a rest now and then.
fn read_slowly(from: &mut File, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut bytes = [0; 3000];
    while all.len() < count {
        let mut ready = [PollFd::new(&*from, PollFlags::IN)];
        let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
        if poll(&mut ready, Some(&patience)).expect("it can be polled") == 0 {
            break;
        }
        let n = from.read(&mut bytes).expect("text");
        all.extend_from_slice(&bytes[..n]);
        if all.len() % 7 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    all
}

fn assert_all(all: &[u8], lines: u32) {
    let wanted = expected(lines);
    let at = all.iter().zip(&wanted).position(|(a, b)| a != b);
    assert_eq!((all.len(), at), (wanted.len(), None));
}

#[test]
fn a_user_of_a_pseudo_terminal_gets_everything_in_order_and_may_go() {
    let files = Files::new();
    let blind = elf(&files, "blind", &lines(2 * LINES, false));
    let options = ["--timeout", "60", "--serial", "pty"];
    let mut child = run(&blind, &options).stderr(Stdio::piped()).spawn().expect("ringer starts");
    let mut user = user_side(&mut child);
    user.write_all(b"x").expect("a byte");
    let wanted = expected(LINES).len();
    let mut all = read_slowly(&mut user, wanted);
    all.truncate(wanted);
    assert_all(&all, LINES);
    // It hangs up in the middle, and the guest goes on to its end.
    drop(user);
    assert_eq!(end_of(child, "a user that went").0.code(), Some(0));
}

#[test]
fn a_reader_that_rests_long_loses_nothing_of_a_guest_that_looks_at_its_transmitter() {
    let files = Files::new();
    let polite = elf(&files, "polite", &lines(LINES, true));
    let mut run = run(&polite, &["--timeout", "60", "--clock", "real"]);
    run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = run.spawn().expect("ringer starts");
    child.stdin.as_mut().expect("a pipe").write_all(b"x").expect("a byte");
    // Longer than the machine is held up for.
    std::thread::sleep(Duration::from_secs(5));
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(status(&output), 0, "{}", errors(&output));
    assert_all(&output.stdout, LINES);
}
