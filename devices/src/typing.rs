//! Text as somebody would type it: which keys, on a keyboard of which layout.
//!
//! A guest that has another layout loaded reads other characters, as on a PC. Between keys some milliseconds of the
//! guest's time pass, so that firmware with room for a few keys keeps up.

use crate::input::Input;
use crate::keys::Key;
use thiserror::Error;

/// Milliseconds of guest time after each press and each release.
const PAUSE_MS: u8 = 4;

/// The keys that have characters, row by row from the top left.
const KEYS: [&str; 48] = [
    "grave",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "0",
    "minus",
    "equal",
    "q",
    "w",
    "e",
    "r",
    "t",
    "y",
    "u",
    "i",
    "o",
    "p",
    "leftbracket",
    "rightbracket",
    "backslash",
    "a",
    "s",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "l",
    "semicolon",
    "apostrophe",
    "less",
    "z",
    "x",
    "c",
    "v",
    "b",
    "n",
    "m",
    "comma",
    "dot",
    "slash",
];

/// In a table: the key has no character there.
const NONE: char = '\0';

/// A keyboard's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its name, a country's.
    pub name: &'static str,
    /// Characters of [`KEYS`] alone, with Shift, and with AltGr.
    levels: [&'static str; 3],
    /// Which of them wait for the next one to stand under them.
    dead: &'static str,
}

/// The layouts that there are.
pub const LAYOUTS: [Layout; 4] = [
    Layout {
        name: "us",
        levels: [
            "`1234567890-=qwertyuiop[]\\asdfghjkl;'\0zxcvbnm,./",
            "~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"\0ZXCVBNM<>?",
            "",
        ],
        dead: "",
    },
    Layout {
        name: "uk",
        levels: [
            "`1234567890-=qwertyuiop[]#asdfghjkl;'\\zxcvbnm,./",
            "¬!\"£$%^&*()_+QWERTYUIOP{}~ASDFGHJKL:@|ZXCVBNM<>?",
            "¦\0\0\0€\0\0\0\0\0\0\0\0\0\0é\0\0\0úíó\0\0\0\0á",
        ],
        dead: "",
    },
    Layout {
        name: "de",
        levels: [
            "^1234567890ß´qwertzuiopü+#asdfghjklöä<yxcvbnm,.-",
            "°!\"§$%&/()=?`QWERTZUIOPÜ*'ASDFGHJKLÖÄ>YXCVBNM;:_",
            "\0\0²³\0\0\0{[]}\\\0@\0€\0\0\0\0\0\0\0\0~\0\0\0\0\0\0\0\0\0\0\0\0|\0\0\0\0\0\0µ",
        ],
        dead: "^´`",
    },
    Layout {
        name: "fr",
        levels: [
            "²&é\"'(-è_çà)=azertyuiop^$*qsdfghjklmù<wxcvbn,;:!",
            "\x001234567890°+AZERTYUIOP¨£µQSDFGHJKLM%>WXCVBN?./§",
            "\0\0~#{[|`\\^@]}\0\0€\0\0\0\0\0\0\0\0¤",
        ],
        dead: "^¨",
    },
];

/// Characters that two strokes make: the dead one, the one under it, and what they are together.
#[rustfmt::skip]
const COMPOSED: [(char, &str, &str); 4] = [
    ('^', "aeiouAEIOU", "âêîôûÂÊÎÔÛ"),
    ('´', "aeiouyAEIOUY", "áéíóúýÁÉÍÓÚÝ"),
    ('`', "aeiouAEIOU", "àèìòùÀÈÌÒÙ"),
    ('¨', "aeiouyAEIOU", "äëïöüÿÄËÏÖÜ"),
];

/// Keys of control characters.
const CONTROLS: [(char, &str); 7] = [
    (' ', "space"),
    ('\n', "enter"),
    ('\r', "enter"),
    ('\t', "tab"),
    ('\x08', "backspace"),
    ('\x7f', "backspace"),
    ('\x1b', "esc"),
];

/// Text that cannot be typed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TypingError {
    /// No key has the character.
    #[error("the keyboard layout {layout:?} has no key for {character:?} (U+{code:04X})", code = u32::from(*character))]
    NoKey {
        /// The layout.
        layout: &'static str,
        /// The character.
        character: char,
    },
    /// There is no such layout.
    #[error("there is no keyboard layout {0:?}; there are {known}", known = Layout::known())]
    NoLayout(String),
}

/// A key, and what is held with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stroke {
    key: Key,
    with: Option<Key>,
}

impl Layout {
    /// The layout of that name.
    ///
    /// # Errors
    /// [`TypingError::NoLayout`], which names those that there are.
    pub fn named(name: &str) -> Result<&'static Layout, TypingError> {
        let found = LAYOUTS.iter().find(|layout| layout.name == name.to_ascii_lowercase());
        found.ok_or_else(|| TypingError::NoLayout(name.to_owned()))
    }

    fn known() -> String {
        LAYOUTS.map(|layout| layout.name).join(", ")
    }

    fn is_dead(&self, level: usize, character: char) -> bool {
        level < 2 && self.dead.contains(character)
    }

    /// The stroke that gives `character`, dead or not.
    fn stroke(&self, character: char, dead: bool) -> Option<Stroke> {
        const WITH: [Option<&str>; 3] = [None, Some("leftshift"), Some("rightalt")];
        if character == NONE {
            return None;
        }
        (0..3).find_map(|level| {
            let at = self.levels[level].chars().position(|other| other == character)?;
            let wanted = self.is_dead(level, character) == dead;
            let key = Key::named(KEYS.get(at)?).filter(|_| wanted)?;
            Some(Stroke { key, with: WITH[level].and_then(Key::named) })
        })
    }

    /// The key that has `character`, dead or not, and what is held with it: nothing, Shift, or AltGr.
    #[must_use]
    pub fn key_of(&self, character: char) -> Option<(Key, Option<Key>)> {
        if let Some((_, name)) = CONTROLS.iter().find(|(control, _)| *control == character) {
            return Key::named(name).map(|key| (key, None));
        }
        let stroke = self.stroke(character, false).or_else(|| self.stroke(character, true))?;
        Some((stroke.key, stroke.with))
    }

    fn strokes(&self, character: char) -> Option<Vec<Stroke>> {
        let alone = |name: &str| Key::named(name).map(|key| Stroke { key, with: None });
        if let Some((_, name)) = CONTROLS.iter().find(|(control, _)| *control == character) {
            return alone(name).map(|stroke| vec![stroke]);
        }
        if let '\x01'..='\x1a' = character {
            let letter = char::from(u8::try_from(character).ok()? | 0x60);
            let key = self.stroke(letter, false)?.key;
            return Some(vec![Stroke { key, with: Key::named("leftctrl") }]);
        }
        if let Some(stroke) = self.stroke(character, false) {
            return Some(vec![stroke]);
        }
        if let Some(stroke) = self.stroke(character, true) {
            return Some(vec![stroke, alone("space")?]);
        }
        COMPOSED.iter().find_map(|(dead, under, together)| {
            let at = together.chars().position(|other| other == character)?;
            Some(vec![self.stroke(*dead, true)?, self.stroke(under.chars().nth(at)?, false)?])
        })
    }

    /// What [`crate::Board::key_input`] takes for `text`.
    ///
    /// # Errors
    /// [`TypingError::NoKey`]: for the first character that the layout does not have.
    pub fn typed(&self, text: &str) -> Result<Vec<u8>, TypingError> {
        let mut bytes = Vec::new();
        for character in text.chars() {
            let none = || TypingError::NoKey { layout: self.name, character };
            for stroke in self.strokes(character).ok_or_else(none)? {
                stroke.put(&mut bytes);
            }
        }
        Ok(bytes)
    }
}

impl Stroke {
    fn put(self, bytes: &mut Vec<u8>) {
        let held = |down: bool| self.with.map(|key| Input::Key(key, down));
        let steps = [
            held(true),
            Some(Input::Key(self.key, true)),
            Some(Input::Wait(PAUSE_MS)),
            Some(Input::Key(self.key, false)),
            held(false),
            Some(Input::Wait(PAUSE_MS)),
        ];
        steps.into_iter().flatten().for_each(|input| bytes.extend(input.bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(layout: &str, text: &str) -> Vec<u8> {
        let mut bytes = Layout::named(layout).unwrap().typed(text).unwrap();
        // Without the waits.
        while let Some(at) = bytes.iter().position(|&byte| byte == 0xfe) {
            bytes.drain(at..at + 2);
        }
        bytes
    }

    #[test]
    fn tables_have_a_character_for_each_key_at_most() {
        for layout in LAYOUTS {
            let lengths = layout.levels.map(|level| level.chars().count());
            assert_eq!(lengths[..2], [48, 48], "{}", layout.name);
            assert!(lengths[2] <= 48, "{}", layout.name);
        }
        assert!(KEYS.iter().all(|name| Key::named(name).is_some()));
    }

    #[test]
    fn every_layout_types_all_of_ascii() {
        for layout in LAYOUTS {
            let text: String = (' '..='~').chain("\n\t\x08\x1b\x03".chars()).collect();
            assert!(layout.typed(&text).is_ok(), "{}", layout.name);
        }
    }

    #[test]
    fn the_same_character_is_another_key_elsewhere() {
        assert_eq!(keys("us", "aA"), [0x1c, 0xf0, 0x1c, 0x12, 0x1c, 0xf0, 0x1c, 0xf0, 0x12]);
        assert_eq!(keys("fr", "a"), [0x15, 0xf0, 0x15]);
        assert_eq!(keys("de", "z"), [0x35, 0xf0, 0x35]);
        assert_eq!(keys("de", "@"), [0xe0, 0x11, 0x15, 0xf0, 0x15, 0xe0, 0xf0, 0x11]);
        assert_eq!(keys("de", "^"), [0x0e, 0xf0, 0x0e, 0x29, 0xf0, 0x29], "dead, and a space");
        assert_eq!(keys("fr", "ê"), [0x54, 0xf0, 0x54, 0x24, 0xf0, 0x24]);
        assert_eq!(keys("fr", "^")[..2], [0xe0, 0x11], "the one that is not dead");
        assert_eq!(keys("us", "\x03"), [0x14, 0x21, 0xf0, 0x21, 0xf0, 0x14]);
    }

    #[test]
    fn what_cannot_be_typed_is_named() {
        let us = Layout::named("US").unwrap();
        let error = us.typed("abc ü").unwrap_err().to_string();
        assert_eq!(error, "the keyboard layout \"us\" has no key for 'ü' (U+00FC)");
        assert!(us.typed("\0").is_err());
        let error = Layout::named("dvorak").unwrap_err().to_string();
        assert_eq!(error, "there is no keyboard layout \"dvorak\"; there are us, uk, de, fr");
    }
}
