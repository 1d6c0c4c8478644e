//! A way out for text that is written bit by bit, on which nothing is lost for good because a disk
//! was full for a while: what could not be written is kept and tried again.
//!
//! Invariant: a regular file always ends behind a whole piece of text.

use crate::TestkitError;
use ringer_input::shown;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// So much is kept for a way out that takes nothing.
const KEPT: usize = 64 << 20;

/// Where text goes in the end.
pub trait Sink: Write {
    /// Takes back what was written behind the first `length` bytes, where that can be done.
    fn cut(&mut self, length: u64) -> bool;
}

/// A file; only a regular one of our own can be cut.
#[derive(Debug)]
struct FileSink {
    file: File,
    own: bool,
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for FileSink {
    fn cut(&mut self, length: u64) -> bool {
        self.own
            && self.file.set_len(length).is_ok()
            && self.file.seek(SeekFrom::Start(length)).is_ok()
    }
}

/// The way out.
pub struct Stream {
    sink: Box<dyn Sink>,
    what: String,
    /// Bytes of whole pieces that are written.
    whole: u64,
    waiting: Vec<u8>,
    error: Option<io::Error>,
    /// Nothing more will get out.
    dead: bool,
}

impl Stream {
    /// To a file, which is made, or to standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, TestkitError> {
        let Some(path) = path else {
            // Without a buffer: what is written is written.
            let what = "standard output".to_owned();
            let out = io::stdout().as_fd().try_clone_to_owned();
            let file = File::from(
                out.map_err(|source| TestkitError::Write { what: what.clone(), source })?,
            );
            return Ok(Self::new(Box::new(FileSink { file, own: false }), what));
        };
        let what = shown(path).to_string();
        let opened = OpenOptions::new().write(true).create(true).truncate(true).open(path);
        let sink = opened.and_then(|file| {
            let own = file.metadata()?.is_file();
            Ok(FileSink { file, own })
        });
        let create = |source| TestkitError::Create { path: path.to_owned(), source };
        Ok(Self::new(Box::new(sink.map_err(create)?), what))
    }

    fn new(sink: Box<dyn Sink>, what: String) -> Self {
        Self { sink, what, whole: 0, waiting: Vec::new(), error: None, dead: false }
    }

    /// Writes a piece of text, or keeps it for later.
    pub fn write(&mut self, text: &str) {
        if self.dead {
            return;
        }
        if self.waiting.len() + text.len() > KEPT {
            self.dead = true;
            return;
        }
        self.waiting.extend_from_slice(text.as_bytes());
        self.retry();
    }

    /// Tries to write what waits.
    pub fn retry(&mut self) {
        if self.dead || self.waiting.is_empty() {
            return;
        }
        let mut done = 0;
        let result = loop {
            match self.sink.write(&self.waiting[done..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(e),
            }
            if done == self.waiting.len() {
                break self.sink.flush();
            }
        };
        match result {
            Ok(()) => {
                self.whole += done as u64;
                self.waiting.clear();
                self.error = None;
            }
            Err(error) => {
                self.dead = error.kind() == io::ErrorKind::BrokenPipe;
                if !self.sink.cut(self.whole) {
                    self.waiting.drain(..done);
                }
                self.error = Some(error);
            }
        }
    }

    /// Everything is out.
    ///
    /// # Errors
    /// When it is not.
    pub fn finish(&mut self) -> Result<(), TestkitError> {
        self.retry();
        let what = self.what.clone();
        self.error.take().map_or(Ok(()), |source| Err(TestkitError::Write { what, source }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A file on a disk of so many bytes.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn new(size: usize) -> Self {
            Self(Arc::new(Mutex::new((Vec::new(), size))))
        }
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }
        fn grow(&self, size: usize) {
            self.0.lock().unwrap().1 = size;
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let n = bytes.len().min(disk.1 - disk.0.len());
            disk.0.extend_from_slice(&bytes[..n]);
            if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Disk {
        fn cut(&mut self, length: u64) -> bool {
            self.0.lock().unwrap().0.truncate(usize::try_from(length).unwrap());
            true
        }
    }

    #[test]
    fn a_full_disk_keeps_whole_pieces_and_gets_the_rest_when_there_is_room() {
        let disk = Disk::new(8);
        let mut stream = Stream::new(Box::new(disk.clone()), "x".to_owned());
        stream.write("first\n");
        stream.write("second\n");
        assert_eq!(disk.text(), "first\n");
        let error = stream.finish().unwrap_err();
        assert!(error.to_string().starts_with("cannot write x: "), "{error}");
        disk.grow(99);
        stream.write("third\n");
        assert_eq!(disk.text(), "first\nsecond\nthird\n");
        stream.finish().unwrap();
    }

    #[test]
    fn a_device_that_is_full_is_an_error_at_the_end() {
        let mut stream = Stream::open(Some(Path::new("/dev/full"))).unwrap();
        stream.write("x");
        assert!(matches!(stream.finish(), Err(TestkitError::Write { .. })));
        let error = Stream::open(Some(Path::new("/nowhere/x"))).err().unwrap();
        assert!(matches!(error, TestkitError::Create { .. }), "{error}");
    }
}
