//! The report as JUnit XML, by the schema that Jenkins calls junit-10.xsd: a suite for each program,
//! in it a case for each engine and each case that the program itself counts.
//!
//! Invariant: at every moment after the start the file is a whole document about the whole suite.
//! It is written anew beside itself and renamed, so neither a signal nor a full disk damages it;
//! what has not run (yet) is in it as skipped, so half a suite is not taken for a good one.

use super::plain::plain;
use crate::TestkitError;
use crate::case::{Attempt, Case, Failure, Outcome, PointVerdict, Verdict};
use crate::events::{Event, Reporter, Suite};
use chrono::{DateTime, FixedOffset, Utc};
use quick_junit::{
    NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite, XmlString,
};
use ringer_input::shown;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Writing anew may take one part in so many of the time.
const SHARE: u32 = 10;

/// The report.
pub struct Junit {
    /// `None`: standard output.
    path: Option<PathBuf>,
    /// A file can be replaced; anything else is written once, at the end.
    replaceable: bool,
    tests: Vec<Option<Done>>,
    /// The programs' files, and their tests.
    programs: Vec<(PathBuf, Vec<usize>)>,
    /// Why the rest has not run.
    not_run: String,
    dirty: bool,
    written: Option<(Instant, Duration)>,
    error: Option<io::Error>,
}

/// A test that ended.
struct Done {
    cases: Vec<TestCase>,
    started: SystemTime,
    time: Duration,
}

impl Junit {
    /// To a file or to standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, TestkitError> {
        // Through a link its target is replaced.
        let path = path.map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
        let mut replaceable = false;
        if let Some(path) = &path {
            let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            let is_file = opened.and_then(|file| file.metadata()).map(|m| m.is_file());
            let create = |source| TestkitError::Create { path: path.clone(), source };
            replaceable = is_file.map_err(create)?;
        }
        Ok(Self {
            path,
            replaceable,
            tests: Vec::new(),
            programs: Vec::new(),
            not_run: "not run".to_owned(),
            dirty: false,
            written: None,
            error: None,
        })
    }

    fn start(&mut self, suite: &Suite) {
        self.tests.resize_with(suite.cases.len(), || None);
        for (number, case) in suite.cases.iter().enumerate() {
            match self.programs.iter_mut().find(|(origin, _)| *origin == case.origin) {
                Some((_, tests)) => tests.push(number),
                None => self.programs.push((case.origin.clone(), vec![number])),
            }
        }
        self.programs.sort();
    }

    /// Writes what is new, if it is time for it.
    fn refresh(&mut self, suite: &Suite, now: bool) {
        let due = self.written.is_none_or(|(when, cost)| when.elapsed() >= cost * SHARE);
        if self.replaceable && self.dirty && (due || now) {
            let began = Instant::now();
            self.write(suite);
            self.written = Some((Instant::now(), began.elapsed()));
        }
    }

    fn write(&mut self, suite: &Suite) {
        let result = document(&self.report(suite)).and_then(|text| match &self.path {
            Some(path) if self.replaceable => replace(path, text.as_bytes()),
            Some(path) => fs::write(path, text),
            None => io::Write::write_all(&mut io::stdout(), text.as_bytes()),
        });
        self.dirty = result.is_err();
        self.error = result.err();
    }

    fn report(&self, suite: &Suite) -> Report {
        let mut report = Report::new("ringer test");
        report.set_time(suite.started.elapsed().unwrap_or_default());
        for (origin, numbers) in &self.programs {
            report.add_test_suite(self.program(suite, origin, numbers));
        }
        report
    }

    fn program(&self, suite: &Suite, origin: &Path, numbers: &[usize]) -> TestSuite {
        let done = || numbers.iter().filter_map(|number| self.tests[*number].as_ref());
        let first = done().map(|done| done.started).min();
        let title = numbers.iter().find_map(|number| suite.cases[*number].spec.title.as_deref());
        let mut program = TestSuite::new(plain(title.unwrap_or(&origin.display().to_string())));
        program.set_timestamp(date(first.unwrap_or(suite.started)));
        program.set_time(done().map(|done| done.time).sum());
        program.extra.insert(XmlString::new("file"), file(origin));
        for number in numbers {
            let case = &suite.cases[*number];
            match &self.tests[*number] {
                Some(done) => {
                    program.add_test_cases(done.cases.iter().cloned());
                }
                None => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(plain(&self.not_run));
                    program.add_test_case(named(case, &case.name, status));
                }
            }
        }
        if let Some(title) = title {
            program
                .add_property(Property::new(XmlString::new("title"), XmlString::new(plain(title))));
        }
        program
    }
}

impl Reporter for Junit {
    fn event(&mut self, suite: &Suite, event: Event<'_>) {
        match event {
            Event::SuiteStarted => {
                self.start(suite);
                self.dirty = true;
                self.refresh(suite, true);
            }
            Event::TestFinished { number, outcome } => {
                self.tests[number] = Some(test(outcome));
                self.dirty = true;
                self.refresh(suite, false);
            }
            Event::SuiteFinished(finish) => {
                if let Some(reason) = finish.stopped {
                    self.not_run = format!("not run: {reason}");
                }
                self.write(suite);
            }
            Event::Idle => self.refresh(suite, false),
            Event::TestStarted { .. }
            | Event::AttemptFailed { .. }
            | Event::Sent { .. }
            | Event::Slow { .. } => {}
        }
    }

    fn finish(&mut self) -> Result<(), TestkitError> {
        let path = self.path.as_ref();
        let what = path.map_or("standard output".to_owned(), |path| shown(path).to_string());
        self.error.take().map_or(Ok(()), |source| Err(TestkitError::Write { what, source }))
    }
}

/// The text of a report. The schema has no count of skipped tests for all suites together, so it goes.
fn document(report: &Report) -> io::Result<String> {
    let text = report.to_string().map_err(io::Error::other)?;
    let count = format!(" skipped=\"{}\"", report.skipped);
    Ok(text.replacen(&count, "", 1))
}

/// Puts `bytes` in the place of the file, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = path.with_file_name(name);
    let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        // What is left of the attempt helps nobody.
        let _ = fs::remove_file(&new);
        // A folder in which nothing new can be made: then in place.
        let kept_out = matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::ResourceBusy
        );
        return if kept_out { fs::write(path, bytes) } else { Err(error) };
    }
    Ok(())
}

/// A test's case, and those that its program counts.
fn test(outcome: &Outcome) -> Done {
    let case = &outcome.case;
    let mut whole = named(case, &case.name, status(outcome));
    whole.set_time(outcome.time);
    if !outcome.serial.is_empty() {
        whole.set_system_out(plain(&String::from_utf8_lossy(&outcome.serial)));
    }
    let mut cases = vec![whole];
    for point in &outcome.points {
        let status = if point.verdict.is_failure() {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("case").set_message(plain(&point.name));
            status
        } else if point.verdict == PointVerdict::Skipped {
            TestCaseStatus::skipped()
        } else {
            TestCaseStatus::success()
        };
        cases.push(named(case, &format!("{}: {}", case.name, point.name), status));
    }
    Done { cases, started: outcome.started, time: outcome.time }
}

fn named(case: &Case, name: &str, status: TestCaseStatus) -> TestCase {
    let mut test = TestCase::new(plain(name), status);
    test.set_classname(file(&case.origin));
    test
}

fn status(outcome: &Outcome) -> TestCaseStatus {
    let mut status = match &outcome.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Skipped(why) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(plain(why));
            status
        }
        Verdict::Failed(failure) => {
            let mut status = TestCaseStatus::non_success(kind(failure));
            status.set_type(failure.kind.name());
            status.set_message(plain(&failure.message));
            status.set_description(plain(&whole(failure)));
            status
        }
    };
    status.add_reruns(outcome.attempts.iter().map(rerun));
    status
}

/// An earlier attempt. The schema has no time for it.
fn rerun(attempt: &Attempt) -> TestRerun {
    let failure = &attempt.failure;
    let mut rerun = TestRerun::new(kind(failure));
    rerun.set_type(failure.kind.name()).set_message(plain(&failure.message));
    rerun.set_stack_trace(plain(&whole(failure)));
    if !attempt.serial.is_empty() {
        rerun.set_system_out(plain(&String::from_utf8_lossy(&attempt.serial)));
    }
    rerun
}

fn kind(failure: &Failure) -> NonSuccessKind {
    if failure.kind.is_error() { NonSuccessKind::Error } else { NonSuccessKind::Failure }
}

fn whole(failure: &Failure) -> String {
    format!("{}\n{}", failure.message, failure.details).trim_end().to_owned()
}

fn file(path: &Path) -> XmlString {
    XmlString::new(plain(&path.display().to_string()))
}

fn date(time: SystemTime) -> DateTime<FixedOffset> {
    DateTime::<Utc>::from(time).fixed_offset()
}
