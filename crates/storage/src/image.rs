//! What is asked for of an image, and how it is opened.

use crate::error::StorageError;
use crate::format::{self, Format};
use crate::host_file::HostFile;
use crate::layers::Layer;
use crate::overlay::Overlay;
use crate::qcow2::Qcow2;
use crate::raw::Raw;
use crate::reporting::{Reporter, Reporting};
use ringer_devices::Medium;
use std::path::PathBuf;

/// An image that a drive shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its file.
    pub path: PathBuf,
    /// Its format; `None`: what its first bytes say.
    pub format: Option<Format>,
    /// The guest cannot write it.
    pub read_only: bool,
    /// What the guest writes is kept apart and thrown away at the end.
    pub snapshot: bool,
    /// A qcow2 image may have backing files.
    pub backing: bool,
}

impl Image {
    /// The image at `path`, of a format that its first bytes say, which the guest may write.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path, format: None, read_only: false, snapshot: false, backing: false }
    }

    /// Opens and locks it. What goes wrong later `reporter` is told.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn open(&self, reporter: Reporter) -> Result<Box<dyn Medium>, StorageError> {
        let error = |source| StorageError::Open { path: self.path.clone(), source };
        let file = HostFile::open(&self.path, !self.read_only && !self.snapshot)?;
        let guess = || format::guess(&file).map_err(error);
        let format = self.format.map_or_else(guess, Ok)?;
        let layer: Box<dyn Layer> = match format {
            Format::Raw => Box::new(Raw::new(file, self.format.is_none())),
            Format::Qcow2 => Box::new(Qcow2::open(file, self.backing)?),
        };
        let layer = match self.snapshot && !self.read_only {
            true => Box::new(Overlay::new(layer, HostFile::scratch(&self.path)?)),
            false => layer,
        };
        Ok(Box::new(Reporting::new(layer, self.path.clone(), reporter)))
    }
}
