//! Reports about fates that a real suite has too seldom for a test: each format's own reader judges.

use super::Reporters;
use crate::case::{
    Attempt, Case, Failure, Kind, Outcome, Point, PointVerdict, Program, Summary, Verdict,
};
use crate::events::{Event, Finish, Suite};
use crate::format::Format;
use crate::spec::Spec;
use crate::stop::Reason;
use ringer_machine::Engine;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const XSD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schema/junit-10.xsd");

fn case(name: &str) -> Case {
    let origin = Path::new("roms").join(format!("{name}.s"));
    let program = Program::Image(origin.clone());
    Case { name: name.to_owned(), origin, program, spec: Spec::default(), engine: Engine::Bt }
}

fn failure(kind: Kind) -> Failure {
    let message = "100 % wrong: a, b".to_owned();
    Failure { kind, message, details: "one\x1b\n::two::\n]]>".to_owned(), line: Some(7) }
}

fn outcome(suite: &Suite, number: usize, verdict: Verdict, attempts: &[Kind]) -> Outcome {
    let points = [
        ("fine", PointVerdict::Passed),
        ("# odd", PointVerdict::Skipped),
        ("known", PointVerdict::ExpectedFailure),
    ];
    let point = |(name, verdict): (&str, _)| Point { name: name.to_owned(), verdict };
    let attempt = |kind: &Kind| Attempt {
        failure: failure(*kind),
        serial: b"\x1b[1mbefore".to_vec(),
        started: SystemTime::UNIX_EPOCH,
        time: Duration::from_millis(5),
    };
    Outcome {
        case: suite.cases[number].clone(),
        verdict,
        points: if number == 0 { points.map(point).to_vec() } else { Vec::new() },
        serial: b"text\x00\xff".to_vec(),
        started: SystemTime::UNIX_EPOCH,
        time: Duration::from_millis(1500),
        attempts: attempts.iter().map(attempt).collect(),
    }
}

/// Tells of a suite with all fates, its tests ending in reverse, in this format.
fn told(format: &str, stopped: Option<Reason>) -> (String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report");
    let format: Format = format!("{format}={}", file.display()).parse().unwrap();
    let mut reporters = Reporters::open(&[format]).unwrap();
    let cases = ["flaky", "lost", "skipped", "late"].map(case).to_vec();
    let (started, slow) = (SystemTime::UNIX_EPOCH, Duration::from_secs(1));
    let suite = Suite { cases, started, jobs: 4, shard: Some((1, 2)), retries: 2, slow };
    reporters.event(&suite, Event::SuiteStarted);
    let outcomes = [
        outcome(&suite, 0, Verdict::Passed, &[Kind::Timeout, Kind::Expectation]),
        outcome(&suite, 1, Verdict::Failed(failure(Kind::Lockstep)), &[Kind::Died]),
        outcome(&suite, 2, Verdict::Skipped("no # way".to_owned()), &[]),
    ];
    for (number, outcome) in outcomes.iter().enumerate().rev() {
        for (i, attempt) in outcome.attempts.iter().enumerate() {
            let count = i as u32 + 1;
            reporters.event(&suite, Event::AttemptFailed { number, attempt, count });
        }
        reporters.event(&suite, Event::TestFinished { number, outcome });
    }
    let late = outcome(&suite, 3, Verdict::Passed, &[]);
    let all = if stopped.is_none() {
        reporters.event(&suite, Event::TestFinished { number: 3, outcome: &late });
        [&outcomes[..], &[late]].concat()
    } else {
        outcomes.to_vec()
    };
    let finish = Finish {
        summary: Summary::of(&all, 4),
        time: Duration::from_secs(2),
        stopped,
        interrupted: stopped.map(|_| 3).into_iter().collect(),
        slow: vec![(0, Duration::from_millis(1500))],
    };
    reporters.event(&suite, Event::SuiteFinished(&finish));
    reporters.finish().unwrap();
    (fs::read_to_string(&file).unwrap(), dir)
}

/// Runs a reader of the format on the report; `None` where there is none, which CI does not permit.
fn read_by(tool: &str, arguments: &[&str], dir: &tempfile::TempDir) -> Option<(bool, String)> {
    match Command::new(tool).args(arguments).arg(dir.path().join("report")).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{tool}: {error}");
            eprintln!("skipped: {tool} is not installed");
            None
        }
    }
}

#[test]
fn junit_has_flaky_tests_reruns_errors_and_cases_by_the_schema() {
    for stopped in [None, Some(Reason::Budget)] {
        let (xml, dir) = told("junit", stopped);
        if let Some((valid, said)) = read_by("xmllint", &["--noout", "--schema", XSD], &dir) {
            assert!(valid, "{said}{xml}");
        }
        assert!(
            xml.contains("<flakyError message=\"100 % wrong: a, b\" type=\"timeout\">"),
            "{xml}"
        );
        assert!(xml.contains("<flakyFailure ") && xml.contains("<rerunError "), "{xml}");
        assert!(xml.contains("<error message=\"100 % wrong: a, b\" type=\"lockstep\">"), "{xml}");
        assert!(xml.contains("␛[1mbefore") && xml.contains("text␀\u{fffd}"), "{xml}");
        assert!(xml.contains("name=\"flaky: known\""), "{xml}");
        let skipped = if stopped.is_some() { 3 } else { 2 };
        assert_eq!(xml.matches("<skipped").count(), skipped, "{xml}");
        assert_eq!(xml.contains("not run: the time of --budget"), stopped.is_some(), "{xml}");
    }
}

#[test]
fn tap_is_in_order_with_subtests_and_bails_out() {
    let (tap, dir) = told("tap", None);
    let early = tap.find("# early: not ok 2 - lost").expect("it is known at once");
    assert!(early < tap.find("\nok 1 - flaky").expect("the first"), "{tap}");
    assert!(tap.contains("\nok 3 - skipped # SKIP no # way\n"), "{tap}");
    assert!(tap.contains("    1..3\n    ok 1 - fine\n    ok 2 - \\# odd # SKIP\n"), "{tap}");
    if let Some((good, said)) = read_by("prove", &["-e", "cat"], &dir) {
        assert!(!good && said.contains("Failed 1/4") && !said.contains("Parse errors"), "{said}");
    }
    let (tap, _) = told("tap", Some(Reason::Signal(2)));
    assert!(tap.ends_with("Bail out! ended by SIGINT\n"), "{tap}");
}

#[test]
fn people_are_told_what_is_odd() {
    let (text, _) = told("human", Some(Reason::Signal(15)));
    for line in [
        "retry   flaky  attempt 2 of 3: 100 % wrong: a, b\n",
        "flaky   flaky  1.50 s: passed at attempt 3\n",
        "FAILED  lost  1.50 s: 100 % wrong: a, b\n        one␛\n        ::two::\n        ]]>\n",
        "skipped skipped: no # way\n",
        "stopped: ended by SIGTERM; it ran late\nslow: flaky 1.50 s\n",
        "\n1 passed, 1 failed, 1 flaky, 1 skipped, 1 not run in 2.0 s; \
         their cases: 2 passed, 0 failed, 1 skipped\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn github_has_an_annotation_at_the_line_and_a_warning_for_the_flaky() {
    let (text, _) = told("github", None);
    let error =
        "::error file=roms/lost.s,line=7,title=lost::100 %25 wrong: a, b%0Aone␛%0A::two::%0A]]>\n";
    assert!(text.contains(error), "{text}");
    assert!(
        text.contains("::warning file=roms/flaky.s,title=flaky::flaky: passed at attempt 3"),
        "{text}"
    );
    let off = text.find("::stop-commands::").expect("commands are off");
    assert!(off < text.find("        ::two::").expect("the details"), "{text}");
}
