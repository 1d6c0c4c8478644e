//! The file format: what is written is read again, and so is what older versions wrote.

mod common;

use ringer_profile::{FORMAT, ProfileFile, ReadError};
use std::path::Path;

fn parse(text: &str) -> Result<ProfileFile, ReadError> {
    ProfileFile::parse(text.as_bytes(), Path::new("a.json"))
}

#[test]
fn what_is_written_is_read_again() {
    let file = common::sample();
    let mut text = Vec::new();
    file.write(&mut text).unwrap();
    let back = ProfileFile::parse(&text, Path::new("a.json")).unwrap();
    assert!(back == file, "a field is lost or changed");
}

#[test]
fn the_summary_stands_at_the_top() {
    let value = serde_json::to_value(common::sample()).unwrap();
    assert_eq!(value["format"], FORMAT);
    assert_eq!(value["engine"], "bt");
    assert_eq!(value["dispatched"], 70_000);
    assert_eq!(value["ledger"][0]["name"], "translated code");
    assert_eq!(value["blocks"][0]["eip"], "0xc0102300");
    assert_eq!(value["blocks"][0]["faults"]["true"], 0);
}

#[test]
fn a_file_of_the_first_version_is_read() {
    let first = r#"{"engine":"bt","seconds":1.5,"instructions_translated":10,"dispatched":3,
        "hot_callouts":[{"instruction":"POPFD","count":7}],
        "ledger":[{"name":"dispatcher","seconds":1,"count":2}],"residual_seconds":0.5}"#;
    let file = parse(first).unwrap();
    assert_eq!((file.format, file.summary.dispatched), (0, 3));
    assert_eq!(file.summary.row("dispatcher").unwrap().count, 2);
    assert_eq!(file.summary.hot_callouts[0].instruction, "POPFD");
    assert!(file.timeline.is_empty() && file.sampling.is_none());
}

#[test]
fn what_is_added_later_is_passed_over() {
    let file = parse(r#"{"format":1,"engine":"bt","news":[1,2],"meta":{"news":{}}}"#).unwrap();
    assert_eq!(file.summary.engine, "bt");
}

#[test]
fn what_is_no_profile_is_refused_with_a_word() {
    let error = |text: &str| parse(text).unwrap_err().to_string();
    assert!(error("{").starts_with("a.json is no profile"), "{}", error("{"));
    assert!(error("[]").contains("is no profile"));
    assert!(error("{}").contains("names no engine"));
    assert!(error(r#"{"engine":"bt","seconds":"long"}"#).contains("is no profile"));
    let newer = error(&format!(r#"{{"format":{},"engine":"bt"}}"#, FORMAT + 1));
    assert!(newer.contains("take the ringer that wrote it"), "{newer}");
    let missing = ProfileFile::read(Path::new("no/such/file")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no/such/file: "), "{missing}");
}
