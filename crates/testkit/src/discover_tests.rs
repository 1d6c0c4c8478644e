use super::*;
use std::fs;

fn multiboot() -> Vec<u8> {
    let mut image = vec![0; 16];
    image.extend(MULTIBOOT_MAGIC);
    image
}

/// The tests in these files, which lie in a folder of their own.
fn found(files: &[(&str, &[u8])]) -> Vec<Case> {
    let dir = tempfile::tempdir().unwrap();
    let suite = dir.path().join("suite");
    for (name, bytes) in files {
        let path = suite.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let work = dir.path().join("work");
    let mut workshop = Workshop::open(&work, Path::new("/ringer")).unwrap();
    let defaults = Defaults { engines: Some(vec![Engine::Bt]), ..Defaults::default() };
    cases(&[suite], &mut workshop, &defaults).unwrap()
}

fn names(cases: &[Case]) -> Vec<&str> {
    cases.iter().map(|case| case.name.as_str()).collect()
}

#[test]
fn a_directory_yields_what_is_described_and_multiboot_images() {
    let all = found(&[
        ("sub/bare.elf", &multiboot()),
        ("told.rom", &[0; 16]),
        ("told.toml", b"load = 'rom'\nengines = ['bt', 'interp']"),
        ("other.bin", &[0; 16]),
        ("include.s", b"nop\n"),
        ("notes.txt", b"x"),
        ("ringer.toml", b"build = 'x'"),
        ("Cargo.toml", b"[package]\nbuild = 'build.rs'"),
        (".git/hidden.elf", &multiboot()),
        ("doxygen.c", b"/*! \\file of no test */\nint x;\n"),
        ("a.asm", b"; a licence\n;! load = 'bootsector'\n"),
        ("b.c", b"/*! build = 'make' */\n"),
        ("c.toml", b"image = 'somewhere/c.bin'"),
    ]);
    let wanted = ["a [bt]", "b [bt]", "c [bt]", "bare [bt]", "told [bt]", "told [interp]"];
    assert_eq!(names(&all), wanted);
}

#[test]
fn what_a_command_makes_is_no_test_of_its_own() {
    let all = found(&[
        ("a.c", b"//! build = 'make a.elf'\n//! image = 'a.elf'\n"),
        ("a.elf", &multiboot()),
        ("b.c", b"//! build = 'make'\n"),
        ("b.bin", &multiboot()),
        ("c.toml", b"build = 'make'\n"),
        ("c.elf", &multiboot()),
    ]);
    assert_eq!(names(&all), ["a [bt]", "b [bt]", "c [bt]"]);
    assert!(all.iter().all(|case| matches!(case.program, Program::Made(_))));
}

#[test]
fn files_that_share_a_name_are_told_apart() {
    let all = found(&[("x/boot.elf", &multiboot()), ("y/boot.elf", &multiboot())]);
    assert!(all[0].name.ends_with("x/boot.elf [bt]") && all[1].name.ends_with("y/boot.elf [bt]"));
}

#[test]
fn a_malformed_description_is_one_failing_test() {
    let all = found(&[
        ("good.elf", &multiboot()),
        ("bad.s", b"# prose\n\n#! load = \"rom\"\n#! tiemout = 3\n"),
        ("tape.bin", &[0; 16]),
        ("tape.toml", b"load = 'tape'"),
        ("c.c", b"//! load = 'rom'\n"),
    ]);
    assert_eq!(names(&all), ["bad", "c", "good [bt]", "tape"]);
    let told = |number: usize| match all[number].image(&crate::stop::Stop::default()) {
        Err(crate::case::Verdict::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    };
    let bad = told(0);
    assert!(bad.message.contains("bad.s:4: tiemout: no such key"), "{bad:?}");
    assert!(bad.message.contains("allowed: title, tags"), "{bad:?}");
    assert_eq!((bad.line, bad.kind), (Some(4), Kind::Description));
    assert!(told(1).message.contains("c.c: build: is missing"), "{:?}", told(1));
    let tape = told(3).message;
    assert!(tape.contains("tape.toml:1: load: ") && tape.contains("'multiboot'"), "{tape}");
}

#[test]
fn a_named_file_that_is_no_test_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain.bin");
    fs::write(&plain, [0; 16]).unwrap();
    let mut workshop = Workshop::open(dir.path(), Path::new("/ringer")).unwrap();
    let mut run = |path: PathBuf| cases(&[path], &mut workshop, &Defaults::default()).unwrap_err();
    let error = run(plain);
    assert!(matches!(error, TestkitError::NotATest(_)), "{error}");
    let error = run(dir.path().join("absent"));
    assert!(matches!(error, TestkitError::Read { .. }), "{error}");
}

#[test]
fn a_source_needs_no_load_and_one_that_does_not_assemble_is_a_failing_test() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("bad.s");
    fs::write(&source, "#! engines = [\"bt\"]\n nop\n frobnicate\n").unwrap();
    let mut workshop = Workshop::open(dir.path(), Path::new("/ringer")).unwrap();
    let all = cases(&[source], &mut workshop, &Defaults::default()).unwrap();
    assert_eq!(all.len(), 1);
    match all[0].image(&crate::stop::Stop::default()) {
        Err(crate::case::Verdict::Failed(failure)) => {
            assert!(failure.details.contains("frobnicate"), "{failure:?}");
            assert_eq!((failure.kind, failure.line), (Kind::Build, Some(3)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_shared_files_are_at_hand_for_a_source_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("own.s");
    let text = "#! title = \"own\"\n    .include \"pm.inc\"\nmain: ret\n";
    fs::write(&source, text).unwrap();
    let work = dir.path().join("work");
    let mut workshop = Workshop::open(&work, Path::new("/ringer")).unwrap();
    let all = cases(&[source], &mut workshop, &Defaults::default()).unwrap();
    let image = all[0].image(&crate::stop::Stop::default()).unwrap();
    assert!(is_multiboot(&image).unwrap());
}
