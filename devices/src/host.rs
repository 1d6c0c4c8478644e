//! The host's ends of a board: where a device's output goes, and what the board wants of the machine
//! around it.
//!
//! Invariant: a guest cannot make the queue of events grow: it holds at most one of each kind.

use std::collections::VecDeque;
use std::fmt;
use std::io;

/// Whether a sink wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It does.
    Free,
    /// It will soon: the machine had better wait.
    Soon,
    /// It does not, and nobody knows when it will. What is sent all the same may be lost.
    None,
}

/// Where the bytes of a serial line go.
pub trait SerialSink: Send {
    /// Takes all of `bytes`. It is called on the thread that runs the machine and must not wait for whoever reads the
    /// bytes: time limits hold between calls only. A sink that has too much says so by [`SerialSink::room`].
    ///
    /// # Errors
    /// Whatever the host says; the board reports it once and then discards the line's output.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether it wants more. It is asked after each [`SerialSink::write`], and from then on until the answer is
    /// [`Room::Free`]: the machine stands still at [`Room::Soon`], and at [`Room::None`] the guest finds the
    /// transmitter busy (not with the virtual clock, under which no guest sees how fast its output is read).
    fn room(&mut self) -> Room {
        Room::Free
    }
}

/// What the board wants of the machine around it.
#[derive(Debug)]
pub enum BoardEvent {
    /// The guest entered ACPI S5.
    PowerOff,
    /// The guest pulled a reset line (CF9h, i8042, port 92h).
    Reset,
    /// The guest wrote this value to the debug-exit port.
    DebugExit(u32),
    /// The A20 gate opened (`true`) or closed.
    A20(bool),
    /// The guest wrote this byte to the firmware port: the machine serves the call before the next
    /// instruction.
    FirmwareCall(u8),
    /// A sink failed; its further output is discarded.
    SerialError(io::Error),
}

/// Events that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Events(VecDeque<BoardEvent>);

impl Events {
    /// Queues an event. One of a kind is enough: of gates and calls the latest counts, of errors and ways
    /// to end the run the first.
    pub(crate) fn post(&mut self, event: BoardEvent) {
        let kind = std::mem::discriminant(&event);
        let queued = self.0.iter_mut().find(|e| std::mem::discriminant(*e) == kind);
        match (queued, &event) {
            (None, _) => self.0.push_back(event),
            (Some(queued), BoardEvent::A20(_) | BoardEvent::FirmwareCall(_)) => *queued = event,
            (Some(_), _) => {}
        }
    }

    /// The oldest event.
    pub(crate) fn take(&mut self) -> Option<BoardEvent> {
        self.0.pop_front()
    }

    /// The value of the firmware call that waits, if one does.
    pub(crate) fn take_call(&mut self) -> Option<u8> {
        let call = |event: &BoardEvent| matches!(event, BoardEvent::FirmwareCall(_));
        let at = self.0.iter().position(call)?;
        match self.0.remove(at)? {
            BoardEvent::FirmwareCall(value) => Some(value),
            _ => None,
        }
    }

    /// True when there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A reset: what the guest asked for before it is forgotten, a sink's failure is not.
    pub(crate) fn reset(&mut self) {
        self.0.retain(|event| matches!(event, BoardEvent::SerialError(_)));
    }
}

/// A sink that is given up on after its first error.
pub(crate) struct Output {
    sink: Box<dyn SerialSink>,
    failed: bool,
}

impl Output {
    /// Output that goes to `sink`.
    pub(crate) fn new(sink: Box<dyn SerialSink>) -> Self {
        Output { sink, failed: false }
    }

    /// Sends `bytes`; the first failure is answered, later ones are not.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Option<io::Error> {
        if self.failed {
            return None;
        }
        let error = self.sink.write(bytes).err();
        self.failed = error.is_some();
        error
    }

    /// Whether it wants more.
    #[inline]
    pub(crate) fn room(&mut self) -> Room {
        if self.failed { Room::Free } else { self.sink.room() }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// POST codes that are kept.
const POST_LOG: usize = 4096;

/// The latest codes written to port 80h.
#[derive(Debug)]
pub(crate) struct PostLog {
    on: bool,
    codes: Vec<u8>,
    /// Codes so far.
    noted: u64,
}

impl PostLog {
    /// An empty log; one that is not `on` stays empty.
    pub(crate) fn new(on: bool) -> Self {
        PostLog { on, codes: Vec::new(), noted: 0 }
    }

    /// Notes a code.
    pub(crate) fn note(&mut self, code: u8) {
        if self.on {
            if self.codes.len() >= 2 * POST_LOG {
                self.codes.drain(..POST_LOG);
            }
            self.codes.push(code);
            self.noted += 1;
        }
    }

    /// The latest 4096, oldest first.
    pub(crate) fn codes(&self) -> &[u8] {
        &self.codes[self.codes.len().saturating_sub(POST_LOG)..]
    }

    /// How many came before those.
    pub(crate) fn left_out(&self) -> u64 {
        self.noted - self.codes().len() as u64
    }
}
