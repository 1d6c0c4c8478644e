//! Where gdb is listened for: a TCP address or a Unix socket.

use ringer_input::shown;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// The port that QEMU's `-s` has made customary.
const PORT: u16 = 1234;

/// Where gdb is listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?}: give [HOST]:PORT, PORT, tcp:[HOST]:PORT, or unix:PATH")]
pub struct BadAddress(String);

impl Default for Address {
    /// 127.0.0.1:1234.
    fn default() -> Self {
        Self::Tcp("127.0.0.1".to_owned(), PORT)
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(bad()) } else { Ok(Self::Unix(path.into())) };
        }
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        // As QEMU writes them: tcp::1234.
        let text = text.strip_prefix("tcp:").unwrap_or(text);
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = port.parse().map_err(|_| bad())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        Ok(Self::Tcp(host.to_owned(), port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", shown(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_qemu_and_gdb_write_them() {
        let tcp = |host: &str, port| Ok(Address::Tcp(host.to_owned(), port));
        let unix = |path: &str| Ok(Address::Unix(path.into()));
        for (text, address) in [
            ("1234", tcp("127.0.0.1", 1234)),
            (":0", tcp("127.0.0.1", 0)),
            ("tcp::1234", tcp("127.0.0.1", 1234)),
            ("0.0.0.0:99", tcp("0.0.0.0", 99)),
            ("localhost:5", tcp("localhost", 5)),
            ("[::1]:7", tcp("::1", 7)),
            ("unix:sock", unix("sock")),
            ("/tmp/sock", unix("/tmp/sock")),
        ] {
            assert_eq!(text.parse(), address, "{text}");
        }
        for bad in ["", "host", "1:2:x", "70000", "unix:"] {
            assert_eq!(bad.parse::<Address>(), Err(BadAddress(bad.to_owned())));
        }
        assert_eq!(Address::default().to_string(), "127.0.0.1:1234");
        assert_eq!(Address::Tcp("::1".to_owned(), 5).to_string(), "[::1]:5");
    }
}
