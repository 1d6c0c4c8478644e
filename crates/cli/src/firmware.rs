//! Where the firmware is that no option names.

use crate::error::CliError;
use std::path::{Path, PathBuf};

/// Folders that are looked in, the first that has it first: what our script has fetched, then what the system has.
const FOLDERS: [&str; 5] = [
    "guests/firmware",
    "/usr/share/seabios",
    "/usr/share/qemu",
    "/usr/local/share/qemu",
    "/usr/share/qemu-kvm",
];
/// SeaBIOS with all its drivers, and the smaller one.
const BIOS: [&str; 2] = ["bios-256k.bin", "bios.bin"];
/// SeaBIOS's for the display adapter.
const VGA_BIOS: [&str; 1] = ["vgabios-stdvga.bin"];

fn find(names: &[&str], folders: &[&Path]) -> Option<PathBuf> {
    let files = folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    files.into_iter().find(|path| path.is_file())
}

/// SeaBIOS.
///
/// # Errors
/// When it is nowhere.
pub fn bios() -> Result<PathBuf, CliError> {
    find(&BIOS, &FOLDERS.map(Path::new)).ok_or(CliError::NoFirmware)
}

/// Its BIOS for the display adapter, if that is anywhere.
pub fn vga_bios() -> Option<PathBuf> {
    find(&VGA_BIOS, &FOLDERS.map(Path::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_first_folder_that_has_one_counts_and_the_larger_one_in_it() {
        let root = std::env::temp_dir().join(format!("ringer-firmware-{}", std::process::id()));
        let [empty, both] = ["empty", "both"].map(|name| root.join(name));
        for folder in [&empty, &both] {
            fs::create_dir_all(folder).unwrap();
        }
        for name in BIOS {
            fs::write(both.join(name), name).unwrap();
        }
        assert_eq!(find(&BIOS, &[&empty, &both]), Some(both.join(BIOS[0])));
        assert_eq!(find(&BIOS, &[&empty]), None);
        fs::remove_dir_all(&root).unwrap();
    }
}
