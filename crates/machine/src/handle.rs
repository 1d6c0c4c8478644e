//! A handle to a machine for other threads.

use ringer_devices::{Input, Layout, TypingError};
use ringer_monitor::Kicker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Feeds a machine's serial ports and its keyboard, and can end its run. Clones reach the same machine; what is
/// sent while it does not run waits for it.
#[derive(Clone, Debug)]
pub struct Handle {
    kicker: Kicker,
    quit: Arc<AtomicBool>,
}

impl Handle {
    pub(crate) fn new(kicker: Kicker) -> Self {
        Self { kicker, quit: Arc::default() }
    }

    /// Sends bytes to the guest's first serial port.
    pub fn serial_input(&self, bytes: &[u8]) {
        self.port_input(0, bytes);
    }

    /// Sends bytes to the guest's serial port `port` (0..=3); where there is none they are lost.
    pub fn port_input(&self, port: usize, bytes: &[u8]) {
        self.kicker.serial_input(port, bytes);
    }

    /// Presses and releases keys: bytes of scan code set 2 (make code, and F0h and make code at the release), which the
    /// keyboard sends in the set that the guest has chosen. Returns how many are taken: at most [`Handle::MAX_KEYS`] wait
    /// for the guest.
    pub fn key_input(&self, scan_codes: &[u8]) -> usize {
        self.kicker.key_input(scan_codes)
    }

    /// The same, of all of the bytes or none: whether there was room.
    pub fn whole_key_input(&self, bytes: &[u8]) -> bool {
        self.kicker.whole_key_input(bytes)
    }

    /// Presses or releases a key, moves the mouse, or waits in between. False: too much waits for the guest already.
    pub fn input(&self, input: Input) -> bool {
        self.kicker.whole_key_input(&input.bytes())
    }

    /// Types `text` on a keyboard of that layout, as fast as the guest reads it. False: too much waits for the guest
    /// already, and nothing is typed.
    ///
    /// # Errors
    /// [`TypingError::NoKey`] for the first character that the layout does not have; nothing is typed then.
    pub fn type_text(&self, layout: &Layout, text: &str) -> Result<bool, TypingError> {
        Ok(self.kicker.whole_key_input(&layout.typed(text)?))
    }

    /// A frame comes in for the guest's network adapter ([`ringer_devices::link`]). False: too many wait for the guest
    /// already, and this one does not.
    pub fn frame_input(&self, frame: &[u8]) -> bool {
        self.kicker.frame_input(frame)
    }

    /// Bytes of keys that wait for the guest at most.
    pub const MAX_KEYS: usize = ringer_monitor::MAX_KEYS;

    /// Nothing more will come to the serial ports and the keyboard than what was sent: a halted guest that only that
    /// could wake ends its run with [`crate::Stop::DeadHalt`]. A machine whose handles never say so waits for input.
    pub fn end_input(&self) {
        self.kicker.end_input();
    }

    /// Bytes for the first serial port that the guest has not taken yet.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.port_backlog(0)
    }

    /// The same of serial port `port`.
    #[must_use]
    pub fn port_backlog(&self, port: usize) -> usize {
        self.kicker.backlog(port)
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

    /// Has the machine ask its sinks at once, those that had no room ([`crate::Room`]), instead of a moment later.
    pub fn look(&self) {
        self.kicker.look();
    }

    /// Presses the reset button: the machine starts again, or the run ends with [`crate::Stop::Reset`] where resets do.
    pub fn reset(&self) {
        self.kicker.reset();
    }

    /// Switches the machine off, as if its plug were pulled: the run ends with [`crate::Stop::PowerOff`].
    pub fn power_off(&self) {
        self.kicker.power_off();
    }

    /// Presses the power button: a guest that listens by ACPI is told and switches itself off; one that does not, or was told
    /// before, is switched off as by [`Handle::power_off`].
    pub fn power_button(&self) {
        self.kicker.power_button();
    }

    /// Has the machine's onlooker ([`crate::Machine::set_onlooker`]) look at its screen soon.
    pub fn glance(&self) {
        self.kicker.glance();
    }

    /// Ends the run that goes on, or else the next one, with [`crate::Stop::Kicked`]; the machine may run
    /// on afterwards. To kick twice before a run ends is to kick once.
    pub fn kick(&self) {
        self.kicker.pause();
    }

    /// Ends the run with [`crate::Stop::Quit`], and each later one at once.
    pub fn quit(&self) {
        self.quit.store(true, Ordering::Relaxed);
        self.kicker.quit();
    }

    /// True once [`Handle::quit`] was called.
    #[must_use]
    pub fn is_quitting(&self) -> bool {
        self.quit.load(Ordering::Relaxed)
    }
}
