//! The report for people: a line for each test as it ends, a bar on a terminal, a summary.

use super::stream::Stream;
use super::text::Text;
use crate::TestkitError;
use crate::case::Verdict;
use crate::events::{Event, Reporter, Suite};
use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

/// How often the bar's clock moves.
const TICK: Duration = Duration::from_millis(200);

/// The report.
pub struct Human {
    out: Stream,
    text: Text,
    bar: ProgressBar,
}

impl Human {
    /// To a file or to standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, TestkitError> {
        let coloured = path.is_none() && AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let bar = if path.is_none() && io::stderr().is_terminal() && !dumb {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        Ok(Self { out: Stream::open(path)?, text: Text { coloured }, bar })
    }
}

impl Reporter for Human {
    fn event(&mut self, suite: &Suite, event: Event<'_>) {
        let lines = self.text.lines(suite, event);
        let Self { out, bar, .. } = self;
        if !lines.is_empty() {
            bar.suspend(|| out.write(&lines));
        }
        match event {
            Event::SuiteStarted => {
                bar.set_length(suite.cases.len() as u64);
                if let Ok(style) =
                    ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}")
                {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(TICK);
            }
            Event::TestFinished { outcome, .. } => {
                bar.inc(1);
                if matches!(outcome.verdict, Verdict::Failed(_)) {
                    bar.set_message("with failures");
                }
            }
            Event::SuiteFinished(_) => bar.finish_and_clear(),
            _ => {}
        }
    }

    fn finish(&mut self) -> Result<(), TestkitError> {
        self.out.finish()
    }
}
