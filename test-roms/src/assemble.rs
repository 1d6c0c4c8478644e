//! Assembles one guest program with nothing but binutils, or NASM where the source is NASM's.
//!
//! The problem: the ROMs are kept as sources that say how they are loaded, and a machine that builds Rust has
//! `as` and `ld` anyway. This file turns one source into an image; it is compiled twice, into the library (for the
//! test runner) and into the build script (for the embedded demo), so it depends on nothing of the crate.
//!
//! Invariants: the load kind chooses the linker script, the source's ending the assembler; the image's name is the
//! source's stem, so that several ROMs share an output folder; no partial image is left by a failed run of `ld`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    /// The head names a load kind that does not exist.
    #[error("{}: load must be \"multiboot\", \"flat\", \"rom\" or \"bootsector\"", path.display())]
    Load {
        /// The source.
        path: PathBuf,
    },
    /// An assembler or the linker is not installed.
    #[error(
        "`{tool}` is not installed; it is in Debian's package {package} (apt-get install {package})"
    )]
    ToolMissing {
        /// The program that was looked for.
        tool: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// An assembler or the linker rejected its input.
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

/// How an image gets into the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
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

    fn is_elf(self) -> bool {
        matches!(self, Load::Multiboot | Load::Program)
    }
}

/// Whether a source of this ending is assembled here: `.s` by `as`, `.S` by `cc` (the preprocessor, then `as`), `.asm`
/// and `.nasm` by NASM.
#[must_use]
#[allow(dead_code, reason = "the build script has no use for it")]
pub fn is_assembled(source: &Path) -> bool {
    matches!(extension(source), "s" | "S" | "asm" | "nasm")
}

fn extension(source: &Path) -> &str {
    source.extension().and_then(OsStr::to_str).unwrap_or_default()
}

/// Assembles and links `source` into `out_dir` (made if absent) as an image of this kind. Include files and the linker
/// script are looked for in the folders `include`, in this order; the image's path is returned.
///
/// # Errors
/// See [`AssembleError`]: a tool that is missing, or the source rejected by one.
pub fn assemble_as(
    source: &Path,
    load: Load,
    out_dir: &Path,
    include: &[PathBuf],
) -> Result<PathBuf, AssembleError> {
    std::fs::create_dir_all(out_dir)
        .map_err(|error| AssembleError::Io { path: out_dir.to_owned(), error })?;
    let stem = out_dir.join(source.file_stem().unwrap_or(OsStr::new("rom")));
    let image = stem.with_extension(load.extension());
    let object = stem.with_extension("o");
    match extension(source) {
        // NASM writes raw binaries by itself: such a source says with ORG where it lies.
        "asm" | "nasm" if !load.is_elf() => nasm(source, "bin", include, &image)?,
        "asm" | "nasm" => {
            nasm(source, "elf32", include, &object)?;
            link(source, load, include, &object, &image)?;
        }
        end => {
            gas(source, load, end == "S", include, &object)?;
            link(source, load, include, &object, &image)?;
        }
    }
    Ok(image)
}

fn gas(
    source: &Path,
    load: Load,
    preprocess: bool,
    include: &[PathBuf],
    object: &Path,
) -> Result<(), AssembleError> {
    let flat = ["--defsym", "FLAT_IMAGE=1"];
    let flat: &[&str] = if load == Load::Flat { &flat } else { &[] };
    let folders = include.iter().flat_map(|folder| [OsStr::new("-I"), folder.as_os_str()]);
    if preprocess {
        let mut compiler = Command::new("cc");
        compiler.args(["-m32", "-c", "-x", "assembler-with-cpp", "-Wa,--fatal-warnings"]);
        compiler.args(flat.chunks(2).map(|pair| format!("-Wa,{},{}", pair[0], pair[1])));
        compiler.args(folders).arg("-o").arg(object).arg(source);
        return run("cc", "gcc", &mut compiler, source);
    }
    let mut assembler = Command::new("as");
    assembler.args(["--32", "--fatal-warnings"]).args(flat).args(folders);
    assembler.arg("-o").arg(object).arg(source);
    run("as", "binutils", &mut assembler, source)
}

fn nasm(
    source: &Path,
    format: &str,
    include: &[PathBuf],
    output: &Path,
) -> Result<(), AssembleError> {
    let mut assembler = Command::new("nasm");
    assembler.args(["-Werror", "-f", format]);
    for folder in include {
        // Older versions put folder and name together as they are.
        assembler.arg("-I").arg(folder.join(""));
    }
    assembler.arg("-o").arg(output).arg(source);
    run("nasm", "nasm", &mut assembler, source)
}

fn link(
    source: &Path,
    load: Load,
    include: &[PathBuf],
    object: &Path,
    image: &Path,
) -> Result<(), AssembleError> {
    let name = load.linker_script();
    let scripts = include.iter().map(|folder| folder.join(name));
    let script = scripts.into_iter().find(|path| path.is_file()).unwrap_or(PathBuf::from(name));
    let mut linker = Command::new("ld");
    linker.args(["-m", "elf_i386", "-static", "-nostdlib", "--build-id=none"]);
    linker.args(["-z", "max-page-size=4096", "--no-warn-rwx-segments", "-T"]).arg(script);
    if !load.is_elf() {
        linker.args(["--oformat", "binary"]);
    }
    linker.arg("-o").arg(image).arg(object);
    run("ld", "binutils", &mut linker, source)
}

fn run(
    tool: &'static str,
    package: &'static str,
    command: &mut Command,
    source: &Path,
) -> Result<(), AssembleError> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => AssembleError::ToolMissing { tool, package },
        _ => AssembleError::Io { path: PathBuf::from(tool), error },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(AssembleError::Tool { tool, path: source.to_owned(), message })
}
