//! Guest programs that check the machine from the inside, and the way from their sources to images.
//!
//! The ROMs are in `roms/*.s`. The head of each ([`head_of`]) is TOML: how to load it, what it must print, how it must
//! end. The rest of the comments says which rules of the SDM it checks. See [`assemble_as`] for the way to an image, and
//! [`SHARED`] for what the ROMs share.

mod assemble;
mod head;
mod shared;

pub use assemble::{AssembleError, Load, assemble_as, is_assembled};
pub use head::{Head, head_of};
pub use shared::{SHARED, write_shared};

use std::path::{Path, PathBuf};

/// An image made from a source, and what the source's head says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The image: an ELF file for `multiboot`, a raw binary for every other load kind.
    pub image: PathBuf,
    /// The head: TOML.
    pub head: String,
}

/// Assembles and links `source` into `out_dir` (made if absent) by the load kind that its head names, `multiboot` if it
/// names none. Include files and linker scripts are looked for in the folder `include` next to the source.
///
/// # Errors
/// See [`AssembleError`].
pub fn assemble(source: &Path, out_dir: &Path) -> Result<Assembled, AssembleError> {
    let text = std::fs::read_to_string(source)
        .map_err(|error| AssembleError::Io { path: source.to_owned(), error })?;
    let head = head_of(&text).text;
    let load = load_of(&head).ok_or_else(|| AssembleError::Load { path: source.to_owned() })?;
    let include = source.parent().unwrap_or(Path::new(".")).join("include");
    let image = assemble_as(source, load, out_dir, &[include])?;
    Ok(Assembled { image, head })
}

/// The load kind of a head. The full TOML is read by whoever runs the ROM; one key needs no parser here.
fn load_of(head: &str) -> Option<Load> {
    let value = head
        .lines()
        .find_map(|line| line.trim().strip_prefix("load")?.trim_start().strip_prefix('='));
    match value.map_or("multiboot", |value| value.trim().trim_matches('"')) {
        "multiboot" => Some(Load::Multiboot),
        "rom" => Some(Load::Rom),
        "bootsector" => Some(Load::BootSector),
        "flat" => Some(Load::Flat),
        _ => None,
    }
}

/// The folder of the ROM sources in the source tree that this crate was built from.
#[must_use]
pub fn roms_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("roms")
}

/// The demo: a Multiboot ELF image, assembled when this crate was built, that works for about a second, prints what it
/// computed on the first serial port and leaves through isa-debug-exit with 0.
#[must_use]
pub fn demo() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/demo.elf"))
}

/// The nanobenchmarks as a guest: a Multiboot ELF image. Its command line may end in the least time of a run in
/// milliseconds. It prints `tsc-khz KHZ`, then five lines `NAME OPERATIONS TICKS` for each, and leaves as the demo does.
#[must_use]
pub fn nano() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/nano.elf"))
}

/// Those of the nanobenchmarks that mean something in a process, as a static i386 program for Linux; same output.
#[must_use]
pub fn nano_native() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/nano.program"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_without_a_load_kind_is_multiboot_and_an_unknown_kind_is_refused() {
        assert_eq!(load_of("title = \"x\""), Some(Load::Multiboot));
        assert_eq!(load_of("load = \"rom\""), Some(Load::Rom));
        assert_eq!(load_of("loader = \"rom\""), Some(Load::Multiboot));
        assert_eq!(load_of("load = \"floppy\""), None);
    }

    #[test]
    fn all_that_lies_in_the_include_folder_of_the_roms_is_shared() {
        let folder = std::fs::read_dir(roms_dir().join("include")).expect("the folder");
        for entry in folder {
            let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
            // The nanobenchmarks' own.
            let known = name == "nano.inc" || SHARED.iter().any(|(shared, _)| *shared == name);
            assert!(known, "{name} is not shared");
        }
    }
}
