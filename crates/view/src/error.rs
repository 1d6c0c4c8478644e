//! Why a view cannot be shown.

use ringer_machine::status;
use std::io;
use std::net::SocketAddr;
use thiserror::Error;
#[cfg(feature = "window")]
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};

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
    /// There can be no window.
    #[cfg(feature = "window")]
    #[error("--display window: {0}")]
    Window(#[from] WindowError),
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
            #[cfg(feature = "window")]
            Self::Window(_) => status::USAGE,
            Self::Host { .. } => status::INTERNAL,
        }
    }
}

/// Why there can be no window.
#[cfg(feature = "window")]
#[derive(Debug, Error)]
pub enum WindowError {
    /// No X server, or it does not let this user in.
    #[error(
        "no X server can be reached: {source}; DISPLAY has to name one that lets this user in (under Wayland, XWayland)"
    )]
    NoServer {
        /// What came instead.
        source: ConnectError,
    },
    /// One whose pictures are not made here.
    #[error(
        "the X server's screen has not 32 bits of colours a dot; --display vnc shows it to a viewer"
    )]
    Dots,
    /// The connection ended while the window was opened.
    #[error("the X server went away: {0}")]
    Lost(#[from] ConnectionError),
    /// The server refused something.
    #[error("the X server does not open a window: {0}")]
    Refused(#[from] ReplyError),
    /// The same, or there are too many things.
    #[error("the X server does not open a window: {0}")]
    Full(#[from] ReplyOrIdError),
}
