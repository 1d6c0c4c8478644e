//! Assembles one guest program with nothing but binutils.
//!
//! The problem: the ROMs are kept as sources whose heads say how they are loaded, and a machine that builds Rust has
//! `as` and `ld` anyway. This file turns one source into an image; it is compiled twice, into the library (for the
//! test runner) and into the build script (for the embedded demo), so it depends on nothing of the crate.
//!
//! Invariants: the load kind in the head chooses the linker script, and nothing else does; the image's name is the
//! source's stem, so that several ROMs share an output folder; no partial image is left by a failed run of `ld`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An image made from a source, and what the source's head says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The image: an ELF file for `multiboot`, a raw binary for every other load kind.
    pub image: PathBuf,
    /// The head: the text of the `#!` lines, which is TOML.
    pub head: String,
}

/// Why a source could not be turned into an image.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The source could not be read, or the output folder could not be made.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The head lacks a line `load = "…"`, or names a kind that does not exist.
    #[error("{}: the head must say load = \"multiboot\", \"rom\", \"bootsector\", \"flat\" or \"program\"", path.display())]
    Load {
        /// The source.
        path: PathBuf,
    },
    /// `as` or `ld` is not installed.
    #[error(
        "`{tool}` is not installed; it is in Debian's package binutils (apt-get install binutils)"
    )]
    ToolMissing {
        /// The program that was looked for.
        tool: &'static str,
    },
    /// `as` or `ld` rejected its input.
    #[error("{tool} failed on {}:\n{message}", path.display())]
    Tool {
        /// The program that failed.
        tool: &'static str,
        /// The source.
        path: PathBuf,
        /// What it wrote to its standard error.
        message: String,
    },
}

/// How an image gets into the machine; the word in the head's `load`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// A Multiboot 1 ELF file.
    Multiboot,
    /// A 64 KiB ROM, entered at the reset vector.
    Rom,
    /// A 512-byte boot sector at 0000:7C00.
    BootSector,
    /// A raw binary whose Multiboot header carries the addresses.
    Flat,
    /// A static Linux program for the host: no guest, but made in the same way.
    Program,
}

impl Load {
    /// Finds the `load` key in a head. The full TOML is read by whoever runs the ROM; one key needs no parser here.
    fn of_head(head: &str) -> Option<Load> {
        let value = head
            .lines()
            .find_map(|line| line.trim().strip_prefix("load")?.trim_start().strip_prefix('='))?;
        match value.trim().trim_matches('"') {
            "multiboot" => Some(Load::Multiboot),
            "rom" => Some(Load::Rom),
            "bootsector" => Some(Load::BootSector),
            "flat" => Some(Load::Flat),
            "program" => Some(Load::Program),
            _ => None,
        }
    }

    fn linker_script(self) -> &'static str {
        match self {
            Load::Multiboot | Load::Flat => "multiboot.ld",
            Load::Rom => "rom.ld",
            Load::BootSector => "bootsector.ld",
            Load::Program => "program.ld",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Load::Multiboot => "elf",
            Load::Rom => "rom",
            Load::BootSector | Load::Flat => "bin",
            Load::Program => "program",
        }
    }
}

/// The head of a source: the text after `#!` of its leading lines that start so, joined by newlines. Empty if none do.
#[must_use]
pub fn head_of(source: &str) -> String {
    let lines: Vec<&str> =
        source.lines().map_while(|line| line.strip_prefix("#!")).map(str::trim).collect();
    lines.join("\n")
}

/// Assembles and links `source` into `out_dir` (made if absent) by the load kind that its head names. Include files are
/// looked for in the folder `include` next to the source.
///
/// # Errors
/// See [`AssembleError`]: unreadable source, no load kind, `as` or `ld` missing, or the source rejected by them.
pub fn assemble(source: &Path, out_dir: &Path) -> Result<Assembled, AssembleError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |error| AssembleError::Io { path, error }
    };
    let text = std::fs::read_to_string(source).map_err(io_error(source))?;
    let head = head_of(&text);
    let load =
        Load::of_head(&head).ok_or_else(|| AssembleError::Load { path: source.to_owned() })?;
    std::fs::create_dir_all(out_dir).map_err(io_error(out_dir))?;

    let include = source.parent().unwrap_or(Path::new(".")).join("include");
    let stem = out_dir.join(source.file_stem().unwrap_or(OsStr::new("rom")));
    let object = stem.with_extension("o");
    let image = stem.with_extension(load.extension());

    let mut assembler = Command::new("as");
    assembler.arg("--32").arg("--fatal-warnings");
    if load == Load::Flat {
        assembler.args(["--defsym", "FLAT_IMAGE=1"]);
    }
    if load == Load::Program {
        assembler.arg("-I").arg(include.join("../../roms/include"));
    }
    assembler.arg("-I").arg(&include).arg("-o").arg(&object).arg(source);
    run("as", &mut assembler, source)?;

    let mut linker = Command::new("ld");
    linker.args([
        "-m",
        "elf_i386",
        "-static",
        "-nostdlib",
        "--build-id=none",
        "-z",
        "max-page-size=4096",
    ]);
    linker.arg("--no-warn-rwx-segments").arg("-T").arg(include.join(load.linker_script()));
    if !matches!(load, Load::Multiboot | Load::Program) {
        linker.args(["--oformat", "binary"]);
    }
    linker.arg("-o").arg(&image).arg(&object);
    run("ld", &mut linker, source)?;
    Ok(Assembled { image, head })
}

fn run(tool: &'static str, command: &mut Command, source: &Path) -> Result<(), AssembleError> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => AssembleError::ToolMissing { tool },
        _ => AssembleError::Io { path: PathBuf::from(tool), error },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(AssembleError::Tool { tool, path: source.to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_the_leading_marked_lines_only() {
        let source = "#! load = \"rom\"\n#!timeout = 3\n# prose\n#! not = \"head\"\n";
        assert_eq!(head_of(source), "load = \"rom\"\ntimeout = 3");
        assert_eq!(Load::of_head(&head_of(source)), Some(Load::Rom));
        assert_eq!(head_of("    nop\n"), "");
    }

    #[test]
    fn a_head_without_a_known_load_kind_is_refused() {
        assert_eq!(Load::of_head("title = \"x\""), None);
        assert_eq!(Load::of_head("load = \"floppy\""), None);
        assert_eq!(Load::of_head("loader = \"rom\""), None);
    }
}
