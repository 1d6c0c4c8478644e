//! What the command says of itself, on standard error.
//!
//! Invariant: a message is one line that begins with `ringer: `, whatever the names and texts in it: they may be anybody's,
//! and a terminal obeys none of them. Where nobody listens nothing is said, and that is no failure.

use crate::writing;
use ringer_input::{Lines, OneLine};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is said while something else is on the terminal, up to so many bytes.
static HELD: Mutex<Option<String>> = Mutex::new(None);
const MOST: usize = 1 << 16;

fn held() -> MutexGuard<'static, Option<String>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says it in one line.
pub fn say(what: impl Display) {
    tell(format!("ringer: {}\n", OneLine(what)));
}

/// Says what takes several lines: its own, for control characters are shown.
pub fn say_lines(what: impl Display) {
    tell(format!("ringer: {}\n", Lines(what)));
}

fn tell(text: String) {
    if let Some(kept) = held().as_mut() {
        if kept.len() < MOST {
            kept.push_str(&text);
        }
        return;
    }
    let _writing = writing::begin();
    let _ = io::stderr().write_all(text.as_bytes());
}

/// From now on what is said waits for [`release`], if it would go to the terminal: that shows something else.
pub fn hold() {
    if io::stderr().is_terminal() {
        held().get_or_insert_default();
    }
}

/// Says what waits.
pub fn release() {
    if let Some(text) = held().take() {
        let _writing = writing::begin();
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
