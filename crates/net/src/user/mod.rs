//! A router with an address translation, in this process: what a guest sends to the world goes out as the host's own sockets do,
//! and nobody outside learns that there is a guest. No privilege is needed for it.
//!
//! The guest's network is 10.0.2.0/24: the router is 10.0.2.2, and by that address the guest reaches the host's own loopback
//! services; 10.0.2.3 passes questions on to the host's resolver; DHCP gives the guest 10.0.2.15. TCP is ended on both sides
//! (`tcp`): smoltcp speaks with the guest, the host's kernel with the world, and bytes, ends and resets are carried over,
//! with back-pressure both ways. UDP is translated datagram by datagram (`udp`). The router answers pings to itself.
//! There is no IPv6, and fragments from the guest are dropped.

mod addresses;
mod dhcp;
mod packet;
mod router;
mod stack;
mod tcp;
mod udp;

pub use addresses::{DNS, Forward, GATEWAY, GUEST, UserConfig, resolver};
pub(crate) use router::UserNet;
