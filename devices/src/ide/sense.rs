//! What went wrong with a packet command: sense keys and codes (MMC-3, annex A; SPC-2, 7.20).

use serde::{Deserialize, Serialize};

/// A sense key, its additional code and the code's qualifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sense {
    /// 0..=15.
    pub(super) key: u8,
    /// Additional sense code.
    pub(super) code: u8,
    /// Its qualifier.
    pub(super) qualifier: u8,
}

impl Sense {
    const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Sense { key, code, qualifier }
    }

    /// Nothing went wrong.
    pub(super) const NONE: Sense = Sense::new(0, 0, 0);
    /// No medium, tray closed.
    pub(super) const NO_MEDIUM: Sense = Sense::new(2, 0x3a, 1);
    /// No medium, tray open.
    pub(super) const TRAY_OPEN: Sense = Sense::new(2, 0x3a, 2);
    /// Unrecovered read error.
    pub(super) const READ_ERROR: Sense = Sense::new(3, 0x11, 0);
    /// No such command.
    pub(super) const BAD_COMMAND: Sense = Sense::new(5, 0x20, 0);
    /// No such block.
    pub(super) const OUT_OF_RANGE: Sense = Sense::new(5, 0x21, 0);
    /// A field of the packet.
    pub(super) const BAD_FIELD: Sense = Sense::new(5, 0x24, 0);
    /// A field of the parameters.
    pub(super) const BAD_PARAMETER: Sense = Sense::new(5, 0x26, 0);
    /// Parameters are not saved.
    pub(super) const NOT_SAVED: Sense = Sense::new(5, 0x39, 0);
    /// The host prevents that the medium is taken out.
    pub(super) const LOCKED: Sense = Sense::new(5, 0x53, 2);
    /// Another medium may be in.
    pub(super) const CHANGED: Sense = Sense::new(6, 0x28, 0);

    /// The answer to REQUEST SENSE: current, in the fixed format.
    pub(super) fn fixed(self) -> Vec<u8> {
        let mut bytes = vec![0; 18];
        (bytes[0], bytes[2], bytes[7]) = (0x70, self.key, 10);
        (bytes[12], bytes[13]) = (self.code, self.qualifier);
        bytes
    }
}
