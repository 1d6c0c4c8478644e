//! The README's five minutes with `ringer test`, word by word: in an empty folder, with the binary alone.

mod common;

use common::Files;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first code block behind the README's heading.
fn block() -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let section = readme.split("\n## Test ROMs in five minutes\n").nth(1).expect("the section");
    let block = section.split("```sh\n").nth(1).expect("commands");
    block.split("```").next().expect("their end").to_owned()
}

/// A folder with the binary in `bin` and nothing else.
fn fresh() -> Files {
    let files = Files::new();
    fs::create_dir(files.path("bin")).expect("a folder");
    files.copy_of_ringer("bin/ringer");
    files
}

/// Runs a script as a newcomer's shell would.
fn shell(files: &Files, folder: &str, script: &str) -> Output {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(files.path(folder)).env_clear();
    shell.env("PATH", format!("{}:/usr/bin:/bin", files.path("bin").display()));
    shell.env("HOME", files.dir());
    if let Some(ci) = std::env::var_os("CI") {
        shell.env("CI", ci);
    }
    shell.output().expect("sh starts")
}

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_readmes_five_minutes_work_word_by_word() {
    let files = fresh();
    let commands = block();
    let marked: String = commands.lines().map(|line| format!("{line}\necho \"= $?\"\n")).collect();
    let output = shell(&files, "", &marked);
    let told = text(&output);
    let statuses: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("= ")).collect();
    let last = statuses.len() - 1;
    assert!(statuses.len() >= 5, "{told}");
    assert!(statuses[..last].iter().all(|status| *status == "0"), "{told}");
    assert_eq!(statuses[last], "4", "it fails, as the README says: {told}");
    let good = told.find(" passed, 0 failed").unwrap_or_else(|| panic!("{told}"));
    let bad = told.find(" passed, 3 failed").unwrap_or_else(|| panic!("{told}"));
    assert!(good < bad, "{told}");
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    for part in ["-PASS\\r", "+FAIL check 1: got 00000004 want 00000005\\r"] {
        assert!(told.contains(part) && readme.contains(part), "{part}: {told}");
    }
}

/// The command of a CI file that runs the suite.
fn command_of(file: &str) -> String {
    let starter = root().join("crates/testkit/starter").join(file);
    let text = fs::read_to_string(starter).expect("the file");
    let line = text.lines().find_map(|line| Some(&line[line.find("ringer test")?..]));
    line.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn what_the_ci_files_run_works_in_the_starter_suite() {
    let files = fresh();
    let output = shell(&files, "", "ringer test --init suite");
    assert!(output.status.success(), "{}", text(&output));
    for ci in [".github/workflows/ringer.yml", ".gitlab-ci.yml"] {
        assert!(files.path("suite").join(ci).is_file(), "{ci}");
    }
    let github = command_of("github.yml").replace("${{ matrix.shard }}", "1");
    let gitlab = format!("CI_NODE_INDEX=2 CI_NODE_TOTAL=2; {}", command_of("gitlab.yml"));
    for script in [github, gitlab] {
        let output = shell(&files, "suite", &script);
        assert!(output.status.success(), "{script}: {}", text(&output));
        assert!(text(&output).contains(" passed, 0 failed"), "{script}: {}", text(&output));
        let results = files.path("suite/results.xml");
        let xml = fs::read_to_string(&results).expect("results");
        assert!(xml.contains("<testsuites "), "{xml}");
        fs::remove_file(results).expect("they were there");
    }
}

#[test]
fn a_source_of_ones_own_works_from_the_readme_alone() {
    let files = fresh();
    // No load, no include folder, no linker script: what the documentation shows, and nothing else.
    files.write(
        "own.s",
        b"#! title = \"mine\"\n    .include \"pm.inc\"\nmain:\n    EXPECT 2, 2\n    ret\n",
    );
    let output = shell(&files, "", "ringer test own.s");
    assert!(text(&output).contains("3 passed, 0 failed"), "{}", text(&output));
}
