//! A process that the host refuses something to, and the guests that it runs.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::{Files, SPIN, command, debug_exit, errors, flat, print};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Prints "ok" after some work of the integer and the x87 unit, and ends with status 1.
pub fn guest() -> Vec<u8> {
    // mov ecx, 20000; dec ecx; jnz to the dec; fninit; fld1
    let work = [0xb9, 0x20, 0x4e, 0, 0, 0x49, 0x75, 0xfd, 0xdb, 0xe3, 0xd9, 0xe8];
    [&work[..], &print(b'o'), &print(b'k'), &debug_exit(0)].concat()
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// [`guest`].
    Guest,
    /// A guest that a timeout ends.
    Spin,
    /// The same guest without one.
    Endless,
    /// The guest, its serial port a pseudo-terminal.
    Pty,
    /// A suite of one test.
    Suite,
    /// The guest, to be waited for by gdb.
    Gdb,
    /// The guest with a report of its memory, from a state that was saved.
    State,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As if nothing had been refused.
    Works,
    /// The same, and one line says what is lacking.
    Lacks(&'static str),
    /// With status 70 and one line that has these words.
    Says(&'static str),
    /// With this status and one line that has these words.
    Ends(i32, &'static str),
}

/// The files of the runs.
pub struct Place {
    pub files: Files,
}

impl Place {
    pub fn new() -> Self {
        let files = Files::new();
        files.write("guest.bin", &flat(&guest()));
        files.write("spin.bin", &flat(SPIN));
        std::fs::create_dir(files.path("suite")).expect("a folder");
        files.write("suite/a.bin", &flat(&debug_exit(0)));
        files.write("suite/a.toml", b"engines = ['bt']");
        let mut save = command();
        save.current_dir(files.dir()).args(["run", "--multiboot", "guest.bin", "-m", "16M"]);
        save.args(["--debug-exit", "--save-at", "10000", "state", "--report", "whole"]);
        let output = save.output().expect("ringer starts");
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        Self { files }
    }

    /// The command for `run`.
    pub fn command(&self, run: Run) -> Command {
        let words = match run {
            Run::Guest => "run --multiboot guest.bin -m 16M --tc-size 1M --debug-exit --timeout 20",
            Run::Spin => "run --multiboot spin.bin -m 16M --timeout 0.3",
            Run::Endless => "run --multiboot spin.bin -m 16M --timeout 60",
            Run::Pty => {
                "run --multiboot guest.bin -m 16M --debug-exit --serial pty --debugcon null --timeout 20"
            }
            Run::Suite => "test suite --jobs 2",
            Run::Gdb => {
                "run --multiboot guest.bin -m 16M --debug-exit --gdb 127.0.0.1:0 --timeout 20"
            }
            Run::State => "run --load state --report part",
        };
        let mut ringer = command();
        ringer.current_dir(self.files.dir()).args(words.split(' '));
        ringer
    }

    /// What is wrong with how `run` ended; none: it ended as `end` says.
    pub fn fault(&self, run: Run, end: End, output: &Output) -> Option<String> {
        let text = errors(output);
        let (wanted, part) = match end {
            End::Works => return self.broken(run, output, &text),
            End::Lacks(part) => {
                let well = text.starts_with("ringer: ") && text.contains(part);
                let rest = text.lines().skip(1).collect::<Vec<_>>().join("\n");
                let missing = (!well).then(|| format!("nothing is said to lack: {text}"));
                return missing.or_else(|| self.broken(run, output, &rest));
            }
            End::Says(part) => (70, part),
            End::Ends(status, part) => (status, part),
        };
        let lines = text.lines().filter(|line| !line.starts_with("  ")).count();
        let line = text.starts_with("ringer: ") && text.contains(part) && lines == 1;
        let well = output.status.code() == Some(wanted) && line;
        (!well).then(|| format!("{}, {text}", output.status))
    }

    fn broken(&self, run: Run, output: &Output, text: &str) -> Option<String> {
        let written = String::from_utf8_lossy(&output.stdout).into_owned();
        let (wanted, fine) = match run {
            Run::Guest => (1, written == "ok" && text.is_empty()),
            Run::Spin | Run::Endless => {
                (124, text.starts_with("ringer: ") && text.contains("--timeout"))
            }
            Run::Suite => (0, text.is_empty()),
            Run::Pty | Run::Gdb => (1, true),
            // (A report that is not there yet is none.)
            Run::State => (1, self.digest("part") == self.digest("whole")),
        };
        let well = output.status.code() == Some(wanted) && fine;
        (!well).then(|| format!("{}, {written:?}, {text}", output.status))
    }

    fn digest(&self, report: &str) -> String {
        let text = self.files.read(report);
        text.split("\"digest\": ").nth(1).expect("a digest").chars().take(30).collect()
    }
}

/// Has the process do `what` before it becomes Ringer.
pub fn before(
    command: &mut Command,
    what: impl Fn() -> std::io::Result<()> + Send + Sync + 'static,
) -> &mut Command {
    // SAFETY: what the tests do there are system calls: they neither allocate nor take a lock.
    unsafe { command.pre_exec(what) }
}

/// Looks at all rows, two at a time; panics with what is wrong with them.
pub fn all<T: Sync>(rows: &[T], look: impl Fn(&T) -> Option<String> + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) =
                    rows.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    wrong.lock().expect("no row panics").extend(look(row));
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no row panics");
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
