//! passt, by its stream socket: each frame has its length before it, four bytes in network order.

use crate::error::NetError;
use crate::far::Far;
use crate::outbox::Outbox;
use ringer_devices::link::MAX_FRAME;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::AsFd;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bytes that wait to be sent at most, and that are read at one go.
const BACKLOG: usize = 1 << 20;
const CHUNK: usize = 64 << 10;
const LENGTH: usize = 4;

/// The connection.
#[derive(Debug)]
pub(crate) struct Passt {
    stream: UnixStream,
    /// What could not be sent yet: frames are whole on the wire or not at all.
    out: VecDeque<u8>,
    /// The beginning of a frame.
    come: Vec<u8>,
    /// Bytes of a frame that is too long for the guest, which are to come.
    skip: usize,
    closed: bool,
}

impl Passt {
    /// Connects to who listens at `path`.
    ///
    /// # Errors
    /// [`NetError::Passt`].
    pub fn connect(path: &Path) -> Result<Self, NetError> {
        let error = |source| NetError::Passt { path: path.to_owned(), source };
        let stream = UnixStream::connect(path).map_err(error)?;
        stream.set_nonblocking(true).map_err(error)?;
        Ok(Self { stream, out: VecDeque::new(), come: Vec::new(), skip: 0, closed: false })
    }

    fn flush(&mut self) {
        while !self.out.is_empty() {
            let (first, _) = self.out.as_slices();
            match send(&self.stream, first, SendFlags::NOSIGNAL).map_err(io::Error::from) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) => return self.failed(&error),
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
            self.closed = true;
            self.out.clear();
        }
    }

    /// Gives the guest the frames that are whole.
    fn deliver(&mut self, out: &mut Outbox) {
        let mut rest = &self.come[..];
        loop {
            let skipped = self.skip.min(rest.len());
            self.skip -= skipped;
            rest = &rest[skipped..];
            let Some((head, tail)) = rest.split_first_chunk::<LENGTH>() else { break };
            let len = u32::from_be_bytes(*head) as usize;
            if len > MAX_FRAME {
                (self.skip, rest) = (len, tail);
            } else if let Some(frame) = tail.get(..len) {
                out.push(frame.to_vec());
                rest = &tail[len..];
            } else {
                break;
            }
        }
        let done = self.come.len() - rest.len();
        self.come.drain(..done);
    }
}

impl Far for Passt {
    fn take(&mut self, frame: &[u8], _out: &mut Outbox) {
        if self.closed || self.out.len() + frame.len() > BACKLOG {
            return;
        }
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.out.extend(len.to_be_bytes());
        self.out.extend(frame);
    }

    fn work(&mut self, out: &mut Outbox) {
        self.flush();
        let mut buffer = vec![0; CHUNK];
        // No more than a chunk's frames are over what has room.
        while !self.closed && out.has_room() {
            match recv(&self.stream, &mut buffer[..], RecvFlags::empty()).map_err(io::Error::from) {
                Ok((0, _)) => self.closed = true,
                Ok((len, _)) => {
                    self.come.extend_from_slice(&buffer[..len]);
                    self.deliver(out);
                }
                Err(error) => return self.failed(&error),
            }
        }
    }

    fn interests<'a>(&'a self, out: &Outbox, into: &mut Vec<PollFd<'a>>) {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, out.has_room());
        flags.set(PollFlags::OUT, !self.out.is_empty());
        if !self.closed && !flags.is_empty() {
            into.push(PollFd::from_borrowed_fd(self.stream.as_fd(), flags));
        }
    }

    fn timeout(&mut self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc::channel;

    #[test]
    fn frames_go_with_their_length_and_come_in_any_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passt");
        assert!(matches!(Passt::connect(&path), Err(NetError::Passt { .. })));
        let listener = UnixListener::bind(&path).unwrap();
        let mut passt = Passt::connect(&path).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let (near, far) = channel();
        let mut out = Outbox::new(Box::new(move |frame| near.send(frame.to_vec()).is_ok()), None);
        passt.take(&[9; 60], &mut out);
        passt.work(&mut out);
        let mut sent = [0; 64];
        peer.read_exact(&mut sent).unwrap();
        assert_eq!((&sent[..4], &sent[4..]), (&[0, 0, 0, 60][..], &[9; 60][..]));
        // A short one, one that no adapter takes, and another, byte by byte.
        let mut bytes = vec![0, 0, 0, 3, 1, 2, 3, 0, 0, 0x10, 0];
        bytes.extend([0xff; 0x1000]);
        bytes.extend([0, 0, 0, 2, 4, 5]);
        for byte in bytes {
            peer.write_all(&[byte]).unwrap();
            passt.work(&mut out);
        }
        drop(peer);
        passt.work(&mut out);
        assert!(passt.closed);
        drop(out);
        assert_eq!(far.iter().collect::<Vec<_>>(), [vec![1, 2, 3], vec![4, 5]]);
    }
}
