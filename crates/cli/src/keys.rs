//! Keys by name, and texts, as what a keyboard sends: scan code set 2, which is in force unless the guest asks for another.

/// A key: its names, the first of them the usual one, what it sends when it is pressed, and when it is released.
type Key = (&'static [&'static str], &'static [u8], &'static [u8]);

/// A key with a code of one byte.
macro_rules! key {
    ($code:literal $(, $name:literal)+) => {
        (&[$($name),+], &[$code], &[0xf0, $code])
    };
}

/// A key with a code behind E0h.
macro_rules! extended {
    ($code:literal $(, $name:literal)+) => {
        (&[$($name),+], &[0xe0, $code], &[0xe0, 0xf0, $code])
    };
}

/// A keyboard of 104 keys, and the one of 105 (`<`) (IBM PS/2 Technical Reference, "Keyboards (101- and 102-key)").
const KEYS: &[Key] = &[
    key!(0x76, "esc", "escape"),
    key!(0x05, "f1"),
    key!(0x06, "f2"),
    key!(0x04, "f3"),
    key!(0x0c, "f4"),
    key!(0x03, "f5"),
    key!(0x0b, "f6"),
    key!(0x83, "f7"),
    key!(0x0a, "f8"),
    key!(0x01, "f9"),
    key!(0x09, "f10"),
    key!(0x78, "f11"),
    key!(0x07, "f12"),
    key!(0x5a, "enter", "return"),
    key!(0x0d, "tab"),
    key!(0x29, "space"),
    key!(0x66, "backspace"),
    extended!(0x75, "up"),
    extended!(0x72, "down"),
    extended!(0x6b, "left"),
    extended!(0x74, "right"),
    extended!(0x70, "insert", "ins"),
    extended!(0x71, "delete", "del"),
    extended!(0x6c, "home"),
    extended!(0x69, "end"),
    extended!(0x7d, "pageup", "pgup"),
    extended!(0x7a, "pagedown", "pgdn"),
    key!(0x14, "ctrl", "control", "leftctrl"),
    extended!(0x14, "rightctrl"),
    key!(0x11, "alt", "leftalt"),
    extended!(0x11, "altgr", "rightalt"),
    key!(0x12, "shift", "leftshift"),
    key!(0x59, "rightshift"),
    extended!(0x1f, "win", "super"),
    extended!(0x27, "rightwin"),
    extended!(0x2f, "menu"),
    key!(0x58, "capslock"),
    key!(0x77, "numlock"),
    key!(0x7e, "scrolllock"),
    (&["printscreen", "sysrq"], &[0xe0, 0x12, 0xe0, 0x7c], &[0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12]),
    (&["pause", "break"], &[0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77], &[]),
    key!(0x1c, "a"),
    key!(0x32, "b"),
    key!(0x21, "c"),
    key!(0x23, "d"),
    key!(0x24, "e"),
    key!(0x2b, "f"),
    key!(0x34, "g"),
    key!(0x33, "h"),
    key!(0x43, "i"),
    key!(0x3b, "j"),
    key!(0x42, "k"),
    key!(0x4b, "l"),
    key!(0x3a, "m"),
    key!(0x31, "n"),
    key!(0x44, "o"),
    key!(0x4d, "p"),
    key!(0x15, "q"),
    key!(0x2d, "r"),
    key!(0x1b, "s"),
    key!(0x2c, "t"),
    key!(0x3c, "u"),
    key!(0x2a, "v"),
    key!(0x1d, "w"),
    key!(0x22, "x"),
    key!(0x35, "y"),
    key!(0x1a, "z"),
    key!(0x45, "0"),
    key!(0x16, "1"),
    key!(0x1e, "2"),
    key!(0x26, "3"),
    key!(0x25, "4"),
    key!(0x2e, "5"),
    key!(0x36, "6"),
    key!(0x3d, "7"),
    key!(0x3e, "8"),
    key!(0x46, "9"),
    key!(0x0e, "`", "grave"),
    key!(0x4e, "-", "minus"),
    key!(0x55, "=", "equal"),
    key!(0x54, "[", "leftbracket"),
    key!(0x5b, "]", "rightbracket"),
    key!(0x5d, "\\", "backslash"),
    key!(0x4c, ";", "semicolon"),
    key!(0x52, "'", "apostrophe"),
    key!(0x41, ",", "comma"),
    key!(0x49, ".", "period"),
    key!(0x4a, "/", "slash"),
    key!(0x61, "<", "less"),
    key!(0x70, "kp0"),
    key!(0x69, "kp1"),
    key!(0x72, "kp2"),
    key!(0x7a, "kp3"),
    key!(0x6b, "kp4"),
    key!(0x73, "kp5"),
    key!(0x74, "kp6"),
    key!(0x6c, "kp7"),
    key!(0x75, "kp8"),
    key!(0x7d, "kp9"),
    key!(0x71, "kpdot"),
    key!(0x79, "kpplus"),
    key!(0x7b, "kpminus"),
    key!(0x7c, "kpstar"),
    extended!(0x4a, "kpslash"),
    extended!(0x5a, "kpenter"),
];

/// What a US keyboard types with Shift, and the key for it.
const SHIFTED: &str = "~`!1@2#3$4%5^6&7*8(9)0_-+={[}]|\\:;\"'<,>.?/";

/// The names of keys, the usual one of each.
pub fn names() -> Vec<&'static str> {
    KEYS.iter().filter_map(|(names, ..)| names.first().copied()).collect()
}

/// Whether there is a key of that name.
pub fn is_key(name: &str) -> bool {
    find(name).is_some()
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|(names, ..)| names.contains(&name))
}

/// What is sent when the keys of these names are pressed one after the other, and released the other way round. `None`
/// if one of them is no key.
pub fn chord<T: AsRef<str>>(names: &[T]) -> Option<Vec<u8>> {
    let keys: Option<Vec<_>> = names.iter().map(|name| find(name.as_ref())).collect();
    let keys = keys?;
    let makes = keys.iter().map(|(_, make, _)| *make);
    let releases = keys.iter().rev().map(|(.., release)| *release);
    Some(makes.chain(releases).flatten().copied().collect())
}

/// The keys that type `c` on a US keyboard, by name.
pub fn typing(c: char) -> Option<Vec<String>> {
    let key = |name: &str| Some(vec![name.to_owned()]);
    let shifted = |name: char| Some(vec!["shift".to_owned(), name.to_string()]);
    match c {
        '\n' | '\r' => key("enter"),
        '\t' => key("tab"),
        '\u{8}' | '\u{7f}' => key("backspace"),
        '\u{1b}' => key("esc"),
        ' ' => key("space"),
        '\u{1}'..='\u{1a}' => {
            let letter = char::from(c as u8 | 0x60);
            Some(vec!["ctrl".to_owned(), letter.to_string()])
        }
        'A'..='Z' => shifted(c.to_ascii_lowercase()),
        '<' => shifted(','),
        c => {
            let pairs: Vec<char> = SHIFTED.chars().collect();
            let pair = pairs.chunks_exact(2).find(|pair| pair[0] == c);
            match pair {
                Some(pair) => shifted(pair[1]),
                None => key(&c.to_string()).filter(|_| is_key(&c.to_string())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_keys_share_a_name_or_a_code() {
        let names: Vec<_> = KEYS.iter().flat_map(|(names, ..)| *names).collect();
        let codes: Vec<_> = KEYS.iter().map(|(_, make, _)| make).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    }

    #[test]
    fn chords_are_pressed_in_order_and_released_the_other_way_round() {
        let want = [0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14];
        assert_eq!(chord(&["ctrl", "alt", "delete"]).unwrap(), want);
        assert_eq!(chord(&["ctrl", "hyper"]), None);
    }

    #[test]
    fn every_character_of_ascii_is_typed() {
        for byte in 0x20..0x7f {
            let c = char::from(byte);
            let keys = typing(c).unwrap_or_else(|| panic!("{c:?}"));
            assert!(chord(&keys).is_some(), "{c:?}: {keys:?}");
        }
        assert_eq!(typing('A').unwrap(), ["shift", "a"]);
        assert_eq!(typing('?').unwrap(), ["shift", "/"]);
        assert_eq!(typing('<').unwrap(), ["shift", ","]);
        assert_eq!(typing('\u{3}').unwrap(), ["ctrl", "c"]);
        assert_eq!((typing('\n').unwrap(), typing('é')), (vec!["enter".to_owned()], None));
    }
}
