//! The floppy subsystem: an 82077AA with two drives on its cable.
//!
//! A *format* says what is on a diskette, by the size of its image; a *drive* has a head somewhere over it; a *transfer* is
//! a command that meets sectors; the *controller* has the registers.

mod command;
pub(crate) mod controller;
pub(crate) mod drive;
pub(crate) mod format;
#[cfg(test)]
mod tests;
mod transfer;
