//! What the process needs of the host before anything else: signals that do not end it in silence, threads that can wait, a stack.

use crate::say::say;
use ringer::status;
use ringer_cpu::refusal::refused;
use rustix::thread::futex;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicU32;

/// The least stack of the main thread, in bytes: what debugging and saved states take at most, and as much again.
const LEAST_STACK: u64 = 1 << 20;
/// The stack that it gets where its limit may be raised.
const STACK: u64 = 8 << 20;

/// Sees to it; else the exit status, when everything is said.
pub fn prepare() -> Result<(), u8> {
    take_signals();
    // (The C library aborts, and says nothing that helps, where a thread has to wait for another and cannot. Whether one has to is
    // a matter of luck; so the answer is had here.)
    if let Err(error) = futex::wake(&AtomicU32::new(0), futex::Flags::PRIVATE, 1) {
        say(format_args!("{}", refused("futex")(error)));
        return Err(status::INTERNAL);
    }
    enough_stack()
}

/// Raises the limit of the main thread's stack if it is too low.
fn enough_stack() -> Result<(), u8> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is live, and written.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    // (A host that does not say has no limit that we knew.)
    if asked != 0 || limit.rlim_cur >= LEAST_STACK {
        return Ok(());
    }
    let raised = libc::rlimit { rlim_cur: limit.rlim_max.min(STACK), ..limit };
    // The kernel lets the main thread's stack grow by the limit of the moment.
    // SAFETY: `raised` is live, and read.
    let refused = unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raised) } != 0;
    if refused || raised.rlim_cur < LEAST_STACK {
        let (have, least) = (limit.rlim_cur >> 10, LEAST_STACK >> 10);
        say(format_args!(
            "the stack is limited to {have} KiB, and {least} KiB are needed; raise the limit (ulimit -s)"
        ));
        return Err(status::INTERNAL);
    }
    Ok(())
}

extern "C" fn nothing(_: libc::c_int) {}

/// SIGXFSZ, whose default is death, becomes the error of the write that went too far. A handler does that, for an ignored signal
/// would stay ignored in the programs that this one starts. SIGCHLD gets its default back: where it is ignored, the kernel forgets
/// how children ended.
fn take_signals() {
    // SAFETY: zeroes are a valid action, without flags and with an empty mask.
    let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler does nothing, so it is safe wherever it comes; where either is refused the old behaviour stays.
    unsafe {
        libc::sigaction(libc::SIGXFSZ, &action, std::ptr::null_mut());
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
}
