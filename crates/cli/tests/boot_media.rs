//! SeaBIOS comes up and boots from each medium, in every engine; its menu; what is said without a system and without it.

mod common;
#[path = "common/media.rs"]
mod media;

use common::{Files, assert_line, errors, firmware, ringer, status};
use ringer_test_roms::{Load, assemble_as, roms_dir};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// What stands behind the boot sector, and what a key is answered with.
const TEXT: &str = "a text from the second sector\r\n";
const SCRIPT: &str = "wait screen \"a text from the second sector\" within 10s\ntype \"k\"\n\
                      wait screen \"k\" within 1s\nexpect serial \"second sector\"\ntype \"\\n\"\nsleep 5s\n";

fn boot_sector(files: &Files) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/cli/tests/boot_media/booted.s");
    let include = roms_dir().join("include");
    let sector = assemble_as(&source, Load::BootSector, files.dir(), &[include]).unwrap();
    fs::read(sector).unwrap()
}

struct Media {
    files: Files,
    floppy: PathBuf,
    disk: PathBuf,
    cd: PathBuf,
    script: PathBuf,
}

/// A medium of each kind; nothing where there is no firmware.
fn media() -> Option<Media> {
    firmware()?;
    let files = Files::new();
    let sector = boot_sector(&files);
    let floppy = files.write("floppy.img", &media::floppy(&sector, TEXT));
    let disk = files.write("disk.img", &media::disk(&sector, TEXT));
    let cd = files.write("cd.iso", &media::cd(&sector, TEXT));
    let script = files.write("a.script", SCRIPT.as_bytes());
    Some(Media { files, floppy, disk, cd, script })
}

impl Media {
    /// `ringer run` with these words; a path among them is told apart by its type.
    fn run(&self, words: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
        let usual = ["run", "-m", "32M", "--debug-exit", "--timeout", "120"];
        let words = words.iter().map(|word| word.as_ref().to_owned());
        let words: Vec<OsString> = usual.into_iter().map(OsString::from).chain(words).collect();
        ringer(&words)
    }
}

/// Asserts that the boot sector was content; what it printed last came from `drive`.
fn booted(output: &Output, drive: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(status(output), 1, "{text}{}", errors(output));
    assert!(text.contains(&format!("Booted from drive {drive}: {TEXT}")), "{text}");
}

#[test]
fn each_medium_boots_and_reads_on() {
    let Some(m) = media() else { return };
    for (words, drive) in [
        (&[&"--floppy" as &dyn AsRef<_>, &m.floppy][..], "00"),
        (&[&"--hda", &m.disk], "80"),
        (&[&"--drive", &format!("file={},if=ahci", m.disk.display())], "80"),
        (&[&"--drive", &format!("file={},if=virtio", m.disk.display())], "80"),
        (&[&"--cdrom", &m.cd], "e0"),
        (&[&"--drive", &format!("file={},if=ahci,media=cdrom", m.cd.display())], "e0"),
        // By their contents.
        (&[&m.disk], "80"),
        (&[&m.cd], "e0"),
        // In the order that is wanted.
        (&[&"--hda", &m.disk, &"--floppy", &m.floppy], "80"),
        (&[&"--hda", &m.disk, &"--floppy", &m.floppy, &"--boot", &"a"], "00"),
        (&[&"--hda", &m.disk, &"--cdrom", &m.cd, &"--boot", &"order=dc"], "e0"),
    ] {
        let script: [&dyn AsRef<_>; 2] = [&"--script", &m.script];
        booted(&m.run(&[words, &script].concat()), drive);
    }
}

#[test]
fn every_engine_comes_to_the_same_end() {
    let Some(m) = media() else { return };
    let report = m.files.path("report");
    let mut digests = Vec::new();
    for engine in ["bt", "interp", "lockstep"] {
        let options: [&dyn AsRef<_>; 10] = [
            &"--floppy",
            &m.floppy,
            &"--script",
            &m.script,
            &"--engine",
            &engine,
            &"--clock",
            &"virtual",
            &"--report",
            &report,
        ];
        booted(&m.run(&options), "00");
        let report: serde_json::Value = serde_json::from_str(&m.files.read("report")).unwrap();
        digests.push(report["digest"].clone());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_state_saved_on_the_way_goes_on_to_the_same_end() {
    let Some(m) = media() else { return };
    let sector = boot_sector(&m.files);
    // One that waits for nobody, since a script has no state.
    let cd = m.files.write("quick.iso", &media::cd(&sector, &format!("!{TEXT}")));
    let points = [30_000u64, 700_000, 2_000_000, 4_000_000];
    let states = points.map(|at| m.files.path(&format!("at-{at}")));
    let clock: [&dyn AsRef<_>; 4] = [&"--clock", &"virtual", &"--cdrom", &cd];
    let numbers = points.map(|at| at.to_string());
    let saves = numbers.iter().zip(&states).flat_map(|(number, state)| {
        [&"--save-at" as &dyn AsRef<_>, number as &dyn AsRef<_>, state as &dyn AsRef<_>]
    });
    let words: Vec<_> = clock.into_iter().chain(saves).collect();
    let whole = m.run(&words);
    assert_eq!(status(&whole), 1, "{}", errors(&whole));
    // SeaBIOS sends the last characters on a line at the timer's next tick, which does not come any more.
    let text = String::from_utf8_lossy(&whole.stdout);
    assert!(text.contains("Booted from drive e0: !a text from the second"), "{text}");
    for state in &states {
        let rest = ringer(&[
            OsString::from("run"),
            "--load".into(),
            state.into(),
            "--cdrom".into(),
            cd.clone().into(),
        ]);
        assert_eq!(status(&rest), 1, "{state:?}: {}", errors(&rest));
        assert!(whole.stdout.ends_with(&rest.stdout), "{state:?}");
        assert!(rest.stdout.len() > "second".len(), "{state:?}");
    }
}

#[test]
fn a_medium_without_a_system_is_told_on_the_screen() {
    let Some(m) = media() else { return };
    let blank = m.files.write("blank.iso", &media::blank_cd());
    let script =
        "wait screen \"No bootable device.\" within 10s\nexpect screen \"SeaBIOS\"\npower off\n";
    let script = m.files.write("none.script", script.as_bytes());
    let picture = m.files.path("screen.png");
    let output = m.run(&[&"--cdrom", &blank, &"--script", &script, &"--screenshot", &picture]);
    assert_eq!(status(&output), 0, "{}", errors(&output));
    let picture = fs::read(picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 1000);
    // Without an adapter all goes to the serial port alone.
    let script = "wait serial \"No bootable device.\" within 10s\nexpect screen not \"SeaBIOS\"\npower off\n";
    let script = m.files.write("serial.script", script.as_bytes());
    let output = m.run(&[&"--cdrom", &blank, &"--script", &script, &"--vga", &"none"]);
    assert_eq!(status(&output), 0, "{}", errors(&output));
}

#[test]
fn the_boot_menu_is_answered_by_keys() {
    let Some(m) = media() else { return };
    let script = "wait screen \"Press ESC for boot menu\" within 10s\npress esc\n\
                  wait screen \"Select boot device\"\nexpect screen \"1. \"\ntype \"2\"\n";
    let script = m.files.write("menu.script", format!("{script}{SCRIPT}").as_bytes());
    // The disk is first; the menu has the CD as the second.
    let output = m.run(&[
        &"--hda",
        &m.disk,
        &"--cdrom",
        &m.cd,
        &"--boot",
        &"menu=on,splash-time=5000",
        &"--script",
        &script,
    ]);
    booted(&output, "e0");
}

#[test]
fn what_does_not_go_together_is_one_line() {
    let Some(m) = media() else { return };
    let twice = m.run(&[&m.cd, &"--cdrom", &m.cd]);
    assert_line(&twice, 2, "two drives in one place");
    let two = m.run(&[&m.disk, &"--bootsector", &m.disk]);
    assert_line(&two, 2, "a guest each");
    let verify = ringer(&[OsString::from("verify"), m.cd.clone().into()]);
    assert_line(&verify, 2, "a disk goes with ringer run");
}
