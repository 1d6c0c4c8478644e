//! Drives on the command line: a guest that moves sectors finds them in the image; images that cannot be used, disks that must
//! not be written, and states beside them are one line each.

mod common;

use common::{Files, assert_line, debug_exit, errors, have, run_flat, status};
use std::fs::{self, File};
use std::path::Path;
use std::process::Output;

/// The value of a guest that is content, and of one that saw an error of the drive.
const WELL: u8 = 5;
const ERROR: u8 = 9;

/// mov edx, port; mov al, value; out dx, al.
fn out(port: u16, value: u8) -> Vec<u8> {
    let [low, high] = port.to_le_bytes();
    vec![0xba, low, high, 0, 0, 0xb0, value, 0xee]
}

/// A command with one sector, and the end of the run if it fails.
fn command(code: u8, sector: u8) -> Vec<u8> {
    let registers = [(6, 0xe0), (2, 1), (3, sector), (4, 0), (5, 0), (7, code)];
    let writes = registers.map(|(register, value)| out(0x1f0 + register, value));
    [writes.concat(), succeeded()].concat()
}

/// mov edx, 1f7h; in al, dx; test al, 1; jz past the end of the run.
fn succeeded() -> Vec<u8> {
    [&[0xba, 0xf7, 1, 0, 0, 0xec, 0xa8, 1, 0x74, 4][..], &debug_exit(ERROR)].concat()
}

/// mov edi, 200000h; mov ecx, 128; mov edx, 1f0h; rep insd.
const TAKE: &[u8] = &[0xbf, 0, 0, 0x20, 0, 0xb9, 128, 0, 0, 0, 0xba, 0xf0, 1, 0, 0, 0xf3, 0x6d];
/// The same by esi and rep outsd.
const PUT: &[u8] = &[0xbe, 0, 0, 0x20, 0, 0xb9, 128, 0, 0, 0, 0xba, 0xf0, 1, 0, 0, 0xf3, 0x6f];

/// Reads sector 1, writes it as sector 3, flushes.
fn copier() -> Vec<u8> {
    let read = [&command(0x20, 1)[..], TAKE].concat();
    let write = [&command(0x30, 3)[..], PUT, &succeeded()].concat();
    [read, write, command(0xe7, 0), debug_exit(WELL)].concat()
}

fn copy(files: &Files, options: &[&str]) -> Output {
    run_flat(files, &copier(), &[&["--debug-exit", "--timeout", "60"], options].concat())
}

fn ended(output: &Output, value: u8) {
    assert_eq!(status(output), i32::from(value) << 1 | 1, "{}", errors(output));
}

/// An image of eight sectors, the first byte of each its number.
fn sectors() -> Vec<u8> {
    (0..8 * 512).map(|n| if n % 512 == 0 { (n / 512) as u8 } else { (n % 253) as u8 }).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder's name is UTF-8")
}

#[test]
fn sectors_that_a_guest_copies_are_in_the_image() {
    let files = Files::new();
    let image = files.write("disk.img", &sectors());
    ended(&copy(&files, &["--hda", text(&image)]), WELL);
    let (before, after) = (sectors(), fs::read(&image).unwrap());
    assert_eq!(after[3 * 512..4 * 512], before[512..1024]);
    assert_eq!(after[..3 * 512], before[..3 * 512]);
    let Some(mut tool) = have("qemu-img") else { return };
    let qcow2 = files.path("disk.qcow2");
    let made = tool.args(["convert", "-O", "qcow2"]).args([&image, &qcow2]).output().unwrap();
    assert!(made.status.success());
    ended(&copy(&files, &["--drive", &format!("file={}", text(&qcow2))]), WELL);
    let check = have("qemu-img").unwrap().arg("check").arg(&qcow2).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn a_sector_moves_the_same_way_in_each_engine_and_item_by_item_where_that_is_seen() {
    let files = Files::new();
    let image = files.write("disk.img", &sectors());
    let trace = files.path("trace");
    let item_by_item = ["--trace", "io", "--trace-file", text(&trace)];
    let mut digests = Vec::new();
    for options in
        [&["--engine", "bt"][..], &["--engine", "interp"], &["--engine", "lockstep"], &item_by_item]
    {
        fs::write(&image, sectors()).unwrap();
        let report = files.path("report");
        let all = ["--clock", "virtual", "--report", text(&report), "--hda", text(&image)];
        ended(&copy(&files, &[options, &all[..]].concat()), WELL);
        assert_eq!(fs::read(&image).unwrap()[3 * 512..4 * 512], sectors()[512..1024]);
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        digests.push((report["digest"].clone(), report["instructions"].clone()));
    }
    assert!(digests[0].0.is_string() && digests.iter().all(|it| *it == digests[0]), "{digests:?}");
    let trace = fs::read_to_string(&trace).unwrap();
    for access in ["in 01f0h ->", "out 01f0h <-"] {
        assert_eq!(trace.matches(access).count(), 128, "{access}");
    }
}

#[test]
fn an_image_that_must_not_be_written_is_not() {
    let files = Files::new();
    let image = files.write("disk.img", &sectors());
    let read_only = format!("file={},readonly=on", text(&image));
    let refused = copy(&files, &["--drive", &read_only]);
    ended(&refused, ERROR);
    assert_eq!(errors(&refused), "");
    ended(&copy(&files, &["--snapshot", "--hda", text(&image)]), WELL);
    ended(&copy(&files, &["--drive", &format!("file={},snapshot=on", text(&image))]), WELL);
    assert_eq!(fs::read(&image).unwrap(), sectors());
}

#[test]
fn what_cannot_be_used_is_said_in_one_line() {
    let files = Files::new();
    let image = files.write("disk.img", &sectors());
    let empty = files.write("empty", &[]);
    let mut header = [&b"QFI\xfb\0\0\0\x03"[..], &[0; 200]].concat();
    let cut = files.write("cut.qcow2", &header[..60]);
    header[35] = 1;
    let secret = files.write("secret.qcow2", &header);
    let folder = files.dir().to_owned();
    for (path, part) in [
        (files.path("none.img"), "No such file"),
        (folder, "is a directory"),
        (empty, "is empty"),
        (cut, "ends within its header"),
        (secret, "is encrypted"),
    ] {
        assert_line(&copy(&files, &["--hda", text(&path)]), 2, part);
    }
    for (drive, part) in [
        ("file=x,if=scsi", "if is ide, ahci or virtio"),
        ("media=disk", "file=FILE is missing"),
        ("cache=none", "\"cache\" is none of"),
    ] {
        assert_line(&copy(&files, &["--drive", drive]), 2, part);
    }
    let twice = ["--hdc", text(&image), "--cdrom", text(&image)];
    assert_line(&copy(&files, &twice), 2, "two drives in one place");
    let both = ["--hda", text(&image), "--hdb", text(&image)];
    assert_line(&copy(&files, &both), 2, "is in use");
    let holder = File::open(&image).unwrap();
    holder.lock_shared().unwrap();
    assert_line(&copy(&files, &["--hda", text(&image)]), 2, "is in use");
    let read_only = format!("file={},readonly=on", text(&image));
    ended(&copy(&files, &["--drive", &read_only]), ERROR);
}

#[test]
fn a_state_is_saved_and_taken_over_beside_disks_that_stay_as_they_are() {
    let files = Files::new();
    let image = files.write("disk.img", &sectors());
    let state = files.path("state");
    let reader = [&command(0x20, 1)[..], TAKE, &debug_exit(WELL)].concat();
    let run = |options: &[&str]| {
        run_flat(&files, &reader, &[&["--debug-exit", "--timeout", "60"], options].concat())
    };
    let save = ["--save-at", "20", text(&state)];
    let written = run(&[&save[..], &["--hda", text(&image)]].concat());
    assert_line(&written, 2, "readonly=on");
    let drive = format!("file={},readonly=on", text(&image));
    // In the middle of the command: the registers are the drive's.
    ended(&run(&[&save[..], &["--drive", &drive]].concat()), WELL);
    let load = |drive: &str| {
        let words = ["run", "--load", text(&state), "--timeout", "60", "--drive", drive];
        common::ringer(&words)
    };
    ended(&load(&drive), WELL);
    let other = files.write("other.img", &sectors()[..1024]);
    let other = load(&format!("file={},readonly=on", text(&other)));
    assert_ne!(status(&other), i32::from(WELL) << 1 | 1);
    assert!(errors(&other).contains("a medium of another size"), "{}", errors(&other));
}

/// A state is taken at one instruction after the other of the copier, the run ends there, and another process goes on with a copy
/// of the image as it was then.
#[test]
fn a_state_and_the_image_of_its_moment_go_on_to_the_same_end() {
    let files = Files::new();
    let image = files.write("disk.img", &sectors());
    let drive = |file: &Path| format!("file={}", text(file));
    let (state, report) = (files.path("state"), files.path("report"));
    let field = |name: &str| {
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        report[name].clone()
    };
    let all = ["--clock", "virtual", "--report", text(&report), "--drive"];
    ended(&copy(&files, &[&all[..], &[&drive(&image)]].concat()), WELL);
    let (instructions, digest) = (field("instructions").as_u64().unwrap(), field("digest"));
    let after = fs::read(&image).unwrap();
    assert!(after != sectors() && instructions > 60);
    for at in (1..instructions).step_by(3) {
        fs::write(&image, sectors()).unwrap();
        let at = at.to_string();
        let save = ["--save-at", &at, text(&state), "--max-instructions", &at];
        let saved = copy(&files, &[&save[..], &["--drive", &drive(&image)]].concat());
        assert_eq!(status(&saved), 68, "{at}: {}", errors(&saved));
        let kept = files.write("kept.img", &fs::read(&image).unwrap());
        let words = ["run", "--load", text(&state), "--timeout", "60", "--report", text(&report)];
        ended(&common::ringer(&[&words[..], &["--drive", &drive(&kept)]].concat()), WELL);
        assert_eq!(
            (field("instructions").as_u64(), &field("digest")),
            (Some(instructions), &digest)
        );
        assert!(fs::read(&kept).unwrap() == after, "saved at {at}: another image");
    }
}

#[test]
fn a_state_that_the_disk_runs_away_from_is_refused_in_one_line() {
    let files = Files::new();
    let image = files.write("disk.img", &sectors());
    let state = files.path("state");
    let save = ["--save-at", "20", text(&state)];
    let refused = |options: &[&str]| {
        let output = copy(&files, &[&save[..], options].concat());
        assert_line(&output, 2, "--max-instructions N");
    };
    refused(&["--hda", text(&image)]);
    refused(&["--hda", text(&image), "--max-instructions", "21"]);
    refused(&["--hda", text(&image), "--snapshot", "--max-instructions", "20"]);
    let twice = ["--save-at", "10", text(&state), "--max-instructions", "20"];
    refused(&[&["--hda", text(&image)], &twice[..]].concat());
    assert!(!state.exists() && fs::read(&image).unwrap() == sectors());
}
