//! The bytes of messages: numbers from the lowest byte on, names with their lengths before them.

use rustix::io::Errno;

/// Bytes of a message's head: length, kind, tag.
pub(crate) const HEAD: usize = 7;
/// Bytes of a name at most.
const NAME: usize = 255;

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'m>(pub(crate) &'m [u8]);

impl<'m> Reader<'m> {
    /// The next `len` bytes.
    ///
    /// # Errors
    /// EINVAL: it ends before that, here as in all that follow.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'m [u8], Errno> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Errno::INVAL)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self, len: usize) -> Result<u64, Errno> {
        let bytes = self.bytes(len)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(crate) fn word(&mut self) -> Result<u16, Errno> {
        self.number(2).map(|value| value as u16)
    }

    pub(crate) fn long(&mut self) -> Result<u32, Errno> {
        self.number(4).map(|value| value as u32)
    }

    pub(crate) fn quad(&mut self) -> Result<u64, Errno> {
        self.number(8)
    }

    /// A text of any kind.
    pub(crate) fn text(&mut self) -> Result<&'m [u8], Errno> {
        let len = self.word()?;
        self.bytes(len.into())
    }

    /// A name within a folder.
    ///
    /// # Errors
    /// EINVAL for what is none, `.` and `..` among it.
    pub(crate) fn name(&mut self) -> Result<&'m [u8], Errno> {
        let name = self.text()?;
        if is_name(name) { Ok(name) } else { Err(Errno::INVAL) }
    }
}

/// Whether `name` is one that a file in a folder can have.
pub(crate) fn is_name(name: &[u8]) -> bool {
    let length = (1..=NAME).contains(&name.len());
    length && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

/// What identifies a file: its kind, a version, a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Qid {
    pub(crate) kind: u8,
    pub(crate) version: u32,
    pub(crate) path: u64,
}

impl Qid {
    pub(crate) const FOLDER: u8 = 0x80;
    pub(crate) const LINK: u8 = 0x02;
    /// Bytes of one.
    pub(crate) const LEN: usize = 13;
}

/// An answer that is made.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn word(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn long(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn quad(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn text(&mut self, text: &[u8]) -> &mut Self {
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.word(len).0.extend(&text[..len.into()]);
        self
    }

    pub(crate) fn qid(&mut self, qid: Qid) -> &mut Self {
        self.byte(qid.kind).long(qid.version).quad(qid.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for wrong in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0", &[b'a'; 256]] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
        for right in [&b"a"[..], b"...", b"..a", b"\xff\n", &[b'a'; 255]] {
            assert!(is_name(right), "{right:?}");
        }
    }

    #[test]
    fn a_message_that_ends_early_is_an_error() {
        let mut reader = Reader(&[3, 0, b'a', b'b']);
        assert_eq!(reader.text(), Err(Errno::INVAL));
        assert_eq!(Reader(&[1, 2, 3]).long(), Err(Errno::INVAL));
        assert_eq!(Reader(&[1, 2, 3, 4]).long(), Ok(0x0403_0201));
    }
}
