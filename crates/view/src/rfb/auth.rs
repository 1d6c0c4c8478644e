//! VNC authentication (RFC 6143, 7.2.2): a challenge of 16 bytes, encrypted by DES with the password.
//!
//! It keeps out who does not know the password; it hides nothing of what is sent afterwards, and of the password eight bytes
//! count. That is the protocol's.

use des::Des;
use des::cipher::{Array, BlockCipherEncrypt, KeyInit};

/// Bytes of a challenge.
pub(super) const CHALLENGE: usize = 16;
/// Bytes of a password that count.
pub(super) const LENGTH: usize = 8;

/// A password as the cipher takes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password([u8; LENGTH]);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// Of these bytes, of which the first eight count; `None` where there is none.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut key = [0; LENGTH];
        // DES takes the bits of each byte the other way round, as the first implementation had it.
        key.iter_mut().zip(text).for_each(|(place, byte)| *place = byte.reverse_bits());
        (!text.is_empty()).then_some(Self(key))
    }

    /// What who knows it answers to a challenge.
    #[must_use]
    pub fn response(&self, challenge: &[u8; CHALLENGE]) -> [u8; CHALLENGE] {
        let cipher = Des::new(&Array::from(self.0));
        let mut response = *challenge;
        for block in response.chunks_exact_mut(8) {
            let mut bytes = Array::default();
            bytes.copy_from_slice(block);
            cipher.encrypt_block(&mut bytes);
            block.copy_from_slice(&bytes);
        }
        response
    }

    /// Whether `response` is that, in a time that does not say how much of it is.
    pub(super) fn is_answered(&self, challenge: &[u8; CHALLENGE], response: &[u8]) -> bool {
        let wanted = self.response(challenge);
        let differs = wanted.iter().zip(response).fold(0, |all, (a, b)| all | (a ^ b));
        response.len() == CHALLENGE && differs == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_count() {
        let password = Password::new(b"secret12").unwrap();
        let challenge = *b"0123456789abcdef";
        let response = password.response(&challenge);
        assert!(password.is_answered(&challenge, &response));
        assert!(Password::new(b"secret12 and more").unwrap().is_answered(&challenge, &response));
        assert!(!Password::new(b"secret13").unwrap().is_answered(&challenge, &response));
        assert!(!password.is_answered(&challenge, &response[..8]));
        assert_eq!(Password::new(b""), None);
    }

    /// The known answer of DES for the key 0123456789ABCDEFh and the text 4E6F772069732074h is 3FA40E8A984D4815h.
    #[test]
    fn it_is_des_with_reversed_bits() {
        let key = [0x01u8, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].map(u8::reverse_bits);
        let text = [0x4e, 0x6f, 0x77, 0x20, 0x69, 0x73, 0x20, 0x74];
        let mut challenge = [0; CHALLENGE];
        challenge[..8].copy_from_slice(&text);
        let response = Password::new(&key).unwrap().response(&challenge);
        assert_eq!(response[..8], [0x3f, 0xa4, 0x0e, 0x8a, 0x98, 0x4d, 0x48, 0x15]);
    }
}
