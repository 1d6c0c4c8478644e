//! The loadable segments of an ELF executable for 32 or 64 bits, with every number in its headers checked.

use object::elf::{
    ELFCLASS64, EM_386, EM_X86_64, ET_EXEC, FileHeader32, FileHeader64, PT_LOAD, PT_NOTE,
};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, read};
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
    /// Not for an x86 processor.
    #[error("not an x86 ELF executable")]
    WrongMachine,
    /// A segment's bytes are missing.
    #[error("truncated: a segment of {size} bytes at offset {offset} is not all in the file")]
    Truncated {
        /// Where the segment starts in the file.
        offset: u64,
        /// Its size there.
        size: u64,
    },
    /// More bytes in the file than in memory.
    #[error("a segment has {file} bytes in the file but {memory} in memory")]
    FileExceedsMemory {
        /// Bytes in the file.
        file: u64,
        /// Bytes in memory.
        memory: u64,
    },
    /// A segment or the entry of a file for 64 bits.
    #[error("the ELF file has something at {0:#x}, where no processor of 32 bits reaches")]
    Unreachable(u64),
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

/// What an ELF file says.
#[derive(Debug)]
pub struct Loaded {
    /// The segments to load.
    pub pieces: Vec<Piece>,
    /// The physical address of the entry.
    pub entry: u32,
    /// Its section headers, if there are any.
    pub sections: Option<Sections>,
}

/// Section headers are no more than this, in bytes.
const MOST_SECTIONS: usize = 1 << 15;
/// Types of sections, and the flag of one that a segment has.
const SYMBOLS: u32 = 2;
const STRINGS: u32 = 3;
const ALLOCATED: u32 = 2;

/// The section headers of a file, and what is not in its segments but wanted in memory: symbols and strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// All headers, as they are.
    pub headers: Vec<u8>,
    /// Bytes of one.
    pub entry_len: u32,
    /// The number of the one with the names.
    pub names: u32,
    /// Those to be put into memory: their header's number, and where they are in the file.
    pub tables: Vec<(usize, Range<usize>)>,
}

impl Sections {
    /// How many.
    pub fn count(&self) -> u32 {
        self.headers.len() as u32 / self.entry_len.max(1)
    }

    /// Section `number` is at `address`.
    pub fn place(&mut self, number: usize, address: u32) {
        let at = number * self.entry_len as usize + if self.entry_len == 64 { 16 } else { 12 };
        if let Some(field) = self.headers.get_mut(at..at + 4) {
            field.copy_from_slice(&address.to_le_bytes());
        }
    }

    /// Those of `count` headers of `entry_len` bytes at `offset` of `file`, if they are there.
    fn find(file: &[u8], offset: u64, count: usize, entry_len: usize, names: u32) -> Option<Self> {
        let len = count.checked_mul(entry_len).filter(|len| (1..=MOST_SECTIONS).contains(len))?;
        let start = usize::try_from(offset).ok()?;
        let headers = file.get(start..start.checked_add(len)?)?.to_vec();
        let tables = headers.chunks_exact(entry_len).enumerate();
        let tables = tables.filter_map(|(n, header)| Some((n, table(file, header)?))).collect();
        Some(Self { headers, entry_len: entry_len as u32, names, tables })
    }
}

/// The place in the file of a section of symbols or strings that no segment has.
fn table(file: &[u8], header: &[u8]) -> Option<Range<usize>> {
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let (offset, size) = if header.len() == 64 { (24, 32) } else { (16, 20) };
    let wanted = matches!(word(4)?, SYMBOLS | STRINGS) && word(8)? & ALLOCATED == 0;
    let (start, len) = (word(offset)? as usize, word(size)? as usize);
    let range = start..start.checked_add(len)?;
    (wanted && len != 0 && file.get(range.clone()).is_some()).then_some(range)
}

/// Offset of the file's class, 32 or 64 bits.
const ELF_CLASS: usize = 4;

/// Whether `file` is an ELF file.
pub fn is_elf(file: &[u8]) -> bool {
    file.starts_with(b"\x7fELF")
}

/// Whether `file` is an ELF file for 64 bits.
pub fn is_64_bit(file: &[u8]) -> bool {
    is_elf(file) && file.get(ELF_CLASS) == Some(&ELFCLASS64.0)
}

fn damaged(e: read::Error) -> ElfError {
    ElfError::Headers(e.to_string())
}

/// The segments to load, the physical entry address and the sections of a file of either class.
pub fn load(file: &[u8]) -> Result<Loaded, ElfError> {
    if is_64_bit(file) {
        load_as::<FileHeader64<LittleEndian>>(file)
    } else {
        load_as::<FileHeader32<LittleEndian>>(file)
    }
}

fn load_as<H: FileHeader<Endian = LittleEndian>>(file: &[u8]) -> Result<Loaded, ElfError> {
    let (header, endian) = (H::parse(file).map_err(damaged)?, LittleEndian);
    let machine = if header.is_class_64() { EM_X86_64 } else { EM_386 };
    if header.e_machine(endian) != machine || header.e_type(endian) != ET_EXEC {
        return Err(ElfError::WrongMachine);
    }
    let start: u64 = header.e_entry(endian).into();
    let (mut entry, mut pieces, mut translated) = (start, Vec::new(), false);
    for segment in header.program_headers(endian, file).map_err(damaged)? {
        let (memory, size) = (segment.p_memsz(endian).into(), segment.p_filesz(endian).into());
        if segment.p_type(endian) != PT_LOAD || memory == 0 {
            continue;
        }
        if size > memory {
            return Err(ElfError::FileExceedsMemory { file: size, memory });
        }
        let offset: u64 = segment.p_offset(endian).into();
        let bytes = range(offset, size).filter(|bytes| file.get(bytes.clone()).is_some());
        let bytes = bytes.ok_or(ElfError::Truncated { offset, size })?;
        let (physical, linear) = (segment.p_paddr(endian).into(), segment.p_vaddr(endian).into());
        let inside = start.wrapping_sub(linear);
        if !translated && inside < memory {
            // The entry is a linear address; paging is off when it is used.
            entry = physical.wrapping_add(inside);
            if !header.is_class_64() {
                entry &= u64::from(u32::MAX);
            }
            translated = true;
        }
        let reached = |value: u64| u32::try_from(value).map_err(|_| ElfError::Unreachable(value));
        pieces.push(Piece { address: reached(physical)?, bytes, size: reached(memory)? });
    }
    if pieces.is_empty() {
        return Err(ElfError::NoSegments);
    }
    let (count, names) = (header.e_shnum(endian).into(), u32::from(header.e_shstrndx(endian).0));
    let entry_len = if header.is_class_64() { 64 } else { 40 };
    let sections = (header.e_shentsize(endian) == entry_len as u16)
        .then(|| Sections::find(file, header.e_shoff(endian).into(), count, entry_len, names))
        .flatten();
    let entry = u32::try_from(entry).map_err(|_| ElfError::Unreachable(entry))?;
    Ok(Loaded { pieces, entry, sections })
}

fn range(offset: u64, size: u64) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(usize::try_from(size).ok()?)?)
}

/// Offset and size of the notes of a 32-bit executable whose headers are in `head`, its beginning.
pub fn notes(head: &[u8]) -> Vec<(u64, u64)> {
    let Ok(header) = FileHeader32::<LittleEndian>::parse(head) else { return Vec::new() };
    if header.e_machine(LittleEndian) != EM_386 {
        return Vec::new();
    }
    let segments = header.program_headers(LittleEndian, head).unwrap_or_default();
    let notes = segments.iter().filter(|segment| segment.p_type(LittleEndian) == PT_NOTE);
    let place = |segment: &object::elf::ProgramHeader32<LittleEndian>| {
        (segment.p_offset(LittleEndian).into(), segment.p_filesz(LittleEndian).into())
    };
    notes.take(MOST_NOTES).map(place).collect()
}

/// Segments of notes that are looked at.
const MOST_NOTES: usize = 8;
