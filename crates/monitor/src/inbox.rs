//! How other threads reach the vCPU: serial input, keys and the wish to end.

use crate::signals::KickTarget;
use ringer_devices::link::MAX_FRAME;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Bytes of keys that wait for the guest at most: a page of text.
pub const MAX_KEYS: usize = 64 << 10;
/// Frames that wait for the guest's network adapter at most: what a fast network sends while a guest does something else.
pub const MAX_FRAMES: usize = 1024;

/// Serial ports.
pub const PORTS: usize = 4;

#[derive(Debug, Default)]
struct Mail {
    /// For each serial port.
    serial: [VecDeque<u8>; PORTS],
    keys: VecDeque<u8>,
    frames: VecDeque<Vec<u8>>,
    quit: bool,
    pause: bool,
    power_off: bool,
    power_button: bool,
    reset: bool,
    glance: bool,
    /// Nothing more will be typed.
    ended: bool,
    vcpu: Option<KickTarget>,
}

impl Mail {
    /// Whether anything waits for a serial port.
    fn has_serial(&self) -> bool {
        self.serial.iter().any(|bytes| !bytes.is_empty())
    }
}

#[derive(Debug, Default)]
struct Shared {
    mail: Mutex<Mail>,
    arrived: Condvar,
    /// Guest instructions so far, as of the last look at the mail.
    retired: AtomicU64,
    /// Somebody wants the engines compared from now on.
    compare: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        // The mail stays consistent whatever a panicking thread did: each field is set whole.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle for other threads; clones reach the same machine.
#[derive(Clone, Debug)]
pub struct Kicker(Arc<Shared>);

impl Kicker {
    /// Feeds bytes to serial port `port`, 0 for the first. Where there is none they are lost.
    pub fn serial_input(&self, port: usize, bytes: &[u8]) {
        self.post(|mail| {
            if let Some(serial) = mail.serial.get_mut(port) {
                serial.extend(bytes);
            }
        });
    }

    /// Presses and releases keys and moves the mouse, as [`ringer_devices::Input::bytes`] says it. Returns how many bytes
    /// are taken: no more than [`MAX_KEYS`] wait.
    pub fn key_input(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        self.post(|mail| {
            taken = bytes.len().min(MAX_KEYS.saturating_sub(mail.keys.len()));
            mail.keys.extend(&bytes[..taken]);
        });
        taken
    }

    /// The same, of all of `bytes` or none: whether there was room.
    pub fn whole_key_input(&self, bytes: &[u8]) -> bool {
        let mut fits = false;
        self.post(|mail| {
            fits = bytes.len() <= MAX_KEYS.saturating_sub(mail.keys.len());
            if fits {
                mail.keys.extend(bytes);
            }
        });
        fits
    }

    /// A frame for the guest's network adapter ([`ringer_devices::link`]). Whether there was room: no more than
    /// [`MAX_FRAMES`] wait. A guest that others wait for already is not interrupted again.
    pub fn frame_input(&self, frame: &[u8]) -> bool {
        let mut mail = self.0.lock();
        let waiting = mail.frames.len();
        if waiting >= MAX_FRAMES || frame.len() > MAX_FRAME {
            return frame.len() > MAX_FRAME;
        }
        mail.frames.push_back(frame.to_vec());
        if waiting == 0 {
            if let Some(vcpu) = &mail.vcpu {
                vcpu.kick();
            }
            self.0.arrived.notify_all();
        }
        true
    }

    /// Nothing more will come to the serial port and the keyboard than what was sent: a halted guest that only that
    /// could wake is dead. A guest that runs is not interrupted for that, so the end of an input, which comes whenever it
    /// comes, splits no block.
    pub fn end_input(&self) {
        self.0.lock().ended = true;
        self.0.arrived.notify_all();
    }

    /// Bytes for serial port `port` that the guest has not taken yet.
    #[must_use]
    pub fn backlog(&self, port: usize) -> usize {
        self.0.lock().serial.get(port).map_or(0, VecDeque::len)
    }

    /// Guest instructions retired, as of a moment ago.
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.0.retired.load(Ordering::Relaxed)
    }

    /// Asks for lockstep from the next look at the mail on: right after the instruction at hand when
    /// a device calls this while it is accessed. Only a run with a virtual clock follows.
    pub fn compare(&self) {
        self.0.compare.store(true, Ordering::Relaxed);
        self.look();
    }

    /// Asks the run loop to look at everything, outputs that have room again among it.
    pub fn look(&self) {
        self.post(|_| {});
    }

    /// Asks the run to end with [`crate::RunEnd::Quit`].
    pub fn quit(&self) {
        self.post(|mail| mail.quit = true);
    }

    /// Asks the run that goes on, or else the next one, to end with [`crate::RunEnd::Paused`].
    pub fn pause(&self) {
        self.post(|mail| mail.pause = true);
    }

    /// Switches the machine off: the run ends with [`crate::RunEnd::PowerOff`].
    pub fn power_off(&self) {
        self.post(|mail| mail.power_off = true);
    }

    /// Presses the power button: the guest is told, or switched off.
    pub fn power_button(&self) {
        self.post(|mail| mail.power_button = true);
    }

    /// Presses the reset button: the run ends with [`crate::RunEnd::Reset`].
    pub fn reset(&self) {
        self.post(|mail| mail.reset = true);
    }

    /// Lets the machine's onlooker look at it soon ([`crate::Monitor::set_onlooker`]).
    pub fn glance(&self) {
        self.post(|mail| mail.glance = true);
    }

    fn post(&self, change: impl FnOnce(&mut Mail)) {
        let mut mail = self.0.lock();
        change(&mut mail);
        if let Some(vcpu) = &mail.vcpu {
            vcpu.kick();
        }
        self.0.arrived.notify_all();
    }
}

/// What another thread wants of the run.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Its end.
    pub quit: bool,
    /// A pause.
    pub pause: bool,
    /// To be switched off.
    pub power_off: bool,
    /// The reset button.
    pub reset: bool,
    /// A look at the screen.
    pub glance: bool,
}

/// What came for the guest.
#[derive(Debug)]
pub struct Taken {
    /// Bytes for each serial port, the oldest.
    pub serial: [Vec<u8>; PORTS],
    /// There are others.
    pub more_serial: bool,
    /// Bytes of keys, all there are.
    pub keys: Vec<u8>,
    /// Frames, the oldest.
    pub frames: Vec<Vec<u8>>,
    /// There are others.
    pub more_frames: bool,
    /// The power button was pressed.
    pub power_button: bool,
}

/// What a sleeper knows: other than that wakes it.
#[derive(Clone, Copy, Debug)]
pub struct Thinks {
    /// Which serial ports have room.
    pub takes_serial: [bool; PORTS],
    /// The keyboard has room.
    pub takes_keys: bool,
    /// The network adapter has room.
    pub takes_frames: bool,
    /// [`Inbox::is_ended`].
    pub ended: bool,
}

/// The vCPU's side.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// A handle for other threads.
    #[must_use]
    pub fn kicker(&self) -> Kicker {
        Kicker(Arc::clone(&self.0))
    }

    /// From now on mail interrupts the thread of `vcpu`; `None`: no longer.
    pub fn attach(&self, vcpu: Option<KickTarget>) {
        self.0.lock().vcpu = vcpu;
    }

    /// Lets other threads know how far the guest is.
    pub fn tell(&self, retired: u64) {
        self.0.retired.store(retired, Ordering::Relaxed);
    }

    /// Whether lockstep was asked for.
    #[must_use]
    pub fn wants_comparison(&self) -> bool {
        self.0.compare.load(Ordering::Relaxed)
    }

    /// Takes at most `max` bytes for each serial port, all keys, and at most `frames` frames.
    #[must_use]
    pub fn take(&self, max: usize, frames: usize) -> Taken {
        let mut mail = self.0.lock();
        let serial = mail.serial.each_mut().map(|bytes| {
            let n = bytes.len().min(max);
            bytes.drain(..n).collect()
        });
        let keys = mail.keys.drain(..).collect();
        let n = mail.frames.len().min(frames);
        let frames = mail.frames.drain(..n).collect();
        let (more_serial, more_frames) = (mail.has_serial(), !mail.frames.is_empty());
        let power_button = std::mem::take(&mut mail.power_button);
        Taken { serial, more_serial, keys, frames, more_frames, power_button }
    }

    /// Whether nothing more will come than what waits.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// Whether anything waits.
    #[must_use]
    pub fn has_input(&self) -> bool {
        let mail = self.0.lock();
        mail.has_serial() || !mail.keys.is_empty() || !mail.frames.is_empty() || mail.power_button
    }

    /// Takes what is not for the guest.
    #[must_use]
    pub fn take_wishes(&self) -> Wishes {
        let mut mail = self.0.lock();
        let take = std::mem::take;
        Wishes {
            quit: mail.quit,
            pause: take(&mut mail.pause),
            power_off: take(&mut mail.power_off),
            reset: take(&mut mail.reset),
            glance: take(&mut mail.glance),
        }
    }

    /// Bytes that wait for each serial port, the oldest first.
    pub(crate) fn serial(&self) -> [Vec<u8>; PORTS] {
        self.0.lock().serial.each_ref().map(|bytes| bytes.iter().copied().collect())
    }

    /// From now on these wait.
    pub(crate) fn set_serial(&self, bytes: &[Vec<u8>; PORTS]) {
        self.0.lock().serial = bytes.each_ref().map(|bytes| bytes.iter().copied().collect());
    }

    /// Gives back bytes that serial port `port` had no room for.
    pub fn give_back(&self, port: usize, bytes: &[u8]) {
        if let Some(serial) = self.0.lock().serial.get_mut(port) {
            for b in bytes.iter().rev() {
                serial.push_front(*b);
            }
        }
    }

    /// Keys that wait, the oldest first.
    pub(crate) fn keys(&self) -> Vec<u8> {
        self.0.lock().keys.iter().copied().collect()
    }

    /// From now on these wait; what is more than can wait is dropped.
    pub(crate) fn set_keys(&self, bytes: &[u8]) {
        self.0.lock().keys = bytes.iter().copied().take(MAX_KEYS).collect();
    }

    /// Gives back keys that the keyboard had no room for.
    pub fn give_back_keys(&self, bytes: &[u8]) {
        let mut mail = self.0.lock();
        for b in bytes.iter().rev() {
            mail.keys.push_front(*b);
        }
    }

    /// Gives back frames that the network adapter had no room for.
    pub fn give_back_frames(&self, frames: Vec<Vec<u8>>) {
        if frames.is_empty() {
            return;
        }
        let mut mail = self.0.lock();
        for frame in frames.into_iter().rev() {
            mail.frames.push_front(frame);
        }
    }

    /// Sleeps until `until` or until there is mail that matters to one who thinks so of the inbox, whichever is first.
    /// Whether there is such mail, or somebody else has woken the sleeper.
    pub fn wait(&self, until: Option<Instant>, thinks: &Thinks) -> bool {
        let mail = self.0.lock();
        let mut serial = thinks.takes_serial.iter().zip(&mail.serial);
        let serial = serial.any(|(takes, bytes)| *takes && !bytes.is_empty());
        let keys = thinks.takes_keys && !mail.keys.is_empty();
        let frames = thinks.takes_frames && !mail.frames.is_empty();
        let button = mail.power_button;
        let wishes =
            button || mail.quit || mail.pause || mail.power_off || mail.reset || mail.glance;
        if wishes || serial || keys || frames || mail.ended != thinks.ended {
            return true;
        }
        match until {
            None => {
                drop(self.0.arrived.wait(mail));
                true
            }
            Some(t) => {
                let left = t.saturating_duration_since(Instant::now());
                let woken = self.0.arrived.wait_timeout(mail, left);
                woken.map_or(true, |(_, waited)| !waited.timed_out())
            }
        }
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}
