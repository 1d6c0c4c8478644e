//! Signals: the one place where host traps in translated code arrive.
//!
//! # The handler
//! It allocates nothing and takes no lock (invariant 9). A trap with RIP in a *block* of the cache is the guest's
//! doing: the handler notes RIP, the address and the trap number in the context and lets the thread
//! go on at the Signal exit stub, so that the monitor sees it as an ordinary exit. A kick (an
//! interrupt wants in) with RIP in a block does the same; with RIP in the stubs it sets the
//! single-step flag, so that the few stub instructions are stepped until a block or Rust code is
//! reached; anywhere else `kick` in the context is enough, since the entry stub looks at it. Any
//! other trap is our own bug and dies loudly.
//!
//! # Invariants
//! `Vcpu` pointers registered in the thread-local are valid until unregistered by
//! [`Registration`]'s drop, on the same thread. The thread-local is const-initialised and needs no
//! destructor, so that reading it in a handler is async-signal-safe.

use ringer_translator::context::{Doorbell, ExecContext, SharedContext, TRAP_KICK};
use ringer_translator::runtime::transfer::TransferStubs;
use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::Ordering;

const KICK_SIGNAL: libc::c_int = libc::SIGUSR1;
const TF: i64 = 0x100;
const ALT_STACK: usize = 128 << 10;
const ALT_GUARD: usize = 4 << 10;

/// What the handler must know about the thread's vCPU.
#[derive(Debug)]
struct Vcpu {
    context: *mut ExecContext,
    doorbell: *const Doorbell,
    cache: Range<u64>,
    stubs_end: u64,
    exit_signal: u64,
    /// Where a stub reads the guest's memory, and where it goes when it cannot.
    reads: Range<u64>,
    declined: u64,
}

thread_local! {
    static VCPU: Cell<*const Vcpu> = const { Cell::new(ptr::null()) };
}

/// Who to kick: a thread of this process.
#[derive(Clone, Debug)]
pub struct KickTarget {
    tid: libc::pid_t,
}

impl KickTarget {
    /// Makes the vCPU leave translated code soon.
    pub fn kick(&self) {
        // SAFETY: tgkill on a thread of this process with a signal that has a handler. The inbox
        // forgets the target before its thread ends.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.tid, KICK_SIGNAL) };
    }
}

/// The thread's signal set-up; undone when dropped.
#[derive(Debug)]
pub struct Registration {
    vcpu: *mut Vcpu,
    timer: libc::timer_t,
    _stack: AltStack,
    armed: Option<u64>,
}

impl Registration {
    /// Makes the calling thread the vCPU of `context` and its cache.
    ///
    /// # Safety
    /// `context` stays valid and in place until the value is dropped, on this thread.
    ///
    /// # Errors
    /// When the host refuses a timer or the alternate stack.
    pub unsafe fn new(
        context: &SharedContext,
        cache: Range<u64>,
        stubs_end: u64,
        exit_signal: u64,
        switches: &TransferStubs,
    ) -> std::io::Result<Self> {
        install_handlers()?;
        let stack = AltStack::new()?;
        let (reads, declined) = (switches.reads.clone(), switches.declined);
        let (context, doorbell) = (context.context_ptr(), context.doorbell_ptr());
        let vcpu = Vcpu { context, doorbell, cache, stubs_end, exit_signal, reads, declined };
        let vcpu = Box::into_raw(Box::new(vcpu));
        VCPU.set(vcpu);
        Ok(Self { vcpu, timer: new_timer()?, _stack: stack, armed: None })
    }

    /// Who other threads kick.
    #[must_use]
    pub fn target(&self) -> KickTarget {
        KickTarget { tid: own_tid() }
    }

    /// Kicks this thread after `ns` nanoseconds from now; `key` names the deadline, so that the
    /// timer is set only when it changes.
    pub fn arm(&mut self, key: Option<u64>, ns: u64) {
        if self.armed == key {
            return;
        }
        self.armed = key;
        let ns = if key.is_some() { ns.max(1) } else { 0 };
        let value = libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as libc::c_long,
        };
        let spec = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: value,
        };
        // SAFETY: the timer is this registration's own.
        unsafe { libc::timer_settime(self.timer, 0, &spec, ptr::null_mut()) };
    }

    /// The timer fired, or may have: the next [`Registration::arm`] sets it whatever its key.
    pub fn disarmed(&mut self) {
        self.armed = None;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        VCPU.set(ptr::null());
        // SAFETY: the timer is ours and goes once.
        unsafe { libc::timer_delete(self.timer) };
        // SAFETY: made by Box::into_raw in `new`; the handler can no longer reach it.
        drop(unsafe { Box::from_raw(self.vcpu) });
    }
}

fn own_tid() -> libc::pid_t {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as libc::pid_t }
}

/// The thread's alternate stack: handlers run there, since the guest may be the one whose stack
/// pointer is in force. Under it lies a page without rights.
#[derive(Debug)]
struct AltStack {
    base: *mut libc::c_void,
}

impl AltStack {
    fn new() -> std::io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping at an address of the kernel's choice harms nobody.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), ALT_STACK + ALT_GUARD, libc::PROT_NONE, flags, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let made = Self { base };
        let usable = base.wrapping_byte_add(ALT_GUARD);
        let stack = libc::stack_t { ss_sp: usable, ss_flags: 0, ss_size: ALT_STACK };
        // SAFETY: the range is all but the first page of the mapping just made, which lives until
        // the stack is disabled again.
        let refused = unsafe {
            libc::mprotect(usable, ALT_STACK, libc::PROT_READ | libc::PROT_WRITE) != 0
                || libc::sigaltstack(&stack, ptr::null_mut()) != 0
        };
        if refused { Err(std::io::Error::last_os_error()) } else { Ok(made) }
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let off = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: disabling this thread's alternate stack before its memory goes away, once.
        unsafe {
            libc::sigaltstack(&off, ptr::null_mut());
            libc::munmap(self.base, ALT_STACK + ALT_GUARD);
        }
    }
}

/// Keeps guest memory out of core dumps: it is the only shared memory without a file here, and the
/// many mappings of the windows cannot each be marked. Where the host has no such switch, the
/// direct mapping at least is marked (`ram.rs` of the MMU).
fn spare_core_dumps() {
    const FILTER: &str = "/proc/self/coredump_filter";
    const SHARED_ANONYMOUS: u32 = 1 << 1;
    let Ok(text) = std::fs::read_to_string(FILTER) else { return };
    if let Ok(old) = u32::from_str_radix(text.trim(), 16) {
        let _ = std::fs::write(FILTER, format!("{:#x}", old & !SHARED_ANONYMOUS));
    }
}

fn new_timer() -> std::io::Result<libc::timer_t> {
    // SAFETY: sigevent is plain data for which zeros are valid.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = KICK_SIGNAL;
    event.sigev_notify_thread_id = own_tid();
    let mut timer: libc::timer_t = ptr::null_mut();
    // SAFETY: both pointers are to live locals.
    if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(timer)
}

fn install_handlers() -> std::io::Result<()> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| {
        spare_core_dumps();
        let signals =
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, KICK_SIGNAL];
        for signal in signals {
            if let Err(e) = install(signal) {
                result = Err(e);
            }
        }
    });
    result
}

fn install(signal: libc::c_int) -> std::io::Result<()> {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    // SAFETY: sigaction is plain data for which zeros are valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the mask is a live field; the handler is async-signal-safe (see the module text).
    unsafe {
        libc::sigfillset(&mut action.sa_mask);
        if libc::sigaction(signal, &action, ptr::null_mut()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Where the interrupted thread was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    Stub,
    Elsewhere,
}

impl Vcpu {
    /// Whether the thread was in a stub that reads the guest's memory and knows how to go on without.
    fn reads_in(&self, regs: &Gregs) -> bool {
        self.reads.contains(&(regs[libc::REG_RIP as usize] as u64))
    }

    fn place(&self, rip: u64) -> Place {
        if !self.cache.contains(&rip) {
            Place::Elsewhere
        } else if rip < self.stubs_end {
            Place::Stub
        } else {
            Place::Block
        }
    }
}

extern "C" fn on_signal(signal: libc::c_int, _: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid ucontext for this handler's frame.
    let regs = unsafe { &mut (*uc.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let vcpu = VCPU.get();
    if vcpu.is_null() {
        return foreign(signal);
    }
    // SAFETY: a registered vCPU is valid until its registration is dropped on this thread.
    let vcpu = unsafe { &*vcpu };
    let place = vcpu.place(regs[libc::REG_RIP as usize] as u64);
    match (signal, place) {
        (KICK_SIGNAL, _) => on_kick(vcpu, place, regs),
        (libc::SIGTRAP, _) => on_step(vcpu, place, regs),
        (libc::SIGSEGV | libc::SIGBUS, Place::Stub) if vcpu.reads_in(regs) => {
            regs[libc::REG_RIP as usize] = vcpu.declined as i64;
        }
        (_, Place::Block) => {
            let trap = regs[libc::REG_TRAPNO as usize] as u64;
            redirect(vcpu, regs, trap);
        }
        _ => die(signal),
    }
}

type Gregs = [i64; 23];

fn redirect(vcpu: &Vcpu, regs: &mut Gregs, trap: u64) {
    // SAFETY: the context outlives the registration, and the thread that uses it is this one,
    // stopped in translated code, which holds no Rust reference to it.
    let context = unsafe { &mut *vcpu.context };
    context.fault_rip = regs[libc::REG_RIP as usize] as u64;
    context.fault_addr = regs[libc::REG_CR2 as usize] as u64;
    context.fault_error = regs[libc::REG_ERR as usize] as u64;
    context.fault_trap = trap;
    regs[libc::REG_RIP as usize] = vcpu.exit_signal as i64;
    regs[libc::REG_EFL as usize] &= !TF;
}

fn on_kick(vcpu: &Vcpu, place: Place, regs: &mut Gregs) {
    // SAFETY: the doorbell outlives the registration; it is atomics, and shared with everybody.
    let doorbell = unsafe { &*vcpu.doorbell };
    doorbell.kick.store(1, Ordering::Relaxed);
    doorbell.irq_pending.store(1, Ordering::Relaxed);
    match place {
        Place::Block => redirect(vcpu, regs, TRAP_KICK),
        Place::Stub => regs[libc::REG_EFL as usize] |= TF,
        Place::Elsewhere => {}
    }
}

fn on_step(vcpu: &Vcpu, place: Place, regs: &mut Gregs) {
    match place {
        Place::Stub => regs[libc::REG_EFL as usize] |= TF,
        Place::Elsewhere => regs[libc::REG_EFL as usize] &= !TF,
        Place::Block => {
            // SAFETY: as in `redirect`.
            let skip = unsafe { &mut (*vcpu.context).step_skip };
            if *skip > 0 {
                *skip -= 1;
                regs[libc::REG_EFL as usize] |= TF;
            } else {
                redirect(vcpu, regs, TRAP_KICK);
            }
        }
    }
}

/// A signal on a thread that runs no vCPU: a late kick is harmless, a trap is not ours.
fn foreign(signal: libc::c_int) {
    if signal != KICK_SIGNAL {
        die(signal);
    }
}

/// Our own bug: say so, then let the default action happen at the same instruction.
fn die(signal: libc::c_int) {
    let text = b"ringer: internal error: a host trap outside translated code; please report it\n";
    // SAFETY: write and sigaction with SIG_DFL are async-signal-safe; the buffer is static.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &action, ptr::null_mut());
    }
}
