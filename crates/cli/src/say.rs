//! What the command says of itself, on standard error.
//!
//! Invariant: a message is one line that begins with `ringer: `, whatever the names and texts in it: they may be anybody's,
//! and a terminal obeys none of them. Where nobody listens nothing is said, and that is no failure.

use crate::writing;
use ringer_input::{Lines, OneLine};
use std::fmt::Display;
use std::io::{self, Write};

/// Says it in one line.
pub fn say(what: impl Display) {
    let _writing = writing::begin();
    let _ = writeln!(io::stderr(), "ringer: {}", OneLine(what));
}

/// Says what takes several lines: its own, for control characters are shown.
pub fn say_lines(what: impl Display) {
    let _writing = writing::begin();
    let _ = writeln!(io::stderr(), "ringer: {}", Lines(what));
}
