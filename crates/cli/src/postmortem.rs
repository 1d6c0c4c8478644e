//! What is told of an end that was hardly meant: registers, the last exceptions, a hint.

use ringer_input::OneLine;
use ringer_testkit::RunReport;
use std::fmt;

/// Exceptions that are shown.
const SHOWN: usize = 6;

/// The post-mortem of a run, as lines behind the one that says how it ended.
pub struct PostMortem<'a>(pub &'a RunReport);

impl fmt::Display for PostMortem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        for line in report.register_lines() {
            writeln!(f, "  {line}")?;
        }
        let skipped = report.exceptions.len().saturating_sub(SHOWN);
        if !report.exceptions.is_empty() {
            writeln!(f, "  last exceptions:")?;
        }
        for event in &report.exceptions[skipped..] {
            writeln!(f, "    {}", OneLine(event))?;
        }
        for line in report.screen_lines() {
            writeln!(f, "  {}", OneLine(line))?;
        }
        if let Some(hint) = &report.hint {
            writeln!(f, "  hint: {}", OneLine(hint))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_testkit::EventLine;

    #[test]
    fn the_last_exceptions_are_shown_and_every_line_is_set_in() {
        let event = |n: usize| EventLine { what: format!("#{n}"), ..EventLine::default() };
        let report = RunReport {
            registers: [("eax".to_owned(), "0x00000001".to_owned())].into(),
            exceptions: (0..9).map(event).collect(),
            hint: Some("do it".to_owned()),
            ..RunReport::default()
        };
        let text = PostMortem(&report).to_string();
        assert!(text.lines().all(|line| line.starts_with("  ")), "{text}");
        assert!(text.contains("  eax 00000001\n  last exceptions:\n    #3 at"), "{text}");
        assert!(text.ends_with("#8 at 0000:00000000\n  hint: do it\n"), "{text}");
    }
}
