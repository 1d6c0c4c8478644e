//! What a machine boots, as its state says it: a reset after a load boots the same again, so the files
//! must be there, and be the same. They are named and recognised, not stored.

use super::error::StateError;
use crate::boot::{Bios, BootSource, LoadError, module_file};
use ringer_input::{Input, InputError, shown};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes read at a time.
const CHUNK: usize = 1 << 16;

/// A file, and how to recognise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its name.
    pub path: PathBuf,
    /// Its size in bytes.
    pub length: u64,
    /// CRC-32 of its contents.
    pub crc32: u32,
}

/// What a machine boots. Names are absolute, save those that a Multiboot guest is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BootRecord {
    /// A Linux bzImage.
    Linux {
        /// The kernel.
        kernel: FileRecord,
        /// The initial RAM disk.
        initrd: Option<FileRecord>,
        /// The command line.
        cmdline: String,
    },
    /// A Multiboot image.
    Multiboot {
        /// The kernel.
        kernel: FileRecord,
        /// Modules, in order.
        modules: Vec<FileRecord>,
        /// The command line.
        cmdline: String,
    },
    /// Nothing.
    Nothing,
    /// An image that is part of a program.
    BuiltIn {
        /// What messages call it.
        name: String,
        /// CRC-32 of it.
        crc32: u32,
    },
    /// A ROM.
    Rom {
        /// The file.
        file: FileRecord,
    },
    /// A PC's firmware.
    Bios {
        /// The firmware.
        file: FileRecord,
        /// ROMs of display adapters.
        vga_roms: Vec<FileRecord>,
        /// Other option ROMs.
        option_roms: Vec<FileRecord>,
    },
    /// A boot sector or disk image.
    BootSector {
        /// The file.
        file: FileRecord,
    },
}

impl FileRecord {
    fn of(path: &Path) -> Result<Self, StateError> {
        let input = Input::open(path).map_err(LoadError::from)?;
        let Some(length) = input.length() else {
            return Err(StateError::NotAFile(path.to_owned()));
        };
        let error = |source| LoadError::from(InputError::Read { path: path.to_owned(), source });
        let (length, crc32) = digest(input.into_file().take(length)).map_err(error)?;
        Ok(Self { path: path.to_owned(), length, crc32 })
    }

    /// The same under its absolute name.
    fn absolute(path: &Path) -> Result<Self, StateError> {
        let record = Self::of(path)?;
        let error = |source| LoadError::from(InputError::Read { path: path.to_owned(), source });
        Ok(Self { path: std::path::absolute(path).map_err(error)?, ..record })
    }

    fn all(paths: &[PathBuf]) -> Result<Vec<Self>, StateError> {
        paths.iter().map(|path| Self::absolute(path)).collect()
    }

    fn same(&self, other: &Self) -> bool {
        (self.length, self.crc32) == (other.length, other.crc32)
    }
}

fn digest(mut file: impl Read) -> io::Result<(u64, u32)> {
    let mut hasher = crc32fast::Hasher::new();
    let (mut buffer, mut length) = (vec![0; CHUNK], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((length, hasher.finalize())),
            n => {
                hasher.update(&buffer[..n]);
                length += n as u64;
            }
        }
    }
}

impl BootRecord {
    /// What is to say of `source`. Its files are read.
    ///
    /// # Errors
    /// When a file cannot be read, now or again.
    pub fn of(source: &BootSource) -> Result<Self, StateError> {
        Ok(match source {
            BootSource::Linux { kernel, initrd, cmdline } => Self::Linux {
                kernel: FileRecord::absolute(kernel)?,
                initrd: initrd.as_deref().map(FileRecord::absolute).transpose()?,
                cmdline: cmdline.clone(),
            },
            BootSource::Multiboot { kernel, modules, cmdline } => Self::Multiboot {
                kernel: FileRecord::of(kernel)?,
                modules: modules
                    .iter()
                    .map(|path| {
                        let record = FileRecord::of(module_file(path))?;
                        Ok(FileRecord { path: path.clone(), ..record })
                    })
                    .collect::<Result<_, StateError>>()?,
                cmdline: cmdline.clone(),
            },
            BootSource::MultibootBytes { name, image } => {
                Self::BuiltIn { name: (*name).to_owned(), crc32: crc32fast::hash(image) }
            }
            BootSource::Nothing => Self::Nothing,
            BootSource::Flat(flat) => {
                let name = format!("flat {:#x} {:#x} {:?}", flat.load, flat.entry, flat.mode);
                Self::BuiltIn { name, crc32: crc32fast::hash(&flat.image) }
            }
            BootSource::Rom(path) => Self::Rom { file: FileRecord::absolute(path)? },
            BootSource::Bios(bios) => Self::Bios {
                file: FileRecord::absolute(&bios.firmware)?,
                vga_roms: FileRecord::all(&bios.vga_roms)?,
                option_roms: FileRecord::all(&bios.option_roms)?,
            },
            BootSource::BootSector(path) => Self::BootSector { file: FileRecord::absolute(path)? },
        })
    }

    /// Where to find it again. Nothing was read or checked. `None`: in the program that saved it.
    #[must_use]
    pub fn source(&self) -> Option<BootSource> {
        Some(match self {
            Self::Linux { kernel, initrd, cmdline } => BootSource::Linux {
                kernel: kernel.path.clone(),
                initrd: initrd.as_ref().map(|file| file.path.clone()),
                cmdline: cmdline.clone(),
            },
            Self::Multiboot { kernel, modules, cmdline } => BootSource::Multiboot {
                kernel: kernel.path.clone(),
                modules: modules.iter().map(|file| file.path.clone()).collect(),
                cmdline: cmdline.clone(),
            },
            Self::Nothing => BootSource::Nothing,
            Self::BuiltIn { .. } => return None,
            Self::Rom { file } => BootSource::Rom(file.path.clone()),
            Self::Bios { file, vga_roms, option_roms } => {
                let paths = |roms: &[FileRecord]| roms.iter().map(|rom| rom.path.clone()).collect();
                BootSource::Bios(Bios {
                    firmware: file.path.clone(),
                    vga_roms: paths(vga_roms),
                    option_roms: paths(option_roms),
                })
            }
            Self::BootSector { file } => BootSource::BootSector(file.path.clone()),
        })
    }

    /// Whether a machine that boots `here` boots the same as this.
    ///
    /// # Errors
    /// [`StateError::ImageChanged`] with the first difference.
    pub fn check(&self, here: &Self) -> Result<(), StateError> {
        let changed = |what: String| Err(StateError::ImageChanged { what });
        let (ours, theirs) = (self.files(), here.files());
        let alike = std::mem::discriminant(self) == std::mem::discriminant(here);
        if !alike || ours.len() != theirs.len() {
            return changed("another kind of image".to_owned());
        }
        if let Some((_, file)) = ours.iter().zip(&theirs).find(|(a, b)| !a.same(b)) {
            return changed(shown(&file.path).to_string());
        }
        match (self.told(), here.told()) {
            (ours, theirs) if ours == theirs => Ok(()),
            (_, theirs) => changed(format!("with {theirs:?}")),
        }
    }

    fn files(&self) -> Vec<&FileRecord> {
        match self {
            Self::Linux { kernel, initrd, .. } => [kernel].into_iter().chain(initrd).collect(),
            Self::Multiboot { kernel, modules, .. } => {
                [kernel].into_iter().chain(modules).collect()
            }
            Self::Nothing | Self::BuiltIn { .. } => Vec::new(),
            Self::Rom { file } | Self::BootSector { file } => vec![file],
            Self::Bios { file, vga_roms, option_roms } => {
                [file].into_iter().chain(vga_roms).chain(option_roms).collect()
            }
        }
    }

    /// What the guest is told besides the files' contents.
    fn told(&self) -> String {
        match self {
            Self::Linux { cmdline, .. } => cmdline.clone(),
            Self::Multiboot { kernel, modules, cmdline } => {
                let names = [kernel].into_iter().chain(modules).map(|file| file.path.display());
                let names: Vec<String> = names.map(|name| name.to_string()).collect();
                format!("{} {cmdline}", names.join(" "))
            }
            Self::BuiltIn { name, crc32 } => format!("{name} {crc32:08x}"),
            // Which of the ROMs are the display's.
            Self::Bios { vga_roms, .. } => format!("{} display ROMs", vga_roms.len()),
            Self::Nothing | Self::Rom { .. } | Self::BootSector { .. } => String::new(),
        }
    }
}
