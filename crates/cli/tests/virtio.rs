//! Virtio devices under the command: what they write to memory is seen where it is code.

mod common;

use common::{Files, assert_line, errors, ringer, status};
use ringer_test_roms::{Load, assemble_as, roms_dir};
use std::path::Path;

/// The disk's two sectors begin with these.
const PATTERNS: [u32; 2] = [0x1234_5678, 0x9abc_def0];

#[test]
fn a_disk_writes_over_the_loop_that_asks_for_it() {
    let files = Files::new();
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/cli/tests/virtio/dma_over_code.s");
    let include = roms_dir().join("include");
    let image = assemble_as(&source, Load::Multiboot, files.dir(), &[include]).unwrap();
    let sectors = PATTERNS.map(|pattern| [&pattern.to_le_bytes()[..], &[0; 508]].concat());
    let disk = files.write("disk.img", &sectors.concat());
    let drive = format!("file={},format=raw,if=virtio", disk.display());
    for engine in ["bt", "interp", "lockstep"] {
        let image = image.to_str().unwrap();
        let output = ringer(&[
            "run",
            "--multiboot",
            image,
            "-m",
            "16M",
            "--debug-exit",
            "--timeout",
            "120",
            "--engine",
            engine,
            "--drive",
            &drive,
        ]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!((status(&output), &*text), (1, "PASS\r\n"), "{engine}: {}", errors(&output));
    }
}

#[test]
fn what_cannot_be_shared_is_told_in_one_line() {
    for (share, status, part) in [
        ("/nowhere", 2, "--share /nowhere: No such file"),
        ("/dev/null", 2, "--share /dev/null: Not a directory"),
        ("/tmp,tag=", 2, "--share /tmp,tag=: tag=: it is 1 to 31"),
        ("/tmp,write", 2, "\"write\" is none of tag=TAG and rw"),
    ] {
        let output = ringer(&["run", "--bootsector", "/dev/null", "--share", share]);
        assert_line(&output, status, part);
    }
}

#[test]
fn a_virtio_drive_is_a_disk() {
    let output = ringer(&["run", "--drive", "media=cdrom,if=virtio"]);
    assert_line(&output, 2, "a virtio disk is no CD-ROM drive");
}
