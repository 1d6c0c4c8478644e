//! A PC's firmware from a file, with the option ROMs that it takes from its configuration device.

use super::error::LoadError;
use super::file::read_file;
use super::rom::Rom;
use ringer_devices::vga::{ID as DISPLAY_ID, ROM_ROOM};
use ringer_input::Limit;
use ringer_mmu::GuestMemory;
use std::path::{Path, PathBuf};

/// The folder of the configuration device for ROMs of display adapters.
const VGA_ROMS: &str = "vgaroms";
/// The largest option ROM: a byte of its header counts its blocks of 512 bytes, and images may follow each other.
const MAX_OPTION_ROM: u64 = 1 << 20;

/// Firmware and the ROMs that go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bios {
    /// The firmware's image.
    pub firmware: PathBuf,
    /// ROMs of display adapters. The first that says that it is for the machine's own is that one's expansion ROM.
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

/// Whether an option ROM is for the PCI functions that have this vendor and device number (PCI Firmware 3.0, 5.1.2).
fn is_for(rom: &[u8], (vendor, device): (u16, u16)) -> bool {
    const POINTER: usize = 0x18;
    let word = |at: usize| Some(u16::from_le_bytes([*rom.get(at)?, *rom.get(at + 1)?]));
    let Some(data) = word(POINTER).map(usize::from) else { return false };
    let signed = rom.starts_with(&[0x55, 0xaa]) && rom.get(data..data + 4) == Some(b"PCIR");
    signed && (word(data + 4), word(data + 6)) == (Some(vendor), Some(device))
}

/// The same, read.
#[derive(Debug)]
pub struct BiosImage {
    rom: Rom,
    /// The display adapter's own ROM.
    display: Option<Vec<u8>>,
    /// Option ROMs by the name under which firmware finds them.
    files: Vec<(String, Vec<u8>)>,
}

impl BiosImage {
    /// Reads the files and checks the firmware's size. A machine that has a display adapter of its own gives it its ROM.
    ///
    /// # Errors
    /// When one cannot be read or is too large.
    pub(super) fn read(bios: &Bios, has_display: bool) -> Result<Self, LoadError> {
        let rom = Rom::read(&bios.firmware)?;
        let named = |folder: &'static str, paths: &[PathBuf]| {
            let paths: Vec<_> = paths.iter().cloned().enumerate().collect();
            paths.into_iter().map(move |(number, path)| (format!("{folder}/{number:02}.rom"), path))
        };
        let roms = named(VGA_ROMS, &bios.vga_roms).chain(named("genroms", &bios.option_roms));
        let files = roms.map(|(name, path)| {
            let limit = Limit::new(MAX_OPTION_ROM, "the largest option ROM");
            Ok((name, read_file(&path, limit)?))
        });
        let mut files: Vec<_> = files.collect::<Result<_, LoadError>>()?;
        let own = |(name, rom): &(String, Vec<u8>)| {
            let fits = rom.len() as u64 <= ROM_ROOM;
            has_display && fits && name.starts_with(VGA_ROMS) && is_for(rom, DISPLAY_ID)
        };
        let display = files.iter().position(own).map(|at| files.remove(at).1);
        Ok(Self { rom, display, files })
    }

    pub(super) fn install(&self, memory: &mut GuestMemory) -> Result<(), LoadError> {
        self.rom.install(memory)
    }

    /// The display adapter's own ROM.
    pub(super) fn display_rom(&self) -> Option<&[u8]> {
        self.display.as_deref()
    }

    /// The other option ROMs by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rom_says_for_which_functions_it_is() {
        let mut rom = vec![0; 0x800];
        rom[..2].copy_from_slice(&[0x55, 0xaa]);
        assert!(!is_for(&rom, (0, 0)), "no data structure");
        rom[0x18] = 0x40;
        rom[0x40..0x48].copy_from_slice(b"PCIR\x34\x12\x11\x11");
        assert!(is_for(&rom, DISPLAY_ID));
        assert!(!is_for(&rom, (0x8086, 0x1111)));
        assert!(!is_for(&rom[..0x46], DISPLAY_ID), "cut off");
        assert!(!is_for(&[0x55, 0xaa], DISPLAY_ID));
        rom[0x18..0x1a].fill(0xff);
        assert!(!is_for(&rom, DISPLAY_ID), "its structure is outside");
    }
}
