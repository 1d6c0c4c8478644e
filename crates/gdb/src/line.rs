//! The line to gdb: a thread reads what comes, and the thread that runs the machine takes it when it stands.

use crate::debuggee::Client;
use ringer_machine::Handle;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time, and pieces of them that wait at most.
const PIECE: usize = 4096;
const PIECES: usize = 16;
/// Bytes that may come while the machine runs; gdb sends one.
const MOST: usize = 1 << 16;
/// Between two looks whether the run is to end.
const LOOK: Duration = Duration::from_millis(50);
/// Who does not read for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that are written together.
const TOGETHER: usize = 4096;
/// What gdb sends to stop the machine.
const CTRL_C: u8 = 3;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// By TCP.
    Tcp(TcpStream),
    /// By a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))
            }
            Self::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_write_timeout(Some(PATIENCE))
            }
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn shut(&self) {
        // Whether the other end is there any more does not matter.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The way to gdb.
#[derive(Debug)]
pub struct Outgoing {
    stream: Stream,
    waiting: Vec<u8>,
}

impl gdbstub::conn::Connection for Outgoing {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.waiting.push(byte);
        if self.waiting.len() >= TOGETHER { gdbstub::conn::Connection::flush(self) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.stream.write_all(&self.waiting);
        self.waiting.clear();
        written
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // The thread that reads ends with the connection.
        self.stream.shut();
    }
}

/// What came of waiting for gdb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A byte.
    Byte(u8),
    /// gdb has gone.
    Gone,
    /// Somebody wants the run to end.
    Quit,
    /// The time that the run was given is over.
    Late,
}

/// The way from gdb.
pub struct Line {
    pieces: Receiver<Vec<u8>>,
    bytes: VecDeque<u8>,
    gone: bool,
    running: Arc<AtomicBool>,
    handle: Handle,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("gone", &self.gone).finish_non_exhaustive()
    }
}

/// Both ways of the connection `stream`, for the machine of `handle`.
///
/// # Errors
/// When the system refuses a thread or the connection is broken already.
pub fn open(stream: Stream, handle: Handle) -> io::Result<(Outgoing, Line)> {
    stream.prepare()?;
    let (sender, pieces) = sync_channel(PIECES);
    let running = Arc::new(AtomicBool::new(false));
    let (reader, kicks) = (stream.try_clone()?, (Arc::clone(&running), handle.clone()));
    // What holds for the thread that runs the machine, which makes this one, holds for it too.
    thread::Builder::new()
        .name("gdb input".to_owned())
        .spawn(move || read(reader, &sender, &kicks.0, &kicks.1))?;
    let line = Line { pieces, bytes: VecDeque::new(), gone: false, running, handle };
    Ok((Outgoing { stream, waiting: Vec::new() }, line))
}

/// Reads until the connection's end, and wakes a machine that runs.
fn read(mut stream: Stream, pieces: &SyncSender<Vec<u8>>, running: &AtomicBool, handle: &Handle) {
    let mut buffer = [0; PIECE];
    loop {
        let piece = match stream.read(&mut buffer) {
            Ok(n) => buffer[..n].to_vec(),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(_) => Vec::new(),
        };
        // Nothing at all is the end.
        let end = piece.is_empty();
        if pieces.send(piece).is_err() {
            return;
        }
        if running.load(Ordering::SeqCst) {
            handle.kick();
        }
        if end {
            return;
        }
    }
}

impl Line {
    fn take(&mut self, piece: &[u8]) {
        self.gone |= piece.is_empty();
        self.bytes.extend(piece);
    }

    /// Takes what has come; more than [`MOST`] bytes are too many while nobody takes them.
    fn gather(&mut self) {
        while !self.gone && self.bytes.len() <= MOST {
            match self.pieces.try_recv() {
                Ok(piece) => self.take(&piece),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.gone = true,
            }
        }
        self.gone |= self.bytes.len() > MOST;
    }

    /// Waits for what comes next, until `ends`.
    pub fn next(&mut self, ends: Option<Instant>) -> Next {
        loop {
            if self.handle.is_quitting() {
                return Next::Quit;
            }
            if let Some(byte) = self.bytes.pop_front() {
                return Next::Byte(byte);
            }
            if self.gone {
                return Next::Gone;
            }
            if ends.is_some_and(|ends| Instant::now() >= ends) {
                return Next::Late;
            }
            match self.pieces.recv_timeout(LOOK) {
                Ok(piece) => self.take(&piece),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.gone = true,
            }
        }
    }

    /// The machine runs from now on, or no more.
    pub fn set_running(&mut self, running: bool) {
        self.running.store(running, Ordering::SeqCst);
    }

    /// Who wanted the machine to stop: gdb, whose word is taken, or else what is in its place.
    pub fn take_stop(&mut self) -> Result<(), Next> {
        if self.handle.is_quitting() {
            return Err(Next::Quit);
        }
        match self.bytes.iter().position(|byte| *byte == CTRL_C) {
            Some(at) => {
                self.bytes.drain(..=at);
                Ok(())
            }
            None if self.gone => Err(Next::Gone),
            None => Ok(()),
        }
    }
}

impl Client for Line {
    fn wants_stop(&mut self) -> bool {
        self.gather();
        self.gone || self.handle.is_quitting() || self.bytes.contains(&CTRL_C)
    }
}
