//! Images of a run, opened before the guest runs, those that a script changes among them; and what the user is told of them
//! afterwards.

use crate::args::{Interface, RunArgs};
use crate::error::CliError;
use crate::say::say;
use crate::terminal;
use ringer::{
    Builder, DriveKind, DrivePlace, FloppyDrive, FloppyFormat, Image, Machine, Medium, MediumError,
};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The media of a run's drives.
pub struct Drives {
    /// What they hang on, and the place there.
    disks: Vec<(Interface, usize, Box<dyn Medium>)>,
    /// Drives for diskettes, and those.
    floppies: Vec<(usize, FloppyDrive, Box<dyn Medium>)>,
    exchange: Exchange,
}

/// Tells the user of an image that fails while the guest runs.
fn tell(line: &str) {
    say(line);
    if terminal::is_raw() {
        let _ = io::stderr().write_all(b"\r");
    }
}

impl Drives {
    /// Opens and locks the images that `args` name.
    ///
    /// # Errors
    /// When one cannot be used, or when a state is saved beside one that the guest writes on afterwards, or whose contents
    /// are thrown away: a state does not hold what is on a disk.
    pub fn open(args: &RunArgs) -> Result<Self, CliError> {
        let stays = args.ends_where_it_saves()?;
        let open = |image: &Image| {
            if !image.read_only && (!stays || image.snapshot && !args.save_at.is_empty()) {
                return Err(CliError::WrittenBesideState { path: image.path.clone() });
            }
            Ok(image.open(Arc::new(tell))?)
        };
        let mut exchange = Exchange::default();
        let mut disks = Vec::new();
        let places = args.drives.places()?;
        let ide = places.ide.into_iter().enumerate();
        let ide = ide.map(|(place, drive)| (Interface::Ide, place, drive));
        let ahci = places.ahci.into_iter().enumerate();
        let ahci = ahci.map(|(place, drive)| (Interface::Ahci, place, drive));
        let virtio = places.virtio.into_iter().enumerate();
        let virtio = virtio.map(|(place, drive)| (Interface::Virtio, place, drive));
        for (interface, place, drive) in ide.chain(ahci).chain(virtio) {
            let Some(drive) = drive else { continue };
            let at = match interface {
                Interface::Ide => Some(DrivePlace::Ide(place)),
                Interface::Ahci => Some(DrivePlace::Ahci(place)),
                Interface::Virtio => None,
            };
            let at = at.filter(|_| drive.kind == DriveKind::Cd);
            exchange.drives.extend(at);
            let Some(image) = drive.image else { continue };
            let medium = open(&image)?;
            let medium = if at.is_some() { exchange.keep(&image.path, medium) } else { medium };
            disks.push((interface, place, medium));
        }
        let mut floppies = Vec::new();
        for (place, image) in args.drives.floppies().into_iter().enumerate() {
            let Some(image) = image else { continue };
            exchange.drives.push(DrivePlace::Floppy(place));
            let medium = open(&image)?;
            let format = diskette(&image.path, medium.as_ref())?;
            floppies.push((place, format.drive, exchange.keep(&image.path, medium)));
        }
        let media = args.script.script.iter().flat_map(|script| script.media());
        for (_, drive, file) in media {
            let place = exchange.place(drive)?;
            if exchange.image(file).is_some() {
                continue;
            }
            let mut image = Image::new(file);
            let floppy = matches!(place, DrivePlace::Floppy(_));
            (image.read_only, image.snapshot) = (!floppy, floppy && args.drives.snapshot);
            let medium = open(&image)?;
            if floppy {
                diskette(file, medium.as_ref())?;
            }
            exchange.keep(file, medium);
        }
        Ok(Self { disks, floppies, exchange })
    }

    /// What a script changes media by.
    pub fn take_exchange(&mut self) -> Exchange {
        std::mem::take(&mut self.exchange)
    }

    /// Puts them into the drives of the machine that `builder` builds.
    pub fn put_into(self, builder: Builder) -> Builder {
        let disks = self.disks.into_iter();
        let builder = disks.fold(builder, |builder, (interface, place, medium)| match interface {
            Interface::Ide => builder.ide_medium(place, medium),
            Interface::Ahci => builder.ahci_medium(place, medium),
            Interface::Virtio => builder.virtio_disk(place, medium),
        });
        self.floppies.into_iter().fold(builder, |builder, (place, kind, medium)| {
            builder.floppy_drive(place, kind).floppy_medium(place, medium)
        })
    }
}

/// The format of the diskette that `medium`, the image at `path`, is.
fn diskette(path: &Path, medium: &dyn Medium) -> Result<&'static FloppyFormat, CliError> {
    let bytes = medium.len();
    FloppyFormat::of(bytes).ok_or_else(|| CliError::Diskette { path: path.to_owned(), bytes })
}

/// A medium that may be in a drive, or beside it.
#[derive(Clone)]
struct Kept(Arc<Mutex<Box<dyn Medium>>>);

impl Kept {
    fn medium(&self) -> MutexGuard<'_, Box<dyn Medium>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.medium().fmt(f)
    }
}

impl Medium for Kept {
    fn len(&self) -> u64 {
        self.medium().len()
    }

    fn is_read_only(&self) -> bool {
        self.medium().is_read_only()
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        self.medium().read(offset, buf)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), MediumError> {
        self.medium().write(offset, data)
    }

    fn punch(&mut self, offset: u64, len: u64) -> Result<bool, MediumError> {
        self.medium().punch(offset, len)
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        self.medium().flush()
    }
}

/// The drives whose media a script can change, and the images that may be in them: open from the beginning, since nothing is
/// opened while a guest runs.
#[derive(Debug, Default)]
pub struct Exchange {
    drives: Vec<DrivePlace>,
    images: Vec<(PathBuf, Kept)>,
}

impl Exchange {
    /// Keeps the image at `path`; what to put into a drive of it.
    fn keep(&mut self, path: &Path, medium: Box<dyn Medium>) -> Box<dyn Medium> {
        let kept = Kept(Arc::new(Mutex::new(medium)));
        self.images.push((same(path), kept.clone()));
        Box::new(kept)
    }

    fn image(&self, path: &Path) -> Option<&Kept> {
        let path = same(path);
        self.images.iter().find(|(other, _)| *other == path).map(|(_, kept)| kept)
    }

    /// The drive of that name.
    fn place(&self, name: &str) -> Result<DrivePlace, CliError> {
        let mut drives = self.drives.iter().copied();
        let found = drives.find(|drive| names(*drive, &self.drives).contains(&name.to_owned()));
        found.ok_or_else(|| {
            let all = self
                .drives
                .iter()
                .filter_map(|drive| names(*drive, &self.drives).into_iter().next());
            let there = all.collect::<Vec<_>>().join(", ");
            CliError::NoDrive { drive: name.to_owned(), there }
        })
    }

    /// Puts the image `file` into the drive `name` of `machine`.
    ///
    /// # Errors
    /// When there is no such drive, or the guest has locked it.
    pub fn insert(&self, machine: &mut Machine, name: &str, file: &Path) -> Result<(), CliError> {
        // All that a script names is there.
        let kept = self.image(file).cloned();
        self.change(machine, name, kept)
    }

    /// Empties the drive `name`.
    ///
    /// # Errors
    /// As [`Exchange::insert`].
    pub fn eject(&self, machine: &mut Machine, name: &str) -> Result<(), CliError> {
        self.change(machine, name, None)
    }

    fn change(
        &self,
        machine: &mut Machine,
        name: &str,
        kept: Option<Kept>,
    ) -> Result<(), CliError> {
        let place = self.place(name)?;
        let medium = kept.map(|kept| Box::new(kept) as Box<dyn Medium>);
        let changed = machine.change_medium(place, medium);
        changed.then_some(()).ok_or_else(|| CliError::Locked { drive: name.to_owned() })
    }
}

/// The names of a drive, the usual one first, among `all`.
fn names(drive: DrivePlace, all: &[DrivePlace]) -> Vec<String> {
    let (name, place, other) = match drive {
        DrivePlace::Floppy(place) => ("floppy", place, ["fda", "fdb"].get(place).copied()),
        DrivePlace::Ide(place) => ("ide", place, ["hda", "hdb", "hdc", "hdd"].get(place).copied()),
        DrivePlace::Ahci(place) => ("ahci", place, None),
    };
    let is_floppy = |drive: &DrivePlace| matches!(drive, DrivePlace::Floppy(_));
    let mut names = vec![format!("{name}{place}")];
    names.extend(other.map(str::to_owned));
    // The first of each sort needs no number.
    let first = all.iter().find(|other| is_floppy(other) == is_floppy(&drive)) == Some(&drive);
    match (is_floppy(&drive), first) {
        (true, true) => names.push("floppy".to_owned()),
        (false, true) => names.splice(0..0, ["cdrom".to_owned(), "cd".to_owned()]).for_each(drop),
        _ => {}
    }
    names
}

/// The file that `path` leads to.
fn same(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_have_their_usual_names() {
        let all =
            [DrivePlace::Ide(2), DrivePlace::Ahci(1), DrivePlace::Floppy(0), DrivePlace::Floppy(1)];
        let exchange = Exchange { drives: all.to_vec(), images: Vec::new() };
        for (name, place) in [
            ("cdrom", all[0]),
            ("cd", all[0]),
            ("hdc", all[0]),
            ("ide2", all[0]),
            ("ahci1", all[1]),
            ("floppy", all[2]),
            ("floppy0", all[2]),
            ("fda", all[2]),
            ("floppy1", all[3]),
            ("fdb", all[3]),
        ] {
            assert_eq!(exchange.place(name).unwrap(), place, "{name}");
        }
        let error = exchange.place("floppy2").unwrap_err().to_string();
        assert_eq!(
            error,
            "no drive is called \"floppy2\": there are cdrom, ahci1, floppy0, floppy1"
        );
        let error = Exchange::default().place("cdrom").unwrap_err().to_string();
        assert!(error.contains("--cdrom FILE"), "{error}");
    }
}
