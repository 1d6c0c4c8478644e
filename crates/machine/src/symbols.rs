//! Guest symbols: the symbol table of an ELF file, or a kernel's System.map; and those of what is booted.

use crate::boot::BootSource;
use object::elf::{FileHeader32, ProgramHeader32};
use object::read::elf::FileHeader;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, ReadRef, SectionIndex};
use ringer_input::{InputError, Limit, OneLine, gunzip, is_gzip, shown};
pub use ringer_monitor::symbols::{Load, Place, Symbol, SymbolKind, Symbols};
use std::fmt::{self, Write};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What a file of symbols may have: a kernel with all its debugging information has a few hundred MiB.
const FILE: Limit = Limit::new(512 << 20, "what symbols are read from");
/// The longest name in a file, and as much of a readable one as is kept.
const NAME: usize = 4096;
const SHOWN: usize = 512;
/// Symbols of one file, and bytes of their names, at most.
const MOST: usize = 1 << 20;
const NAMES: usize = 64 << 20;

/// A symbol file that cannot be used.
#[derive(Debug, Error)]
pub enum SymbolsError {
    /// It cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It has more than can be kept.
    #[error("{} has more than {MOST} symbols, or {} MiB of names", shown(path), NAMES >> 20)]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// It is neither kind.
    #[error(
        "{}: neither an ELF file with symbols nor a System.map (lines of address, type, name)",
        shown(path)
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the symbols of all `files`.
///
/// # Errors
/// When a file cannot be read or has no symbol.
pub fn read_symbols(files: &[PathBuf]) -> Result<Symbols, SymbolsError> {
    named(files).map(Symbols::new)
}

/// The symbols of all `files`, and those that the kernel which `source` boots has in itself (a Multiboot kernel
/// in an ELF file that is not stripped). A source without symbols is no error.
///
/// # Errors
/// When one of `files` cannot be read or has no symbol.
pub fn symbols_for(source: &BootSource, files: &[PathBuf]) -> Result<Symbols, SymbolsError> {
    let mut all = named(files)?;
    let mut loads = Vec::new();
    match source {
        BootSource::Multiboot { kernel, .. } => {
            let bytes = kernel_bytes(kernel);
            all.extend(of_elf(&bytes).unwrap_or_default());
            loads = loads_of(&bytes);
        }
        BootSource::MultibootBytes { image, .. } => {
            all.extend(of_elf(image).unwrap_or_default());
            loads = loads_of(image);
        }
        BootSource::Linux { .. }
        | BootSource::Rom(_)
        | BootSource::Bios(_)
        | BootSource::BootSector(_)
        | BootSource::Flat(_)
        | BootSource::Nothing => {}
    }
    Ok(Symbols::new(all).loaded(loads))
}

/// Where the segments of the ELF file in `bytes` are loaded, if not where they are linked to run.
fn loads_of(bytes: &[u8]) -> Vec<Load> {
    let Ok(header) = FileHeader32::<LittleEndian>::parse(bytes) else { return Vec::new() };
    let Ok(segments) = header.program_headers(LittleEndian, bytes) else { return Vec::new() };
    let load = |segment: &ProgramHeader32<LittleEndian>| Load {
        physical: u64::from(segment.p_paddr.get(LittleEndian)),
        linked: u64::from(segment.p_vaddr.get(LittleEndian)),
        len: u64::from(segment.p_memsz.get(LittleEndian)),
    };
    segments.iter().map(load).filter(|load| load.physical != load.linked).collect()
}

fn named(files: &[PathBuf]) -> Result<Vec<Symbol>, SymbolsError> {
    let mut all = Vec::new();
    for path in files {
        let bytes = ringer_input::read(path, FILE)?;
        let found = if bytes.starts_with(b"\x7fELF") { of_elf(&bytes) } else { of_map(&bytes) };
        let found = found.map_err(|TooMany| SymbolsError::TooMany { path: path.clone() })?;
        if found.is_empty() {
            return Err(SymbolsError::Format { path: path.clone() });
        }
        all.extend(found);
    }
    Ok(all)
}

/// Those of the file at `path`, which the machine loads. A pipe can be read only once, and not by us: its writer would
/// end if it were only opened.
fn kernel_bytes(path: &Path) -> Vec<u8> {
    let regular = fs::metadata(path).is_ok_and(|file| file.is_file());
    let bytes =
        if regular { ringer_input::read(path, FILE).unwrap_or_default() } else { Vec::new() };
    match is_gzip(&bytes) {
        true => gunzip(path, &bytes, FILE).unwrap_or_default(),
        false => bytes,
    }
}

/// More symbols than can be kept.
struct TooMany;

/// Symbols as they come, as many as can be kept.
fn gathered(symbols: impl Iterator<Item = Symbol>) -> Result<Vec<Symbol>, TooMany> {
    let (mut all, mut names) = (Vec::new(), 0);
    for symbol in symbols {
        names += symbol.name.len();
        if all.len() == MOST || names > NAMES {
            return Err(TooMany);
        }
        all.push(symbol);
    }
    Ok(all)
}

/// A file in which no name is looked for its end beyond [`NAME`] bytes: many symbols may share one that has none.
#[derive(Clone, Copy)]
struct Named<'a>(&'a [u8]);

impl<'a> ReadRef<'a> for Named<'a> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.0.len() as u64)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let end = range.end.min(range.start.saturating_add(NAME as u64));
        self.0.read_bytes_at_until(range.start..end, delimiter)
    }
}

fn of_elf(bytes: &[u8]) -> Result<Vec<Symbol>, TooMany> {
    let Ok(file) = object::File::parse(Named(bytes)) else { return Ok(Vec::new()) };
    let section = |index: SectionIndex| {
        let section = file.section_by_index(index).ok()?;
        Some((section.kind(), section.address().saturating_add(section.size())))
    };
    let symbol = |s: object::Symbol<'_, '_, Named<'_>>| {
        let name = s.name().ok().filter(|name| !name.is_empty())?;
        let (section, end) = s.section_index().and_then(section).unzip();
        let kind = match (s.kind(), section) {
            (object::SymbolKind::Text, _) => SymbolKind::Function,
            (object::SymbolKind::Label, _) => SymbolKind::Label,
            (object::SymbolKind::Unknown, Some(object::SectionKind::Text)) => SymbolKind::Label,
            (object::SymbolKind::Unknown | object::SymbolKind::Data, Some(_)) => SymbolKind::Data,
            // Constants, files, sections, what is elsewhere.
            _ => return None,
        };
        let (address, size, global) = (s.address(), s.size(), s.is_global());
        Some(Symbol { address, size, end: end.unwrap_or(0), name: readable(name), kind, global })
    };
    gathered(file.symbols().chain(file.dynamic_symbols()).filter_map(symbol))
}

/// A text that takes no more than so many bytes.
struct Cut {
    text: String,
    most: usize,
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.most - self.text.len();
        let fits = text.floor_char_boundary(room);
        self.text.push_str(&text[..fits]);
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// As it was in the source: names of Rust carry their path and a hash. A short name can stand for a very long one.
fn readable(name: &str) -> String {
    let mut cut = Cut { text: String::new(), most: SHOWN };
    // What does not fit is left out.
    let _ = match rustc_demangle::try_demangle(name) {
        Ok(demangled) => write!(cut, "{}", OneLine(format_args!("{demangled:#}"))),
        Err(_) => write!(cut, "{}", OneLine(name)),
    };
    cut.text
}

/// `c1000000 T _stext`.
fn of_map(bytes: &[u8]) -> Result<Vec<Symbol>, TooMany> {
    let line = |line: &[u8]| {
        let line = String::from_utf8_lossy(&line[..line.len().min(NAME)]);
        let mut words = line.split_whitespace();
        let (address, letter, name) = (words.next()?, words.next()?, words.next()?);
        let address = u64::from_str_radix(address, 16).ok()?;
        let kind = match letter {
            "t" | "T" | "w" | "W" => SymbolKind::Function,
            "d" | "D" | "b" | "B" | "r" | "R" | "v" | "V" => SymbolKind::Data,
            _ => return None,
        };
        let global = letter.starts_with(|c: char| c.is_ascii_uppercase());
        Some(Symbol { global, ..Symbol::new(address, readable(name), kind) })
    };
    gathered(bytes.split(|byte| *byte == b'\n').filter_map(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Symbols, SymbolsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        read_symbols(&[file.path().to_owned()])
    }

    #[test]
    fn a_system_map_gives_its_symbols() {
        let map = b"00000040 A constant\nc1000000 T _text\nc1000100 t helper\nc1000180 D data\nnonsense\n";
        let symbols = read(map).unwrap();
        assert_eq!(symbols.place(0xc100_0110).as_deref(), Some("helper+0x10"));
        assert_eq!(symbols.place(0xc100_0190).as_deref(), Some("data+0x10"));
        assert_eq!(symbols.place(0xc0ff_ffff), None);
        assert_eq!(symbols.resolve("helper"), Some(0xc100_0100));
        assert_eq!(symbols.resolve("constant"), None, "it is no address");
    }

    #[test]
    fn other_files_are_refused_by_name() {
        for bad in [&b"\x7fELF damaged"[..], b"", b"plain text", b"\xff\xfe\x00"] {
            assert!(matches!(read(bad), Err(SymbolsError::Format { .. })));
        }
        let missing = read_symbols(&["/nonexistent/System.map".into()]);
        assert!(matches!(missing, Err(SymbolsError::Input(_))));
    }

    #[test]
    fn names_are_cut_and_nothing_in_them_reaches_a_terminal() {
        let long = "x".repeat(2 * NAME);
        let map = format!("c1000000 T \x1b[31mred\nc1000010 T {long}\n");
        let symbols = read(map.as_bytes()).unwrap();
        assert_eq!(symbols.place(0xc100_0000).as_deref(), Some("\\x1b[31mred"));
        assert_eq!(symbols.find(0xc100_0010).unwrap().symbol.name.len(), SHOWN);
    }

    #[test]
    fn too_many_symbols_are_refused() {
        let map: String = (0..=MOST).map(|i| format!("{i:x} T a\n")).collect();
        assert!(matches!(read(map.as_bytes()), Err(SymbolsError::TooMany { .. })));
        let map: String =
            (0..NAMES / SHOWN + 1).map(|i| format!("{i:x} T {}\n", "y".repeat(SHOWN))).collect();
        assert!(matches!(read(map.as_bytes()), Err(SymbolsError::TooMany { .. })));
    }

    #[test]
    fn a_hundred_thousand_symbols_at_one_address_take_no_time() {
        let map: String = (0..100_000).map(|i| format!("c1000000 T s{i}\n")).collect();
        let began = std::time::Instant::now();
        assert_eq!(read(map.as_bytes()).unwrap().len(), 100_000);
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn an_elf_file_gives_functions_with_their_sizes_by_readable_names() {
        let own = std::env::current_exe().unwrap();
        let symbols = read_symbols(&[own]).unwrap();
        let ours = |s: &&Symbol| s.name.starts_with("ringer_machine::symbols::") && s.size > 16;
        let function = symbols.iter().find(ours).expect("one of its own");
        assert_eq!(function.kind, SymbolKind::Function, "{function:?}");
        assert_eq!(symbols.find(function.address + 5).unwrap().offset, 5);
        assert_eq!(symbols.extent(function), function.size);
    }

    #[test]
    fn a_kernel_brings_its_own_symbols() {
        let image = ringer_test_roms::demo();
        let source = BootSource::MultibootBytes { name: "demo", image };
        let symbols = symbols_for(&source, &[]).unwrap();
        let start = symbols.by_name("_start").expect("the entry");
        assert_eq!(symbols.place(start.address).as_deref(), Some("_start"));
        assert!(symbols_for(&BootSource::Nothing, &[]).unwrap().is_empty());
        let gone = BootSource::Multiboot {
            kernel: "/nonexistent".into(),
            modules: Vec::new(),
            cmdline: String::new(),
        };
        assert!(symbols_for(&gone, &[]).unwrap().is_empty(), "the loader tells what is wrong");
    }
}
