//! What the ROMs share, inside the library: a source of someone else's is assembled with the same linker scripts and
//! may include the same files, wherever it lies.

use std::fs;
use std::io;
use std::path::Path;

macro_rules! shared {
    ($($name:literal)*) => {
        /// The linker scripts and include files, by name.
        pub const SHARED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../roms/include/", $name)))),*];
    };
}

shared!(
    "bootsector.ld" "multiboot.ld" "rom.ld"
    "colours.inc" "paging.inc" "pic.inc" "pm.inc" "real.inc" "serial.inc" "text.inc" "vga.inc"
);

/// Writes them into a folder, which is made if absent.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_shared(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    SHARED.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}
