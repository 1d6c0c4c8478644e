//! Runs tests in parallel, each in a process of its own.

use crate::case::{Attempt, Case, Failure, Kind, Outcome, Verdict};
use crate::judge::{guest_points, judge};
use crate::progress::Progress;
use crate::report::RunReport;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A process gets so much longer than its test's timeout before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How often a process is looked at.
const POLL: Duration = Duration::from_millis(3);
/// Characters of a dying process's last words that a message shows.
const SHOWN: usize = 2000;

/// What all tests of a suite share.
#[derive(Debug)]
pub struct Runner<'a> {
    /// The `ringer` program.
    pub program: &'a Path,
    /// A folder for the tests' files.
    pub work: &'a Path,
    /// How often a test that failed is run again, unless it says so itself.
    pub retries: u32,
    /// No test is begun after one that failed.
    pub fail_fast: bool,
}

impl Runner<'_> {
    /// Runs the tests, `jobs` at a time; the outcomes are in the tests' order.
    pub fn run(&self, cases: &[Case], jobs: usize, progress: &Progress) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let ended = AtomicBool::new(false);
        let outcomes = Mutex::new(vec![None; cases.len()]);
        thread::scope(|scope| {
            for _ in 0..jobs.min(cases.len()) {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(i) else { break };
                        let outcome = self.run_one(i, case);
                        if self.fail_fast && outcome.failure().is_some() {
                            ended.store(true, Ordering::Relaxed);
                        }
                        progress.outcome(i, &outcome);
                        // A poisoned lock means that another worker panicked, which ends the scope.
                        if let Ok(mut all) = outcomes.lock() {
                            all[i] = Some(outcome);
                        }
                    }
                });
            }
        });
        let all = outcomes.into_inner().unwrap_or_default();
        all.into_iter().flatten().collect()
    }

    fn run_one(&self, number: usize, case: &Case) -> Outcome {
        let mut attempts = Vec::new();
        let mut left = case.spec.retries.unwrap_or(self.retries);
        loop {
            let (started, clock) = (SystemTime::now(), Instant::now());
            let (verdict, serial) = match case.image() {
                Ok(image) => self.run_image(number, case, &image).unwrap_or_else(|error| {
                    let text = format!("cannot run it: {error}");
                    (Verdict::Failed(Failure::told(Kind::Runner, &text)), Vec::new())
                }),
                Err(verdict) => (verdict, Vec::new()),
            };
            let time = clock.elapsed();
            match verdict {
                Verdict::Failed(failure) if left > 0 => {
                    left -= 1;
                    attempts.push(Attempt { failure, serial, started, time });
                }
                verdict => {
                    let points = guest_points(&case.spec, &serial);
                    let case = case.clone();
                    return Outcome { case, verdict, points, serial, started, time, attempts };
                }
            }
        }
    }

    /// Runs the process: what became of the test, and what it sent.
    fn run_image(
        &self,
        number: usize,
        case: &Case,
        image: &Path,
    ) -> io::Result<(Verdict, Vec<u8>)> {
        let file = |kind: &str| self.work.join(format!("{number}.{kind}"));
        let (serial, report, errors) = (file("serial"), file("report"), file("errors"));
        let spec = &case.spec;
        let mut command = Command::new(self.program);
        command.arg("run").args(case.arguments(image)).arg("--verify");
        command.arg("--serial").arg(format!("file:{}", serial.display()));
        command.arg("--report").arg(&report);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors)?);
        let limit = Duration::from_secs_f64(spec.timeout) + GRACE;
        let status = wait(command.spawn()?, limit)?;
        let words = last_words(&errors);
        let sent = fs::read(&serial).unwrap_or_default();
        let died = |kind, text: &str| Verdict::Failed(Failure::told(kind, text));
        let Some(status) = status else {
            let text = format!("killed: it did not end by itself; {words}");
            return Ok((died(Kind::Timeout, &text), sent));
        };
        let verdict = match read_report(&report, status) {
            Some(told) => judge(spec, &told, &sent),
            None => died(Kind::Died, &death(status, &words)),
        };
        Ok((verdict, sent))
    }
}

/// Waits for the process; kills it after `limit`, which is `None`.
fn wait(mut child: Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// The report, if the process lived to write it and ended as it says.
fn read_report(path: &Path, status: ExitStatus) -> Option<RunReport> {
    let report: RunReport = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (status.code() == Some(i32::from(report.status))).then_some(report)
}

fn death(status: ExitStatus, words: &str) -> String {
    match status.signal() {
        Some(signal) => format!("died of signal {signal}; {words}"),
        None => format!("ended with status {}; {words}", status.code().unwrap_or(-1)),
    }
}

fn last_words(errors: &Path) -> String {
    let text = fs::read_to_string(errors).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return "it said nothing".to_owned();
    }
    let skip = text.chars().count().saturating_sub(SHOWN);
    text.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Option<ExitStatus> {
        wait(Command::new("sh").args(["-c", script]).spawn().unwrap(), limit).unwrap()
    }

    #[test]
    fn a_process_that_does_not_end_is_killed() {
        assert_eq!(sh("exec sleep 60", Duration::from_millis(50)), None);
        assert_eq!(sh("exit 7", GRACE).unwrap().code(), Some(7));
    }

    #[test]
    fn a_death_by_signal_is_told_with_the_last_words() {
        let status = sh("kill -SEGV $$", GRACE).unwrap();
        assert_eq!(death(status, "ouch"), "died of signal 11; ouch");
    }

    #[test]
    fn a_report_counts_only_with_its_own_status() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let text =
            r#"{"end":"poweroff","status":0,"value":null,"detail":"","post":[],"instructions":1}"#;
        fs::write(&path, text).unwrap();
        assert_eq!(read_report(&path, sh("exit 0", GRACE).unwrap()).unwrap().end, "poweroff");
        assert_eq!(read_report(&path, sh("exit 70", GRACE).unwrap()), None);
        assert_eq!(read_report(&dir.path().join("none"), sh("exit 0", GRACE).unwrap()), None);
    }
}
