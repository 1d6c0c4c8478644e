//! Host code that a guest has no right to, planted in a block: what stands behind the translator. The verifier refuses
//! it before it runs; where blocks are not verified, the filter of system calls ends the process.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use iced_x86::Code;
use ringer_monitor::{RunEnd, TranslatorOptions};
use ringer_sandbox::{Sandbox, Threads, confine};
use ringer_translator::{PlantedFault, PlantedKind};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

/// In the child's environment: which of [`CALLS`] it makes.
const WHICH: &str = "RINGER_ESCAPE";
/// BSWAP EBX; then 0 to port F4h.
const GUEST: &[u8] = &[0x0f, 0xcb, 0x31, 0xc0, 0xe7, 0xf4, 0xeb, 0xfe];

macro_rules! low {
    ($number:literal) => {
        ($number & 0xff_u32) as u8
    };
}

macro_rules! high {
    ($number:literal) => {
        ($number >> 8_u32) as u8
    };
}

/// A system call as host code: its number to EAX, arguments to EDI, ESI, EDX.
macro_rules! call {
    ($name:literal, $number:literal, $a:literal, $b:literal, $c:literal) => {
        (
            $name,
            &[
                0xb8,
                low!($number),
                high!($number),
                0,
                0, // mov eax, number
                0xbf,
                low!($a),
                high!($a),
                0,
                0, // mov edi, a
                0xbe,
                low!($b),
                high!($b),
                0,
                0, // mov esi, b
                0xba,
                low!($c),
                high!($c),
                0,
                0, // mov edx, c
                0x0f,
                0x05, // syscall
            ],
        )
    };
}

/// System calls by name, and the host code that makes them.
#[rustfmt::skip]
const CALLS: &[(&str, &[u8])] = &[
    // execve(NULL, NULL, NULL)
    call!("execve", 59, 0, 0, 0),
    // open(0, O_WRONLY | O_CREAT, 0)
    call!("open", 2, 0, 0x41, 0),
    // socket(AF_INET, SOCK_STREAM, 0)
    call!("socket", 41, 2, 1, 0),
    // mprotect(0x4000, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC)
    call!("mprotect", 10, 0x4000, 0x1000, 7),
    // mmap(0, 0x1000, PROT_EXEC, …)
    call!("mmap", 9, 0, 0x1000, 4),
    // ptrace(PTRACE_TRACEME, 0, 0)
    call!("ptrace", 101, 0, 0, 0),
    // process_vm_readv(1, 0, 0, …)
    call!("process_vm_readv", 310, 1, 0, 0),
    // clone(SIGCHLD, 0, 0): a process
    call!("clone", 56, 17, 0, 0),
];

/// Runs the guest with `code` planted in the place of its BSWAP.
fn run(code: &'static [u8], options: TranslatorOptions) -> RunEnd {
    let mut monitor = common::flat_machine_as(options, &[(0x1_0000, GUEST.to_vec())], 0x1_0000);
    monitor.plant(PlantedFault { code: Code::Bswap_r32, kind: PlantedKind::HostCode(code) });
    // A process that is not sandboxed goes through here unchanged.
    confine(Threads::VCPU);
    monitor.run().expect("the host runs it")
}

#[test]
fn the_verifier_refuses_it() {
    for (name, code) in CALLS {
        let end = run(code, TranslatorOptions::VERIFY);
        assert!(matches!(&end, RunEnd::Refused(why) if why.contains("syscall")), "{name}: {end:?}");
    }
}

/// The child of the next test; by itself it does nothing.
#[test]
fn child() {
    let Ok(which) = std::env::var(WHICH) else { return };
    let (name, code) = CALLS.iter().find(|(name, _)| which.starts_with(name)).expect("a call");
    if *name == which {
        Sandbox::new().arm().expect("the first");
    }
    let end = run(code, TranslatorOptions::empty());
    // Debug builds verify whatever the options say.
    assert_eq!(cfg!(debug_assertions), matches!(end, RunEnd::Refused(_)), "{end:?}");
}

fn child_for(which: &str) -> ExitStatus {
    let mut child = Command::new(std::env::current_exe().expect("a path"));
    child.args(["--exact", "child", "--test-threads", "1"]).env(WHICH, which);
    child.output().expect("it starts").status
}

#[test]
fn the_filter_ends_the_process_where_blocks_are_not_verified() {
    if cfg!(debug_assertions) {
        return;
    }
    for (name, _) in CALLS {
        assert_eq!(child_for(name).signal(), Some(libc::SIGSYS), "{name}");
    }
    // Without the sandbox the call comes back, and its error is the guest's: the test can fail.
    assert_eq!(child_for("socket, unconfined").code(), Some(0));
}
