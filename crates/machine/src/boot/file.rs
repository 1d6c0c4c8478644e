//! Files of images, read whole.

use super::error::LoadError;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a whole file that must fit into `ram` bytes of guest memory.
pub fn read_file(path: &Path, ram: u64) -> Result<Vec<u8>, LoadError> {
    read_at_most(path, ram, "the guest's memory")
}

/// Reads a whole file of at most `limit` bytes; `what` sets that limit.
pub fn read_at_most(path: &Path, limit: u64, what: &'static str) -> Result<Vec<u8>, LoadError> {
    let error = |source| LoadError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    if file.metadata().map_err(error)?.is_dir() {
        return Err(LoadError::Directory(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(error)?;
    if bytes.is_empty() {
        return Err(LoadError::Empty(path.to_owned()));
    }
    if bytes.len() as u64 > limit {
        return Err(LoadError::TooLarge { path: path.to_owned(), what, limit });
    }
    Ok(bytes)
}
