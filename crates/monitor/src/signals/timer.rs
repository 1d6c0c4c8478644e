//! A timer that kicks the thread it was made on, or has samples taken of it.

use super::kick::{KickSignal, mark, own_tid};
use super::samples;
use ringer_cpu::refusal::{Refusal, refused};
use std::io;
use std::ptr;

/// The timer; deleted when dropped.
#[derive(Debug)]
pub(super) struct Timer {
    id: libc::timer_t,
    /// The deadline that it is set to.
    armed: Option<u64>,
}

impl Timer {
    /// A timer that is not set, for kicks by `signal`.
    pub fn new(signal: KickSignal) -> Result<Self, Refusal> {
        Self::with(signal.number(), mark())
    }

    /// A timer that has samples taken by `signal` every `period` nanoseconds, of running and waiting alike.
    pub fn sampling(signal: libc::c_int, period: u64) -> Result<Self, Refusal> {
        let timer = Self::with(signal, samples::mark())?;
        let period = period.max(1);
        timer.set(period, period)?;
        Ok(timer)
    }

    fn with(signal: libc::c_int, value: usize) -> Result<Self, Refusal> {
        // SAFETY: sigevent is plain data for which zeros are valid.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_value = libc::sigval { sival_ptr: value as *mut libc::c_void };
        event.sigev_notify_thread_id = own_tid();
        let mut id: libc::timer_t = ptr::null_mut();
        // SAFETY: both pointers are to live locals.
        if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut id) } != 0 {
            return Err(refused("timer_create")(io::Error::last_os_error()));
        }
        Ok(Self { id, armed: None })
    }

    /// Kicks after `ns` nanoseconds from now, once; `key` names the deadline, so that the timer is set
    /// only when it changes. Without a key it does not kick.
    ///
    /// # Errors
    /// What the host says.
    pub fn arm(&mut self, key: Option<u64>, ns: u64) -> Result<(), Refusal> {
        if self.armed == key {
            return Ok(());
        }
        self.set(if key.is_some() { ns.max(1) } else { 0 }, 0)?;
        self.armed = key;
        Ok(())
    }

    /// First after `ns` nanoseconds (0: never), then every `period` (0: once).
    fn set(&self, ns: u64, period: u64) -> Result<(), Refusal> {
        let time = |ns: u64| libc::timespec {
            // C libraries name the type each in their way.
            tv_sec: (ns / 1_000_000_000) as _,
            tv_nsec: (ns % 1_000_000_000) as libc::c_long,
        };
        let spec = libc::itimerspec { it_interval: time(period), it_value: time(ns) };
        // SAFETY: the timer is this value's own; the kernel reads `spec`.
        if unsafe { libc::timer_settime(self.id, 0, &spec, ptr::null_mut()) } != 0 {
            return Err(refused("timer_settime")(io::Error::last_os_error()));
        }
        Ok(())
    }

    /// It fired, or may have: the next [`Timer::arm`] sets it whatever its key.
    pub fn disarmed(&mut self) {
        self.armed = None;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer is ours and goes once.
        unsafe { libc::timer_delete(self.id) };
    }
}
