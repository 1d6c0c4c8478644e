//! Guest symbols for reports: a kernel's System.map, or the symbol table of an ELF file.

use object::{Object, ObjectSymbol, SymbolKind};
use ringer_monitor::jitdump::Symbols;
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
    let mut all = Vec::new();
    for path in files {
        let read = |source| SymbolsError::Read { path: path.clone(), source };
        let bytes = std::fs::read(path).map_err(read)?;
        let found = if bytes.starts_with(b"\x7fELF") { of_elf(&bytes) } else { of_map(&bytes) };
        if found.is_empty() {
            return Err(SymbolsError::Format { path: Path::to_path_buf(path) });
        }
        all.extend(found);
    }
    Ok(Symbols::new(all))
}

fn of_elf(bytes: &[u8]) -> Vec<(u32, String)> {
    let Ok(file) = object::File::parse(bytes) else { return Vec::new() };
    let code = |kind| matches!(kind, SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown);
    file.symbols()
        .chain(file.dynamic_symbols())
        .filter(|s| code(s.kind()) && s.address() != 0)
        .filter_map(|s| Some((u32::try_from(s.address()).ok()?, s.name().ok()?.to_owned())))
        .filter(|(_, name)| !name.is_empty())
        .collect()
}

/// `c1000000 T _stext`: code symbols only.
fn of_map(bytes: &[u8]) -> Vec<(u32, String)> {
    String::from_utf8_lossy(bytes)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
            let address = u32::from_str_radix(address, 16).ok()?;
            matches!(kind, "t" | "T" | "w" | "W").then(|| (address, name.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Symbols, SymbolsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_symbols(&[file.path().to_owned()])
    }

    #[test]
    fn a_system_map_gives_its_code_symbols() {
        let symbols =
            read(b"c1000000 T _text\nc1000100 t helper\nc1000180 D data\nnonsense\n").unwrap();
        assert_eq!(symbols.find(0xc100_0110), Some(("helper", 0x10)));
        assert_eq!(symbols.find(0xc100_0190), Some(("helper", 0x90)));
        assert_eq!(symbols.find(0xc0ff_ffff), None);
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
    fn an_elf_file_gives_its_function_symbols() {
        let own = std::env::current_exe().unwrap();
        // A 64-bit test binary: addresses below 4 GiB are read as any other.
        let bytes = std::fs::read(own).unwrap();
        let list = of_elf(&bytes);
        assert!(list.iter().any(|(_, name)| name.contains("symbols")), "{} symbols", list.len());
    }
}
