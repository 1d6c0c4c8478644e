//! How a suite ends before it is over: signals, time. What is known is in the reports, and nothing is left
//! behind: no process, no folder.

mod common;

use common::{Files, debug_exit, errors, flat, have, in_foreground, print};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const XSD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/testkit/tests/schema/junit-10.xsd");
/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(100);

/// A test that passes, one that takes very long, one that has its turn after that.
struct Suite {
    files: Files,
}

impl Suite {
    fn new() -> Self {
        let files = Files::new();
        let suite = |name: &str| format!("suite/{name}");
        fs::create_dir_all(files.path("suite")).expect("a folder");
        fs::create_dir_all(files.path("tmp")).expect("a folder");
        files.write(&suite("a.bin"), &flat(&[print(b'A'), debug_exit(0)].concat()));
        files.write(&suite("a.toml"), b"engines = ['bt']");
        // sti; jmp to itself: interrupts may come, so it is not dead.
        files.write(&suite("b.bin"), &flat(&[print(b'B'), vec![0xeb, 0xfe]].concat()));
        files.write(&suite("b.toml"), b"engines = ['bt']\ntimeout = 600");
        files.write(&suite("c.bin"), &flat(&debug_exit(0)));
        files.write(&suite("c.toml"), b"engines = ['bt']");
        Self { files }
    }

    fn start(&self, options: &[&str]) -> Child {
        let mut test = in_foreground();
        test.arg("test").arg(self.files.path("suite")).args(["--jobs", "1"]).args(options);
        for (form, name) in [("junit", "out.xml"), ("tap", "out.tap"), ("json", "out.jsonl")] {
            test.arg("--format").arg(format!("{form}={}", self.files.path(name).display()));
        }
        test.env("TMPDIR", self.files.path("tmp"));
        test.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ringer starts")
    }

    /// Waits until the long test runs, and has said so.
    fn wait_for_b(&self) {
        let begun = || self.read("out.jsonl").contains("\"test-started\"") && self.said_b();
        until("the second test", begun);
    }

    fn said_b(&self) -> bool {
        let folders = fs::read_dir(self.files.path("tmp")).expect("the folder").flatten();
        let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten();
        files.flatten().any(|file| fs::read(file.path()).is_ok_and(|text| text == b"B"))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.files.path(name)).unwrap_or_default()
    }

    /// The processes that use the suite's folders; a zombie uses nothing.
    fn processes(&self) -> Vec<PathBuf> {
        let here = self.files.dir().display().to_string();
        let all = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
        all.filter(|path| {
            ["cmdline", "environ"].iter().any(|file| {
                let text = fs::read(path.join(file)).unwrap_or_default();
                String::from_utf8_lossy(&text).contains(&here)
            })
        })
        .collect()
    }

    fn assert_nothing_is_left(&self) {
        until("the end of the processes", || self.processes().is_empty());
        let left = || fs::read_dir(self.files.path("tmp")).expect("the folder").count();
        until("the end of the folders", || left() == 0);
    }

    fn assert_reports(&self, why: &str) {
        let xml = self.read("out.xml");
        assert_eq!(xml.matches("<testcase ").count(), 3, "{xml}");
        assert_eq!(xml.matches("<skipped ").count(), 2, "{xml}");
        assert!(xml.contains("<system-out>A</system-out>"), "{xml}");
        assert!(xml.contains(why), "{xml}");
        assert_valid(&self.files.path("out.xml"));
        let tap = self.read("out.tap");
        assert!(tap.starts_with("TAP version 13\n1..3\nok 1 - a [bt]\n"), "{tap}");
        let json = self.read("out.jsonl");
        assert!(json.contains("\"result\":\"passed\""), "{json}");
        for line in json.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect(line);
        }
    }
}

fn assert_valid(file: &Path) {
    let Some(mut xmllint) = have("xmllint") else { return };
    let output = xmllint.args(["--noout", "--schema", XSD]).arg(file).output().expect("it starts");
    assert!(output.status.success(), "{}", errors(&output));
}

fn until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LONG, "{what} never came");
        sleep(Duration::from_millis(5));
    }
}

fn send(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)
        .expect("it runs");
}

fn end(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_signal_ends_the_suite_with_complete_reports() {
    use rustix::process::Signal;
    for (signal, name) in
        [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")]
    {
        let suite = Suite::new();
        let child = suite.start(&[]);
        suite.wait_for_b();
        send(&child, signal);
        let output = end(child);
        assert_eq!(output.status.code(), Some(130), "{name}: {}", errors(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("stopped: ended by {name}; it ran b [bt]")), "{text}");
        let last = text.lines().last().unwrap_or_default();
        assert!(last.starts_with("1 passed, 0 failed, 2 not run in "), "{text}");
        suite.assert_reports(name);
        assert!(suite.read("out.tap").ends_with(&format!("Bail out! ended by {name}\n")));
        let json = suite.read("out.jsonl");
        let last = json.lines().last().unwrap_or_default();
        assert!(last.contains("\"reason\":\"signal\"") && last.contains("[\"b [bt]\"]"), "{json}");
        suite.assert_nothing_is_left();
    }
}

#[test]
fn a_kill_leaves_what_is_known_and_nothing_else() {
    let suite = Suite::new();
    let child = suite.start(&[]);
    suite.wait_for_b();
    assert!(suite.processes().len() >= 2, "the suite and its test");
    send(&child, rustix::process::Signal::KILL);
    assert_eq!(end(child).status.signal(), Some(9));
    suite.assert_reports("not run");
    suite.assert_nothing_is_left();
}

#[test]
fn a_kill_ends_what_a_build_has_started_too() {
    let suite = Suite::new();
    fs::remove_file(suite.files.path("suite/b.bin")).expect("it is there");
    let begun = suite.files.path("begun");
    let build = format!("sleep 600 & sleep 600 | (echo B >{}; cat)", begun.display());
    let toml = format!("engines = ['bt']\nbuild = \"{build}\"\nimage = 'b.bin'");
    suite.files.write("suite/b.toml", toml.as_bytes());
    let child = suite.start(&[]);
    until("the build", || begun.exists());
    assert!(suite.processes().len() >= 5, "the suite, its watcher, three of the build");
    send(&child, rustix::process::Signal::KILL);
    assert_eq!(end(child).status.signal(), Some(9));
    suite.assert_nothing_is_left();
}

#[test]
fn a_second_signal_does_not_wait() {
    use rustix::process::Signal;
    let suite = Suite::new();
    // A build that does not care, in the place of the long test.
    fs::remove_file(suite.files.path("suite/b.bin")).expect("it is there");
    let begun = suite.files.path("begun");
    let deaf =
        format!("trap '' TERM INT; echo B >{}; while :; do sleep 600; done", begun.display());
    let toml = format!("engines = ['bt']\nbuild = \"{deaf}\"\nimage = 'b.bin'");
    suite.files.write("suite/b.toml", toml.as_bytes());
    let child = suite.start(&[]);
    until("the build", || begun.exists());
    let started = Instant::now();
    send(&child, Signal::INT);
    sleep(Duration::from_millis(20));
    send(&child, Signal::TERM);
    let output = end(child);
    assert_eq!(output.status.code(), Some(130), "{}", errors(&output));
    assert!(started.elapsed() < LONG);
    suite.assert_reports("SIGINT");
    suite.assert_nothing_is_left();
}

#[test]
fn signals_in_a_row_and_others_leave_nothing_either() {
    use rustix::process::Signal;
    for row in [
        &[Signal::INT, Signal::INT, Signal::INT][..],
        &[Signal::QUIT],
        &[Signal::HUP, Signal::TERM],
    ] {
        let suite = Suite::new();
        let child = suite.start(&[]);
        suite.wait_for_b();
        row.iter().for_each(|signal| send(&child, *signal));
        end(child);
        suite.assert_nothing_is_left();
    }
}

#[test]
fn a_signal_that_is_ignored_stays_so() {
    let suite = Suite::new();
    suite.files.write("suite/b.toml", b"engines = ['bt']\ntimeout = 2\nend = 'timeout'");
    // As nohup does it.
    let (ringer, folder) = (env!("CARGO_BIN_EXE_ringer"), suite.files.path("suite"));
    let line = format!("trap '' HUP; exec {ringer} test --jobs 1 {}", folder.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env("TMPDIR", suite.files.path("tmp"));
    shell.env("RINGER_CACHE_DIR", suite.files.path("cache"));
    let child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh starts");
    until("the second test", || suite.said_b());
    send(&child, rustix::process::Signal::HUP);
    let output = end(child);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    suite.assert_nothing_is_left();
}

#[test]
fn a_budget_ends_the_suite() {
    let suite = Suite::new();
    let output = end(suite.start(&["--budget", "1.5"]));
    assert_eq!(output.status.code(), Some(124), "{}", errors(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("--budget is used up; it ran b [bt]"), "{text}");
    suite.assert_reports("--budget");
    suite.assert_nothing_is_left();
}

#[test]
fn a_budget_that_suffices_changes_nothing() {
    let suite = Suite::new();
    suite.files.write("suite/b.toml", b"engines = ['bt']\ntimeout = 0.1\nend = 'timeout'");
    let output = end(suite.start(&["--budget", "100"]));
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    suite.assert_nothing_is_left();
}
