//! The loadable segments of a 32-bit ELF executable, with every number in its headers checked.

use object::LittleEndian;
use object::elf::{ELFCLASS64, EM_386, ET_EXEC, FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use std::ops::Range;
use thiserror::Error;

/// What is wrong with an ELF file.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ElfError {
    /// The headers do not parse.
    #[error("damaged or truncated ELF file: {0}")]
    Headers(String),
    /// For 64 bits.
    #[error("a 64-bit ELF file; Ringer's processors have 32 bits")]
    Needs64Bit,
    /// Not for a 32-bit x86 processor.
    #[error("not a 32-bit x86 ELF executable")]
    WrongMachine,
    /// A segment's bytes are missing.
    #[error("truncated: a segment of {size} bytes at offset {offset} is not all in the file")]
    Truncated {
        /// Where the segment starts in the file.
        offset: u32,
        /// Its size there.
        size: u32,
    },
    /// More bytes in the file than in memory.
    #[error("a segment has {file} bytes in the file but {memory} in memory")]
    FileExceedsMemory {
        /// Bytes in the file.
        file: u32,
        /// Bytes in memory.
        memory: u32,
    },
    /// Nothing to load.
    #[error("the ELF file has no loadable segment")]
    NoSegments,
}

/// A piece of an image: these bytes, then zeroes. Nothing is copied: headers may name the same bytes of a file again and
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Physical address.
    pub address: u32,
    /// Where the bytes are in the file, all of them inside.
    pub bytes: Range<usize>,
    /// Size in memory, at least that of `bytes`.
    pub size: u32,
}

/// Whether `file` is an ELF file for 64 bits.
pub fn is_64_bit(file: &[u8]) -> bool {
    file.starts_with(b"\x7fELF") && file.get(ELF_CLASS) == Some(&ELFCLASS64.0)
}

/// Offset of the file's class, 32 or 64 bits.
const ELF_CLASS: usize = 4;

/// The segments to load and the physical entry address.
pub fn load(file: &[u8]) -> Result<(Vec<Piece>, u32), ElfError> {
    let error = |e: object::Error| ElfError::Headers(e.to_string());
    if is_64_bit(file) {
        return Err(ElfError::Needs64Bit);
    }
    let header = FileHeader32::<LittleEndian>::parse(file).map_err(error)?;
    let endian = LittleEndian;
    if header.e_machine(endian) != EM_386 || header.e_type(endian) != ET_EXEC {
        return Err(ElfError::WrongMachine);
    }
    let mut entry = header.e_entry(endian);
    let mut pieces = Vec::new();
    let mut translated = false;
    for segment in header.program_headers(endian, file).map_err(error)? {
        let (memory, size) = (segment.p_memsz(endian), segment.p_filesz(endian));
        if segment.p_type(endian) != PT_LOAD || memory == 0 {
            continue;
        }
        if size > memory {
            return Err(ElfError::FileExceedsMemory { file: size, memory });
        }
        let offset = segment.p_offset(endian);
        let start = offset as usize;
        let bytes = start..start.saturating_add(size as usize);
        if file.get(bytes.clone()).is_none() {
            return Err(ElfError::Truncated { offset, size });
        }
        let (physical, linear) = (segment.p_paddr(endian), segment.p_vaddr(endian));
        let inside = header.e_entry(endian).wrapping_sub(linear);
        if !translated && inside < memory {
            // The entry is a linear address; paging is off when it is used.
            entry = physical.wrapping_add(inside);
            translated = true;
        }
        pieces.push(Piece { address: physical, bytes, size: memory });
    }
    if pieces.is_empty() {
        return Err(ElfError::NoSegments);
    }
    Ok((pieces, entry))
}
