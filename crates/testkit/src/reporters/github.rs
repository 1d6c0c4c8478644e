//! The lines for people with the annotations that GitHub's workflows show at the place in the source.
//!
//! Invariant: no text that a guest wrote is taken for a command of the workflow: commands are off
//! while it is printed, by a word that it cannot know.

use super::plain::plain;
use super::stream::Stream;
use super::text::Text;
use crate::TestkitError;
use crate::case::{Outcome, Verdict};
use crate::events::{Event, Reporter, Suite};
use ringer_input::OneLine;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// The report.
pub struct Github {
    out: Stream,
    text: Text,
    token: String,
    /// Files are named relative to the checkout.
    root: PathBuf,
}

impl Github {
    /// To a file or to standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, TestkitError> {
        let token = format!("ringer-{:016x}", RandomState::new().hash_one(0));
        let given = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
        let root = given.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        Ok(Self { out: Stream::open(path)?, text: Text { coloured: false }, token, root })
    }

    /// The annotation for a test that failed, or passed only when it was repeated.
    fn annotation(&self, outcome: &Outcome) -> String {
        let name = &outcome.case.name;
        let (level, line, text) = match &outcome.verdict {
            Verdict::Failed(failure) => {
                let text = format!("{}\n{}", failure.message, failure.details);
                ("error", failure.line, text)
            }
            Verdict::Passed if outcome.is_flaky() => {
                let attempts = outcome.attempts.len() + 1;
                let first = outcome.attempts.first().map_or("", |a| a.failure.message.as_str());
                let text = format!("flaky: passed at attempt {attempts}; before that: {first}");
                ("warning", None, text)
            }
            _ => return String::new(),
        };
        let file = self.relative(&outcome.case.origin);
        let line = line.map_or(String::new(), |line| format!(",line={line}"));
        let (file, title) = (property(&OneLine(file).to_string()), property(name));
        format!("::{level} file={file}{line},title={title}::{}\n", data(plain(&text).trim_end()))
    }

    fn relative(&self, file: &Path) -> String {
        let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        whole.strip_prefix(&self.root).unwrap_or(file).display().to_string()
    }
}

impl Reporter for Github {
    fn event(&mut self, suite: &Suite, event: Event<'_>) {
        let lines = self.text.lines(suite, event);
        // Old commands are recognised anywhere in a line, new ones behind spaces.
        let foreign = lines.contains("::") || lines.contains("##[");
        if foreign {
            self.out.write(&format!("::stop-commands::{0}\n{lines}::{0}::\n", self.token));
        } else if !lines.is_empty() {
            self.out.write(&lines);
        }
        match event {
            Event::TestFinished { outcome, .. } => {
                let annotation = self.annotation(outcome);
                if !annotation.is_empty() {
                    self.out.write(&annotation);
                }
            }
            Event::SuiteFinished(finish) => {
                if let Some(reason) = finish.stopped {
                    let text = data(&format!("{reason}; {} tests not run", finish.summary.not_run));
                    self.out.write(&format!("::error title=ringer test::{text}\n"));
                }
            }
            Event::Idle => self.out.retry(),
            _ => {}
        }
    }

    fn finish(&mut self) -> Result<(), TestkitError> {
        self.out.finish()
    }
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
