//! What is typed at a console on its way to the guest, and the keys behind the escape key ([`crate::escape`]).

use crate::escape::EscapeKey;
use crate::pause::{pause, start};
use ringer::sandbox::Threads;
use ringer::{Handle, Refusal};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// So many bytes may wait for the guest before reading goes on, where there is no escape key.
const BACKLOG: usize = 1 << 16;
/// Where there is one reading goes on, for it must be found; of what comes when so many bytes wait nothing is kept.
const KEPT: usize = 1 << 20;
const PAUSE: Duration = Duration::from_millis(5);

/// What a key behind the escape key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Quit,
    Help,
}

/// Finds commands in a stream of bytes.
#[derive(Debug)]
struct Keys {
    escape: EscapeKey,
    prefixed: bool,
}

impl Keys {
    fn new(escape: EscapeKey) -> Self {
        Self { escape, prefixed: false }
    }

    /// Takes one byte: what goes to the guest, what the user wishes.
    fn take(&mut self, byte: u8) -> (Option<u8>, Option<Wish>) {
        let escape = self.escape.byte();
        if !std::mem::take(&mut self.prefixed) {
            self.prefixed = byte == escape;
            return ((byte != escape).then_some(byte), None);
        }
        match byte.to_ascii_lowercase() {
            b'x' => (None, Some(Wish::Quit)),
            b'h' | b'?' => (None, Some(Wish::Help)),
            b'a' => (Some(escape), None),
            _ if byte == escape => (Some(escape), None),
            _ => (None, None),
        }
    }
}

/// The threads that send what is typed to a guest. When the last of them is at its end, and this is gone, nothing more will
/// come.
pub struct Feeders(Arc<Ending>);

struct Ending {
    handle: Handle,
    /// Somebody can type elsewhere.
    others: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.others {
            self.handle.end_input();
        }
    }
}

impl Feeders {
    /// None yet. Where somebody can type elsewhere (`others`) their end is not the last of the input.
    pub fn new(handle: &Handle, others: bool) -> Self {
        Self(Arc::new(Ending { handle: handle.clone(), others }))
    }

    /// Starts a thread that sends what `reader` yields to the guest's serial port `port` until its end; `escape` announces
    /// commands.
    pub fn feed(
        &self,
        port: usize,
        reader: impl Read + Send + 'static,
        escape: Option<EscapeKey>,
    ) -> Result<(), Refusal> {
        let ending = Arc::clone(&self.0);
        let task = move || {
            let line = Line { handle: &ending.handle, port };
            match escape {
                Some(escape) => with_keys(&line, reader, escape),
                None => plain(&line, reader),
            }
        };
        start("console input", Threads::INPUT, task)
    }
}

/// A guest's serial port.
struct Line<'a> {
    handle: &'a Handle,
    port: usize,
}

impl Line<'_> {
    fn send(&self, bytes: &[u8]) {
        self.handle.port_input(self.port, bytes);
    }

    fn backlog(&self) -> usize {
        self.handle.port_backlog(self.port)
    }
}

/// The next bytes; `None` at the end or after an error, which for input is the same.
fn next<'a>(reader: &mut impl Read, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    loop {
        match reader.read(buffer) {
            Ok(0) => return None,
            Ok(n) => return Some(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => pause(PAUSE),
            Err(_) => return None,
        }
    }
}

/// Sends what is typed until its end.
fn plain(line: &Line<'_>, mut reader: impl Read) {
    let mut buffer = [0; 1024];
    while let Some(bytes) = next(&mut reader, &mut buffer) {
        line.send(bytes);
        while line.backlog() > BACKLOG {
            pause(PAUSE);
        }
    }
}

fn with_keys(line: &Line<'_>, mut reader: impl Read, escape: EscapeKey) {
    let mut buffer = [0; 1024];
    let mut keys = Keys::new(escape);
    while let Some(bytes) = next(&mut reader, &mut buffer) {
        let mut typed = Vec::with_capacity(bytes.len());
        for byte in bytes {
            let (send, wish) = keys.take(*byte);
            typed.extend(send);
            match wish {
                Some(Wish::Quit) => {
                    line.send(&typed);
                    line.handle.quit();
                    return;
                }
                Some(Wish::Help) => help(escape),
                None => {}
            }
        }
        let room = KEPT.saturating_sub(line.backlog());
        line.send(&typed[..typed.len().min(room)]);
    }
}

fn help(key: EscapeKey) {
    // A reader that went away needs no help.
    let _ = write!(
        io::stderr(),
        "\r\n\
         {key} X  end the run\r\n\
         {key} A  send {key} to the guest\r\n\
         {key} H  this help\r\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::Escape;

    fn key(text: &str) -> EscapeKey {
        match text.parse() {
            Ok(Escape::Key(key)) => key,
            other => panic!("{other:?}"),
        }
    }

    fn type_in(bytes: &[u8]) -> (Vec<u8>, Vec<Wish>) {
        type_behind("ctrl-a", bytes)
    }

    fn type_behind(escape: &str, bytes: &[u8]) -> (Vec<u8>, Vec<Wish>) {
        let mut keys = Keys::new(key(escape));
        let (mut sent, mut wishes) = (Vec::new(), Vec::new());
        for byte in bytes {
            let (send, wish) = keys.take(*byte);
            sent.extend(send);
            wishes.extend(wish);
        }
        (sent, wishes)
    }

    #[test]
    fn ctrl_a_announces_commands_and_can_be_sent() {
        assert_eq!(type_in(b"ls\x03\r"), (b"ls\x03\r".to_vec(), vec![]));
        assert_eq!(type_in(b"a\x01xb"), (b"ab".to_vec(), vec![Wish::Quit]));
        assert_eq!(type_in(b"\x01X"), (vec![], vec![Wish::Quit]));
        assert_eq!(type_in(b"\x01a\x01\x01x"), (b"\x01\x01x".to_vec(), vec![]));
        assert_eq!(type_in(b"\x01h\x01zx"), (b"x".to_vec(), vec![Wish::Help]));
    }

    #[test]
    fn another_key_can_announce_them() {
        assert_eq!(
            type_behind("^]", b"\x01x\x1da\x1dX"),
            (b"\x01x\x1d".to_vec(), vec![Wish::Quit])
        );
    }
}
