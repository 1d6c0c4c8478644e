//! Where the guest's screen is shown.

use clap::Args;
use ringer::Layout;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// The port of the first VNC display, and that of its page where there is one.
const VNC_PORT: u16 = 5900;
const WEB_PORT: u16 = 5800;

/// A view of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// Nowhere.
    None,
    /// To VNC viewers that connect there.
    Vnc(SocketAddr),
    /// To browsers, and VNC viewers, that connect there.
    Web(SocketAddr),
    /// In the terminal that the command was started in.
    Terminal,
    /// In a window.
    Window,
}

/// A text that names no view.
#[derive(Debug, Error)]
pub enum UnknownDisplay {
    /// No view.
    #[error("use none, terminal, window, vnc[=ADDR:PORT] or web[=ADDR:PORT]")]
    View,
    /// A view, and no address.
    #[error(
        "{0:?} is no address: give ADDR:PORT, :PORT or PORT, ADDR being a number such as 127.0.0.1 or [::1]"
    )]
    Address(String),
}

impl FromStr for Display {
    type Err = UnknownDisplay;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (view, address) = match text.split_once('=') {
            Some((view, address)) => (view, Some(address)),
            None => (text, None),
        };
        match (view, address) {
            ("none", None) => Ok(Self::None),
            ("terminal", None) => Ok(Self::Terminal),
            ("window", None) => Ok(Self::Window),
            ("vnc", address) => Ok(Self::Vnc(at(address, VNC_PORT)?)),
            ("web", address) => Ok(Self::Web(at(address, WEB_PORT)?)),
            _ => Err(UnknownDisplay::View),
        }
    }
}

/// The address that `text` says: one of this host, unless it says otherwise.
fn at(text: Option<&str>, port: u16) -> Result<SocketAddr, UnknownDisplay> {
    let here = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let Some(text) = text else { return Ok(here(port)) };
    let bad = || UnknownDisplay::Address(text.to_owned());
    let named = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':'));
    match named.unwrap_or(text).parse() {
        Ok(port) => Ok(here(port)),
        Err(_) if named.is_none() => text.parse().map_err(|_| bad()),
        Err(_) => Err(bad()),
    }
}

/// Where the screen is shown, and what its viewers type on.
#[derive(Clone, Debug, Args)]
pub struct DisplayArgs {
    /// Show the screen, and take keys and the mouse from there: none; terminal, the one it is started in; window, one of an X server or XWayland, where that was built in; vnc[=ADDR:PORT] to VNC viewers (at 127.0.0.1:5900 if
    /// nothing is said; port 0 is any that is free); web[=ADDR:PORT] in a browser, too (127.0.0.1:5800) (see docs/screen.md)
    #[arg(long, value_name = "WHERE", default_value = "none")]
    pub display: Display,
    /// The password of viewers: the first line of FILE, of which eight bytes count. An address that others can reach is not
    /// opened without one
    #[arg(long, value_name = "FILE")]
    pub display_password: Option<PathBuf>,
    /// The layout of the guest's keyboard, on which characters of viewers are looked for: us, uk, de or fr
    #[arg(long, value_name = "LAYOUT", default_value = "us", value_parser = layout)]
    pub keyboard: &'static Layout,
}

fn layout(name: &str) -> Result<&'static Layout, ringer::TypingError> {
    Layout::named(name)
}

impl DisplayArgs {
    /// Whether what the machine counts is shown.
    pub fn counts(&self) -> bool {
        matches!(self.display, Display::Web(_))
    }

    /// Whether somebody can see the screen while the guest runs, and type.
    pub fn is_shown(&self) -> bool {
        self.display != Display::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_named_with_their_address_or_without() {
        let vnc = |address: &str| Display::Vnc(address.parse().unwrap());
        for (text, display) in [
            ("none", Display::None),
            ("vnc", vnc("127.0.0.1:5900")),
            ("vnc=5901", vnc("127.0.0.1:5901")),
            ("vnc=:0", vnc("127.0.0.1:0")),
            ("vnc=localhost:7", vnc("127.0.0.1:7")),
            ("vnc=0.0.0.0:5900", vnc("0.0.0.0:5900")),
            ("vnc=[::1]:5900", vnc("[::1]:5900")),
            ("terminal", Display::Terminal),
            ("window", Display::Window),
            ("web", Display::Web("127.0.0.1:5800".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<Display>().unwrap(), display, "{text}");
        }
        for bad in [
            "",
            "none=1",
            "terminal=x",
            "window=0",
            "gtk",
            "vnc=",
            "vnc=:x",
            "vnc=host:1",
            "vnc=1.2.3.4",
            "vnc=70000",
        ] {
            let error = bad.parse::<Display>().unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
