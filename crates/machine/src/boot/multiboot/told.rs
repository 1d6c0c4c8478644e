//! What both protocols tell a kernel.

use crate::boot::elf::Sections;
use crate::boot::parts::Placed;
use crate::boot::screen::ScreenWish;

/// The name that the loader gives itself.
pub const LOADER_NAME: &str = "Ringer";

/// What a kernel is told beside what is known only at each boot.
#[derive(Debug)]
pub struct Told {
    pub cmdline: String,
    pub modules: Vec<Placed>,
    pub sections: Option<Sections>,
    /// Bytes of memory.
    pub ram: u64,
    /// The kernel asked for a screen.
    pub screen: Option<ScreenWish>,
}
