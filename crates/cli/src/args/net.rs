//! `--net`: what the guest's network adapter is connected to.

use super::drive::pairs;
use crate::error::CliError;
use clap::Args;
use ringer::{Mac, NicModel};
use ringer_net::user::{Forward, GUEST, UserConfig};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The port of a resolver, where none is named.
const DNS_PORT: u16 = 53;

/// The network.
#[derive(Clone, Debug, Default, Args)]
pub struct NetArgs {
    /// A network adapter for the guest, connected to a router in this process (user), to a TAP device (tap,ifname=NAME), to
    /// passt (passt,path=SOCKET) or to nothing (none, as without --net). Then model=MODEL and mac=ADDRESS of the adapter; for
    /// user hostfwd=tcp:[ADDR]:PORT-[GUEST]:PORT (may be repeated), restrict=on, resolver=ADDR[:PORT], bootfile=URL
    #[arg(long, value_name = "KIND[,KEY=VALUE...]")]
    pub net: Option<String>,
    /// Write all frames of the network to FILE, in the pcap format
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
}

/// What the adapter is connected to.
#[derive(Clone, Debug)]
pub enum NetKind {
    /// A router in this process.
    User(UserConfig),
    /// A TAP device of this name.
    Tap(String),
    /// passt, which listens there.
    Passt(PathBuf),
}

/// A network and the guest's adapter.
#[derive(Clone, Debug)]
pub struct Net {
    /// What the adapter is connected to.
    pub kind: NetKind,
    /// The adapter, if it was named.
    pub model: Option<NicModel>,
    /// Its address, likewise.
    pub mac: Option<Mac>,
}

impl NetArgs {
    /// The network that was asked for.
    ///
    /// # Errors
    /// [`CliError::Net`] for what `--net` does not know, [`CliError::PcapAlone`] for `--pcap` without a network.
    pub fn network(&self) -> Result<Option<Net>, CliError> {
        let error = |text: &str, reason| CliError::Net { text: text.to_owned(), reason };
        let net = self.net.as_deref().map(|text| parse(text).map_err(|e| error(text, e)));
        let net = net.transpose()?.flatten();
        match (net, &self.pcap) {
            (None, Some(_)) => Err(CliError::PcapAlone),
            (net, _) => Ok(net),
        }
    }
}

fn parse(text: &str) -> Result<Option<Net>, String> {
    let pairs = pairs(text.as_bytes());
    let mut pairs = pairs.iter().map(|pair| String::from_utf8_lossy(pair));
    let kind = pairs.next().unwrap_or_default();
    let (mut model, mut mac, mut ifname, mut path) = (None, None, None, None);
    let mut user = UserConfig::default();
    for pair in pairs {
        let (key, value) = pair.split_once('=').unwrap_or((&pair, ""));
        let wrong = |known: &str| format!("{key}={value}: {known}");
        match (key, &*kind) {
            ("model", _) => {
                let found = NicModel::ALL.into_iter().find(|model| model.id() == value);
                let known = || NicModel::ALL.map(NicModel::id).join(", ");
                model = Some(found.ok_or_else(|| wrong(&format!("the models are {}", known())))?);
            }
            ("mac", _) => {
                mac = Some(value.parse::<Mac>().map_err(|e| wrong(&e.to_string()))?);
            }
            ("ifname", "tap") => ifname = Some(value.to_owned()),
            ("path", "passt") => path = Some(PathBuf::from(value)),
            ("hostfwd", "user") => {
                let form = "it is tcp:[ADDR]:PORT-[GUEST]:PORT, as tcp::2222-:22";
                user.forwards.push(forward(value).ok_or_else(|| wrong(form))?);
            }
            ("restrict", "user") => {
                user.restrict = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(wrong("restrict is on or off")),
                };
            }
            ("resolver", "user") => {
                let form = "it is an address, with or without :PORT";
                user.resolver = resolver(value).ok_or_else(|| wrong(form))?;
            }
            ("bootfile", "user") => user.bootfile = Some(value.to_owned()),
            _ => {
                let of_kind = match &*kind {
                    "user" => ", hostfwd, restrict, resolver and bootfile",
                    "tap" => " and ifname",
                    "passt" => " and path",
                    _ => "",
                };
                return Err(format!("{key:?} is none of model, mac{of_kind}"));
            }
        }
    }
    let kind = match &*kind {
        "none" => return Ok(None),
        "user" => NetKind::User(user),
        "tap" => NetKind::Tap(ifname.ok_or("ifname=NAME is missing")?),
        "passt" => NetKind::Passt(path.ok_or("path=SOCKET is missing")?),
        _ => return Err(format!("{kind:?} is none of user, tap, passt and none")),
    };
    Ok(Some(Net { kind, model, mac }))
}

/// `tcp:[ADDR]:PORT-[GUEST]:PORT`. The host's address is its loopback where none is named.
fn forward(text: &str) -> Option<Forward> {
    let (host, guest) = text.strip_prefix("tcp:")?.split_once('-')?;
    let end = |text: &str, usual| {
        let (address, port) = text.rsplit_once(':')?;
        let address = if address.is_empty() { Some(usual) } else { address.parse().ok() };
        Some((address?, port.parse().ok().filter(|port| *port != 0)?))
    };
    let (host, (guest, port)) = (end(host, Ipv4Addr::LOCALHOST)?, end(guest, GUEST)?);
    Some(Forward { host: SocketAddr::from(host), guest, port })
}

fn resolver(text: &str) -> Option<SocketAddr> {
    let bare = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, DNS_PORT));
    text.parse().ok().or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Result<Option<Net>, CliError> {
        NetArgs { net: Some(text.to_owned()), pcap: None }.network()
    }

    #[test]
    fn networks_are_what_was_said() {
        let found = net(
            "user,model=e1000,mac=52:54:00:00:00:01,hostfwd=tcp::2222-:22,hostfwd=tcp:0.0.0.0:80-10.0.2.9:8080,resolver=192.0.2.1,restrict=on",
        );
        let Net { kind: NetKind::User(user), model, mac } = found.unwrap().unwrap() else {
            panic!("another kind")
        };
        assert_eq!(model, Some(NicModel::E1000));
        assert_eq!(mac, Some(Mac([0x52, 0x54, 0, 0, 0, 1])));
        assert!(user.restrict);
        assert_eq!(user.resolver, "192.0.2.1:53".parse().unwrap());
        let first = Forward { host: "127.0.0.1:2222".parse().unwrap(), guest: GUEST, port: 22 };
        let guest = "10.0.2.9".parse().unwrap();
        let second = Forward { host: "0.0.0.0:80".parse().unwrap(), guest, port: 8080 };
        assert_eq!(user.forwards, [first, second]);
        assert!(net("none").unwrap().is_none() && NetArgs::default().network().unwrap().is_none());
        assert!(
            matches!(net("tap,ifname=tap0"), Ok(Some(Net { kind: NetKind::Tap(name), .. })) if name == "tap0")
        );
        assert!(
            matches!(net("passt,path=/run/a,,b"), Ok(Some(Net { kind: NetKind::Passt(path), .. })) if path.ends_with("a,b"))
        );
    }

    #[test]
    fn what_is_not_known_is_said_in_one_line() {
        for (text, part) in [
            ("", "none of user"),
            ("slirp", "none of user, tap, passt and none"),
            ("tap", "ifname=NAME is missing"),
            ("passt", "path=SOCKET is missing"),
            ("user,model=ne2k", "the models are e1000, rtl8139"),
            ("user,mac=1", "six pairs"),
            ("user,mac=01:00:00:00:00:00", "group"),
            ("user,hostfwd=udp::1-:2", "tcp:[ADDR]:PORT-[GUEST]:PORT"),
            ("user,hostfwd=tcp::0-:2", "tcp:[ADDR]"),
            ("user,hostfwd=tcp:localhost:1-:2", "tcp:[ADDR]"),
            ("user,resolver=host", "an address"),
            ("user,restrict", "on or off"),
            ("user,ifname=tap0", "\"ifname\" is none of model, mac, hostfwd"),
            ("tap,ifname=t,hostfwd=tcp::1-:2", "\"hostfwd\" is none of model, mac and ifname"),
        ] {
            let error = net(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.lines().count() == 1, "{error}");
        }
        let alone = NetArgs { net: None, pcap: Some("f".into()) }.network().unwrap_err();
        assert!(alone.to_string().contains("--net"), "{alone}");
    }
}
