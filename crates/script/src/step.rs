//! A script in memory.

use std::path::PathBuf;
use std::time::Duration;

/// A script whose every line was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file, as the user named it.
    pub file: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its line in the file, from 1.
    pub line: u32,
    /// The line as it stands there, without comment and blanks around it.
    pub text: String,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets the guest run until this holds, so much of its time at most.
    Wait(Condition, Duration),
    /// Fails unless this holds now.
    Expect(Condition),
    /// Types a text.
    Type(String),
    /// Presses keys together and releases them, one chord after the other: `ctrl`, `alt`, `delete`.
    Press(Vec<Vec<String>>),
    /// Puts a medium into a drive.
    Insert {
        /// The drive.
        drive: String,
        /// The image; a relative name is one beside the script.
        file: PathBuf,
    },
    /// Takes the medium out of a drive.
    Eject(String),
    /// Lets the guest run for so long.
    Sleep(Duration),
    /// Writes the screen to a PNG file; a relative name is one in the current folder.
    Screenshot(PathBuf),
    /// Pulls the reset line.
    Reset,
    /// Presses the power button, for the guest to switch the machine off.
    PowerButton,
    /// Switches the machine off: the run ends.
    PowerOff,
}

/// What a guest is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Where.
    pub subject: Subject,
    /// What.
    pub text: String,
    /// It is to stand there, or not to.
    pub there: bool,
}

/// Where a guest shows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A line of the screen as it is now has the text in it.
    Screen,
    /// The serial line has brought it since the last text of it that a step found.
    Serial,
}

impl Subject {
    /// Its name in scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Screen => "screen",
            Self::Serial => "serial",
        }
    }
}

impl Script {
    /// The images that it inserts.
    pub fn media(&self) -> impl Iterator<Item = (&Step, &str, &PathBuf)> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Insert { drive, file } => Some((step, drive.as_str(), file)),
            _ => None,
        })
    }

    /// The pictures that it writes.
    pub fn pictures(&self) -> impl Iterator<Item = &PathBuf> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Screenshot(file) => Some(file),
            _ => None,
        })
    }
}
