//! What a file is, by what is in it, so that nobody has to say it: a kernel, a ROM, a disk, a saved
//! state. Names and their endings count for nothing.

use super::elf;
use super::error::{LoadError, ROM_UNIT};
use super::multiboot;
use super::rom;
use crate::state;
use ringer_input::{Input, InputError};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Bytes at the start of a file that say what it is: a Multiboot header lies in the first 8 KiB.
const HEAD: u64 = 8192;
/// Where a bzImage has its magic.
const BZIMAGE: (usize, &[u8]) = (0x202, b"HdrS");
/// Where a boot sector has its signature.
const SIGNATURE: (usize, &[u8]) = (510, &[0x55, 0xaa]);
/// Where an ISO 9660 image has its magic.
const ISO: (u64, &[u8]) = (0x8001, b"CD001");
/// From the end of a ROM to the reset vector.
const RESET_VECTOR: u64 = 16;

/// What a file has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A Linux bzImage.
    Linux,
    /// A Multiboot 1 kernel, ELF or flat.
    Multiboot,
    /// A boot sector, or a disk image that starts with one.
    BootSector,
    /// A ROM that holds the reset vector.
    Rom,
    /// A machine's saved state.
    State,
}

/// Beginnings of files that are often taken for guests, and what to do about each.
const OTHERS: &[(&[u8], &str)] = &[
    (&[0x1f, 0x8b], "it is compressed (gunzip unpacks it)"),
    (b"\xfd7zXZ\0", "it is compressed (unxz unpacks it)"),
    (b"BZh", "it is compressed (bunzip2 unpacks it)"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "it is compressed (unzstd unpacks it)"),
    (b"PK\x03\x04", "it is an archive (unzip unpacks it)"),
    (b"QFI\xfb", "it is a qcow2 image (qemu-img convert -O raw makes a disk image of it)"),
    (b"KDMV", "it is a VMDK image (qemu-img convert -O raw makes a disk image of it)"),
    (b"MZ", "it is a program for EFI, Windows or DOS"),
    (b"070701", "it is an initial RAM disk, which goes with --initrd"),
];

/// Says what the file at `path` is.
///
/// # Errors
/// When it cannot be read, or is nothing that can be booted.
pub fn recognise(path: &Path) -> Result<FileKind, LoadError> {
    let error = |source| InputError::Read { path: path.to_owned(), source };
    let unknown = |why| LoadError::Unrecognised { path: path.to_owned(), why };
    // To open a pipe and to go away would end who writes to it.
    if fs::metadata(path).map_err(error)?.file_type().is_fifo() {
        return Err(unknown(
            "it is a pipe, which can be read only once; say what comes by --kernel or --multiboot",
        ));
    }
    let mut input = Input::open(path)?;
    let length = input.length().unwrap_or(0);
    let head = input.read_start(HEAD)?;
    if head.is_empty() {
        return Err(LoadError::Empty(path.to_owned()));
    }
    if let Some(kind) = by_head(&head) {
        return Ok(kind);
    }
    let mut file = input.into_file();
    let mut probe = |at| bytes_at(&mut file, at).map_err(error);
    let iso = probe(ISO.0)?.starts_with(ISO.1);
    if let Some(why) = refusal(&head, iso) {
        return Err(unknown(why));
    }
    let whole = length <= rom::MAX_SIZE && length.is_multiple_of(ROM_UNIT as u64);
    // What a reset begins with is code: no erased flash, no padding.
    if whole && !matches!(probe(length - RESET_VECTOR)?.first(), None | Some(0 | 0xff)) {
        return Ok(FileKind::Rom);
    }
    let why = "it is no bzImage, no Multiboot kernel, no boot sector and no ROM; if it is one, say which by \
               --kernel, --multiboot, --bootsector or --rom";
    Err(unknown(why))
}

fn has(head: &[u8], (at, magic): (usize, &[u8])) -> bool {
    head.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

fn by_head(head: &[u8]) -> Option<FileKind> {
    if has(head, (0, state::MAGIC)) {
        Some(FileKind::State)
    } else if has(head, BZIMAGE) {
        Some(FileKind::Linux)
    } else if multiboot::has_header(head) {
        Some(FileKind::Multiboot)
    } else if has(head, SIGNATURE) {
        Some(FileKind::BootSector)
    } else {
        None
    }
}

/// Why a file whose head is no guest's cannot be one.
fn refusal(head: &[u8], iso: bool) -> Option<&'static str> {
    if elf::is_64_bit(head) {
        return Some("it is a 64-bit ELF file; Ringer's processors have 32 bits");
    }
    if head.starts_with(b"\x7fELF") {
        return Some(if multiboot::has_header_of_version_2(head) {
            "it is a Multiboot 2 kernel; Ringer boots those of Multiboot 1"
        } else {
            "it is an ELF file without a Multiboot 1 header in its first 8 KiB (of Linux, the bzImage boots)"
        });
    }
    if iso {
        return Some("it is an ISO image without a boot sector (an isohybrid image has one)");
    }
    OTHERS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, why)| *why)
}

/// Up to 16 bytes at an offset; fewer at the end of the file.
fn bytes_at(file: &mut File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(RESET_VECTOR).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// What a file of `length` bytes is that has these parts.
    fn kind(length: usize, parts: &[(usize, &[u8])]) -> Result<FileKind, String> {
        let mut bytes = vec![0u8; length];
        for (at, part) in parts {
            bytes[*at..at + part.len()].copy_from_slice(part);
        }
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&bytes).expect("it can be written");
        recognise(file.path()).map_err(|e| e.to_string())
    }

    fn header(sum: u32) -> Vec<u8> {
        [0x1bad_b002u32, 0, sum].iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn each_kind_of_guest_is_known_by_its_contents() {
        let sum = 0u32.wrapping_sub(0x1bad_b002);
        let sector: (usize, &[u8]) = (510, &[0x55, 0xaa]);
        assert_eq!(kind(4096, &[sector, BZIMAGE]), Ok(FileKind::Linux));
        assert_eq!(kind(4096, &[(1024, &header(sum))]), Ok(FileKind::Multiboot));
        assert_eq!(kind(512, &[sector]), Ok(FileKind::BootSector));
        assert_eq!(kind(65536, &[(65520, &[0xea])]), Ok(FileKind::Rom));
        assert_eq!(kind(64, &[(0, b"RINGERST")]), Ok(FileKind::State));
        // The magic alone, in the middle of code that looks for it, is no header.
        assert_eq!(kind(512, &[(8, &header(5)), sector]), Ok(FileKind::BootSector));
        // A header too far in is none either.
        assert_eq!(kind(16384, &[(8192, &header(sum)), (16368, &[0x90])]), Ok(FileKind::Rom));
    }

    #[test]
    fn what_is_no_guest_is_told_apart() {
        for (length, at, part, wanted) in [
            (4096, 0, &b"\x7fELF"[..], "without a Multiboot 1 header"),
            (4096, 0, &b"\x7fELF\x02"[..], "a 64-bit ELF file"),
            (4096, 0, &[0x1f, 0x8b][..], "gunzip"),
            (40960, 0x8001, &b"CD001"[..], "isohybrid"),
            (4096, 0, &b"QFI\xfb"[..], "qemu-img"),
            (4096, 4095, &[1][..], "no bzImage"),
            (100, 0, &b"hello"[..], "--multiboot"),
        ] {
            let error = kind(length, &[(at, part)]).expect_err("no guest");
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
        let two = [(0, &b"\x7fELF"[..]), (4096, &0xe852_50d6u32.to_le_bytes()[..])];
        assert!(kind(8192, &two).expect_err("no guest").contains("Multiboot 2"));
        assert!(kind(0, &[]).expect_err("nothing").contains("is empty"));
        assert!(recognise(Path::new("/")).expect_err("a folder").to_string().contains("directory"));
    }
}
