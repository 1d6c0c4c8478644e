//! INT 16h: keys are the bytes that arrive on the console.

use super::call::Call;
use super::rom;
use ringer_cpu::{Eflags, Gpr};
use std::sync::{Arc, Mutex, PoisonError};

/// The characters of a US keyboard in the order of their scan codes (set 1), unshifted; a NUL where
/// a key has none here.
const KEYS: &[u8] = b"\0\x1b1234567890-=\x08\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";

/// A key that arrived but was not taken yet: one, for the "is there a key" service. Clones are the same,
/// so that whoever saves the machine's state finds it.
#[derive(Clone, Debug, Default)]
pub struct PendingKey(Arc<Mutex<Option<u8>>>);

impl PendingKey {
    /// The byte, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<u8> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is this one, or none.
    pub fn set(&self, byte: Option<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = byte;
    }
}

/// The service.
#[derive(Debug, Default)]
pub struct Keyboard {
    next: PendingKey,
}

/// AX for a typed byte: the character and its scan code.
fn key(byte: u8) -> u16 {
    let character = match byte {
        b'\n' => b'\r',
        0x7f => 0x08,
        other => other,
    };
    let plain = character.to_ascii_lowercase();
    let scan = KEYS.iter().position(|k| *k == plain && *k != 0).unwrap_or(0);
    ((scan as u16) << 8) | u16::from(character)
}

impl Keyboard {
    /// The service that keeps its key in `next`.
    #[must_use]
    pub fn new(next: PendingKey) -> Self {
        Self { next }
    }

    fn peek(&mut self, call: &mut Call<'_>) -> Option<u8> {
        if self.next.get().is_none() {
            self.next.set(call.get());
        }
        self.next.get()
    }

    pub fn call(&mut self, call: &mut Call<'_>) {
        match call.high(Gpr::Eax) {
            0x00 | 0x10 => match self.peek(call) {
                Some(byte) => {
                    self.next.set(None);
                    call.set_ax(key(byte));
                }
                None => call.continue_at(rom::WAIT_FOR_KEY),
            },
            0x01 | 0x11 => {
                let waiting = self.peek(call);
                if let Some(byte) = waiting {
                    call.set_ax(key(byte));
                }
                call.set_flag(Eflags::ZF, waiting.is_none());
            }
            // No shift key is ever down.
            0x02 | 0x12 => call.set_low(Gpr::Eax, 0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_have_their_scan_codes() {
        assert_eq!(key(b'a'), 0x1e61);
        assert_eq!(key(b'A'), 0x1e41);
        assert_eq!(key(b'\n'), 0x1c0d);
        assert_eq!(key(b' '), 0x3920);
        assert_eq!(key(0x1b), 0x011b);
        assert_eq!(key(0x7f), 0x0e08);
        assert_eq!(key(0xe9), 0x00e9);
    }
}
