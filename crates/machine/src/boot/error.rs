//! Why a file cannot be booted, by kind of image.

use super::elf::ElfError;
use crate::bios::DiskError;
use ringer_input::{InputError, shown};
use ringer_mmu::MemoryError;
use std::path::PathBuf;
use thiserror::Error;

/// A ROM's length in bytes is a multiple of this.
pub const ROM_UNIT: usize = 4096;

/// A file that cannot be booted, and why.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file could not be opened or read, or is more than can be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Nothing in it.
    #[error("{} is empty", shown(.0))]
    Empty(PathBuf),
    /// Nothing that can be booted.
    #[error("{}: {why}", shown(path))]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: &'static str,
    },
    /// Not a bzImage that can be booted.
    #[error("{}: {source}", shown(path))]
    Linux {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LinuxError,
    },
    /// Not a kernel with an entry for PVH that can be booted.
    #[error("{}: {source}", shown(path))]
    Pvh {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PvhError,
    },
    /// Not a Multiboot image that can be booted.
    #[error("{}: {source}", shown(path))]
    Multiboot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MultibootError,
    },
    /// Not a ROM.
    #[error("{}: {source}", shown(path))]
    Rom {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RomError,
    },
    /// Not a disk image with a boot sector.
    #[error("{}: {source}", shown(path))]
    Disk {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DiskError,
    },
    /// Not a flat binary that can be entered.
    #[error("flat binary: {0}")]
    Flat(#[from] FlatError),
    /// Guest memory refused a part of the image.
    #[error("the image does not fit into the guest's memory: {0}")]
    Memory(#[from] MemoryError),
}

/// What is wrong with a flat binary.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum FlatError {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Real mode's segment 0 does not reach the entry.
    #[error("the entry {entry:#x} is not below 64 KiB, where real mode begins with segment 0")]
    RealEntry {
        /// The entry.
        entry: u32,
    },
}

/// What is wrong with a bzImage, or why it cannot run in this machine.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum LinuxError {
    /// No setup header.
    #[error("not a Linux bzImage or zImage (no boot-protocol header)")]
    NotAKernel,
    /// Ends within its headers or its code.
    #[error("truncated bzImage: {missing} of {wanted} bytes are missing")]
    Truncated {
        /// Bytes that are not there.
        missing: u64,
        /// Bytes that the header announces.
        wanted: u64,
    },
    /// Older than the header of the protocol.
    #[error("its boot protocol {}.{:02} is too old (2.00 is needed)", version >> 8, version & 255)]
    TooOld {
        /// The version in the header.
        version: u16,
    },
    /// What goes into conventional memory is too large for it.
    #[error("a part of {size} bytes for conventional memory, where {most} bytes are free for it")]
    Low {
        /// Its size in bytes.
        size: u64,
        /// The room for it.
        most: u32,
    },
    /// For another processor.
    #[error(
        "a 64-bit kernel, where the processor has 32 bits (--cpu x86-64-v1, -v2 and -v3 have 64)"
    )]
    Needs64Bit,
    /// The command line is too long.
    #[error("the command line has {length} bytes; this kernel takes {limit}")]
    CommandLine {
        /// Its length.
        length: usize,
        /// What the kernel takes.
        limit: u32,
    },
    /// Not enough memory for the kernel.
    #[error("the kernel needs {} MiB of memory to start, the guest has {} MiB (-m)", needed.div_ceil(1 << 20), ram >> 20)]
    Memory {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        ram: u64,
    },
    /// Not enough memory for the initrd besides the kernel.
    #[error("no room for an initrd of {} MiB besides the kernel in {} MiB of memory (-m)", size.div_ceil(1 << 20), ram >> 20)]
    InitrdRoom {
        /// The initrd's size in bytes.
        size: u64,
        /// Bytes of memory.
        ram: u64,
    },
}

/// What is wrong with a Multiboot image, or why it cannot run in this machine.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum MultibootError {
    /// No header.
    #[error(
        "not a Multiboot image (no header of version 1 in its first 8 KiB, nor of version 2 in its first 32 KiB)"
    )]
    NoHeader,
    /// Wants something that is not here.
    #[error("the image requires Multiboot features that Ringer lacks (flags {0:#x})")]
    Features(u32),
    /// The same of version 2.
    #[error(
        "the image requires of its loader what a Multiboot 2 header tag of type {0} says, which Ringer lacks"
    )]
    Tag(u16),
    /// A header whose parts do not parse.
    #[error("the Multiboot header is damaged or cut off")]
    Header,
    /// The header's addresses do not fit together.
    #[error("the addresses in the Multiboot header contradict each other")]
    Addresses,
    /// The file ends too early.
    #[error("truncated: {missing} bytes of the image are missing")]
    Truncated {
        /// Bytes that are not there.
        missing: u64,
    },
    /// The ELF file is bad.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// It does not fit into memory.
    #[error(transparent)]
    Parts(#[from] PartsError),
}

/// Why the parts of an image cannot lie in memory.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PartsError {
    /// A part lies outside of memory.
    #[error("the image wants memory up to {end:#x}, the guest has {} MiB (-m)", ram >> 20)]
    Memory {
        /// End of the part.
        end: u64,
        /// Bytes of memory.
        ram: u64,
    },
    /// Parts that lie in memory one by one, but over each other.
    #[error("the image's parts have {sum:#x} bytes together, the guest has {} MiB: they lie over each other", ram >> 20)]
    Overlapping {
        /// Bytes of all parts together.
        sum: u64,
        /// Bytes of memory.
        ram: u64,
    },
    /// The kernel uses all conventional memory.
    #[error("the image leaves no room under 640 KiB for what it is told")]
    NoRoom,
}

/// Why a file is no kernel with such an entry.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PvhError {
    /// No note, and no bzImage either.
    #[error("an ELF file without an entry for PVH (note 18 of Xen); of Linux, the bzImage boots")]
    NoEntry,
    /// The ELF file is bad.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// It does not fit.
    #[error(transparent)]
    Parts(#[from] PartsError),
}

/// A file that is no ROM.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum RomError {
    /// Not whole pages.
    #[error("a ROM must be a multiple of 4 KiB; this is {size} bytes ({} too many)", size % ROM_UNIT)]
    OddSize {
        /// The file's size.
        size: usize,
    },
}
