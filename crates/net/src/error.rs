//! Why a network could not be opened.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// Why a network could not be opened.
#[derive(Debug, Error)]
pub enum NetError {
    /// A port of the host's that is to lead to the guest.
    #[error(
        "cannot listen at {address} for hostfwd: {source}; choose another port, or end who has it"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the host said.
        source: io::Error,
    },
    /// The TAP device.
    #[error(
        "cannot use TAP device {name:?}: {source}; make one that this user owns (ip tuntap add {name} mode tap user NAME), or use --net user"
    )]
    Tap {
        /// Its name.
        name: String,
        /// What the host said.
        source: io::Error,
    },
    /// The name of a TAP device.
    #[error(
        "{0:?} is no name of a network interface: it has 1 to 15 bytes without spaces and slashes"
    )]
    TapName(String),
    /// The socket of passt.
    #[error("cannot connect to passt at {}: {source}; start it first, as: passt --socket {}", path.display(), path.display())]
    Passt {
        /// Where it listens.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// The host refuses what the thread waits by.
    #[error("cannot make an event descriptor for the network: {0}")]
    Event(io::Error),
}
