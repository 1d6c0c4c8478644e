//! The head of a source: the comment lines at its beginning that describe the program, in TOML.
//!
//! A line of the head is a comment whose first character is `!`, whatever begins a comment in the language: `#!` and
//! `;!` for assemblers, `//!`, `/*!` and ` *!` for C. Comments and empty lines may stand before the head, so that a
//! licence comes first; the head is one run of lines.

use std::ops::Range;

/// What comment leaders are made of.
const LEADERS: &[char] = &['#', ';', '/', '*', '%', '@', '-', '|', '"', '\''];
/// What begins with `#` in C and is no comment.
const DIRECTIVES: [&str; 8] =
    ["include", "define", "undef", "if", "error", "pragma", "line", "import"];

/// A source's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its text without the comment marks: TOML, a line for each of the source's.
    pub text: String,
    /// The number of its first line in the source, from 1.
    pub first_line: usize,
}

impl Head {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether a line assigns something: what tells a head from a comment that happens to begin with `!`.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.text.lines().any(|line| {
            let key = line.split_once('=').map_or("", |(key, _)| key.trim());
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        })
    }
}

/// The head of a source; empty if there is none.
#[must_use]
pub fn head_of(source: &str) -> Head {
    let mut lines = Vec::new();
    let mut first_line = 0;
    let mut in_block = false;
    for (index, line) in source.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(text) = marked(trimmed)
            && !(index == 0 && trimmed.starts_with("#!/"))
        {
            if lines.is_empty() {
                first_line = index + 1;
            }
            lines.push(text);
        } else if !lines.is_empty() || !(in_block || is_comment(trimmed)) {
            break;
        }
        in_block = if in_block { !trimmed.contains("*/") } else { opens_block(trimmed) };
    }
    // A block comment's end on a line of its own.
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    Head { text: lines.join("\n"), first_line }
}

/// The text behind the mark, if the line has one.
fn marked(line: &str) -> Option<&str> {
    let (leader, text) = line.split_at(leader_of(line).end);
    let text = text.strip_prefix('!')?;
    let text = if leader.contains('*') { text.strip_suffix("*/").unwrap_or(text) } else { text };
    (!leader.is_empty()).then(|| text.trim())
}

/// The characters that begin a comment.
fn leader_of(line: &str) -> Range<usize> {
    0..line.len() - line.trim_start_matches(LEADERS).len()
}

fn is_comment(line: &str) -> bool {
    let text = line[leader_of(line).end..].trim_start();
    let directive = line.starts_with('#') && DIRECTIVES.iter().any(|word| text.starts_with(word));
    line.is_empty() || line.starts_with("#!/") || (!leader_of(line).is_empty() && !directive)
}

fn opens_block(line: &str) -> bool {
    line.starts_with("/*") && !line.contains("*/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(source: &str) -> (String, usize) {
        let head = head_of(source);
        (head.text, head.first_line)
    }

    #[test]
    fn the_head_is_one_run_of_marked_lines() {
        let source = "#! load = \"rom\"\n#!timeout = 3\n# prose\n#! not = \"head\"\n";
        assert_eq!(head(source), ("load = \"rom\"\ntimeout = 3".to_owned(), 1));
        assert!(head_of("    nop\n").is_empty());
        assert!(head_of("    nop\n#! load = \"rom\"\n").is_empty());
        assert!(head_of("#include <a.h>\n//! load = \"rom\"\n").is_empty());
    }

    #[test]
    fn any_comment_will_do_and_others_may_come_before() {
        let wanted = "title = \"x\"\nload = \"rom\"";
        for source in [
            "#! title = \"x\"\n#! load = \"rom\"\n",
            "  ;! title = \"x\"\n  ;! load = \"rom\"\n bits 16",
            ";;! title = \"x\"\n;;! load = \"rom\"\n",
            "//! title = \"x\"\n//! load = \"rom\"\n",
            "/*! title = \"x\"\n *! load = \"rom\"\n */\nint x;",
            "/*\n *! title = \"x\"\n *! load = \"rom\"\n */\n",
            "/* A licence,\n   of two lines. */\n\n/*! title = \"x\" */\n/*! load = \"rom\" */\n",
            "// SPDX-License-Identifier: MIT\n\n//! title = \"x\"\n//! load = \"rom\"\n",
            "#!/usr/bin/env make\n# prose\n#! title = \"x\"\n#! load = \"rom\"\n",
            "%! title = \"x\"\n%! load = \"rom\"\n",
            "--! title = \"x\"\r\n--! load = \"rom\"\r\n",
        ] {
            assert_eq!(head_of(source).text, wanted, "{source}");
        }
        assert_eq!(head_of("; a\n\n;! load = 'rom'").first_line, 3);
    }

    #[test]
    fn an_empty_line_of_a_head_keeps_the_count() {
        assert_eq!(head("#! a = [\n#!\n#! 1]\n"), ("a = [\n\n1]".to_owned(), 1));
    }

    #[test]
    fn prose_with_a_mark_has_no_keys() {
        assert!(!head_of("/*! \\file x.c: if a == b */\n").has_keys());
        assert!(head_of("//! load = 'rom'\n").has_keys());
    }
}
