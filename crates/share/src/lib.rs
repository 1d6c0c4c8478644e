//! A folder of the host's that a guest mounts (9P2000.L), and cannot leave.
//!
//! The problem: whoever writes the messages is not trusted, and names are what one gets out of a folder by. So no name is ever
//! followed but by `openat2` from the folder's own descriptor, with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS; a link is read,
//! and it is the guest's kernel that follows it, in the guest. Nothing but regular files and folders is opened.
//!
//! - [`SharedFolder`]: the folder, open, and the thread's work, which has its own filter (invariant 18);
//! - [`Server`]: answers messages; `message`: their bytes; `fids`: what the guest has named;
//! - `tree`: what is done to files.

mod fids;
mod message;
mod server;
mod service;
mod tree;

pub use server::Server;
pub use service::{Service, ShareError, SharedFolder};
