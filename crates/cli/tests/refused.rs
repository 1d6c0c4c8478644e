//! Each system call of Ringer's, refused by a seccomp filter: it either runs all the same, or ends in one line that names the call
//! and says how to mend it.

mod common;
mod host;

use common::command;
use host::{End, End::*, Place, Run, Run::*, all, before};
use libc::{EACCES, EAGAIN, EMFILE, ENOMEM, ENOSYS, EPERM};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A call is refused where all of these hold: number of an argument, bits of it, their value.
type When = &'static [(u8, u64, u64)];

/// A system call, when it is refused, with which errors, to which run, and how that ends.
type Row = (&'static str, i64, When, &'static [i32], Run, End);

const ALWAYS: When = &[];
const NO: &[i32] = &[ENOSYS, EPERM];
/// mmap of shared memory; of that to be executed; of pages of a window; of a window; of a target table; of a signal stack.
const SHARED: When = &[(3, 0xf, 1)];
const EXECUTABLE: When = &[(2, 7, 5), (3, 0xf, 1)];
const FIXED: When = &[(3, 0x11, 0x11)];
const WINDOW: When = &[(1, u64::MAX, (8 << 30) + (2 << 20))];
const TABLE: When = &[(1, u64::MAX, 16 << 30)];
const SIGNAL_STACK: When = &[(1, u64::MAX, 132 << 10), (2, 7, 0)];
/// Of the executable's own, a thread's stack is the only one.
const READ_AND_WRITE: When = &[(2, 7, 3)];
const KICK: When = &[(0, 0xff, libc::SIGUSR1 as u64)];
const FILE_SIZE: When = &[(0, 0xff, libc::SIGXFSZ as u64)];
const GET_GS: When = &[(0, 0xffff, 0x1004)];
/// Opening for writing.
const WRITING: When = &[(2, 3, 1)];
const FORBIDDEN: &str = "(seccomp, a container's profile)";

/// What the loader and Rust's start need before Ringer's first line is left out: execve, openat and read of libraries, mprotect to
/// read only, rt_sigaction of SIGPIPE, poll; and exit_group and rt_sigreturn, after which nothing can be said.
const ROWS: &[Row] = &[
    ("memfd_create", libc::SYS_memfd_create, ALWAYS, NO, Guest, Says("memfd_create: ")),
    ("memfd_create", libc::SYS_memfd_create, ALWAYS, &[EMFILE], Guest, Says("(ulimit -n)")),
    ("ftruncate", libc::SYS_ftruncate, ALWAYS, NO, Guest, Says("ftruncate: ")),
    ("ftruncate", libc::SYS_ftruncate, ALWAYS, &[libc::EFBIG], Guest, Says("(ulimit -f)")),
    ("mmap, shared", libc::SYS_mmap, SHARED, &[ENOMEM], Guest, Says("guest memory: mmap: ")),
    ("mmap, code", libc::SYS_mmap, EXECUTABLE, &[EPERM, EACCES], Guest, Says(FORBIDDEN)),
    ("mmap, pages of a window", libc::SYS_mmap, FIXED, &[ENOMEM, EPERM], Guest, Works),
    ("mmap, a window", libc::SYS_mmap, WINDOW, &[ENOMEM], Guest, Says("ulimit -v")),
    ("mmap, a table", libc::SYS_mmap, TABLE, &[ENOMEM], Guest, Says("vm.overcommit_memory")),
    ("mmap, signal stack", libc::SYS_mmap, SIGNAL_STACK, &[ENOMEM], Guest, Says("mmap: ")),
    ("mprotect, stacks", libc::SYS_mprotect, READ_AND_WRITE, &[ENOMEM], Guest, Says("clone: ")),
    ("munmap", libc::SYS_munmap, ALWAYS, NO, Guest, Works),
    ("madvise", libc::SYS_madvise, ALWAYS, NO, Guest, Works),
    ("mremap", libc::SYS_mremap, ALWAYS, NO, Guest, Works),
    ("brk", libc::SYS_brk, ALWAYS, NO, Guest, Works),
    ("fallocate", libc::SYS_fallocate, ALWAYS, NO, State, Works),
    ("lseek", libc::SYS_lseek, ALWAYS, &[ENOSYS], State, Ends(2, FORBIDDEN)),
    ("lseek", libc::SYS_lseek, ALWAYS, &[EPERM], State, Ends(2, "cannot be read: ")),
    ("rt_sigaction, kicks", libc::SYS_rt_sigaction, KICK, NO, Guest, Says("rt_sigaction: ")),
    ("rt_sigaction, files", libc::SYS_rt_sigaction, FILE_SIZE, NO, Guest, Works),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask, ALWAYS, NO, Guest, Says("rt_sigprocmask: ")),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait, ALWAYS, NO, Guest, Works),
    ("rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo, ALWAYS, NO, Guest, Works),
    ("tgkill", libc::SYS_tgkill, ALWAYS, NO, Guest, Works),
    ("sigaltstack", libc::SYS_sigaltstack, ALWAYS, NO, Guest, Says("sigaltstack: ")),
    ("timer_create", libc::SYS_timer_create, ALWAYS, NO, Guest, Says("timer_create: ")),
    ("timer_create", libc::SYS_timer_create, ALWAYS, &[EAGAIN], Guest, Says("(ulimit -i)")),
    ("timer_settime", libc::SYS_timer_settime, ALWAYS, NO, Spin, Says("timer_settime: ")),
    ("timer_delete", libc::SYS_timer_delete, ALWAYS, NO, Spin, Works),
    ("clock_nanosleep", libc::SYS_clock_nanosleep, ALWAYS, NO, Guest, Works),
    ("nanosleep", libc::SYS_nanosleep, ALWAYS, NO, Guest, Works),
    ("clock_gettime", libc::SYS_clock_gettime, ALWAYS, NO, Spin, Works),
    ("futex", libc::SYS_futex, ALWAYS, NO, Guest, Says("futex: ")),
    ("set_robust_list", libc::SYS_set_robust_list, ALWAYS, NO, Guest, Works),
    ("rseq", libc::SYS_rseq, ALWAYS, NO, Guest, Works),
    ("set_tid_address", libc::SYS_set_tid_address, ALWAYS, NO, Guest, Works),
    ("arch_prctl", libc::SYS_arch_prctl, GET_GS, NO, Guest, Works),
    ("prctl", libc::SYS_prctl, ALWAYS, NO, Guest, Lacks("the sandbox lacks ")),
    ("seccomp", libc::SYS_seccomp, ALWAYS, NO, Guest, Lacks("the sandbox lacks ")),
    ("landlock", libc::SYS_landlock_create_ruleset, ALWAYS, NO, Guest, Lacks("Landlock")),
    ("landlock", libc::SYS_landlock_restrict_self, ALWAYS, NO, Guest, Lacks("Landlock")),
    ("capset", libc::SYS_capset, ALWAYS, NO, Guest, Lacks("the sandbox lacks ")),
    ("clone3", libc::SYS_clone3, ALWAYS, &[ENOSYS], Guest, Works),
    ("clone3", libc::SYS_clone3, ALWAYS, &[EPERM], Guest, Says("clone: ")),
    ("clone3", libc::SYS_clone3, ALWAYS, &[EAGAIN], Guest, Says("ulimit -u")),
    ("gettid", libc::SYS_gettid, ALWAYS, NO, Guest, Says("timer_create: ")),
    ("getpid", libc::SYS_getpid, ALWAYS, NO, Guest, Works),
    ("getuid", libc::SYS_getuid, ALWAYS, NO, Guest, Works),
    ("uname", libc::SYS_uname, ALWAYS, NO, Guest, Works),
    ("getrandom", libc::SYS_getrandom, ALWAYS, NO, Guest, Works),
    ("sched_getaffinity", libc::SYS_sched_getaffinity, ALWAYS, NO, Guest, Works),
    ("prlimit64", libc::SYS_prlimit64, ALWAYS, NO, Guest, Works),
    ("statx", libc::SYS_statx, ALWAYS, NO, Guest, Works),
    ("openat, to write", libc::SYS_openat, WRITING, &[EACCES, EPERM], Guest, Works),
    ("ioctl", libc::SYS_ioctl, ALWAYS, NO, Guest, Works),
    ("ioctl", libc::SYS_ioctl, ALWAYS, NO, Pty, Says("ioctl of a pseudo-terminal: ")),
    ("fcntl", libc::SYS_fcntl, ALWAYS, NO, Guest, Says("fcntl: ")),
    ("socket", libc::SYS_socket, ALWAYS, NO, Gdb, Ends(2, "gdb")),
    ("bind", libc::SYS_bind, ALWAYS, NO, Gdb, Ends(2, "gdb")),
    ("listen", libc::SYS_listen, ALWAYS, NO, Gdb, Ends(2, "gdb")),
    ("readlink", libc::SYS_readlink, ALWAYS, NO, Suite, Says("readlink of /proc/self/exe: ")),
    ("pidfd_open", libc::SYS_pidfd_open, ALWAYS, NO, Suite, Works),
    ("clock_nanosleep", libc::SYS_clock_nanosleep, ALWAYS, NO, Suite, Works),
    ("flock", libc::SYS_flock, ALWAYS, NO, Suite, Works),
    ("clone3 and threads", libc::SYS_clone3, ALWAYS, &[EAGAIN], Suite, Says("clone: ")),
];

/// The filter that answers a system call with `errno`.
fn filter(number: i64, when: When, errno: i32) -> BpfProgram {
    let rule = |(argument, bits, value): &(u8, u64, u64)| {
        let compare = SeccompCmpOp::MaskedEq(*bits);
        SeccompCondition::new(*argument, SeccompCmpArgLen::Qword, compare, *value).expect("a rule")
    };
    let conditions: Vec<_> = when.iter().map(rule).collect();
    let rules =
        if when.is_empty() { vec![] } else { vec![SeccompRule::new(conditions).expect("a rule")] };
    let refuse = SeccompAction::Errno(errno as u32);
    let rules = [(number, rules)].into();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::x86_64);
    filter.and_then(BpfProgram::try_from).expect("a filter")
}

fn under(filter: BpfProgram) -> impl Fn() -> std::io::Result<()> + Send + Sync {
    move || apply_filter(&filter).map_err(|_| std::io::ErrorKind::Unsupported.into())
}

#[test]
fn a_system_call_that_is_refused_is_done_without_or_named_in_one_line() {
    let place = Place::new();
    let rows: Vec<_> =
        ROWS.iter().flat_map(|row| row.3.iter().map(move |errno| (row, *errno))).collect();
    all(&rows, |(row, errno)| {
        let (name, number, when, _, run, end) = **row;
        let mut ringer = place.command(run);
        before(&mut ringer, under(filter(number, when, *errno)));
        let output = ringer.output().expect("ringer starts");
        let fault = place.fault(run, end, &output)?;
        Some(format!("{name} with {}: {fault}", std::io::Error::from_raw_os_error(*errno)))
    });
}

/// Prints a byte, then runs for ever.
fn endless() -> Vec<u8> {
    common::flat(&[common::print(b'r'), common::SPIN.to_vec()].concat())
}

/// Without sigwait, and without kicks that carry a value, SIGTERM still ends a guest that runs for ever.
#[test]
fn a_signal_ends_the_run_whatever_of_it_is_refused() {
    let files = common::Files::new();
    let image = files.write("guest.bin", &endless());
    for number in
        [libc::SYS_rt_sigtimedwait, libc::SYS_rt_tgsigqueueinfo, libc::SYS_clock_nanosleep]
    {
        let mut ringer = command();
        ringer.args(["run", "--timeout", "60", "--multiboot"]).arg(&image);
        ringer.stdout(Stdio::piped()).stderr(Stdio::piped());
        before(&mut ringer, under(filter(number, ALWAYS, ENOSYS)));
        let mut child = ringer.spawn().expect("ringer starts");
        let mut byte = [0];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("the guest runs");
        let asked = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
        let output = child.wait_with_output().expect("it ends");
        assert!(asked.elapsed() < Duration::from_secs(10), "{number}: {:?}", asked.elapsed());
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        let well = output.status.code() == Some(130) || by_signal == Some(libc::SIGTERM);
        assert!(well, "{number}: {}, {}", output.status, common::errors(&output));
    }
}
