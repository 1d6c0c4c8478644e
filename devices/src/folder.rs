//! What a shared folder is to the device by which a guest mounts it: somebody who answers messages.
//!
//! A device gets its folder from the machine, which alone knows of files.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Bytes of a message of the guest's, or of an answer, at most.
pub const MAX_MESSAGE: usize = 256 << 10;

/// A folder, behind the protocol 9P2000.L.
///
/// Contract: calls end in bounded time as far as the host's files do, and never panic, whatever a message is.
pub trait Folder: Send + fmt::Debug {
    /// The answer to `message`, of `room` bytes at most; none where there is nobody to answer.
    fn answer(&mut self, message: Vec<u8>, room: usize) -> Vec<u8>;

    /// The guest begins anew: what it had opened is closed.
    fn reset(&mut self);

    /// What the guest has named and opened.
    fn save(&self) -> Vec<u8>;

    /// Goes on from there. False for bytes that no [`Folder::save`] wrote.
    fn load(&mut self, bytes: &[u8]) -> bool;
}

/// The name by which a guest mounts a folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag {
    len: u8,
    bytes: [u8; Tag::MOST],
}

/// A text is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is 1 to 31 letters, digits and other marks of ASCII")]
pub struct TagError;

impl Tag {
    /// Bytes of one at most.
    const MOST: usize = 31;
    /// The usual one.
    pub const DEFAULT: Tag = Tag {
        len: 5,
        bytes: {
            let mut bytes = [0; Tag::MOST];
            [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]] = *b"share";
            bytes
        },
    };

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII comes in.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let fits = (1..=Tag::MOST).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TagError);
        }
        let mut bytes = [0; Tag::MOST];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Tag { len: text.len().to_le_bytes()[0], bytes })
    }
}

impl TryFrom<String> for Tag {
    type Error = TagError;

    fn try_from(text: String) -> Result<Self, TagError> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.as_str().to_owned()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_written() {
        assert_eq!("share".parse(), Ok(Tag::DEFAULT));
        let tag: Tag = "work-2.x".parse().unwrap();
        assert_eq!(tag.to_string(), "work-2.x");
        for wrong in ["", "a b", "ä", &"x".repeat(32)] {
            assert_eq!(wrong.parse::<Tag>(), Err(TagError), "{wrong}");
        }
    }
}
