//! The router: what comes over the cable goes to whom it is for.

use super::addresses::{DNS, GATEWAY, UserConfig, is_local};
use super::dhcp;
use super::packet::{ARP, IPV4, datagram, frame, ipv4, packet};
use super::stack::Stack;
use super::tcp::Tcp;
use super::udp::Udp;
use crate::error::NetError;
use crate::far::Far;
use crate::outbox::Outbox;
use ringer_devices::Mac;
use ringer_devices::link::HEADER;
use rustix::event::PollFd;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, Icmpv4Packet, Icmpv4Repr, IpAddress,
    IpProtocol, Ipv4Packet, UdpPacket,
};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Flows that are quiet are looked for that often.
const SWEEP: Duration = Duration::from_secs(10);

/// The router and all behind it.
#[derive(Debug)]
pub(crate) struct UserNet {
    config: UserConfig,
    /// The guest's address on the cable.
    mac: [u8; 6],
    stack: Stack,
    tcp: Tcp,
    udp: Udp,
}

impl UserNet {
    /// A router for a guest of this address, with its forwarded ports open.
    ///
    /// # Errors
    /// [`NetError::Listen`].
    pub fn new(config: &UserConfig, mac: Mac) -> Result<Self, NetError> {
        let tcp = Tcp::new(&config.forwards)?;
        let (stack, udp) = (Stack::new(), Udp::default());
        Ok(Self { config: config.clone(), mac: mac.0, stack, tcp, udp })
    }

    /// Somebody asks who has one of the router's addresses.
    fn arp(&self, payload: &[u8], out: &mut Outbox) {
        let Ok(request) = ArpPacket::new_checked(payload) else { return };
        let Ok(ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        }) = ArpRepr::parse(&request)
        else {
            return;
        };
        if ![GATEWAY, DNS].contains(&target_protocol_addr) {
            return;
        }
        let answer = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(super::addresses::ROUTER_MAC),
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let mut bytes = vec![0; answer.buffer_len()];
        answer.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        out.push(frame(source_hardware_addr.0, ARP, &bytes));
    }

    fn ip(&mut self, mac: [u8; 6], payload: &[u8], out: &mut Outbox) {
        let Some(packet) = ipv4(payload) else { return };
        let from = packet.src_addr();
        if !is_local(from) && !from.is_unspecified() || from == GATEWAY || from == DNS {
            return;
        }
        // An adapter can be given another address than it has.
        if mac[0] & 1 == 0 {
            self.mac = mac;
        }
        match packet.next_header() {
            IpProtocol::Tcp if is_local(from) => {
                self.tcp.take(&self.config, &packet, &mut self.stack);
            }
            IpProtocol::Udp => self.udp(&packet, out),
            IpProtocol::Icmp => self.icmp(&packet, out),
            _ => {}
        }
    }

    fn udp(&mut self, packet: &Ipv4Packet<&[u8]>, out: &mut Outbox) {
        let (from, to) = (packet.src_addr(), packet.dst_addr());
        let Ok(udp) = UdpPacket::new_checked(packet.payload()) else { return };
        let ends = [from, to].map(IpAddress::Ipv4);
        if udp.checksum() != 0 && !udp.verify_checksum(&ends[0], &ends[1]) {
            return;
        }
        if udp.dst_port() == dhcp::SERVER_PORT && (to.is_broadcast() || to == GATEWAY) {
            let answer = dhcp::answer(udp.payload(), self.config.bootfile.as_deref());
            let Some(answer) = answer else { return };
            let (server, client) =
                ((GATEWAY, dhcp::SERVER_PORT), (Ipv4Addr::BROADCAST, dhcp::CLIENT_PORT));
            for packet in datagram(server, client, &answer, 0) {
                out.push(frame([0xff; 6], IPV4, &packet));
            }
        } else if is_local(from) {
            let (from, to) = ((from, udp.src_port()), (to, udp.dst_port()));
            self.udp.take(&self.config, from, to, udp.payload());
        }
    }

    /// The router answers pings to itself.
    fn icmp(&self, asked: &Ipv4Packet<&[u8]>, out: &mut Outbox) {
        let (from, to) = (asked.src_addr(), asked.dst_addr());
        if ![GATEWAY, DNS].contains(&to) || from.is_unspecified() {
            return;
        }
        let checks = ChecksumCapabilities::default();
        let Ok(icmp) = Icmpv4Packet::new_checked(asked.payload()) else { return };
        let Ok(Icmpv4Repr::EchoRequest { ident, seq_no, data }) = Icmpv4Repr::parse(&icmp, &checks)
        else {
            return;
        };
        let answer = Icmpv4Repr::EchoReply { ident, seq_no, data };
        let mut bytes = vec![0; answer.buffer_len()];
        answer.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &checks);
        out.push(frame(self.mac, IPV4, &packet(to, from, IpProtocol::Icmp, &bytes)));
    }
}

impl Far for UserNet {
    fn take(&mut self, bytes: &[u8], out: &mut Outbox) {
        let Some((head, payload)) = bytes.split_at_checked(HEADER) else { return };
        let from = [head[6], head[7], head[8], head[9], head[10], head[11]];
        match u16::from_be_bytes([head[12], head[13]]) {
            ARP => self.arp(payload, out),
            IPV4 => self.ip(from, payload, out),
            _ => {}
        }
    }

    fn work(&mut self, out: &mut Outbox) {
        let mac = self.mac;
        if out.has_room() {
            self.udp.work(|packet| {
                out.push(frame(mac, IPV4, &packet));
                out.has_room()
            });
        }
        loop {
            self.tcp.work(&mut self.stack);
            let room = out.has_room();
            let any = self.stack.poll(room, |packet| out.push(frame(mac, IPV4, &packet)));
            // What was sent makes room for more.
            if !any {
                break;
            }
        }
    }

    fn interests<'a>(&'a self, out: &Outbox, into: &mut Vec<PollFd<'a>>) {
        if out.has_room() {
            self.udp.interests(into);
        }
        self.tcp.interests(&self.stack, into);
    }

    fn timeout(&mut self) -> Option<Duration> {
        let stack = self.stack.timeout();
        Some(stack.map_or(SWEEP, |wait| wait.min(SWEEP)))
    }
}
