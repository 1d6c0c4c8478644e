//! Images of a run, opened before the guest runs, and what the user is told of them afterwards.

use crate::args::{Interface, RunArgs};
use crate::error::CliError;
use crate::say::say;
use crate::terminal;
use ringer::{Builder, FloppyDrive, FloppyFormat, Medium};
use std::io::{self, Write};
use std::sync::Arc;

/// The media of a run's drives.
pub struct Drives {
    /// What they hang on, and the place there.
    disks: Vec<(Interface, usize, Box<dyn Medium>)>,
    /// Drives for diskettes, and those.
    floppies: Vec<(usize, FloppyDrive, Box<dyn Medium>)>,
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
    /// When one cannot be used, or when a state is saved or loaded beside one that the guest may write: a state does not hold
    /// what is on a disk, and the disk goes on without it.
    pub fn open(args: &RunArgs) -> Result<Self, CliError> {
        let with_state = args.load.is_some() || !args.save_at.is_empty();
        let mut media = Vec::new();
        let places = args.drives.places()?;
        let ide = places.ide.into_iter().enumerate();
        let ide = ide.map(|(place, drive)| (Interface::Ide, place, drive));
        let ahci = places.ahci.into_iter().enumerate();
        let ahci = ahci.map(|(place, drive)| (Interface::Ahci, place, drive));
        let virtio = places.virtio.into_iter().enumerate();
        let virtio = virtio.map(|(place, drive)| (Interface::Virtio, place, drive));
        for (interface, place, drive) in ide.chain(ahci).chain(virtio) {
            let Some(image) = drive.and_then(|drive| drive.image) else { continue };
            if with_state && !image.read_only {
                return Err(CliError::WrittenBesideState { path: image.path });
            }
            media.push((interface, place, image.open(Arc::new(tell))?));
        }
        let mut floppies = Vec::new();
        for (place, image) in args.drives.floppies().into_iter().enumerate() {
            let Some(image) = image else { continue };
            if with_state && !image.read_only {
                return Err(CliError::WrittenBesideState { path: image.path });
            }
            let medium = image.open(Arc::new(tell))?;
            let (path, bytes) = (image.path, medium.len());
            let format = FloppyFormat::of(bytes).ok_or(CliError::Diskette { path, bytes })?;
            floppies.push((place, format.drive, medium));
        }
        Ok(Self { disks: media, floppies })
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
