//! The system calls that each kind of thread makes once it is confined, and why. All others answer ENOSYS, as on a kernel
//! that does not have them: C libraries know what to do then. Those that nothing of ours ever makes end the process
//! (`never.rs`), whatever this table says.

use bitflags::bitflags;

bitflags! {
    /// Kinds of threads.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Threads: u16 {
        /// Runs guest code; afterwards it writes what is left to say of the run to files that are open.
        const VCPU = 1 << 0;
        /// Serves gdb, which is connected, between runs of guest code.
        const GDB = 1 << 1;
        /// Takes connections from gdb.
        const LISTENER = 1 << 2;
        /// Writes what the guest sends.
        const OUTPUT = 1 << 3;
        /// Reads what is typed.
        const INPUT = 1 << 4;
        /// Takes signals that end the run.
        const SIGNALS = 1 << 5;
        /// Makes files: of saved states, and of reports and profiles at the end.
        const FILES = 1 << 6;
        /// Builds one machine after another, and has a thread of its own run each: what it opens is granted.
        const COORDINATOR = 1 << 7;
        /// Passes a guest's network traffic on by sockets of its own: it connects to others, opens no file and starts nothing.
        const NETWORK = 1 << 8;
        /// Shows the screen to whoever is connected, and passes on their keys.
        const VIEW = 1 << 9;
        /// Serves a folder to a guest: it opens what is in there, and nothing else.
        const SHARE = 1 << 10;
        /// Draws in a window of an X server that is connected, and passes on keys and the mouse.
        const WINDOW = 1 << 11;
    }
}

/// What a call's arguments must be. Arguments are counted from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Args {
    Any,
    /// The argument, 32 bits of it, is one of these.
    OneOf(u8, &'static [u64]),
    /// The argument has all these bits.
    Bits(u8, u64),
    /// The argument has none of these bits.
    NoBits(u8, u64),
    /// The argument has one of these bits at least.
    SomeOf(u8, &'static [u64]),
    /// The first argument is the number of this process.
    ThisProcess,
    /// It is not.
    OtherProcess,
}

/// A row: a call, who makes it, how, why.
#[derive(Debug)]
pub(crate) struct Call {
    pub number: libc::c_long,
    pub threads: Threads,
    pub args: Args,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers, and a test that there is one"))]
    pub why: &'static str,
}

const fn row(number: libc::c_long, threads: Threads, args: Args, why: &'static str) -> Call {
    Call { number, threads, args, why }
}

use Args::{Any, Bits, OneOf, ThisProcess};

const ALL: Threads = Threads::all();
const VCPU: Threads = Threads::VCPU;
const GDB: Threads = Threads::GDB;
const FILES: Threads = Threads::FILES;
const NETWORK: Threads = Threads::NETWORK;
/// Those that make threads, which begin with the same filter.
const MAKERS: Threads = VCPU.union(GDB).union(Threads::SIGNALS);
const VIEW: Threads = Threads::VIEW;
const WINDOW: Threads = Threads::WINDOW;
const SHARE: Threads = Threads::SHARE;
const READERS: Threads = VCPU.union(Threads::INPUT).union(NETWORK).union(VIEW).union(WINDOW);
const KICKS: Threads = VCPU
    .union(GDB)
    .union(Threads::LISTENER)
    .union(Threads::OUTPUT)
    .union(Threads::INPUT)
    .union(Threads::SIGNALS)
    .union(NETWORK)
    .union(VIEW)
    .union(WINDOW);
/// Those that ask whether a terminal is ready, or a socket.
const TERMINALS: Threads = VCPU
    .union(Threads::OUTPUT)
    .union(Threads::INPUT)
    .union(Threads::SIGNALS)
    .union(NETWORK)
    .union(VIEW)
    .union(WINDOW);

/// `ioctl` on a terminal: its settings (both forms) and its size; for gdb's line, whether it waits.
const TERMINAL: &[u64] = &[
    0x5401,      // TCGETS
    0x5402,      // TCSETS
    0x5403,      // TCSETSW
    0x5404,      // TCSETSF
    0x5413,      // TIOCGWINSZ
    0x802c_542a, // TCGETS2
    0x402c_542b, // TCSETS2
    0x402c_542c, // TCSETSW2
    0x402c_542d, // TCSETSF2
    0x5421,      // FIONBIO
];
/// `socket`: IPv4 and IPv6.
const INTERNET: &[u64] = &[libc::AF_INET as u64, libc::AF_INET6 as u64];
/// `ioctl` on a socket.
const NONBLOCKING: &[u64] = &[libc::FIONBIO];
/// `ioctl`: TIOCGWINSZ.
const SIZE: &[u64] = &[0x5413];
/// `prctl`: a thread's name, and glibc's names for its heap.
const NAMES: &[u64] = &[libc::PR_SET_NAME as u64, 0x5356_4d41];
/// `arch_prctl`: GS base, read and set.
const GS_BASE: &[u64] = &[0x1001, 0x1004];
/// `fcntl`: copies of a descriptor, its flags.
const DESCRIPTORS: &[u64] = &[
    libc::F_DUPFD_CLOEXEC as u64,
    libc::F_GETFD as u64,
    libc::F_SETFD as u64,
    libc::F_GETFL as u64,
    libc::F_SETFL as u64,
];

/// The table. A call may have several rows: one of them must fit.
pub(crate) const CALLS: &[Call] = &[
    // Memory. What must not be executable is `never.rs`'s business.
    row(libc::SYS_mmap, ALL, Any, "windows, target tables, heap, stacks of threads"),
    row(libc::SYS_munmap, ALL, Any, "the same, given back"),
    row(libc::SYS_mprotect, ALL, Any, "write-protected pages of windows, heap, stacks"),
    row(libc::SYS_mremap, ALL, Any, "large vectors that grow"),
    row(libc::SYS_madvise, ALL, Any, "pages given back, huge pages asked for"),
    row(libc::SYS_brk, ALL, Any, "heap"),
    row(
        libc::SYS_fallocate,
        VCPU,
        Any,
        "pages of guest memory given back to the host, holes in images",
    ),
    // Files that are open.
    row(libc::SYS_read, READERS, Any, "input; files that a reset reads again"),
    row(libc::SYS_pread64, VCPU, Any, "a disk image, /proc/self/statm"),
    row(libc::SYS_readv, READERS, Any, "as read"),
    row(libc::SYS_write, ALL, Any, "output, reports, what is said on standard error"),
    row(libc::SYS_writev, ALL, Any, "as write"),
    row(libc::SYS_pwrite64, VCPU.union(FILES), Any, "files that are made"),
    row(libc::SYS_lseek, VCPU.union(FILES), Any, "touched pages of guest memory; files"),
    row(libc::SYS_fstat, VCPU.union(FILES), Any, "how much of guest memory is touched"),
    row(libc::SYS_ftruncate, FILES, Any, "a file in a folder where none can be made"),
    row(libc::SYS_fsync, VCPU.union(FILES), Any, "a saved state is on the disk"),
    row(libc::SYS_fdatasync, VCPU.union(FILES), Any, "the same"),
    row(libc::SYS_close, ALL, Any, "files that are done with"),
    row(
        libc::SYS_fcntl,
        VCPU.union(GDB).union(FILES),
        OneOf(1, DESCRIPTORS),
        "descriptors are copied",
    ),
    row(
        libc::SYS_ioctl,
        VCPU.union(Threads::SIGNALS).union(Threads::OUTPUT),
        OneOf(1, TERMINAL),
        "a terminal is restored, its size asked for",
    ),
    row(libc::SYS_ioctl, VIEW, OneOf(1, SIZE), "a terminal's size"),
    row(libc::SYS_poll, TERMINALS, Any, "whether a terminal takes more, or has a user"),
    row(libc::SYS_ppoll, TERMINALS, Any, "the same"),
    // Time.
    row(libc::SYS_clock_gettime, ALL, Any, "processor time; time where the vDSO does not serve it"),
    row(libc::SYS_clock_getres, VCPU, Any, "the same"),
    row(libc::SYS_gettimeofday, VCPU, Any, "the same"),
    row(libc::SYS_clock_nanosleep, ALL, Any, "short waits for slow readers"),
    row(libc::SYS_nanosleep, ALL, Any, "the same"),
    row(libc::SYS_timer_create, VCPU, Any, "deadlines of devices, samples"),
    row(libc::SYS_timer_settime, VCPU, Any, "the same"),
    row(libc::SYS_timer_gettime, VCPU, Any, "the same"),
    row(libc::SYS_timer_getoverrun, VCPU, Any, "the same"),
    row(libc::SYS_timer_delete, VCPU, Any, "the same"),
    // Signals.
    row(libc::SYS_rt_sigaction, ALL, Any, "handlers while a machine runs"),
    row(libc::SYS_rt_sigprocmask, ALL, Any, "threads are made, signals let in"),
    row(libc::SYS_rt_sigreturn, ALL, Any, "the way out of a handler"),
    row(libc::SYS_sigaltstack, ALL, Any, "the handler's stack, each thread's too"),
    row(
        libc::SYS_rt_sigtimedwait,
        Threads::SIGNALS,
        Any,
        "signals that end the run are waited for",
    ),
    row(libc::SYS_rt_tgsigqueueinfo, KICKS, ThisProcess, "a kick"),
    row(libc::SYS_tgkill, ALL, ThisProcess, "abort, and a fault of our own passed on"),
    row(libc::SYS_restart_syscall, ALL, Any, "the kernel's own, after a stop"),
    // Threads.
    row(libc::SYS_futex, ALL, Any, "locks, waiting for work"),
    row(libc::SYS_clone, MAKERS, Bits(0, libc::CLONE_THREAD as u64), "threads; never processes"),
    row(libc::SYS_set_robust_list, MAKERS, Any, "a new thread begins"),
    row(libc::SYS_rseq, MAKERS, Any, "a new thread begins"),
    row(libc::SYS_set_tid_address, MAKERS, Any, "a new thread begins"),
    row(libc::SYS_gettid, ALL, Any, "who is kicked"),
    row(libc::SYS_getpid, ALL, Any, "who is kicked"),
    row(libc::SYS_getuid, KICKS, Any, "a kick says who sent it"),
    row(libc::SYS_sched_yield, ALL, Any, "locks"),
    row(libc::SYS_sched_getaffinity, ALL, Any, "the C library, for a thread's stack and arenas"),
    row(libc::SYS_prctl, MAKERS, OneOf(0, NAMES), "a thread's name"),
    row(libc::SYS_arch_prctl, VCPU, OneOf(0, GS_BASE), "a window's base, without FSGSBASE"),
    row(libc::SYS_wait4, VCPU, Any, "the process that minds the terminal ends"),
    row(libc::SYS_waitid, VCPU, Any, "the same"),
    row(libc::SYS_exit, ALL, Any, "a thread ends"),
    row(libc::SYS_exit_group, ALL, Any, "the process ends"),
    row(
        libc::SYS_getrandom,
        VCPU.union(FILES).union(NETWORK).union(VIEW).union(WINDOW),
        Any,
        "RDRAND; names of files; hash maps; challenges",
    ),
    // gdb, by a connection that is open; viewers.
    row(libc::SYS_recvfrom, GDB.union(VIEW), Any, "what gdb sends, or a viewer"),
    row(libc::SYS_sendto, GDB.union(VIEW), Any, "what they are answered"),
    row(libc::SYS_setsockopt, GDB.union(VIEW), Any, "how their connections wait"),
    row(libc::SYS_shutdown, GDB, Any, "the end of a connection, or of listening"),
    row(libc::SYS_accept4, Threads::LISTENER.union(VIEW), Any, "gdb comes, or a viewer"),
    row(libc::SYS_unlink, Threads::LISTENER, Any, "a Unix socket is removed"),
    row(libc::SYS_recvmsg, WINDOW, Any, "what the X server tells"),
    row(libc::SYS_sendmsg, WINDOW, Any, "what it is to draw"),
    // A guest's connections, passed on. Ports that lead to the guest are open by then.
    row(libc::SYS_socket, NETWORK, OneOf(0, INTERNET), "the host's half of a connection"),
    row(libc::SYS_connect, NETWORK, Any, "the same"),
    row(libc::SYS_accept4, NETWORK, Any, "a connection to a port that leads to the guest"),
    row(libc::SYS_recvfrom, NETWORK, Any, "what the other end sends"),
    row(libc::SYS_sendto, NETWORK, Any, "what the guest sends"),
    row(libc::SYS_getsockopt, NETWORK, Any, "whether a connection was made"),
    row(libc::SYS_getpeername, NETWORK, Any, "the same"),
    row(libc::SYS_setsockopt, NETWORK, Any, "small pieces are sent at once; resets"),
    row(libc::SYS_shutdown, NETWORK, Any, "the guest sends no more"),
    row(libc::SYS_ioctl, NETWORK, OneOf(1, NONBLOCKING), "a socket is not waited for"),
    // A folder that a guest is shown, beneath which openat2 keeps all names.
    row(libc::SYS_openat2, SHARE, Any, "a file of the folder, a place in it"),
    row(libc::SYS_fstat, SHARE, Any, "what is known of it"),
    row(libc::SYS_newfstatat, SHARE, Any, "the same"),
    row(libc::SYS_fstatfs, SHARE, Any, "what holds the folder"),
    row(libc::SYS_getdents64, SHARE, Any, "what is in a folder"),
    row(libc::SYS_lseek, SHARE, Any, "from where on"),
    row(libc::SYS_pread64, SHARE, Any, "a file is read"),
    row(libc::SYS_readlinkat, SHARE, Any, "a link is read, not followed"),
    row(
        libc::SYS_pwrite64,
        SHARE,
        Any,
        "a file is written; Landlock refuses where that was not asked for, here and below",
    ),
    row(libc::SYS_ftruncate, SHARE, Any, "its size is changed"),
    row(libc::SYS_fchmod, SHARE, Any, "its rights"),
    row(libc::SYS_utimensat, SHARE, Any, "its times"),
    row(libc::SYS_fsync, SHARE, Any, "it is on the disk"),
    row(libc::SYS_fdatasync, SHARE, Any, "the same"),
    row(libc::SYS_mkdirat, SHARE, Any, "a folder is made"),
    row(libc::SYS_symlinkat, SHARE, Any, "a link is made"),
    row(libc::SYS_linkat, SHARE, Any, "a second name"),
    row(libc::SYS_renameat, SHARE, Any, "another name"),
    row(libc::SYS_unlinkat, SHARE, Any, "a name is removed"),
    // Files of saved states, in folders that are granted.
    row(libc::SYS_openat, FILES, Any, "the file, and its folder to have it on the disk"),
    row(libc::SYS_open, FILES, Any, "the same, with musl"),
    row(libc::SYS_rename, FILES, Any, "the file comes into its place whole"),
    row(libc::SYS_renameat, FILES, Any, "the same"),
    row(libc::SYS_renameat2, FILES, Any, "the same"),
    row(libc::SYS_unlink, FILES, Any, "a file that could not be finished"),
    row(libc::SYS_unlinkat, FILES, Any, "the same"),
    row(libc::SYS_statx, FILES, Any, "what is in its place"),
    row(libc::SYS_stat, FILES, Any, "the same, with musl"),
    row(libc::SYS_newfstatat, FILES, Any, "the same"),
    row(libc::SYS_readlink, FILES, Any, "where a link in its place leads"),
    row(libc::SYS_readlinkat, FILES, Any, "the same"),
    row(libc::SYS_lstat, FILES, Any, "the same"),
    row(libc::SYS_getcwd, FILES, Any, "names that are relative"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_threads_and_a_reason() {
        for call in CALLS {
            assert!(!call.threads.is_empty() && !call.why.is_empty(), "{call:?}");
        }
    }

    /// The thread that runs guest code is the one that a guest could get hold of.
    #[test]
    fn the_vcpu_opens_nothing_and_starts_nothing() {
        let vcpu: Vec<_> = CALLS
            .iter()
            .filter(|call| call.threads.intersects(VCPU))
            .map(|call| call.number)
            .collect();
        for number in [libc::SYS_openat, libc::SYS_open, libc::SYS_unlink, libc::SYS_rename] {
            assert!(!vcpu.contains(&number), "{number}");
        }
        assert!(vcpu.len() < 60, "few calls: {}", vcpu.len());
    }
}
