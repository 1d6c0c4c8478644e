//! The system calls that nothing of ours makes once a guest runs, and that somebody who got hold of a thread would want:
//! they end the process at once, by SIGSYS, which no handler gets.
//!
//! The kernel takes the strictest answer of all filters, so this list is above the table of calls.

use crate::calls::{Args, Threads};

/// A row: a call, with which arguments, which threads may make it all the same.
#[derive(Debug)]
pub(crate) struct Never {
    pub number: libc::c_long,
    pub args: Args,
    pub but: Threads,
}

const NOBODY: Threads = Threads::empty();
const OPENS: Threads = Threads::FILES.union(Threads::COORDINATOR);
const MAPS: Threads = Threads::COORDINATOR;

const fn never(number: libc::c_long) -> Never {
    Never { number, args: Args::Any, but: NOBODY }
}

const fn only(number: libc::c_long, but: Threads) -> Never {
    Never { number, args: Args::Any, but }
}

const fn with(number: libc::c_long, args: Args, but: Threads) -> Never {
    Never { number, args, but }
}

const EXEC: u64 = libc::PROT_EXEC as u64;
const SHM_EXEC: u64 = 0x8000;
const THREAD: u64 = libc::CLONE_THREAD as u64;
/// Flags of `open` by which a file changes.
const WRITES: &[u64] =
    &[libc::O_WRONLY as u64, libc::O_RDWR as u64, libc::O_CREAT as u64, libc::O_TRUNC as u64];
/// Put a character into a terminal's input, as if typed; the same on a Linux console.
const TYPES: &[u64] = &[0x5412, 0x541c];

/// The list. It is short, since the kernel goes through it for every call there is when a filter is loaded; what is in
/// neither table answers ENOSYS.
pub(crate) const NEVER: &[Never] = &[
    // Programs and processes.
    never(libc::SYS_execve),
    never(libc::SYS_execveat),
    never(libc::SYS_fork),
    never(libc::SYS_vfork),
    with(libc::SYS_clone, Args::NoBits(0, THREAD), NOBODY),
    never(libc::SYS_ptrace),
    never(libc::SYS_process_vm_readv),
    never(libc::SYS_process_vm_writev),
    never(libc::SYS_pidfd_getfd),
    never(libc::SYS_kill),
    with(libc::SYS_tgkill, Args::OtherProcess, NOBODY),
    with(libc::SYS_rt_tgsigqueueinfo, Args::OtherProcess, NOBODY),
    // Code: the caches are mapped by then. READ_IMPLIES_EXEC would make the next mapping executable.
    with(libc::SYS_mmap, Args::Bits(2, EXEC), MAPS),
    with(libc::SYS_mprotect, Args::Bits(2, EXEC), NOBODY),
    with(libc::SYS_pkey_mprotect, Args::Bits(2, EXEC), NOBODY),
    with(libc::SYS_shmat, Args::Bits(2, SHM_EXEC), NOBODY),
    never(libc::SYS_personality),
    only(libc::SYS_memfd_create, MAPS),
    never(libc::SYS_userfaultfd),
    never(libc::SYS_modify_ldt),
    // Files. To open one to read it is refused alone: C libraries look things up in /proc when they need them first, glibc
    // when a thread's heap shrinks (/proc/sys/vm/overcommit_memory).
    with(libc::SYS_open, Args::SomeOf(1, WRITES), OPENS),
    with(libc::SYS_openat, Args::SomeOf(2, WRITES), OPENS),
    only(libc::SYS_openat2, Threads::SHARE),
    never(libc::SYS_creat),
    with(libc::SYS_ioctl, Args::OneOf(1, TYPES), NOBODY),
    // The network.
    only(libc::SYS_socket, Threads::NETWORK),
    never(libc::SYS_socketpair),
    only(libc::SYS_connect, Threads::NETWORK),
    never(libc::SYS_bind),
    // Ways around a filter, and what exploits of the kernel begin with.
    never(libc::SYS_io_uring_setup),
    // A coordinator's threads confine themselves further.
    only(libc::SYS_seccomp, Threads::COORDINATOR),
    never(libc::SYS_unshare),
    never(libc::SYS_setns),
    never(libc::SYS_mount),
    never(libc::SYS_bpf),
    never(libc::SYS_perf_event_open),
    never(libc::SYS_keyctl),
    never(libc::SYS_setuid),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::CALLS;

    /// A row that allows what this list forbids would be a trap for whoever relies on it.
    #[test]
    fn no_thread_is_allowed_what_ends_it() {
        for never in NEVER.iter().filter(|never| matches!(never.args, Args::Any)) {
            for call in CALLS.iter().filter(|call| call.number == never.number) {
                let killed = call.threads - never.but;
                assert!(killed.is_empty(), "call {} of {killed:?}", call.number);
            }
        }
    }
}
