//! A suite in the layout of kvm-unit-tests (test-roms/unittests) runs as it is.

mod common;

use common::{Files, command, errors, have, status};
use ringer_test_roms::{Load, assemble_as, roms_dir};
use std::fs;
use std::path::Path;
use std::process::Output;

/// A configured tree with the sample, built.
fn tree(configuration: &str) -> Files {
    let files = Files::new();
    let sample = roms_dir().join("../unittests");
    let tests = files.path("x86");
    fs::create_dir(&tests).expect("a folder");
    // Other architectures lie beside.
    fs::create_dir(files.path("arm")).expect("a folder");
    fs::write(files.path("arm/unittests.cfg"), "[arm]\nfile = arm.flat\n").expect("a file");
    fs::write(files.path("config.mak"), configuration).expect("a file");
    fs::copy(sample.join("x86/unittests.cfg"), tests.join("unittests.cfg")).expect("a copy");
    let include = [sample.clone(), roms_dir().join("include")];
    for name in ["arith", "arguments", "failing", "hanging"] {
        let source = sample.join(format!("x86/{name}.s"));
        let image = assemble_as(&source, Load::Multiboot, &files.path("built"), &include);
        let image = image.unwrap_or_else(|error| panic!("{error}"));
        fs::rename(image, tests.join(format!("{name}.flat"))).expect("an image");
    }
    files
}

fn test(folder: &Path, options: &[&str]) -> (Output, String) {
    let output = command().arg("test").arg(folder).args(options).output().expect("ringer starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[test]
fn a_configured_tree_runs_as_it_is() {
    let files = tree("ARCH=i386\nTEST_DIR=x86\n");
    let junit = files.path("junit.xml");
    let (output, text) = test(files.dir(), &["--junit", junit.to_str().expect("a plain name")]);
    assert_eq!(status(&output), 0, "{text}{}", errors(&output));
    assert!(text.lines().any(|l| l.starts_with("ok ") && l.contains("arith [bt]")), "{text}");
    assert!(text.lines().any(|l| l.starts_with("ok ") && l.contains("arguments [bt]")), "{text}");
    for (name, reason) in [
        ("arguments-none", "no arguments to look at"),
        ("failing", "when asked for"),
        ("hanging", "when asked for"),
        ("two-processors", "needs 2 processors"),
        ("long-mode", "x86_64 only"),
        ("kvm-only", "kvm only"),
        ("other-host", "ostype not equal to Plan9"),
        ("other-device", "-device edu"),
    ] {
        let line = text.lines().find(|l| l.contains(&format!("{name} [bt]")));
        let line = line.unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line.contains(reason), "{line}");
    }
    assert!(text.contains("2 passed, 0 failed, 8 skipped"), "{text}");
    let xml = fs::read_to_string(junit).expect("a report");
    for case in ["six times seven", "a logical shift", "it is the environment"] {
        assert!(xml.contains(case), "{case}: {xml}");
    }
    let schema =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/testkit/tests/schema/junit-10.xsd");
    if let Some(mut xmllint) = have("xmllint") {
        xmllint.arg("--noout").arg("--schema").arg(schema).arg(files.path("junit.xml"));
        let checked = xmllint.output().expect("xmllint starts");
        assert!(checked.status.success(), "{}", errors(&checked));
    }
}

#[test]
fn groups_choose_and_failures_are_told_by_case() {
    let files = tree("ARCH=i386\nTEST_DIR=x86\n");
    let (output, text) = test(&files.path("x86"), &["--tag", "known-bad", "--tag", "hang"]);
    assert_eq!(status(&output), 4, "{text}{}", errors(&output));
    assert!(text.contains("1 of 2 cases failed, the first: one is two"), "{text}");
    assert!(text.contains("ended by timeout"), "{text}");
    let (output, text) =
        test(&files.path("x86/unittests.cfg"), &["--engine", "interp", "--tag", "args"]);
    assert_eq!(status(&output), 0, "{text}");
    assert!(text.contains("arguments [interp]"), "{text}");
}

#[test]
fn a_tree_for_another_architecture_is_skipped_and_says_so() {
    let files = tree("ARCH=x86_64\nTEST_DIR=x86\n");
    let (output, text) = test(files.dir(), &[]);
    assert_eq!(status(&output), 0, "{text}");
    assert!(text.contains("configured for x86_64, the machine is i386"), "{text}");
    assert!(text.contains("0 passed, 0 failed, 10 skipped"), "{text}");
}
