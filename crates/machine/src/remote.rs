//! A handle to a machine for other threads, valid across the machine's reboots.
//!
//! Each boot has its own monitor and so its own kicker; the remote knows the present one. Input that
//! comes between two boots waits for the next one, and a wish to end is never lost.

use ringer_monitor::Kicker;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Shared {
    kicker: Option<Kicker>,
    waiting: Vec<u8>,
    quit: bool,
}

/// Feeds a machine's first serial port and can end its run. Clones reach the same machine.
#[derive(Clone, Debug, Default)]
pub struct Remote(Arc<Mutex<Shared>>);

impl Remote {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every change below is complete before the lock is released, whatever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends bytes to the guest's first serial port.
    pub fn serial_input(&self, bytes: &[u8]) {
        let mut shared = self.lock();
        match &shared.kicker {
            Some(kicker) => kicker.serial_input(bytes),
            None => shared.waiting.extend_from_slice(bytes),
        }
    }

    /// Bytes that the guest has not taken yet.
    #[must_use]
    pub fn backlog(&self) -> usize {
        let shared = self.lock();
        shared.waiting.len() + shared.kicker.as_ref().map_or(0, Kicker::backlog)
    }

    /// Guest instructions that the present boot retired, as of a moment ago.
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.lock().kicker.as_ref().map_or(0, Kicker::retired)
    }

    /// Asks for lockstep from here on (see [`Kicker::compare`]); a reboot forgets it.
    pub fn compare(&self) {
        if let Some(kicker) = &self.lock().kicker {
            kicker.compare();
        }
    }

    /// Ends the run with [`crate::Exit::Quit`].
    pub fn quit(&self) {
        let mut shared = self.lock();
        shared.quit = true;
        if let Some(kicker) = &shared.kicker {
            kicker.quit();
        }
    }

    /// True once [`Remote::quit`] was called.
    #[must_use]
    pub fn is_quitting(&self) -> bool {
        self.lock().quit
    }

    /// A boot begins: `kicker` is the new way to the processor.
    pub(crate) fn attach(&self, kicker: Kicker) {
        let mut shared = self.lock();
        kicker.serial_input(&std::mem::take(&mut shared.waiting));
        if shared.quit {
            kicker.quit();
        }
        shared.kicker = Some(kicker);
    }

    /// A boot ended.
    pub(crate) fn detach(&self) {
        self.lock().kicker = None;
    }
}
