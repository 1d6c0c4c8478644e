//! What a guest's network adapter is connected to.
//!
//! A [`Network`] is opened before the guest runs, and served by a thread of its own ([`Network::run`]). Between that and the
//! thread that runs the guest lies a queue (`cable`): the adapter's frames go there by a [`ringer_devices::Link`], which never
//! waits; frames for the guest go to an inlet, a function that says whether there was room. Three kinds:
//! - `user`: a router in this process, with an address translation, that passes a guest's connections on as sockets of the host's
//!   ([`user::UserConfig`]);
//! - a TAP device, whose other end is the host kernel's;
//! - passt, a process that does what `user` does.
//!
//! Invariants: no frame panics, takes unbounded time or memory (invariant 15 of ARCHITECTURE.md, for whoever sends it); all
//! queues, connections and buffers have a limit, and what is over it is lost, as on any network.

mod cable;
mod error;
mod far;
mod outbox;
mod passt;
mod pcap;
mod service;
mod tap;
pub mod user;

pub use error::NetError;
pub use service::{Network, Stopper};
