//! The table in README.md is complete: each item of the list of traps has a test, named after it, that exists.

use ringer_test_roms::roms_dir;
use std::collections::BTreeMap;
use std::path::Path;

/// The items of the list.
const ITEMS: std::ops::RangeInclusive<u32> = 1..=46;

/// The table's first three columns: item, behaviour, the names of its tests.
fn rows() -> Vec<(u32, String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).expect("the README can be read");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = text.lines().filter(|line| line.starts_with('|')).map(cells);
    lines
        .filter_map(|row| {
            let item = row[0].parse().ok()?;
            let names = row[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            Some((item, row[1].clone(), names))
        })
        .collect()
}

/// Whether a name of the table is that of a ROM, or of a test function in the file that it names.
fn exists(name: &str) -> bool {
    let Some((file, function)) = name.split_once("::") else {
        return roms_dir().join(format!("{name}.s")).is_file();
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(file))
        .is_ok_and(|text| text.contains(&format!("fn {function}(")))
}

#[test]
fn each_item_stands_once_and_says_what_it_is() {
    let mut counts = BTreeMap::new();
    for (item, behaviour, _) in rows() {
        assert!(!behaviour.is_empty(), "item {item} says nothing");
        *counts.entry(item).or_insert(0) += 1;
    }
    for item in ITEMS {
        assert_eq!(counts.get(&item), Some(&1), "rows of item {item}");
    }
}

#[test]
fn every_test_in_the_table_exists() {
    for (item, _, names) in rows() {
        assert!(!names.is_empty(), "item {item} has no test");
        for name in names {
            assert!(exists(&name), "item {item} names `{name}`, which does not exist");
        }
    }
}

#[test]
fn every_rom_named_after_an_item_is_in_its_row() {
    let named: Vec<(u32, String)> = rows()
        .into_iter()
        .flat_map(|(item, _, names)| names.into_iter().map(move |n| (item, n)))
        .collect();
    for entry in std::fs::read_dir(roms_dir()).expect("the ROM folder can be listed") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let digits = name.strip_prefix('t').and_then(|rest| rest.split('_').next());
        let Some(item) = digits.and_then(|digits| digits.parse::<u32>().ok()) else { continue };
        assert!(named.contains(&(item, name.clone())), "{name} is not in the row of item {item}");
    }
}

#[test]
fn each_risk_of_the_design_has_tests_that_exist_and_each_such_rom_a_row() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).expect("the README can be read");
    let (_, risks) = text.split_once("## The risks of the design").expect("the table of risks");
    let rows = risks.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut named = Vec::new();
    for row in rows {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in &names {
            assert!(exists(name), "`{name}` does not exist");
        }
        named.extend(names);
    }
    for entry in std::fs::read_dir(roms_dir()).expect("the ROM folder can be listed") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(!name.starts_with("tb_") || named.contains(&name.as_str()), "no row: {name}");
    }
}
