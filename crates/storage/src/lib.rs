//! Disk images, as the media that a PC's drives hold.
//!
//! The problem: a drive wants numbered bytes that stay ([`ringer_devices::Medium`]); what people have is files: raw images of
//! any size, qcow2 images, read-only ones, ones that shall stay as they are. This crate opens them, and what goes wrong with
//! them later it tells the user, in one line for each kind of failure.
//!
//! - [`Image`] says what is asked for; [`Image::open`] gives the medium, or a [`StorageError`].
//! - `raw` is a file as it is; `qcow2` is the crate imago over `container`, which bounds what a file may make it do;
//!   `overlay` keeps what is written apart from the image; `reporting` tells the user.
//!
//! Rules:
//! - *Formats.* A format that is not given is guessed from the first four bytes: qcow2, else raw. A guest that owns a raw image
//!   could write a qcow2 header there, and the next run would take it for one. So a guessed raw image never gets those four
//!   bytes at its start: such a write fails, and the user is told to give the format. A backing file's format is never
//!   guessed.
//! - *Other files.* An image leads to no other file unless backing files are allowed for it; they are opened for reading alone.
//! - *Locks.* Who writes an image holds it alone (`flock`), who reads one shares it with other readers.
//! - *Staying.* What a write was told to have done is in the host's page cache or the image's own; after a flush it is on the
//!   disk (`fdatasync`). A flush that failed is never followed by one that succeeds: the host may have dropped the pages.

mod container;
mod error;
mod format;
mod header;
mod host_file;
mod image;
mod layers;
mod overlay;
mod qcow2;
mod raw;
mod reporting;

pub use error::StorageError;
pub use format::Format;
pub use image::Image;
pub use reporting::Reporter;

/// Bytes of a sector, the unit that drives count in.
pub const SECTOR: u64 = 512;
