//! The protocol of VNC (RFC 6143), the machine's side of one connection: bytes in, bytes out.
//!
//! Versions 3.3, 3.7 and 3.8; security None, or a password; raw, zlib and ZRLE; sizes that change (DesktopSize), keys by their
//! codes and motions of the pointer (both as QEMU has added them to the protocol).

mod auth;
mod encode;
mod format;
mod session;
mod update;

pub use auth::Password;
pub use session::{Broken, Session, Terms};
