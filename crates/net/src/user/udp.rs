//! UDP: a socket of the host's for each port of the guest's, as long as something goes over it.

use super::addresses::{DNS, DNS_PORT, GATEWAY, UserConfig, translate};
use super::packet::datagram;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, recvfrom, sendto,
    socket_with,
};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Sockets at most; the one that was quiet longest makes room.
const MOST: usize = 128;
/// How long one lives without a datagram.
const QUIET: Duration = Duration::from_secs(120);
/// Datagrams that are read from one at one go.
const BURST: usize = 32;
const LONGEST: usize = 65_507;

/// A port of the guest's, and whether it asks the resolver, who may be of another family.
type Key = (Ipv4Addr, u16, bool);

#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    last: Instant,
}

/// The flows.
#[derive(Debug, Default)]
pub(crate) struct Udp {
    flows: HashMap<Key, Flow>,
    /// Identifies fragments.
    number: u16,
    buffer: Vec<u8>,
}

impl Udp {
    /// A datagram of the guest's.
    pub fn take(
        &mut self,
        config: &UserConfig,
        from: (Ipv4Addr, u16),
        to: (Ipv4Addr, u16),
        payload: &[u8],
    ) {
        let Some(host) = translate(config, to.0, to.1) else { return };
        let key = (from.0, from.1, to.0 == DNS);
        if !self.flows.contains_key(&key) {
            self.make_room();
            let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let Ok(socket) = socket_with(family, SocketType::DGRAM, flags, None) else { return };
            self.flows.insert(key, Flow { socket, last: Instant::now() });
        }
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.last = Instant::now();
            // What the host does not take is lost, as datagrams are.
            let _ = sendto(&flow.socket, payload, SendFlags::NOSIGNAL, &host);
        }
    }

    fn make_room(&mut self) {
        while self.flows.len() >= MOST {
            let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.last);
            let Some(key) = oldest.map(|(key, _)| *key) else { return };
            self.flows.remove(&key);
        }
    }

    /// Reads what has come for the guest; `each` gets the packets, and says whether there is room for more.
    pub fn work(&mut self, mut each: impl FnMut(Vec<u8>) -> bool) {
        self.flows.retain(|_, flow| flow.last.elapsed() < QUIET);
        self.buffer.resize(LONGEST, 0);
        for ((address, port, asks), flow) in &mut self.flows {
            for _ in 0..BURST {
                let Ok((len, _, sender)) =
                    recvfrom(&flow.socket, &mut self.buffer[..], RecvFlags::empty())
                else {
                    break;
                };
                flow.last = Instant::now();
                let Some(from) = sender.and_then(|from| seen(&from, *asks)) else { continue };
                self.number = self.number.wrapping_add(1);
                let payload = &self.buffer[..len.min(LONGEST)];
                let packets = datagram(from, (*address, *port), payload, self.number);
                let mut room = true;
                for packet in packets {
                    room = each(packet);
                }
                if !room {
                    return;
                }
            }
        }
    }

    /// What it waits for.
    pub fn interests<'a>(&'a self, into: &mut Vec<PollFd<'a>>) {
        let sockets = self.flows.values().map(|flow| flow.socket.as_fd());
        into.extend(sockets.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)));
    }
}

/// Who a sender on the host's side is to the guest.
fn seen(from: &SocketAddrAny, asks: bool) -> Option<(Ipv4Addr, u16)> {
    let from = SocketAddr::try_from(from.clone()).ok()?;
    match from.ip() {
        _ if asks => Some((DNS, DNS_PORT)),
        IpAddr::V4(address) if address.is_loopback() => Some((GATEWAY, from.port())),
        IpAddr::V4(address) => Some((address, from.port())),
        IpAddr::V6(_) => None,
    }
}
