//! A PS/2 mouse with a wheel and five buttons, as the controller's cable sees it.
//!
//! It moves as it is told, in counts of its own: the resolution that a driver sets is told back, and scales nothing. In
//! stream mode it tells what happened since, at the sample rate, on the guest's time.

use crate::input::MouseInput;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const ACK: u8 = 0xfa;
const RESEND: u8 = 0xfe;
const ERROR: u8 = 0xfc;

/// Bytes that wait for the controller.
const MAX_BYTES: usize = 16;
/// Counts that wait to be told, either way.
const MAX_COUNTS: i32 = 1 << 16;
const RATES: [u8; 7] = [10, 20, 40, 60, 80, 100, 200];
/// Sample rates set one after the other that make a wheel known, and then the fourth and fifth button.
const KNOCK_WHEEL: [u8; 3] = [200, 100, 80];
const KNOCK_BUTTONS: [u8; 3] = [200, 200, 80];

/// A command that takes a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Parameter {
    Rate,
    Resolution,
}

/// The mouse.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mouse {
    bytes: VecDeque<u8>,
    awaiting: Option<Parameter>,
    last: u8,
    /// The latest sample rates.
    knock: [u8; 3],
    id: u8,
    rate: u8,
    resolution: u8,
    doubled: bool,
    reporting: bool,
    remote: bool,
    wrap: bool,
    buttons: u8,
    /// The buttons of the last report.
    told: u8,
    right: i32,
    up: i32,
    wheel: i32,
    /// No report before that.
    next: u64,
}

fn add(sum: &mut i32, counts: i32) {
    *sum = sum.saturating_add(counts).clamp(-MAX_COUNTS, MAX_COUNTS);
}

/// Takes as many counts as a report holds.
fn take(sum: &mut i32, least: i32, most: i32) -> i32 {
    let part = (*sum).clamp(least, most);
    *sum -= part;
    part
}

/// Scaling 2:1 makes fast movements faster.
fn doubled(counts: i32) -> i32 {
    match counts.abs() {
        0 => 0,
        1 | 2 => counts.signum(),
        3 => counts.signum() * 3,
        4 => counts.signum() * 6,
        5 => counts.signum() * 9,
        _ => counts * 2,
    }
}

impl Mouse {
    /// A mouse that has passed its self-test.
    pub(crate) fn new() -> Self {
        Mouse {
            bytes: VecDeque::new(),
            awaiting: None,
            last: ACK,
            knock: [0; 3],
            id: 0,
            rate: 100,
            resolution: 2,
            doubled: false,
            reporting: false,
            remote: false,
            wrap: false,
            buttons: 0,
            told: 0,
            right: 0,
            up: 0,
            wheel: 0,
            next: 0,
        }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.bytes.len() <= MAX_BYTES, "bytes of the mouse")?;
        check(RATES.contains(&self.rate), "sample rate of the mouse")?;
        check(matches!(self.id, 0 | 3 | 4) && self.resolution < 4, "settings of the mouse")?;
        let sums = [self.right, self.up, self.wheel];
        check(sums.iter().all(|sum| sum.abs() <= MAX_COUNTS), "counts of the mouse")
    }

    /// Whether it reports by itself.
    fn streams(&self) -> bool {
        self.reporting && !self.remote && !self.wrap
    }

    fn has_news(&self) -> bool {
        (self.right, self.up) != (0, 0)
            || self.told != self.buttons
            || (self.id != 0 && self.wheel != 0)
    }

    /// It is moved. False: not now, for the guest has yet to hear of the buttons before.
    pub(crate) fn moved(&mut self, input: &MouseInput, now: u64) -> bool {
        if self.streams() && self.told != self.buttons && input.buttons != self.buttons {
            return false;
        }
        self.buttons = input.buttons;
        if self.streams() || self.remote {
            add(&mut self.right, i32::from(input.right));
            add(&mut self.up, -i32::from(input.down));
            add(&mut self.wheel, i32::from(input.wheel));
        } else {
            self.told = input.buttons;
        }
        self.settle(now);
        true
    }

    /// Reports what is due.
    pub(crate) fn settle(&mut self, now: u64) {
        if self.streams() && self.bytes.is_empty() && self.has_news() && now >= self.next {
            self.next = now.saturating_add(1_000_000_000 / u64::from(self.rate.max(1)));
            let doubles = self.doubled;
            self.report(doubles);
        }
    }

    /// When it reports next. While it has bytes that nobody takes, it does not.
    pub(crate) fn deadline(&self) -> Option<u64> {
        (self.streams() && self.bytes.is_empty() && self.has_news()).then_some(self.next)
    }

    fn report(&mut self, doubles: bool) {
        let scale = |counts: i32| if doubles { doubled(counts).clamp(-255, 255) } else { counts };
        let (x, y) = (take(&mut self.right, -255, 255), take(&mut self.up, -255, 255));
        let (x, y) = (scale(x), scale(y));
        let sign = |counts: i32, bit: u8| if counts < 0 { bit } else { 0 };
        let first = 0x08 | self.buttons & 7 | sign(x, 0x10) | sign(y, 0x20);
        let low = |counts: i32| counts.to_le_bytes()[0];
        self.told = self.buttons;
        let wheel = take(&mut self.wheel, -8, 7);
        self.answer(&[first, low(x), low(y)]);
        match self.id {
            3 => self.answer(&[low(wheel)]),
            4 => self.answer(&[low(wheel) & 0x0f | (self.buttons & 0x18) << 1]),
            _ => self.wheel = 0,
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.bytes.len() < MAX_BYTES {
                self.bytes.push_back(byte);
            }
        }
    }

    /// The next byte it sends.
    pub(crate) fn send(&mut self) -> Option<u8> {
        let byte = self.bytes.pop_front()?;
        self.last = byte;
        Some(byte)
    }

    /// A byte from the controller.
    pub(crate) fn receive(&mut self, byte: u8) {
        // What it was about to say is forgotten.
        if byte != RESEND {
            self.bytes.clear();
        }
        match self.awaiting.take() {
            _ if self.wrap && !matches!(byte, 0xec | 0xff) => self.answer(&[byte]),
            Some(Parameter::Rate) if RATES.contains(&byte) => self.set_rate(byte),
            Some(Parameter::Resolution) if byte < 4 => {
                self.resolution = byte;
                self.answer(&[ACK]);
            }
            Some(_) if byte < 0xe6 => self.answer(&[ERROR]),
            _ => self.command(byte),
        }
    }

    fn set_rate(&mut self, rate: u8) {
        self.rate = rate;
        let [_, second, third] = self.knock;
        self.knock = [second, third, rate];
        match self.knock {
            KNOCK_WHEEL if self.id == 0 => self.id = 3,
            KNOCK_BUTTONS if self.id != 0 => self.id = 4,
            _ => {}
        }
        self.answer(&[ACK]);
    }

    fn command(&mut self, byte: u8) {
        match byte {
            0xe6 | 0xe7 => self.doubled = byte == 0xe7,
            0xe8 => self.awaiting = Some(Parameter::Resolution),
            0xe9 => return self.status(),
            0xea => self.remote = false,
            0xeb => {
                self.answer(&[ACK]);
                return self.report(false);
            }
            0xec => self.wrap = false,
            0xee => self.wrap = true,
            0xf0 => self.remote = true,
            0xf2 => return self.answer(&[ACK, self.id]),
            0xf3 => self.awaiting = Some(Parameter::Rate),
            0xf4 | 0xf5 => self.enable(byte == 0xf4),
            0xf6 => self.defaults(),
            RESEND => return self.answer(&[self.last]),
            0xff => {
                *self = Mouse { buttons: self.buttons, told: self.buttons, ..Mouse::new() };
                return self.answer(&[ACK, 0xaa, 0x00]);
            }
            _ => return self.answer(&[RESEND]),
        }
        self.answer(&[ACK]);
    }

    /// Reports begin with what happens from now on.
    fn enable(&mut self, on: bool) {
        self.reporting = on;
        (self.right, self.up, self.wheel, self.told) = (0, 0, 0, self.buttons);
    }

    fn defaults(&mut self) {
        (self.rate, self.resolution, self.doubled, self.remote) = (100, 2, false, false);
        self.enable(false);
    }

    fn status(&mut self) {
        let [left, right, middle] = [0, 1, 2].map(|bit| self.buttons >> bit & 1);
        let flags = u8::from(self.remote) << 6
            | u8::from(self.reporting) << 5
            | u8::from(self.doubled) << 4;
        self.answer(&[ACK, flags | left << 2 | middle << 1 | right, self.resolution, self.rate]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(mouse: &mut Mouse) -> Vec<u8> {
        std::iter::from_fn(|| mouse.send()).collect()
    }

    fn talk(mouse: &mut Mouse, bytes: &[u8]) -> Vec<u8> {
        bytes
            .iter()
            .flat_map(|&byte| {
                mouse.receive(byte);
                heard(mouse)
            })
            .collect()
    }

    fn moves(right: i16, down: i16, wheel: i16, buttons: u8) -> MouseInput {
        MouseInput { right, down, wheel, buttons }
    }

    #[test]
    fn knocks_make_wheel_and_buttons_known() {
        let mut mouse = Mouse::new();
        assert_eq!(talk(&mut mouse, &[0xff]), [0xfa, 0xaa, 0x00]);
        assert_eq!(talk(&mut mouse, &[0xf2]), [0xfa, 0]);
        talk(&mut mouse, &[0xf3, 200, 0xf3, 100, 0xf3, 80]);
        assert_eq!(talk(&mut mouse, &[0xf2]), [0xfa, 3]);
        talk(&mut mouse, &[0xf3, 200, 0xf3, 200, 0xf3, 80]);
        assert_eq!(talk(&mut mouse, &[0xf2]), [0xfa, 4]);
        talk(&mut mouse, &[0xf4]);
        assert!(mouse.moved(&moves(1, 2, -3, 0x12), 0));
        assert_eq!(heard(&mut mouse), [0x2a, 0x01, 0xfe, 0x2d]);
        assert_eq!(talk(&mut mouse, &[0xff, 0xf2]), [0xfa, 0xaa, 0, 0xfa, 0]);
    }

    #[test]
    fn reports_come_at_the_sample_rate_and_lose_nothing() {
        let mut mouse = Mouse::new();
        talk(&mut mouse, &[0xf3, 100, 0xf4]);
        assert!(mouse.moved(&moves(300, -1, 0, 1), 5));
        assert_eq!(heard(&mut mouse), [0x09, 0xff, 0x01], "nine bits hold no more than 255");
        assert_eq!(mouse.deadline(), Some(10_000_005));
        mouse.settle(10_000_004);
        assert_eq!(heard(&mut mouse), []);
        mouse.settle(10_000_005);
        assert_eq!(heard(&mut mouse), [0x09, 45, 0]);
        assert_eq!(mouse.deadline(), None);
        // A click that the guest has not heard of is not overtaken by its release.
        assert!(mouse.moved(&moves(0, 0, 0, 0), 10_000_006));
        assert!(!mouse.moved(&moves(0, 0, 0, 1), 10_000_007));
        mouse.settle(30_000_000);
        assert_eq!(heard(&mut mouse), [0x08, 0, 0]);
        assert!(mouse.moved(&moves(0, 0, 0, 1), 30_000_001));
    }

    #[test]
    fn remote_mode_is_asked_and_wrap_mode_echoes() {
        let mut mouse = Mouse::new();
        talk(&mut mouse, &[0xf0]);
        mouse.moved(&moves(-2, 0, 0, 2), 0);
        assert_eq!(heard(&mut mouse), []);
        assert_eq!(talk(&mut mouse, &[0xeb]), [0xfa, 0x1a, 0xfe, 0x00]);
        assert_eq!(talk(&mut mouse, &[0xee, 0x12, 0xf2]), [0xfa, 0x12, 0xf2]);
        assert_eq!(talk(&mut mouse, &[0xec, 0xf2]), [0xfa, 0xfa, 0]);
    }

    #[test]
    fn status_tells_the_settings_and_scaling_doubles() {
        let mut mouse = Mouse::new();
        talk(&mut mouse, &[0xe8, 3, 0xf3, 40, 0xe7, 0xf4]);
        assert_eq!(talk(&mut mouse, &[0xe9]), [0xfa, 0x30, 3, 40]);
        mouse.moved(&moves(4, 10, 0, 0), 0);
        assert_eq!(heard(&mut mouse), [0x28, 6, 0xec]);
        assert_eq!(talk(&mut mouse, &[0xe8, 9]), [0xfa, 0xfc]);
        assert_eq!(talk(&mut mouse, &[0x33]), [0xfe]);
        assert_eq!(talk(&mut mouse, &[0xf6, 0xe9]), [0xfa, 0xfa, 0x00, 2, 100]);
    }
}
