//! A machine's state as a value: in memory, or in a file that is read when a machine takes it over.

use super::boot_record::BootRecord;
use super::error::StateError;
use super::file::{Draft, StateFiles};
use super::format::{self, Head};
use crate::boot::BootSource;
use crate::config::PcConfig;
use ringer_devices::Section;
use ringer_input::Input;
use ringer_mmu::GuestMemory;
use ringer_monitor::ClockKind;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes of a file read or written at a time.
const BUFFER: usize = 1 << 16;

/// Guest memory's contents.
#[derive(Debug)]
enum Contents {
    Bytes(Vec<u8>),
    File { file: File, at: u64, length: u64 },
}

/// The whole state of a machine between two instructions: processor, clock, devices, memory, and what
/// it boots when it is reset. See `docs/state.md`.
#[derive(Debug)]
pub struct MachineState {
    head: Head,
    contents: Contents,
}

impl MachineState {
    pub(crate) fn new(head: Head, contents: Vec<u8>) -> Self {
        Self { head, contents: Contents::Bytes(contents) }
    }

    /// Opens the state in the file at `path`, and checks it: form, checksum, manifest. The file stays
    /// open; guest memory's contents are read from it when a machine takes the state over.
    ///
    /// # Errors
    /// [`StateError::In`], naming the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        Self::open_file(path).map_err(|e| match e {
            // It names the file already.
            StateError::Open(_) => e,
            _ => e.of(path),
        })
    }

    fn open_file(path: &Path) -> Result<Self, StateError> {
        let input = Input::open(path)?;
        let Some(length) = input.length() else { return Err(StateError::NotAState) };
        let file = input.into_file();
        let mut input = BufReader::with_capacity(BUFFER, &file);
        let (head, at, length) = format::read(&mut input, length)?;
        Ok(Self { head, contents: Contents::File { file, at, length } })
    }

    /// The state that `bytes` are, in the form of a file.
    ///
    /// # Errors
    /// [`StateError`], naming the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let (head, at, length) = format::read(&mut Cursor::new(bytes), bytes.len() as u64)?;
        let contents = bytes[at as usize..][..length as usize].to_vec();
        Ok(Self { head, contents: Contents::Bytes(contents) })
    }

    /// Writes the state to the file at `path`. That has all of it, or what it had before.
    ///
    /// # Errors
    /// [`StateError::In`] with [`StateError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), StateError> {
        let mut contents = |out: &mut dyn Write| io::copy(&mut *self.contents()?, out).map(drop);
        let mut put = || {
            let draft = Draft::begin(path)?;
            write(draft.file(), &self.head, &mut contents)?;
            draft.finish()
        };
        put().map_err(|e| StateError::Write(e).of(path))
    }

    /// The machine that it is of; what of it is no guest's business is as by default.
    ///
    /// # Errors
    /// [`StateError::Unknown`] for a processor that this Ringer does not have.
    pub fn pc(&self) -> Result<PcConfig, StateError> {
        self.head.manifest.machine.pc()
    }

    /// The clock that it goes by.
    ///
    /// # Errors
    /// [`StateError::Unknown`] for a clock that this Ringer does not have.
    pub fn clock(&self) -> Result<ClockKind, StateError> {
        self.head.manifest.machine.clock()
    }

    /// What the machine boots when it is reset. `None`: an image in the program that saved it. Whether the
    /// files are what they were is checked when a machine takes the state over.
    #[must_use]
    pub fn source(&self) -> Option<BootSource> {
        self.head.manifest.boot.source()
    }

    /// Guest instructions retired when it was saved, as far as they were counted.
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.head.manifest.retired
    }

    /// What the machine boots, to hold against another's.
    pub(crate) fn boot(&self) -> &BootRecord {
        &self.head.manifest.boot
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.head.sections
    }

    /// Loads guest memory's contents.
    ///
    /// # Errors
    /// When they cannot be read, or are not of such a machine; memory is a mixture then.
    pub(crate) fn load_contents(&self, memory: &mut GuestMemory) -> Result<(), StateError> {
        let mut contents = self.contents().map_err(StateError::Read)?;
        let _ = memory.load_contents(&mut *contents)?;
        let more = io::copy(&mut *contents, &mut io::sink()).map_err(StateError::Read)?;
        if more > 0 { Err(StateError::TooLong(more)) } else { Ok(()) }
    }

    /// Guest memory's contents, to read.
    fn contents(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match &self.contents {
            Contents::Bytes(bytes) => Box::new(&bytes[..]),
            Contents::File { file, at, length } => {
                let mut file: &File = file;
                file.seek(SeekFrom::Start(*at))?;
                Box::new(BufReader::with_capacity(BUFFER, file.take(*length)))
            }
        })
    }
}

/// Writes a state to the file at `path`, which `files` makes: beside it first, then in its place.
pub(crate) fn write_file(
    files: &StateFiles,
    path: &Path,
    head: &Head,
    contents: &mut format::WriteContents<'_>,
) -> Result<(), StateError> {
    let mut put = || {
        write(&files.begin(path)?, head, contents)?;
        files.finish()
    };
    put().map_err(|e| StateError::Write(e).of(path))
}

fn write(file: &File, head: &Head, contents: &mut format::WriteContents<'_>) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(BUFFER, file);
    format::write(head, contents, &mut out)?;
    out.into_inner().map(drop).map_err(io::IntoInnerError::into_error)
}
