//! Files that a user names, read up to a bound.

use crate::text::shown;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::fmt;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// So long somebody may take to begin to write to a pipe.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a pipe read at a time.
const PIECE: usize = 1 << 16;

/// How much of a file is read, and what sets that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes at most.
    pub bytes: u64,
    /// What says so, for messages: "the guest's memory".
    pub what: &'static str,
}

impl Limit {
    /// `bytes` at most, because of `what`.
    #[must_use]
    pub const fn new(bytes: u64, what: &'static str) -> Self {
        Self { bytes, what }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.bytes {
            bytes if bytes >= 1 << 20 => (bytes >> 20, "MiB"),
            bytes if bytes >= 1 << 10 => (bytes >> 10, "KiB"),
            bytes => (bytes, "bytes"),
        };
        write!(f, "{} ({number} {unit})", self.what)
    }
}

/// A file that cannot be taken as input.
#[derive(Debug, Error)]
pub enum InputError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory where a file is wanted.
    #[error("{} is a directory, not a file", shown(.0))]
    Directory(PathBuf),
    /// A device or a socket, which has no end and perhaps no beginning.
    #[error("{} is a {kind}, not a file", shown(path))]
    Device {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A pipe without a writer.
    #[error("cannot read {}: nobody writes to this pipe", shown(.0))]
    NobodyWrites(PathBuf),
    /// More than can be used.
    #[error("{} is larger than {limit}", shown(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What limits it.
        limit: Limit,
    },
    /// A text is wanted.
    #[error("{} is no text in UTF-8", shown(.0))]
    NotText(PathBuf),
}

/// A regular file or a pipe, open to be read.
#[derive(Debug)]
pub struct Input {
    file: File,
    path: PathBuf,
    /// Of a regular file, its length in bytes when it was opened; of a pipe nothing.
    length: Option<u64>,
}

/// Why a file of this type is no input.
fn refused(path: &Path, kind: FileType) -> Result<(), InputError> {
    let device = |kind| Err(InputError::Device { path: path.to_owned(), kind });
    match kind {
        kind if kind.is_dir() => Err(InputError::Directory(path.to_owned())),
        kind if kind.is_char_device() => device("character device"),
        kind if kind.is_block_device() => device("block device"),
        kind if kind.is_socket() => device("socket"),
        _ => Ok(()),
    }
}

impl Input {
    /// Opens the file at `path`. This never waits: not for a pipe's writer, not for a terminal.
    ///
    /// # Errors
    /// [`InputError`], when it cannot be opened or is neither a regular file nor a pipe.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let error = |source| InputError::Read { path: path.to_owned(), source };
        // To open a device may do something already.
        refused(path, fs::metadata(path).map_err(error)?.file_type())?;
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags as i32).open(path);
        let file = file.map_err(error)?;
        let metadata = file.metadata().map_err(error)?;
        refused(path, metadata.file_type())?;
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Self { file, path: path.to_owned(), length })
    }

    /// Its length in bytes when it was opened; `None` for a pipe. Files of /proc say 0 whatever they have.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The open file.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// An error of reading it.
    #[must_use]
    pub fn error(&self, source: io::Error) -> InputError {
        InputError::Read { path: self.path.clone(), source }
    }

    /// All of it from where it stands, of at most `limit` bytes: no more is ever read, and a file that says that it
    /// is longer is not read at all.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn read(&mut self, limit: Limit) -> Result<Vec<u8>, InputError> {
        let path = self.path.clone();
        if self.length.is_some_and(|length| length > limit.bytes) {
            return Err(InputError::TooLarge { path, limit });
        }
        let bytes = self.read_start(limit.bytes.saturating_add(1))?;
        match bytes.len() as u64 > limit.bytes {
            true => Err(InputError::TooLarge { path, limit }),
            false => Ok(bytes),
        }
    }

    /// The first `most` bytes from where it stands, or all if there are fewer.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn read_start(&mut self, most: u64) -> Result<Vec<u8>, InputError> {
        let mut bytes = Vec::new();
        let read = match self.length {
            Some(length) => {
                let expected = usize::try_from(length.min(most)).unwrap_or(usize::MAX);
                // What does not fit into memory is an error, not the end of the process.
                let reserved = bytes.try_reserve_exact(expected);
                let reserved = reserved.map_err(|_| io::Error::from(ErrorKind::OutOfMemory));
                reserved.and_then(|()| (&self.file).take(most).read_to_end(&mut bytes))
            }
            None => return self.read_pipe(most, PATIENCE),
        };
        read.map_err(|source| self.error(source)).map(|_| bytes)
    }

    /// The same of a pipe, whose writer may take `patience` to come.
    fn read_pipe(&mut self, most: u64, patience: Duration) -> Result<Vec<u8>, InputError> {
        let (mut bytes, mut piece, began) = (Vec::new(), vec![0; PIECE], Instant::now());
        while (bytes.len() as u64) < most {
            let room = usize::try_from(most - bytes.len() as u64).unwrap_or(PIECE).min(PIECE);
            match self.file.read(&mut piece[..room]) {
                // Nobody has it open for writing: it is over, or has not begun.
                Ok(0) => {
                    let left = patience.saturating_sub(began.elapsed());
                    if !bytes.is_empty() || self.wait(Duration::ZERO)?.contains(PollFlags::HUP) {
                        break;
                    }
                    if left.is_zero() {
                        return Err(InputError::NobodyWrites(self.path.clone()));
                    }
                    let _ = self.wait(left)?;
                }
                Ok(n) => {
                    let reserved = bytes.try_reserve(n);
                    reserved.map_err(|_| self.error(ErrorKind::OutOfMemory.into()))?;
                    bytes.extend_from_slice(&piece[..n]);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // A writer is there and takes its time.
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let _ = self.wait(Duration::from_secs(1))?;
                }
                Err(source) => return Err(self.error(source)),
            }
        }
        Ok(bytes)
    }

    /// Waits until there is something to read, or the writer has gone, or the time is over.
    fn wait(&self, at_most: Duration) -> Result<PollFlags, InputError> {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let limit = Timespec {
            tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(at_most.subsec_nanos()),
        };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) => Ok(fds[0].revents()),
            Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
            Err(e) => Err(self.error(e.into())),
        }
    }
}

/// The whole file at `path`, of at most `limit` bytes.
///
/// # Errors
/// [`InputError`].
pub fn read(path: &Path, limit: Limit) -> Result<Vec<u8>, InputError> {
    Input::open(path)?.read(limit)
}

/// The first `most` bytes of the file at `path`.
///
/// # Errors
/// [`InputError`].
pub fn read_start(path: &Path, most: u64) -> Result<Vec<u8>, InputError> {
    Input::open(path)?.read_start(most)
}

/// The text in the file at `path`, of at most `limit` bytes.
///
/// # Errors
/// [`InputError`].
pub fn read_text(path: &Path, limit: Limit) -> Result<String, InputError> {
    String::from_utf8(read(path, limit)?).map_err(|_| InputError::NotText(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType as Kind, Mode, mknodat};
    use std::os::unix::net::UnixListener;
    use std::thread;

    const SMALL: Limit = Limit::new(4096, "what a test reads");

    fn fifo(folder: &Path) -> PathBuf {
        let path = folder.join("fifo");
        mknodat(CWD, &path, Kind::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        path
    }

    #[test]
    fn what_is_no_file_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listening = UnixListener::bind(&socket).unwrap();
        for (path, part) in [
            (Path::new("/dev/zero"), "character device"),
            (Path::new("/dev/tty"), "character device"),
            (&socket, "socket"),
            (folder.path(), "directory"),
            (Path::new("/no/such\nfile"), "/no/such\\nfile: No such file"),
        ] {
            let error = read(path, SMALL).unwrap_err().to_string();
            assert!(error.contains(part) && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn a_bound_holds_for_files_that_say_their_length_and_for_those_that_do_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [7; 4096]).unwrap();
        assert_eq!(read(file.path(), SMALL).unwrap().len(), 4096);
        assert_eq!(read_start(file.path(), 10).unwrap(), [7; 10]);
        fs::write(file.path(), [7; 4097]).unwrap();
        let error = read(file.path(), SMALL).unwrap_err();
        assert!(error.to_string().ends_with("is larger than what a test reads (4 KiB)"), "{error}");
        // So much that nothing could hold it: it is not tried.
        file.as_file().set_len(1 << 42).unwrap();
        assert!(matches!(read(file.path(), SMALL), Err(InputError::TooLarge { .. })));
        assert_eq!(read_start(file.path(), 3).unwrap(), [7; 3]);
        // These say 0.
        assert!(read_text(Path::new("/proc/self/status"), SMALL).unwrap().starts_with("Name:"));
        let tiny = Limit::new(16, "very little");
        assert!(matches!(
            read(Path::new("/proc/self/status"), tiny),
            Err(InputError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_file_that_grows_or_shrinks_is_read_as_it_is_up_to_the_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [1; 100]).unwrap();
        let mut input = Input::open(file.path()).unwrap();
        fs::write(file.path(), [1; 5000]).unwrap();
        assert!(matches!(input.read(SMALL), Err(InputError::TooLarge { .. })));
        let mut input = Input::open(file.path()).unwrap();
        fs::write(file.path(), [1; 7]).unwrap();
        assert_eq!(input.read(Limit::new(1 << 20, "much")).unwrap(), [1; 7]);
    }

    #[test]
    fn text_is_utf_8() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"a = '\xff'").unwrap();
        assert!(matches!(read_text(file.path(), SMALL), Err(InputError::NotText(_))));
    }

    #[test]
    fn a_pipe_is_read_to_its_writers_end_and_one_without_a_writer_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let mut input = Input::open(&path).unwrap();
        let short = Duration::from_millis(30);
        let error = input.read_pipe(10, short).unwrap_err().to_string();
        assert!(error.ends_with("nobody writes to this pipe"), "{error}");

        let writer = thread::spawn({
            let path = path.clone();
            move || {
                let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
                for _ in 0..3 {
                    thread::sleep(Duration::from_millis(20));
                    io::Write::write_all(&mut pipe, &[5; 1000]).unwrap();
                }
            }
        });
        assert_eq!(read(&path, SMALL).unwrap(), [5; 3000]);
        writer.join().unwrap();
    }

    #[test]
    fn of_an_endless_pipe_no_more_than_the_bound_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let writer = thread::spawn({
            let path = path.clone();
            move || {
                let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
                // Until the reader has gone.
                while io::Write::write_all(&mut pipe, &[5; 1000]).is_ok() {}
            }
        });
        assert!(matches!(read(&path, SMALL), Err(InputError::TooLarge { .. })));
        writer.join().unwrap();
    }
}
