//! The bytes of a state (docs/state.md): magic, version, the manifest as JSON, the sections, guest
//! memory's contents, a checksum.
//!
//! Invariant: nothing is allocated because of what a length says before that length was held against
//! the bytes that are there, and the checksum against all of them.

use super::error::StateError;
use super::manifest::{Entry, Manifest};
use ringer_devices::Section;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// How a state begins.
pub const MAGIC: &[u8; 8] = b"RINGERST";
/// The version of the format that is written and read.
pub const VERSION: u32 = 1;
/// Bytes before the manifest: magic, version, the manifest's length.
const START: u64 = 16;
/// Bytes of the checksum.
const END: u64 = 4;
/// The longest manifest: names of files are at most a few KiB.
const MAX_MANIFEST: u64 = 1 << 20;
/// The longest section, and all together: devices have registers and short queues. What a section decodes to may be
/// many times as large.
const MAX_SECTION: u64 = 1 << 20;
const MAX_SECTIONS: u64 = 4 << 20;
/// The longest state: 4 GiB of memory by chunks with their offsets, and the rest.
const MAX_STATE: u64 = (4 << 30) + (64 << 20);
/// Bytes read at a time.
const CHUNK: usize = 1 << 16;

/// What a state has besides guest memory's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is of. The table of sections in it is made anew when it is written.
    pub manifest: Manifest,
    /// The sections.
    pub sections: Vec<Section>,
}

/// Counts what is written into a checksum.
struct Summed<'a> {
    out: &'a mut dyn Write,
    hasher: crc32fast::Hasher,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes guest memory's contents.
pub type WriteContents<'a> = dyn FnMut(&mut dyn Write) -> io::Result<()> + 'a;

/// Writes a state.
///
/// # Errors
/// The writer's.
pub fn write(head: &Head, contents: &mut WriteContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let entry = |section: &Section| Entry {
        id: section.id.clone(),
        version: section.version,
        length: section.bytes.len() as u64,
    };
    let mut manifest = head.manifest.clone();
    manifest.sections = head.sections.iter().map(entry).collect();
    let manifest = serde_json::to_vec_pretty(&manifest)?;
    let mut out = Summed { out, hasher: crc32fast::Hasher::new() };
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&(manifest.len() as u32).to_le_bytes())?;
    out.write_all(&manifest)?;
    for section in &head.sections {
        out.write_all(&section.bytes)?;
    }
    contents(&mut out)?;
    let sum = out.hasher.finalize();
    out.out.write_all(&sum.to_le_bytes())?;
    out.out.flush()
}

/// Reads and checks all but guest memory's contents, of a state of `length` bytes. Where those are:
/// the offset and the length.
///
/// # Errors
/// [`StateError`], naming the first thing that is wrong.
pub fn read(input: &mut (impl Read + Seek), length: u64) -> Result<(Head, u64, u64), StateError> {
    let start: [u8; START as usize] = bytes(input, "its head")?;
    let ([magic @ .., _, _, _, _, _, _, _, _], [.., v0, v1, v2, v3, m0, m1, m2, m3]) =
        (start, start);
    if magic != *MAGIC {
        return Err(StateError::NotAState);
    }
    let found = u32::from_le_bytes([v0, v1, v2, v3]);
    if found != VERSION {
        return Err(StateError::Format { found, known: VERSION });
    }
    most("the file", length, MAX_STATE)?;
    verify(input, length)?;
    input.seek(SeekFrom::Start(START)).map_err(StateError::Read)?;
    let mut left = length.saturating_sub(START + END);
    let text = u64::from(u32::from_le_bytes([m0, m1, m2, m3]));
    let text = take(input, text, MAX_MANIFEST, &mut left, "its manifest")?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|e| StateError::Manifest(e.to_string()))?;
    let together = manifest.sections.iter().fold(0, |sum: u64, e| sum.saturating_add(e.length));
    // Before anything is allocated for them.
    if together > left {
        return Err(StateError::Truncated("a section"));
    }
    most("its sections", together, MAX_SECTIONS)?;
    let mut sections = Vec::new();
    for Entry { id, version, length } in &manifest.sections {
        let bytes = take(input, *length, MAX_SECTION, &mut left, "a section")?;
        sections.push(Section { id: id.clone(), version: *version, bytes });
    }
    Ok((Head { manifest, sections }, length - END - left, left))
}

fn bytes<const N: usize>(input: &mut impl Read, what: &'static str) -> Result<[u8; N], StateError> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(|e| early(e, what))?;
    Ok(bytes)
}

/// An error of reading, of which the end of the file is one of ours.
pub fn early(error: io::Error, what: &'static str) -> StateError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => StateError::Truncated(what),
        _ => StateError::Read(error),
    }
}

/// Refuses what has more than `most` bytes.
fn most(what: &'static str, found: u64, most: u64) -> Result<(), StateError> {
    if found > most { Err(StateError::TooMuch { what, found, most }) } else { Ok(()) }
}

/// Reads `length` bytes, of `left` that there are and of `most` that there can be.
fn take(
    input: &mut impl Read,
    length: u64,
    most: u64,
    left: &mut u64,
    what: &'static str,
) -> Result<Vec<u8>, StateError> {
    *left = left.checked_sub(length).ok_or(StateError::Truncated(what))?;
    self::most(what, length, most)?;
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes).map_err(|e| early(e, what))?;
    Ok(bytes)
}

/// Holds the checksum against all that is before it.
fn verify(input: &mut (impl Read + Seek), length: u64) -> Result<(), StateError> {
    let mut left = length.checked_sub(END).ok_or(StateError::Truncated("its checksum"))?;
    input.seek(SeekFrom::Start(0)).map_err(StateError::Read)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    while left > 0 {
        let part = &mut buffer[..left.min(CHUNK as u64) as usize];
        input.read_exact(part).map_err(|e| early(e, "its contents"))?;
        hasher.update(part);
        left -= part.len() as u64;
    }
    let found = u32::from_le_bytes(bytes(input, "its checksum")?);
    let computed = hasher.finalize();
    if found == computed { Ok(()) } else { Err(StateError::Checksum { found, computed }) }
}
