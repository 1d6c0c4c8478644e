//! Drives, and the images in them.

use crate::error::CliError;
use clap::Args;
use ringer::{DriveKind, Image, ImageFormat};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// IDE drives: two channels of two.
const IDE_DRIVES: usize = 4;
/// Ports of the AHCI adapter.
const AHCI_PORTS: usize = 6;
/// Virtio disks.
const VIRTIO_DISKS: usize = 4;
/// Where a CD-ROM drive goes that does not say where: the second channel's first place, as QEMU has it.
const CD_PLACE: usize = 2;

/// Drives and images.
#[derive(Clone, Debug, Default, Args)]
pub struct DriveArgs {
    /// A drive with an image: file=FILE, and any of if=ide|ahci|virtio, index=N (the channels' devices in order, the port, or which of the virtio disks), media=disk|cdrom,
    /// format=raw|qcow2, readonly=on, snapshot=on (what the guest writes is kept apart and thrown away), backing=on (a qcow2
    /// image may read its backing files); a comma in FILE is written twice (may be repeated)
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub drive: Vec<OsString>,
    /// The image of the first channel's device 0
    #[arg(long, value_name = "FILE")]
    pub hda: Option<PathBuf>,
    /// The image of the first channel's device 1
    #[arg(long, value_name = "FILE")]
    pub hdb: Option<PathBuf>,
    /// The image of the second channel's device 0
    #[arg(long, value_name = "FILE")]
    pub hdc: Option<PathBuf>,
    /// The image of the second channel's device 1
    #[arg(long, value_name = "FILE")]
    pub hdd: Option<PathBuf>,
    /// The image of a CD in a drive that is the second channel's device 0
    #[arg(long, value_name = "FILE")]
    pub cdrom: Option<PathBuf>,
    /// The image of a diskette in the first floppy drive, which is of the kind for its size
    #[arg(long, visible_alias = "floppy", value_name = "FILE")]
    pub fda: Option<PathBuf>,
    /// The image of a diskette in the second floppy drive
    #[arg(long, value_name = "FILE")]
    pub fdb: Option<PathBuf>,
    /// No image is written: what the guest writes is kept apart and thrown away at the end
    #[arg(long)]
    pub snapshot: bool,
}

/// What a drive hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// A PIIX3's channels.
    Ide,
    /// An AHCI adapter.
    Ahci,
    /// Nothing: it is a virtio disk.
    Virtio,
}

/// A drive that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Disk or CD-ROM.
    pub kind: DriveKind,
    /// What is in it.
    pub image: Option<Image>,
    /// What it hangs on.
    interface: Interface,
    /// Where it is to be.
    index: Option<usize>,
}

/// Where the drives are.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The IDE channels' devices in order.
    pub ide: [Option<Drive>; IDE_DRIVES],
    /// The AHCI adapter's ports.
    pub ahci: [Option<Drive>; AHCI_PORTS],
    /// The virtio disks.
    pub virtio: [Option<Drive>; VIRTIO_DISKS],
}

impl Drive {
    fn named(path: &std::path::Path, kind: DriveKind, index: usize) -> Self {
        let mut image = Image::new(path);
        image.read_only = kind == DriveKind::Cd;
        Self { kind, image: Some(image), interface: Interface::Ide, index: Some(index) }
    }
}

impl DriveArgs {
    /// Whether there is a drive.
    pub fn any(&self) -> bool {
        let disks = [&self.hda, &self.hdb, &self.hdc, &self.hdd];
        let named = disks.into_iter().chain([&self.cdrom, &self.fda, &self.fdb]);
        !self.drive.is_empty() || named.into_iter().any(|path| path.is_some())
    }

    /// Puts the image at `path` into a drive by its option.
    ///
    /// # Errors
    /// When it has one.
    pub fn take(
        &mut self,
        option: &mut dyn FnMut(&mut Self) -> &mut Option<PathBuf>,
        path: &std::path::Path,
    ) -> Result<(), CliError> {
        match option(self).replace(path.to_owned()) {
            None => Ok(()),
            Some(_) => Err(CliError::DrivePlace),
        }
    }

    /// The images of diskettes, by their drives.
    pub fn floppies(&self) -> [Option<Image>; 2] {
        [&self.fda, &self.fdb].map(|path| {
            path.as_ref().map(|path| {
                let mut image = Image::new(path);
                image.snapshot = self.snapshot;
                image
            })
        })
    }

    /// The drives, by their places.
    ///
    /// # Errors
    /// [`CliError::Drive`] for what `--drive` does not know, and for two drives in one place.
    pub fn places(&self) -> Result<Places, CliError> {
        let mut drives = Vec::new();
        let named = [&self.hda, &self.hdb, &self.hdc, &self.hdd].into_iter().enumerate();
        for (index, path) in named {
            drives.extend(path.as_ref().map(|path| Drive::named(path, DriveKind::Disk, index)));
        }
        drives.extend(self.cdrom.as_ref().map(|path| Drive::named(path, DriveKind::Cd, CD_PLACE)));
        for text in &self.drive {
            let error = |reason| CliError::Drive { text: text.to_string_lossy().into(), reason };
            drives.push(parse(text).map_err(error)?);
        }
        let mut places = Places::default();
        // Those that say where they go, then CDs, which have a usual place, then the others.
        let (said, mut unsaid): (Vec<_>, Vec<_>) =
            drives.into_iter().partition(|drive| drive.index.is_some());
        unsaid.sort_by_key(|drive| drive.kind != DriveKind::Cd);
        for mut drive in said.into_iter().chain(unsaid) {
            if let Some(image) = drive.image.as_mut() {
                image.snapshot |= self.snapshot;
            }
            let slots = match drive.interface {
                Interface::Ide => &mut places.ide[..],
                Interface::Ahci => &mut places.ahci[..],
                Interface::Virtio => &mut places.virtio[..],
            };
            let wanted: &[usize] = match (drive.index, drive.interface, drive.kind) {
                (Some(index), ..) => &[index],
                (None, Interface::Ide, DriveKind::Cd) => &[CD_PLACE, 3, 1, 0],
                (None, ..) => &[0, 1, 2, 3, 4, 5],
            };
            let free = |&&place: &&usize| slots.get(place).is_some_and(Option::is_none);
            let place = wanted.iter().find(free).ok_or(CliError::DrivePlace)?;
            slots[*place] = Some(drive);
        }
        Ok(places)
    }
}

/// The pairs of a `--drive`, in which a double comma is one of a value's own.
pub(super) fn pairs(text: &[u8]) -> Vec<Vec<u8>> {
    let mut pairs = vec![Vec::new()];
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match pairs.last_mut() {
            Some(pair) if byte != b',' || bytes.next_if_eq(&b',').is_some() => pair.push(byte),
            _ => pairs.push(Vec::new()),
        }
    }
    pairs
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{key}={value}: {key} is on or off")),
    }
}

fn parse(text: &OsString) -> Result<Drive, String> {
    let mut file = None;
    let mut image = Image::new("");
    let mut drive =
        Drive { kind: DriveKind::Disk, image: None, interface: Interface::Ide, index: None };
    for pair in pairs(text.as_bytes()) {
        let at = pair.iter().position(|&byte| byte == b'=');
        let (key, value) = pair.split_at(at.unwrap_or(pair.len()));
        let value = value.get(1..).unwrap_or_default();
        let (key, word) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        let unknown = |known: &str| Err(format!("{key}={word}: {key} is {known}"));
        match (&*key, &*word) {
            ("file", "") => return Err("file= names no file".to_owned()),
            ("file", _) => file = Some(PathBuf::from(OsString::from_vec(value.to_vec()))),
            ("if", "ide") => drive.interface = Interface::Ide,
            ("if", "ahci") => drive.interface = Interface::Ahci,
            ("if", "virtio") => drive.interface = Interface::Virtio,
            ("if", _) => return unknown("ide, ahci or virtio"),
            ("media", "disk") => drive.kind = DriveKind::Disk,
            ("media", "cdrom") => drive.kind = DriveKind::Cd,
            ("media", _) => return unknown("disk or cdrom"),
            ("format", "raw") => image.format = Some(ImageFormat::Raw),
            ("format", "qcow2") => image.format = Some(ImageFormat::Qcow2),
            ("format", _) => return unknown("raw or qcow2"),
            ("readonly", _) => image.read_only = switch(&key, &word)?,
            ("snapshot", _) => image.snapshot = switch(&key, &word)?,
            ("backing", _) => image.backing = switch(&key, &word)?,
            ("index", _) => match word.parse() {
                Ok(index) if index < AHCI_PORTS => drive.index = Some(index),
                _ => return unknown("0 to 3, and with if=ahci to 5"),
            },
            _ => {
                return Err(format!(
                    "{key:?} is none of file, if, index, media, format, readonly, snapshot and backing"
                ));
            }
        }
    }
    image.read_only |= drive.kind == DriveKind::Cd;
    drive.image = file.map(|path| Image { path, ..image });
    match (drive.kind, &drive.image) {
        (DriveKind::Cd, _) if drive.interface == Interface::Virtio => {
            Err("a virtio disk is no CD-ROM drive: use if=ide or if=ahci".to_owned())
        }
        (DriveKind::Disk, None) => Err("file=FILE is missing".to_owned()),
        _ => Ok(drive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ide(drives: &[&str]) -> Result<[Option<Drive>; IDE_DRIVES], CliError> {
        let drive = drives.iter().map(OsString::from).collect();
        DriveArgs { drive, hdb: Some("b.img".into()), ..DriveArgs::default() }
            .places()
            .map(|places| places.ide)
    }

    fn path(drive: &Option<Drive>) -> Option<String> {
        let image = drive.as_ref()?.image.as_ref()?;
        Some(image.path.display().to_string())
    }

    #[test]
    fn drives_go_where_they_say_or_where_there_is_room() {
        let drives = ide(&["file=one", "file=a,,b.img,readonly=on", "media=cdrom"]).unwrap();
        let paths: Vec<_> = drives.iter().map(path).collect();
        assert_eq!(paths, [Some("one".into()), Some("b.img".into()), None, Some("a,b.img".into())]);
        assert_eq!(drives[2].as_ref().unwrap().kind, DriveKind::Cd);
        assert!(drives[3].as_ref().unwrap().image.as_ref().unwrap().read_only);
        let drives = ide(&["file=x.iso,media=cdrom,index=0"]).unwrap();
        assert!(drives[0].as_ref().unwrap().image.as_ref().unwrap().read_only);
        assert!(matches!(ide(&["file=x,index=1"]), Err(CliError::DrivePlace)));
    }

    #[test]
    fn what_is_not_known_is_said_in_one_line() {
        for (text, part) in [
            ("format=raw", "file=FILE is missing"),
            ("file=", "names no file"),
            ("file=x,if=scsi", "if is ide, ahci or virtio"),
            ("file=x,if=virtio,media=cdrom", "no CD-ROM drive"),
            ("file=x,format=vmdk", "raw or qcow2"),
            ("file=x,index=6", "0 to 3"),
            ("file=x,index=4", "two drives in one place"),
            ("file=x,readonly=yes", "on or off"),
            ("file=x,cache=none", "\"cache\" is none of"),
            ("x.img", "\"x.img\" is none of"),
        ] {
            let error = ide(&[text]).unwrap_err().to_string();
            assert!(error.contains(part) && error.lines().count() == 1, "{error}");
        }
    }
}
