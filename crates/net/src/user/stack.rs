//! smoltcp as the router's TCP towards the guest: an interface that answers for every address, and packets in two queues.

use super::addresses::GATEWAY;
use super::packet::MTU;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant as Now};

/// Packets in each queue at most.
const MOST: usize = 512;

/// Packets between smoltcp and the cable.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    come: VecDeque<Vec<u8>>,
    go: VecDeque<Vec<u8>>,
    /// The guest takes no more at the moment.
    blocked: bool,
}

pub(crate) struct Come(Vec<u8>);
pub(crate) struct Go<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Come {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Go<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Packets {
    fn has_room(&self) -> bool {
        !self.blocked && self.go.len() < MOST
    }
}

impl Device for Packets {
    type RxToken<'a> = Come;
    type TxToken<'a> = Go<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Come, Go<'_>)> {
        if !self.has_room() {
            return None;
        }
        let packet = self.come.pop_front()?;
        Some((Come(packet), Go(&mut self.go)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Go<'_>> {
        self.has_room().then_some(Go(&mut self.go))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

/// The interface, its sockets, and time as it counts it.
pub(crate) struct Stack {
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    packets: Packets,
    began: Now,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("packets", &self.packets).finish_non_exhaustive()
    }
}

impl Stack {
    /// An interface that is the router, and everybody behind it.
    pub fn new() -> Self {
        let mut packets = Packets::default();
        let config = Config::new(HardwareAddress::Ip);
        let mut interface = Interface::new(config, &mut packets, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::Ipv4(Ipv4Cidr::new(GATEWAY, 24));
            let added = addresses.push(own);
            debug_assert!(added.is_ok(), "the first has room");
        });
        let added = interface.routes_mut().add_default_ipv4_route(GATEWAY);
        debug_assert!(added.is_ok(), "the first has room");
        interface.set_any_ip(true);
        Self { interface, sockets: SocketSet::new(Vec::new()), packets, began: Now::now() }
    }

    fn now(&self) -> Instant {
        let micros = self.began.elapsed().as_micros();
        Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// A packet of the guest's.
    pub fn take(&mut self, packet: Vec<u8>) {
        if self.packets.come.len() < MOST {
            self.packets.come.push_back(packet);
        }
    }

    /// Whether what the guest sent has been looked at.
    pub fn is_through(&self) -> bool {
        self.packets.come.is_empty()
    }

    /// Works on what came, and makes what there is to send; nothing is made while the guest has no room. `each` gets the
    /// packets for the guest. Whether there were any.
    pub fn poll(&mut self, room: bool, mut each: impl FnMut(Vec<u8>)) -> bool {
        self.packets.blocked = !room;
        let now = self.now();
        self.interface.poll(now, &mut self.packets, &mut self.sockets);
        let any = !self.packets.go.is_empty();
        self.packets.go.drain(..).for_each(&mut each);
        any
    }

    /// When there is something to do at the latest.
    pub fn timeout(&mut self) -> Option<Duration> {
        let now = self.now();
        self.interface.poll_delay(now, &self.sockets).map(Duration::from)
    }
}
