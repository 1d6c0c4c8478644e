//! The controller's commands: what their first byte says, and how many bytes follow (82077AA data sheet, "Command set").

use serde::{Deserialize, Serialize};

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    ReadTrack,
    Specify,
    SenseDrive,
    Write,
    Read,
    Recalibrate,
    SenseInterrupt,
    WriteDeleted,
    ReadId,
    ReadDeleted,
    Format,
    DumpRegisters,
    Seek,
    RelativeSeek,
    Version,
    ScanEqual,
    Perpendicular,
    Configure,
    Lock,
    Verify,
    ScanLow,
    ScanHigh,
    /// Any other byte, among them the 82078's PART ID (18h).
    Invalid,
}

/// A row of the table: bits of the first byte that count, what they are, the command, and bytes that follow.
type Row = (u8, u8, Command, u8);

/// MT, MFM and SK may be set, or only MFM, or none.
const MT_MFM_SK: u8 = 0x1f;
const MT_MFM: u8 = 0x3f;
const MFM: u8 = 0xbf;
const NONE: u8 = 0xff;

const TABLE: [Row; 22] = [
    (MFM, 0x02, Command::ReadTrack, 8),
    (NONE, 0x03, Command::Specify, 2),
    (NONE, 0x04, Command::SenseDrive, 1),
    (MT_MFM, 0x05, Command::Write, 8),
    (MT_MFM_SK, 0x06, Command::Read, 8),
    (NONE, 0x07, Command::Recalibrate, 1),
    (NONE, 0x08, Command::SenseInterrupt, 0),
    (MT_MFM, 0x09, Command::WriteDeleted, 8),
    (MFM, 0x0a, Command::ReadId, 1),
    (MT_MFM_SK, 0x0c, Command::ReadDeleted, 8),
    (MFM, 0x0d, Command::Format, 5),
    (NONE, 0x0e, Command::DumpRegisters, 0),
    (NONE, 0x0f, Command::Seek, 2),
    (MFM, 0x8f, Command::RelativeSeek, 2),
    (NONE, 0x10, Command::Version, 0),
    (MT_MFM_SK, 0x11, Command::ScanEqual, 8),
    (NONE, 0x12, Command::Perpendicular, 1),
    (NONE, 0x13, Command::Configure, 3),
    (0x7f, 0x14, Command::Lock, 0),
    (MT_MFM_SK, 0x16, Command::Verify, 8),
    (MT_MFM_SK, 0x19, Command::ScanLow, 8),
    (MT_MFM_SK, 0x1d, Command::ScanHigh, 8),
];

/// The command that begins with `byte`, and how many bytes follow.
pub(crate) fn decode(byte: u8) -> (Command, usize) {
    let row = TABLE.iter().find(|(mask, bits, ..)| byte & mask == *bits);
    row.map_or((Command::Invalid, 0), |&(_, _, command, parameters)| {
        (command, usize::from(parameters))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_taken_where_the_command_has_them() {
        for byte in [0x06, 0x46, 0xe6] {
            assert_eq!(decode(byte), (Command::Read, 8));
        }
        assert_eq!(decode(0xc5), (Command::Write, 8));
        assert_eq!(decode(0x65).0, Command::Invalid, "a write skips nothing");
        assert_eq!((decode(0x0f).0, decode(0x8f).0), (Command::Seek, Command::RelativeSeek));
        assert_eq!((decode(0xcf).0, decode(0x4f).0), (Command::RelativeSeek, Command::Invalid));
        assert_eq!((decode(0x14).0, decode(0x94).0), (Command::Lock, Command::Lock));
        assert_eq!(decode(0x18), (Command::Invalid, 0));
        assert_eq!(decode(0x00), (Command::Invalid, 0));
    }

    #[test]
    fn no_two_commands_share_a_byte() {
        for byte in 0..=255u8 {
            let rows = TABLE.iter().filter(|(mask, bits, ..)| byte & mask == *bits).count();
            assert!(rows <= 1, "{byte:02x}");
        }
    }
}
