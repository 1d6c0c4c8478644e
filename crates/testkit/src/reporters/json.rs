//! The report as JSON, an object a line, one for each event; docs/test-reports.md has the fields.
//!
//! Fields and events are only ever added as long as the schema's number stays.

use super::stream::Stream;
use crate::TestkitError;
use crate::case::{Case, Failure, Outcome, Point, PointVerdict, Summary, Verdict};
use crate::events::{Event, Finish, Reporter, Suite};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

/// The number of the schema.
const SCHEMA: u32 = 1;

/// The report.
pub struct Json {
    out: Stream,
}

impl Json {
    /// To a file or to standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, TestkitError> {
        Ok(Self { out: Stream::open(path)? })
    }
}

impl Reporter for Json {
    fn event(&mut self, suite: &Suite, event: Event<'_>) {
        let Some(line) = line(suite, event) else { return self.out.retry() };
        // Maps have text for keys and numbers are finite, so there is always a text.
        if let Ok(text) = serde_json::to_string(&line) {
            self.out.write(&(text + "\n"));
        }
    }

    fn finish(&mut self) -> Result<(), TestkitError> {
        self.out.finish()
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    SuiteStarted {
        schema: u32,
        version: &'static str,
        time: String,
        tests: usize,
        jobs: usize,
        shard: Option<String>,
        retries: u32,
    },
    TestStarted {
        time: String,
        test: Test<'a>,
        attempt: u32,
    },
    AttemptFailed {
        test: Test<'a>,
        attempt: u32,
        time: String,
        seconds: f64,
        failure: Wrong<'a>,
        serial: String,
    },
    TestSent {
        test: Test<'a>,
        serial: String,
    },
    TestSlow {
        test: Test<'a>,
        seconds: f64,
    },
    TestFinished(Box<Finished<'a>>),
    SuiteFinished {
        #[serde(flatten)]
        count: Count,
        seconds: f64,
        stopped: Option<Stopped>,
        interrupted: Vec<&'a str>,
        slow: Vec<Slow<'a>>,
    },
}

#[derive(Serialize)]
struct Finished<'a> {
    test: Test<'a>,
    result: &'static str,
    flaky: bool,
    attempts: usize,
    time: String,
    seconds: f64,
    failure: Option<Wrong<'a>>,
    reason: Option<&'a str>,
    cases: Vec<Within<'a>>,
    serial: String,
}

/// What is said of a test in each event about it.
#[derive(Serialize)]
struct Test<'a> {
    number: usize,
    name: &'a str,
    file: String,
    engine: String,
    title: Option<&'a str>,
    tags: &'a [String],
}

#[derive(Serialize)]
struct Wrong<'a> {
    kind: &'static str,
    error: bool,
    message: &'a str,
    details: &'a str,
    line: Option<u32>,
}

#[derive(Serialize)]
struct Within<'a> {
    name: &'a str,
    result: &'static str,
}

#[derive(Serialize)]
struct Count {
    passed: usize,
    failed: usize,
    flaky: usize,
    skipped: usize,
    not_run: usize,
    cases_passed: usize,
    cases_failed: usize,
    cases_skipped: usize,
}

#[derive(Serialize)]
struct Stopped {
    reason: &'static str,
    signal: Option<i32>,
}

#[derive(Serialize)]
struct Slow<'a> {
    number: usize,
    name: &'a str,
    seconds: f64,
}

fn line<'a>(suite: &'a Suite, event: Event<'a>) -> Option<Line<'a>> {
    let test = |number: usize| test(number, &suite.cases[number]);
    Some(match event {
        Event::SuiteStarted => Line::SuiteStarted {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            time: time(suite.started),
            tests: suite.cases.len(),
            jobs: suite.jobs,
            shard: suite.shard.map(|(k, n)| format!("{k}/{n}")),
            retries: suite.retries,
        },
        Event::TestStarted { number, attempt } => {
            Line::TestStarted { time: time(SystemTime::now()), test: test(number), attempt }
        }
        Event::AttemptFailed { number, attempt, count } => Line::AttemptFailed {
            test: test(number),
            attempt: count,
            time: time(attempt.started),
            seconds: attempt.time.as_secs_f64(),
            failure: wrong(&attempt.failure),
            serial: text(&attempt.serial),
        },
        Event::Sent { number, bytes } => Line::TestSent { test: test(number), serial: text(bytes) },
        Event::Slow { number, time } => {
            Line::TestSlow { test: test(number), seconds: time.as_secs_f64() }
        }
        Event::TestFinished { number, outcome } => {
            Line::TestFinished(Box::new(finished(test(number), outcome)))
        }
        Event::SuiteFinished(finish) => suite_finished(suite, finish),
        Event::Idle => return None,
    })
}

fn finished<'a>(test: Test<'a>, outcome: &'a Outcome) -> Finished<'a> {
    let (result, failure, reason) = match &outcome.verdict {
        Verdict::Passed => ("passed", None, None),
        Verdict::Failed(failure) => ("failed", Some(wrong(failure)), None),
        Verdict::Skipped(why) => ("skipped", None, Some(why.as_str())),
    };
    Finished {
        test,
        result,
        flaky: outcome.is_flaky(),
        attempts: outcome.attempts.len() + 1,
        time: time(outcome.started),
        seconds: outcome.time.as_secs_f64(),
        failure,
        reason,
        cases: outcome.points.iter().map(within).collect(),
        serial: text(&outcome.serial),
    }
}

fn suite_finished<'a>(suite: &'a Suite, finish: &Finish) -> Line<'a> {
    let slow = finish.slow.iter().map(|(number, time)| Slow {
        number: number + 1,
        name: &suite.cases[*number].name,
        seconds: time.as_secs_f64(),
    });
    let signal = |reason| match reason {
        crate::stop::Reason::Signal(number) => Some(number),
        _ => None,
    };
    Line::SuiteFinished {
        count: count(&finish.summary),
        seconds: finish.time.as_secs_f64(),
        stopped: finish
            .stopped
            .map(|reason| Stopped { reason: reason.name(), signal: signal(reason) }),
        interrupted: finish.interrupted.iter().map(|i| suite.cases[*i].name.as_str()).collect(),
        slow: slow.collect(),
    }
}

fn test(number: usize, case: &Case) -> Test<'_> {
    Test {
        number: number + 1,
        name: &case.name,
        file: case.origin.display().to_string(),
        engine: case.engine.to_string(),
        title: case.spec.title.as_deref(),
        tags: &case.spec.tags,
    }
}

fn wrong(failure: &Failure) -> Wrong<'_> {
    Wrong {
        kind: failure.kind.name(),
        error: failure.kind.is_error(),
        message: &failure.message,
        details: &failure.details,
        line: failure.line,
    }
}

fn within(point: &Point) -> Within<'_> {
    let result = match point.verdict {
        PointVerdict::Passed => "passed",
        PointVerdict::Failed => "failed",
        PointVerdict::Skipped => "skipped",
        PointVerdict::ExpectedFailure => "expected-failure",
        PointVerdict::UnexpectedPass => "unexpected-pass",
    };
    Within { name: &point.name, result }
}

fn count(summary: &Summary) -> Count {
    Count {
        passed: summary.passed,
        failed: summary.failed,
        flaky: summary.flaky,
        skipped: summary.skipped,
        not_run: summary.not_run,
        cases_passed: summary.points.passed,
        cases_failed: summary.points.failed,
        cases_skipped: summary.points.skipped,
    }
}

fn text(serial: &[u8]) -> String {
    String::from_utf8_lossy(serial).into_owned()
}

/// As RFC 3339 has it, in UTC.
fn time(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}
