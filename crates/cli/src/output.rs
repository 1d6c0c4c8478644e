//! A serial line's way out: bytes are gathered and written by a thread of their own.
//!
//! The guest sends one byte at a time, and a system call for each would slow it down; a prompt
//! without a newline must still appear at once. So the thread wakes at the first byte, waits a
//! moment for more, and writes what is there. An error is kept and handed to the guest's side at its
//! next byte, or to [`Output::finish`].

use crate::pause::{pause, start};
use ringer::sandbox::Threads;
use ringer::{Refusal, SerialSink};
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the writer waits for more bytes after the first.
const GATHER: Duration = Duration::from_millis(1);
/// Bytes that may wait for a slow reader before the guest is held up.
const FULL: usize = 1 << 20;
/// [`Output::finish`] gives up on a reader that takes nothing for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a blocked output is tried again.
const RETRY: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    writing: bool,
    error: Option<io::Error>,
    broken: bool,
    /// Bytes written so far.
    written: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
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
}

/// A serial line's sink. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Output(Arc<Shared>);

impl Output {
    /// Starts the thread that writes to `writer`.
    pub fn new(writer: impl Write + Send + 'static) -> Result<Self, Refusal> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        start("serial output", Threads::OUTPUT, move || write_all(&theirs, writer))?;
        Ok(Self(shared))
    }

    /// Waits until everything is written.
    pub fn finish(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        let (mut seen, mut since) = (state.written, Instant::now());
        while (state.writing || !state.waiting.is_empty()) && !state.broken {
            state = self.0.wait(state, RETRY);
            if state.written != seen {
                (seen, since) = (state.written, Instant::now());
            } else if since.elapsed() > PATIENCE {
                return Err(io::Error::new(ErrorKind::TimedOut, "nobody reads it"));
            }
        }
        state.error.take().map_or(Ok(()), Err)
    }
}

impl SerialSink for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        while state.waiting.len() >= FULL && !state.broken {
            state = self.0.wait(state, PATIENCE);
        }
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if state.broken {
            return Ok(());
        }
        let wake = state.waiting.is_empty() && !state.writing;
        state.waiting.extend_from_slice(bytes);
        drop(state);
        if wake {
            self.0.changed.notify_all();
        }
        Ok(())
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
        state.writing = true;
        drop(state);
        let result = write_some(shared, &mut writer, &bytes);
        let mut state = shared.lock();
        state.writing = false;
        let failed = result.is_err();
        if let Err(error) = result {
            state.error = Some(error);
            state.broken = true;
            state.waiting.clear();
        }
        drop(state);
        shared.changed.notify_all();
        if failed {
            return;
        }
    }
}

/// Writes `bytes`, telling of the progress; an output that would block is tried again.
fn write_some(shared: &Shared, writer: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match writer.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                shared.lock().written += n as u64;
                shared.changed.notify_all();
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => pause(RETRY),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    writer.flush()
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

    #[test]
    fn everything_is_written_in_order() {
        let there = Collected::default();
        let mut output = Output::new(there.clone()).unwrap();
        for byte in 0..=255u8 {
            output.write(&[byte]).unwrap();
        }
        output.finish().unwrap();
        assert_eq!(*there.0.lock().unwrap(), (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn an_error_is_told_once_and_then_output_is_discarded() {
        let mut output = Output::new(Broken).unwrap();
        output.write(b"x").unwrap();
        let error = output.clone().finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        output.write(b"y").unwrap();
        output.finish().unwrap();
    }
}
