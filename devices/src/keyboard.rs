//! A PS/2 keyboard as the controller's cable sees it: commands in, answers and scan codes out.
//!
//! Its keys are pressed and released by whoever embeds the machine; what that is in the scan code set in force, and how
//! often a key that is held repeats, is the keyboard's business. Every byte sent to it is answered, so no driver waits
//! in vain.

use crate::keys::{Key, Kind};
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

const ACK: u8 = 0xfa;
const RESEND: u8 = 0xfe;
const SELF_TEST_PASSED: u8 = 0xaa;

/// Bytes waiting for the controller, answers and keys; a driver that never reads them cannot make them pile
/// up.
const MAX_ANSWERS: usize = 24;
/// Places that keys leave to the longest answer.
const LONGEST_ANSWER: usize = 3;
/// 500 ms, then 10.9 times a second.
const DEFAULT_RATE: u8 = 0x2b;

/// A command that takes a byte of parameter, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Parameter {
    Leds,
    ScancodeSet,
    Rate,
    /// Keys of set 3 that behave so from now on.
    Keys(Kind),
}

/// A key that is held, and when it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    key: u8,
    due: u64,
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
    rate: u8,
    held: Option<Held>,
    /// How all keys behave in set 3, if that was said.
    kind: Option<Kind>,
    /// How some do, by their codes there.
    kinds: BTreeMap<u8, Kind>,
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
            rate: DEFAULT_RATE,
            held: None,
            kind: None,
            kinds: BTreeMap::new(),
        }
    }

    /// Refuses a state that no sequence of writes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.answers.len() <= MAX_ANSWERS, "answers of the keyboard")?;
        check(self.held.is_none_or(|held| Key::of_number(held.key).is_some()), "key that is held")?;
        check((1..=3).contains(&self.scancode_set), "scan code set")
    }

    /// Its lights: Scroll Lock, Num Lock and Caps Lock from bit 0 on.
    pub(crate) fn leds(&self) -> u8 {
        self.leds
    }

    /// The next byte it sends, if it has one.
    pub(crate) fn send(&mut self) -> Option<u8> {
        let byte = self.answers.pop_front()?;
        self.last = byte;
        Some(byte)
    }

    fn kind(&self, key: Key) -> Kind {
        let (code, usual) = key.set_3();
        match self.scancode_set {
            3 => self.kinds.get(&code).copied().or(self.kind).unwrap_or(usual),
            _ => Kind::All,
        }
    }

    /// A key is pressed, or released. False: not now, for there is no room for it until the controller has fetched some.
    pub(crate) fn press(&mut self, key: Key, down: bool, now: u64) -> bool {
        if !self.scanning {
            return true;
        }
        let kind = self.kind(key);
        let is_told = down || matches!(kind, Kind::MakeBreak | Kind::All);
        if is_told && !self.tell(key, down) {
            return false;
        }
        if down {
            let repeats = key.repeats() && matches!(kind, Kind::Typematic | Kind::All);
            let due = now.saturating_add(self.delay());
            self.held = repeats.then_some(Held { key: key.number(), due });
        } else if self.held.is_some_and(|held| held.key == key.number()) {
            self.held = None;
        }
        true
    }

    /// Queues what the key sends. Whether there was room.
    fn tell(&mut self, key: Key, down: bool) -> bool {
        let bytes = key.bytes(self.scancode_set, down);
        let room = (MAX_ANSWERS - LONGEST_ANSWER).saturating_sub(self.answers.len());
        if bytes.len() > room {
            return false;
        }
        self.answers.extend(bytes);
        true
    }

    /// From the press to the first repetition.
    fn delay(&self) -> u64 {
        250_000_000 * (u64::from(self.rate >> 5 & 3) + 1)
    }

    /// From one to the next: (8 + A) x 2^B x 4.17 ms.
    fn period(&self) -> u64 {
        ((8 + u64::from(self.rate & 7)) << (self.rate >> 3 & 3)) * 4_170_000
    }

    /// The key that is held repeats if it is due. One that nobody reads does not pile up.
    pub(crate) fn settle(&mut self, now: u64) {
        let Some(held) = self.held.filter(|held| held.due <= now) else { return };
        let due = now.saturating_add(self.period());
        self.held = Some(Held { due, ..held });
        if let Some(key) = Key::of_number(held.key).filter(|_| self.answers.is_empty()) {
            self.tell(key, true);
        }
    }

    /// When the key that is held repeats.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.held.map(|held| held.due)
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
            Parameter::ScancodeSet => {
                self.scancode_set = byte;
                self.held = None;
            }
            Parameter::Rate => self.rate = byte & 0x7f,
            // More of them may follow, to the next command.
            Parameter::Keys(kind) => {
                self.kinds.insert(byte, kind);
                self.awaiting = Some(parameter);
            }
        }
        self.answer(&[ACK]);
    }

    fn command(&mut self, byte: u8) {
        match byte {
            0xed => self.ask_for(Parameter::Leds),
            0xee => self.answer(&[0xee]),
            0xf0 => self.ask_for(Parameter::ScancodeSet),
            0xf2 => self.answer(&[ACK, 0xab, 0x83]),
            0xf3 => self.ask_for(Parameter::Rate),
            0xf7 => self.all_keys(Kind::Typematic),
            0xf8 => self.all_keys(Kind::MakeBreak),
            0xf9 => self.all_keys(Kind::Make),
            0xfa => self.all_keys(Kind::All),
            0xfb => self.ask_for(Parameter::Keys(Kind::Typematic)),
            0xfc => self.ask_for(Parameter::Keys(Kind::MakeBreak)),
            0xfd => self.ask_for(Parameter::Keys(Kind::Make)),
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
                self.leds = 0;
                self.scanning = true;
                self.answer(&[ACK, SELF_TEST_PASSED]);
            }
            _ => self.answer(&[RESEND]),
        }
    }

    fn all_keys(&mut self, kind: Kind) {
        self.kind = Some(kind);
        self.kinds.clear();
        self.answer(&[ACK]);
    }

    fn ask_for(&mut self, parameter: Parameter) {
        self.awaiting = Some(parameter);
        self.answer(&[ACK]);
    }

    fn defaults(&mut self) {
        self.leds = 0;
        self.scancode_set = 2;
        self.rate = DEFAULT_RATE;
        self.held = None;
        self.kind = None;
        self.kinds.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(keyboard: &mut Keyboard) -> Vec<u8> {
        std::iter::from_fn(|| keyboard.send()).collect()
    }

    fn talk(keyboard: &mut Keyboard, bytes: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        for &byte in bytes {
            keyboard.receive(byte);
            all.extend(heard(keyboard));
        }
        all
    }

    fn key(name: &str) -> Key {
        Key::named(name).unwrap()
    }

    #[test]
    fn answers_what_a_driver_asks_at_start() {
        let mut keyboard = Keyboard::new();
        assert_eq!(talk(&mut keyboard, &[0xff]), [0xfa, 0xaa]);
        assert_eq!(talk(&mut keyboard, &[0xf2]), [0xfa, 0xab, 0x83]);
        assert_eq!(talk(&mut keyboard, &[0xed, 0x02]), [0xfa, 0xfa]);
        assert_eq!(keyboard.leds(), 2);
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
        let pressed = (0..100).take_while(|_| keyboard.press(key("b"), true, 0)).count();
        assert_eq!(pressed, MAX_ANSWERS - LONGEST_ANSWER);
        keyboard.receive(0xf2);
        assert_eq!(heard(&mut keyboard)[pressed..], [0xfa, 0xab, 0x83]);
        assert_eq!(talk(&mut keyboard, &[0xf5]), [0xfa]);
        assert!(
            keyboard.press(key("b"), true, 0) && heard(&mut keyboard).is_empty(),
            "nobody looks"
        );
        assert_eq!(talk(&mut keyboard, &[0xf6, 0xf4]), [0xfa, 0xfa]);
        assert!(keyboard.press(key("b"), true, 0));
        assert_eq!(heard(&mut keyboard), [0x32]);
    }

    #[test]
    fn unread_answers_do_not_pile_up() {
        let mut keyboard = Keyboard::new();
        for _ in 0..1000 {
            keyboard.receive(0xf2);
        }
        assert_eq!(keyboard.answers.len(), MAX_ANSWERS);
    }

    #[test]
    fn a_held_key_repeats_at_the_rate_that_was_set() {
        let mut keyboard = Keyboard::new();
        keyboard.press(key("a"), true, 100);
        assert_eq!(heard(&mut keyboard), [0x1c]);
        assert_eq!(keyboard.deadline(), Some(500_000_100));
        keyboard.settle(500_000_100);
        assert_eq!(heard(&mut keyboard), [0x1c]);
        // 10.9 a second: (8 + 3) x 2 x 4.17 ms.
        assert_eq!(keyboard.deadline(), Some(500_000_100 + 91_740_000));
        keyboard.settle(600_000_000);
        keyboard.settle(700_000_000);
        assert_eq!(heard(&mut keyboard), [0x1c], "what nobody reads does not pile up");
        keyboard.press(key("leftshift"), false, 700_000_000);
        assert!(keyboard.deadline().is_some(), "another key was released");
        keyboard.press(key("a"), false, 700_000_001);
        assert_eq!(keyboard.deadline(), None);
        heard(&mut keyboard);
        talk(&mut keyboard, &[0xf3, 0x00]);
        keyboard.press(key("a"), true, 0);
        assert_eq!(keyboard.deadline(), Some(250_000_000));
        keyboard.settle(250_000_000);
        assert_eq!(keyboard.deadline(), Some(250_000_000 + 33_360_000));
        keyboard.press(key("pause"), true, 300_000_000);
        assert_eq!(keyboard.deadline(), None);
    }

    #[test]
    fn set_3_tells_of_each_key_what_it_is_told_to() {
        let mut keyboard = Keyboard::new();
        talk(&mut keyboard, &[0xf0, 3]);
        let strike = |keyboard: &mut Keyboard, name: &str| {
            for down in [true, false] {
                assert!(keyboard.press(key(name), down, 0));
            }
            heard(keyboard)
        };
        assert_eq!(strike(&mut keyboard, "a"), [0x1c], "typematic");
        assert_eq!(strike(&mut keyboard, "leftshift"), [0x12, 0xf0, 0x12]);
        assert_eq!(talk(&mut keyboard, &[0xfc, 0x1c, 0x32]), [0xfa, 0xfa, 0xfa]);
        assert_eq!(strike(&mut keyboard, "a"), [0x1c, 0xf0, 0x1c]);
        assert_eq!(talk(&mut keyboard, &[0xf8]), [0xfa]);
        assert_eq!(strike(&mut keyboard, "right"), [0x6a, 0xf0, 0x6a]);
        keyboard.press(key("right"), true, 0);
        assert_eq!(keyboard.deadline(), None, "make and break only");
        talk(&mut keyboard, &[0xf0, 1]);
        assert_eq!(strike(&mut keyboard, "right"), [0xe0, 0x4d, 0xe0, 0xcd]);
    }
}
