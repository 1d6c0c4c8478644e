//! Keys by the numbers that X has for what stands on them (RFC 6143, 7.5.4).

use ringer_devices::Key;

/// Numbers of keys that have no character, and the keys' names.
#[rustfmt::skip]
const NAMED: &[(u32, &str)] = &[
    (0xff08, "backspace"), (0xff09, "tab"), (0xff0a, "enter"), (0xff0d, "enter"), (0xff13, "pause"),
    (0xff14, "scrolllock"), (0xff15, "print"), (0xff1b, "esc"), (0xff50, "home"), (0xff51, "left"), (0xff52, "up"),
    (0xff53, "right"), (0xff54, "down"), (0xff55, "pageup"), (0xff56, "pagedown"), (0xff57, "end"), (0xff61, "print"),
    (0xff63, "insert"), (0xff67, "menu"), (0xff6b, "pause"), (0xff7e, "rightalt"), (0xff7f, "numlock"),
    (0xff89, "tab"), (0xff8d, "kpenter"), (0xff95, "kp7"), (0xff96, "kp4"), (0xff97, "kp8"), (0xff98, "kp6"),
    (0xff99, "kp2"), (0xff9a, "kp9"), (0xff9b, "kp3"), (0xff9c, "kp1"), (0xff9d, "kp5"), (0xff9e, "kp0"),
    (0xff9f, "kpdot"), (0xffaa, "kpasterisk"), (0xffab, "kpplus"), (0xffac, "kpdot"), (0xffad, "kpminus"),
    (0xffae, "kpdot"), (0xffaf, "kpslash"), (0xffb0, "kp0"), (0xffb1, "kp1"), (0xffb2, "kp2"), (0xffb3, "kp3"),
    (0xffb4, "kp4"), (0xffb5, "kp5"), (0xffb6, "kp6"), (0xffb7, "kp7"), (0xffb8, "kp8"), (0xffb9, "kp9"),
    (0xffbe, "f1"), (0xffbf, "f2"), (0xffc0, "f3"), (0xffc1, "f4"), (0xffc2, "f5"), (0xffc3, "f6"), (0xffc4, "f7"),
    (0xffc5, "f8"), (0xffc6, "f9"), (0xffc7, "f10"), (0xffc8, "f11"), (0xffc9, "f12"), (0xffe1, "leftshift"),
    (0xffe2, "rightshift"), (0xffe3, "leftctrl"), (0xffe4, "rightctrl"), (0xffe5, "capslock"), (0xffe7, "leftmeta"),
    (0xffe9, "leftalt"), (0xffea, "rightalt"), (0xffeb, "leftmeta"), (0xffec, "rightmeta"), (0xffff, "delete"),
];
/// More of those.
const OTHERS: &[(u32, &str)] =
    &[(0xfe03, "rightalt"), (0xfe20, "tab"), (0xffe8, "rightmeta"), (0x1008_ff2a, "power")];
/// Dead accents, and the characters that stand for them in a layout.
#[rustfmt::skip]
const DEAD: &[(u32, char)] = &[(0xfe50, '`'), (0xfe51, '´'), (0xfe52, '^'), (0xfe53, '~'), (0xfe57, '¨')];

/// The key of that number, where it has no character.
pub(crate) fn key(number: u32) -> Option<Key> {
    let row = NAMED.iter().chain(OTHERS).find(|(other, _)| *other == number)?;
    Key::named(row.1)
}

/// The character of that number: Latin 1 as itself, all others as Unicode with a bit above.
pub(crate) fn character(number: u32) -> Option<char> {
    let dead = DEAD.iter().find(|(other, _)| *other == number);
    match (dead, number) {
        (Some((_, accent)), _) => Some(*accent),
        // The euro's sign has a number of its own.
        (_, 0x20ac) => Some('€'),
        (_, 0x20..=0x7e | 0xa0..=0xff) => char::from_u32(number),
        (_, 0x0100_0100..=0x0110_ffff) => char::from_u32(number - 0x0100_0000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_keys() {
        for (number, name) in NAMED.iter().chain(OTHERS) {
            assert!(Key::named(name).is_some(), "{name}");
            assert_eq!(key(*number), Key::named(name));
        }
        assert_eq!(key(0x61), None);
    }

    #[test]
    fn characters_of_numbers() {
        let known = [(0x61, 'a'), (0xe4, 'ä'), (0x0100_20ac, '€'), (0x20ac, '€'), (0xfe52, '^')];
        for (number, wanted) in known {
            assert_eq!(character(number), Some(wanted), "{number:x}");
        }
        assert_eq!((character(0x1f), character(0x7f), character(u32::MAX)), (None, None, None));
    }
}
