//! Each kind of call in a process that has confined itself: what still works, what is refused, what ends the process.

use ringer_sandbox::{Access, Confined, Sandbox, Threads, confine};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

/// In the child's environment: what it does.
const WHAT: &str = "RINGER_CALL";
/// In the child's environment: a folder.
const FOLDER: &str = "RINGER_FOLDER";
/// The child could do what it was to do.
const DONE: i32 = 10;
/// It was refused.
const REFUSED: i32 = 11;

/// This host has no Landlock.
const NO_LANDLOCK: i32 = 12;

/// What a child does once it is confined: by name, in which kind of thread, and whether it could.
type Deed = (&'static str, Threads, fn() -> bool);

fn call(number: libc::c_long, a: u64, b: u64, c: u64) -> bool {
    // SAFETY: what comes here is refused, ends the process, or changes nothing that this process needs.
    unsafe { libc::syscall(number, a, b, c, 0_u64, 0_u64) >= 0 }
}

/// These end the process.
const DEADLY: &[Deed] = &[
    ("execve", Threads::VCPU, || call(libc::SYS_execve, 0, 0, 0)),
    ("fork", Threads::VCPU, || call(libc::SYS_clone, libc::SIGCHLD as u64, 0, 0)),
    ("ptrace", Threads::VCPU, || call(libc::SYS_ptrace, 0, 0, 0)),
    ("another's memory", Threads::VCPU, || call(libc::SYS_process_vm_writev, 1, 0, 0)),
    ("socket", Threads::VCPU.union(Threads::GDB), || call(libc::SYS_socket, 2, 1, 0)),
    ("a program, network", Threads::NETWORK, || call(libc::SYS_execve, 0, 0, 0)),
    ("a file to write, network", Threads::NETWORK, || fs::write("/dev/null", b"").is_ok()),
    ("a port, network", Threads::NETWORK, || call(libc::SYS_bind, 0, 0, 0)),
    ("connect", Threads::LISTENER, || call(libc::SYS_connect, 0, 0, 0)),
    ("a file to write", Threads::VCPU, || fs::write("/dev/null", b"").is_ok()),
    ("a file to write, serial output", Threads::OUTPUT, || fs::write("/dev/null", b"").is_ok()),
    ("executable memory", Threads::VCPU, || call(libc::SYS_mmap, 0, 4096, 4)),
    ("memory made executable", Threads::VCPU, || call(libc::SYS_mprotect, 0x1000, 4096, 5)),
    ("pages are executable by default", Threads::VCPU, || {
        call(libc::SYS_personality, 0x0040_0000, 0, 0)
    }),
    ("a signal to another", Threads::VCPU, || call(libc::SYS_tgkill, 1, 1, 0)),
    ("io_uring", Threads::INPUT, || call(libc::SYS_io_uring_setup, 1, 0, 0)),
    ("what is typed", Threads::OUTPUT, || call(libc::SYS_ioctl, 0, 0x5412, 0)),
    ("another filter", Threads::VCPU, || call(libc::SYS_seccomp, 1, 0, 0)),
    ("the call table of 32 bits", Threads::VCPU, || {
        // SAFETY: getpid of that table, or death; RBX is put back.
        unsafe { std::arch::asm!("push rbx", "int 0x80", "pop rbx", inout("eax") 20 => _) };
        true
    }),
];

/// These are refused.
const REFUSALS: &[Deed] = &[
    ("a file to read", Threads::VCPU, || fs::read("/etc/passwd").is_ok()),
    ("who else there is", Threads::VCPU, || call(libc::SYS_getppid, 0, 0, 0)),
    ("whether a file is there", Threads::VCPU, || fs::metadata("/etc/passwd").is_ok()),
    ("connections by others", Threads::VCPU, || call(libc::SYS_accept4, 0, 0, 0)),
    ("a socket of packets", Threads::NETWORK, || call(libc::SYS_socket, 17, 3, 0)),
    ("a local socket", Threads::NETWORK, || call(libc::SYS_socket, 1, 1, 0)),
    ("a file to read, network", Threads::NETWORK, || fs::read("/etc/passwd").is_ok()),
    ("a state elsewhere", Threads::FILES, || fs::write("/tmp/ringer-elsewhere", b"").is_ok()),
    ("a file that is not granted", Threads::FILES, || fs::read("/etc/passwd").is_ok()),
];

/// These work as ever.
const DEEDS: &[Deed] = &[
    ("memory", Threads::VCPU, || vec![1_u8; 64 << 20].iter().all(|byte| *byte == 1)),
    ("threads", Threads::VCPU, || std::thread::spawn(|| vec![0_u8; 1 << 20]).join().is_ok()),
    ("heaps that shrink", Threads::VCPU, || {
        let work = || drop((0..64).map(|_| vec![1_u8; 100 << 10]).collect::<Vec<_>>());
        std::thread::spawn(work).join().is_ok()
    }),
    ("a connection", Threads::NETWORK, || {
        // Nobody listens at port 1 of loopback, and it is the host that says so.
        let refused = std::net::TcpStream::connect(("127.0.0.1", 1)).map_err(|e| e.kind());
        refused.is_ok() || refused.is_err_and(|kind| kind == ErrorKind::ConnectionRefused)
    }),
    ("time", Threads::OUTPUT, || {
        std::thread::sleep(std::time::Duration::from_millis(1));
        true
    }),
    ("a state in its folder", Threads::FILES, || {
        let path = folder().join("state");
        let beside = folder().join("beside");
        fs::write(&beside, b"state").is_ok() && fs::rename(&beside, &path).is_ok()
    }),
    ("a socket that is removed", Threads::LISTENER, || {
        fs::remove_file(folder().join("socket")).is_ok()
    }),
];

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).expect("the parent says").into()
}

fn arm() {
    let sandbox = Sandbox::new().grant(Threads::FILES, folder(), Access::Make).grant(
        Threads::LISTENER,
        folder(),
        Access::Remove,
    );
    sandbox.arm().expect("the first");
}

/// The child of the other tests; by itself it does nothing.
#[test]
fn child() {
    let Ok(what) = std::env::var(WHAT) else { return };
    let all = [DEADLY, REFUSALS, DEEDS].concat();
    let (_, threads, deed) = all.iter().find(|(name, ..)| *name == what).expect("a deed");
    arm();
    let confined = confine(*threads).expect("it is armed");
    assert!(confined.filtered_calls);
    if *threads == Threads::FILES && !confined.no_files {
        // SAFETY: as below.
        unsafe { libc::_exit(NO_LANDLOCK) }
    }
    // SAFETY: nothing that is to be cleaned up is worth it.
    unsafe { libc::_exit(if deed() { DONE } else { REFUSED }) }
}

fn child_that(what: &str) -> ExitStatus {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("socket"), b"").expect("a file");
    let mut child = Command::new(std::env::current_exe().expect("a path"));
    child.args(["--exact", "child", "--test-threads", "1"]);
    child.env(WHAT, what).env(FOLDER, folder.path());
    child.output().expect("it starts").status
}

fn assert_end(name: &str, status: ExitStatus, wanted: i32) {
    if status.code() == Some(NO_LANDLOCK) {
        eprintln!("skipped: {name}: this host has no Landlock");
        return;
    }
    assert_eq!(status.code(), Some(wanted), "{name}: {status}");
}

#[test]
fn what_nothing_of_ours_does_ends_the_process() {
    for (name, ..) in DEADLY {
        let status = child_that(name);
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{name}: {status}");
    }
}

#[test]
fn what_is_not_in_the_table_is_refused() {
    for (name, ..) in REFUSALS {
        let status = child_that(name);
        assert_end(name, status, REFUSED);
    }
}

#[test]
fn what_a_machine_needs_works() {
    for (name, ..) in DEEDS {
        let status = child_that(name);
        assert_end(name, status, DONE);
    }
}

/// Nothing happens to a process that has not armed a sandbox: this one.
#[test]
fn nobody_is_confined_who_did_not_ask() {
    assert_eq!(confine(Threads::VCPU), None);
    assert!(fs::read("/proc/self/status").is_ok());
}

#[test]
fn what_is_lacking_is_said_in_words() {
    let whole = Confined {
        no_new_privileges: true,
        no_capabilities: true,
        no_files: true,
        no_ports: true,
        filtered_calls: true,
        not_dumpable: true,
        no_new_code: true,
    };
    assert!(whole.is_whole());
    // Who has no Landlock at all need not hear that it lacks ports.
    let old = Confined { no_files: false, no_ports: false, no_new_code: false, ..whole };
    assert_eq!(old.lacking(), ["Landlock for files (Linux 5.13)", "PR_SET_MDWE (Linux 6.3)"]);
}
