//! The cases that a guest tells of itself: lines of its output that begin with a verdict.

use crate::case::{Point, PointVerdict};

/// The words and what they mean.
const WORDS: [(&str, PointVerdict); 5] = [
    ("PASS: ", PointVerdict::Passed),
    ("FAIL: ", PointVerdict::Failed),
    ("SKIP: ", PointVerdict::Skipped),
    ("XFAIL: ", PointVerdict::ExpectedFailure),
    ("XPASS: ", PointVerdict::UnexpectedPass),
];

/// Those of an output, in its order.
#[must_use]
pub fn points(serial: &[u8]) -> Vec<Point> {
    let text = String::from_utf8_lossy(serial);
    let point = |line: &str| {
        WORDS.iter().find_map(|(word, verdict)| {
            let name = line.trim_end().strip_prefix(word)?;
            Some(Point { name: name.trim().to_owned(), verdict: *verdict })
        })
    };
    text.lines().filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_verdict_are_cases() {
        let text =
            b"enabling\r\nPASS: a: b\r\nFAIL: c\nSKIP: d (no such thing)\nXFAIL: e\nXPASS: f\n\
                     INFO: PASS: no\nPASSED\nSUMMARY: 5 tests\n";
        let all = points(text);
        let names: Vec<&str> = all.iter().map(|point| point.name.as_str()).collect();
        assert_eq!(names, ["a: b", "c", "d (no such thing)", "e", "f"]);
        let failures = all.iter().filter(|point| point.verdict.is_failure());
        assert_eq!(failures.map(|point| &*point.name).collect::<Vec<_>>(), ["c", "f"]);
    }
}
