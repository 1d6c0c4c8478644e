//! The README and the command agree: its options exist, and every page of documentation can be found from it.

mod common;

use common::ringer;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).expect("the README")
}

/// Words of the form `--word` in `text`.
fn options(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(|c: char| !is_part(c));
    let long = words
        .filter(|word| word.len() > 3 && word.starts_with("--") && !word[2..].starts_with('-'));
    long.map(|word| word.trim_end_matches('-').to_owned()).collect()
}

#[test]
fn every_option_of_the_table_exists() {
    let readme = readme();
    let rows = readme.lines().filter(|line| line.starts_with("| `-"));
    let told: BTreeSet<String> =
        rows.filter_map(|row| row.split('|').nth(1)).flat_map(options).collect();
    let help = String::from_utf8(ringer(&["run", "--help"]).stdout).expect("text");
    let known = options(&help);
    let missing: Vec<_> = told.difference(&known).collect();
    assert!(told.len() > 20 && missing.is_empty(), "not in --help: {missing:?}");
}

#[test]
fn every_page_of_documentation_is_named() {
    let readme = readme();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pages = fs::read_dir(docs).expect("the pages").map(|entry| entry.expect("a page"));
    let names = pages.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let missing: Vec<String> = names
        .filter(|name| name.ends_with(".md") && !readme.contains(&format!("docs/{name}")))
        .collect();
    assert!(missing.is_empty(), "no way leads to docs/{missing:?}");
}
