//! Everything that can go wrong in the command, with the exit status of each.

use ringer::{Refusal, StorageError, SymbolsError, Tag, status};
use ringer_input::{InputError, shown};
use ringer_profile::{DiffError, ReadError};
use ringer_testkit::TestkitError;
use ringer_view::ViewError;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// An error for the user.
#[derive(Debug, Error)]
pub enum CliError {
    /// Not one boot source.
    #[error(
        "name a guest by its file, or by exactly one of --kernel, --multiboot, --rom, --bios and --bootsector"
    )]
    BootSource,
    /// Nothing to verify.
    #[error("name a guest, or give one of --kernel, --multiboot, --rom and --bootsector")]
    NoGuest,
    /// Nothing to test.
    #[error(
        "name tests, or folders of them, or have a ringer.toml (ringer test --init DIR writes a suite to begin with)"
    )]
    NoSuite,
    /// A guest by its file, and another by an option.
    #[error(
        "{} and an option name a guest each; give exactly one of a file, --kernel, --multiboot, --rom, \
         --bootsector and --load",
        shown(path)
    )]
    TwoGuests {
        /// The file.
        path: PathBuf,
    },
    /// Nothing was compared.
    #[error("--from {text:?}: the guest never sent that, so nothing was compared ({end})")]
    NeverFrom {
        /// The text.
        text: String,
        /// How the run ended.
        end: String,
    },
    /// More serial ports than there are.
    #[error("a PC has four serial ports: --serial can be given four times")]
    ManySerials,
    /// More than one initrd for Linux.
    #[error("--kernel takes one --initrd only")]
    ManyInitrds,
    /// No firmware anywhere.
    #[error(
        "no SeaBIOS on this system: install it (Debian: apt-get install seabios), run scripts/fetch-guests.sh seabios, or \
         name another firmware by --bios FILE"
    )]
    NoFirmware,
    /// SeaBIOS, but not the BIOS of the display adapter.
    #[error(
        "{} is there, but no vgabios-stdvga.bin, without which nothing is seen: install all of SeaBIOS (Debian: apt-get \
         install seabios) or run scripts/fetch-guests.sh seabios, name one by --vga-rom FILE, or go without by --vga none",
        shown(firmware)
    )]
    NoVgaBios {
        /// The firmware that was found.
        firmware: PathBuf,
    },
    /// An option that only firmware has a use for.
    #[error("{option} is for firmware, which does not run here: --bios FILE runs it")]
    NoFirmwareUse {
        /// The option.
        option: &'static str,
    },
    /// An option that the boot source has no use for.
    #[error("{option} goes with --kernel or --multiboot only")]
    NoUse {
        /// The option.
        option: &'static str,
    },
    /// --save-at's first word.
    #[error("--save-at {text}: not a number of instructions from 1 on")]
    SaveAt {
        /// What was given.
        text: String,
    },
    /// A state that was to be saved was not.
    #[error(
        "--save-at {retired}: the run ended before that ({end}); {} was not written",
        shown(path)
    )]
    NeverSaved {
        /// When.
        retired: u64,
        /// Where to.
        path: PathBuf,
        /// How the run ended.
        end: String,
    },
    /// An option of another command.
    #[error("{option} goes with ringer run and ringer profile only")]
    OnlyRun {
        /// The option.
        option: &'static str,
    },
    /// The memory size is out of range.
    #[error("-m {text}: {reason}")]
    MemorySize {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The balloon's size is none.
    #[error("--virtio-balloon={text}: {reason}")]
    Balloon {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// --share names no folder that can be shared.
    #[error("--share {}: {reason}", shown(text))]
    Share {
        /// What was given.
        text: OsString,
        /// What is wrong with it.
        reason: String,
    },
    /// The state's machine has another shared folder, or none.
    #[error("--share: {}", match tag {
        Some(tag) => format!("the saved machine's folder has tag {tag}"),
        None => "the saved machine has no shared folder".to_owned(),
    })]
    NoSavedShare {
        /// The tag that it has.
        tag: Option<Tag>,
    },
    /// --mem-limit is less than works.
    #[error(
        "--mem-limit {}M is too little: with this -m and --tc-size it takes {}M; a smaller --tc-size takes less",
        .limit >> 20, .least.div_ceil(1 << 20)
    )]
    MemLimit {
        /// What was given, in bytes.
        limit: u64,
        /// The least, in bytes.
        least: u64,
    },
    /// A file for output cannot be made.
    #[error("cannot write {}: {source}", shown(path))]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An output failed during or after the run.
    #[error("cannot write {what}: {source}")]
    Output {
        /// Which output.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The reader of an output did not take everything.
    #[error("{lost} bytes for {what} were lost: nobody reads it")]
    Unread {
        /// Which output.
        what: String,
        /// How many.
        lost: u64,
    },
    /// A facility of the host failed.
    #[error("cannot set up {what}: {source}")]
    Host {
        /// Which facility.
        what: &'static str,
        /// The call, and what the system said.
        source: Refusal,
    },
    /// --sandbox require.
    #[error(
        "this host does not permit {lacking}, which --sandbox require and --untrusted ask for; --sandbox on (with --verify) runs without"
    )]
    Sandbox {
        /// What is lacking.
        lacking: String,
    },
    /// The machine.
    #[error(transparent)]
    Machine(#[from] ringer::Error),
    /// --drive.
    #[error("--drive {text}: {reason}")]
    Drive {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--net`.
    #[error("--net {text}: {reason}")]
    Net {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--pcap` without a network.
    #[error(
        "--pcap records the frames of a network, and there is none: --net user gives the guest one"
    )]
    PcapAlone,
    /// A network that cannot be opened.
    #[error(transparent)]
    Network(ringer_net::NetError),
    /// A state without the adapter.
    #[error(
        "the saved machine has no {model} adapter: give --net to the run that saves, or leave it out here"
    )]
    NoSavedAdapter {
        /// The adapter.
        model: &'static str,
    },
    /// Two drives in one place.
    #[error(
        "two drives in one place, or more than there are places for: --hda to --hdd, --cdrom (which is --hdc), --drive …,index=N"
    )]
    DrivePlace,
    /// An image.
    #[error(transparent)]
    Image(#[from] StorageError),
    /// An image that is no diskette's.
    #[error(
        "{}: no diskette holds {bytes} bytes; the largest has 2949120. --hda FILE makes a disk of it",
        shown(path)
    )]
    Diskette {
        /// The image.
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
    },
    /// A disk that the guest writes, and a state that does not hold it.
    #[error(
        "a saved state does not hold what the guest writes to {}: end the run where it is saved (--save-at N FILE --max-instructions N), \
         without a snapshot, and keep the image with it, or give the drive readonly=on",
        shown(path)
    )]
    WrittenBesideState {
        /// The image.
        path: PathBuf,
    },
    /// The nanobenchmarks.
    #[error("nano: {0}")]
    Nano(String),
    /// A profile that cannot be read.
    #[error(transparent)]
    Profile(#[from] ReadError),
    /// Profiles that cannot be compared.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// `ringer profile show` without a picture.
    #[error(
        "name a file for a picture: --html, --flame, --folded, --pprof, --speedscope or --json"
    )]
    NoPicture,
    /// --symbols.
    #[error(transparent)]
    Symbols(#[from] SymbolsError),
    /// A place that has no name and is no number.
    #[error(
        "{option} {text}: neither a number of instructions, nor an address (0x…), nor a symbol that is known (--symbols)"
    )]
    UnknownPlace {
        /// The option.
        option: &'static str,
        /// What was given.
        text: String,
    },
    /// A step of a script.
    #[error(
        "no drive is called {drive:?}: there are {}",
        if there.is_empty() { "none whose media can be changed (--floppy FILE, --cdrom FILE, --drive media=cdrom)" } else { there }
    )]
    NoDrive {
        /// Which drive it names.
        drive: String,
        /// Those that there are.
        there: String,
    },
    /// A drive whose medium stays.
    #[error("the drive {drive} does not let go: the guest has locked it")]
    Locked {
        /// Which.
        drive: String,
    },
    /// --display.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Two want the terminal.
    #[error(
        "--display terminal has the terminal to itself: give --serial and --debugcon file:F, null or pty"
    )]
    TerminalTaken,
    /// There is none.
    #[error("--display terminal: standard input and output are no terminal")]
    NoTerminal,
    /// A view that was not built in.
    #[cfg_attr(feature = "window", expect(dead_code, reason = "it is built in"))]
    #[error(
        "--display window is not in this ringer: `cargo install --path . --features window` builds one with it, and --display vnc or web need none"
    )]
    NoWindows,
    /// Who has the connection to an X server has that server's other windows.
    #[error(
        "--display window does not go with --untrusted: whoever got hold of this process could type into other windows; use --display vnc or web"
    )]
    UntrustedWindow,
    /// --display-password.
    #[error("--display-password: {0}")]
    PasswordFile(#[source] InputError),
    /// A file of a password without one.
    #[error("--display-password {}: its first line is empty", shown(path))]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
    /// The test kit.
    #[error(transparent)]
    Testkit(#[from] TestkitError),
}

impl CliError {
    /// The exit status of the process.
    pub fn status(&self) -> u8 {
        match self {
            Self::BootSource
            | Self::TwoGuests { .. }
            | Self::NoGuest
            | Self::NoSuite
            | Self::NeverFrom { .. }
            | Self::ManySerials
            | Self::ManyInitrds
            | Self::NoFirmware
            | Self::NoVgaBios { .. }
            | Self::NoFirmwareUse { .. }
            | Self::NoUse { .. }
            | Self::SaveAt { .. }
            | Self::NoDrive { .. }
            | Self::Locked { .. }
            | Self::OnlyRun { .. }
            | Self::Drive { .. }
            | Self::Net { .. }
            | Self::PcapAlone
            | Self::Network(_)
            | Self::NoSavedAdapter { .. }
            | Self::DrivePlace
            | Self::Image(_)
            | Self::WrittenBesideState { .. }
            | Self::Diskette { .. }
            | Self::MemorySize { .. }
            | Self::Balloon { .. }
            | Self::Share { .. }
            | Self::NoSavedShare { .. }
            | Self::MemLimit { .. }
            | Self::Symbols(_)
            | Self::Profile(_)
            | Self::Diff(_)
            | Self::NoPicture
            | Self::UnknownPlace { .. }
            | Self::Sandbox { .. }
            | Self::PasswordFile(_)
            | Self::TerminalTaken
            | Self::NoTerminal
            | Self::NoWindows
            | Self::UntrustedWindow
            | Self::NoPassword { .. }
            | Self::Create { .. } => status::USAGE,
            Self::Output { .. } | Self::Unread { .. } | Self::NeverSaved { .. } => status::OUTPUT,
            Self::Host { .. } | Self::Nano(_) => status::INTERNAL,
            Self::Machine(e) => e.status(),
            Self::Testkit(e) => e.status(),
            Self::View(e) => e.status(),
        }
    }
}
