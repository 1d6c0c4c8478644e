//! Who is who on the guest's network, and where that leads on the host's.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The router.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The resolver.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// The address that DHCP gives.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The network's mask, and who all are.
pub(crate) const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
/// The router's address on the cable.
pub(crate) const ROUTER_MAC: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];
/// Where names are asked for.
pub(crate) const DNS_PORT: u16 = 53;

/// A port of the host's that leads to one of the guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where the host listens.
    pub host: SocketAddr,
    /// The guest's address.
    pub guest: Ipv4Addr,
    /// Its port.
    pub port: u16,
}

/// What the router does beside what it always does.
#[derive(Clone, Debug)]
pub struct UserConfig {
    /// Who answers questions that are asked at 10.0.2.3.
    pub resolver: SocketAddr,
    /// TCP ports that lead to the guest.
    pub forwards: Vec<Forward>,
    /// The guest reaches nobody: only who connects by a forwarded port speaks with it.
    pub restrict: bool,
    /// What DHCP names as the file to boot, which may be a URL.
    pub bootfile: Option<String>,
}

impl Default for UserConfig {
    /// No forwards and no restriction; the host's resolver.
    fn default() -> Self {
        Self { resolver: resolver(), forwards: Vec::new(), restrict: false, bootfile: None }
    }
}

/// The host's first resolver.
#[must_use]
pub fn resolver() -> SocketAddr {
    let file = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    // Without one it is whoever is at this host.
    SocketAddr::new(first_nameserver(&file).unwrap_or(Ipv4Addr::LOCALHOST.into()), DNS_PORT)
}

fn first_nameserver(file: &str) -> Option<IpAddr> {
    file.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next()?.parse().ok()
    })
}

/// Where what a guest sends to `to` goes on the host's side, for a protocol that has ports; `None`: nowhere.
pub(crate) fn translate(config: &UserConfig, to: Ipv4Addr, port: u16) -> Option<SocketAddr> {
    if config.restrict {
        return None;
    }
    match to {
        GATEWAY => Some((Ipv4Addr::LOCALHOST, port).into()),
        DNS => (port == DNS_PORT).then_some(config.resolver),
        _ if is_local(to) || to.is_loopback() || to.is_multicast() || to.is_broadcast() => None,
        _ if to.octets()[0] == 0 => None,
        _ => Some((to, port).into()),
    }
}

/// Whether an address is of the guest's network.
pub(crate) fn is_local(address: Ipv4Addr) -> bool {
    address.to_bits() & MASK.to_bits() == GATEWAY.to_bits() & MASK.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_resolver_that_is_an_address_counts() {
        let file = "# none\nsearch example\nnameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n";
        assert_eq!(first_nameserver(file), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(first_nameserver("nameserver ::1"), Some("::1".parse().unwrap()));
        assert_eq!(first_nameserver("nameservers 192.0.2.1\nnameserver"), None);
    }

    #[test]
    fn the_guests_world_is_mapped_on_the_hosts() {
        let resolver = "192.0.2.1:53".parse().unwrap();
        let config = UserConfig { resolver, ..UserConfig::default() };
        let to = |address: &str, port| translate(&config, address.parse().unwrap(), port);
        assert_eq!(to("10.0.2.2", 80), Some("127.0.0.1:80".parse().unwrap()));
        assert_eq!(to("10.0.2.3", 53), Some(resolver));
        assert_eq!(to("192.0.2.9", 443), Some("192.0.2.9:443".parse().unwrap()));
        for nowhere in [
            "10.0.2.3",
            "10.0.2.4",
            "10.0.2.255",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.1",
        ] {
            assert_eq!(to(nowhere, 80), None, "{nowhere}");
        }
        let config = UserConfig { restrict: true, ..config };
        assert_eq!(translate(&config, GATEWAY, 80), None);
    }
}
