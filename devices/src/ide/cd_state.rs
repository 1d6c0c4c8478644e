//! What of a CD-ROM drive its host can have changed: the state that packet commands work on.

use super::front::{Front, MAX_BLOCK};
use super::sense::Sense;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};

/// Bytes of a packet.
pub(super) const PACKET: usize = 12;
/// The signature of a packet device in the registers.
pub(super) const SIGNATURE: (u8, u8) = (0x14, 0xeb);
/// Events of the media class.
pub(super) const EVENT_NONE: u8 = 0;
pub(super) const EVENT_EJECT: u8 = 1;
pub(super) const EVENT_NEW: u8 = 2;
pub(super) const EVENT_REMOVED: u8 = 3;

/// Where the tray is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Tray {
    Closed,
    Open,
}

/// What a guest can have changed of the drive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CdState {
    pub(super) front: Front,
    pub(super) unit: u8,
    pub(super) mode: u8,
    /// What REQUEST SENSE answers.
    pub(super) sense: Sense,
    /// Another medium may be in, and the host has not been told yet.
    pub(super) changed: bool,
    pub(super) event: u8,
    /// The host does not want the medium to be taken out.
    pub(super) locked: bool,
    pub(super) tray: Tray,
    pub(super) packet: [u8; PACKET],
    pub(super) by_dma: bool,
    /// The most bytes of a block, as the host said.
    pub(super) limit: u16,
    /// What waits to be moved behind the block.
    pub(super) answer: Vec<u8>,
    pub(super) sector: u32,
    pub(super) left: u32,
    /// Parameters of the command at work, as far as they have come, and how many are still wanted.
    pub(super) parameters: Vec<u8>,
    pub(super) wanted: usize,
}

impl CdState {
    pub(super) fn new(unit: u8) -> Self {
        let mut state = CdState {
            front: Front::default(),
            unit,
            mode: 0x0c,
            sense: Sense::NONE,
            changed: false,
            event: EVENT_NONE,
            locked: false,
            tray: Tray::Closed,
            packet: [0; PACKET],
            by_dma: false,
            limit: 0,
            answer: Vec::new(),
            sector: 0,
            left: 0,
            parameters: Vec::new(),
            wanted: 0,
        };
        state.front.sign(0, SIGNATURE.0, SIGNATURE.1);
        state
    }

    /// Refuses what a drive could not be.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(super) fn check(&self) -> Result<(), StateError> {
        self.front.check()?;
        check(self.answer.len() <= MAX_BLOCK, "answer of a CD drive")?;
        let parameters = self.parameters.len().saturating_add(self.wanted);
        check(parameters <= 1 << 16 && self.unit < 8, "parameters of a CD drive")
    }

    /// Why there is no medium.
    pub(super) fn absent(&self) -> Sense {
        match self.tray {
            Tray::Open => Sense::TRAY_OPEN,
            Tray::Closed => Sense::NO_MEDIUM,
        }
    }

    /// What has happened to the medium since that was asked last.
    pub(super) fn take_event(&mut self) -> u8 {
        std::mem::take(&mut self.event)
    }

    /// Opens or closes the tray, with a medium on it or without.
    pub(super) fn move_tray(&mut self, tray: Tray, medium: bool) {
        if self.tray == tray {
            return;
        }
        self.tray = tray;
        match tray {
            Tray::Open if medium => self.event = EVENT_REMOVED,
            Tray::Closed if medium => (self.event, self.changed) = (EVENT_NEW, true),
            _ => {}
        }
    }
}
