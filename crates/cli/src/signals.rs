//! SIGINT, SIGTERM, SIGHUP, and SIGXCPU of a limit of processor time end the run in an orderly way; SIGCONT puts a console's terminal back
//! into raw mode. The signals are blocked everywhere and taken by one thread, so that no handler
//! runs in the middle of anything.

use crate::pause::{pause, start, start_alike};
use crate::say::say;
use crate::terminal;
use ringer::sandbox::Threads;
use ringer::{Handle, Refusal, status};
use ringer_cpu::refusal::refused;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The signals that the thread takes.
const TAKEN: [libc::c_int; 5] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGXCPU, libc::SIGCONT];
/// So long may a machine take to end after the signal.
const GRACE: Duration = Duration::from_secs(3);
/// So long may files take that are written then.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(5);

/// Whether whoever started this process wants the signal to have no effect: nohup, a shell's `&`. A
/// signal that is blocked would be taken all the same.
fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set; what is there is written to a place of the right type.
    let failed = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeroes are a valid value, which the call has replaced.
    failed == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

fn set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set; the numbers are valid signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in TAKEN.into_iter().filter(|signal| !is_ignored(*signal)) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Blocks the signals in this thread and in those that it will start.
pub fn block() -> Result<(), Refusal> {
    let set = set();
    // SAFETY: the set is initialised, and the old mask is not asked for.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
    if error == 0 {
        Ok(())
    } else {
        Err(refused("rt_sigprocmask")(io::Error::from_raw_os_error(error)))
    }
}

/// Calls `start`, which starts a thread, with the signals blocked in that thread alone: before there is anybody to take
/// them they do what they do by default, to the process.
pub fn shielded<T>(start: impl FnOnce() -> T) -> Result<T, Refusal> {
    let (set, mut before) = (set(), MaybeUninit::<libc::sigset_t>::uninit());
    // SAFETY: the set is initialised, and the old mask is written to a place of the right type.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, before.as_mut_ptr()) };
    if error != 0 {
        return Err(refused("rt_sigprocmask")(io::Error::from_raw_os_error(error)));
    }
    let started = start();
    // SAFETY: the first call has written the mask; nothing else is asked for. It cannot fail with a mask that was.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    Ok(started)
}

/// Waits for one of the signals.
fn wait() -> Option<libc::c_int> {
    let set = set();
    let mut signal = 0;
    // SAFETY: both point to initialised values of the right types.
    let error = unsafe { libc::sigwait(&set, &mut signal) };
    (error == 0).then_some(signal)
}

/// Writing to the terminal from the background no longer stops this process.
pub fn ignore_background_output() {
    // SAFETY: SIG_IGN is a valid disposition for SIGTTOU.
    unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
    }
}

/// Files that are to be written before a second signal ends the process.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// As long as this lives, files are being written, or will be when the run has ended: a second signal, or a
/// run that does not end in time, waits for that, [`PATIENCE`] at most. A third does not.
#[derive(Debug)]
pub struct Hold(());

/// Files are to be written.
pub fn hold() -> Hold {
    HELD.fetch_add(1, Ordering::AcqRel);
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Signals cannot be waited for: from now on they do what they do by default, and what waits for the process's end
/// restores the terminal. The calling thread takes them, so it must stay.
fn give_up() -> ! {
    let set = set();
    // SAFETY: the set is initialised, and the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut()) };
    loop {
        pause(PATIENCE);
    }
}

/// Starts the thread. A second signal, or a machine that does not end in time, ends the process.
pub fn forward(handle: Handle) -> Result<(), Refusal> {
    let take = move || {
        let mut again = false;
        while let Some(signal) = wait() {
            tell_limit(signal);
            if signal == libc::SIGCONT {
                // A terminal that cannot be set any more is about to end the run by itself.
                let _ = terminal::enter_raw();
            } else if again {
                end();
            } else if handle.is_quitting() {
                again = true;
                // Without a thread for it, the run's own end or the next signal is the end.
                let _ = start_alike("end", || end_when_written());
            } else {
                handle.quit();
                let _ = start_alike("end", || {
                    pause(GRACE);
                    end_when_written();
                });
            }
        }
        give_up()
    };
    start("signals", Threads::SIGNALS, take)
}

/// Starts the thread for a suite: `on` is told of each signal that is to end it, and says whether that
/// was the last warning. A suite that does not end in time after that, or gets one more, is ended.
pub fn hand_on(mut on: impl FnMut(libc::c_int) -> bool + Send + 'static) -> Result<(), Refusal> {
    let take = move || {
        let mut warned = false;
        while let Some(signal) = wait() {
            tell_limit(signal);
            if signal == libc::SIGCONT {
                continue;
            }
            if warned {
                end();
            }
            warned = on(signal);
            if warned {
                let _ = start_alike("end", || {
                    pause(GRACE);
                    end();
                });
            }
        }
        give_up()
    };
    start_alike("signals", take)
}

/// Says what the signal means, where the user did not send it.
fn tell_limit(signal: libc::c_int) {
    if signal == libc::SIGXCPU {
        say("the processor time that the process may use is used up; raise the limit (ulimit -t)");
    }
}

fn end_when_written() -> ! {
    terminal::restore();
    let begin = Instant::now();
    while HELD.load(Ordering::Acquire) > 0 && begin.elapsed() < PATIENCE {
        pause(STEP);
    }
    end()
}

fn end() -> ! {
    terminal::restore();
    std::process::exit(i32::from(status::ENDED_BY_USER))
}
