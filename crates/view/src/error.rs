//! Why a view cannot be shown.

use ringer_machine::status;
use std::io;
use std::net::SocketAddr;
use thiserror::Error;

/// Why a view cannot be shown; never because of what a viewer or the guest does.
#[derive(Debug, Error)]
pub enum ViewError {
    /// The address cannot be listened at.
    #[error(
        "--display {view}={address}: cannot listen there: {source}; give another port, or 0 for any that is free"
    )]
    Listen {
        /// Which view.
        view: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Others than this host could reach the address, and nothing keeps them out.
    #[error(
        "--display {view}={address}: others could reach that address; give --display-password FILE, or an address of this host \
         alone (127.0.0.1)"
    )]
    Open {
        /// Which view.
        view: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The host does not give what a view needs.
    #[error("cannot set up the display: {what}: {source}")]
    Host {
        /// What it does not give.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ViewError {
    /// The process exit status for this error.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Listen { .. } | Self::Open { .. } => status::USAGE,
            Self::Host { .. } => status::INTERNAL,
        }
    }
}
