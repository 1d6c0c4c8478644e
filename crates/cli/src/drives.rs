//! Images of a run, opened before the guest runs, and what the user is told of them afterwards.

use crate::args::RunArgs;
use crate::error::CliError;
use crate::say::say;
use crate::terminal;
use ringer::{Builder, Medium};
use std::io::{self, Write};
use std::sync::Arc;

/// The media of a run's drives: IDE or AHCI, and the place there.
pub struct Drives(Vec<(bool, usize, Box<dyn Medium>)>);

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
        let ide = places.ide.into_iter().enumerate().map(|(place, drive)| (false, place, drive));
        let ahci = places.ahci.into_iter().enumerate().map(|(place, drive)| (true, place, drive));
        for (on_ahci, place, drive) in ide.chain(ahci) {
            let Some(image) = drive.and_then(|drive| drive.image) else { continue };
            if with_state && !image.read_only {
                return Err(CliError::WrittenBesideState { path: image.path });
            }
            media.push((on_ahci, place, image.open(Arc::new(tell))?));
        }
        Ok(Self(media))
    }

    /// Puts them into the drives of the machine that `builder` builds.
    pub fn put_into(self, builder: Builder) -> Builder {
        self.0.into_iter().fold(builder, |builder, (ahci, place, medium)| match ahci {
            true => builder.ahci_medium(place, medium),
            false => builder.ide_medium(place, medium),
        })
    }
}
