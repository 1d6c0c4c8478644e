//! Signals: the one place where host traps in translated code arrive.
//!
//! While a thread runs a vCPU, [`Registration`] keeps for it: the handlers ([`handler`]; the process's, see
//! [`actions`]), an alternate stack ([`stack`]), a timer ([`timer`]), GS base, and that none of the signals
//! is blocked. All of it is as before when the registration is dropped.

mod actions;
pub(crate) mod coredump;
mod cost;
mod handler;
mod kick;
pub(crate) mod samples;
mod stack;
mod timer;

pub use kick::{KickSignal, KickTarget, UnusableSignal};

use actions::Installed;
use handler::{VCPU, Vcpu, on_signal};
use kick::TRAPS;
use ringer_cpu::refusal::{Refusal, refused};
use ringer_translator::context::SharedContext;
use ringer_translator::runtime::transfer::TransferStubs;
use ringer_translator::runtime::{WaysOut, gs_base, set_gs_base};
use samples::{Sampling, signal_beside};
use stack::AltStack;
use std::io;
use std::ops::Range;
use std::ptr;
use timer::Timer;

/// The thread's signal set-up; undone when dropped, in the order of the fields after the timer.
#[derive(Debug)]
pub struct Registration {
    vcpu: *mut Vcpu,
    kick: KickSignal,
    timer: Option<Timer>,
    sampler: Option<Timer>,
    _unblocked: Unblocked,
    _installed: Vec<Installed>,
    _stack: AltStack,
    gs_base: u64,
}

/// Where the handler finds what in a code cache.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    /// The whole cache.
    pub cache: Range<u64>,
    /// The end of the stubs at its start.
    pub stubs_end: u64,
    /// The stubs that lead to Rust.
    pub ways_out: WaysOut,
    /// The stubs that read guest memory.
    pub switches: &'a TransferStubs,
}

impl Registration {
    /// Makes the calling thread the vCPU of `context` and its cache, to be kicked by `kick` and perhaps
    /// sampled.
    ///
    /// # Safety
    /// `context` lives until the value is dropped, on this thread.
    ///
    /// # Errors
    /// When the host refuses a handler, a timer, the alternate stack, or to say what GS base is.
    pub(crate) unsafe fn new(
        context: &SharedContext,
        places: Places<'_>,
        kick: KickSignal,
        sampling: Option<Sampling>,
    ) -> Result<Self, Refusal> {
        let gs_base = gs_base().map_err(refused("arch_prctl"))?;
        let stack = AltStack::new()?;
        let sampling = sampling.map(|sampling| (signal_beside(kick), sampling));
        let of_samples = sampling.as_ref().map(|(signal, sampling)| (*signal, sampling.period));
        let signals = TRAPS.into_iter().chain([kick.number()]);
        let signals: Vec<_> = signals.chain(of_samples.map(|(signal, _)| signal)).collect();
        let installed = signals.iter().map(|signal| Installed::new(*signal, on_signal));
        let installed =
            installed.collect::<io::Result<Vec<_>>>().map_err(refused("rt_sigaction"))?;
        let unblocked = Unblocked::new(&signals).map_err(refused("rt_sigprocmask"))?;
        let timer = Some(Timer::new(kick)?);
        let vcpu = Box::into_raw(Box::new(Vcpu {
            kick,
            context: context.context_ptr(),
            doorbell: context.doorbell_ptr(),
            cache: places.cache,
            stubs_end: places.stubs_end,
            ways_out: places.ways_out,
            reads: places.switches.reads.clone(),
            declined: places.switches.declined,
            sampling,
        }));
        VCPU.set(vcpu);
        let started = of_samples.map(|(signal, period)| Timer::sampling(signal, period));
        let (_unblocked, _installed, _stack) = (unblocked, installed, stack);
        let mut registration =
            Self { vcpu, kick, timer, sampler: None, _unblocked, _installed, _stack, gs_base };
        registration.sampler = started.transpose()?;
        Ok(registration)
    }

    /// Who other threads kick. They must have stopped when the registration is dropped.
    #[must_use]
    pub fn target(&self) -> KickTarget {
        KickTarget::here(self.kick)
    }

    /// Kicks this thread after `ns` nanoseconds from now; `key` names the deadline, so that the
    /// timer is set only when it changes.
    ///
    /// # Errors
    /// When the host refuses to set the timer.
    pub fn arm(&mut self, key: Option<u64>, ns: u64) -> Result<(), Refusal> {
        self.timer.as_mut().map_or(Ok(()), |timer| timer.arm(key, ns))
    }

    /// Nanoseconds that a sample costs this thread; 0: none are taken. The samples of finding that out
    /// wait to be read.
    #[must_use]
    pub fn cost_of_samples(&self) -> u64 {
        // SAFETY: valid until the registration is dropped, and only read.
        let Some((signal, sampling)) = (unsafe { &(*self.vcpu).sampling }) else { return 0 };
        cost::measured(|work| {
            let before = sampling.samples.written();
            let fast = Timer::sampling(*signal, cost::PERIOD);
            work();
            drop(fast);
            sampling.samples.written().wrapping_sub(before)
        })
    }

    /// The timer fired, or may have: the next [`Registration::arm`] sets it whatever its key.
    pub fn disarmed(&mut self) {
        if let Some(timer) = &mut self.timer {
            timer.disarmed();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // No kick comes after this: those under way are delivered at the latest when the system call that
        // deletes the timer returns, while handler and vCPU are still there.
        (self.timer, self.sampler) = (None, None);
        VCPU.set(ptr::null());
        // SAFETY: made by Box::into_raw in `new`; the handler can no longer reach it.
        drop(unsafe { Box::from_raw(self.vcpu) });
        // The host had this base in force, so it does not refuse it.
        let _ = set_gs_base(self.gs_base);
    }
}

/// Lets the thread have the signals; those that were blocked are again when dropped.
#[derive(Debug)]
struct Unblocked {
    were: libc::sigset_t,
}

impl Unblocked {
    fn new(signals: &[libc::c_int]) -> io::Result<Self> {
        // SAFETY: a signal set is plain data for which zeros are valid.
        let (mut set, mut before) =
            unsafe { std::mem::zeroed::<(libc::sigset_t, libc::sigset_t)>() };
        // SAFETY: both sets are live, the signals exist.
        let refused = unsafe {
            signals.iter().for_each(|signal| {
                libc::sigaddset(&mut set, *signal);
            });
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, &mut before)
        };
        if refused != 0 {
            return Err(io::Error::from_raw_os_error(refused));
        }
        for signal in signals {
            // SAFETY: as above.
            unsafe {
                if libc::sigismember(&before, *signal) != 1 {
                    libc::sigdelset(&mut set, *signal);
                }
            }
        }
        Ok(Self { were: set })
    }
}

impl Drop for Unblocked {
    fn drop(&mut self) {
        // SAFETY: the set is live.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &self.were, ptr::null_mut()) };
    }
}
