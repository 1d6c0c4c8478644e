//! The lines for people, which the human report and GitHub's share.

use super::plain::plain;
use crate::case::{Outcome, Points, Summary, Verdict};
use crate::events::{Event, Finish, Suite};
use anstyle::{AnsiColor, Style};
use ringer_input::OneLine;
use std::fmt::Write;
use std::time::Duration;

/// So many slow tests are named at the end.
const NAMED: usize = 10;
/// Where the text behind the first word begins.
const INDENT: &str = "        ";

/// Writes the lines.
#[derive(Debug)]
pub struct Text {
    /// Words are coloured, by ANSI sequences.
    pub coloured: bool,
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();

impl Text {
    /// What is said about an event, whole lines; often nothing.
    pub fn lines(&self, suite: &Suite, event: Event<'_>) -> String {
        match event {
            Event::SuiteStarted | Event::TestStarted { .. } | Event::Idle => String::new(),
            Event::AttemptFailed { number, attempt, count } => {
                let (name, of) = (&suite.cases[number].name, suite.retries_of(number) + 1);
                let what = plain(&attempt.failure.message);
                let word = self.word(ODD, "retry");
                format!("{word}{name}  attempt {count} of {of}: {what}\n")
            }
            Event::Sent { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            Event::Slow { number, time } => {
                let (name, word) = (&suite.cases[number].name, self.word(ODD, "slow"));
                format!("{word}{name}  still runs after {}\n", seconds(time))
            }
            Event::TestFinished { outcome, .. } => self.outcome(outcome),
            Event::SuiteFinished(finish) => self.finish(suite, finish),
        }
    }

    /// A first word in its column.
    fn word(&self, style: Style, word: &str) -> String {
        let padding = &INDENT[word.len()..];
        if self.coloured {
            format!("{style}{word}{style:#}{padding}")
        } else {
            format!("{word}{padding}")
        }
    }

    fn outcome(&self, outcome: &Outcome) -> String {
        let (name, time) = (&outcome.case.name, seconds(outcome.time));
        let attempts = outcome.attempts.len() + 1;
        match &outcome.verdict {
            Verdict::Passed if attempts > 1 => {
                let word = self.word(ODD, "flaky");
                format!("{word}{name}  {time}: passed at attempt {attempts}\n")
            }
            Verdict::Passed => format!("{}{name}  {time}\n", self.word(GOOD, "ok")),
            Verdict::Skipped(why) => {
                format!("{}{name}: {}\n", self.word(ODD, "skipped"), OneLine(why))
            }
            Verdict::Failed(failure) => {
                let word = self.word(BAD, "FAILED");
                let mut text = format!("{word}{name}  {time}: {}\n", plain(&failure.message));
                for line in plain(&failure.details).lines() {
                    text.push_str(format!("{INDENT}{line}").trim_end());
                    text.push('\n');
                }
                text
            }
        }
    }

    fn finish(&self, suite: &Suite, finish: &Finish) -> String {
        let mut text = String::new();
        if let Some(reason) = finish.stopped {
            let during = finish.interrupted.iter().map(|i| suite.cases[*i].name.as_str());
            let during = during.collect::<Vec<_>>().join(", ");
            let during = if during.is_empty() { during } else { format!("; it ran {during}") };
            let _ = writeln!(text, "stopped: {reason}{during}");
        }
        if !finish.slow.is_empty() {
            let named = finish.slow.iter().take(NAMED);
            let slow = named.map(|(i, t)| format!("{} {}", suite.cases[*i].name, seconds(*t)));
            let more = finish.slow.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = writeln!(text, "slow: {}{more}", slow.collect::<Vec<_>>().join(", "));
        }
        let style = if finish.summary.failed > 0 { BAD } else { GOOD };
        let line = closing(&finish.summary, finish.time);
        let _ = if self.coloured {
            writeln!(text, "{style}{line}{style:#}")
        } else {
            writeln!(text, "{line}")
        };
        text
    }
}

/// The last line, which programs may look for: it begins with `N passed, M failed`.
pub fn closing(summary: &Summary, time: Duration) -> String {
    let mut line = format!("{} passed, {} failed", summary.passed, summary.failed);
    for (count, word) in
        [(summary.flaky, "flaky"), (summary.skipped, "skipped"), (summary.not_run, "not run")]
    {
        if count > 0 {
            let _ = write!(line, ", {count} {word}");
        }
    }
    let _ = write!(line, " in {:.1} s", time.as_secs_f64());
    let points = summary.points;
    if points != Points::default() {
        let (passed, failed, skipped) = (points.passed, points.failed, points.skipped);
        let _ = write!(line, "; their cases: {passed} passed, {failed} failed, {skipped} skipped");
    }
    line
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
