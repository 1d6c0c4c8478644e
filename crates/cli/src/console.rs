//! What is typed at a console on its way to the guest, and the Ctrl-A keys.

use crate::pause::{pause, start};
use ringer::sandbox::Threads;
use ringer::{Handle, Refusal};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// The key that announces a command.
const PREFIX: u8 = 0x01;
/// So many bytes may wait for the guest before reading goes on.
const BACKLOG: usize = 1 << 16;
const PAUSE: Duration = Duration::from_millis(5);

const HELP: &str = "\r\n\
    Ctrl-A X  end the run\r\n\
    Ctrl-A A  send Ctrl-A to the guest\r\n\
    Ctrl-A H  this help\r\n";

/// What a Ctrl-A key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Quit,
    Help,
}

/// Finds commands in a stream of bytes.
#[derive(Debug, Default)]
struct Keys {
    prefixed: bool,
}

impl Keys {
    /// Takes one byte: what goes to the guest, what the user wishes.
    fn take(&mut self, byte: u8) -> (Option<u8>, Option<Wish>) {
        if !std::mem::take(&mut self.prefixed) {
            self.prefixed = byte == PREFIX;
            return ((byte != PREFIX).then_some(byte), None);
        }
        match byte.to_ascii_lowercase() {
            b'x' => (None, Some(Wish::Quit)),
            b'h' | b'?' => (None, Some(Wish::Help)),
            b'a' | PREFIX => (Some(PREFIX), None),
            _ => (None, None),
        }
    }
}

/// Starts a thread that sends what `reader` yields to the guest until its end; with `keys`, Ctrl-A
/// announces commands.
pub fn feed(handle: Handle, reader: impl Read + Send + 'static, keys: bool) -> Result<(), Refusal> {
    let task = move || {
        if keys { with_keys(&handle, reader) } else { plain(&handle, reader) }
    };
    start("console input", Threads::INPUT, task)
}

/// The next bytes; `None` at the end or after an error, which for input is the same.
fn next<'a>(handle: &Handle, reader: &mut impl Read, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    while handle.backlog() > BACKLOG {
        pause(PAUSE);
    }
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

/// Sends what is typed until its end, and says that this was it.
fn plain(handle: &Handle, mut reader: impl Read) {
    let mut buffer = [0; 1024];
    while let Some(bytes) = next(handle, &mut reader, &mut buffer) {
        handle.serial_input(bytes);
    }
    handle.end_input();
}

fn with_keys(handle: &Handle, mut reader: impl Read) {
    let mut buffer = [0; 1024];
    let mut keys = Keys::default();
    while let Some(bytes) = next(handle, &mut reader, &mut buffer) {
        let mut typed = Vec::with_capacity(bytes.len());
        for byte in bytes {
            let (send, wish) = keys.take(*byte);
            typed.extend(send);
            match wish {
                Some(Wish::Quit) => {
                    handle.serial_input(&typed);
                    handle.quit();
                    return;
                }
                // A reader that went away needs no help.
                Some(Wish::Help) => drop(write!(io::stderr(), "{HELP}")),
                None => {}
            }
        }
        handle.serial_input(&typed);
    }
    handle.end_input();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(bytes: &[u8]) -> (Vec<u8>, Vec<Wish>) {
        let mut keys = Keys::default();
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
}
