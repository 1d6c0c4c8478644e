//! How a board is equipped.

use crate::floppy::format::FloppyDrive;
use crate::folder::Tag;
use crate::ide::DriveKind;
use crate::link::Nics;
use serde::{Deserialize, Serialize};

/// The virtio devices, but for a network adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtioConfig {
    /// The disks.
    #[serde(default, skip_serializing_if = "are_absent")]
    pub disks: [bool; 4],
    /// Random numbers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rng: bool,
    /// The console.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub console: bool,
    /// The balloon, and how many pages of 4 KiB it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balloon: Option<u32>,
    /// The folder of the host's, by the tag that guests mount it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Tag>,
}

fn are_absent(disks: &[bool; 4]) -> bool {
    *disks == [false; 4]
}

impl VirtioConfig {
    /// None.
    pub const NONE: VirtioConfig =
        VirtioConfig { disks: [false; 4], rng: false, console: false, balloon: None, share: None };
    /// All.
    pub const ALL: VirtioConfig = VirtioConfig {
        disks: [true; 4],
        rng: true,
        console: true,
        balloon: Some(16),
        share: Some(Tag::DEFAULT),
    };
}

/// How a board is equipped.
#[derive(Clone, Copy, Debug)]
pub struct BoardConfig {
    /// Bytes of guest RAM, which the CMOS reports.
    pub ram_size: u64,
    /// Whether a write to ports F4h..F7h is a [`crate::BoardEvent::DebugExit`].
    pub debug_exit: bool,
    /// The processor has a local APIC, and the board an I/O APIC.
    pub apic: bool,
    /// Whether there is the device that kvm-unit-tests expect.
    pub test_device: bool,
    /// The real-time clock's date at time 0, in seconds after 1970-01-01 00:00.
    pub rtc_epoch_s: u64,
    /// Whether writes to port 80h are logged for [`crate::Board::post_codes`].
    pub log_post: bool,
    /// The IDE drives: the primary channel's device 0 and 1, the secondary's.
    pub ide: [Option<DriveKind>; 4],
    /// The drives of the AHCI adapter's ports.
    pub ahci: [Option<DriveKind>; 6],
    /// The floppy drives, of which the CMOS tells.
    pub floppies: [Option<FloppyDrive>; 2],
    /// Whether there is a display adapter.
    pub vga: bool,
    /// The network adapters.
    pub nics: Nics,
    /// The virtio devices.
    pub virtio: VirtioConfig,
    /// Whether there are COM2, COM3 and COM4.
    pub serials: [bool; 3],
    /// Whether there is LPT1.
    pub parallel: bool,
}
