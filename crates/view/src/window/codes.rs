//! Keys by the numbers that an X server has for their places.

/// An X server on Linux counts from here on what the kernel calls a key.
const FIRST: u8 = 8;
/// The kernel's numbers are those of set 1 up to this one.
const SAME: u8 = 0x58;
/// Others: the kernel's number, and the code in set 1, bit 7 of it standing for the prefix E0h.
#[rustfmt::skip]
const OTHERS: &[(u8, u8)] = &[
    (96, 0x9c), (97, 0x9d), (98, 0xb5), (99, 0xb7), (100, 0xb8), (102, 0xc7), (103, 0xc8), (104, 0xc9), (105, 0xcb), (106, 0xcd),
    (107, 0xcf), (108, 0xd0), (109, 0xd1), (110, 0xd2), (111, 0xd3), (116, 0xde), (119, 0xc6), (125, 0xdb), (126, 0xdc), (127, 0xdd),
];

/// The code in set 1 of the key with that number, as [`crate::Hands::code`] takes it.
pub(super) fn code(number: u8) -> Option<u8> {
    let kernels = number.checked_sub(FIRST)?;
    match kernels {
        0 => None,
        1..=SAME => Some(kernels),
        _ => OTHERS.iter().find(|(other, _)| *other == kernels).map(|(_, code)| *code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_devices::Key;

    #[test]
    fn keys_have_their_places() {
        for (number, name) in [
            (9, "esc"),
            (38, "a"),
            (50, "leftshift"),
            (94, "less"),
            (96, "f12"),
            (104, "kpenter"),
            (105, "rightctrl"),
            (106, "kpslash"),
            (107, "print"),
            (108, "rightalt"),
            (110, "home"),
            (111, "up"),
            (112, "pageup"),
            (113, "left"),
            (114, "right"),
            (115, "end"),
            (116, "down"),
            (117, "pagedown"),
            (118, "insert"),
            (119, "delete"),
            (124, "power"),
            (127, "pause"),
            (133, "leftmeta"),
            (134, "rightmeta"),
            (135, "menu"),
        ] {
            let key = code(number).and_then(Key::of_viewer);
            assert_eq!(key, Key::named(name), "{number} is {name}");
        }
        assert_eq!([0, 7, 8, 98, 255].map(code), [None; 5]);
    }

    #[test]
    fn every_key_of_a_pc_has_a_number() {
        let all: Vec<_> = (0..=255).filter_map(code).filter_map(Key::of_viewer).collect();
        for name in Key::names() {
            assert!(all.contains(&Key::named(name).unwrap()), "{name}");
        }
    }
}
