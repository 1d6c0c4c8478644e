//! State of devices as bytes: postcard of a plain structure, under a device's name and a version.
//!
//! Invariant: what is read back is checked before anything runs on it: a damaged or forged section is an
//! error, never a chip in a state that no guest could have brought it to (invariant 17).

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a device's state could not be saved or loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// The bytes are no such structure.
    #[error("its bytes do not decode: {0}")]
    Bytes(String),
    /// Bytes are left over.
    #[error("{0} bytes are left over")]
    TooLong(usize),
    /// The structure says what the chip could not be.
    #[error("it says what the chip cannot be: {0}")]
    Impossible(&'static str),
    /// The state has more than can be written down.
    #[error("it cannot be written: {0}")]
    Unwritable(String),
}

/// Why a board's sections could not be loaded; the board is unusable then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BoardLoadError {
    /// A section of a device that this board does not have.
    #[error(
        "saved state has a device {0:?} that this machine has not; give the machine the same devices as when it was saved"
    )]
    UnknownDevice(String),
    /// A device of this board has no section, or two.
    #[error(
        "saved state has {found} sections of device {id:?}, expected 1; give the machine the same devices as when it was saved"
    )]
    Sections {
        /// The device.
        id: &'static str,
        /// Sections found.
        found: usize,
    },
    /// A section's version is not one that the device loads.
    #[error(
        "device {id:?} was saved as version {version}, which this program does not read (it reads {reads:?})"
    )]
    Version {
        /// The device.
        id: &'static str,
        /// The version found.
        version: u32,
        /// The versions that are read.
        reads: Vec<u32>,
    },
    /// A section's contents.
    #[error("saved state of device {id:?}: {source}")]
    State {
        /// The device.
        id: &'static str,
        /// What is wrong with it.
        source: StateError,
    },
}

/// The saved state of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Section {
    /// The row's id.
    pub id: String,
    /// The version of the bytes.
    pub version: u32,
    /// What the device saved.
    pub bytes: Vec<u8>,
}

/// Writes plain data as postcard, the way a device's [`crate::Device::save`] does.
///
/// # Errors
/// [`StateError::Unwritable`] for data of a kind that postcard cannot hold.
pub fn encode<T: Serialize>(state: &T) -> Result<Vec<u8>, StateError> {
    postcard::to_allocvec(state).map_err(|e| StateError::Unwritable(e.to_string()))
}

/// Reads what [`encode`] wrote, all of it.
///
/// # Errors
/// [`StateError::Bytes`] or [`StateError::TooLong`] for anything else.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => Ok(state),
        Ok((_, rest)) => Err(StateError::TooLong(rest.len())),
        Err(e) => Err(StateError::Bytes(e.to_string())),
    }
}

/// Refuses what a chip could not be.
///
/// # Errors
/// [`StateError::Impossible`] with `what` unless `holds`.
pub fn check(holds: bool, what: &'static str) -> Result<(), StateError> {
    if holds { Ok(()) } else { Err(StateError::Impossible(what)) }
}

/// Arrays longer than serde derives for, element by element.
pub(crate) mod bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_slice().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let found = bytes.len();
        bytes
            .try_into()
            .map_err(|_| D::Error::invalid_length(found, &"as many as there are registers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let bytes = encode(&(7u8, vec![1u16, 2])).unwrap();
        assert_eq!(decode::<(u8, Vec<u16>)>(&bytes), Ok((7, vec![1, 2])));
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode::<(u8, Vec<u16>)>(&longer), Err(StateError::TooLong(1)));
        let shorter = &bytes[..bytes.len() - 1];
        assert!(matches!(decode::<(u8, Vec<u16>)>(shorter), Err(StateError::Bytes(_))));
    }
}
