//! Files of images, read whole.

use super::error::LoadError;
use ringer_input::Limit;
use std::path::Path;

/// What an image may have at most: it must fit into guest memory of `bytes`.
pub fn memory(bytes: u64) -> Limit {
    Limit::new(bytes, "the guest's memory")
}

/// Reads a whole file within `limit`, which has something in it.
///
/// # Errors
/// [`LoadError::Input`] and [`LoadError::Empty`].
pub fn read_file(path: &Path, limit: Limit) -> Result<Vec<u8>, LoadError> {
    let bytes = ringer_input::read(path, limit)?;
    if bytes.is_empty() { Err(LoadError::Empty(path.to_owned())) } else { Ok(bytes) }
}
