//! Diskettes of every size boot, and a boot sector reads each of their sectors by INT 13h as it is in the image.

mod common;

use common::command;
use ringer::FloppyFormat;
use ringer_test_roms::{Load, assemble_as, roms_dir};
use std::fs;
use std::path::Path;

/// Sizes whose sectors are of 512 bytes, in KiB.
const SIZES: [u64; 10] = [160, 180, 320, 360, 640, 720, 1200, 1440, 1680, 2880];

/// What the boot sector adds up.
fn sum(image: &[u8]) -> u32 {
    image.chunks_exact(4).fold(0u32, |sum, word| {
        sum.rotate_left(1).wrapping_add(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    })
}

/// An image that begins with `sector`, and in which each sector differs from the others.
fn image(sector: &[u8], len: u64) -> Vec<u8> {
    let mut image: Vec<u8> =
        (0..len).map(|at| (at / 512 * 13 + at / 512 / 256 + at % 241) as u8).collect();
    image[..512].copy_from_slice(sector);
    image
}

#[test]
fn every_sector_of_every_size_is_read_by_int_13h() {
    let folder = tempfile::tempdir().unwrap();
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/cli/tests/floppies/every_sector.s");
    let include = roms_dir().join("include");
    let sector = assemble_as(&source, Load::BootSector, folder.path(), &[include]).unwrap();
    let sector = fs::read(sector).unwrap();
    for kib in SIZES {
        let path = folder.path().join(format!("{kib}.img"));
        let image = image(&sector, kib << 10);
        fs::write(&path, &image).unwrap();
        let output = command().args(["run", "--debug-exit"]).arg(&path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let format = FloppyFormat::of(kib << 10).unwrap();
        let geometry = [format.sectors, format.heads - 1, format.cylinders - 1, 0]
            .map(|byte| format!("{byte:02x}"));
        let expected = format!("{} {:08x} PASS\r\n", geometry.concat(), sum(&image));
        assert_eq!(text, expected, "{kib} KiB: {}", common::errors(&output));
    }
}
