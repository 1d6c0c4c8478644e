//! The handler, and what it knows of its thread's vCPU.
//!
//! It allocates nothing and takes no lock (invariant 9). A trap with RIP in a *block* of the cache is the guest's doing:
//! the handler notes RIP, the address and the trap number in the context and lets the thread go on at the
//! Signal exit stub, so that the monitor sees it as an ordinary exit. A kick (an interrupt wants in) with
//! RIP in a block does the same; with RIP in the stubs it sets the single-step flag, so that the few stub
//! instructions are stepped until a block or Rust code is reached; anywhere else the doorbell is enough,
//! since the entry stub looks at it. So it is in stubs that lead to Rust in any case, where a kick often comes: one that was
//! held back while a fault was handled comes right behind it, and to step some fifty instructions costs 100 us. A sample ([`super::samples`]) changes nothing but its ring. Any other trap, and whatever somebody sent that is no kick, goes to
//! the handler from before.
//!
//! Invariant: what [`VCPU`] points to is valid until it is null again, on the same thread. It is
//! const-initialised and needs no destructor, so that reading it in a handler is async-signal-safe.

use super::actions;
use super::kick::{KickSignal, TRAPS, is_kick};
use super::samples::{Sampling, Whereabouts, expired};
use ringer_translator::context::{Doorbell, ExecContext, TRAP_KICK};
use ringer_translator::runtime::WaysOut;
use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::Ordering;

const TF: i64 = 0x100;
/// `si_code` of a trap by RFLAGS.TF.
const TRAP_TRACE: libc::c_int = 2;

/// What the handler must know about the thread's vCPU.
#[derive(Debug)]
pub(super) struct Vcpu {
    pub kick: KickSignal,
    pub context: *mut ExecContext,
    pub doorbell: *const Doorbell,
    pub cache: Range<u64>,
    pub stubs_end: u64,
    pub ways_out: WaysOut,
    /// Where a stub reads the guest's memory, and where it goes when it cannot.
    pub reads: Range<u64>,
    pub declined: u64,
    /// The signal of samples, and where they go.
    pub sampling: Option<(libc::c_int, Sampling)>,
}

thread_local! {
    /// The vCPU that the thread runs, or null.
    pub(super) static VCPU: Cell<*const Vcpu> = const { Cell::new(ptr::null()) };
}

/// What a signal interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interrupted {
    Block,
    Stub,
    /// A stub that leads to Rust, whatever happens.
    WayOut,
    Elsewhere,
}

type Gregs = [i64; 23];

impl Vcpu {
    /// Whether the thread was in a stub that reads the guest's memory and knows how to go on without.
    fn reads_in(&self, regs: &Gregs) -> bool {
        self.reads.contains(&(regs[libc::REG_RIP as usize] as u64))
    }

    fn interrupted(&self, rip: u64) -> Interrupted {
        if !self.cache.contains(&rip) {
            Interrupted::Elsewhere
        } else if self.ways_out.range.contains(&rip) {
            Interrupted::WayOut
        } else if rip < self.stubs_end {
            Interrupted::Stub
        } else {
            Interrupted::Block
        }
    }
}

/// The handler of every signal that a vCPU wants.
pub(super) extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    uc: *mut libc::c_void,
) {
    let vcpu = VCPU.get();
    // SAFETY: the kernel passes a valid ucontext and siginfo for this handler's frame; a vCPU that is
    // there is valid, by the module's invariant. Nothing refers to the registers when the handler from
    // before is called.
    unsafe {
        let taken = if vcpu.is_null() {
            // A late kick is harmless, and so is a late sample.
            is_kick(info) || expired(info).is_some()
        } else {
            let regs = &mut (*uc.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
            take(&*vcpu, signal, info, regs)
        };
        if !taken {
            let errno = libc::__errno_location();
            let before = *errno;
            actions::chain(signal, info, uc);
            *errno = before;
        }
    }
}

/// Whether the signal was the vCPU's; if so, it is dealt with.
///
/// # Safety
/// `info` is what the kernel gave the handler.
unsafe fn take(
    vcpu: &Vcpu,
    signal: libc::c_int,
    info: *const libc::siginfo_t,
    regs: &mut Gregs,
) -> bool {
    let interrupted = vcpu.interrupted(regs[libc::REG_RIP as usize] as u64);
    if signal == vcpu.kick.number() {
        // SAFETY: by contract.
        let kick = unsafe { is_kick(info) };
        if kick {
            on_kick(vcpu, interrupted, regs);
        }
        return kick;
    }
    if let Some((of_samples, sampling)) = &vcpu.sampling
        && *of_samples == signal
        // SAFETY: by contract.
        && let Some(missed) = unsafe { expired(info) }
    {
        on_sample(vcpu, sampling, missed, interrupted, regs);
        return true;
    }
    // SAFETY: by contract.
    let code = unsafe { (*info).si_code };
    // Sent by somebody, or another machine's kick: not what the code at RIP did.
    if code <= 0 || !TRAPS.contains(&signal) {
        return false;
    }
    match (signal, interrupted) {
        (libc::SIGTRAP, _) if code == TRAP_TRACE => return on_step(vcpu, interrupted, regs),
        (libc::SIGSEGV | libc::SIGBUS, Interrupted::Stub) if vcpu.reads_in(regs) => {
            regs[libc::REG_RIP as usize] = vcpu.declined as i64;
        }
        (_, Interrupted::Block) => {
            let trap = regs[libc::REG_TRAPNO as usize] as u64;
            redirect(vcpu, regs, trap);
        }
        (_, Interrupted::Stub | Interrupted::WayOut) => {
            complain();
            return false;
        }
        (_, Interrupted::Elsewhere) => return false,
    }
    true
}

fn redirect(vcpu: &Vcpu, regs: &mut Gregs, trap: u64) {
    // SAFETY: the context outlives the registration, and the thread that uses it is this one,
    // stopped in translated code, during which no Rust reference to it is in use.
    let context = unsafe { &mut *vcpu.context };
    context.fault_rip = regs[libc::REG_RIP as usize] as u64;
    context.fault_addr = regs[libc::REG_CR2 as usize] as u64;
    context.fault_error = regs[libc::REG_ERR as usize] as u64;
    context.fault_trap = trap;
    regs[libc::REG_RIP as usize] = vcpu.ways_out.signal as i64;
    regs[libc::REG_EFL as usize] &= !TF;
}

fn on_kick(vcpu: &Vcpu, interrupted: Interrupted, regs: &mut Gregs) {
    // SAFETY: the doorbell outlives the registration; it is atomics, and shared with everybody.
    let doorbell = unsafe { &*vcpu.doorbell };
    doorbell.kick.store(1, Ordering::Relaxed);
    doorbell.irq_pending.store(1, Ordering::Relaxed);
    match interrupted {
        Interrupted::Block => redirect(vcpu, regs, TRAP_KICK),
        Interrupted::Stub => regs[libc::REG_EFL as usize] |= TF,
        Interrupted::WayOut | Interrupted::Elsewhere => {}
    }
}

/// Notes where the thread is. What the context says of the guest's place is read behind the back of
/// whoever is changing it, and may be a moment old.
fn on_sample(
    vcpu: &Vcpu,
    sampling: &Sampling,
    missed: u16,
    interrupted: Interrupted,
    regs: &mut Gregs,
) {
    // SAFETY: the context outlives the registration; these are plain numbers, aligned, of which no
    // reference is made.
    let (eip, base, cpl) = unsafe {
        let cpu = &raw const (*vcpu.context).cpu;
        let base = (&raw const (*cpu).seg[1].base).read_volatile();
        ((&raw const (*cpu).rip).read_volatile(), base, (&raw const (*cpu).cpl).read_volatile())
    };
    let at = match interrupted {
        Interrupted::Block => {
            Whereabouts::Block((regs[libc::REG_RIP as usize] as u64 - vcpu.cache.start) as u32)
        }
        Interrupted::Stub | Interrupted::WayOut => Whereabouts::Stub,
        Interrupted::Elsewhere => Whereabouts::Rust(base.plus(eip.get()).low()),
    };
    let many = sampling.samples.take(at, cpl == 3, missed);
    if many && sampling.may_kick {
        on_kick(vcpu, interrupted, regs);
    }
}

fn on_step(vcpu: &Vcpu, interrupted: Interrupted, regs: &mut Gregs) -> bool {
    match interrupted {
        Interrupted::Stub => regs[libc::REG_EFL as usize] |= TF,
        Interrupted::WayOut | Interrupted::Elsewhere => regs[libc::REG_EFL as usize] &= !TF,
        Interrupted::Block => {
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
    true
}

/// Our own bug: says so, before what was there before ends the process.
fn complain() {
    let text = b"ringer: internal error: a host trap outside translated code; please report it\n";
    // SAFETY: write is async-signal-safe; the buffer is static.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}
