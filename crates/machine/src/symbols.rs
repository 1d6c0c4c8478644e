//! Guest symbols: the symbol table of an ELF file, or a kernel's System.map; and those of what is booted.

use crate::boot::BootSource;
use object::elf::{FileHeader32, ProgramHeader32};
use object::read::elf::FileHeader;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SectionIndex};
pub use ringer_monitor::symbols::{Load, Place, Symbol, SymbolKind, Symbols};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A symbol file that cannot be used.
#[derive(Debug, Error)]
pub enum SymbolsError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is neither kind.
    #[error("{}: neither an ELF file with symbols nor a System.map (lines of address, type, name)", path.display())]
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
            all.extend(of_elf(&bytes));
            loads = loads_of(&bytes);
        }
        BootSource::MultibootBytes { image, .. } => {
            all.extend(of_elf(image));
            loads = loads_of(image);
        }
        BootSource::Linux { .. }
        | BootSource::Rom(_)
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
        let read = |source| SymbolsError::Read { path: path.clone(), source };
        let bytes = fs::read(path).map_err(read)?;
        let found = if bytes.starts_with(b"\x7fELF") { of_elf(&bytes) } else { of_map(&bytes) };
        if found.is_empty() {
            return Err(SymbolsError::Format { path: path.clone() });
        }
        all.extend(found);
    }
    Ok(all)
}

/// Those of the file at `path`, which the machine loads; a pipe can be read only once, and not by us.
fn kernel_bytes(path: &Path) -> Vec<u8> {
    let regular = fs::metadata(path).is_ok_and(|file| file.is_file());
    if regular { fs::read(path).unwrap_or_default() } else { Vec::new() }
}

fn of_elf(bytes: &[u8]) -> Vec<Symbol> {
    let Ok(file) = object::File::parse(bytes) else { return Vec::new() };
    let section = |index: SectionIndex| {
        let section = file.section_by_index(index).ok()?;
        Some((section.kind(), section.address().saturating_add(section.size())))
    };
    let symbol = |s: object::Symbol<'_, '_>| {
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
    file.symbols().chain(file.dynamic_symbols()).filter_map(symbol).collect()
}

/// As it was in the source: names of Rust carry their path and a hash.
fn readable(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) => format!("{demangled:#}"),
        Err(_) => name.to_owned(),
    }
}

/// `c1000000 T _stext`.
fn of_map(bytes: &[u8]) -> Vec<Symbol> {
    let line = |line: &str| {
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
    String::from_utf8_lossy(bytes).lines().filter_map(line).collect()
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
        assert!(matches!(missing, Err(SymbolsError::Read { .. })));
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
