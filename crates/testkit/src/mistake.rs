//! What is wrong with a description, said so that it can be mended: the line, the key, what is allowed.

use ringer_input::{OneLine, shown};
use std::fmt;

/// A mistake in a TOML text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line of the text, from 1, if it has one.
    pub line: Option<usize>,
    /// The key and what is wrong, in one line.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Mistake {
    /// A key that has a value which cannot be.
    #[must_use]
    pub fn of_key(text: &str, key: &str, problem: &str, allowed: Option<&str>) -> Self {
        let allowed = allowed.map(|what| format!("; allowed: {what}")).unwrap_or_default();
        let message = OneLine(format_args!("{key}: {problem}{allowed}")).to_string();
        Self { line: line_of(text, key), message }
    }

    /// What the parser refused. `allowed` says for a key what it may be.
    #[must_use]
    pub fn of_toml(
        text: &str,
        error: &toml::de::Error,
        allowed: impl Fn(&str) -> Option<&'static str>,
    ) -> Self {
        let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count());
        // A span at the beginning of a line has only the lines before it in front.
        let at_start =
            error.span().is_some_and(|span| span.start == 0 || text[..span.start].ends_with('\n'));
        let line = line.map(|before| (before + usize::from(at_start)).max(1));
        let told = error.message().lines().collect::<Vec<_>>().join(" ");
        // A value of several lines has its key before it.
        let lines: Vec<&str> = text.lines().take(line.unwrap_or(0)).collect();
        let key = lines.iter().rev().find_map(|line| key_of(line));
        let message = match (key, found(&told)) {
            _ if told.starts_with("unknown field") => unknown(&told),
            (Some(key), Some(found)) => match allowed(&key) {
                Some(allowed) => format!("{key}: {found} will not do; allowed: {allowed}"),
                None => format!("{key}: {found} will not do"),
            },
            (Some(key), None) => format!("{key}: {}", told.replace('`', "'")),
            (None, _) => told.replace('`', "'"),
        };
        Self { line, message: OneLine(message).to_string() }
    }

    /// Where it is, and what it is: `FILE:LINE: MESSAGE`; `offset` is the number of lines before the text in the
    /// file.
    #[must_use]
    pub fn in_file(&self, file: &std::path::Path, offset: usize) -> String {
        match self.line {
            Some(line) => format!("{}:{}: {}", shown(file), offset + line, self.message),
            None => format!("{}: {}", shown(file), self.message),
        }
    }
}

/// The first line that assigns to `key`, from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines().position(|line| key_of(line).as_deref() == Some(key)).map(|index| index + 1)
}

/// The key that a line assigns to.
fn key_of(line: &str) -> Option<String> {
    let key = line.split_once('=')?.0.trim().trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!key.is_empty() && key.chars().all(plain)).then(|| key.to_owned())
}

/// What stood where something else was expected, of the deserialiser's "invalid type: X, expected Y".
fn found(told: &str) -> Option<&str> {
    let rest = told.strip_prefix("invalid type: ").or(told.strip_prefix("invalid value: "))?;
    Some(rest.rsplit_once(", expected").map_or(rest, |(found, _)| found))
}

/// "unknown field `x`, expected one of `a`, `b`".
fn unknown(told: &str) -> String {
    let mut names = told.split('`').skip(1).step_by(2);
    let key = names.next().unwrap_or_default();
    let allowed: Vec<&str> = names.collect();
    let like = allowed
        .iter()
        .filter(|name| distance(key, name) <= 2)
        .min_by_key(|name| distance(key, name));
    let meant = like.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
    format!("{key}: no such key{meant}; allowed: {}", allowed.join(", "))
}

/// Letters to change, leave out, add or swap to come from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[allow(dead_code)]
    struct Sample {
        load: Option<Kind>,
        timeout: Option<f64>,
        list: Option<Vec<u8>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Rom,
        Flat,
    }

    fn told(text: &str) -> (Option<usize>, String) {
        let error = toml::from_str::<Sample>(text).expect_err(text);
        let allowed = |key: &str| (key == "timeout").then_some("seconds");
        let mistake = Mistake::of_toml(text, &error, allowed);
        (mistake.line, mistake.message)
    }

    #[test]
    fn line_key_and_what_is_allowed_are_told() {
        let (line, message) = told("load = 'rom'\n\ntiemout = 3\n");
        assert_eq!(line, Some(3));
        assert_eq!(
            message,
            "tiemout: no such key (did you mean timeout?); allowed: load, timeout, list"
        );
        let (line, message) = told("# x\nload = 'tape'\n");
        assert_eq!(line, Some(2));
        assert!(message.starts_with("load: ") && message.contains("'rom'"), "{message}");
        let (line, message) = told("load = 'rom'\ntimeout = 'soon'");
        assert_eq!(line, Some(2));
        assert!(message.starts_with("timeout: string \"soon\""), "{message}");
        assert!(message.ends_with("allowed: seconds"), "{message}");
        let (line, message) = told("load =");
        assert_eq!((line, message.lines().count()), (Some(1), 1), "{message}");
        let (line, message) = told("list = [1,\n 2,\n 300]");
        assert_eq!(line, Some(3), "{message}");
    }

    #[test]
    fn a_place_in_a_file_counts_the_lines_before() {
        let mistake = Mistake::of_key("a = 1\nb = 2", "b", "is odd", Some("1"));
        let file = std::path::Path::new("x.s");
        assert_eq!(mistake.in_file(file, 4), "x.s:6: b: is odd; allowed: 1");
        let nowhere = Mistake::of_key("a = 1", "c", "is missing", None);
        assert_eq!(nowhere.in_file(file, 4), "x.s: c: is missing");
    }
}
