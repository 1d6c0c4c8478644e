//! Compares what a run did with what its description expects.

use crate::case::{Failure, Kind, Point, Verdict};
use crate::difference::{diff, tail};
use crate::points::points;
use crate::report::RunReport;
use crate::spec::{End, Spec};

/// Characters of unexpected output that a message shows.
const SHOWN: usize = 100;
/// Exceptions that a failure shows.
const EXCEPTIONS: usize = 6;
/// Lines at the end of the serial text that a failure shows.
const TAIL: usize = 20;

/// What became of a test whose run ended as the report says.
#[must_use]
pub fn judge(spec: &Spec, report: &RunReport, serial: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(serial);
    let ended = report.end == spec.end().name();
    if ended && report.value.is_some() && report.value == spec.skip_exit {
        return Verdict::Skipped(why_skipped(spec, &text));
    }
    let mut faults = Faults::default();
    faults.of_end(spec, report);
    faults.of_serial(spec, &text);
    faults.of_screen(spec, report);
    faults.of_points(&guest_points(spec, serial));
    if let Some(wanted) = &spec.post
        && *wanted != report.post
    {
        faults.messages.push(format!("POST codes {:02x?}, not {wanted:02x?}", report.post));
    }
    if faults.messages.is_empty() {
        return Verdict::Passed;
    }
    let kind = match report.end.as_str() {
        _ if ended => Kind::Expectation,
        "timeout" => Kind::Timeout,
        "difference" => Kind::Lockstep,
        "refused" => Kind::Verifier,
        // Somebody else ended it.
        "quit" => Kind::Died,
        _ => Kind::Expectation,
    };
    faults.details.extend(serial_tail(&text));
    faults.details.extend(end_of_run(report));
    let (message, details) = (faults.messages.join("; "), faults.details.join("\n"));
    Verdict::Failed(Failure { kind, message, details, line: None })
}

/// The cases that the guest tells of itself, if its description says that it does.
#[must_use]
pub fn guest_points(spec: &Spec, serial: &[u8]) -> Vec<Point> {
    if spec.points { points(serial) } else { Vec::new() }
}

/// What the guest said about it, if it said something.
fn why_skipped(spec: &Spec, text: &str) -> String {
    let points = guest_points(spec, text.as_bytes());
    match points.last() {
        Some(point) => point.name.clone(),
        None => "the guest said so".to_owned(),
    }
}

/// What was wrong: in a line each, and at length.
#[derive(Debug, Default)]
struct Faults {
    messages: Vec<String>,
    details: Vec<String>,
}

impl Faults {
    fn of_end(&mut self, spec: &Spec, report: &RunReport) {
        let end = spec.end();
        if report.end == "script" {
            self.messages.push(report.detail.clone());
        } else if report.end != end.name() {
            let detail = report.detail.lines().next().unwrap_or_default();
            let ended = format!("ended by {}, not by {}", report.end, end.name());
            self.messages.push(match &report.text {
                Some(text) if report.end == "fail-on" => {
                    format!("the guest wrote {text:?} (fail-on)")
                }
                _ if detail.is_empty() => ended,
                _ => format!("{ended}: {detail}"),
            });
        } else if end == End::DebugExit {
            let wanted = spec.debug_exit.unwrap_or(0);
            if report.value != Some(wanted) {
                let value = report.value.unwrap_or_default();
                self.messages.push(format!("debug-exit value {value:#x}, not {wanted:#x}"));
            }
        }
    }

    fn of_serial(&mut self, spec: &Spec, text: &str) {
        if let Some(wanted) = spec.serial.as_deref()
            && wanted != text
        {
            self.messages.push(format!("serial is {}, not {}", quoted(text), quoted(wanted)));
            self.details.push(diff(wanted, text));
        }
        let mut rest = text;
        for (index, wanted) in spec.serial_contains.iter().enumerate() {
            match rest.split_once(wanted.as_str()) {
                Some((_, after)) => rest = after,
                None => {
                    let found = if index > 0 { " behind the text before it" } else { "" };
                    self.messages.push(format!("serial lacks {}{found}", quoted(wanted)));
                    break;
                }
            }
        }
    }

    fn of_screen(&mut self, spec: &Spec, report: &RunReport) {
        let text =
            |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let rows = report.screen.as_ref().map_or(&[][..], |screen| screen.shown());
        if let Some(wanted) = &spec.screen {
            let blank = wanted.iter().rev().take_while(|line| line.is_empty()).count();
            let wanted = &wanted[..wanted.len() - blank];
            if wanted != rows {
                self.messages.push("the screen is not as it must be".to_owned());
                self.details.push(diff(&text(wanted), &text(rows)));
            }
        }
        let mut rest = rows.iter();
        for (index, wanted) in spec.screen_contains.iter().enumerate() {
            if !rest.any(|row| row.contains(wanted.as_str())) {
                let below = if index > 0 { " below the text before it" } else { "" };
                self.messages.push(format!("no line of the screen has {}{below}", quoted(wanted)));
                break;
            }
        }
    }

    fn of_points(&mut self, points: &[Point]) {
        let failed: Vec<&Point> =
            points.iter().filter(|point| point.verdict.is_failure()).collect();
        if let Some(first) = failed.first() {
            let of = format!("{} of {} cases failed", failed.len(), points.len());
            self.messages.push(format!("{of}, the first: {}", first.name));
            self.details.extend(failed.iter().map(|point| format!("FAIL: {}", point.name)));
        }
    }
}

/// The end of what a guest sent.
#[must_use]
pub fn serial_tail(text: &str) -> Option<String> {
    let shown = tail(text, TAIL);
    let shown = shown.lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n");
    let all = text.lines().count();
    let of = if all > TAIL { format!("the last {TAIL} of {all} lines") } else { "all".to_owned() };
    (!text.is_empty()).then(|| format!("serial ({of}):\n{shown}"))
}

/// Where the processor was, its registers, and what led there, as far as the report has it.
fn end_of_run(report: &RunReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(place) = &report.place {
        lines.push(format!("at {place}:"));
    }
    lines.extend(report.register_lines().into_iter().map(|line| format!("  {line}")));
    let skip = report.exceptions.len().saturating_sub(EXCEPTIONS);
    if !report.exceptions.is_empty() {
        lines.push("last exceptions:".to_owned());
    }
    lines.extend(report.exceptions[skip..].iter().map(|event| format!("  {event}")));
    lines.extend(report.screen_lines());
    lines.extend(report.hint.as_ref().map(|hint| format!("hint: {hint}")));
    lines
}

/// The text in quotes with escapes, only its end if it is long.
fn quoted(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(SHOWN);
    let tail: String = text.chars().skip(skip).collect();
    format!("{}{tail:?}", if skip > 0 { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{EventLine, Place, ScreenReport};

    fn report(end: &str, value: Option<u32>) -> RunReport {
        RunReport {
            end: end.to_owned(),
            status: 0,
            value,
            detail: "so it was".to_owned(),
            post: vec![1, 2],
            ..RunReport::default()
        }
    }

    fn verdict(spec: &str, report: &RunReport, serial: &str) -> Verdict {
        judge(&Spec::parse(spec, &toml::Table::new()).unwrap(), report, serial.as_bytes())
    }

    fn failure(spec: &str, report: &RunReport, serial: &str) -> Failure {
        match verdict(spec, report, serial) {
            Verdict::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_expected_run_passes() {
        let ok = report("debug-exit", Some(3));
        let spec = "debug-exit = 3\nserial = \"PASS\\r\\n\"\nserial-contains = ['A', 'S']\n\
                    post = [1, 2]";
        assert_eq!(verdict(spec, &ok, "PASS\r\n"), Verdict::Passed);
        let end = verdict("end = 'triple-fault'", &report("triple-fault", None), "");
        assert_eq!(end, Verdict::Passed);
    }

    #[test]
    fn every_difference_is_named() {
        let ok = report("debug-exit", Some(0));
        let told = failure("debug-exit = 1", &ok, "").message;
        assert!(told.contains("0x0, not 0x1"), "{told}");
        let stuck = failure("", &report("timeout", None), "stuck");
        assert!(
            stuck.message.contains("timeout") && stuck.details.contains("  | stuck"),
            "{stuck:?}"
        );
        assert_eq!(stuck.kind, Kind::Timeout);
        assert_eq!(failure("", &report("difference", None), "").kind, Kind::Lockstep);
        let told = failure("serial = 'PASS'", &ok, "PASSED").message;
        assert!(told.contains("\"PASSED\", not \"PASS\""), "{told}");
        let told = failure("serial-contains = ['b', 'a']", &ok, "ab").message;
        assert!(told.contains("lacks \"a\""), "{told}");
        let told = failure("post = [1]", &ok, "").message;
        assert!(told.contains("[01, 02], not [01]"), "{told}");
    }

    #[test]
    fn expected_against_got_is_a_diff_with_the_tail_of_the_serial_text() {
        let ok = report("debug-exit", Some(0));
        let got = "one\r\ntwo\r\n";
        let failure = failure("serial = \"one\\r\\nthree\\r\\n\"", &ok, got);
        assert!(failure.details.contains(" one\\r\n-three\\r\n+two\\r"), "{}", failure.details);
        assert!(failure.details.contains("serial (all):\n  | one"), "{}", failure.details);
    }

    #[test]
    fn a_failure_shows_where_the_processor_was_and_its_registers() {
        let place =
            Place { cs: 8, eip: 0x10_0020, linear: 0x10_0020, symbol: Some("main+0x4".into()) };
        let fault =
            EventLine { what: "#PF".to_owned(), place: place.clone(), ..EventLine::default() };
        let report = RunReport {
            place: Some(place),
            registers: [("eax".to_owned(), "0x0000002a".to_owned())].into(),
            exceptions: vec![fault],
            hint: Some("the IDT is empty".to_owned()),
            ..report("triple-fault", None)
        };
        let details = failure("", &report, "").details;
        let wanted = "at 0008:00100020 (main+0x4):\n  eax 0000002a\nlast exceptions:\n  #PF at \
                      0008:00100020 (main+0x4)\nhint: the IDT is empty";
        assert_eq!(details, wanted);
    }

    #[test]
    fn a_screen_is_compared_line_by_line_and_shown() {
        let lines = ["login:", "", "  # ls", ""].map(str::to_owned).to_vec();
        let screen =
            ScreenReport { mode: "text".into(), width: 80, height: 4, lines, cursor: None };
        let shows = RunReport { screen: Some(screen), ..report("debug-exit", Some(0)) };
        for good in [
            "screen = ['login:', '', '  # ls']",
            "screen = \"login:\\n\\n  # ls  \\n\\n\"",
            "screen-contains = ['log', '# ls']",
            "screen-contains = 'ogi'",
        ] {
            assert_eq!(verdict(good, &shows, ""), Verdict::Passed, "{good}");
        }
        let told = failure("screen = ['login:', '  # ls']", &shows, "");
        assert_eq!(told.message, "the screen is not as it must be");
        assert!(told.details.contains(" login:\n+\n   # ls"), "{}", told.details);
        assert!(told.details.contains("screen (text, 80x4):\n  | login:\n"), "{}", told.details);
        let told = failure("screen-contains = ['# ls', 'login']", &shows, "").message;
        assert_eq!(told, "no line of the screen has \"login\" below the text before it");
        let none = report("debug-exit", Some(0));
        assert!(failure("screen-contains = 'a'", &none, "").message.starts_with("no line"));
    }

    #[test]
    fn a_step_that_failed_is_the_message() {
        let failed = RunReport { detail: "a.script:3: sleep".to_owned(), ..report("script", None) };
        let told = failure("script = 'a.script'", &failed, "");
        assert_eq!((told.kind, told.message.as_str()), (Kind::Expectation, "a.script:3: sleep"));
    }

    #[test]
    fn texts_end_a_test() {
        let on = |end: &str| RunReport { text: Some("panic".to_owned()), ..report(end, None) };
        assert_eq!(verdict("pass-on = 'panic'", &on("pass-on"), "panic"), Verdict::Passed);
        let told = failure("fail-on = 'panic'", &on("fail-on"), "panic").message;
        assert_eq!(told, "the guest wrote \"panic\" (fail-on)");
    }

    #[test]
    fn a_guest_may_skip_and_tell_of_its_cases() {
        let spec = "points = true\nskip-exit = 38";
        let skipped = report("debug-exit", Some(38));
        let told = verdict(spec, &skipped, "SKIP: no such thing\n");
        assert_eq!(told, Verdict::Skipped("no such thing".to_owned()));
        let failed = report("debug-exit", Some(1));
        let failure = failure(spec, &failed, "PASS: a\nFAIL: b\nSUMMARY: 2 tests\n");
        assert!(failure.message.contains("1 of 2 cases failed, the first: b"), "{failure:?}");
    }
}
