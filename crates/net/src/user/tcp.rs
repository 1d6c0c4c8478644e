//! TCP: each connection of the guest's is ended here, and goes on as one of the host's.
//!
//! A SYN is held back until the host's connection is made; then smoltcp gets a socket that listens for just that, and the SYN.
//! One that the host refuses finds no socket, and smoltcp answers it with a reset. From then on bytes move whenever one side has
//! some and the other has room: what smoltcp's buffers and the host's have none for stays where it is, and its sender waits.

mod connection;

use super::addresses::{Forward, GATEWAY, UserConfig, translate};
use super::stack::Stack;
use crate::error::NetError;
use connection::{Connection, Step, buffers};
use rustix::event::{PollFd, PollFlags};
use rustix::fd::AsFd;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Packet, TcpPacket};
use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};

/// Connections at most: each has buffers of some hundred KiB.
const MOST: usize = 128;
/// Ports that connections to the guest come from.
const PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// The guest's end of a connection and the other end, as the guest knows it.
pub(crate) type Key = ((Ipv4Addr, u16), (Ipv4Addr, u16));

/// A port that leads to the guest.
#[derive(Debug)]
struct Listener {
    listener: TcpListener,
    forward: Forward,
}

/// The connections.
#[derive(Debug)]
pub(crate) struct Tcp {
    connections: HashMap<Key, Connection>,
    listeners: Vec<Listener>,
    /// The last port that a connection to the guest came from.
    port: u16,
}

impl Tcp {
    /// No connections, and ports that lead to the guest.
    ///
    /// # Errors
    /// [`NetError::Listen`].
    pub fn new(forwards: &[Forward]) -> Result<Self, NetError> {
        let listen = |forward: &Forward| {
            let error = |source| NetError::Listen { address: forward.host, source };
            let listener = TcpListener::bind(forward.host).map_err(error)?;
            listener.set_nonblocking(true).map_err(error)?;
            Ok(Listener { listener, forward: *forward })
        };
        let listeners = forwards.iter().map(listen).collect::<Result<_, _>>()?;
        Ok(Self { connections: HashMap::new(), listeners, port: *PORTS.start() })
    }

    /// A segment of the guest's, in a packet.
    pub fn take(&mut self, config: &UserConfig, packet: &Ipv4Packet<&[u8]>, stack: &mut Stack) {
        let Ok(segment) = TcpPacket::new_checked(packet.payload()) else { return };
        let ends = [packet.src_addr(), packet.dst_addr()].map(IpAddress::Ipv4);
        if !segment.verify_checksum(&ends[0], &ends[1]) {
            return;
        }
        let key =
            ((packet.src_addr(), segment.src_port()), (packet.dst_addr(), segment.dst_port()));
        let bytes = || packet.clone().into_inner().to_vec();
        let first = segment.syn() && !segment.ack() && !segment.rst();
        match self.connections.get_mut(&key) {
            Some(connection) if connection.is_held() => {
                // It says its SYN again, or has had enough of waiting.
                if segment.rst() {
                    self.connections.remove(&key);
                }
            }
            // A new connection by the ports of one that is over.
            Some(connection) if first && connection.is_over(stack) => {
                connection.forget(stack);
                self.connections.remove(&key);
                self.begin(config, key, bytes(), stack);
            }
            None if first => self.begin(config, key, bytes(), stack),
            _ => stack.take(bytes()),
        }
    }

    /// A guest wants to connect.
    fn begin(&mut self, config: &UserConfig, key: Key, syn: Vec<u8>, stack: &mut Stack) {
        let (address, port) = key.1;
        let Some(host) = translate(config, address, port) else {
            // Nobody is there: smoltcp says so.
            stack.take(syn);
            return;
        };
        if self.connections.len() >= MOST {
            self.drop_over(stack);
        }
        // It will ask again if there are too many.
        if self.connections.len() < MOST {
            match Connection::begin(host, syn) {
                Ok(connection) => drop(self.connections.insert(key, connection)),
                Err(syn) => stack.take(syn),
            }
        }
    }

    /// Connections that both sides have ended make room for others.
    fn drop_over(&mut self, stack: &mut Stack) {
        self.connections.retain(|_, connection| {
            let over = connection.is_over(stack);
            if over {
                connection.forget(stack);
            }
            !over
        });
    }

    /// Moves what can be moved.
    pub fn work(&mut self, stack: &mut Stack) {
        self.accept(stack);
        // Sockets that listen for the same are told apart by there being one at a time.
        let mut listening = self.connections.values().any(|connection| connection.listens(stack));
        self.connections.retain(|key, connection| {
            let step = connection.step(key.1, !listening, stack);
            listening |= connection.listens(stack);
            if step == Step::Over {
                connection.forget(stack);
            }
            step == Step::On
        });
    }

    /// Takes connections for the guest.
    fn accept(&mut self, stack: &mut Stack) {
        let mut come = Vec::new();
        for Listener { listener, forward } in &self.listeners {
            while self.connections.len() + come.len() < MOST {
                let Ok((stream, _)) = listener.accept() else { break };
                come.push((stream, *forward));
            }
        }
        for (stream, forward) in come {
            let Some(port) = self.free_port(&forward) else { return };
            let mut socket = buffers();
            let to = IpEndpoint::new(forward.guest.into(), forward.port);
            let from = IpEndpoint::new(GATEWAY.into(), port);
            let asked = socket.connect(stack.interface.context(), to, from);
            if asked.is_ok() && stream.set_nonblocking(true).is_ok() {
                let socket = stack.sockets.add(socket);
                let key = ((forward.guest, forward.port), (GATEWAY, port));
                self.connections.insert(key, Connection::come(stream, socket));
            }
        }
    }

    /// A port that no connection to the guest's has.
    fn free_port(&mut self, forward: &Forward) -> Option<u16> {
        let all = PORTS.len();
        (0..all).find_map(|_| {
            self.port = if self.port == *PORTS.end() { *PORTS.start() } else { self.port + 1 };
            let key = ((forward.guest, forward.port), (GATEWAY, self.port));
            (!self.connections.contains_key(&key)).then_some(self.port)
        })
    }

    /// What it waits for.
    pub fn interests<'a>(&'a self, stack: &Stack, into: &mut Vec<PollFd<'a>>) {
        for connection in self.connections.values() {
            let flags = connection.interest(stack);
            // The end of a connection wakes whether one wants that or not.
            if !flags.is_empty() {
                into.push(PollFd::from_borrowed_fd(connection.stream.as_fd(), flags));
            }
        }
        if self.connections.len() < MOST {
            for Listener { listener, .. } in &self.listeners {
                into.push(PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
            }
        }
    }
}
