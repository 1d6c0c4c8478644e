//! Guest programs that check the machine from the inside, and the way from their sources to images.
//!
//! The ROMs are in `roms/*.s`. The head of each (the leading lines that start with `#!`) is TOML: how to load it, what
//! it must print, how it must end. The rest of the comments says which rules of the SDM it checks. See
//! [`assemble`] for the way to an image, and `roms/include` for what the ROMs share.

mod assemble;

pub use assemble::{AssembleError, Assembled, assemble, head_of};

use std::path::{Path, PathBuf};

/// The folder of the ROM sources in the source tree that this crate was built from.
#[must_use]
pub fn roms_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("roms")
}

/// The demo: a Multiboot ELF image, assembled when this crate was built, that works for about a second, prints what it
/// computed on the first serial port and leaves through isa-debug-exit with 0.
#[must_use]
pub fn demo() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/demo.elf"))
}

/// The nanobenchmarks as a guest: a Multiboot ELF image. Its command line may end in the least time of a run in
/// milliseconds. It prints `tsc-khz KHZ`, then five lines `NAME OPERATIONS TICKS` for each, and leaves as the demo does.
#[must_use]
pub fn nano() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/nano.elf"))
}

/// Those of the nanobenchmarks that mean something in a process, as a static i386 program for Linux; same output.
#[must_use]
pub fn nano_native() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/nano.program"))
}
