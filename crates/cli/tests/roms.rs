//! Every test ROM does what its head says, under every engine.

mod common;

use common::command;
use std::path::PathBuf;

#[test]
fn all_test_roms_pass_under_all_engines() {
    let folder = std::fs::read_dir(ringer_test_roms::roms_dir()).expect("the ROMs' folder");
    let sources = folder.map(|entry| entry.expect("an entry").path());
    let wanted = |path: &PathBuf| path.extension().is_some_and(|e| e == "s");
    let sources: Vec<PathBuf> = sources.filter(wanted).collect();
    assert!(sources.len() >= 80, "only {} ROMs", sources.len());
    let output = command().arg("test").args(&sources).output().expect("ringer starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", common::errors(&output));
    let summary = text.lines().last().unwrap_or_default();
    let passed: usize = summary.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(passed >= 3 * 80, "{summary}");
}
