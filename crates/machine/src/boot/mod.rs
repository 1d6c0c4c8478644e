//! The boot protocols: one file each, and what they share.
//!
//! Loading has three steps, because a guest may reset: [`Image::read`] reads and checks the files
//! once; [`Image::power_on`] puts the ROM into memory, once too; [`Image::boot`] puts the rest over
//! whatever is there and sets the entry state, at each boot.

mod bios;
pub mod bootsector;
mod contents;
mod elf;
mod error;
mod file;
mod flat;
pub mod linux;
pub mod multiboot;
mod parts;
mod payload;
pub mod pvh;
pub mod real_linux;
pub mod rom;
pub(crate) mod screen;

use crate::bios::PendingKey;
use crate::config::PcConfig;
use crate::firmware;
pub use bios::Bios;
use bios::BiosImage;
use bootsector::BootSector;
pub use contents::{FileKind, recognise};
pub use elf::ElfError;
pub use error::{FlatError, LinuxError, LoadError, MultibootError, PartsError, PvhError, RomError};
use file::read_file;
pub use flat::{Flat, FlatMode};
use linux::LinuxImage;
use multiboot::MultibootImage;
use payload::Payload;
use pvh::PvhImage;
use ringer_cpu::CpuState;
use ringer_input::{Limit, gunzip, is_gzip};
use ringer_mmu::GuestMemory;
use ringer_monitor::BiosHook;
use rom::Rom;
use screen::{Screen, ScreenWish};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What to boot.
#[derive(Clone, Debug)]
pub enum BootSource {
    /// A Linux bzImage or zImage, or an ELF kernel with an entry for PVH.
    Linux {
        /// The kernel file.
        kernel: PathBuf,
        /// The initial RAM disk.
        initrd: Option<PathBuf>,
        /// The kernel's command line.
        cmdline: String,
    },
    /// A Multiboot image of either version, perhaps in gzip.
    Multiboot {
        /// The kernel file.
        kernel: PathBuf,
        /// Modules, in order: a file each, and behind a space what the kernel is told beside its name, unless there is a
        /// file of that whole name.
        modules: Vec<PathBuf>,
        /// The kernel's command line.
        cmdline: String,
    },
    /// A Multiboot image without a file.
    MultibootBytes {
        /// What messages call it.
        name: &'static str,
        /// The image.
        image: &'static [u8],
    },
    /// A raw ROM that holds the reset vector.
    Rom(PathBuf),
    /// A PC's firmware, which finds a system by itself, and the ROMs that it is given.
    Bios(Bios),
    /// A raw boot sector, or a disk image that starts with one.
    BootSector(PathBuf),
    /// A flat binary, entered without firmware.
    Flat(Flat),
    /// Nothing: memory is empty and the processor as after reset. Whoever embeds the machine loads memory
    /// and sets registers; a reset ends the run, for it has nowhere to go.
    Nothing,
}

/// An image that was read and checked.
#[derive(Debug)]
pub enum Image {
    /// A Linux kernel.
    Linux(LinuxImage),
    /// A kernel with an entry for PVH.
    Pvh(PvhImage),
    /// A Multiboot kernel.
    Multiboot(MultibootImage),
    /// A ROM.
    Rom(Rom),
    /// Firmware.
    Bios(BiosImage),
    /// A boot sector.
    BootSector(BootSector),
    /// A flat binary.
    Flat(Flat),
    /// Nothing.
    Nothing,
}

/// The file of a module that is named so.
#[must_use]
pub fn module_file(named: &Path) -> &Path {
    let whole = named.as_os_str().as_bytes();
    let space = whole.iter().position(|&byte| byte == b' ');
    match space {
        Some(space) if !named.exists() => Path::new(OsStr::from_bytes(&whole[..space])),
        _ => named,
    }
}

/// Opens modules that fit into `ram` bytes together: the one that does not is refused before it is read.
fn open_modules(paths: &[PathBuf], ram: u64) -> Result<Vec<(String, Payload)>, LoadError> {
    let mut room = ram;
    let mut modules = Vec::new();
    for path in paths {
        let what = match modules.is_empty() {
            true => "the guest's memory",
            false => "what the modules before it leave of the guest's memory",
        };
        let payload = Payload::open(module_file(path), Limit::new(room, what))?;
        room -= payload.len();
        modules.push((path.display().to_string(), payload));
    }
    Ok(modules)
}

impl Image {
    /// Reads the files of `source` for a guest with `ram` bytes of memory, and checks them.
    ///
    /// # Errors
    /// When a file cannot be read, is not what it should be, or does not fit.
    pub fn read(source: &BootSource, ram: u64) -> Result<Self, LoadError> {
        Self::read_for(source, ram, true)
    }

    /// The same for a machine with or without a display adapter.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub(crate) fn read_for(
        source: &BootSource,
        ram: u64,
        has_display: bool,
    ) -> Result<Self, LoadError> {
        match source {
            BootSource::Linux { kernel, initrd, cmdline } => {
                let bytes = read_file(kernel, file::memory(ram))?;
                let initrd = initrd.as_deref();
                let initrd =
                    initrd.map(|path| Payload::open(path, file::memory(ram))).transpose()?;
                let path = kernel.clone();
                if elf::is_elf(&bytes) {
                    let image = PvhImage::new(bytes, initrd, cmdline, ram);
                    return image.map(Self::Pvh).map_err(|source| LoadError::Pvh { path, source });
                }
                let image = LinuxImage::new(bytes, initrd, cmdline, ram);
                image
                    .map(|image| Self::Linux(image.with_display(has_display)))
                    .map_err(|source| LoadError::Linux { path, source })
            }
            BootSource::Multiboot { kernel, modules, cmdline } => {
                let mut bytes = read_file(kernel, file::memory(ram))?;
                if is_gzip(&bytes) {
                    bytes = gunzip(kernel, &bytes, file::memory(ram))?;
                }
                let modules = open_modules(modules, ram)?;
                let cmdline = format!("{} {cmdline}", kernel.display()).trim_end().to_owned();
                Self::multiboot(bytes, kernel, &cmdline, modules, ram)
            }
            BootSource::MultibootBytes { name, image } => {
                Self::multiboot(image.to_vec(), Path::new(name), name, Vec::new(), ram)
            }
            BootSource::Rom(path) => Rom::read(path).map(Self::Rom),
            BootSource::Bios(bios) => BiosImage::read(bios, has_display).map(Self::Bios),
            BootSource::BootSector(path) => Ok(Self::BootSector(BootSector::open(path)?)),
            BootSource::Flat(flat) => flat.check().map(|()| Self::Flat(flat.clone())),
            BootSource::Nothing => Ok(Self::Nothing),
        }
    }

    fn multiboot(
        bytes: Vec<u8>,
        path: &Path,
        cmdline: &str,
        modules: Vec<(String, Payload)>,
        ram: u64,
    ) -> Result<Self, LoadError> {
        MultibootImage::new(bytes, cmdline, modules, ram)
            .map(Self::Multiboot)
            .map_err(|source| LoadError::Multiboot { path: path.to_owned(), source })
    }

    /// Puts the ROM into memory. Returns the firmware calls to serve, if there are any.
    ///
    /// # Errors
    /// When memory refuses the ROM.
    pub fn power_on(&self, memory: &mut GuestMemory) -> Result<Option<BiosHook>, LoadError> {
        match self {
            Self::Linux(LinuxImage::Real(image)) => image.power_on(memory).map(Some),
            Self::Linux(_) | Self::Pvh(_) | Self::Multiboot(_) | Self::Flat(_) | Self::Nothing => {
                memory.install_rom(&firmware::reset_rom())?;
                Ok(None)
            }
            Self::Rom(rom) => rom.install(memory).map(|()| None),
            Self::Bios(bios) => bios.install(memory).map(|()| None),
            Self::BootSector(sector) => sector.power_on(memory).map(Some),
        }
    }

    /// Whether a guest expects that firmware has run before it, and its loader is all there is.
    #[must_use]
    pub fn is_told_by_us(&self) -> bool {
        matches!(self, Self::Linux(_) | Self::Pvh(_) | Self::Multiboot(_) | Self::BootSector(_))
    }

    /// A Linux kernel that needs long mode.
    pub(crate) fn is_wide_linux(&self) -> bool {
        matches!(self, Self::Linux(image) if image.is_wide())
    }

    /// What who boots it should know of it, if there is something.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        match self {
            Self::Multiboot(image) if image.is_wide() => Some(
                "the kernel is a 64-bit ELF file: it is entered in protected mode of 32 bits, and the processor has no long mode",
            ),
            _ => None,
        }
    }

    /// The screen that the kernel would like of its loader; `None`: it is told of none.
    pub(crate) fn screen(&self) -> Option<ScreenWish> {
        if let Self::Multiboot(image) = self { image.screen() } else { None }
    }

    /// Puts what firmware says of the PC into memory, where there is room for it.
    ///
    /// # Errors
    /// When memory refuses it.
    pub(crate) fn describe(
        &self,
        memory: &mut GuestMemory,
        pc: &PcConfig,
    ) -> Result<(), LoadError> {
        match self {
            // The built-in BIOS is where the tables would be.
            Self::Linux(LinuxImage::Real(_)) => Ok(()),
            Self::Linux(_) | Self::Pvh(_) | Self::Multiboot(_) => {
                Ok(firmware::install_smbios(memory, pc)?)
            }
            _ => Ok(()),
        }
    }

    /// Puts the image into memory, over what a guest left there, and the processor (at reset) where
    /// the image begins.
    ///
    /// # Errors
    /// When memory refuses a part of the image.
    pub fn boot(&self, memory: &mut GuestMemory, cpu: &mut CpuState) -> Result<(), LoadError> {
        self.boot_with(memory, cpu, None)
    }

    /// The same of a machine that shows `screen`.
    pub(crate) fn boot_with(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
        screen: Option<Screen>,
    ) -> Result<(), LoadError> {
        match self {
            Self::Linux(LinuxImage::Protected(image)) => image.boot(memory, cpu),
            Self::Linux(LinuxImage::Real(image)) => image.boot(memory, cpu),
            Self::Pvh(image) => image.boot(memory, cpu),
            Self::Multiboot(image) => image.boot(memory, cpu, screen),
            Self::Flat(flat) => flat.boot(memory, cpu),
            Self::Rom(_) | Self::Bios(_) | Self::Nothing => Ok(()),
            Self::BootSector(sector) => sector.boot(memory, cpu),
        }
    }

    /// Whether there is something to boot after a reset.
    #[must_use]
    pub fn boots(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// The expansion ROM of the display adapter.
    pub(crate) fn display_rom(&self) -> Option<&[u8]> {
        if let Self::Bios(bios) = self { bios.display_rom() } else { None }
    }

    /// The files that firmware is offered beside what it is told of every PC: name and contents.
    pub(crate) fn firmware_files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let bios = if let Self::Bios(bios) = self { Some(bios) } else { None };
        bios.into_iter().flat_map(BiosImage::files)
    }

    /// The key that built-in firmware has taken from the console and not given to the guest yet.
    #[must_use]
    pub fn pending_key(&self) -> Option<u8> {
        self.key().and_then(PendingKey::get)
    }

    fn key(&self) -> Option<&PendingKey> {
        match self {
            Self::BootSector(sector) => Some(sector.key()),
            Self::Linux(LinuxImage::Real(image)) => Some(image.key()),
            _ => None,
        }
    }

    /// As saved: [`Image::pending_key`] is `key`, where there is built-in firmware.
    pub fn set_pending_key(&self, key: Option<u8>) {
        if let Some(pending) = self.key() {
            pending.set(key);
        }
    }

    /// Whether the image is the firmware: it has the processor from the reset vector on.
    #[must_use]
    pub fn has_reset_vector(&self) -> bool {
        matches!(self, Self::Rom(_) | Self::Bios(_))
    }
}
