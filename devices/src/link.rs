//! What a network adapter is connected to: frames go out by a [`Link`] and come in by [`crate::Board::frame_input`].
//!
//! A frame is an Ethernet frame from its destination address to the end of its payload, without preamble and checksum. Both
//! ways lose frames rather than wait, as cables do: what goes out without a link, or longer than [`MAX_FRAME`], and what
//! comes in for an adapter that is switched off. One that is on and has no buffer for a frame is offered it again later.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Bytes of a header: two addresses and a type.
pub const HEADER: usize = 14;
/// Bytes of a frame at most: a header, a VLAN tag and 1500 bytes.
pub const MAX_FRAME: usize = HEADER + 4 + 1500;
/// Bytes of a frame at least, on a wire; what is shorter is padded by who receives it.
pub const MIN_FRAME: usize = 60;

/// Where an adapter's frames go.
pub trait Link: Send + fmt::Debug {
    /// Takes a frame of [`HEADER`] to [`MAX_FRAME`] bytes, or drops it. It is called on the thread that runs the machine and
    /// must not wait.
    fn send(&mut self, frame: &[u8]);
}

/// An adapter's address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address that the first adapter has if nobody says otherwise: a locally administered one that guests of other
    /// emulators know.
    pub const DEFAULT: Mac = Mac([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no address that an adapter can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MacError {
    /// It is no address.
    #[error("it is six pairs of hexadecimal digits, as 52:54:00:12:34:56")]
    Form,
    /// It is a group's.
    #[error("its first byte is odd: that is the address of a group, and none that an adapter has")]
    Group,
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut bytes = [0; 6];
        let mut pairs = text.split([':', '-']);
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2).ok_or(MacError::Form)?;
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(MacError::Form);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| MacError::Form)?;
        }
        match (pairs.next(), bytes[0] & 1) {
            (Some(_), _) => Err(MacError::Form),
            (None, 1) => Err(MacError::Group),
            (None, _) => Ok(Mac(bytes)),
        }
    }
}

/// Which chip an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NicModel {
    /// An Intel 82540EM, of the family that drivers call e1000.
    E1000,
    /// A Realtek RTL8139C.
    Rtl8139,
}

impl NicModel {
    /// All.
    pub const ALL: [NicModel; 2] = [NicModel::E1000, NicModel::Rtl8139];

    /// What guests have unless somebody says otherwise: drivers of all systems know it.
    pub const DEFAULT: NicModel = NicModel::E1000;

    /// Its device's [`crate::Row::id`], by which users name it, too.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            NicModel::E1000 => "e1000",
            NicModel::Rtl8139 => "rtl8139",
        }
    }
}

/// The network adapters of a board, by model: the address of each that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nics {
    /// An Intel 82540EM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e1000: Option<Mac>,
    /// A Realtek RTL8139C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtl8139: Option<Mac>,
}

impl Nics {
    /// These, and one of that model with that address.
    #[must_use]
    pub fn with(mut self, model: NicModel, mac: Mac) -> Nics {
        match model {
            NicModel::E1000 => self.e1000 = Some(mac),
            NicModel::Rtl8139 => self.rtl8139 = Some(mac),
        }
        self
    }

    /// The address of the one of that model.
    #[must_use]
    pub fn of(&self, model: NicModel) -> Option<Mac> {
        match model {
            NicModel::E1000 => self.e1000,
            NicModel::Rtl8139 => self.rtl8139,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Nics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let mac: Mac = "52:54:00:12:34:56".parse().unwrap();
        assert_eq!((mac, mac.to_string().parse()), (Mac::DEFAULT, Ok(mac)));
        assert_eq!("02-00-00-00-00-FF".parse(), Ok(Mac([2, 0, 0, 0, 0, 0xff])));
        for wrong in
            ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "5:54:00:12:34:56", "+2:54:00:12:34:56"]
        {
            assert_eq!(wrong.parse::<Mac>(), Err(MacError::Form), "{wrong}");
        }
        assert_eq!("53:54:00:12:34:56".parse::<Mac>(), Err(MacError::Group));
    }
}
