//! Files that the command writes; `-` is standard output everywhere.
//!
//! A file is there whole or not at all: what is written goes beside it first and then takes its place, so that neither an
//! error nor a full disk leaves an empty file or a part of one, or ends what was there. That is done by a thread of each
//! target's own: the one that runs the guest may have given up the right to make files by then.

use crate::error::CliError;
use crate::signals;
use crate::writing;
use ringer::sandbox::{Threads, spawn};
use ringer_input::shown;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use tempfile::NamedTempFile;

/// The rights of a new file, of which the user's mask takes some away.
const RIGHTS: u32 = 0o666;

/// An output whose place was looked at before the run, so that a wrong name is told at once.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    /// `None`: standard output.
    keeper: Option<Keeper>,
}

/// The thread that puts the file in its place, and the ways to it and back.
#[derive(Debug)]
struct Keeper {
    contents: Sender<Vec<u8>>,
    done: Receiver<io::Result<()>>,
}

/// How contents come to be in the file.
#[derive(Debug)]
enum Place {
    /// Beside it first, in this folder, then in the place of this file.
    Beside { folder: PathBuf, file: PathBuf, rights: u32 },
    /// Into it: a device or a pipe.
    Into(File),
    /// In the place of what is in it: it lies in a folder where no other can be made.
    Over(File),
}

impl Target {
    /// Looks whether it can be written; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let path = path.to_owned();
        if path.as_os_str() == "-" {
            return Ok(Self { path: "standard output".into(), keeper: None });
        }
        match Place::of(&path).and_then(Keeper::start) {
            Ok(keeper) => Ok(Self { path, keeper: Some(keeper) }),
            Err(source) => Err(CliError::Create { path, source }),
        }
    }

    /// It is standard output.
    pub fn is_stdout(&self) -> bool {
        self.keeper.is_none()
    }

    /// Writes what there is to write.
    pub fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let mut contents = Vec::new();
        let written = write(&mut contents).and_then(|()| match &self.keeper {
            Some(keeper) => keeper.put(contents),
            None => writing::write_all(io::stdout().lock(), &contents),
        });
        let what = shown(&self.path).to_string();
        written.map_err(|source| CliError::Output { what, source })
    }
}

impl Keeper {
    fn start(mut place: Place) -> io::Result<Self> {
        let (contents, inbox) = channel::<Vec<u8>>();
        let (outbox, done) = channel();
        let builder = thread::Builder::new().name("files".to_owned());
        let task = move || {
            for contents in inbox {
                // Who asked waits for the answer.
                let _ = outbox.send(place.put(&contents));
            }
        };
        signals::shielded(|| spawn(builder, Threads::FILES, task)).map_err(io::Error::other)??;
        Ok(Self { contents, done })
    }

    fn put(&self, contents: Vec<u8>) -> io::Result<()> {
        let gone = || io::Error::other("the thread that writes files has ended");
        self.contents.send(contents).map_err(|_| gone())?;
        self.done.recv().map_err(|_| gone())?
    }
}

impl Place {
    /// Finds out how the file at `path` can be written, and leaves everything as it is.
    fn of(path: &Path) -> io::Result<Self> {
        let there = fs::metadata(path);
        let existing = match &there {
            // What is in the place of a device or a pipe would end it.
            Ok(there) => {
                // An open file by its number is somebody's, too.
                let special = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
                if special || !there.is_file() {
                    return OpenOptions::new().append(true).open(path).map(Self::Into);
                }
                Some(OpenOptions::new().write(true).open(path)?)
            }
            Err(_) => None,
        };
        let rights = there.map_or(RIGHTS, |there| there.permissions().mode() & 0o7777);
        // What a link names is what is meant.
        let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        match (draft(&folder, rights), existing) {
            (Ok(_), _) => Ok(Self::Beside { folder, file, rights }),
            (Err(_), Some(existing)) => Ok(Self::Over(existing)),
            (Err(error), None) => Err(error),
        }
    }

    fn put(&mut self, contents: &[u8]) -> io::Result<()> {
        match self {
            Self::Into(file) => writing::write_all(file, contents),
            Self::Over(file) => {
                file.set_len(0)?;
                file.write_all(contents)
            }
            Self::Beside { folder, file, rights } => {
                let mut draft = draft(folder, *rights)?;
                draft.write_all(contents)?;
                draft.persist(file).map(drop).map_err(|e| e.error)
            }
        }
    }
}

/// A file beside the one that is to be written; it is gone with the value.
fn draft(folder: &Path, rights: u32) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(".ringer-")
        .permissions(Permissions::from_mode(rights))
        .tempfile_in(folder)
        .map_err(
            // The draft's own name is nobody's business.
            |e| {
                e.raw_os_error()
                    .map_or_else(|| ErrorKind::NotFound.into(), io::Error::from_raw_os_error)
            },
        )
}

/// A file that is written bit by bit while the guest runs. It is emptied, or stays if it is new, when everything is read
/// that the run needs; else all is left as it was.
#[derive(Debug)]
pub struct Stream {
    file: File,
    /// The file was not there before.
    new: Option<PathBuf>,
}

impl Stream {
    /// Opens the file.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let mut options = OpenOptions::new();
        let new = options.write(true).create_new(true).open(path);
        let opened = match new {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                // A link to nothing is there, and its target is not.
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
                file.map(|file| Self { file, new: None })
            }
            other => other.map(|file| Self { file, new: Some(path.to_owned()) }),
        };
        opened.map_err(|source| CliError::Create { path: path.to_owned(), source })
    }

    /// The open file, to write to.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The run begins.
    pub fn begin(mut self) -> io::Result<()> {
        let was_there = self.new.take().is_none();
        if was_there && self.file.metadata()?.is_file() { self.file.set_len(0) } else { Ok(()) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(path) = self.new.take() {
            // What cannot be removed stays, empty.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(path: &Path, text: &str) -> Result<(), CliError> {
        Target::create(path)?.write(|out| out.write_all(text.as_bytes()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_when_it_is_written_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        drop(Target::create(&path).unwrap());
        assert!(names(folder.path()).is_empty(), "nothing is left of one that was not written");
        let failed = Target::create(&path).unwrap().write(|out| {
            out.write_all(b"half")?;
            Err(ErrorKind::Other.into())
        });
        assert!(failed.is_err() && names(folder.path()).is_empty());
        write(&path, "one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        symlink("out", folder.path().join("link")).unwrap();
        write(&folder.path().join("link"), "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(names(folder.path()), ["link", "out"]);
    }

    #[test]
    fn places_that_cannot_be_written_are_told_at_once_and_full_ones_when_it_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        for bad in [folder.path(), &folder.path().join("no/such"), Path::new("/proc/none")] {
            let error = Target::create(bad).unwrap_err();
            assert!(matches!(error, CliError::Create { .. }), "{error}");
        }
        write(Path::new("/dev/null"), "x").unwrap();
        let full = write(Path::new("/dev/full"), "x").unwrap_err().to_string();
        assert_eq!(full, "cannot write /dev/full: No space left on device (os error 28)");
    }

    #[test]
    fn a_stream_leaves_things_as_they_were_until_the_run_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        drop(Stream::open(&path).unwrap());
        assert!(names(folder.path()).is_empty());
        fs::write(&path, "before").unwrap();
        drop(Stream::open(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        let stream = Stream::open(&path).unwrap();
        let mut file = stream.file().unwrap();
        stream.begin().unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
