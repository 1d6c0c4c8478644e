//! What is wrong with a script.

use ringer_input::OneLine;
use std::fmt;

/// A line of a script that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// The script, as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", OneLine(&self.file), self.line, OneLine(&self.problem))
    }
}

/// The one of `names` that was meant by `word`, if one is near.
pub(crate) fn meant<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = |name: &&str| strsim::damerau_levenshtein(word, name);
    names.iter().copied().min_by_key(near).filter(|name| near(name) <= 1 + name.len() / 4)
}
