//! What a qcow2 image says of itself, checked before anything is done with it: what is not had is refused by name, and tables
//! are no larger than the file and what the image's size asks for.
//!
//! Fields: the qcow2 specification of the QEMU project ("docs/interop/qcow2.txt"), all big-endian.

use crate::error::StorageError;
use crate::format::QCOW2_MAGIC;
use crate::host_file::HostFile;
use std::path::Path;

/// Bytes of the header of version 3 that are looked at.
const HEADER: usize = 104;
/// The largest first-level table, in bytes, that QEMU makes: 32 MiB map 2 TiB even with clusters of 4 KiB.
const MAX_L1: u64 = 32 << 20;
/// The largest refcount table, in bytes, that QEMU opens.
const MAX_REFCOUNT_TABLE: u64 = 8 << 20;
/// The largest image, in bytes: what 48-bit sector numbers reach is less.
const MAX_SIZE: u64 = 1 << 56;

/// Features that an image may need and that are not had (bit, what the image has, what helps).
const INCOMPATIBLE: [(u64, &str, &str); 5] = [
    (1 << 0, "was not closed by whoever wrote it last", "mend it with `qemu-img check -r all`"),
    (1 << 1, "is marked as corrupt", "mend it with `qemu-img check -r all`"),
    (1 << 2, "keeps its contents in another file", "convert it with `qemu-img convert -O qcow2`"),
    (
        1 << 3,
        "is compressed by another method than zlib",
        "convert it with `qemu-img convert -O qcow2`",
    ),
    (1 << 4, "has extended L2 entries", "convert it with `qemu-img convert -O qcow2`"),
];

/// The first bytes of a file, as a header.
struct Fields([u8; HEADER]);

impl Fields {
    fn word(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_default())
    }

    fn long(&self, at: usize) -> u64 {
        u64::from(self.word(at)) << 32 | u64::from(self.word(at + 4))
    }
}

/// The facts of a header that has passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Bytes of a cluster.
    pub(crate) cluster: u64,
}

/// Checks the header of `file`.
///
/// # Errors
/// [`StorageError::Damaged`] or [`StorageError::Unsupported`].
pub(crate) fn check(file: &HostFile) -> Result<Header, StorageError> {
    let path = file.path();
    let mut fields = Fields([0; HEADER]);
    let read = file.read_at(0, &mut fields.0);
    let read = read.map_err(|source| StorageError::Open { path: path.to_owned(), source })?;
    let bad = |what: String| Err(StorageError::Damaged { path: path.to_owned(), what });
    if !fields.0.starts_with(&QCOW2_MAGIC) {
        return bad("it does not begin as one".to_owned());
    }
    let version = fields.word(4);
    if !matches!(version, 2 | 3) {
        return bad(format!("version {version} of the format is not known"));
    }
    if read < if version == 2 { 72 } else { HEADER } {
        return bad("it ends within its header".to_owned());
    }
    supported(path, &fields, version)?;
    let bits = fields.word(20);
    if !(9..=21).contains(&bits) {
        return bad(format!("clusters of 2^{bits} bytes"));
    }
    tables(path, &fields, 1 << bits, file.length())?;
    Ok(Header { cluster: 1 << bits })
}

/// Refuses what is not had.
fn supported(path: &Path, fields: &Fields, version: u32) -> Result<(), StorageError> {
    let refuse = |what, mend| Err(StorageError::Unsupported { path: path.to_owned(), what, mend });
    if fields.word(32) != 0 {
        return refuse("is encrypted", "decrypt it with `qemu-img convert`");
    }
    if version == 2 {
        return Ok(());
    }
    let mut features = fields.long(72);
    for (bit, what, mend) in INCOMPATIBLE {
        if features & bit != 0 {
            return refuse(what, mend);
        }
        features &= !bit;
    }
    match features {
        0 => Ok(()),
        _ => refuse("needs a feature that is not known", "convert it with `qemu-img convert`"),
    }
}

/// Refuses tables that are too large, leave the file, or do not cover the image.
fn tables(path: &Path, fields: &Fields, cluster: u64, file: u64) -> Result<(), StorageError> {
    let bad =
        |what: &str| Err(StorageError::Damaged { path: path.to_owned(), what: what.to_owned() });
    let (size, l1_entries, l1_at) = (fields.long(24), u64::from(fields.word(36)), fields.long(40));
    let (refcounts_at, refcounts) = (fields.long(48), u64::from(fields.word(56)));
    if size == 0 || size > MAX_SIZE {
        return bad("its size is 0 or beyond all bounds");
    }
    // One entry leads to a cluster of entries of 8 bytes.
    let covered = size.div_ceil(cluster).div_ceil(cluster / 8);
    if l1_entries < covered || l1_entries * 8 > MAX_L1 {
        return bad("its table of clusters is too small or too large for its size");
    }
    if refcounts == 0 || refcounts.saturating_mul(cluster) > MAX_REFCOUNT_TABLE {
        return bad("its table of reference counts is missing or too large");
    }
    let inside = |at: u64, bytes: u64| {
        at >= cluster
            && at.is_multiple_of(cluster)
            && at.checked_add(bytes).is_some_and(|end| end <= file)
    };
    if !inside(l1_at, l1_entries * 8) || !inside(refcounts_at, 8) {
        return bad("it has been cut off, or its tables lie outside of it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A header of 64 KiB clusters and 1 GiB, with tables where `qemu-img create` puts them.
    fn good() -> Vec<u8> {
        let mut bytes = vec![0; 0x3_0010];
        bytes[..4].copy_from_slice(&QCOW2_MAGIC);
        for (at, value) in [(4, 3u32), (20, 16), (36, 2), (56, 1), (96, 4), (100, 104)] {
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        for (at, value) in [(24, 1u64 << 30), (40, 0x3_0000), (48, 0x1_0000)] {
            bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    fn checked(bytes: &[u8]) -> Result<Header, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        check(&HostFile::open(file.path(), false).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_header_is_checked_before_anything_is_allocated_for_it() {
        assert_eq!(checked(&good()).unwrap().cluster, 0x1_0000);
        for (at, value, part) in [
            (4, 4, "version 4"),
            (20, 8, "clusters of 2^8"),
            (20, 31, "clusters of 2^31"),
            (32, 2, "is encrypted"),
            (24, u32::MAX, "its size"),
            (36, 1, "table of clusters"),
            (36, u32::MAX, "table of clusters"),
            (56, u32::MAX, "reference counts"),
            (56, 0, "reference counts"),
            (44, 0x4_0000, "cut off"),
            (44, 0x3_0001, "cut off"),
            (40, u32::MAX, "cut off"),
            (52, 0x8_0000, "cut off"),
            (76, 1, "was not closed"),
            (76, 2, "corrupt"),
            (76, 4, "another file"),
            (76, 8, "compressed"),
            (76, 16, "extended"),
            (72, 1, "not known"),
        ] {
            let mut bytes = good();
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
            let error = checked(&bytes).unwrap_err();
            assert!(error.contains(part) && error.lines().count() == 1, "{at}: {error}");
        }
        for length in [1, 3, 4, 71, 103, 0x3_000f] {
            let error = checked(&good()[..length]).unwrap_err();
            assert!(error.contains("is no qcow2 image"), "{length}: {error}");
        }
    }
}
