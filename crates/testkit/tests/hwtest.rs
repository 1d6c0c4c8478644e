//! The captured-test runner: files of a 386 written here, wrong files, and the whole set captured on
//! an 80286.

mod common;

use common::{Capture, file};
use flate2::{Compression, write::GzEncoder};
use ringer_cpu::CpuModel;
use ringer_testkit::hw::setting::RunMode;
use ringer_testkit::hw::{self, Engines, HwError, Options, moo, report::Suite};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const EAX: u32 = 2;
const EBX: u32 = 3;
const CX: u32 = 4;
const ESP: u32 = 9;
const CS: u32 = 10;
const DS: u32 = 11;
const FS: u32 = 13;
const SS: u32 = 15;
const EIP: u32 = 16;
const EFLAGS: u32 = 17;
const DR6: u32 = 18;

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        engines: Engines::Both,
        only: Vec::new(),
        model: CpuModel::PENTIUM4,
        mode: RunMode::Real,
        every: 1,
        jobs: None,
    }
}

/// Registers of a 386 in real mode, with `more` on top.
fn real(more: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut regs: Vec<(u32, u32)> = (0..20).map(|n| (n, 0)).collect();
    let usual = [
        (0, 0x7fff_fff0),
        (CS, 0x1000),
        (DS, 0x2000),
        (SS, 0x3000),
        (ESP, 0x100),
        (EIP, 0x50),
        (EFLAGS, 0xfffc_0002),
        (DR6, 0xffff_0ff0),
    ];
    for (n, value) in usual.iter().chain(more) {
        regs[*n as usize] = (*n, *value);
    }
    regs
}

/// ADD of 32 bits, a load through FS, and a divide error that goes through the IVT.
fn tests_386() -> Vec<Capture> {
    let add = Capture {
        name: "add eax,ebx",
        code: vec![0x66, 0x01, 0xd8],
        before: real(&[(EAX, 0xffff_ffff), (EBX, 1)]),
        after: vec![(EAX, 0), (EIP, 0x54), (EFLAGS, 0xfffc_0057)],
        ..Capture::default()
    };
    let load = Capture {
        name: "mov eax,[fs:1234h]",
        code: vec![0x64, 0x66, 0xa1, 0x34, 0x12],
        before: real(&[(FS, 0x4000)]),
        ram_before: vec![(0x4_1234, 1), (0x4_1235, 2), (0x4_1236, 3), (0x4_1237, 4)],
        after: vec![(EAX, 0x0403_0201), (EIP, 0x56)],
        ..Capture::default()
    };
    let frame = [0x50, 0, 0, 0x10, 2, 0];
    let divide = Capture {
        name: "div cx",
        code: vec![0xf7, 0xf1],
        before: real(&[(CX, 0)]),
        ram_before: vec![(0, 0), (1, 0), (2, 0), (3, 0x50), (0x5_0000, 0xf4)],
        after: vec![(ESP, 0xfa), (CS, 0x5000), (EIP, 1)],
        ram_after: (0x3_00fa..).zip(frame).collect(),
        exception: Some((0, 0x3_00fe)),
    };
    let push = Capture {
        name: "push eax",
        code: vec![0x66, 0x50],
        before: real(&[(EAX, 0x0403_0201)]),
        after: vec![(ESP, 0xfc), (EIP, 0x53)],
        ram_after: (0x3_00fc..).zip([1, 2, 3, 4]).collect(),
        ..Capture::default()
    };
    vec![add, load, divide, push]
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("a written file");
    }
    dir
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).expect("gzip");
    out.finish().expect("gzip")
}

fn told(suite: &Suite) -> String {
    let mut text = Vec::new();
    suite.write(&mut text, 5).expect("a report");
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn tests_of_a_386_run_packed_and_unpacked() {
    let bytes = file(&tests_386(), u32::MAX);
    let dir = folder(&[("A.MOO", &bytes), ("B.moo.gz", &packed(&bytes)), ("readme.txt", b"no")]);
    let total = {
        let suite = hw::run(&options(dir.path())).expect("the tests run");
        assert_eq!(suite.opcodes.keys().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(suite.total().failures(), 0, "{}", told(&suite));
        suite.total()
    };
    assert_eq!((total.ran, total.engines["interp"].passed, total.engines["bt"].passed), (8, 8, 8));
    assert!(total.as_host >= 6, "{} of 8 ran as host code", total.as_host);
}

#[test]
fn a_wrong_result_a_wrong_frame_and_a_stray_write_fail() {
    let good = tests_386();
    let mut register = good[0].clone();
    register.after[0].1 = 5;
    let mut frame = good[2].clone();
    frame.ram_after[0].1 ^= 1;
    let mut stray = good[3].clone();
    stray.ram_after.clear();
    for (test, part) in [(register, "eax is 0"), (frame, "[300fa]"), (stray, "stray write")] {
        let bytes = file(&[test], u32::MAX);
        let dir = folder(&[("X.MOO", &bytes)]);
        let suite = hw::run(&options(dir.path())).expect("the tests run");
        let total = suite.total();
        assert_eq!(total.failures(), 2, "{}", told(&suite));
        for engine in ["interp", "bt"] {
            let what = &total.engines[engine].failed[0];
            assert!(what.contains(part), "{engine}: {what}");
        }
    }
}

#[test]
fn protected_mode_and_withdrawn_tests_are_excused_by_name() {
    let mut test = tests_386()[0].clone();
    test.before[0].1 |= 1;
    let bytes = file(&[test, tests_386()[0].clone()], u32::MAX);
    let list = "# withdrawn\n".to_owned() + &"01".repeat(20);
    let dir = folder(&[("X.MOO", &bytes), ("revocation_list.txt", list.as_bytes())]);
    let suite = hw::run(&options(dir.path())).expect("the tests run");
    assert_eq!((suite.total().ran, suite.total().excused.len()), (0, 2), "{}", told(&suite));
}

#[test]
fn an_opcode_without_a_file_is_an_error_that_names_the_folder() {
    let dir = folder(&[("X.MOO", &file(&tests_386(), u32::MAX))]);
    let wanted = Options { only: vec!["Y".into()], ..options(dir.path()) };
    assert!(matches!(hw::run(&wanted), Err(HwError::Nothing(path)) if path == dir.path()));
}

#[test]
fn truncated_and_corrupt_files_are_errors_never_panics() {
    let good = file(&tests_386(), u32::MAX);
    assert_eq!(moo::parse(&good).expect("a good file").cases.len(), 4);
    for len in 0..good.len() {
        assert!(moo::parse(&good[..len]).is_err(), "cut to {len} bytes it passes");
    }
    let zipped = packed(&good);
    for len in 2..zipped.len() {
        assert!(moo::unpack(zipped[..len].to_vec()).is_err(), "gzip cut to {len} bytes passes");
    }
    // Random damage may leave a readable file; it must not do more.
    let seed = 0x5eed_2026_u64;
    println!("seed {seed:#x}");
    let mut random = seed;
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (random >> 33) as usize % bad.len();
            bad[at] = (random >> 24) as u8;
        }
        refused += u32::from(moo::parse(&bad).is_err());
        let _ = moo::unpack([&[0x1f, 0x8b][..], &bad].concat());
    }
    assert!(refused > 1000, "only {refused} of 20000 damaged files were noticed");
}

fn command(args: &[&str], dir: &Path) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_hwtest");
    let output =
        Command::new(program).arg("--dir").arg(dir).args(args).output().expect("hwtest starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_tells_by_its_status_and_names_a_bad_file() {
    let good = file(&tests_386(), u32::MAX);
    let dir = folder(&[("X.MOO", &good)]);
    let json = dir.path().join("out.json");
    let (status, out, _) = command(&["--json", json.to_str().expect("a path")], dir.path());
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("4 of 4 cases ran, 0 excused"), "{out}");
    let text = std::fs::read(&json).expect("the JSON file");
    let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(value["opcodes"]["X"]["engines"]["bt"]["passed"], 4);
    let mut wrong = tests_386()[0].clone();
    wrong.after[0].1 = 5;
    let bad = folder(&[("X.MOO", &file(&[wrong], u32::MAX))]);
    assert_eq!(command(&["--engine", "bt"], bad.path()).0, Some(1));
    let cut = folder(&[("CUT.MOO", &good[..good.len() - 1])]);
    let (status, _, errors) = command(&[], cut.path());
    assert_eq!((status, errors.lines().count()), (Some(2), 1), "{errors}");
    assert!(errors.contains("CUT.MOO") && errors.contains("truncated"), "{errors}");
    assert_eq!(command(&[], Path::new("/nonexistent/folder")).0, Some(2));
}

/// The captures' folder: `RINGER_HW286` names it.
fn captures() -> Option<PathBuf> {
    let named = std::env::var_os("RINGER_HW286").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/hw286");
    let dir = named.unwrap_or(beside);
    if dir.is_dir() {
        return Some(dir);
    }
    let why = "skipped: the captured 80286 tests are not here; RINGER_HW286 names their folder";
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("{why}");
    None
}

fn thinned(default: usize) -> usize {
    let number = std::env::var("RINGER_HW286_EVERY").ok().and_then(|n| n.parse().ok());
    number.unwrap_or(default)
}

/// All cases; `RINGER_HW286_EVERY` thins them.
#[test]
fn both_engines_end_as_a_real_80286() {
    let Some(dir) = captures() else { return };
    let every = thinned(1);
    let suite = hw::run(&Options { every, ..options(&dir) }).expect("the tests run");
    let total = suite.total();
    println!("{}", told(&suite));
    assert_eq!(total.failures(), 0, "{}", told(&suite));
    assert!(
        total.cases >= 97_500 && total.ran as usize >= total.cases / every,
        "cases are missing"
    );
    let excused: u32 = total.excused.values().sum();
    assert!(excused * 200 < total.ran, "{excused} cases excused");
    for engine in ["interp", "bt"] {
        let adapted = total.engines[engine].adapted();
        assert!(adapted * 40 < total.ran, "{engine}: {adapted} cases adapted");
    }
    assert!(total.verified > u64::from(total.ran), "{} blocks verified", total.verified);
    assert!(total.host_share() > 80.0, "only {:.1} % ran as host code", total.host_share());
}

/// Every tenth case, unless `RINGER_HW286_EVERY` says otherwise.
#[test]
fn what_does_not_depend_on_the_mode_is_the_same_in_v86_and_protected_mode() {
    let Some(dir) = captures() else { return };
    let every = thinned(10);
    for mode in [RunMode::V86, RunMode::Protected] {
        let suite = hw::run(&Options { every, mode, ..options(&dir) }).expect("the tests run");
        let total = suite.total();
        println!("{mode:?}: 1 of {every} cases: {} ran", total.ran);
        assert_eq!(total.failures(), 0, "{mode:?}: {}", told(&suite));
        assert!(total.ran as usize * 5 > total.cases / every * 4, "{mode:?}: {} ran", total.ran);
        assert!(total.host_share() > 90.0, "{mode:?}: {:.1} % as host code", total.host_share());
    }
}
