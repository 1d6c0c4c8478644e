//! A connection: the guest's half is a socket of smoltcp's, the other one of the host's.

use super::super::stack::Stack;
use rustix::event::PollFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, connect, recv, send,
    shutdown, socket_with, sockopt,
};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{self, State};
use smoltcp::wire::IpListenEndpoint;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes that wait for the host, and for the guest, at most.
const FOR_HOST: usize = 128 << 10;
const FOR_GUEST: usize = 256 << 10;
/// How long a guest that is connected to may not answer.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long a connection that is over waits for what is repeated of its end.
const LINGER: Duration = Duration::from_secs(1);

/// A socket with buffers.
pub(crate) fn buffers() -> tcp::Socket<'static> {
    let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
    let mut socket = tcp::Socket::new(buffer(FOR_HOST), buffer(FOR_GUEST));
    // What the host has is sent at once: whoever collects small pieces has done so.
    socket.set_nagle_enabled(false);
    socket
}

/// Where a connection is.
#[derive(Debug)]
enum Phase {
    /// The host connects, and the guest's SYN waits.
    Connecting(Vec<u8>),
    /// Both are.
    Open(SocketHandle),
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It goes on.
    On,
    /// It is over.
    Over,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub stream: OwnedFd,
    phase: Phase,
    /// The host, or the guest, sends no more, and the other has been told.
    host_ended: bool,
    guest_ended: bool,
    /// It came to the guest, and when that is given up.
    until: Option<Instant>,
    /// Since when both have ended it.
    over: Option<Instant>,
}

impl Connection {
    fn new(stream: OwnedFd, phase: Phase) -> Self {
        let (host_ended, guest_ended) = (false, false);
        Self { stream, phase, host_ended, guest_ended, until: None, over: None }
    }

    /// The guest, whose SYN this is, connects to `host`. The SYN back if the host knows at once that it cannot be.
    pub fn begin(host: SocketAddr, syn: Vec<u8>) -> Result<Self, Vec<u8>> {
        let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let Ok(stream) = socket_with(family, SocketType::STREAM, flags, None) else {
            return Err(syn);
        };
        let _ = sockopt::set_tcp_nodelay(&stream, true);
        match connect(&stream, &host) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Self::new(stream, Phase::Connecting(syn))),
            Err(_) => Err(syn),
        }
    }

    /// Somebody has connected to the host, for the guest; `socket` asks that.
    pub fn come(stream: TcpStream, socket: SocketHandle) -> Self {
        let stream = OwnedFd::from(stream);
        let _ = sockopt::set_tcp_nodelay(&stream, true);
        let until = Some(Instant::now() + PATIENCE);
        Self { until, ..Self::new(stream, Phase::Open(socket)) }
    }

    /// Whether the guest's SYN waits.
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Connecting(_))
    }

    fn socket<'a>(&self, stack: &'a Stack) -> Option<&'a tcp::Socket<'static>> {
        match self.phase {
            Phase::Open(handle) => Some(stack.sockets.get(handle)),
            Phase::Connecting(_) => None,
        }
    }

    /// Whether its socket waits for the SYN.
    pub fn listens(&self, stack: &Stack) -> bool {
        self.socket(stack).is_some_and(|socket| socket.state() == State::Listen)
    }

    /// Whether both sides have ended it.
    pub fn is_over(&self, stack: &Stack) -> bool {
        let state = self.socket(stack).map(tcp::Socket::state);
        matches!(state, Some(State::TimeWait | State::Closed))
    }

    /// Takes its socket out of the stack.
    pub fn forget(&mut self, stack: &mut Stack) {
        if let Phase::Open(handle) = self.phase {
            // One that did not end well ends badly on the host's side, too.
            if !(self.host_ended && self.guest_ended) {
                let _ = sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            }
            stack.sockets.remove(handle);
            self.phase = Phase::Connecting(Vec::new());
        }
    }

    /// What its host's socket is waited for.
    pub fn interest(&self, stack: &Stack) -> PollFlags {
        let Some(socket) = self.socket(stack) else { return PollFlags::OUT };
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.host_ended && socket.can_send());
        flags.set(PollFlags::OUT, !self.guest_ended && socket.can_recv());
        flags
    }

    /// Moves what can be moved; `to` is the other end as the guest knows it. One that the host has made begins if it `may`.
    pub fn step(&mut self, to: (Ipv4Addr, u16), may: bool, stack: &mut Stack) -> Step {
        match &mut self.phase {
            Phase::Connecting(syn) => {
                let syn = std::mem::take(syn);
                self.connected(to, syn, may, stack)
            }
            Phase::Open(handle) => {
                let handle = *handle;
                self.pump(handle, stack)
            }
        }
    }

    /// Looks whether the host has connected.
    fn connected(
        &mut self,
        to: (Ipv4Addr, u16),
        syn: Vec<u8>,
        may: bool,
        stack: &mut Stack,
    ) -> Step {
        match sockopt::socket_error(&self.stream) {
            Ok(Ok(())) if may && self.is_connected() => {
                let mut socket = buffers();
                let end = IpListenEndpoint { addr: Some(to.0.into()), port: to.1 };
                if socket.listen(end).is_err() {
                    return Step::Over;
                }
                self.phase = Phase::Open(stack.sockets.add(socket));
                stack.take(syn);
                Step::On
            }
            Ok(Ok(())) => {
                self.phase = Phase::Connecting(syn);
                Step::On
            }
            // Refused: the SYN finds nobody who listens. Of one that nobody answered the guest hears nothing, either.
            Ok(Err(Errno::TIMEDOUT)) | Err(_) => Step::Over,
            Ok(Err(_)) => {
                stack.take(syn);
                Step::Over
            }
        }
    }

    fn is_connected(&self) -> bool {
        rustix::net::getpeername(&self.stream).is_ok()
    }

    /// Moves bytes and ends both ways.
    fn pump(&mut self, handle: SocketHandle, stack: &mut Stack) -> Step {
        let through = stack.is_through();
        let socket = stack.sockets.get_mut::<tcp::Socket<'static>>(handle);
        match socket.state() {
            // Its SYN was none that smoltcp takes.
            State::Listen if through => return Step::Over,
            State::Closed => return Step::Over,
            State::SynSent if self.until.is_some_and(|until| Instant::now() > until) => {
                socket.abort();
            }
            _ => {}
        }
        self.feed_guest(socket);
        self.feed_host(socket);
        if socket.state() == State::TimeWait && self.host_ended && self.guest_ended {
            let since = *self.over.get_or_insert_with(Instant::now);
            if since.elapsed() > LINGER {
                return Step::Over;
            }
        }
        Step::On
    }

    fn feed_guest(&mut self, socket: &mut tcp::Socket<'static>) {
        while !self.host_ended && socket.can_send() {
            let read =
                socket.send(|room| match recv(&self.stream, &mut *room, RecvFlags::empty()) {
                    Ok((len, _)) => (len, Ok(len)),
                    Err(error) => (0, Err(error)),
                });
            match read {
                Ok(Ok(0)) => {
                    self.host_ended = true;
                    socket.close();
                }
                Ok(Ok(_)) => {}
                Ok(Err(Errno::AGAIN | Errno::INTR)) => return,
                // The other end has reset it.
                Ok(Err(_)) => return socket.abort(),
                Err(_) => return,
            }
        }
    }

    fn feed_host(&mut self, socket: &mut tcp::Socket<'static>) {
        while !self.guest_ended && socket.can_recv() {
            let sent = socket.recv(|bytes| match send(&self.stream, bytes, SendFlags::NOSIGNAL) {
                Ok(len) => (len, Ok(())),
                Err(error) => (0, Err(error)),
            });
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(Errno::AGAIN | Errno::INTR)) => return,
                Ok(Err(_)) => return socket.abort(),
                Err(_) => return,
            }
        }
        let ended = matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        if ended && !self.guest_ended && !socket.can_recv() {
            self.guest_ended = true;
            let _ = shutdown(&self.stream, Shutdown::Write);
        }
    }
}
