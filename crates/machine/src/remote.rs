//! A handle to a machine for other threads.

use ringer_monitor::Kicker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Feeds a machine's first serial port and can end its run. Clones reach the same machine; what is
/// sent while it does not run waits for it.
#[derive(Clone, Debug)]
pub struct Remote {
    kicker: Kicker,
    quit: Arc<AtomicBool>,
}

impl Remote {
    pub(crate) fn new(kicker: Kicker) -> Self {
        Self { kicker, quit: Arc::default() }
    }

    /// Sends bytes to the guest's first serial port.
    pub fn serial_input(&self, bytes: &[u8]) {
        self.kicker.serial_input(bytes);
    }

    /// Bytes that the guest has not taken yet.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.kicker.backlog()
    }

    /// Guest instructions retired, over all boots, as of a moment ago.
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.kicker.retired()
    }

    /// Asks for lockstep from here on (see [`Kicker::compare`]).
    pub fn compare(&self) {
        self.kicker.compare();
    }

    /// Ends the run that goes on, or else the next one, with [`crate::Exit::Kicked`]; the machine may run
    /// on afterwards. To kick twice before a run ends is to kick once.
    pub fn kick(&self) {
        self.kicker.pause();
    }

    /// Ends the run with [`crate::Exit::Quit`], and each later one at once.
    pub fn quit(&self) {
        self.quit.store(true, Ordering::Relaxed);
        self.kicker.quit();
    }

    /// True once [`Remote::quit`] was called.
    #[must_use]
    pub fn is_quitting(&self) -> bool {
        self.quit.load(Ordering::Relaxed)
    }
}
