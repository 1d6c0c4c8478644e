//! What comes from outside: files, which are read up to a bound and no further, and texts, which are shown without what a
//! terminal would obey.
//!
//! Every file that a user names goes through [`Input`] or [`read`]: a device, a pipe that nobody writes to, and a file
//! that grows without end are one error each, and never a hang or memory without bound (invariant 17). Every name or text
//! that a message quotes goes through [`shown`], [`OneLine`] or [`Lines`].

mod file;
mod gzip;
mod text;

pub use file::{Input, InputError, Limit, read, read_start, read_text};
pub use gzip::{gunzip, gunzip_start, is_gzip};
pub use text::{Lines, OneLine, is_obeyed, shown};
