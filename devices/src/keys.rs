//! The keys of a 105-key keyboard: their names, and what they are called in scan code sets 2 and 3.
//!
//! Set 1 is set 2 as the keyboard controller translates it.

use crate::scancodes::{RELEASE, RELEASED, translated};

/// What a key does in scan code set 3 when it is held and released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Kind {
    /// It repeats, and its release is not told.
    Typematic,
    /// It does not repeat, and its release is told.
    MakeBreak,
    /// Only that it is pressed is told.
    Make,
    /// It repeats, and its release is told: as every key in sets 1 and 2.
    All,
}

/// A key of the table: its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u8);

/// A row: the name, the code of set 2 with its prefix in the upper byte, that of set 3, and how it behaves there.
type Row = (&'static str, u16, u8, Kind);

const T: Kind = Kind::Typematic;
const B: Kind = Kind::MakeBreak;
const M: Kind = Kind::Make;

const PAUSE: u16 = 0xe114;
const PRINT: u16 = 0xe07c;

#[rustfmt::skip]
const TABLE: [Row; 106] = [
    ("esc", 0x76, 0x08, M), ("f1", 0x05, 0x07, M), ("f2", 0x06, 0x0f, M), ("f3", 0x04, 0x17, M), ("f4", 0x0c, 0x1f, M),
    ("f5", 0x03, 0x27, M), ("f6", 0x0b, 0x2f, M), ("f7", 0x83, 0x37, M), ("f8", 0x0a, 0x3f, M), ("f9", 0x01, 0x47, M),
    ("f10", 0x09, 0x4f, M), ("f11", 0x78, 0x56, M), ("f12", 0x07, 0x5e, M), ("print", PRINT, 0x57, M),
    ("scrolllock", 0x7e, 0x5f, M), ("pause", PAUSE, 0x62, M),
    ("grave", 0x0e, 0x0e, T), ("1", 0x16, 0x16, T), ("2", 0x1e, 0x1e, T), ("3", 0x26, 0x26, T), ("4", 0x25, 0x25, T),
    ("5", 0x2e, 0x2e, T), ("6", 0x36, 0x36, T), ("7", 0x3d, 0x3d, T), ("8", 0x3e, 0x3e, T), ("9", 0x46, 0x46, T),
    ("0", 0x45, 0x45, T), ("minus", 0x4e, 0x4e, T), ("equal", 0x55, 0x55, T), ("backspace", 0x66, 0x66, T),
    ("tab", 0x0d, 0x0d, T), ("q", 0x15, 0x15, T), ("w", 0x1d, 0x1d, T), ("e", 0x24, 0x24, T), ("r", 0x2d, 0x2d, T),
    ("t", 0x2c, 0x2c, T), ("y", 0x35, 0x35, T), ("u", 0x3c, 0x3c, T), ("i", 0x43, 0x43, T), ("o", 0x44, 0x44, T),
    ("p", 0x4d, 0x4d, T), ("leftbracket", 0x54, 0x54, T), ("rightbracket", 0x5b, 0x5b, T), ("backslash", 0x5d, 0x5c, T),
    ("capslock", 0x58, 0x14, B), ("a", 0x1c, 0x1c, T), ("s", 0x1b, 0x1b, T), ("d", 0x23, 0x23, T), ("f", 0x2b, 0x2b, T),
    ("g", 0x34, 0x34, T), ("h", 0x33, 0x33, T), ("j", 0x3b, 0x3b, T), ("k", 0x42, 0x42, T), ("l", 0x4b, 0x4b, T),
    ("semicolon", 0x4c, 0x4c, T), ("apostrophe", 0x52, 0x52, T), ("enter", 0x5a, 0x5a, T),
    ("leftshift", 0x12, 0x12, B), ("less", 0x61, 0x13, T), ("z", 0x1a, 0x1a, T), ("x", 0x22, 0x22, T),
    ("c", 0x21, 0x21, T), ("v", 0x2a, 0x2a, T), ("b", 0x32, 0x32, T), ("n", 0x31, 0x31, T), ("m", 0x3a, 0x3a, T),
    ("comma", 0x41, 0x41, T), ("dot", 0x49, 0x49, T), ("slash", 0x4a, 0x4a, T), ("rightshift", 0x59, 0x59, B),
    ("leftctrl", 0x14, 0x11, B), ("leftmeta", 0xe01f, 0x8b, M), ("leftalt", 0x11, 0x19, B), ("space", 0x29, 0x29, T),
    ("rightalt", 0xe011, 0x39, M), ("rightmeta", 0xe027, 0x8c, M), ("menu", 0xe02f, 0x8d, M),
    ("rightctrl", 0xe014, 0x58, M), ("insert", 0xe070, 0x67, M), ("home", 0xe06c, 0x6e, M),
    ("pageup", 0xe07d, 0x6f, M), ("delete", 0xe071, 0x64, T), ("end", 0xe069, 0x65, M), ("pagedown", 0xe07a, 0x6d, M),
    ("up", 0xe075, 0x63, T), ("left", 0xe06b, 0x61, T), ("down", 0xe072, 0x60, T), ("right", 0xe074, 0x6a, T),
    ("numlock", 0x77, 0x76, M), ("kpslash", 0xe04a, 0x77, M), ("kpasterisk", 0x7c, 0x7e, M), ("kpminus", 0x7b, 0x84, M),
    ("kp7", 0x6c, 0x6c, M), ("kp8", 0x75, 0x75, M), ("kp9", 0x7d, 0x7d, M), ("kpplus", 0x79, 0x7c, T),
    ("kp4", 0x6b, 0x6b, M), ("kp5", 0x73, 0x73, M), ("kp6", 0x74, 0x74, M), ("kp1", 0x69, 0x69, M),
    ("kp2", 0x72, 0x72, M), ("kp3", 0x7a, 0x7a, M), ("kpenter", 0xe05a, 0x79, M), ("kp0", 0x70, 0x70, M),
    ("kpdot", 0x71, 0x71, M), ("power", 0xe037, 0x00, M),
];

/// Other names of keys, as people say them.
const ALIASES: &[(&str, &str)] = &[
    ("escape", "esc"),
    ("return", "enter"),
    ("ret", "enter"),
    ("spc", "space"),
    ("shift", "leftshift"),
    ("ctrl", "leftctrl"),
    ("control", "leftctrl"),
    ("alt", "leftalt"),
    ("altgr", "rightalt"),
    ("meta", "leftmeta"),
    ("del", "delete"),
    ("ins", "insert"),
    ("pgup", "pageup"),
    ("pgdn", "pagedown"),
    ("win", "leftmeta"),
    ("super", "leftmeta"),
    ("rightwin", "rightmeta"),
    ("printscreen", "print"),
    ("sysrq", "print"),
    ("break", "pause"),
    ("period", "dot"),
    ("kpstar", "kpasterisk"),
    ("`", "grave"),
    ("-", "minus"),
    ("=", "equal"),
    ("[", "leftbracket"),
    ("]", "rightbracket"),
    ("\\", "backslash"),
    (";", "semicolon"),
    ("'", "apostrophe"),
    (",", "comma"),
    (".", "dot"),
    ("/", "slash"),
    ("<", "less"),
];

impl Key {
    /// The key of that name; case does not count.
    #[must_use]
    pub fn named(name: &str) -> Option<Key> {
        let name = name.to_ascii_lowercase();
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(&*name, |(_, key)| *key);
        let at = TABLE.iter().position(|row| row.0 == name)?;
        u8::try_from(at).ok().map(Key)
    }

    /// The names of all keys.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0)
    }

    /// Other names of some.
    pub fn other_names() -> impl Iterator<Item = &'static str> {
        ALIASES.iter().map(|(alias, _)| *alias)
    }

    /// What [`crate::Board::key_input`] takes for `keys` that are pressed one after the other, and released the other way
    /// round.
    #[must_use]
    pub fn chord(keys: &[Key]) -> Vec<u8> {
        let pressed = keys.iter().map(|key| key.input(true));
        pressed.chain(keys.iter().rev().map(|key| key.input(false))).flatten().collect()
    }

    /// The key that sends this code in set 2, with its prefix (E0h or E1h) in the upper byte.
    pub(crate) fn of_code(code: u16) -> Option<Key> {
        let at = TABLE.iter().position(|row| row.1 == code)?;
        u8::try_from(at).ok().map(Key)
    }

    /// The key with this code in set 1, bit 7 of it standing for the prefix E0h: as viewers of screens number keys.
    #[must_use]
    pub fn of_viewer(code: u8) -> Option<Key> {
        // Codes without a row of their own: Print as Alt makes it, and Pause.
        match code {
            0x54 => return Key::named("print"),
            0xc6 => return Key::named("pause"),
            _ => {}
        }
        let at = TABLE.iter().position(|row| {
            let [prefix, set_2] = row.1.to_be_bytes();
            row.1 != PAUSE
                && translated(set_2) == code & 0x7f
                && (prefix != 0) == (code & 0x80 != 0)
        })?;
        u8::try_from(at).ok().map(Key)
    }

    /// The key of that number in the table, as it is saved.
    pub(crate) fn of_number(number: u8) -> Option<Key> {
        (usize::from(number) < TABLE.len()).then_some(Key(number))
    }

    /// Its number.
    pub(crate) fn number(self) -> u8 {
        self.0
    }

    fn row(self) -> &'static Row {
        TABLE.get(usize::from(self.0)).unwrap_or(&TABLE[0])
    }

    /// Its code in set 3, and what it does there unless it is told otherwise.
    pub(crate) fn set_3(self) -> (u8, Kind) {
        (self.row().2, self.row().3)
    }

    /// Whether it repeats in sets 1 and 2.
    pub(crate) fn repeats(self) -> bool {
        self.row().1 != PAUSE
    }

    /// What the keyboard sends in scan code set `set` when it is pressed (`down`) or released.
    pub(crate) fn bytes(self, set: u8, down: bool) -> Vec<u8> {
        let (_, code, third, _) = *self.row();
        let [prefix, code] = code.to_be_bytes();
        match (set, self.row().1) {
            (3, _) if down => vec![third],
            (3, _) => vec![RELEASE, third],
            (_, PAUSE) if !down => Vec::new(),
            (1, PAUSE) => vec![0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5],
            (_, PAUSE) => vec![0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77],
            (_, PRINT) if down => [one(0xe0, 0x12, set, true), one(0xe0, code, set, true)].concat(),
            (_, PRINT) => [one(0xe0, code, set, false), one(0xe0, 0x12, set, false)].concat(),
            _ => one(prefix, code, set, down),
        }
    }

    /// What [`crate::Board::key_input`] takes for it: bytes of set 2.
    #[must_use]
    pub fn input(self, down: bool) -> Vec<u8> {
        let [prefix, code] = self.row().1.to_be_bytes();
        match self.row().1 {
            PAUSE => self.bytes(2, down),
            _ => one(prefix, code, 2, down),
        }
    }
}

fn one(prefix: u8, code: u8, set: u8, down: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if prefix != 0 {
        bytes.push(prefix);
    }
    match (set, down) {
        (1, true) => bytes.push(translated(code)),
        (1, false) => bytes.push(translated(code) | RELEASED),
        (_, true) => bytes.push(code),
        (_, false) => bytes.extend([RELEASE, code]),
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_name_and_codes_of_its_own() {
        for (at, row) in TABLE.iter().enumerate() {
            let others = || TABLE[..at].iter();
            assert!(others().all(|other| other.0 != row.0 && other.1 != row.1), "{}", row.0);
            assert!(others().all(|other| other.2 != row.2), "{}: set 3", row.0);
            assert_eq!(Key::named(&row.0.to_uppercase()).map(|key| usize::from(key.0)), Some(at));
        }
        for (alias, key) in ALIASES {
            assert!(Key::named(alias).is_some() && Key::named(alias) == Key::named(key));
        }
        assert_eq!(Key::named("any"), None);
    }

    #[test]
    fn chords_are_pressed_in_order_and_released_the_other_way_round() {
        let keys = ["ctrl", "alt", "delete"].map(|name| Key::named(name).unwrap());
        let want = [0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14];
        assert_eq!(Key::chord(&keys), want);
    }

    #[test]
    fn viewers_number_keys_by_set_1() {
        for (at, row) in TABLE.iter().enumerate() {
            let key = Key(u8::try_from(at).unwrap());
            let code = match row.1 {
                PAUSE => 0xc6,
                code => translated(code as u8) | if code > 0xff { 0x80 } else { 0 },
            };
            assert_eq!(Key::of_viewer(code), Some(key), "{}", row.0);
        }
        assert_eq!(Key::of_viewer(0x7f), None);
    }

    #[test]
    fn keys_are_told_in_each_set() {
        let key = |name| Key::named(name).unwrap();
        assert_eq!(key("a").bytes(1, false), [0x9e]);
        assert_eq!(key("a").bytes(2, false), [0xf0, 0x1c]);
        assert_eq!(key("f7").bytes(1, true), [0x41]);
        assert_eq!(key("right").bytes(1, false), [0xe0, 0xcd]);
        assert_eq!(key("right").bytes(2, false), [0xe0, 0xf0, 0x74]);
        assert_eq!(key("right").bytes(3, false), [0xf0, 0x6a]);
        assert_eq!(key("print").bytes(1, true), [0xe0, 0x2a, 0xe0, 0x37]);
        assert_eq!(key("print").bytes(2, false), [0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12]);
        assert_eq!((key("pause").bytes(1, true).len(), key("pause").bytes(2, false).len()), (6, 0));
    }
}
