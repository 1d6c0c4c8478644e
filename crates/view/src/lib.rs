//! Views of a machine's screen, and hands for its keyboard and its mouse.
//!
//! The problem: somebody wants to see what the guest shows, from another program or another place, and the guest must neither
//! notice nor wait. A picture is taken on the thread that runs the guest, between two instructions, when a view asks for one
//! and something has changed ([`Feed`]); all else is done by the view's own thread, which has a sandbox of its own.
//!
//! - `feed.rs` is the way from the one thread to the other, `damage.rs` what differs between two pictures;
//! - `rfb/` is the protocol of VNC (RFC 6143), without sockets: bytes in, bytes out;
//! - `server.rs` and `client.rs` are the sockets: one thread for all who look; `web/` is the page in a browser, whose WebSocket
//!   carries the same protocol through the same port;
//! - `hands.rs` is what they press and move;
//! - `terminal/` draws the screen where the machine was started;
//! - `window/`, a feature, in a window of an X server.
//!
//! `pace.rs` says how often any of them looks, `scale.rs` makes pictures larger or smaller.
//!
//! What a viewer sends is not trusted: every length is bounded, and who breaks the protocol is cut off.

#![cfg_attr(
    not(test),
    warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)
)]

mod client;
mod damage;
mod error;
mod feed;
mod hands;
mod keysyms;
mod pace;
pub mod rfb;
mod scale;
mod server;
pub mod terminal;
mod web;
#[cfg(feature = "window")]
pub mod window;

pub use damage::{Damage, Rect};
pub use error::ViewError;
#[cfg(feature = "window")]
pub use error::WindowError;
pub use feed::{Feed, Numbers, Wanted};
pub use hands::{Desk, Hands};
pub use server::{Options, Server};
