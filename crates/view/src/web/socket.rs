//! A WebSocket over bytes in memory: the server's thread, which waits for all connections at once, moves them to and from the network.

use std::io::{self, ErrorKind, Read, Write};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// Bytes that a message of the page may have: it sends keys and motions.
const MESSAGE: usize = 1 << 16;

/// Bytes on their way.
#[derive(Debug, Default)]
struct Pipe {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = buf.len().min(self.input.len());
        buf[..len].copy_from_slice(&self.input[..len]);
        self.input.drain(..len);
        Ok(len)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a page says.
#[derive(Debug)]
pub(crate) enum Said<'a> {
    /// As a viewer.
    Bytes(&'a [u8]),
    /// Beside that.
    Text(&'a str),
}

/// The machine's end of a WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    line: WebSocket<Pipe>,
    /// A text for the page: of two that are to be sent only the later is, so a page that asks without end and reads nothing has
    /// nothing pile up.
    note: Option<String>,
}

impl Socket {
    /// One whose handshake is over.
    pub(crate) fn new() -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE))
            .max_frame_size(Some(MESSAGE))
            .read_buffer_size(4096)
            .write_buffer_size(0);
        let line = WebSocket::from_raw_socket(Pipe::default(), Role::Server, Some(config));
        Self { line, note: None }
    }

    /// Takes bytes of the network; hands what the page said to `hear`. False: it is over.
    pub(crate) fn receive(&mut self, bytes: &[u8], mut hear: impl FnMut(Said<'_>) -> bool) -> bool {
        self.line.get_mut().input.extend_from_slice(bytes);
        loop {
            let goes_on = match self.line.read() {
                Ok(Message::Binary(said)) => hear(Said::Bytes(&said)),
                Ok(Message::Text(said)) => hear(Said::Text(&said)),
                // Answers to pings wait until something is sent.
                Ok(Message::Ping(_) | Message::Pong(_)) => true,
                Ok(_) => return false,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            };
            if !goes_on {
                return false;
            }
        }
    }

    /// Has a text sent with what is sent next.
    pub(crate) fn note(&mut self, text: String) {
        self.note = Some(text);
    }

    /// Sends a message, unless it is empty, and the text that waits. False: it is over.
    pub(crate) fn send(&mut self, bytes: Vec<u8>) -> bool {
        let text = self.note.take().map(|text| Message::Text(text.into()));
        let bytes = (!bytes.is_empty()).then(|| Message::Binary(bytes.into()));
        text.into_iter().chain(bytes).all(|message| self.line.send(message).is_ok())
    }

    /// What is to go to the network; what has gone is to be taken out.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.line.get_mut().output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> WebSocket<Pipe> {
        WebSocket::from_raw_socket(Pipe::default(), Role::Client, None)
    }

    #[test]
    fn messages_go_both_ways_however_they_are_cut() {
        let (mut page, mut socket) = (client(), Socket::new());
        page.send(Message::Binary(vec![7; 300].into())).unwrap();
        page.send(Message::Ping(vec![1].into())).unwrap();
        let mut heard = Vec::new();
        for byte in std::mem::take(&mut page.get_mut().output) {
            assert!(socket.receive(&[byte], |said| {
                let Said::Bytes(said) = said else { return false };
                heard.extend_from_slice(said);
                true
            }));
        }
        assert_eq!(heard, [7; 300]);
        assert!(socket.send(vec![9; 70_000]));
        page.get_mut().input = std::mem::take(socket.output());
        let mut messages = Vec::new();
        while let Ok(message) = page.read() {
            messages.push(message);
        }
        assert!(messages.contains(&Message::Binary(vec![9; 70_000].into())), "after a pong");
    }

    #[test]
    fn what_is_too_long_or_no_frame_ends_it() {
        let (mut page, mut socket) = (client(), Socket::new());
        page.send(Message::Binary(vec![7; MESSAGE + 1].into())).unwrap();
        let bytes = std::mem::take(&mut page.get_mut().output);
        assert!(!socket.receive(&bytes, |_| true));
        // Not masked, as no page sends it.
        assert!(!Socket::new().receive(&[0x82, 1, 0], |_| true));
        assert!(!Socket::new().receive(&[0xff; 16], |_| true));
    }

    #[test]
    fn texts_go_beside_and_only_the_last_one_is_kept() {
        let (mut page, mut socket) = (client(), Socket::new());
        page.send(Message::Text("x".into())).unwrap();
        let bytes = std::mem::take(&mut page.get_mut().output);
        assert!(
            !socket.receive(&bytes, |said| !matches!(said, Said::Text("x"))),
            "it was not heard"
        );
        socket.note("one".to_owned());
        socket.note("two".to_owned());
        assert!(socket.send(Vec::new()));
        page.get_mut().input = std::mem::take(socket.output());
        assert_eq!(page.read().unwrap(), Message::Text("two".into()));
        assert!(page.read().is_err(), "and nothing else");
    }
}
