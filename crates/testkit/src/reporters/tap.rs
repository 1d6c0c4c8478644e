//! The report in the Test Anything Protocol, version 13.
//!
//! Invariant: results are in the order of their numbers, however many tests run at a time. One that
//! ends before an earlier one is written at once as a comment, so that it is known whatever happens,
//! and in its place when it is its turn.

use super::plain::plain;
use super::stream::Stream;
use super::text::closing;
use crate::TestkitError;
use crate::case::{Outcome, Point, PointVerdict, Verdict};
use crate::events::{Event, Reporter, Suite};
use ringer_input::OneLine;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The report.
pub struct Tap {
    out: Stream,
    /// The number of the next result, from 0.
    next: usize,
    /// Results that came before their turn.
    early: BTreeMap<usize, String>,
}

impl Tap {
    /// To a file or to standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, TestkitError> {
        Ok(Self { out: Stream::open(path)?, next: 0, early: BTreeMap::new() })
    }

    fn result(&mut self, number: usize, outcome: &Outcome) {
        let (line, whole) = test(number, outcome);
        if number != self.next {
            self.out.write(&format!("# early: {line}\n"));
        }
        self.early.insert(number, whole);
        while let Some(whole) = self.early.remove(&self.next) {
            self.out.write(&whole);
            self.next += 1;
        }
    }
}

impl Reporter for Tap {
    fn event(&mut self, suite: &Suite, event: Event<'_>) {
        match event {
            Event::SuiteStarted => {
                let count = suite.cases.len();
                let skip = if count == 0 { " # SKIP no tests" } else { "" };
                self.out.write(&format!("TAP version 13\n1..{count}{skip}\n"));
            }
            Event::AttemptFailed { number, attempt, count } => {
                let name = &suite.cases[number].name;
                let what = &attempt.failure.message;
                self.out.write(&comments(&format!("{name}: attempt {count}: {what}")));
            }
            Event::TestFinished { number, outcome } => self.result(number, outcome),
            Event::SuiteFinished(finish) => {
                for whole in std::mem::take(&mut self.early).into_values() {
                    self.out.write(&whole);
                }
                self.out.write(&comments(&closing(&finish.summary, finish.time)));
                if let Some(reason) = finish.stopped {
                    self.out.write(&format!("Bail out! {reason}\n"));
                }
            }
            Event::TestStarted { .. } | Event::Sent { .. } | Event::Slow { .. } => {}
            Event::Idle => self.out.retry(),
        }
    }

    fn finish(&mut self) -> Result<(), TestkitError> {
        self.out.finish()
    }
}

/// A test's line, and the line with the subtests before it and the diagnostics behind it.
fn test(number: usize, outcome: &Outcome) -> (String, String) {
    let name = escaped(&outcome.case.name);
    let (ok, directive) = match &outcome.verdict {
        Verdict::Passed => ("ok", String::new()),
        Verdict::Skipped(why) => ("ok", format!(" # SKIP {}", one_line(why))),
        Verdict::Failed(_) => ("not ok", String::new()),
    };
    let line = format!("{ok} {} - {name}{directive}", number + 1);
    let mut whole = subtest(&name, &outcome.points);
    let _ = writeln!(whole, "{line}");
    if let Verdict::Failed(failure) = &outcome.verdict {
        whole += &comments(&failure.message);
        whole += &comments(&failure.details);
    }
    (line, whole)
}

/// The cases within a test, as TAP 14 has them; older consumers overlook indented lines.
fn subtest(name: &str, points: &[Point]) -> String {
    if points.is_empty() {
        return String::new();
    }
    let mut text = format!("# Subtest: {name}\n    1..{}\n", points.len());
    for (number, point) in points.iter().enumerate() {
        let ok = if point.verdict.is_failure() { "not ok" } else { "ok" };
        let directive = match point.verdict {
            PointVerdict::Skipped => " # SKIP",
            PointVerdict::ExpectedFailure => " # an expected failure",
            _ => "",
        };
        let _ = writeln!(text, "    {ok} {} - {}{directive}", number + 1, escaped(&point.name));
    }
    text
}

/// A description: one line, without the sign that begins a directive.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

fn one_line(text: &str) -> String {
    OneLine(text.split_whitespace().collect::<Vec<_>>().join(" ")).to_string()
}

fn comments(text: &str) -> String {
    plain(text).lines().fold(String::new(), |all, line| all + format!("# {line}").trim_end() + "\n")
}
