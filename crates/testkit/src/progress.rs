//! Tells about tests as they end: a line each, a bar on a terminal, a summary; or TAP.

use crate::TestkitError;
use crate::case::{Case, Outcome, Summary, Verdict};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

/// The teller; workers share it.
#[derive(Debug)]
pub struct Progress {
    tap: bool,
    bar: ProgressBar,
    /// The first failure to write; the suite goes on without an audience.
    error: Mutex<Option<io::Error>>,
}

impl Progress {
    /// A teller for these tests.
    pub fn new(tap: bool, cases: &[Case]) -> Self {
        let total = cases.len() as u64;
        let bar = if !tap && io::stderr().is_terminal() {
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}") {
            bar.set_style(style);
        }
        let progress = Self { tap, bar, error: Mutex::new(None) };
        if tap {
            progress.say(&format!("TAP version 13\n1..{total}"));
        }
        progress
    }

    fn say(&self, line: &str) {
        let result = self.bar.suspend(|| writeln!(io::stdout(), "{line}"));
        if let (Err(error), Ok(mut first)) = (result, self.error.lock()) {
            first.get_or_insert(error);
        }
    }

    /// Test number `index` ended.
    pub fn outcome(&self, index: usize, outcome: &Outcome) {
        let name = &outcome.case.name;
        let seconds = outcome.time.as_secs_f64();
        let line = match (&outcome.verdict, self.tap) {
            (Verdict::Passed, true) => format!("ok {} - {name}", index + 1),
            (Verdict::Skipped(why), true) => format!("ok {} - {name} # SKIP {why}", index + 1),
            (Verdict::Failed(failure), true) => {
                let text = format!("{}\n{}", failure.message, failure.details);
                format!("not ok {} - {name}\n{}", index + 1, diagnostics(&text))
            }
            (Verdict::Passed, false) => {
                let word = if outcome.is_flaky() { "FLAKY " } else { "ok    " };
                format!("{word}  {name}  {seconds:.2} s")
            }
            (Verdict::Skipped(why), false) => format!("skipped {name}: {why}"),
            (Verdict::Failed(failure), false) => {
                let text = format!("{}\n{}", failure.message, failure.details);
                format!("FAILED  {name}  {seconds:.2} s: {}", indented(text.trim_end()))
            }
        };
        self.say(&line);
        self.bar.inc(1);
        if outcome.failure().is_some() {
            self.bar.set_message("with failures");
        }
    }

    /// All tests ended.
    ///
    /// # Errors
    /// When something could not be written on the way.
    pub fn finish(&self, summary: Summary, time: Duration) -> Result<(), TestkitError> {
        self.bar.finish_and_clear();
        let (passed, failed) = (summary.passed, summary.failed);
        let mut line = format!("{passed} passed, {failed} failed");
        for (count, word) in
            [(summary.skipped, "skipped"), (summary.flaky, "flaky"), (summary.not_run, "not run")]
        {
            if count > 0 {
                line += &format!(", {count} {word}");
            }
        }
        line += &format!(" in {:.1} s", time.as_secs_f64());
        self.say(&if self.tap { format!("# {line}") } else { line });
        let error = self.error.lock().ok().and_then(|mut e| e.take());
        let what = "standard output".to_owned();
        error.map_or(Ok(()), |source| Err(TestkitError::Write { what, source }))
    }
}

/// The lines of a reason as TAP diagnostics.
fn diagnostics(why: &str) -> String {
    why.lines().map(|l| format!("# {l}")).collect::<Vec<_>>().join("\n")
}

/// The lines of a reason, those after the first indented.
fn indented(why: &str) -> String {
    why.lines().collect::<Vec<_>>().join("\n        ")
}
