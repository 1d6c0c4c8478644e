//! What comes in from the desk: keys pressed and released, the mouse moved, and waits between them, as bytes.
//!
//! One stream for both, so that what a script or a view does keeps its order, is saved with a machine and repeated with
//! it. Keys are bytes of scan code set 2, whichever the guest has chosen: the keyboard sends them in that one. Two bytes
//! that are no scan code begin the rest: FEh and a number wait for so many milliseconds of the guest's time; FFh, the
//! buttons, and three signed words (right, down, wheel towards the user; low byte first) are the mouse.

use crate::keys::Key;
use crate::scancodes::RELEASE;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

const WAIT: u8 = 0xfe;
const MOUSE: u8 = 0xff;
const MOUSE_BYTES: usize = 8;
/// The longest sequence is that of Pause.
const LONGEST: usize = 8;
const PAUSE: [u8; 8] = [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77];

/// How the mouse was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MouseInput {
    /// Counts to the right.
    pub right: i16,
    /// Counts down.
    pub down: i16,
    /// Notches of the wheel towards the user.
    pub wheel: i16,
    /// Buttons that are held now: left, right, middle, fourth, fifth from bit 0 on.
    pub buttons: u8,
}

/// Something that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key is pressed, or released.
    Key(Key, bool),
    /// The mouse.
    Mouse(MouseInput),
    /// Nothing for so many milliseconds of guest time.
    Wait(u8),
}

impl Input {
    /// As [`crate::Board::key_input`] takes it.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Input::Key(key, down) => key.input(down),
            Input::Wait(ms) => vec![WAIT, ms],
            Input::Mouse(mouse) => {
                let mut bytes = vec![MOUSE, mouse.buttons];
                for word in [mouse.right, mouse.down, mouse.wheel] {
                    bytes.extend(word.to_le_bytes());
                }
                bytes
            }
        }
    }
}

/// The beginning of something, which comes in byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decoder(Vec<u8>);

/// What a byte makes of what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// More has to come.
    More,
    /// It is this.
    Whole(Input),
    /// It is no key.
    Nothing,
}

impl Decoder {
    /// Refuses what no sequence of bytes leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.0.len() < LONGEST, "keys that come in")
    }

    /// What `byte` would complete; [`Decoder::take`] or [`Decoder::drop_all`] says what becomes of it.
    pub(crate) fn look(&self, byte: u8) -> Decoded {
        let mut bytes = self.0.clone();
        bytes.push(byte);
        match bytes[0] {
            WAIT if bytes.len() < 2 => Decoded::More,
            WAIT => Decoded::Whole(Input::Wait(byte)),
            MOUSE if bytes.len() < MOUSE_BYTES => Decoded::More,
            MOUSE => Decoded::Whole(Input::Mouse(mouse(&bytes))),
            _ => key(&bytes),
        }
    }

    /// `byte` has come, and is not the last.
    pub(crate) fn take(&mut self, byte: u8) {
        if self.0.len() + 1 < LONGEST {
            self.0.push(byte);
        } else {
            self.0.clear();
        }
    }

    /// What came is done with.
    pub(crate) fn drop_all(&mut self) {
        self.0.clear();
    }
}

fn mouse(bytes: &[u8]) -> MouseInput {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let word = |at: usize| i16::from_le_bytes([byte(at), byte(at + 1)]);
    MouseInput { buttons: byte(1) & 0x1f, right: word(2), down: word(4), wheel: word(6) }
}

fn key(bytes: &[u8]) -> Decoded {
    let whole = |code: u16, down: bool| {
        Key::of_code(code).map_or(Decoded::Nothing, |key| Decoded::Whole(Input::Key(key, down)))
    };
    match *bytes {
        _ if bytes == PAUSE => whole(0xe114, true),
        [0xe1, ..] if PAUSE.starts_with(bytes) => Decoded::More,
        [0xe0] | [RELEASE] | [0xe0, RELEASE] => Decoded::More,
        [RELEASE, code] => whole(u16::from(code), false),
        [0xe0, RELEASE, code] => whole(0xe000 | u16::from(code), false),
        [0xe0, code] => whole(0xe000 | u16::from(code), true),
        [code] => whole(u16::from(code), true),
        _ => Decoded::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Input> {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for &byte in bytes {
            match decoder.look(byte) {
                Decoded::More => decoder.take(byte),
                Decoded::Whole(input) => {
                    found.push(input);
                    decoder.drop_all();
                }
                Decoded::Nothing => decoder.drop_all(),
            }
        }
        found
    }

    #[test]
    fn what_goes_in_comes_out() {
        let mouse = MouseInput { right: -3, down: 300, wheel: -1, buttons: 0x1f };
        let mut all = vec![Input::Wait(7), Input::Mouse(mouse)];
        for name in Key::names() {
            let key = Key::named(name).unwrap();
            all.push(Input::Key(key, true));
            if name != "pause" {
                all.push(Input::Key(key, false));
            }
        }
        let bytes: Vec<u8> = all.iter().flat_map(|input| input.bytes()).collect();
        assert_eq!(decode(&bytes), all);
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        assert_eq!(decode(&[0x00, 0x02, 0xe0, 0x12, 0xe1, 0x33, 0xf0, 0xf0]), []);
        let a = Key::named("a").unwrap();
        assert_eq!(decode(&[0xe0, 0xf0, 0x12, 0x1c]), [Input::Key(a, true)]);
    }
}
