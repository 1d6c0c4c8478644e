//! A PS/2 keyboard as the controller's cable sees it: commands in, answers out.
//!
//! Whoever embeds the machine presses its keys: as bytes of the scan code set that is in force, set 2 unless
//! the guest has chosen another. Every byte sent to it is answered, so no driver waits in vain.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const ACK: u8 = 0xfa;
const RESEND: u8 = 0xfe;
const SELF_TEST_PASSED: u8 = 0xaa;

/// Bytes waiting for the controller, answers and keys; a driver that never reads them cannot make them pile
/// up.
const MAX_ANSWERS: usize = 16;
/// Places that keys leave to the longest answer.
const LONGEST_ANSWER: usize = 3;

/// A command that takes a byte of parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Parameter {
    Leds,
    ScancodeSet,
    /// Typematic rate, or the key of a per-key command: accepted, without effect here.
    Ignored,
}

/// The keyboard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keyboard {
    answers: VecDeque<u8>,
    awaiting: Option<Parameter>,
    last: u8,
    leds: u8,
    scancode_set: u8,
    /// Keys are looked at; without, they are pressed in vain.
    scanning: bool,
}

impl Keyboard {
    /// A keyboard that has passed its self-test.
    pub(crate) fn new() -> Self {
        Keyboard {
            answers: VecDeque::new(),
            awaiting: None,
            last: SELF_TEST_PASSED,
            leds: 0,
            scancode_set: 2,
            scanning: true,
        }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.answers.len() <= MAX_ANSWERS, "answers of the keyboard")?;
        check((1..=3).contains(&self.scancode_set), "scan code set")
    }

    /// The next byte it sends, if it has one.
    pub(crate) fn send(&mut self) -> Option<u8> {
        let byte = self.answers.pop_front()?;
        self.last = byte;
        Some(byte)
    }

    /// Keys are pressed and released: `bytes` in the scan code set in force. Returns how many of them are
    /// taken; the rest has to wait until the controller has fetched some.
    pub(crate) fn press(&mut self, bytes: &[u8]) -> usize {
        if !self.scanning {
            return bytes.len();
        }
        let room = (MAX_ANSWERS - LONGEST_ANSWER).saturating_sub(self.answers.len());
        let taken = room.min(bytes.len());
        self.answers.extend(&bytes[..taken]);
        taken
    }

    fn answer(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.answers.len() < MAX_ANSWERS {
                self.answers.push_back(byte);
            }
        }
    }

    /// A byte from the controller. A command in place of a parameter is taken as a command.
    pub(crate) fn receive(&mut self, byte: u8) {
        match self.awaiting.take() {
            Some(parameter) if byte < 0xed => self.parameter(parameter, byte),
            _ => self.command(byte),
        }
    }

    fn parameter(&mut self, parameter: Parameter, byte: u8) {
        match parameter {
            Parameter::Leds => self.leds = byte & 7,
            Parameter::ScancodeSet if byte == 0 => {
                let set = self.scancode_set;
                return self.answer(&[ACK, set]);
            }
            Parameter::ScancodeSet if byte > 3 => return self.answer(&[RESEND]),
            Parameter::ScancodeSet => self.scancode_set = byte,
            Parameter::Ignored => {}
        }
        self.answer(&[ACK]);
    }

    fn command(&mut self, byte: u8) {
        match byte {
            0xed => self.expect(Parameter::Leds),
            0xee => self.answer(&[0xee]),
            0xf0 => self.expect(Parameter::ScancodeSet),
            0xf2 => self.answer(&[ACK, 0xab, 0x83]),
            0xf3 | 0xfb..=0xfd => self.expect(Parameter::Ignored),
            // All keys typematic, make or break: whoever presses them sees to that.
            0xf7..=0xfa => self.answer(&[ACK]),
            0xf4 => {
                self.scanning = true;
                self.answer(&[ACK]);
            }
            0xf5 | 0xf6 => {
                self.defaults();
                self.scanning &= byte == 0xf6;
                self.answer(&[ACK]);
            }
            0xfe => {
                let last = self.last;
                self.answer(&[last]);
            }
            0xff => {
                self.answers.clear();
                self.defaults();
                self.scanning = true;
                self.answer(&[ACK, SELF_TEST_PASSED]);
            }
            _ => self.answer(&[RESEND]),
        }
    }

    fn expect(&mut self, parameter: Parameter) {
        self.awaiting = Some(parameter);
        self.answer(&[ACK]);
    }

    fn defaults(&mut self) {
        self.leds = 0;
        self.scancode_set = 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(keyboard: &mut Keyboard, bytes: &[u8]) -> Vec<u8> {
        let mut heard = Vec::new();
        for &byte in bytes {
            keyboard.receive(byte);
            heard.extend(std::iter::from_fn(|| keyboard.send()));
        }
        heard
    }

    #[test]
    fn answers_what_a_driver_asks_at_start() {
        let mut keyboard = Keyboard::new();
        assert_eq!(talk(&mut keyboard, &[0xff]), [0xfa, 0xaa]);
        assert_eq!(talk(&mut keyboard, &[0xf2]), [0xfa, 0xab, 0x83]);
        assert_eq!(talk(&mut keyboard, &[0xed, 0x02]), [0xfa, 0xfa]);
        assert_eq!(keyboard.leds, 2);
        assert_eq!(talk(&mut keyboard, &[0xf3, 0x00, 0xf4]), [0xfa, 0xfa, 0xfa]);
        assert_eq!(talk(&mut keyboard, &[0xf0, 0x01, 0xf0, 0x00]), [0xfa, 0xfa, 0xfa, 0xfa, 1]);
        assert_eq!(talk(&mut keyboard, &[0xf6, 0xf0, 0x00]), [0xfa, 0xfa, 0xfa, 2]);
    }

    #[test]
    fn unknown_bytes_ask_for_a_resend_and_a_command_ends_a_parameter() {
        let mut keyboard = Keyboard::new();
        assert_eq!(talk(&mut keyboard, &[0x12]), [0xfe]);
        assert_eq!(talk(&mut keyboard, &[0xf0, 0x09]), [0xfa, 0xfe]);
        assert_eq!(talk(&mut keyboard, &[0xed, 0xee]), [0xfa, 0xee]);
        assert_eq!(talk(&mut keyboard, &[0xfe]), [0xee], "the last byte again");
    }

    #[test]
    fn keys_wait_in_a_bounded_queue_and_leave_room_for_answers() {
        let mut keyboard = Keyboard::new();
        assert_eq!(keyboard.press(&[0x1c, 0xf0, 0x1c]), 3);
        assert_eq!(keyboard.press(&[0x32; 100]), 10);
        assert_eq!(keyboard.press(&[0x32]), 0);
        keyboard.receive(0xf2);
        let heard: Vec<u8> = std::iter::from_fn(|| keyboard.send()).collect();
        assert_eq!((&heard[..3], &heard[13..]), (&[0x1c, 0xf0, 0x1c][..], &[0xfa, 0xab, 0x83][..]));
        assert_eq!(talk(&mut keyboard, &[0xf5]), [0xfa]);
        assert_eq!(keyboard.press(&[0x1c; 100]), 100, "nobody looks");
        assert_eq!(talk(&mut keyboard, &[0xf6, 0xf4]), [0xfa, 0xfa]);
        assert_eq!((keyboard.press(&[0x1c]), keyboard.send()), (1, Some(0x1c)));
    }

    #[test]
    fn unread_answers_do_not_pile_up() {
        let mut keyboard = Keyboard::new();
        for _ in 0..1000 {
            keyboard.receive(0xf2);
        }
        assert_eq!(keyboard.answers.len(), MAX_ANSWERS);
    }
}
