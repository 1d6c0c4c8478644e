//! The screen in a window of an X server (under Wayland, of XWayland): a feature of its own, `window`.
//!
//! The connection is made, and the window opened, before the guest runs. Afterwards a thread draws what changes and hears what is pressed,
//! and may do nothing else (`Threads::WINDOW`): so the protocol is spoken by a crate that opens no library and no file meanwhile, as
//! toolkits do.

mod codes;
mod grip;
mod pane;
mod show;

pub use show::{Options, Window};
