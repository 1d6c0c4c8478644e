//! A device on a channel: a disk or a CD-ROM drive, as the channel and the bus master see it.

use super::cd::Cd;
use super::cd_state::CdState;
use super::disk::{Disk, DiskState};
use super::front::{Front, Phase, Registers};
use crate::medium::Medium;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Kinds of drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DriveKind {
    /// A disk, which stays where it is.
    Disk,
    /// A CD-ROM drive, with a medium or without.
    Cd,
}

/// A device.
#[derive(Debug)]
pub(crate) enum Drive {
    Disk(Disk),
    Cd(Cd),
}

/// What of a device is saved, and how many bytes its medium had.
#[derive(Serialize, Deserialize)]
pub(crate) enum DriveState {
    Disk(DiskState, u64),
    Cd(CdState, u64),
}

impl Drive {
    /// A drive of `kind`, number `unit`, without a medium.
    pub(crate) fn new(kind: DriveKind, unit: u8) -> Self {
        match kind {
            DriveKind::Disk => Drive::Disk(Disk::new(unit)),
            DriveKind::Cd => Drive::Cd(Cd::new(unit)),
        }
    }

    pub(super) fn front(&self) -> &Front {
        match self {
            Drive::Disk(disk) => &disk.state.front,
            Drive::Cd(cd) => &cd.state.front,
        }
    }

    pub(super) fn front_mut(&mut self) -> &mut Front {
        match self {
            Drive::Disk(disk) => &mut disk.state.front,
            Drive::Cd(cd) => &mut cd.state.front,
        }
    }

    pub(super) fn regs(&mut self) -> &mut Registers {
        &mut self.front_mut().regs
    }

    /// Whether it obeys a command while it is not selected: an ATAPI device knows its reset.
    pub(super) fn command(&mut self, code: u8) {
        match self {
            Drive::Disk(disk) => disk.command(code),
            Drive::Cd(cd) => cd.command(code),
        }
    }

    /// The reset line (`hard`), or a software reset.
    pub(super) fn reset(&mut self, hard: bool) {
        match self {
            Drive::Disk(disk) => disk.reset(hard),
            Drive::Cd(cd) => cd.reset(hard),
        }
    }

    pub(super) fn block_moved(&mut self) {
        match self {
            Drive::Disk(disk) => disk.block_moved(),
            Drive::Cd(cd) => cd.block_moved(),
        }
    }

    /// The direction of a DMA command that waits for the bus master: true for one to memory.
    pub(super) fn dma(&self) -> Option<bool> {
        match self.front().phase {
            Phase::DmaIn => Some(true),
            Phase::DmaOut => Some(false),
            _ => None,
        }
    }

    /// Bytes that it has still to move.
    pub(super) fn dma_left(&self) -> usize {
        match self {
            Drive::Disk(disk) => disk.dma_left(),
            Drive::Cd(cd) => cd.dma_left(),
        }
    }

    /// The next bytes for memory; false: the command has ended before that.
    pub(super) fn dma_in(&mut self, buf: &mut [u8]) -> bool {
        match self {
            Drive::Disk(disk) => disk.dma_in(buf),
            Drive::Cd(cd) => cd.dma_in(buf),
        }
    }

    /// The next bytes from memory; false: the command has ended before that.
    pub(super) fn dma_out(&mut self, data: &[u8]) -> bool {
        match self {
            Drive::Disk(disk) => disk.dma_out(data),
            Drive::Cd(cd) => cd.dma_out(data),
        }
    }

    pub(super) fn dma_done(&mut self) {
        match self {
            Drive::Disk(disk) => disk.dma_done(),
            Drive::Cd(cd) => cd.dma_done(),
        }
    }

    /// Puts in a medium, or takes it out. False when the drive does not let it go.
    pub(crate) fn insert(&mut self, medium: Option<Box<dyn Medium>>) -> bool {
        match self {
            Drive::Disk(disk) => disk.set_medium(medium),
            Drive::Cd(cd) => return cd.insert(medium),
        }
        true
    }

    pub(crate) fn save(&self) -> DriveState {
        match self {
            Drive::Disk(disk) => DriveState::Disk(disk.state.clone(), disk.medium_len()),
            Drive::Cd(cd) => DriveState::Cd(cd.state.clone(), cd.medium_len()),
        }
    }

    /// Takes over a state; the medium stays.
    ///
    /// # Errors
    /// [`StateError::Impossible`] for that of another kind of drive, or one that no drive could be in.
    pub(crate) fn load(&mut self, state: DriveState) -> Result<(), StateError> {
        match (self, state) {
            (Drive::Disk(disk), DriveState::Disk(state, bytes)) => {
                check(bytes == disk.medium_len(), "a medium of another size, or none")?;
                state.check()?;
                disk.state = state;
            }
            (Drive::Cd(cd), DriveState::Cd(state, bytes)) => {
                check(bytes == cd.medium_len(), "a medium of another size, or none")?;
                state.check()?;
                cd.state = state;
            }
            _ => return check(false, "kind of a drive"),
        }
        Ok(())
    }
}
