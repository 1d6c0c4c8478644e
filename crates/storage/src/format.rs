//! Formats of images, and which one a file has where nobody said it.

use crate::host_file::HostFile;
use std::io;

/// How an image's file holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Byte for byte.
    Raw,
    /// In clusters that exist once they are written (QEMU's format, versions 2 and 3).
    Qcow2,
}

/// The first bytes of a qcow2 image.
pub(crate) const QCOW2_MAGIC: [u8; 4] = *b"QFI\xfb";

/// The format of `file`, by its first bytes.
///
/// # Errors
/// What the system says.
pub(crate) fn guess(file: &HostFile) -> io::Result<Format> {
    let mut magic = [0; 4];
    file.read_at(0, &mut magic)?;
    Ok(if magic == QCOW2_MAGIC { Format::Qcow2 } else { Format::Raw })
}
