//! What the process does at a signal: our handler while a vCPU runs, and what was there before.
//!
//! Handlers are the process's, vCPUs are threads': the first vCPU that wants a signal installs the
//! handler, the last one puts back what was there. What the handler finds to be none of its business it
//! gives to [`chain`], which does what the kernel would have done without us.
//!
//! # Others that install handlers
//! Whoever installs one while ours is in force keeps it: the last vCPU leaves it alone. It may call ours
//! as the one before it, at any time from then on, so what was saved stays. When later a vCPU installs
//! ours again above it, theirs is what ours chains to, and ours what theirs chains to: the second time
//! round, the call goes to what was there before either.
//!
//! Invariant: what the handler reads is atomics, written before the handler is installed; they change
//! only when no vCPU uses the signal.

use std::cell::Cell;
use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kick::own_tid;

/// A handler with SA_SIGINFO.
pub(super) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

const SIGNALS: usize = 65;
/// In place of a handler's address: nothing was saved.
const NOTHING: usize = usize::MAX;

/// An action as the handler can read it.
struct Saved {
    handler: AtomicUsize,
    flags: AtomicI32,
    /// Signals to block meanwhile: bit n-1 for signal n.
    mask: AtomicU64,
}

impl Saved {
    const fn new() -> Self {
        let handler = AtomicUsize::new(NOTHING);
        Self { handler, flags: AtomicI32::new(0), mask: AtomicU64::new(0) }
    }

    fn is_there(&self) -> bool {
        self.handler.load(Ordering::Acquire) != NOTHING
    }

    fn set(&self, action: &libc::sigaction) {
        self.mask.store(mask_of(&action.sa_mask), Ordering::Relaxed);
        self.flags.store(action.sa_flags, Ordering::Relaxed);
        self.handler.store(action.sa_sigaction, Ordering::Release);
    }
}

/// By signal number: what ours was installed above, last.
static PREVIOUS: [Saved; SIGNALS] = [const { Saved::new() }; SIGNALS];
/// The same, the first time since ours was last gone for good.
static FIRST: [Saved; SIGNALS] = [const { Saved::new() }; SIGNALS];
/// How many use a signal.
static USES: Mutex<[u32; SIGNALS]> = Mutex::new([0; SIGNALS]);

thread_local! {
    /// The handler's frame and ucontext of the innermost [`chain`] on this thread.
    static CHAINING: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A signal that has our handler as long as this lives.
#[derive(Debug)]
pub(super) struct Installed {
    signal: libc::c_int,
    handler: Handler,
}

impl Installed {
    /// Installs `handler` for `signal`, unless it is there already. All users of a signal name the same
    /// handler.
    pub fn new(signal: libc::c_int, handler: Handler) -> io::Result<Self> {
        let mut uses = uses();
        let count = &mut uses[signal as usize];
        if *count == 0 {
            install(signal, handler)?;
        }
        *count += 1;
        Ok(Self { signal, handler })
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let mut uses = uses();
        let count = &mut uses[self.signal as usize];
        *count -= 1;
        if *count == 0 {
            remove(self.signal, self.handler);
        }
    }
}

fn uses() -> MutexGuard<'static, [u32; SIGNALS]> {
    USES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn install(signal: libc::c_int, handler: Handler) -> io::Result<()> {
    let ours = handler as usize;
    save(signal, ours, &exchange(signal, None)?);
    let mut action = blank();
    action.sa_sigaction = ours;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the mask is a live field.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
    // Another thread may have changed it since.
    save(signal, ours, &exchange(signal, Some(&action))?);
    Ok(())
}

fn save(signal: libc::c_int, ours: usize, action: &libc::sigaction) {
    if action.sa_sigaction == ours {
        return;
    }
    let (previous, first) = (&PREVIOUS[signal as usize], &FIRST[signal as usize]);
    previous.set(action);
    if !first.is_there() {
        first.set(action);
    }
}

/// Puts back what was there, unless somebody else came after us.
fn remove(signal: libc::c_int, handler: Handler) {
    let Ok(now) = exchange(signal, None) else { return };
    let previous = &PREVIOUS[signal as usize];
    if now.sa_sigaction != handler as usize || !previous.is_there() {
        return;
    }
    let mut action = blank();
    action.sa_sigaction = previous.handler.load(Ordering::Acquire);
    action.sa_flags = previous.flags.load(Ordering::Relaxed);
    set_mask(&mut action.sa_mask, previous.mask.load(Ordering::Relaxed));
    // It was in force once, so the kernel takes it.
    if exchange(signal, Some(&action)).is_ok() {
        FIRST[signal as usize].handler.store(NOTHING, Ordering::Release);
    }
}

fn blank() -> libc::sigaction {
    // SAFETY: sigaction is plain data for which zeros are valid.
    unsafe { mem::zeroed() }
}

fn exchange(signal: libc::c_int, action: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = blank();
    // SAFETY: both are live or null; a handler that comes in here is ours, which is async-signal-safe,
    // or was in force before.
    let done =
        unsafe { libc::sigaction(signal, action.map_or(ptr::null(), ptr::from_ref), &mut old) };
    if done == 0 { Ok(old) } else { Err(io::Error::last_os_error()) }
}

/// The kernel's part of a signal set, which is its first 64 bits.
fn mask_of(set: &libc::sigset_t) -> u64 {
    // SAFETY: a signal set is plain data, longer than that.
    unsafe { ptr::from_ref(set).cast::<u64>().read_unaligned() }
}

fn set_mask(set: &mut libc::sigset_t, mask: u64) {
    // SAFETY: as in `mask_of`.
    unsafe { ptr::from_mut(set).cast::<u64>().write_unaligned(mask) };
}

/// Does what would have been done without our handler. Async-signal-safe, as far as the handler from
/// before is. One without SA_ONSTACK runs on our alternate stack all the same.
///
/// # Safety
/// The arguments are the kernel's to the running handler.
pub(super) unsafe fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    let here = 0_u8;
    let frame = (&raw const here) as usize;
    let outer = CHAINING.get();
    // Not a stale note of a handler that never returned: a call from within has our frame below its own.
    let again = outer.1 == uc as usize && frame < outer.0;
    let first = &FIRST[signal as usize];
    let saved = if again && first.is_there() { first } else { &PREVIOUS[signal as usize] };
    CHAINING.set((frame, uc as usize));
    // SAFETY: by contract.
    unsafe { pass_on(saved, signal, info, uc) };
    CHAINING.set(outer);
}

/// # Safety
/// As [`chain`].
unsafe fn pass_on(
    saved: &Saved,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    uc: *mut libc::c_void,
) {
    // SAFETY: by contract.
    let sent = unsafe { (*info).si_code } <= 0;
    let address = saved.handler.load(Ordering::Acquire);
    match address {
        libc::SIG_IGN if sent => {}
        // The kernel does not let a fault be ignored, either.
        libc::SIG_DFL | libc::SIG_IGN | NOTHING => {
            // SAFETY: by contract.
            unsafe { default_action(signal, info, sent) };
        }
        _ => {
            let flags = saved.flags.load(Ordering::Relaxed);
            if flags & libc::SA_RESETHAND != 0 {
                saved.handler.store(libc::SIG_DFL, Ordering::Release);
            }
            let own = if flags & libc::SA_NODEFER != 0 { 0 } else { 1 << (signal - 1) };
            // SAFETY: by contract; the mask in the frame is as long as the kernel's.
            let interrupted = unsafe { mask_of(&(*uc.cast::<libc::ucontext_t>()).uc_sigmask) };
            let before = block(interrupted | saved.mask.load(Ordering::Relaxed) | own);
            // SAFETY: the address is a handler's that was in force. One of one argument leaves the other
            // two registers alone.
            unsafe { mem::transmute::<usize, Handler>(address)(signal, info, uc) };
            block(before);
        }
    }
}

/// Blocks exactly `mask` on this thread; returns what was blocked.
fn block(mask: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: the kernel reads and writes eight bytes.
    unsafe {
        let (new, old) = (&raw const mask, &raw mut before);
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, new, old, size_of::<u64>());
    }
    before
}

/// The kernel's default, which for all that come here is to end the process, or nothing.
///
/// # Safety
/// As [`chain`].
unsafe fn default_action(signal: libc::c_int, info: *mut libc::siginfo_t, sent: bool) {
    let nothing = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
    if nothing.contains(&signal) {
        return;
    }
    let mut action = blank();
    action.sa_sigaction = libc::SIG_DFL;
    let _ = exchange(signal, Some(&action));
    if !sent && signal != libc::SIGTRAP {
        // The instruction faults again.
        return;
    }
    // It is delivered when the handler returns.
    // SAFETY: raw system calls on this thread; `info` is the kernel's.
    unsafe {
        let (pid, tid) = (libc::getpid(), own_tid());
        if libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, info) != 0 {
            // From another thread than the first, the kernel takes no such information.
            libc::syscall(libc::SYS_tgkill, pid, tid, signal);
        }
    }
}
