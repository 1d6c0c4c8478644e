//! Why an image cannot be used.

use ringer_input::shown;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why an image cannot be used: one line that names the file and how to mend it.
#[derive(Debug, Error)]
pub enum StorageError {
    /// It cannot be opened.
    #[error("cannot open the image {}: {source}", shown(path))]
    Open {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It may be read, and not written.
    #[error("the image {} may not be written; add readonly=on, or snapshot=on to keep what the guest writes apart", shown(.0))]
    NotWritable(PathBuf),
    /// A directory, a character device, a pipe, a socket.
    #[error("{} is a {kind}, not a disk image", shown(path))]
    NoImage {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file without a byte.
    #[error("the image {} is empty", shown(.0))]
    Empty(PathBuf),
    /// Another process has it.
    #[error(
        "the image {} is in use: {holder}; snapshot=on does not help, a copy of it does",
        shown(path)
    )]
    InUse {
        /// The image.
        path: PathBuf,
        /// Who has it.
        holder: &'static str,
    },
    /// The system does not lock it.
    #[error("cannot lock the image {}: {source}", shown(path))]
    Lock {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No qcow2 image, or one that contradicts itself.
    #[error("{} is no qcow2 image that can be used: {what}", shown(path))]
    Damaged {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A qcow2 image with something that is not had.
    #[error("the qcow2 image {} {what}; {mend}", shown(path))]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// What it has.
        what: &'static str,
        /// What helps.
        mend: &'static str,
    },
    /// A backing file where none is allowed.
    #[error(
        "the image {} has a backing file ({}); allow it with backing=on if the image is to be trusted with it",
        shown(path),
        shown(backing)
    )]
    Backing {
        /// The image.
        path: PathBuf,
        /// Its backing file, as it says.
        backing: PathBuf,
    },
    /// A chain of backing files without an end.
    #[error("the image {} has more than {most} backing files behind it", shown(path))]
    TooDeep {
        /// The image.
        path: PathBuf,
        /// How many there may be.
        most: usize,
    },
    /// No file to keep in what the guest writes.
    #[error(
        "cannot make a temporary file for what is written to {}: {source}; TMPDIR names another folder",
        shown(path)
    )]
    Temporary {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
