//! The DHCP server (RFC 2131): one lease, for whoever asks.

use super::addresses::{DNS, GATEWAY, GUEST, MASK};
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr};
use std::net::Ipv4Addr;

pub(crate) const SERVER_PORT: u16 = 67;
pub(crate) const CLIENT_PORT: u16 = 68;
/// Seconds of a lease: longer than a guest lives, mostly.
const LEASE: u32 = 86_400;
const OPTION_DNS: u8 = 6;
const OPTION_BOOTFILE: u8 = 67;
/// An answer is at least as long as BOOTP's were, for old clients.
const LEAST: usize = 300;

/// The answer to a client's message, if it gets one.
pub(crate) fn answer(message: &[u8], bootfile: Option<&str>) -> Option<Vec<u8>> {
    let packet = DhcpPacket::new_checked(message).ok()?;
    let asked = DhcpRepr::parse(&packet).ok()?;
    let mine = |address: Option<Ipv4Addr>| address.is_none_or(|address| address == GUEST);
    let kind = match asked.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        // Another server's offer was taken.
        DhcpMessageType::Request if asked.server_identifier.is_some_and(|id| id != GATEWAY) => {
            return None;
        }
        DhcpMessageType::Request => {
            let current = Some(asked.client_ip).filter(|address| !address.is_unspecified());
            match mine(asked.requested_ip) && mine(current) {
                true => DhcpMessageType::Ack,
                false => DhcpMessageType::Nak,
            }
        }
        DhcpMessageType::Inform => DhcpMessageType::Ack,
        _ => return None,
    };
    let inform = asked.message_type == DhcpMessageType::Inform;
    let granted = kind != DhcpMessageType::Nak;
    let dns = DNS.octets();
    let mut options = Vec::new();
    if granted {
        options.push(DhcpOption { kind: OPTION_DNS, data: &dns });
        // An option has 255 bytes.
        let name = bootfile.filter(|name| name.len() <= usize::from(u8::MAX));
        options
            .extend(name.map(|name| DhcpOption { kind: OPTION_BOOTFILE, data: name.as_bytes() }));
    }
    let reply = DhcpRepr {
        message_type: kind,
        transaction_id: asked.transaction_id,
        secs: 0,
        client_hardware_address: asked.client_hardware_address,
        client_ip: if inform { asked.client_ip } else { Ipv4Addr::UNSPECIFIED },
        your_ip: if granted && !inform { GUEST } else { Ipv4Addr::UNSPECIFIED },
        server_ip: GATEWAY,
        router: granted.then_some(GATEWAY),
        subnet_mask: granted.then_some(MASK),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: asked.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(GATEWAY),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: (granted && !inform).then_some(LEASE),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &options,
    };
    let mut bytes = vec![0; reply.buffer_len().max(LEAST)];
    reply.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).ok()?;
    Some(bytes)
}
