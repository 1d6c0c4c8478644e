//! The workspace's layout is as CONTRIBUTING.md promises: no circle of imports between files, no
//! function or file too long to read.

use ringer_layout::{circles, modules, panics, sizes, source};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn no_file_imports_another_in_a_circle() {
    let mut found = Vec::new();
    for package in source::packages() {
        found.extend(source::targets(&package).iter().flat_map(|root| circles_of(root)));
    }
    assert!(found.is_empty(), "circles of imports:\n{}", found.join("\n"));
}

/// A line for each file of a target that is in a circle: which others of the circle it uses.
fn circles_of(root: &Path) -> Vec<String> {
    let uses = circles::uses(root);
    let mut found = Vec::new();
    for circle in circles::circles(&uses) {
        let inside: BTreeSet<&Path> = circle.iter().copied().collect();
        for file in circle {
            let others = uses[file].iter().filter(|other| inside.contains(other.as_path()));
            let others: Vec<String> = others.map(|other| source::name_of(other)).collect();
            found.push(format!("{} uses {}", source::name_of(file), others.join(", ")));
        }
    }
    found
}

#[test]
fn only_the_run_loop_names_the_whole_monitor() {
    let src = source::root().join("crates/monitor/src");
    let names = modules::files_with_name(&src.join("lib.rs"), "Monitor");
    let allowed = |file: &str| matches!(file, "run.rs" | "lib.rs") || file.starts_with("run/");
    let names = names.iter().map(|path| path.strip_prefix(&src).expect("a file of the crate"));
    let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
    assert!(names.iter().any(|file| file == "run.rs"), "the run loop names it: {names:?}");
    let others: Vec<&String> = names.iter().filter(|file| !allowed(file)).collect();
    assert!(others.is_empty(), "these name the whole monitor: {others:?}");
}

#[test]
fn a_file_has_600_lines_at_most() {
    let long = source::rust_files().into_iter().filter_map(|path| {
        let lines = source::read(&path).lines().count();
        (lines > 600).then(|| format!("{}: {lines}", source::name_of(&path)))
    });
    let long: Vec<String> = long.collect();
    assert!(long.is_empty(), "files too long:\n{}", long.join("\n"));
}

#[test]
fn a_function_has_80_lines_at_most() {
    let mut long = Vec::new();
    for path in source::rust_files() {
        for function in sizes::functions(&path).into_iter().filter(|f| f.lines > 80) {
            let file = source::name_of(&path);
            long.push(format!("{file}: {} has {} lines", function.name, function.lines));
        }
    }
    assert!(long.is_empty(), "functions too long:\n{}", long.join("\n"));
}

/// Files whose calls are none of the standard library's that panic, or cannot: file, call, how many, why.
const NO_PANICS: [(&str, &str, usize, &str); 9] = [
    ("cpu/src/interp/fpu/live.rs", "expect", 1, "eight bytes are an array of eight"),
    ("crates/monitor/src/faults.rs", "expect", 1, "a method of its own"),
    ("crates/testkit/src/bin/hwtest.rs", "eprintln", 1, "a tool of the developers'"),
    ("devices/src/board.rs", "expect", 1, "rows that overlap fail every test"),
    ("devices/src/virtio/queue.rs", "expect", 1, "sizes of rings are constants of the devices"),
    ("translator/src/runtime/cache.rs", "expect", 1, "four bytes are an array of four"),
    ("translator/src/runtime/memory.rs", "expect", 1, "an offset in the cache, which is smaller"),
    ("translator/src/runtime/stubs.rs", "expect", 1, "the stubs' labels are the same in every run"),
    ("translator/src/tail.rs", "expect", 1, "code without labels"),
];

/// The crates that are in the command and in the library, as folders.
const SHIPPED: [&str; 15] = [
    "cpu/src/",
    "mmu/src/",
    "translator/src/",
    "devices/src/",
    "crates/monitor/src/",
    "crates/machine/src/",
    "crates/gdb/src/",
    "crates/input/src/",
    "crates/profile/src/",
    "crates/storage/src/",
    "crates/script/src/",
    "crates/testkit/src/",
    "crates/view/src/",
    "crates/ringer/src/",
    "crates/cli/src/",
];

#[test]
fn no_refusal_of_the_host_panics() {
    let is_test = |name: &str| ["tests.rs", "testing.rs"].iter().any(|end| name.ends_with(end));
    let mut wrong = Vec::new();
    for path in source::rust_files() {
        let name = source::name_of(&path);
        let shipped = SHIPPED.iter().any(|folder| name.starts_with(folder));
        if !shipped || is_test(&name) || name.contains("/tests/") {
            continue;
        }
        let calls = panics::calls(&path);
        for call in calls.iter().collect::<BTreeSet<_>>() {
            let count = calls.iter().filter(|other| *other == call).count();
            let known = NO_PANICS.iter().find(|row| row.0 == name && row.1 == call);
            if known.is_none_or(|row| row.2 != count) {
                wrong.push(format!("{name}: {call}, {count} times"));
            }
        }
    }
    assert!(wrong.is_empty(), "these may panic:\n{}", wrong.join("\n"));
}
