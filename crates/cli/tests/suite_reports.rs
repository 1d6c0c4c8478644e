//! What `ringer test` writes is read by those for whom it is: `prove`, a schema's validator, a reader of
//! JSON, GitHub's rules.

mod common;

use common::{Files, command, debug_exit, errors, flat, have, print, status};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

const XSD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/testkit/tests/schema/junit-10.xsd");
const JSON_SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/test-events.schema.json");

/// `in al, 92h; test al, …` has no place here: a guest that sends every byte value, and passes.
fn all_bytes() -> Vec<u8> {
    // mov dx, 3f8h; xor eax, eax; 1: out dx, al; inc al; jnz 1b
    let code = [0xba, 0xf8, 0x03, 0, 0, 0x31, 0xc0, 0xee, 0xfe, 0xc0, 0x75, 0xfb];
    [&code[..], &debug_exit(0)].concat()
}

/// A suite with a test of each fate.
fn suite() -> Files {
    let files = Files::new();
    files.write("bytes.bin", &flat(&all_bytes()));
    files.write("bytes.toml", b"title = \"a <title> & \\u0007 more\"\nengines = ['bt']");
    files.write("good.bin", &flat(&debug_exit(0)));
    let wrong = [print(b':'), print(b':'), print(b'x'), debug_exit(1)].concat();
    files.write("wrong.bin", &flat(&wrong));
    files.write("wrong.toml", b"engines = ['bt', 'interp']\nretries = 1");
    files.write("hang #1.bin", &flat(common::SPIN));
    // What wakes nobody may end at once; a jump to itself does not.
    files.write("hang #1.toml", b"timeout = 0.2\nengines = ['bt']\nretries = 1");
    files
}

fn run(files: &Files, options: &[&str]) -> Output {
    let mut test = command();
    test.current_dir(files.dir()).args(["test", "."]).args(options);
    test.output().expect("ringer starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn prove_reads_the_tap_in_order_however_many_run_at_a_time() {
    let files = suite();
    let output = run(&files, &["--jobs", "4", "--format", "tap=out.tap"]);
    assert_eq!(status(&output), 4, "{}", errors(&output));
    assert!(text(&output).contains("passed"), "people have their lines, too");
    let tap = files.read("out.tap");
    assert!(tap.starts_with("TAP version 13\n1..7\n"), "{tap}");
    let number = |line: &str| {
        let rest = line.strip_prefix("not ").unwrap_or(line).strip_prefix("ok ")?;
        rest.split(' ').next()?.parse::<usize>().ok()
    };
    let numbers: Vec<usize> = tap.lines().filter_map(number).collect();
    assert_eq!(numbers, (1..=7).collect::<Vec<_>>(), "{tap}");
    assert!(tap.contains(r"hang \#1"), "{tap}");
    let Some(mut prove) = have("prove") else { return };
    let proved = prove.args(["-e", "cat"]).arg(files.path("out.tap")).output().expect("it starts");
    let told = text(&proved);
    assert!(told.contains("Tests=7") && told.contains("Failed 3/7"), "{told}");
    assert!(!told.contains("Parse errors"), "{told}");
    let good = run(&files, &["--jobs", "4", "--tap", "good.bin", "bytes.bin"]);
    assert!(text(&good).starts_with("TAP version 13\n"), "{}", text(&good));
}

#[test]
fn the_common_schema_accepts_the_junit_file() {
    let files = suite();
    let output = run(&files, &["--junit", "out.xml"]);
    assert_eq!(status(&output), 4, "{}", errors(&output));
    let xml = files.read("out.xml");
    assert!(xml.contains("a &lt;title&gt; &amp; ␇ more"), "{xml}");
    assert!(xml.contains("<system-out>␀␁␂") && xml.contains("␛"), "{xml}");
    assert_eq!(xml.matches("<failure ").count(), 2, "{xml}");
    assert_eq!(xml.matches("<rerunFailure ").count(), 2, "{xml}");
    assert_eq!(xml.matches("<error ").count(), 1, "a timeout is an error: {xml}");
    assert!(xml.contains("tests=\"7\" failures=\"2\" errors=\"1\""), "{xml}");
    assert!(xml.contains("timestamp=\"2"), "{xml}");
    assert_valid(&files.path("out.xml"));
}

/// By the schema, where there is a validator.
fn assert_valid(file: &Path) {
    let Some(mut xmllint) = have("xmllint") else { return };
    let output = xmllint.args(["--noout", "--schema", XSD]).arg(file).output().expect("it starts");
    assert!(output.status.success(), "{}", errors(&output));
}

#[test]
fn every_line_of_json_is_an_event_of_the_schema() {
    let files = suite();
    let output = run(&files, &["--format", "json", "--slow", "0.1"]);
    assert_eq!(status(&output), 4, "{}", errors(&output));
    let lines = text(&output);
    let schema = std::fs::read_to_string(JSON_SCHEMA).expect("the schema");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let events: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).expect(l)).collect();
    for event in &events {
        validator.validate(event).unwrap_or_else(|e| panic!("{e}: {event}"));
    }
    let of = |name: &str| events.iter().filter(|e| e["event"] == name).collect::<Vec<_>>();
    assert_eq!(of("suite-started")[0]["tests"], 7);
    assert_eq!(of("test-finished").len(), 7);
    assert_eq!(of("attempt-failed").len(), 3);
    assert_eq!(of("test-started").len(), 10);
    let hang = of("test-finished").into_iter().find(|e| e["test"]["name"] == "hang #1 [bt]");
    let hang = hang.expect("the test");
    assert_eq!((&hang["failure"]["kind"], &hang["attempts"]), (&"timeout".into(), &2.into()));
    let end = events.last().expect("events");
    assert_eq!((&end["event"], &end["passed"]), (&"suite-finished".into(), &4.into()));
    assert_eq!((&end["failed"], &end["stopped"]), (&3.into(), &Value::Null));
    assert_eq!(end["slow"][0]["name"], "hang #1 [bt]");
}

type Annotation<'a> = (&'a str, Vec<(String, String)>, String);

/// A command of a workflow: level, properties, text, as GitHub's runner reads it.
fn annotation(line: &str) -> Option<Annotation<'_>> {
    let (command, text) = line.strip_prefix("::")?.split_once("::")?;
    let (level, properties) = command.split_once(' ')?;
    let plain = |text: &str| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n");
        text.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    };
    let pairs = properties.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.to_owned(), plain(value))).collect();
    Some((level, pairs, plain(text)))
}

#[test]
fn github_gets_an_annotation_for_each_failure_and_no_command_of_a_guests() {
    let files = suite();
    let output = run(&files, &["--format", "github"]);
    let lines = text(&output);
    let commands: Vec<_> = lines.lines().filter_map(annotation).collect();
    assert_eq!(commands.len(), 3, "{lines}");
    for (level, properties, told) in &commands {
        assert_eq!(*level, "error");
        let value = |key: &str| properties.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        let file = value("file").expect("a file");
        assert!(
            matches!(file, "./wrong.bin" | "wrong.bin" | "hang #1.bin" | "./hang #1.bin"),
            "{file}"
        );
        assert!(value("title").is_some_and(|title| title.contains(" [")), "{properties:?}");
        assert!(!told.is_empty());
    }
    // The guest of `wrong` says ::x, which people see where commands are off.
    let off = lines.find("::stop-commands::").expect("commands go off");
    let token = lines[off..].lines().next().expect("a line").rsplit("::").next().expect("a word");
    let shown = lines.find("\"::x\"").or_else(|| lines.find("::x")).expect("the text");
    let on = lines[off..].find(&format!("::{token}::")).expect("commands go on") + off;
    assert!(off < shown && shown < on, "{lines}");
}

#[test]
fn what_cannot_be_written_is_told() {
    let files = suite();
    let output = run(&files, &["--format", "json=/dev/full", "--junit", "out.xml", "good.bin"]);
    assert_eq!(status(&output), 74, "{}", errors(&output));
    assert!(errors(&output).contains("ringer: cannot write /dev/full: "), "{}", errors(&output));
    assert!(text(&output).contains(" passed, "), "the suite went on: {}", text(&output));
    assert_valid(&files.path("out.xml"));
    let output = run(&files, &["--junit", "/proc/nowhere/out.xml"]);
    common::assert_line(&output, 2, "cannot write /proc/nowhere/out.xml");
    assert_eq!(text(&output), "", "nothing has run");
    let output = run(&files, &["--format", "tap", "--format", "json"]);
    common::assert_line(&output, 2, "NAME=FILE");
    let output = run(&files, &["--format", "xml"]);
    assert_eq!(status(&output), 2);
}

#[test]
fn colours_and_bars_are_for_terminals() {
    let files = suite();
    let output = run(&files, &["good.bin"]);
    assert!(!text(&output).contains('\x1b') && !errors(&output).contains('\x1b'));
    let Some(mut script) = have("script") else { return };
    let ringer = env!("CARGO_BIN_EXE_ringer");
    let line = format!("{ringer} test '{}'", files.path("good.bin").display());
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    let mut on_terminal =
        |no_colour: &str| text(&script.env("NO_COLOR", no_colour).output().expect("it starts"));
    let shown = on_terminal("");
    assert!(shown.contains("\x1b[32mok"), "{shown:?}");
    let shown = on_terminal("1");
    assert!(!shown.contains("\x1b[3"), "{shown:?}");
    assert!(shown.contains("3 passed, 0 failed"), "{shown:?}");
}
