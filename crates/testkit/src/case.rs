//! A test, what became of it, and the count of them.

use crate::recipe::Recipe;
use crate::spec::Spec;
use crate::stop::Stop;
use ringer_machine::Engine;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One test: a program on an engine.
#[derive(Clone, Debug)]
pub struct Case {
    /// The program's name, with the engine in brackets.
    pub name: String,
    /// The program's file as found.
    pub origin: PathBuf,
    /// What to load.
    pub program: Program,
    /// How to load it and what to expect.
    pub spec: Spec,
    /// The engine.
    pub engine: Engine,
}

/// What a test loads.
#[derive(Clone, Debug)]
pub enum Program {
    /// An image that is there.
    Image(PathBuf),
    /// One that is made when the first of its tests runs.
    Made(Arc<Recipe>),
    /// None: the test fails, and this is why. A description that cannot be read, for one.
    Broken(Failure),
}

impl Case {
    /// Whether its image is made by a command of the suite's own.
    #[must_use]
    pub fn is_built(&self) -> bool {
        matches!(&self.program, Program::Made(recipe) if recipe.output().is_some())
    }

    /// The image to load, made now if need be; `stop` ends the making.
    ///
    /// # Errors
    /// What becomes of the test without one.
    pub fn image(&self, stop: &Stop) -> Result<PathBuf, Verdict> {
        if let Some(reason) = &self.spec.skip {
            return Err(Verdict::Skipped(reason.clone()));
        }
        match &self.program {
            Program::Image(path) => Ok(path.clone()),
            Program::Made(recipe) => recipe.image(stop).map_err(|reason| {
                let line = line_in(&reason, &self.origin);
                Verdict::Failed(Failure { line, ..Failure::told(Kind::Build, &reason) })
            }),
            Program::Broken(failure) => Err(Verdict::Failed(failure.clone())),
        }
    }

    /// The options of `ringer run` that make the machine which the test asks for.
    #[must_use]
    pub fn arguments(&self, image: &Path) -> Vec<OsString> {
        let spec = &self.spec;
        let mut words: Vec<OsString> = vec![spec.load.option().into(), image.into()];
        let mut option = |name: &str, value: &str| words.extend([name.into(), value.into()]);
        option("--memory", &spec.memory);
        option("--cpu", &spec.cpu);
        option("--clock", &spec.clock);
        option("--engine", &self.engine.to_string());
        option("--timeout", &spec.timeout.to_string());
        if let Some(limit) = spec.max_instructions {
            option("--max-instructions", &limit.to_string());
        }
        if let Some(text) = &spec.append {
            option("--append", text);
        }
        for file in &spec.initrd {
            words.extend(["--initrd".into(), file.into()]);
        }
        if !spec.reboot {
            words.push("--no-reboot".into());
        }
        words.push(match spec.debug_exit_port {
            Some(port) => format!("--debug-exit={port}").into(),
            None => "--debug-exit".into(),
        });
        for file in &spec.symbols {
            words.extend(["--symbols".into(), file.into()]);
        }
        if let Some(script) = &spec.script {
            words.extend(["--script".into(), script.into()]);
        }
        let texts = |option: &str, texts: &[String]| -> Vec<OsString> {
            texts.iter().map(|text| format!("{option}={text}").into()).collect()
        };
        words.extend(texts("--pass-on", &spec.pass_on));
        words.extend(texts("--fail-on", &spec.fail_on));
        words
    }
}

/// The first line number that a tool's words name in a file, as `FILE:LINE:`.
fn line_in(words: &str, file: &Path) -> Option<u32> {
    let name = file.file_name()?.to_str()?;
    words.match_indices(name).find_map(|(at, _)| {
        let rest = words[at + name.len()..].strip_prefix(':')?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    })
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what its description says.
    Passed,
    /// It did not.
    Failed(Failure),
    /// It was not run, or said itself that it could not; and why.
    Skipped(String),
}

/// How a test failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It did something else than its description says.
    Expectation,
    /// It did not end in its time.
    Timeout,
    /// The engines differ.
    Lockstep,
    /// The verifier refused host code.
    Verifier,
    /// Its process died.
    Died,
    /// Its description cannot be understood.
    Description,
    /// Its image could not be made.
    Build,
    /// It could not be run.
    Runner,
}

impl Kind {
    /// A word for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expectation => "expectation",
            Self::Timeout => "timeout",
            Self::Lockstep => "lockstep",
            Self::Verifier => "verifier",
            Self::Died => "died",
            Self::Description => "description",
            Self::Build => "build",
            Self::Runner => "runner",
        }
    }

    /// Whether the test was not run to its end: it neither passed nor did something unexpected.
    #[must_use]
    pub fn is_error(self) -> bool {
        self != Self::Expectation
    }
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How.
    pub kind: Kind,
    /// What was wrong, in one line.
    pub message: String,
    /// The rest, in lines: expected against got, the last of the serial text, the registers. May be empty.
    pub details: String,
    /// The line of the test's file that is to blame, from 1.
    pub line: Option<u32>,
}

impl Failure {
    /// A failure told by a text: its first line is the message.
    #[must_use]
    pub fn told(kind: Kind, text: &str) -> Self {
        let (message, details) = text.split_once('\n').unwrap_or((text, ""));
        Self { kind, message: message.to_owned(), details: details.to_owned(), line: None }
    }
}

/// A line of a guest's output that tells of one of its own cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// What the line says behind the verdict.
    pub name: String,
    /// The verdict.
    pub verdict: PointVerdict,
}

/// A guest's verdict on one of its own cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointVerdict {
    /// `PASS`.
    Passed,
    /// `FAIL`.
    Failed,
    /// `SKIP`.
    Skipped,
    /// `XFAIL`: it failed and was expected to.
    ExpectedFailure,
    /// `XPASS`: it passed and was expected to fail, which is a failure.
    UnexpectedPass,
}

impl PointVerdict {
    /// Whether it counts as a failure.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::UnexpectedPass)
    }
}

/// A test that ran.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The test.
    pub case: Case,
    /// What became of it in the end.
    pub verdict: Verdict,
    /// The guest's own cases.
    pub points: Vec<Point>,
    /// What it sent by the first serial port.
    pub serial: Vec<u8>,
    /// When the last attempt began.
    pub started: SystemTime,
    /// How long the last attempt took.
    pub time: Duration,
    /// The attempts before, which failed.
    pub attempts: Vec<Attempt>,
}

/// An attempt that failed and was followed by another.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Why.
    pub failure: Failure,
    /// What the guest sent.
    pub serial: Vec<u8>,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub time: Duration,
}

impl Outcome {
    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.verdict {
            Verdict::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether it passed, but not at the first attempt.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.verdict == Verdict::Passed && !self.attempts.is_empty()
    }
}

/// The count at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tests that passed, flaky ones too.
    pub passed: usize,
    /// Tests that did not.
    pub failed: usize,
    /// Tests that were skipped.
    pub skipped: usize,
    /// Tests that passed at a later attempt.
    pub flaky: usize,
    /// Tests that were not run to their end, since the suite ended before.
    pub not_run: usize,
    /// The guests' own cases.
    pub points: Points,
}

/// The count of the guests' own cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Those that passed, or failed as expected.
    pub passed: usize,
    /// Those that failed, or passed unexpectedly.
    pub failed: usize,
    /// Those that were skipped.
    pub skipped: usize,
}

impl Summary {
    /// Counts these, of `planned` tests.
    #[must_use]
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, planned: usize) -> Self {
        let mut summary = Self::default();
        let mut run = 0;
        for outcome in outcomes {
            run += 1;
            match outcome.verdict {
                Verdict::Passed => summary.passed += 1,
                Verdict::Failed(_) => summary.failed += 1,
                Verdict::Skipped(_) => summary.skipped += 1,
            }
            summary.flaky += usize::from(outcome.is_flaky());
            for point in &outcome.points {
                match point.verdict {
                    PointVerdict::Skipped => summary.points.skipped += 1,
                    verdict if verdict.is_failure() => summary.points.failed += 1,
                    _ => summary.points.passed += 1,
                }
            }
        }
        Self { not_run: planned - run, ..summary }
    }
}
