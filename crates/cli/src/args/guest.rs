//! A guest by its file alone: `ringer FILE`, `ringer run FILE`, `ringer profile FILE`.

use super::RunArgs;
use crate::error::CliError;
use clap::Args;
use ringer::{FileKind, recognise};
use std::path::{Path, PathBuf};

/// `ringer run`: a guest by its file, or by an option.
#[derive(Clone, Debug, Args)]
pub struct GuestRun {
    /// The guest: a kernel (bzImage or Multiboot), a boot sector or diskette image, a disk or CD image (in the
    /// drive of --hda or --cdrom), a ROM or a saved state, recognised by its contents
    #[arg(value_name = "GUEST")]
    pub guest: Option<PathBuf>,
    /// The machine, and the guest if an option names it.
    #[command(flatten)]
    pub run: RunArgs,
}

impl GuestRun {
    /// The run, with the guest as an option would name it.
    pub fn resolved(&self) -> Result<RunArgs, CliError> {
        self.run.with_guest(self.guest.as_deref())
    }
}

impl RunArgs {
    /// Whether an option names an image to boot.
    pub fn names_guest(&self) -> bool {
        let images =
            [&self.kernel, &self.multiboot, &self.rom, &self.bootsector, &self.firmware.bios];
        images.iter().any(|option| option.is_some())
    }

    /// This run with the guest at `path`, if there is one, as what its contents say it is.
    pub fn with_guest(&self, path: Option<&Path>) -> Result<Self, CliError> {
        let Some(path) = path else { return Ok(self.clone()) };
        if self.names_guest() || self.load.is_some() {
            return Err(CliError::TwoGuests { path: path.to_owned() });
        }
        let mut run = self.clone();
        let file = Some(path.to_owned());
        match recognise(path).map_err(ringer::Error::from)? {
            FileKind::Linux => run.kernel = file,
            FileKind::Multiboot => run.multiboot = file,
            FileKind::BootSector => run.bootsector = file,
            FileKind::State => run.load = file,
            FileKind::Disk => run.drives.take(&mut |drives| &mut drives.hda, path)?,
            FileKind::Cd => run.drives.take(&mut |drives| &mut drives.cdrom, path)?,
            _ => run.rom = file,
        }
        Ok(run)
    }
}
