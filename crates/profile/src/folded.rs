//! Folded stacks: a line for each, `frame;frame;frame microseconds`, as flame graph tools take them.

use crate::file::ProfileFile;
use crate::stacks;

/// The run as folded stacks.
#[must_use]
pub fn folded(profile: &ProfileFile) -> String {
    let mut text = String::new();
    for stack in stacks::of(profile) {
        let microseconds = stack.nanoseconds.div_ceil(1_000);
        let frames: Vec<String> = stack.frames.iter().map(|f| frame(&f.name)).collect();
        text.push_str(&format!("{} {microseconds}\n", frames.join(";")));
    }
    text
}

/// A name without what the format gives a meaning to.
fn frame(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c == ';' {
                ':'
            } else if c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect()
}
