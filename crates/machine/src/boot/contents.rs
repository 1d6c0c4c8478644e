//! What a file is, by what is in it, so that nobody has to say it: a kernel, a ROM, a disk, a saved
//! state. Names and their endings count for nothing.

use super::elf;
use super::error::{LoadError, ROM_UNIT};
use super::rom;
use super::{multiboot, pvh};
use crate::state;
use ringer_input::{Input, InputError, gunzip_start, is_gzip};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Bytes at the start of a file that say what it is: a Multiboot 2 header lies in the first 32 KiB.
const HEAD: u64 = 32768;
/// Where a bzImage or zImage has its magic.
const BZIMAGE: (usize, &[u8]) = (0x202, b"HdrS");
/// Where a boot sector has its signature.
const SIGNATURE: (usize, &[u8]) = (510, &[0x55, 0xaa]);
/// Where a boot sector has its partition table, and the bytes of each of the four entries.
const TABLE: usize = 446;
const ENTRY: usize = 16;
const SECTOR: u64 = 512;
const LARGEST_DISKETTE: u64 = 2880 << 10;
/// How a qcow2 image begins.
const QCOW2: (usize, &[u8]) = (0, b"QFI\xfb");
/// Where an ISO 9660 image has its magic.
const ISO: (u64, &[u8]) = (0x8001, b"CD001");
/// From the end of a ROM to the reset vector.
const RESET_VECTOR: u64 = 16;

/// What a file has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A Linux bzImage or zImage, or an ELF kernel with an entry for PVH.
    Linux,
    /// A Multiboot kernel of either version, ELF or flat, perhaps in gzip.
    Multiboot,
    /// A boot sector, or an image of a diskette or disk that starts with one.
    BootSector,
    /// The image of a disk: one with a partition table, or a qcow2 image.
    Disk,
    /// The image of a CD.
    Cd,
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
    if is_gzip(&head) && multiboot::has_header(&gunzip_start(&head, HEAD)) {
        return Ok(FileKind::Multiboot);
    }
    let mut file = input.into_file();
    if pvh::entry(&head, |at, len| bytes_at(&mut file, at, len).ok()).is_some() {
        return Ok(FileKind::Linux);
    }
    let mut probe = |at| bytes_at(&mut file, at, RESET_VECTOR).map_err(error);
    // Before the boot sector: that of an image for CDs and disks knows disks alone.
    if probe(ISO.0)?.starts_with(ISO.1) {
        return Ok(FileKind::Cd);
    }
    if has(&head, SIGNATURE) {
        return Ok(if is_partitioned(&head, length) {
            FileKind::Disk
        } else {
            FileKind::BootSector
        });
    }
    if let Some(why) = refusal(&head) {
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
    } else if multiboot::has_header_of_version_1(head)
        // A disk may have anything behind its boot sector.
        || multiboot::has_header(head) && !has(head, SIGNATURE)
    {
        Some(FileKind::Multiboot)
    } else if has(head, QCOW2) {
        Some(FileKind::Disk)
    } else {
        None
    }
}

/// Whether the first sector of an image of `length` bytes has a partition table: each of its four entries is empty or says
/// truly whether it boots, one of them and all that begin within the image are of a kind, and none begins in the first
/// sector. What is no larger than a diskette has none.
fn is_partitioned(head: &[u8], length: u64) -> bool {
    let Some(table) = head.get(TABLE..TABLE + 4 * ENTRY) else { return false };
    let number = |entry: &[u8], at: usize| {
        u64::from(u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]))
    };
    let mut entries = table.chunks_exact(ENTRY).filter(|entry| entry.iter().any(|&b| b != 0));
    let sound = |entry: &[u8]| {
        let (first, sectors) = (number(entry, 8), number(entry, 12));
        let within = first != 0 && sectors != 0 && first < length.div_ceil(SECTOR);
        matches!(entry[0], 0 | 0x80) && entry[4] != 0 && within
    };
    length > LARGEST_DISKETTE && entries.clone().count() != 0 && entries.all(sound)
}

/// Why a file whose head is no guest's cannot be one.
fn refusal(head: &[u8]) -> Option<&'static str> {
    if elf::is_64_bit(head) {
        return Some("it is a 64-bit ELF file; Ringer's processors have 32 bits");
    }
    if elf::is_elf(head) {
        return Some(
            "it is an ELF file without a Multiboot header (of version 1 in its first 8 KiB, of version 2 in its first 32) \
             or an entry for PVH (of Linux, the bzImage boots)",
        );
    }
    OTHERS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, why)| *why)
}

/// Up to `most` bytes at an offset; fewer at the end of the file.
fn bytes_at(file: &mut File, at: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
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
        assert_eq!(kind(4096, &[(0, b"QFI\xfb")]), Ok(FileKind::Disk));
        assert_eq!(kind(40960, &[(0x8001, b"CD001")]), Ok(FileKind::Cd));
        assert_eq!(kind(40960, &[sector, (0x8001, b"CD001")]), Ok(FileKind::Cd));
        let second = [0xe852_50d6u32, 0, 16, 0u32.wrapping_sub(0xe852_50d6 + 16)];
        let second: Vec<u8> = second.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(kind(32768, &[(20480, &second)]), Ok(FileKind::Multiboot));
        assert_eq!(kind(32768, &[(20480, &second), sector]), Ok(FileKind::BootSector));
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&[&[0; 1024][..], &header(sum), &[7; 9000]].concat()).expect("it packs");
        let packed = packed.finish().expect("it packs");
        assert_eq!(kind(packed.len(), &[(0, &packed)]), Ok(FileKind::Multiboot));
        // The magic alone, in the middle of code that looks for it, is no header.
        assert_eq!(kind(512, &[(8, &header(5)), sector]), Ok(FileKind::BootSector));
        // A header too far in is none either.
        assert_eq!(kind(16384, &[(8192, &header(sum)), (16368, &[0x90])]), Ok(FileKind::Rom));
    }

    #[test]
    fn a_disk_has_a_partition_table() {
        let sector: (usize, &[u8]) = (510, &[0x55, 0xaa]);
        let entry = |boots: u8, kind: u8, first: u8| {
            [&[boots, 1, 1, 0, kind, 1, 1, 1, first, 0, 0, 0][..], &[9, 0, 0, 0]].concat()
        };
        let of = |length: usize, entry: &[u8]| kind(length, &[sector, (446 + 16, entry)]);
        let large = 4 << 20;
        assert_eq!(of(large, &entry(0x80, 0x83, 1)), Ok(FileKind::Disk));
        assert_eq!(of(large, &entry(0, 0xee, 1)), Ok(FileKind::Disk));
        for code in [entry(0x81, 0x83, 1), entry(0x80, 0, 1), entry(0x80, 0x83, 0), vec![0; 16]] {
            assert_eq!(of(large, &code), Ok(FileKind::BootSector), "{code:x?}");
        }
        assert_eq!(of(1440 << 10, &entry(0x80, 0x83, 1)), Ok(FileKind::BootSector), "a diskette");
    }

    #[test]
    fn what_is_no_guest_is_told_apart() {
        for (length, at, part, wanted) in [
            (4096, 0, &b"\x7fELF"[..], "without a Multiboot header"),
            (4096, 0, &b"\x7fELF\x02"[..], "a 64-bit ELF file"),
            (4096, 0, &[0x1f, 0x8b][..], "gunzip"),
            (4096, 4095, &[1][..], "no bzImage"),
            (100, 0, &b"hello"[..], "--multiboot"),
        ] {
            let error = kind(length, &[(at, part)]).expect_err("no guest");
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
        assert!(kind(0, &[]).expect_err("nothing").contains("is empty"));
        assert!(recognise(Path::new("/")).expect_err("a folder").to_string().contains("directory"));
    }
}
