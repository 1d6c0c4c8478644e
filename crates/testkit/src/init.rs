//! A suite to begin with: a ROM of each kind, what they are explained by, and files for CI.

use crate::TestkitError;
use ringer_input::shown;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The files that are text.
const FILES: [(&str, &str); 11] = [
    ("README.md", include_str!("../starter/README.md")),
    ("ringer.toml", include_str!("../starter/ringer.toml")),
    (".gitignore", include_str!("../starter/gitignore")),
    (".github/workflows/ringer.yml", include_str!("../starter/github.yml")),
    (".gitlab-ci.yml", include_str!("../starter/gitlab.yml")),
    ("roms/gas.s", include_str!("../starter/roms/gas.s")),
    ("roms/nasm.asm", include_str!("../starter/roms/nasm.asm")),
    ("roms/kernel/kernel.c", include_str!("../starter/roms/kernel/kernel.c")),
    ("roms/kernel/start.s", include_str!("../starter/roms/kernel/start.s")),
    ("roms/kernel/kernel.ld", include_str!("../starter/roms/kernel/kernel.ld")),
    ("roms/kernel/Makefile", include_str!("../starter/roms/kernel/Makefile")),
];
/// The description of the image.
const DESCRIPTION: (&str, &str) =
    ("roms/prebuilt.toml", include_str!("../starter/roms/prebuilt.toml"));
/// The image.
const IMAGE: &str = "roms/prebuilt.bin";

/// A flat Multiboot image at 1 MiB that prints a word and ends by debug exit.
fn image() -> Vec<u8> {
    const BASE: u32 = 0x10_0000;
    const HEADER: u32 = 32;
    let (magic, flags) = (0x1bad_b002u32, 0x1_0000u32);
    let sum = 0u32.wrapping_sub(magic).wrapping_sub(flags);
    let header = [magic, flags, sum, BASE, BASE, 0, 0, BASE + HEADER];
    let mut image: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    image.extend([0xbe]); // mov esi, text
    image.extend((BASE + HEADER + 20).to_le_bytes());
    image.extend([0xba, 0xf8, 0x03, 0, 0]); // mov edx, 3f8h
    image.extend([0xac]); // next: lodsb
    image.extend([0xee]); // out dx, al
    image.extend([0x3c, b'\n']); // cmp al, 10
    image.extend([0x75, 0xfa]); // jne next
    image.extend([0x31, 0xc0]); // xor eax, eax
    image.extend([0xe6, 0xf4]); // out f4h, al
    image.extend(b"hello\r\n");
    image
}

/// Writes the suite into a folder, which is made if absent; tells what was written and what comes next.
///
/// # Errors
/// When a file is there already, or cannot be written. Nothing is overwritten.
pub fn write(folder: &Path) -> Result<String, TestkitError> {
    let image = image();
    let text = FILES.iter().chain([&DESCRIPTION]).map(|(name, text)| (*name, text.as_bytes()));
    let files: Vec<(&str, &[u8])> = text.chain([(IMAGE, image.as_slice())]).collect();
    for (name, _) in &files {
        if fs::symlink_metadata(folder.join(name)).is_ok() {
            let there = folder.join(name);
            let told = format!("{} is there already; nothing was written", shown(&there));
            return Err(TestkitError::Init(told));
        }
    }
    let mut told = String::new();
    for (name, bytes) in &files {
        let path = folder.join(name);
        write_new(&path, bytes)
            .map_err(|e| TestkitError::Init(format!("cannot write {}: {e}", shown(&path))))?;
        told += &format!("wrote {}\n", shown(&path));
    }
    let folder = shown(folder);
    Ok(told + &format!("Next: cd {folder} && ringer test; {folder}/README.md says more.\n"))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("suite");
        let told = write(&folder).unwrap();
        assert_eq!(told.lines().count(), FILES.len() + 3);
        for (name, text) in FILES {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text);
        }
        let again = write(&folder).unwrap_err().to_string();
        assert!(again.contains("is there already; nothing was written"), "{again}");
        fs::write(dir.path().join("file"), "").unwrap();
        let inside = write(&dir.path().join("file/suite")).unwrap_err().to_string();
        assert!(inside.contains("cannot write"), "{inside}");
    }

    #[test]
    fn the_image_points_at_its_text() {
        assert_eq!(&image()[32 + 20..], b"hello\r\n");
    }
}
