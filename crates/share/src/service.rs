//! A folder that is open, the thread's work, and the device's way to it.

use crate::server::Server;
use ringer_devices::Folder;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use thiserror::Error;

/// Why a folder cannot be shared.
#[derive(Debug, Error)]
pub enum ShareError {
    /// It cannot be opened.
    #[error("{source}")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel cannot keep a name beneath a folder.
    #[error("the host has no openat2 (Linux 5.6), by which a guest is kept in the folder")]
    NoOpenat2,
}

/// What the device asks for.
#[derive(Debug)]
enum Request {
    Answer(Vec<u8>, usize),
    Save,
    Load(Vec<u8>),
    Reset,
}

/// A folder that is open.
#[derive(Debug)]
pub struct SharedFolder {
    server: Server,
}

impl SharedFolder {
    /// Opens `path`, for reading unless it is to be `writable`.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn open(path: &Path, writable: bool) -> Result<Self, ShareError> {
        let error =
            |source: Errno| ShareError::Open { path: path.to_owned(), source: source.into() };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(error)?;
        match openat2(&root, ".", flags, Mode::empty(), ResolveFlags::BENEATH) {
            Err(Errno::NOSYS | Errno::PERM) => return Err(ShareError::NoOpenat2),
            other => other.map_err(error)?,
        };
        // What is listed is what may be listed.
        let list = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, list, Mode::empty()).map_err(error)?;
        Ok(Self { server: Server::new(root, writable) })
    }

    /// The device's way to the folder, and the work of the thread that serves it.
    #[must_use]
    pub fn split(self) -> (Box<dyn Folder>, Service) {
        let ((asks, asked), (answers, answered)) = (channel(), channel());
        let service = Service { server: self.server, asked, answers };
        (Box::new(Line { asks, answered }), service)
    }
}

/// Serves a folder.
#[derive(Debug)]
pub struct Service {
    server: Server,
    asked: Receiver<Request>,
    answers: Sender<Vec<u8>>,
}

impl Service {
    /// Serves until the device is gone.
    pub fn run(mut self) {
        while let Ok(request) = self.asked.recv() {
            let answer = match request {
                Request::Answer(message, room) => self.server.answer(&message, room),
                Request::Save => self.server.save(),
                Request::Load(bytes) => vec![self.server.load(&bytes).into()],
                Request::Reset => {
                    self.server.reset();
                    Vec::new()
                }
            };
            if self.answers.send(answer).is_err() {
                return;
            }
        }
    }
}

/// The device's end: one request at a time, each with its answer.
#[derive(Debug)]
struct Line {
    asks: Sender<Request>,
    answered: Receiver<Vec<u8>>,
}

impl Line {
    /// Nothing, if the thread is gone.
    fn ask(&self, request: Request) -> Option<Vec<u8>> {
        self.asks.send(request).ok()?;
        self.answered.recv().ok()
    }
}

impl Folder for Line {
    fn answer(&mut self, message: Vec<u8>, room: usize) -> Vec<u8> {
        self.ask(Request::Answer(message, room)).unwrap_or_default()
    }

    fn reset(&mut self) {
        self.ask(Request::Reset);
    }

    fn save(&self) -> Vec<u8> {
        self.ask(Request::Save).unwrap_or_default()
    }

    fn load(&mut self, bytes: &[u8]) -> bool {
        self.ask(Request::Load(bytes.to_vec())).is_some_and(|answer| answer == [1])
    }
}
