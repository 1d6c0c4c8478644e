//! Scripts that drive a machine as somebody at its keyboard would: wait for a text on the screen or the serial line,
//! type, press keys, change media, and expect.
//!
//! A [`Script`] is a text of one step a line; docs/scripts.md has the format. [`Script::parse`] checks all of it, so that
//! a misspelt step is told before a guest runs. A [`Player`] plays it on whatever is a [`Guest`]. All times are the
//! guest's: under a virtual clock a script does the same at the same instruction in every run.

mod mistake;
mod parse;
mod play;
mod step;
mod words;

pub use mistake::Mistake;
pub use play::{Ended, Failure, Guest, Outcome, Player};
pub use step::{Action, Condition, Script, Step, Subject};
