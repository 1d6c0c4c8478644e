//! One attempt at a test: a process, its files, and what it came to.

use crate::bounds::REPORT;
use crate::case::{Case, Failure, Kind, Point, Verdict};
use crate::child::{self, End};
use crate::judge;
use crate::picture::{Album, Comparison};
use crate::report::RunReport;
use crate::stop::{Level, Stop};
use ringer_input::read;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// A process gets so much longer than its test's timeout before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// Characters of a dying process's last words that a message shows.
const SHOWN: usize = 2000;
/// A guest may send so many bytes; more is an error of the test, lest it fill the disk.
const SERIAL: u64 = 64 << 20;
/// So many of the bytes sent are kept for judges and reports.
const KEPT: u64 = 4 << 20;

/// Where tests run.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The `ringer` program.
    pub program: &'a Path,
    /// A folder for the tests' files.
    pub work: &'a Path,
    /// Where pictures of screens go that were not as expected.
    pub pictures: &'a Path,
    /// Whether what guests send is shown as it comes.
    pub show: bool,
    /// What each process may hold beside its guest's memory, in bytes.
    pub mem_limit: Option<u64>,
    /// How it reaches memory.
    pub access: Option<&'static str>,
}

/// What an attempt came to.
#[derive(Debug)]
pub struct Tried {
    /// `None`: the suite's end came first.
    pub verdict: Option<Verdict>,
    /// The guest's own cases.
    pub points: Vec<Point>,
    /// What it sent: the last part of it, if that is much.
    pub serial: Vec<u8>,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub time: Duration,
}

/// The files of a test's process.
struct Files {
    serial: PathBuf,
    report: PathBuf,
    errors: PathBuf,
    picture: PathBuf,
}

impl Files {
    fn new(work: &Path, number: usize) -> Self {
        let file = |kind: &str| work.join(format!("{number}.{kind}"));
        let (serial, report, errors) = (file("serial"), file("report"), file("errors"));
        Self { serial, report, errors, picture: file("png") }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for file in [&self.serial, &self.report, &self.errors, &self.picture] {
            // What is left goes with the folder.
            let _ = fs::remove_file(file);
        }
    }
}

/// Runs the test once. `sent` is told what the guest sends, if that is to be shown.
pub fn attempt(
    place: &Place<'_>,
    number: usize,
    case: &Case,
    stop: &Stop,
    sent: &dyn Fn(Vec<u8>),
) -> Tried {
    let (started, clock) = (SystemTime::now(), Instant::now());
    let files = Files::new(place.work, number);
    let verdict = match case.image(stop) {
        Ok(image) => run(place, &files, case, &image, stop, sent).unwrap_or_else(|error| {
            let text = format!("cannot run it: {error}");
            Some(Verdict::Failed(Failure::told(Kind::Runner, &text)))
        }),
        // A build that ended with the suite says nothing about the test.
        Err(verdict) => Some(verdict).filter(|_| stop.level() < Level::End),
    };
    let serial = tail(&files.serial, KEPT).unwrap_or_default();
    let points = judge::guest_points(&case.spec, &serial);
    Tried { verdict, points, serial, started, time: clock.elapsed() }
}

/// Runs the process; `None` if the suite's end came first.
fn run(
    place: &Place<'_>,
    files: &Files,
    case: &Case,
    image: &Path,
    stop: &Stop,
    sent: &dyn Fn(Vec<u8>),
) -> io::Result<Option<Verdict>> {
    let mut command = Command::new(place.program);
    command.arg("run").args(case.arguments(image));
    command.arg("--serial").arg(format!("file:{}", files.serial.display()));
    command.arg("--report").arg(&files.report).arg("--verify");
    if let Some(access) = place.access {
        command.arg("--access").arg(access);
    }
    if let Some(limit) = place.mem_limit {
        command.arg("--mem-limit").arg(format!("{limit}B"));
    }
    if case.spec.screenshot.is_some() {
        command.arg("--screenshot").arg(&files.picture);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&files.errors)?);
    let limit = Duration::from_secs_f64(case.spec.timeout) + GRACE;
    let mut shown = 0;
    let mut show = || {
        let length = fs::metadata(&files.serial).map_or(0, |m| m.len());
        if place.show && length > shown {
            if let Ok(bytes) = tail(&files.serial, length - shown) {
                sent(bytes);
            }
            shown = length;
        }
        length
    };
    let end = child::spawn(&mut command)?.wait_while(limit, stop, &mut || show() <= SERIAL)?;
    show();
    let words = last_words(&files.errors);
    let failed = |kind, message: &str| {
        let failure = Failure::told(kind, message);
        Ok(Some(Verdict::Failed(Failure { details: words.clone(), ..failure })))
    };
    let status = match end {
        End::Exited(status) => status,
        End::Stopped => return Ok(None),
        End::TimedOut => return failed(Kind::Timeout, "killed: it did not end by itself"),
        End::Stray => {
            let text = format!("killed: it sent more than {} MiB of serial text", SERIAL >> 20);
            return failed(Kind::Runner, &text);
        }
    };
    let Some(report) = read_report(&files.report, status) else {
        return failed(Kind::Died, &death(status));
    };
    let sent = tail(&files.serial, KEPT)?;
    let judged = judge::judge(&case.spec, &report, &sent);
    Ok(Some(with_words(with_picture(judged, place, files, case), &words)))
}

/// The picture of the screen counts too.
fn with_picture(verdict: Verdict, place: &Place<'_>, files: &Files, case: &Case) -> Verdict {
    let Some(wanted) = &case.spec.screenshot else { return verdict };
    let album = Album { folder: place.pictures.to_owned(), name: case.name.clone() };
    if matches!(verdict, Verdict::Skipped(_)) {
        return verdict;
    }
    match (album.compare(wanted, &files.picture), verdict) {
        (Comparison::Differs(told), Verdict::Failed(failure)) => {
            let message = format!("{}; {told}", failure.message);
            Verdict::Failed(Failure { message, ..failure })
        }
        (Comparison::Differs(told), _) => Verdict::Failed(Failure::told(Kind::Expectation, &told)),
        (Comparison::Same, verdict) => verdict,
    }
}

/// What the engines or the verifier have to report stands in the process's last words.
fn with_words(verdict: Verdict, words: &str) -> Verdict {
    match verdict {
        Verdict::Failed(mut failure)
            if matches!(failure.kind, Kind::Lockstep | Kind::Verifier)
                && !failure.details.contains(words) =>
        {
            let details = format!("{}\n{words}", failure.details);
            failure.details = details.trim().to_owned();
            Verdict::Failed(failure)
        }
        other => other,
    }
}

/// The last bytes of a file, so many at most.
fn tail(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The report, if the process lived to write it and ended as it says.
fn read_report(path: &Path, status: ExitStatus) -> Option<RunReport> {
    let report: RunReport = serde_json::from_slice(&read(path, REPORT).ok()?).ok()?;
    (status.code() == Some(i32::from(report.status))).then_some(report)
}

fn death(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("died of signal {signal}"),
        None => format!("ended with status {}", status.code().unwrap_or(-1)),
    }
}

fn last_words(errors: &Path) -> String {
    let text = tail(errors, KEPT).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
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

    fn sh(script: &str) -> ExitStatus {
        Command::new("sh").args(["-c", script]).status().unwrap()
    }

    #[test]
    fn a_death_is_told_by_its_signal_or_status() {
        assert_eq!(death(sh("kill -SEGV $$")), "died of signal 11");
        assert_eq!(death(sh("exit 7")), "ended with status 7");
    }

    #[test]
    fn a_report_counts_only_with_its_own_status() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let text =
            r#"{"end":"poweroff","status":0,"value":null,"detail":"","post":[],"instructions":1}"#;
        fs::write(&path, text).unwrap();
        assert_eq!(read_report(&path, sh("exit 0")).unwrap().end, "poweroff");
        assert_eq!(read_report(&path, sh("exit 70")), None);
        assert_eq!(read_report(&dir.path().join("none"), sh("exit 0")), None);
    }

    #[test]
    fn of_a_long_file_the_end_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(tail(&path, 4).unwrap(), b"6789");
        assert_eq!(tail(&path, 40).unwrap(), b"0123456789");
    }
}
