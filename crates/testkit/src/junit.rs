//! The results as JUnit XML.

use crate::{Outcome, TestkitError};
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
        let status = match &outcome.failure {
            None => TestCaseStatus::success(),
            Some(why) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(why.lines().next().unwrap_or_default());
                status.set_description(why.as_str());
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
