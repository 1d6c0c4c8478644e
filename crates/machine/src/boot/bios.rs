//! A PC's firmware from a file, with the option ROMs that it takes from its configuration device.

use super::error::LoadError;
use super::file::read_file;
use super::rom::Rom;
use ringer_input::Limit;
use ringer_mmu::GuestMemory;
use std::path::{Path, PathBuf};

/// The largest option ROM: a byte of its header counts its blocks of 512 bytes, and images may follow each other.
const MAX_OPTION_ROM: u64 = 1 << 20;

/// Firmware and the ROMs that go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bios {
    /// The firmware's image.
    pub firmware: PathBuf,
    /// ROMs of display adapters.
    pub vga_roms: Vec<PathBuf>,
    /// Other option ROMs, run one after the other.
    pub option_roms: Vec<PathBuf>,
}

impl Bios {
    /// Firmware without ROMs.
    #[must_use]
    pub fn new(firmware: PathBuf) -> Self {
        Self { firmware, ..Self::default() }
    }

    /// All files: the firmware first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let roms = self.vga_roms.iter().chain(&self.option_roms);
        [&self.firmware].into_iter().chain(roms).map(PathBuf::as_path)
    }
}

/// The same, read.
#[derive(Debug)]
pub struct BiosImage {
    rom: Rom,
    /// Option ROMs by the name under which firmware finds them.
    files: Vec<(String, Vec<u8>)>,
}

impl BiosImage {
    /// Reads the files and checks the firmware's size.
    ///
    /// # Errors
    /// When one cannot be read or is too large.
    pub(super) fn read(bios: &Bios) -> Result<Self, LoadError> {
        let rom = Rom::read(&bios.firmware)?;
        let named = |folder: &'static str, paths: &[PathBuf]| {
            let paths: Vec<_> = paths.iter().cloned().enumerate().collect();
            paths.into_iter().map(move |(number, path)| (format!("{folder}/{number:02}.rom"), path))
        };
        let roms = named("vgaroms", &bios.vga_roms).chain(named("genroms", &bios.option_roms));
        let files = roms.map(|(name, path)| {
            let limit = Limit::new(MAX_OPTION_ROM, "the largest option ROM");
            Ok((name, read_file(&path, limit)?))
        });
        Ok(Self { rom, files: files.collect::<Result<_, LoadError>>()? })
    }

    pub(super) fn install(&self, memory: &mut GuestMemory) -> Result<(), LoadError> {
        self.rom.install(memory)
    }

    /// The option ROMs by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}
