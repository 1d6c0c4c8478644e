//! The results as JUnit XML.

use crate::TestkitError;
use crate::case::{Outcome, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Writes the outcomes to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, outcomes: &[Outcome], time: Duration) -> Result<(), TestkitError> {
    let mut report = Report::new("ringer");
    report.set_time(time);
    let mut suite = TestSuite::new("ringer test");
    suite.set_time(time);
    for outcome in outcomes {
        let status = match &outcome.verdict {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Skipped(why) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(why.as_str());
                status
            }
            Verdict::Failed(failure) => {
                let kind = if failure.kind.is_error() {
                    NonSuccessKind::Error
                } else {
                    NonSuccessKind::Failure
                };
                let mut status = TestCaseStatus::non_success(kind);
                status.set_message(failure.message.as_str());
                status.set_description(format!("{}\n{}", failure.message, failure.details));
                status
            }
        };
        let mut case = TestCase::new(outcome.case.name.as_str(), status);
        case.set_classname(outcome.case.origin.display().to_string());
        case.set_time(outcome.time);
        suite.add_test_case(case);
    }
    report.add_test_suite(suite);
    let what = path.display().to_string();
    let text = report.to_string().map_err(|e| TestkitError::Write {
        what: what.clone(),
        source: std::io::Error::other(e),
    })?;
    fs::write(path, text).map_err(|source| TestkitError::Write { what, source })
}
