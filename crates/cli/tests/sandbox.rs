//! The sandbox of a running `ringer`: what the kernel says of each of its threads, and what is said where a host does not
//! permit all of it.

mod common;

use common::{Files, SPIN, assert_line, command, debug_exit, errors, flat, ringer, status};
use seccompiler::{SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The user without rights.
const NOBODY: u32 = 65534;

/// A guest that is running; it ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of /proc/PID/task/*/status that matter, by the threads' names.
fn threads(pid: u32) -> Vec<(String, BTreeMap<String, String>)> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten() {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let lines = status.lines().filter_map(|line| line.split_once(":\t"));
        let fields: BTreeMap<_, _> =
            lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
        // One that has ended meanwhile has none.
        if let Some(name) = fields.get("Name").cloned() {
            threads.push((name, fields));
        }
    }
    threads
}

/// Starts a guest that spins, with `words`, as `start` says, and waits until its first thread is filtered, or some time.
fn start(mut command: Command, files: &Files, words: &[&str]) -> Running {
    let guest = files.write("spin.bin", &flat(SPIN));
    command.arg("run").arg(guest).args(words).args(["-m", "16M"]);
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let running = Running(child.expect("ringer starts"));
    let begun = Instant::now();
    let confined =
        |pid| threads(pid).iter().any(|(name, is)| name == "ringer" && is["Seccomp"] == "2");
    while !confined(running.0.id()) && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    running
}

#[test]
fn the_kernel_says_so_of_every_thread() {
    let files = Files::new();
    let state = files.path("state");
    let socket = files.path("gdb");
    let (state, socket) = (state.to_str().expect("UTF-8"), socket.to_str().expect("UTF-8"));
    let words = ["--serial", "pty", "--gdb", socket, "--save-at", "1000000000000", state];
    let words = [&words[..], &["--net", "user"]].concat();
    let running = start(command(), &files, &words);
    let mut seen = Vec::new();
    for (name, is) in threads(running.0.id()) {
        assert_eq!(is["Seccomp"], "2", "{name}");
        assert_eq!(is["NoNewPrivs"], "1", "{name}");
        // Who makes the files of saved states may do so in folders of others, if it may at all.
        if name != "state files" {
            for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
                assert_eq!(u64::from_str_radix(&is[set], 16), Ok(0), "{name}: {set}");
            }
        }
        seen.push(name);
    }
    for name in
        ["ringer", "output", "console input", "signals", "gdb listener", "state files", "network"]
    {
        assert!(seen.iter().any(|known| known == name), "{name} is not among {seen:?}");
    }
}

/// The program where every user may run it.
fn for_everybody(files: &Files) -> PathBuf {
    let program = files.copy_of_ringer("ringer");
    for path in [files.dir(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its rights");
    }
    program
}

/// As root the bounding set is empty too, and without any right at all it is the same.
#[test]
fn it_is_the_same_for_root_and_for_nobody() {
    let files = Files::new();
    let running = start(command(), &files, &[]);
    let root = rustix::process::geteuid().is_root();
    for (name, is) in threads(running.0.id()) {
        assert!(!root || u64::from_str_radix(&is["CapBnd"], 16) == Ok(0), "{name}");
    }
    if !root {
        return;
    }
    let mut nobody = Command::new(for_everybody(&files));
    nobody.uid(NOBODY).gid(NOBODY);
    let running = start(nobody, &files, &["--sandbox", "require", "--timeout", "20"]);
    for (name, is) in threads(running.0.id()) {
        assert_eq!((is["Seccomp"].as_str(), is["NoNewPrivs"].as_str()), ("2", "1"), "{name}");
        assert_eq!(u64::from_str_radix(&is["CapEff"], 16), Ok(0), "{name}");
    }
}

#[test]
fn nothing_is_given_up_with_sandbox_off() {
    let own = own_status();
    let files = Files::new();
    let guest = files.write("spin.bin", &flat(SPIN));
    let mut command = command();
    command.arg("run").arg(guest).args(["-m", "16M", "--sandbox", "off", "--serial", "pty"]);
    let mut running = Running(command.stderr(Stdio::piped()).spawn().expect("ringer starts"));
    let mut line = String::new();
    BufReader::new(running.0.stderr.as_mut().expect("a pipe")).read_line(&mut line).expect("text");
    std::thread::sleep(Duration::from_millis(300));
    for (name, is) in threads(running.0.id()) {
        for key in ["Seccomp", "NoNewPrivs", "CapEff", "CapBnd"] {
            assert_eq!(is[key], own[key], "{name}: {key}");
        }
    }
}

fn own_status() -> BTreeMap<String, String> {
    threads(std::process::id()).swap_remove(0).1
}

/// Whoever is above this process refuses `calls`, as a container's rules do.
fn without(command: &mut Command, calls: &[libc::c_long]) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let (others, these) = (SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32));
    let filter = SeccompFilter::new(rules, others, these, TargetArch::x86_64).expect("a filter");
    let program: seccompiler::BpfProgram = filter.try_into().expect("a program");
    // SAFETY: what is done between fork and exec are two system calls.
    unsafe {
        command.pre_exec(move || {
            seccompiler::apply_filter(&program)
                .map_err(|_| std::io::ErrorKind::PermissionDenied.into())
        });
    }
}

#[test]
fn what_a_host_does_not_permit_is_said_in_one_line() {
    let files = Files::new();
    let guest = files.write("spin.bin", &flat(SPIN));
    let run = |calls: &[libc::c_long], sandbox: &str| {
        let mut command = command();
        command.arg("run").arg(&guest).args(["--max-instructions", "1000", "--sandbox", sandbox]);
        without(&mut command, calls);
        command.output().expect("ringer starts")
    };
    let landlock = [
        libc::SYS_landlock_create_ruleset,
        libc::SYS_landlock_add_rule,
        libc::SYS_landlock_restrict_self,
    ];
    let output = run(&landlock, "on");
    assert_eq!(status(&output), 68, "{}", errors(&output));
    let said =
        "ringer: the sandbox lacks Landlock for files (Linux 5.13): this host does not permit it\n";
    assert!(errors(&output).starts_with(said), "{}", errors(&output));
    let all = [&landlock[..], &[libc::SYS_seccomp, libc::SYS_capset, libc::SYS_prctl]].concat();
    let output = run(&all, "on");
    assert_eq!(status(&output), 68, "{}", errors(&output));
    let lines = errors(&output).lines().filter(|line| line.contains("sandbox")).count();
    assert_eq!(lines, 1, "{}", errors(&output));
    for what in ["capabilities", "Landlock for files", "seccomp filters", "PR_SET_DUMPABLE"] {
        assert!(errors(&output).contains(what), "{what}: {}", errors(&output));
    }
    assert_line(&run(&landlock, "require"), 2, "Landlock for files");
    assert_eq!(errors(&run(&all, "off")), "ringer: stopped at the limit of --max-instructions\n");
}

#[test]
fn nobody_of_the_same_user_reads_a_runs_environment_or_memory() {
    let files = Files::new();
    let (mut ringer, mut head) = (command(), Command::new("head"));
    if rustix::process::geteuid().is_root() {
        ringer = Command::new(for_everybody(&files));
        ringer.uid(NOBODY).gid(NOBODY);
        head.uid(NOBODY).gid(NOBODY);
    }
    let running = start(ringer, &files, &["--timeout", "20"]);
    for what in ["environ", "mem"] {
        let path = format!("/proc/{}/{what}", running.0.id());
        head.args(["-c", "1", &path]);
        let read = head.output().expect("head starts");
        assert!(!read.status.success() && read.stdout.is_empty(), "{what} could be read");
    }
}

/// What is asked for by one word: the verifier and the whole sandbox.
#[test]
fn an_untrusted_guest_is_verified_and_confined_or_does_not_run() {
    let files = Files::new();
    let running = start(command(), &files, &["--untrusted"]);
    assert!(threads(running.0.id()).iter().all(|(_, is)| is["Seccomp"] == "2"));
    let guest = files.write("end.bin", &flat(&debug_exit(3)));
    let profile = files.path("profile.json");
    let mut command = command();
    command.arg("profile").arg(&guest).args(["--untrusted", "--debug-exit", "-m", "16M", "--json"]);
    let output = command.arg(&profile).output().expect("ringer starts");
    assert_eq!(status(&output), 7, "{}", errors(&output));
    let mut command = common::command();
    command.arg("run").arg(&guest).args(["--untrusted", "--debug-exit", "-m", "16M"]);
    without(&mut command, &[libc::SYS_seccomp]);
    assert_line(&command.output().expect("ringer starts"), 2, "seccomp filters");
    let both = ringer(&["demo", "--untrusted", "--sandbox", "off"]);
    assert_line(&both, 2, "--untrusted");
}

#[test]
fn a_wish_is_one_of_three() {
    assert_line(&ringer(&["demo", "--sandbox", "maybe"]), 2, "sandbox");
}
