//! Packets and frames, made and looked into.

use super::addresses::ROUTER_MAC;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr};
use std::net::Ipv4Addr;

/// Bytes of a packet at most, on the guest's network.
pub(crate) const MTU: usize = 1500;
/// Of an IPv4 header without options.
pub(crate) const HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const TTL: u8 = 64;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV4: u16 = 0x0800;

/// An Ethernet frame from the router.
pub(crate) fn frame(to: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.extend(to);
    frame.extend(ROUTER_MAC);
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An IPv4 packet of the guest's, without what is behind it in its frame. `None` for what is none, is damaged, or is a
/// fragment.
pub(crate) fn ipv4(bytes: &[u8]) -> Option<Ipv4Packet<&[u8]>> {
    let whole = Ipv4Packet::new_checked(bytes).ok()?;
    let packet = Ipv4Packet::new_checked(bytes.get(..usize::from(whole.total_len()))?).ok()?;
    let sane = packet.version() == 4 && usize::from(packet.header_len()) >= HEADER;
    let fragment = packet.more_frags() || packet.frag_offset() != 0;
    (sane && !fragment && packet.verify_checksum()).then_some(packet)
}

/// An IPv4 packet.
pub(crate) fn packet(
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: IpProtocol,
    payload: &[u8],
) -> Vec<u8> {
    let repr = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit: TTL,
    };
    let mut bytes = vec![0; HEADER + payload.len()];
    repr.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    bytes[HEADER..].copy_from_slice(payload);
    bytes
}

/// A UDP datagram as packets: several where one has no room for it, `number` being their identification.
pub(crate) fn datagram(
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    payload: &[u8],
    number: u16,
) -> Vec<Vec<u8>> {
    let mut udp = vec![0; UDP_HEADER + payload.len()];
    UdpRepr { src_port: from.1, dst_port: to.1 }.emit(
        &mut UdpPacket::new_unchecked(&mut udp),
        &IpAddress::Ipv4(from.0),
        &IpAddress::Ipv4(to.0),
        payload.len(),
        |place| place.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    if HEADER + udp.len() <= MTU {
        return vec![packet(from.0, to.0, IpProtocol::Udp, &udp)];
    }
    // Offsets are counted in eights.
    let piece = (MTU - HEADER) / 8 * 8;
    let count = udp.len().div_ceil(piece);
    let pieces = udp.chunks(piece).enumerate().map(|(n, part)| {
        let mut bytes = packet(from.0, to.0, IpProtocol::Udp, part);
        let mut header = Ipv4Packet::new_unchecked(&mut bytes);
        header.set_ident(number);
        header.set_dont_frag(false);
        header.set_more_frags(n + 1 < count);
        header.set_frag_offset(u16::try_from(n * piece).unwrap_or(u16::MAX));
        header.fill_checksum();
        bytes
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
    const B: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

    #[test]
    fn long_datagrams_are_fragments_that_add_up() {
        let payload: Vec<u8> = (0..4000u32).map(|n| n as u8).collect();
        let pieces = datagram((A, 1), (B, 2), &payload, 77);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [1500, 1500, 1068]);
        let mut whole = Vec::new();
        for (n, bytes) in pieces.iter().enumerate() {
            let packet = Ipv4Packet::new_checked(&bytes[..]).unwrap();
            assert!(packet.verify_checksum() && packet.ident() == 77);
            assert_eq!(
                (usize::from(packet.frag_offset()), packet.more_frags()),
                (whole.len(), n < 2)
            );
            whole.extend_from_slice(packet.payload());
            assert!(ipv4(bytes).is_none(), "a fragment");
        }
        let udp = UdpPacket::new_checked(&whole[..]).unwrap();
        assert!(udp.verify_checksum(&A.into(), &B.into()));
        assert_eq!(udp.payload(), payload);
    }

    #[test]
    fn what_is_no_packet_is_none() {
        let good = packet(A, B, IpProtocol::Udp, &[1; 30]);
        let padded = [&good[..], &[0; 10]].concat();
        assert_eq!(ipv4(&padded).unwrap().payload(), [1; 30]);
        for len in 0..good.len() {
            assert!(ipv4(&good[..len]).is_none(), "{len} bytes");
        }
        for at in 0..HEADER {
            let mut bad = good.clone();
            bad[at] ^= 0x11;
            assert!(ipv4(&bad).is_none(), "byte {at}");
        }
    }
}
