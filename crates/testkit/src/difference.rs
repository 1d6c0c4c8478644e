//! Expected against got, for people: a unified diff of two texts, and the end of a text.

use similar::TextDiff;

/// Lines around a difference.
const CONTEXT: usize = 3;
/// Lines of a diff that are shown.
const LINES: usize = 60;
/// Characters of a line that are shown.
const WIDTH: usize = 200;

/// The lines that differ, `-` before what was expected, `+` before what came, with the lines around them. What cannot be
/// seen is written as an escape.
#[must_use]
pub fn diff(expected: &str, got: &str) -> String {
    let diff = TextDiff::from_lines(expected, got);
    let mut lines = vec!["--- expected".to_owned(), "+++ got".to_owned()];
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        lines.push(hunk.header().to_string());
        for change in hunk.iter_changes() {
            let line = change.value();
            lines.push(format!(
                "{}{}",
                change.tag(),
                visible(line.strip_suffix('\n').unwrap_or(line))
            ));
            if !line.ends_with('\n') {
                lines.push("\\ no newline at the end".to_owned());
            }
        }
    }
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        lines.truncate(LINES);
        lines.push(format!("… {more} more lines"));
    }
    lines.join("\n")
}

/// The last lines of a text, `count` at most.
#[must_use]
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let skip = lines.len().saturating_sub(count);
    let shown = lines[skip..].iter().map(|line| visible(line));
    shown.collect::<Vec<_>>().join("\n")
}

/// A line with escapes for what cannot be seen, only its beginning if it is long.
fn visible(line: &str) -> String {
    let escaped = line.chars().take(WIDTH).flat_map(|c| {
        let plain = !c.is_control() || c == '\t';
        let escape = (!plain).then(|| c.escape_default());
        escape.into_iter().flatten().chain(plain.then_some(c))
    });
    let mut text: String = escaped.collect();
    if line.chars().nth(WIDTH).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_differs_and_what_is_around() {
        let expected = "a\r\nb\nc\nd\ne\nf\n";
        let got = "a\r\nb\nc\nX\ne\nf";
        let wanted = "--- expected\n+++ got\n@@ -1,6 +1,6 @@\n a\\r\n b\n c\n-d\n+X\n e\n-f\n+f\n\
                      \\ no newline at the end";
        assert_eq!(diff(expected, got), wanted);
    }

    #[test]
    fn much_is_cut() {
        let got: String = (0..500).map(|n| format!("{n}\n")).collect();
        let text = diff("", &got);
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.ends_with("more lines"), "{text}");
        assert_eq!(tail(&got, 2), "498\n499");
        assert_eq!(tail(&"x".repeat(500), 1).chars().count(), WIDTH + 1);
        assert_eq!(tail("\u{1b}[1mbold", 1), "\\u{1b}[1mbold");
    }
}
