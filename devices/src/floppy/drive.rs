//! A floppy drive: a head that steps over cylinders, and perhaps a diskette.
//!
//! What the controller finds under the head depends on where that is, not on what the controller thinks.

use super::format::{FloppyDrive, FloppyFormat};
use crate::medium::Medium;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a sector says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id {
    pub(crate) cylinder: u8,
    pub(crate) head: u8,
    pub(crate) number: u8,
    /// Bytes are `128 << size`.
    pub(crate) size: u8,
}

/// A diskette in the drive.
#[derive(Debug)]
struct Disk {
    medium: Box<dyn Medium>,
    format: &'static FloppyFormat,
}

impl Disk {
    /// How many of `len` bytes from `at` on the image has.
    fn there(&self, at: u64, len: usize) -> usize {
        let left = self.medium.len().saturating_sub(at);
        usize::try_from(left).unwrap_or(usize::MAX).min(len)
    }
}

/// What is saved of a drive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mechanism {
    /// Where the head is.
    cylinder: u8,
    /// The diskette was changed, or the power came on, since the head last stepped with one in the drive.
    changed: bool,
    /// Sectors of the diskette that are marked as deleted, which an image cannot say.
    deleted: BTreeSet<u16>,
}

/// A place for a drive on the controller's cable.
#[derive(Debug)]
pub(crate) struct Drive {
    kind: Option<FloppyDrive>,
    at: Mechanism,
    disk: Option<Disk>,
}

/// No diskette has as many.
const MAX_SECTORS: u16 = 1 << 13;

/// The diskette could not be read or written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad;

impl Drive {
    /// A drive of that kind, or none, as the power comes on.
    pub(crate) fn new(kind: Option<FloppyDrive>) -> Self {
        let at = Mechanism { changed: true, ..Mechanism::default() };
        Drive { kind, at, disk: None }
    }

    /// What is to be saved.
    pub(crate) fn mechanism(&self) -> &Mechanism {
        &self.at
    }

    /// Takes over what was saved. The diskette stays.
    ///
    /// # Errors
    /// For what the drive could not be.
    pub(crate) fn set_mechanism(&mut self, at: Mechanism) -> Result<(), StateError> {
        check(at.cylinder <= self.last_cylinder(), "cylinder of the floppy drive")?;
        check(at.deleted.last().is_none_or(|&last| last < MAX_SECTORS), "deleted sectors")?;
        self.at = at;
        Ok(())
    }

    /// Puts a diskette in, or takes it out. `false`: no drive, or no diskette is so large.
    pub(crate) fn insert(&mut self, medium: Option<Box<dyn Medium>>) -> bool {
        let disk = medium.map(|medium| {
            let format = FloppyFormat::of(medium.len());
            format.map(|format| Disk { medium, format })
        });
        let fits = self.kind.is_some() && !matches!(disk, Some(None));
        if fits {
            self.disk = disk.flatten();
            self.at.changed = true;
            self.at.deleted.clear();
        }
        fits
    }

    fn last_cylinder(&self) -> u8 {
        self.kind.map_or(0, FloppyDrive::last_cylinder)
    }

    /// A diskette is in.
    pub(crate) fn is_loaded(&self) -> bool {
        self.disk.is_some()
    }

    /// The disk-change line. It stays up while there is no diskette.
    pub(crate) fn is_changed(&self) -> bool {
        self.kind.is_some() && (self.at.changed || !self.is_loaded())
    }

    /// The track-0 line, which no drive does not drive.
    pub(crate) fn is_at_track_0(&self) -> bool {
        self.kind.is_some() && self.at.cylinder == 0
    }

    /// The write-protect line; without a diskette its sensor is open.
    pub(crate) fn is_protected(&self) -> bool {
        self.kind.is_some() && self.disk.as_ref().is_none_or(|disk| disk.medium.is_read_only())
    }

    /// The head steps `steps` cylinders inwards, or outwards where negative, as far as it goes.
    pub(crate) fn step(&mut self, steps: i16) {
        let to = i16::from(self.at.cylinder).saturating_add(steps);
        let to = to.clamp(0, i16::from(self.last_cylinder()));
        self.at.cylinder = u8::try_from(to).unwrap_or(0);
        if steps != 0 && self.is_loaded() {
            self.at.changed = false;
        }
    }

    /// Cylinders from the head to track 0.
    pub(crate) fn cylinder(&self) -> u8 {
        self.at.cylinder
    }

    /// The format and cylinder of the track under head `head`, if something is to be read there at that rate.
    fn track(&self, head: u8, rate: u8) -> Option<(&'static FloppyFormat, u8)> {
        let (kind, format) = (self.kind?, self.disk.as_ref()?.format);
        let stretch = format.stretch_in(kind);
        let cylinder = self.at.cylinder / stretch;
        let readable = rate == format.rate_in(kind)
            && head < format.heads
            && cylinder < format.cylinders
            && self.at.cylinder.is_multiple_of(stretch);
        readable.then_some((format, cylinder))
    }

    /// The `nth` (from 0, around the track) sector under head `head` at data rate `rate`. `None`: no address mark is
    /// there.
    pub(crate) fn id(&self, head: u8, rate: u8, nth: u64) -> Option<Id> {
        let (format, cylinder) = self.track(head, rate)?;
        let number = u8::try_from(nth % u64::from(format.sectors)).unwrap_or(0) + 1;
        Some(Id { cylinder, head, number, size: format.size })
    }

    /// Sectors on the track under head `head`.
    pub(crate) fn sectors(&self, head: u8, rate: u8) -> u8 {
        self.track(head, rate).map_or(0, |(format, _)| format.sectors)
    }

    fn place(&self, id: Id) -> Result<(u16, u64), Bad> {
        let format = self.disk.as_ref().ok_or(Bad)?.format;
        let sector = format.sector(id.cylinder, id.head, id.number).ok_or(Bad)?;
        Ok((sector, u64::from(sector) * format.sector_bytes() as u64))
    }

    /// The data of the sector of which [`Drive::id`] told, and whether it is marked as deleted.
    ///
    /// # Errors
    /// [`Bad`]: the image cannot be read there.
    pub(crate) fn read(&mut self, id: Id) -> Result<(Vec<u8>, bool), Bad> {
        let (sector, at) = self.place(id)?;
        let disk = self.disk.as_mut().ok_or(Bad)?;
        let mut data = vec![0; disk.format.sector_bytes()];
        let there = disk.there(at, data.len());
        if there > 0 {
            disk.medium.read(at, &mut data[..there]).map_err(|_| Bad)?;
        }
        Ok((data, self.at.deleted.contains(&sector)))
    }

    /// Writes a sector, likewise.
    ///
    /// # Errors
    /// [`Bad`]: the image cannot be written there.
    pub(crate) fn write(&mut self, id: Id, data: &[u8], deleted: bool) -> Result<(), Bad> {
        let (sector, at) = self.place(id)?;
        let disk = self.disk.as_mut().ok_or(Bad)?;
        // An image that is shorter than its diskette has no room behind its end; zeroes are there.
        let (here, beyond) = data.split_at(disk.there(at, data.len()));
        if beyond.iter().any(|&byte| byte != 0) {
            return Err(Bad);
        }
        if !here.is_empty() {
            disk.medium.write(at, here).map_err(|_| Bad)?;
        }
        match deleted {
            true => self.at.deleted.insert(sector),
            false => self.at.deleted.remove(&sector),
        };
        Ok(())
    }

    /// What was written is on the host's disk.
    pub(crate) fn flush(&mut self) {
        if let Some(disk) = &mut self.disk {
            // A diskette has no cache, and the controller no word for its failure.
            let _ = disk.medium.flush();
        }
    }

    /// Power has come on, or the reset line was pulled: the head stays where it is.
    pub(crate) fn reset(&mut self, cold: bool) {
        if cold {
            self.at = Mechanism { changed: true, ..Mechanism::default() };
        }
    }
}
