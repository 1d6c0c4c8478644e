//! The Internet checksum (RFC 1071), as the controller puts it into frames and finds it there.

/// The sum of `bytes` as words in network order, ones' complement, added to `sum`.
pub(crate) fn add(sum: u16, bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    });
    fold(pairs.sum::<u64>() + u64::from(sum))
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Puts the checksum of `frame` from `start` to its end, or to `end` inclusive where that is not 0, at `place`. What lies
/// there counts, as a sum of what the frame does not have.
pub(crate) fn insert(frame: &mut [u8], start: usize, end: usize, place: usize) {
    let end = if end == 0 { frame.len() } else { frame.len().min(end + 1) };
    let Some(bytes) = frame.get(start..end) else { return };
    let sum = !add(0, bytes);
    if let Some(place) = frame.get_mut(place..place + 2) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// What is found of the checksums in a frame that came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The IPv4 header has one, which is right or not.
    pub ip: Option<bool>,
    /// TCP or UDP likewise.
    pub transport: Option<bool>,
}

/// Looks for checksums in an Ethernet frame without a VLAN tag.
pub(crate) fn find(frame: &[u8]) -> Found {
    let nothing = Found::default();
    let Some(packet) = frame.get(14..) else { return nothing };
    if frame[12..14] != [8, 0] || packet.len() < 20 || packet[0] >> 4 != 4 {
        return nothing;
    }
    let header = usize::from(packet[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let (Some(ip), Some(payload)) = (packet.get(..header), packet.get(header..total)) else {
        return nothing;
    };
    let found = Found { ip: Some(header >= 20 && add(0, ip) == 0xffff), transport: None };
    // A fragment has only a part of what is summed.
    if header < 20 || u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0 {
        return found;
    }
    let least = match packet[9] {
        6 => 20,
        // Without a checksum there is nothing to say.
        17 if payload.get(6..8).is_some_and(|sum| sum != [0, 0]) => 8,
        _ => return found,
    };
    let mut sum = add(0, &packet[12..20]);
    sum = add(sum, &[0, packet[9]]);
    sum = add(sum, &(payload.len() as u16).to_be_bytes());
    Found { transport: Some(payload.len() >= least && add(sum, payload) == 0xffff), ..found }
}
