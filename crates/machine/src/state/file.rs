//! A state's file while it is being written, and the thread that makes such files during a run: the one that runs the
//! machine opens nothing while there is a guest (docs/security.md).

use ringer_sandbox::{Threads, spawn};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use tempfile::NamedTempFile;

/// A file beside the one that it is to become. Dropped unfinished it is gone.
#[derive(Debug)]
pub(super) struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// Begins what is to be the file at `path`.
    pub fn begin(path: &Path) -> io::Result<Self> {
        // What is in the place of a device or a folder would end it; what a link names is what is meant.
        let path = match fs::metadata(path) {
            Ok(there) if !there.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            Ok(_) => fs::canonicalize(path)?,
            Err(_) => path.to_owned(),
        };
        Ok(Self { file: NamedTempFile::new_in(folder_of(&path))?, path })
    }

    /// The file, to write to.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// All is written: puts the file into its place.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|e| e.error)?;
        File::open(folder_of(&self.path))?.sync_all()
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[derive(Debug)]
enum Wish {
    Begin(PathBuf),
    Finish,
}

#[derive(Debug)]
enum Answer {
    Begun(File),
    Finished,
}

/// The thread; it ends with this value.
#[derive(Debug)]
pub(crate) struct StateFiles {
    wishes: SyncSender<Wish>,
    answers: Receiver<io::Result<Answer>>,
}

impl StateFiles {
    /// Starts it.
    ///
    /// # Errors
    /// When the host has no thread to give.
    pub fn start() -> io::Result<Self> {
        let (wishes, wished) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let named = thread::Builder::new().name("state files".to_owned());
        spawn(named, Threads::FILES, move || serve(&wished, &answer))?;
        Ok(Self { wishes, answers })
    }

    /// Begins what is to be the file at `path`. One that was begun before and not finished is gone.
    pub fn begin(&self, path: &Path) -> io::Result<File> {
        match self.ask(Wish::Begin(path.to_owned()))? {
            Answer::Begun(file) => Ok(file),
            Answer::Finished => Err(gone()),
        }
    }

    /// Puts the file that was begun last into its place.
    pub fn finish(&self) -> io::Result<()> {
        self.ask(Wish::Finish).map(drop)
    }

    fn ask(&self, wish: Wish) -> io::Result<Answer> {
        self.wishes.send(wish).map_err(|_| gone())?;
        self.answers.recv().map_err(|_| gone())?
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that makes it has ended")
}

fn serve(wished: &Receiver<Wish>, answer: &SyncSender<io::Result<Answer>>) {
    let mut draft = None;
    for wish in wished {
        let done = match wish {
            Wish::Begin(path) => begin(&mut draft, &path),
            Wish::Finish => {
                let draft = draft.take().ok_or_else(gone);
                draft.and_then(Draft::finish).map(|()| Answer::Finished)
            }
        };
        if answer.send(done).is_err() {
            return;
        }
    }
}

fn begin(draft: &mut Option<Draft>, path: &Path) -> io::Result<Answer> {
    *draft = None;
    let begun = Draft::begin(path)?;
    let file = begun.file().try_clone()?;
    *draft = Some(begun);
    Ok(Answer::Begun(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_comes_into_its_place_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let files = StateFiles::start().unwrap();
        fs::write(&path, b"before").unwrap();
        files.begin(&path).unwrap().write_all(b"half").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        files.begin(&path).unwrap().write_all(b"after").unwrap();
        files.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the unfinished one is gone");
        assert!(files.finish().is_err(), "nothing was begun");
        assert!(files.begin(folder.path()).is_err(), "a folder is no state");
    }
}
