//! The commands of an ATA disk, as a table.

/// What a command does. Sizes are in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Reads sectors, by blocks of one or of as many as SET MULTIPLE says.
    Read {
        multiple: bool,
    },
    ReadDma,
    Write {
        multiple: bool,
    },
    WriteDma,
    Verify,
    Seek,
    Recalibrate,
    Flush,
    Identify,
    SetFeatures,
    SetMultiple,
    Geometry,
    ReadBuffer,
    WriteBuffer,
    /// A power mode: idle or standby.
    Power {
        standby: bool,
    },
    CheckPower,
}

/// The commands that a disk has (ATA-6, 8; those with two codes have them from ATA-1 and -3): the first and the last code, what
/// it does, whether its address has 48 bits. All others are aborted.
pub(super) const COMMANDS: [(u8, u8, Act, bool); 33] = [
    (0x10, 0x1f, Act::Recalibrate, false),
    (0x20, 0x21, Act::Read { multiple: false }, false),
    (0x24, 0x24, Act::Read { multiple: false }, true),
    (0x25, 0x25, Act::ReadDma, true),
    (0x29, 0x29, Act::Read { multiple: true }, true),
    (0x30, 0x31, Act::Write { multiple: false }, false),
    (0x34, 0x34, Act::Write { multiple: false }, true),
    (0x35, 0x35, Act::WriteDma, true),
    (0x39, 0x39, Act::Write { multiple: true }, true),
    (0x40, 0x41, Act::Verify, false),
    (0x42, 0x42, Act::Verify, true),
    (0x70, 0x7f, Act::Seek, false),
    (0x91, 0x91, Act::Geometry, false),
    (0x94, 0x94, Act::Power { standby: true }, false),
    (0x95, 0x95, Act::Power { standby: false }, false),
    (0x96, 0x96, Act::Power { standby: true }, false),
    (0x97, 0x97, Act::Power { standby: false }, false),
    (0x98, 0x98, Act::CheckPower, false),
    // SLEEP too ends in standby: the reset that would wake the device is one that wakes it.
    (0x99, 0x99, Act::Power { standby: true }, false),
    (0xc4, 0xc4, Act::Read { multiple: true }, false),
    (0xc5, 0xc5, Act::Write { multiple: true }, false),
    (0xc6, 0xc6, Act::SetMultiple, false),
    (0xc8, 0xc9, Act::ReadDma, false),
    (0xca, 0xcb, Act::WriteDma, false),
    (0xe0, 0xe0, Act::Power { standby: true }, false),
    (0xe1, 0xe1, Act::Power { standby: false }, false),
    (0xe2, 0xe3, Act::Power { standby: true }, false),
    (0xe4, 0xe4, Act::ReadBuffer, false),
    (0xe5, 0xe5, Act::CheckPower, false),
    (0xe6, 0xe6, Act::Power { standby: true }, false),
    (0xe7, 0xe7, Act::Flush, false),
    (0xe8, 0xe8, Act::WriteBuffer, false),
    (0xea, 0xea, Act::Flush, true),
];
/// The two that need no row: they are answered at once and move a block that is no sector.
pub(super) const IDENTIFY: u8 = 0xec;
pub(super) const SET_FEATURES: u8 = 0xef;
