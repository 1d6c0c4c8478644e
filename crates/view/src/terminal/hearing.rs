//! What a terminal sends, as keys: characters in UTF-8, control characters, and sequences behind Esc (ECMA-48 and what xterm made of
//! it). A terminal tells of presses alone, so each is a press and a release. What it answers when it is asked what it can do comes the
//! same way.

use ringer_devices::{Input, Key, Layout};

/// Milliseconds of the guest's time between a press and a release, so that firmware with room for few keys keeps up.
const PAUSE_MS: u8 = 4;
/// The longest sequence.
const LONGEST: usize = 32;
const ESC: u8 = 0x1b;

/// Keys of `ESC [ number ~`.
#[rustfmt::skip]
const NUMBERED: &[(u32, &str)] = &[
    (1, "home"), (2, "insert"), (3, "delete"), (4, "end"), (5, "pageup"), (6, "pagedown"), (7, "home"), (8, "end"),
    (11, "f1"), (12, "f2"), (13, "f3"), (14, "f4"), (15, "f5"), (17, "f6"), (18, "f7"), (19, "f8"), (20, "f9"),
    (21, "f10"), (23, "f11"), (24, "f12"), (29, "menu"),
];
/// Keys of `ESC [ letter` and `ESC O letter`.
#[rustfmt::skip]
const LETTERED: &[(u8, &str)] = &[
    (b'A', "up"), (b'B', "down"), (b'C', "right"), (b'D', "left"), (b'E', "kp5"), (b'F', "end"), (b'H', "home"),
    (b'P', "f1"), (b'Q', "f2"), (b'R', "f3"), (b'S', "f4"), (b'M', "kpenter"),
];
/// Control characters that are no letters.
#[rustfmt::skip]
const CONTROLS: &[(u8, &str)] =
    &[(0x00, "space"), (0x1c, "backslash"), (0x1d, "rightbracket"), (0x1e, "6"), (0x1f, "minus")];

/// Asks for the terminal's attributes (DA1), and for the size of a place in dots (XTWINOPS).
pub(super) const QUESTIONS: &[u8] = b"\x1b[c\x1b[16t";
/// The attribute that says that it draws sixels.
const DRAWS_SIXELS: &str = "4";

/// What a terminal has said of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// It draws sixels.
    pub sixels: bool,
    /// Dots across and down of a place.
    pub place: Option<(u32, u32)>,
}

impl Answers {
    /// Takes a sequence, if it is an answer.
    fn take(&mut self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        if let Some(between) = text.strip_prefix("\x1b[?").and_then(|rest| rest.strip_suffix('c')) {
            // The first one is the terminal's kind.
            self.sixels = between.split(';').skip(1).any(|attribute| attribute == DRAWS_SIXELS);
        }
        if let Some(between) = text.strip_prefix("\x1b[6;").and_then(|rest| rest.strip_suffix('t'))
            && let Some((down, across)) = between.split_once(';')
            && let (Ok(down), Ok(across)) = (down.parse(), across.parse())
        {
            self.place = Some((across, down)).filter(|_| across > 0 && down > 0);
        }
    }
}

/// What has come and is no whole key.
#[derive(Debug)]
pub(super) struct Ear {
    layout: &'static Layout,
    bytes: Vec<u8>,
    pub answers: Answers,
}

impl Ear {
    /// Characters are typed on a keyboard of `layout`.
    pub(super) fn new(layout: &'static Layout) -> Self {
        Self { layout, bytes: Vec::new(), answers: Answers::default() }
    }

    /// Whether something has begun: an Esc that may be alone.
    pub(super) fn waits(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Takes a byte; what the keyboard is to do.
    pub(super) fn hear(&mut self, byte: u8) -> Vec<u8> {
        self.bytes.push(byte);
        match self.whole() {
            Some(keys) => {
                self.answers.take(&self.bytes);
                self.bytes.clear();
                keys
            }
            None if self.bytes.len() >= LONGEST => self.end(),
            None => Vec::new(),
        }
    }

    /// Nothing more comes for now: what has begun is all.
    pub(super) fn end(&mut self) -> Vec<u8> {
        match std::mem::take(&mut self.bytes).as_slice() {
            [ESC] => press("esc", &[]),
            [ESC, ESC] => press("esc", &["leftalt"]),
            _ => Vec::new(),
        }
    }

    /// What the bytes are, if that is known.
    fn whole(&self) -> Option<Vec<u8>> {
        match self.bytes.as_slice() {
            [ESC] | [ESC, b'[' | b'O'] | [ESC, ESC] | [ESC, b'[', b'['] => None,
            [ESC, ESC, ..] => Some(Vec::new()),
            // The Linux console's first five.
            [ESC, b'[', b'[', letter] => Some(match letter {
                b'A'..=b'E' => {
                    press(["f1", "f2", "f3", "f4", "f5"][usize::from(letter - b'A')], &[])
                }
                _ => Vec::new(),
            }),
            [ESC, b'[' | b'O', between @ .., last @ 0x40..=0x7e] => Some(sequence(between, *last)),
            [ESC, b'[' | b'O', ..] => None,
            [ESC, rest @ ..] => self.character(rest, true),
            bytes => self.character(bytes, false),
        }
    }

    /// A character, with Alt or without.
    fn character(&self, bytes: &[u8], alt: bool) -> Option<Vec<u8>> {
        if let [byte] = bytes
            && let Some((_, name)) = CONTROLS.iter().find(|(control, _)| control == byte)
        {
            return Some(press(name, if alt { &["leftctrl", "leftalt"] } else { &["leftctrl"] }));
        }
        let typed = match std::str::from_utf8(bytes) {
            Ok(text) => self.layout.typed(text).unwrap_or_default(),
            // More of it has to come.
            Err(error) if error.error_len().is_none() => return None,
            Err(_) => Vec::new(),
        };
        Some(if alt { held(&["leftalt"], typed) } else { typed })
    }
}

/// A sequence with these parameters.
fn sequence(between: &[u8], last: u8) -> Vec<u8> {
    let text = String::from_utf8_lossy(between);
    let mut numbers = text.split(';').map(|number| number.parse::<u32>().unwrap_or(0));
    let (number, with) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(1));
    let bits = with.saturating_sub(1);
    let mut modifiers: Vec<&str> = [(4, "leftctrl"), (2, "leftalt"), (1, "leftshift")]
        .into_iter()
        .filter_map(|(bit, name)| (bits & bit != 0).then_some(name))
        .collect();
    let name = match last {
        b'~' => NUMBERED.iter().find(|(other, _)| *other == number).map(|(_, name)| *name),
        b'Z' => {
            modifiers.push("leftshift");
            Some("tab")
        }
        letter => LETTERED.iter().find(|(other, _)| *other == letter).map(|(_, name)| *name),
    };
    name.map_or_else(Vec::new, |name| press(name, &modifiers))
}

/// A key, while others are held.
pub(super) fn press(name: &str, with: &[&str]) -> Vec<u8> {
    let Some(key) = Key::named(name) else { return Vec::new() };
    let steps = [
        Input::Key(key, true),
        Input::Wait(PAUSE_MS),
        Input::Key(key, false),
        Input::Wait(PAUSE_MS),
    ];
    held(with, steps.into_iter().flat_map(Input::bytes).collect())
}

/// `keys`, while others are held.
fn held(with: &[&str], keys: Vec<u8>) -> Vec<u8> {
    let others: Vec<Key> = with.iter().filter_map(|name| Key::named(name)).collect();
    let turn = |key: &Key, down| Input::Key(*key, down).bytes();
    let before = others.iter().flat_map(|key| turn(key, true));
    let behind = others.iter().rev().flat_map(|key| turn(key, false));
    before.chain(keys).chain(behind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(bytes: &[u8]) -> Vec<u8> {
        let mut ear = Ear::new(Layout::named("us").unwrap());
        let mut keys: Vec<u8> = bytes.iter().flat_map(|byte| ear.hear(*byte)).collect();
        keys.extend(ear.end());
        assert!(!ear.waits());
        keys
    }

    #[test]
    fn sequences_are_keys() {
        let shift_tab = press("tab", &["leftshift"]);
        for (bytes, keys) in [
            (&b"\x1b[A"[..], press("up", &[])),
            (b"\x1bOA", press("up", &[])),
            (b"\x1bOP", press("f1", &[])),
            (b"\x1b[[E", press("f5", &[])),
            (b"\x1b[24~", press("f12", &[])),
            (b"\x1b[3;5~", press("delete", &["leftctrl"])),
            (b"\x1b[1;4C", press("right", &["leftalt", "leftshift"])),
            (b"\x1b[Z", shift_tab),
            (b"\x1b", press("esc", &[])),
            (b"\x1b\x1b", press("esc", &["leftalt"])),
            (b"\x00", press("space", &["leftctrl"])),
            (b"\x1d", press("rightbracket", &["leftctrl"])),
            (b"\x1b[99~\x1b[?1;2c\x1bOz\x1b\x1bq", Vec::new()),
        ] {
            assert_eq!(hear(bytes), keys, "{bytes:?}");
        }
    }

    #[test]
    fn answers_are_no_keys() {
        let mut ear = Ear::new(Layout::named("us").unwrap());
        let mut say = |bytes: &[u8]| {
            assert!(bytes.iter().all(|byte| ear.hear(*byte).is_empty()), "{bytes:?}");
            ear.answers
        };
        let nothing = Answers::default();
        assert_eq!(say(b"\x1b[?4;6c"), nothing, "a VT132 with an advanced video option");
        assert_eq!(say(b"\x1b[6;0;0t"), nothing);
        assert_eq!(say(b"\x1b[6;20;10t"), Answers { place: Some((10, 20)), ..nothing });
        assert_eq!(say(b"\x1b[?62;4;22c"), Answers { sixels: true, place: Some((10, 20)) });
        assert_eq!(say(b"\x1b[?62;22;14c"), Answers { sixels: false, place: Some((10, 20)) });
    }

    #[test]
    fn characters_are_typed() {
        let us = Layout::named("us").unwrap();
        assert_eq!(hear(b"Ab?\r\t\x7f\x03"), us.typed("Ab?\n\t\x08\x03").unwrap());
        assert!(hear("ü".as_bytes()).is_empty(), "no key of that layout");
        let mut german = Ear::new(Layout::named("de").unwrap());
        let keys: Vec<u8> = "ü".bytes().flat_map(|byte| german.hear(byte)).collect();
        assert_eq!(keys, Layout::named("de").unwrap().typed("ü").unwrap());
        assert_eq!(hear(b"\x1bx"), held(&["leftalt"], us.typed("x").unwrap()));
    }

    #[test]
    fn anything_may_come() {
        let mut ear = Ear::new(Layout::named("fr").unwrap());
        let mut n = 1u32;
        for _ in 0..200_000 {
            n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = if n & 0x700_0000 == 0 { ESC } else { (n >> 16) as u8 };
            ear.hear(byte);
            assert!(ear.bytes.len() < LONGEST);
        }
    }
}
