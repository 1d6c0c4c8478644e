//! The kick: the signal that gets a vCPU's thread out of translated code.
//!
//! A kick says by its value that it is one: the same signal sent by anybody else is not the vCPU's.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// The signals by which the host reports what guest code did.
pub(super) const TRAPS: [libc::c_int; 5] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP];

/// Signals that no handler gets, or whose default is to stop the process.
const UNUSABLE: [libc::c_int; 5] =
    [libc::SIGKILL, libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Which signal kicks. While a machine runs, the process can use it for other things, too: what is no
/// kick goes to the handler that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KickSignal(libc::c_int);

/// A signal that cannot kick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "signal {0} cannot interrupt a machine: use one that a handler can get and that does not stop \
     the process or report its faults, such as SIGUSR1, SIGUSR2 or SIGRTMIN"
)]
pub struct UnusableSignal(pub i32);

impl KickSignal {
    /// Signal number `signal`.
    ///
    /// # Errors
    /// When it reports faults, stops the process, or cannot be caught.
    pub fn new(signal: i32) -> Result<Self, UnusableSignal> {
        let known = (1..=libc::SIGRTMAX()).contains(&signal)
            // The C library's own.
            && !(libc::SIGSYS + 1..libc::SIGRTMIN()).contains(&signal);
        if known && !TRAPS.contains(&signal) && !UNUSABLE.contains(&signal) {
            Ok(Self(signal))
        } else {
            Err(UnusableSignal(signal))
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl Default for KickSignal {
    /// SIGUSR1.
    fn default() -> Self {
        Self(libc::SIGUSR1)
    }
}

/// Who to kick: a thread of this process.
#[derive(Clone, Debug)]
pub struct KickTarget {
    tid: libc::pid_t,
    signal: libc::c_int,
}

impl KickTarget {
    /// The calling thread.
    pub(super) fn here(signal: KickSignal) -> Self {
        Self { tid: own_tid(), signal: signal.0 }
    }

    /// Makes the vCPU leave translated code soon.
    pub fn kick(&self) {
        // SAFETY: getpid and getuid have no preconditions.
        let (pid, uid) = unsafe { (libc::getpid(), libc::getuid()) };
        let (signo, code) = (self.signal, libc::SI_QUEUE);
        let info = Queued { signo, errno: 0, code, gap: 0, pid, uid, value: mark(), rest: [0; 12] };
        // SAFETY: a signal with a handler, to a thread of this process; the kernel reads the 128 bytes of
        // `info`. The inbox forgets the target before its thread ends.
        let queued = unsafe {
            libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, self.tid, self.signal, &raw const info)
        };
        if queued != 0 {
            // A host that does not let it carry a value: from now on one without counts, too.
            PLAIN.store(true, Ordering::Relaxed);
            // SAFETY: as above.
            unsafe { libc::syscall(libc::SYS_tgkill, pid, self.tid, self.signal) };
        }
    }
}

/// A kick could not carry its value.
static PLAIN: AtomicBool = AtomicBool::new(false);

/// The kernel's `siginfo_t` of a signal with a value.
#[repr(C)]
struct Queued {
    signo: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    gap: libc::c_int,
    pid: libc::pid_t,
    uid: libc::uid_t,
    value: usize,
    rest: [u64; 12],
}

const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>());

/// The value that kicks and timers carry: an address that is nobody else's.
pub(super) fn mark() -> usize {
    static MARK: u8 = 0;
    ptr::from_ref(&MARK) as usize
}

/// Whether a signal is a kick, or a timer's.
///
/// # Safety
/// `info` is what the kernel gave the handler.
pub(super) unsafe fn is_kick(info: *const libc::siginfo_t) -> bool {
    // SAFETY: by contract; which part of the union is valid follows from the code.
    unsafe {
        match (*info).si_code {
            libc::SI_QUEUE | libc::SI_TIMER => (*info).si_value().sival_ptr as usize == mark(),
            // The kernel had no room to keep who sent it.
            libc::SI_USER => (*info).si_pid() == 0,
            libc::SI_TKILL => PLAIN.load(Ordering::Relaxed) && (*info).si_pid() == libc::getpid(),
            _ => false,
        }
    }
}

pub(super) fn own_tid() -> libc::pid_t {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as libc::pid_t }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_caught_or_means_something_else_does_not_kick() {
        for signal in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGURG, libc::SIGRTMIN()] {
            assert_eq!(KickSignal::new(signal).map(KickSignal::number), Ok(signal));
        }
        for signal in [0, -1, 32, 33, 65, i32::MAX, libc::SIGKILL, libc::SIGSEGV, libc::SIGTSTP] {
            assert_eq!(KickSignal::new(signal), Err(UnusableSignal(signal)));
        }
    }
}
