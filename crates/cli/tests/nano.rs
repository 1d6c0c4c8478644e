//! `ringer nano` measures each operation and says what is missing.

mod common;

use common::ringer;

#[test]
fn every_operation_is_measured_and_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("nano.json");
    let out = ringer(&["nano", "--alone", "--time", "1", "--json", json.to_str().expect("UTF-8")]);
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("cost less than by the paper's binary translation"), "{text}");
    let text = std::fs::read_to_string(&json).expect("written");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 18);
    for row in rows {
        let cost = row["ringer"].as_f64().expect("measured");
        // The cheapest may vanish in the loop around it; nothing takes a millisecond.
        assert!((0.0..3e6).contains(&cost), "{row}");
        assert!(row["tcg"].is_null() && row["native"].is_null(), "{row}");
    }
    let named = |name: &str| rows.iter().find(|row| row["name"] == name).expect("a row");
    assert!(named("pgfault")["ringer"].as_f64() > named("callret")["ringer"].as_f64());
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_is_measured() {
    let out = ringer(&["nano", "--alone", "--json", "/nonexistent/nano.json"]);
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("/nonexistent/nano.json"), "{text}");
    assert!(out.stdout.is_empty());
}
