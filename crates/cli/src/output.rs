//! A way out that nobody waits for: bytes are gathered and written by a thread of their own.
//!
//! The guest sends one byte at a time, and a system call for each would slow it down; a prompt
//! without a newline must still appear at once. So the thread wakes at the first byte, waits a
//! moment for more, and writes what is there. An error is kept and handed to the guest's side at its
//! next byte, or to [`Output::finish`].
//!
//! What waits is bounded. With [`FULL`] bytes the machine is to stand still while the reader is at it
//! ([`Room::Soon`]); from a reader that has taken nothing for [`DEAF`] on, the run goes on without it: bytes that do
//! not fit are lost and counted, until the reader takes some again.

use crate::pause::{pause, start};
use ringer::sandbox::Threads;
use ringer::{Handle, Refusal, Room, SerialSink};
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long the writer waits for more bytes after the first.
const GATHER: Duration = Duration::from_millis(1);
/// Bytes that may wait for a slow reader before the machine is held up.
const FULL: usize = 1 << 20;
/// Bytes that are taken beyond that: what an instruction sends before the machine stands still.
const SLACK: usize = 64 << 10;
/// From so long on a reader that takes nothing is not waited for.
const DEAF: Duration = Duration::from_secs(3);
/// [`Output::finish`] gives up on a reader that takes nothing for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are written at a time: that a reader takes some is to be noticed.
const PART: usize = 1024;
/// How often a blocked output is tried again.
const RETRY: Duration = Duration::from_millis(2);

#[derive(Debug)]
struct State {
    waiting: Vec<u8>,
    /// Bytes that the writer has taken of those and not written yet.
    in_hand: usize,
    error: Option<io::Error>,
    broken: bool,
    /// When the reader last took something, or there was nothing for it.
    moved: Instant,
    /// Bytes that were lost.
    lost: u64,
}

impl State {
    fn unwritten(&self) -> usize {
        self.waiting.len() + self.in_hand
    }

    fn room(&self) -> Room {
        match self.unwritten() < FULL || self.broken {
            true => Room::Free,
            false if self.moved.elapsed() < DEAF => Room::Soon,
            false => Room::None,
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// There was no room: whoever makes some tells the machine.
    full: AtomicBool,
    machine: OnceLock<Owner>,
}

/// The machine whose output it is.
#[derive(Debug)]
struct Owner {
    handle: Handle,
    /// When its run is to be over.
    until: Option<Instant>,
}

impl Owner {
    fn is_ending(&self) -> bool {
        self.handle.is_quitting() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before the lock is released.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The reader took `n` bytes.
    fn took(&self, n: usize) {
        let mut state = self.lock();
        state.in_hand = state.in_hand.saturating_sub(n);
        state.moved = Instant::now();
        let freed = state.unwritten() <= FULL / 2 && self.full.swap(false, Ordering::Relaxed);
        drop(state);
        self.changed.notify_all();
        if freed && let Some(machine) = self.machine.get() {
            machine.handle.look();
        }
    }
}

/// The end of an output's work.
#[derive(Debug, Default)]
pub struct Finished {
    /// What failed, if nobody was told.
    pub error: Option<io::Error>,
    /// Bytes that no reader took.
    pub lost: u64,
}

/// A serial line's sink, or another way out. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Output(Arc<Shared>);

impl Output {
    /// Starts the thread that writes to `writer`.
    pub fn new(writer: impl Write + Send + 'static) -> Result<Self, Refusal> {
        let state = State {
            waiting: Vec::new(),
            in_hand: 0,
            error: None,
            broken: false,
            moved: Instant::now(),
            lost: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            full: AtomicBool::new(false),
            machine: OnceLock::new(),
        });
        let theirs = Arc::clone(&shared);
        start("output", Threads::OUTPUT, move || write_all(&theirs, writer))?;
        Ok(Self(shared))
    }

    /// The machine whose output this is, and when its run is to be over.
    pub fn belongs_to(&self, handle: Handle, until: Option<Instant>) {
        self.0.machine.get_or_init(|| Owner { handle, until });
    }

    /// Waits until everything is written: as long as the reader takes something, and not beyond `until`.
    pub fn finish(&self, until: Option<Instant>) -> Finished {
        let mut state = self.0.lock();
        let given_up = |state: &State| {
            state.moved.elapsed() > PATIENCE || until.is_some_and(|until| Instant::now() >= until)
        };
        state.moved = Instant::now();
        while state.unwritten() > 0 && !state.broken && !given_up(&state) {
            state = self.0.wait(state, RETRY);
        }
        let left = if state.broken { 0 } else { state.unwritten() as u64 };
        Finished { error: state.error.take(), lost: state.lost + left }
    }

    /// Takes `bytes`; where there is no room it waits for a reader that is at it, but not when the run is to end.
    pub fn push(&self, bytes: &[u8]) -> io::Result<()> {
        // No piece is more than what fits behind the last room.
        bytes.chunks(SLACK).try_for_each(|piece| self.push_piece(piece))
    }

    fn push_piece(&self, piece: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let ending = || self.0.machine.get().is_some_and(Owner::is_ending);
        while state.room() == Room::Soon && !ending() {
            state = self.0.wait(state, RETRY);
        }
        drop(state);
        self.take(piece)
    }

    fn take(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if state.broken {
            return Ok(());
        }
        let unwritten = state.unwritten();
        if unwritten == 0 {
            state.moved = Instant::now();
        }
        let taken = bytes.len().min((FULL + SLACK).saturating_sub(unwritten));
        state.lost += (bytes.len() - taken) as u64;
        state.waiting.extend_from_slice(&bytes[..taken]);
        if state.unwritten() >= FULL {
            self.0.full.store(true, Ordering::Relaxed);
        }
        drop(state);
        if unwritten == 0 {
            self.0.changed.notify_all();
        }
        Ok(())
    }
}

impl SerialSink for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.take(bytes)
    }

    fn room(&mut self) -> Room {
        match self.0.full.load(Ordering::Relaxed) {
            // Half of it is to be written before the machine is held up again.
            true => match self.0.lock() {
                state if state.unwritten() <= FULL / 2 => Room::Free,
                state if state.broken => Room::Free,
                state if state.moved.elapsed() < DEAF => Room::Soon,
                _ => Room::None,
            },
            false => Room::Free,
        }
    }
}

/// The writer thread; it lives as long as the process.
fn write_all(shared: &Shared, mut writer: impl Write) {
    loop {
        let mut state = shared.lock();
        while state.waiting.is_empty() {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        pause(GATHER);
        let mut state = shared.lock();
        let bytes = std::mem::take(&mut state.waiting);
        state.in_hand = bytes.len();
        drop(state);
        if let Err(error) = write_some(shared, &mut writer, &bytes) {
            let mut state = shared.lock();
            state.error = Some(error);
            state.broken = true;
            state.waiting = Vec::new();
            drop(state);
            shared.took(bytes.len());
            return;
        }
    }
}

/// Writes `bytes`, telling of the progress; an output that would block is tried again.
fn write_some(shared: &Shared, writer: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    // Bytes that the writer has taken and not seen out yet count as unwritten until `flush` has.
    while !bytes.is_empty() {
        let part = &bytes[..bytes.len().min(PART)];
        match writer.write(part) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                if bytes.is_empty() {
                    writer.flush()?;
                }
                shared.took(n);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => pause(RETRY),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Discards a serial line's output.
#[derive(Debug)]
pub struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::thread;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(ErrorKind::StorageFull))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Collected(Arc<Mutex<Vec<u8>>>);

    impl Write for Collected {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(&bytes[..1]);
            Ok(1)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A reader that takes nothing until it is told to, and nothing more once there is nobody to tell it.
    struct Stopped(Receiver<usize>, usize);

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            while self.1 == 0 {
                match self.0.recv() {
                    Ok(more) => self.1 += more,
                    Err(_) => loop {
                        thread::park();
                    },
                }
            }
            let n = bytes.len().min(self.1);
            self.1 -= n;
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_written_in_order() {
        let there = Collected::default();
        let mut output = Output::new(there.clone()).unwrap();
        for byte in 0..=255u8 {
            output.write(&[byte]).unwrap();
        }
        let finished = output.finish(None);
        assert!(finished.error.is_none() && finished.lost == 0);
        assert_eq!(*there.0.lock().unwrap(), (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn an_error_is_told_once_and_then_output_is_discarded() {
        let mut output = Output::new(Broken).unwrap();
        output.write(b"x").unwrap();
        let error = output.clone().finish(None).error.unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        output.write(b"y").unwrap();
        assert!(output.finish(None).error.is_none());
        assert_eq!(output.room(), Room::Free);
    }

    #[test]
    fn a_reader_that_stops_holds_the_machine_up_for_a_while_and_then_loses() {
        let (tell, told) = sync_channel(1);
        let mut output = Output::new(Stopped(told, 0)).unwrap();
        let all = 2 * FULL;
        let (mut sent, mut first) = (0, None);
        while sent < all {
            output.write(&[0; 1024]).unwrap();
            sent += 1024;
            if first.is_none() && output.room() != Room::Free {
                first = Some((sent, output.room()));
            }
        }
        assert_eq!(first, Some((FULL, Room::Soon)));
        let started = Instant::now();
        while output.room() == Room::Soon {
            assert!(started.elapsed() < 2 * DEAF);
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(output.room(), Room::None);
        // It takes some, and is waited for again, until half of it is out.
        tell.send(1024).unwrap();
        while output.room() == Room::None {
            thread::sleep(RETRY);
        }
        assert_eq!(output.room(), Room::Soon);
        tell.send(FULL).unwrap();
        while output.room() != Room::Free {
            thread::sleep(RETRY);
        }
        let lost = output.finish(Some(Instant::now())).lost;
        let out = 1024 + FULL as u64;
        assert!(lost >= all as u64 - out - SLACK as u64 && lost <= all as u64 - SLACK as u64);
    }

    #[test]
    fn what_is_pushed_waits_for_a_reader_that_is_at_it() {
        let there = Collected::default();
        let output = Output::new(there.clone()).unwrap();
        for _ in 0..6 {
            output.push(&[7; FULL / 4]).unwrap();
        }
        assert_eq!(output.finish(None).lost, 0);
        assert_eq!(there.0.lock().unwrap().len(), 6 * FULL / 4);
    }
}
